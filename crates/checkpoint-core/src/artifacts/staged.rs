//! Bytes on their way into the store: written once, hashed while written.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::{NamedTempFile, TempPath};

use crate::digest::{Digests, Hasher};
use crate::error::{Error, Result};

/// A staged file older than this belongs to an operation that was interrupted.
const ABANDONED_AFTER: Duration = Duration::from_secs(24 * 3600);

/// The directory that holds unnamed bytes. What stays behind after a crash is removed a day later.
#[derive(Clone)]
pub struct Staging {
    directory: PathBuf,
}

impl Staging {
    /// Opens the directory, and creates it where it does not exist.
    pub fn open(directory: &Path) -> Result<Staging> {
        fs::create_dir_all(directory).map_err(Error::io("create the directory", directory))?;
        Ok(Staging { directory: directory.to_path_buf() })
    }

    /// Removes what interrupted operations left here more than a day before `now`.
    pub fn remove_abandoned(&self, now: SystemTime) {
        let Ok(entries) = fs::read_dir(&self.directory) else {
            return;
        };
        let is_lock =
            |entry: &fs::DirEntry| entry.path().extension().is_some_and(|extension| extension == "lock");
        for entry in entries.flatten().filter(|entry| !is_lock(entry)) {
            let modified = entry.metadata().and_then(|metadata| metadata.modified());
            let age = modified.ok().and_then(|modified| now.duration_since(modified).ok());
            if age.is_some_and(|age| age > ABANDONED_AFTER) {
                // Somebody else may have removed it first; either way it is gone.
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Waits for whoever else on this machine has the lock of that name, and has it until the file is dropped.
    pub fn lock(&self, name: &str) -> Result<File> {
        let path = self.directory.join(format!("{name}.lock"));
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(Error::io("open", &path))?;
        file.lock().map_err(Error::io("lock", &path))?;
        Ok(file)
    }

    /// Begins a new run of bytes.
    pub fn create(&self) -> Result<Writing> {
        let file = NamedTempFile::new_in(&self.directory).map_err(Error::io("write in", &self.directory))?;
        Ok(Writing { file: BufWriter::with_capacity(1 << 16, file), hasher: Hasher::default() })
    }

    /// Stages all that `source` gives.
    pub fn copy(&self, mut source: impl Read) -> Result<Staged> {
        let mut writing = self.create()?;
        io::copy(&mut source, &mut writing).map_err(Error::io("write in", &self.directory))?;
        writing.finish()
    }
}

/// A staged file that is being written.
pub struct Writing {
    file: BufWriter<NamedTempFile>,
    hasher: Hasher,
}

impl Write for Writing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Writing {
    /// Where the bytes go. What was written is there once it was flushed.
    pub fn path(&self) -> &Path {
        self.file.get_ref().path()
    }

    /// Ends the run of bytes.
    pub fn finish(self) -> Result<Staged> {
        let path = self.file.get_ref().path().to_path_buf();
        let file = self.file.into_inner().map_err(|error| Error::io("write", &path)(error.into_error()))?;
        Ok(Staged { path: file.into_temp_path(), digests: self.hasher.finish() })
    }
}

/// Complete bytes without a name yet. Dropping it removes them.
pub struct Staged {
    path: TempPath,
    digests: Digests,
}

impl Staged {
    /// What the bytes are.
    pub fn digests(&self) -> &Digests {
        &self.digests
    }

    /// Where they lie for now.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads them again.
    pub fn open(&self) -> Result<File> {
        File::open(&self.path).map_err(Error::io("open", self.path()))
    }

    pub(super) fn rename_to(self, target: &Path) -> Result<()> {
        self.path.persist(target).map_err(|error| Error::io("write", target)(error.error))
    }
}
