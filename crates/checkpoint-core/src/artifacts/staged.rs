//! Bytes on their way into the store: written once, hashed while written.

use std::fs::{self, File, TryLockError};
use std::io::{self, BufReader, BufWriter, Read, Seek as _, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::{NamedTempFile, TempPath};

use crate::digest::{Digests, Hasher, Sha256};
use crate::error::{Error, Result};

/// A staged file older than this belongs to an operation that was interrupted.
const ABANDONED_AFTER: Duration = Duration::from_secs(24 * 3600);

/// Where bytes go that were not what they should have been, inside the staging directory.
const QUARANTINE: &str = "quarantine";
/// How many files are in quarantine at most; the oldest one gives way.
const MOST_QUARANTINED: usize = 100;

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
        for entry in entries.flatten().filter(|entry| !is_lock(entry) && !entry.path().is_dir()) {
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
        Ok(Writing::new(file, Hasher::default(), 0))
    }

    /// Goes on with bytes that are to have this digest and size where an earlier process was interrupted, or begins
    /// them. If this process is interrupted too, what was written stays for the next one.
    pub fn take_up(&self, sha256: &Sha256, size: u64) -> Result<Writing> {
        let path = self.directory.join(format!("partial-{sha256}"));
        let file = File::options().create(true).truncate(false).read(true).write(true).open(&path);
        let file = file.map_err(Error::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            // Somebody else fetches the same.
            Err(TryLockError::WouldBlock) => return self.create(),
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", &path)(error)),
        }
        // Whoever had the lock may have given the file another name meanwhile.
        let inode = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
        let (own, there) = (file.metadata().map(inode), fs::metadata(&path).map(inode));
        if own.ok() != there.ok() {
            return self.create();
        }
        let mut hasher = Hasher::default();
        let mut there =
            io::copy(&mut BufReader::new(&file), &mut hasher).map_err(Error::io("read", &path))?;
        if there >= size {
            // It was complete and yet not taken, so it was not what it should be.
            (there, hasher) = (0, Hasher::default());
            file.set_len(0).map_err(Error::io("write", &path))?;
            (&file).rewind().map_err(Error::io("write", &path))?;
        }
        let mut named = TempPath::try_from_path(&path).map_err(Error::io("open", &path))?;
        named.disable_cleanup(true);
        Ok(Writing::new(NamedTempFile::from_parts(file, named), hasher, there))
    }

    /// Keeps bytes that were not what they should have been for somebody to look at; says where.
    pub fn quarantine(&self, staged: Staged) -> Result<PathBuf> {
        let directory = self.directory.join(QUARANTINE);
        fs::create_dir_all(&directory).map_err(Error::io("create the directory", &directory))?;
        let entries = fs::read_dir(&directory).map_err(Error::io("read", &directory))?.flatten();
        let mut there: Vec<_> = entries
            .map(|entry| (entry.metadata().and_then(|metadata| metadata.modified()).ok(), entry.path()))
            .collect();
        there.sort();
        let surplus = (there.len() + 1).saturating_sub(MOST_QUARANTINED);
        for (_, path) in there.into_iter().take(surplus) {
            fs::remove_file(&path).map_err(Error::io("remove", &path))?;
        }
        let path = directory.join(staged.digests().sha256.to_string());
        staged.rename_to(&path)?;
        Ok(path)
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
    size: u64,
}

impl Write for Writing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Writing {
    fn new(file: NamedTempFile, hasher: Hasher, size: u64) -> Writing {
        Writing { file: BufWriter::with_capacity(1 << 16, file), hasher, size }
    }

    /// How many bytes there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Makes sure that nobody goes on with these bytes.
    pub fn forget(&mut self) {
        self.file.get_mut().disable_cleanup(false);
    }

    /// Where the bytes go. What was written is there once it was flushed.
    pub fn path(&self) -> &Path {
        self.file.get_ref().path()
    }

    /// Ends the run of bytes.
    pub fn finish(mut self) -> Result<Staged> {
        self.forget();
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
