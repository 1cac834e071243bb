//! The files of a keyring: who may read them, and how they appear whole or not at all.

use std::fs::{DirBuilder, File, Permissions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use checkpoint_core::{Error, Result};

/// The `*.asc` files of `dir` by name; none if there is no such directory.
/// Fails with [`Error::Io`] if the directory cannot be read.
pub(super) fn list(dir: &Path) -> Result<Vec<PathBuf>> {
    let doing = "read the key directory";
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(Error::io(doing, dir))?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(Error::io(doing, dir))?.path();
        if path.extension().is_some_and(|extension| extension == "asc") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// The bytes of a key file. Warns if others than its owner may read it.
/// Fails with [`Error::Io`].
pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    let doing = "read the key file";
    let mode = std::fs::metadata(path).map_err(Error::io(doing, path))?.permissions().mode();
    if mode & 0o077 != 0 {
        tracing::warn!(
            path = %path.display(),
            "others than its owner may use this secret key file (mode {:04o}); run chmod 600 on it",
            mode & 0o7777,
        );
    }
    std::fs::read(path).map_err(Error::io(doing, path))
}

/// Writes `bytes` as the new file `name` of `dir`, which is made if it does not exist; both for their owner
/// only. `false`, and nothing is changed, if the name is taken: of many that try at once exactly one gets
/// `true`, and nobody ever sees half a file.
/// Fails with [`Error::Io`].
pub(super) fn create(dir: &Path, name: &str, bytes: &[u8]) -> Result<bool> {
    let doing = "write a key file in";
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(Error::io("create the key directory", dir))?;
    // Not named `*.asc`, so that what a crash leaves behind is not taken for a key.
    let mut file = tempfile::Builder::new()
        .prefix(".new-key-")
        .suffix(".tmp")
        .permissions(Permissions::from_mode(0o600))
        .tempfile_in(dir)
        .map_err(Error::io(doing, dir))?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(Error::io(doing, dir))?;
    match file.persist_noclobber(dir.join(name)) {
        Ok(_) => {}
        Err(refused) if refused.error.kind() == ErrorKind::AlreadyExists => return Ok(false),
        Err(refused) => return Err(Error::io(doing, dir)(refused.error)),
    }
    // The parent, too: the directory may be as new as the file.
    for place in dir.ancestors().take(2).filter(|place| !place.as_os_str().is_empty()) {
        File::open(place).and_then(|open| open.sync_all()).map_err(Error::io(doing, place))?;
    }
    Ok(true)
}
