//! Moving staged files into a store that is a directory.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;

use super::key;
use super::staged::Staged;
use crate::error::{Error, Result};

/// From this many files on, one flush of the whole filesystem is cheaper than one for each file.
const MANY: usize = 8;

/// Flush, rename, flush the directories: a name never stands for bytes that a power cut could take.
pub(super) fn put(root: &Path, staged: Vec<Staged>) -> Result<()> {
    if staged.is_empty() {
        return Ok(());
    }
    let many = staged.len() >= MANY;
    if many {
        flush_filesystem(root)?;
    } else {
        for artifact in &staged {
            let file = File::open(artifact.path()).map_err(Error::io("open", artifact.path()))?;
            file.sync_all().map_err(Error::io("flush", artifact.path()))?;
        }
    }
    let mut directories = BTreeSet::new();
    for artifact in staged {
        let target = root.join(key::of(&artifact.digests().sha256));
        if let Some(directory) = target.parent() {
            if !directory.is_dir() {
                fs::create_dir_all(directory).map_err(Error::io("create", directory))?;
                directories.extend(directory.ancestors().take(3).map(Path::to_path_buf));
            }
            directories.insert(directory.to_path_buf());
        }
        artifact.rename_to(&target)?;
    }
    if many {
        return flush_filesystem(root);
    }
    directories.iter().try_for_each(|directory| {
        let handle = File::open(directory).map_err(Error::io("open", directory))?;
        handle.sync_all().map_err(Error::io("flush", directory))
    })
}

fn flush_filesystem(root: &Path) -> Result<()> {
    let handle = File::open(root).map_err(Error::io("open", root))?;
    rustix::fs::syncfs(&handle).map_err(|errno| Error::io("flush", root)(errno.into()))
}
