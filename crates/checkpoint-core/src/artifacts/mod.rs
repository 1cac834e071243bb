//! Immutable bytes named by their SHA-256, in an object store chosen by URL.
//!
//! Bytes are staged in a local directory while they are hashed, made durable, and only then moved to
//! their name. Whether an artifact exists is answered by the catalog, never by looking into the store:
//! what lies in the store without a row is the leftover of an interrupted operation and is overwritten.

mod key;
mod local;
mod staged;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use object_store::{ObjectStore, ObjectStoreExt as _};
use tokio::io::AsyncReadExt as _;
use url::Url;

use sha2::Digest as _;

use crate::digest::{Digests, Hasher, Sha256, Sha512};
use crate::error::{Error, Result};
pub use staged::{Staged, Staging, Writing};

/// How many bytes of an artifact are in memory at once while it is copied.
const CHUNK: usize = 1 << 20;

/// The store of all artifacts.
#[derive(Clone)]
pub struct ArtifactStore {
    objects: Arc<dyn ObjectStore>,
    prefix: object_store::path::Path,
    /// The directory behind a `file:` URL; bytes are moved into it and served from it without a copy.
    root: Option<PathBuf>,
    staging: Staging,
}

impl ArtifactStore {
    /// Opens the store at `url` (`file:`, `s3:`, `az:`, `gs:` or `memory:`) with the options of that kind of
    /// store. `staging` is used for what is not a `file:` store, which stages inside itself.
    pub fn open(url: &Url, options: &[(String, String)], staging: &Path) -> Result<ArtifactStore> {
        if url.scheme() == "file" {
            return Self::open_directory(url);
        }
        let (objects, prefix) = object_store::parse_url_opts(url, options.iter().cloned())
            .map_err(|error| Error::Invalid(format!("cannot use '{url}' as artifact store: {error}")))?;
        Ok(ArtifactStore {
            objects: Arc::from(objects),
            prefix,
            root: None,
            staging: Staging::open(staging)?,
        })
    }

    fn open_directory(url: &Url) -> Result<ArtifactStore> {
        let root = url
            .to_file_path()
            .map_err(|()| Error::Invalid(format!("'{url}' does not name a local directory")))?;
        let staging = Staging::open(&root.join("staging"))?;
        let objects = object_store::local::LocalFileSystem::new_with_prefix(&root)
            .map_err(Error::store("open its directory"))?;
        Ok(ArtifactStore {
            objects: Arc::new(objects),
            prefix: object_store::path::Path::default(),
            root: Some(root),
            staging,
        })
    }

    /// Where new bytes are written before they have a name.
    pub fn staging(&self) -> &Staging {
        &self.staging
    }

    /// The name of an artifact in the store.
    pub fn key(sha256: &Sha256) -> String {
        key::of(sha256)
    }

    /// The file behind an artifact, where the store is a directory.
    pub fn local_path(&self, sha256: &Sha256) -> Option<PathBuf> {
        self.root.as_ref().map(|root| root.join(key::of(sha256)))
    }

    /// Gives staged bytes their names. When it returns, they survive a power cut.
    pub async fn put(&self, staged: Vec<Staged>) -> Result<()> {
        let Some(root) = self.root.clone() else {
            for artifact in staged {
                self.upload(artifact).await?;
            }
            return Ok(());
        };
        run_blocking(move || local::put(&root, staged)).await
    }

    async fn upload(&self, staged: Staged) -> Result<()> {
        let location = self.location(&staged.digests().sha256);
        let mut file =
            tokio::fs::File::open(staged.path()).await.map_err(Error::io("read", staged.path()))?;
        let mut writer = object_store::buffered::BufWriter::new(self.objects.clone(), location);
        let mut buffer = vec![0; CHUNK];
        loop {
            let read = file.read(&mut buffer).await.map_err(Error::io("read", staged.path()))?;
            if read == 0 {
                break;
            }
            writer
                .put(Bytes::copy_from_slice(&buffer[..read]))
                .await
                .map_err(Error::store("write an artifact"))?;
        }
        tokio::io::AsyncWriteExt::shutdown(&mut writer).await.map_err(Error::io("upload", staged.path()))
    }

    /// All bytes of an artifact that is known to be small.
    pub async fn read(&self, sha256: &Sha256) -> Result<Bytes> {
        let found = self.objects.get(&self.location(sha256)).await;
        let found = found.map_err(|error| missing(sha256, error))?;
        found.bytes().await.map_err(Error::store("read an artifact"))
    }

    /// The bytes of an artifact from `range.start` up to `range.end`, in pieces.
    pub async fn stream(
        &self,
        sha256: &Sha256,
        range: std::ops::Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes>>> {
        let options = object_store::GetOptions {
            range: Some(object_store::GetRange::Bounded(range)),
            ..Default::default()
        };
        let found = self.objects.get_opts(&self.location(sha256), options).await;
        let found = found.map_err(|error| missing(sha256, error))?;
        Ok(found.into_stream().map(|piece| piece.map_err(Error::store("read an artifact"))).boxed())
    }

    /// Reads an artifact from end to end. [`Error::Corrupt`] says what is wrong with it.
    pub async fn check(&self, expected: &Digests) -> Result<()> {
        let sha256 = &expected.sha256;
        let found = self.objects.get(&self.location(sha256)).await.map_err(|error| missing(sha256, error))?;
        let mut pieces = found.into_stream();
        let mut hasher = Hasher::default();
        while let Some(piece) = pieces.next().await {
            hasher.update(&piece.map_err(Error::store("read an artifact"))?);
        }
        let actual = hasher.finish();
        if actual == *expected {
            return Ok(());
        }
        Err(Error::Corrupt(format!(
            "artifact {sha256} of {} bytes holds {} bytes with the SHA-256 {}",
            expected.size, actual.size, actual.sha256
        )))
    }

    /// The SHA-512 of an artifact, which nobody has remembered.
    pub async fn sha512(&self, sha256: &Sha256) -> Result<Sha512> {
        let found = self.objects.get(&self.location(sha256)).await.map_err(|error| missing(sha256, error))?;
        let mut pieces = found.into_stream();
        let mut hasher = sha2::Sha512::new();
        while let Some(piece) = pieces.next().await {
            hasher.update(&piece.map_err(Error::store("read an artifact"))?);
        }
        Sha512::from_slice(&hasher.finalize())
    }

    /// Deletes bytes that nobody refers to, unless they were written after `time`.
    pub async fn remove_older(&self, sha256: &Sha256, time: SystemTime) -> Result<()> {
        let location = self.location(sha256);
        let written = match self.objects.head(&location).await {
            Ok(found) => SystemTime::from(found.last_modified),
            Err(object_store::Error::NotFound { .. }) => return Ok(()),
            Err(error) => return Err(Error::store("look at an artifact")(error)),
        };
        if written > time {
            return Ok(());
        }
        self.objects.delete(&location).await.map_err(Error::store("delete an artifact"))
    }

    fn location(&self, sha256: &Sha256) -> object_store::path::Path {
        self.prefix.parts().chain(object_store::path::Path::from(key::of(sha256)).parts()).collect()
    }
}

fn missing(sha256: &Sha256, error: object_store::Error) -> Error {
    match error {
        object_store::Error::NotFound { .. } => {
            Error::Corrupt(format!("artifact {sha256} is missing in the store"))
        }
        error => Error::Store { doing: "open an artifact", source: error },
    }
}

/// Runs blocking work off the async threads.
pub(crate) async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|stopped| Err(Error::Internal(format!("a blocking task stopped: {stopped}"))))
}
