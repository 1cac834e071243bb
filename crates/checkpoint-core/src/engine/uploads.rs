//! Uploads in chunks, and artifacts by themselves.

use std::io::Write as _;

use futures_util::StreamExt as _;

use super::Engine;
use crate::artifacts::{Staged, run_blocking};
use crate::catalog::PendingUpload;
use crate::digest::{Digests, Sha256};
use crate::error::{Error, Result};
use crate::model::Id;

/// The largest file that can be uploaded in chunks, in bytes.
const LARGEST: u64 = 1 << 40;

impl Engine {
    /// Begins an upload of so many bytes.
    pub async fn create_upload(&self, size: u64) -> Result<PendingUpload> {
        if size == 0 || size > LARGEST {
            return Err(Error::Invalid(format!("an upload has from 1 to {LARGEST} bytes, not {size}")));
        }
        let mut transaction = self.catalog.begin().await?;
        let id = transaction.create_upload(size, self.now()).await?;
        transaction.commit().await?;
        self.upload(id).await
    }

    /// All uploads that are not finished, oldest first.
    pub async fn uploads(&self) -> Result<Vec<PendingUpload>> {
        self.catalog.uploads().await
    }

    /// The upload of that row.
    pub async fn upload(&self, id: Id) -> Result<PendingUpload> {
        let found = self.catalog.uploads().await?.into_iter().find(|upload| upload.id == id);
        found.ok_or_else(|| Error::NotFound { what: "upload", name: id.to_string() })
    }

    /// Adds a chunk at an offset.
    pub async fn add_chunk(&self, id: Id, offset: u64, chunk: Staged) -> Result<PendingUpload> {
        let upload = self.upload(id).await?;
        let Digests { size, sha256, .. } = *chunk.digests();
        if offset.checked_add(size).is_none_or(|end| end > upload.size) {
            return Err(Error::Invalid(format!(
                "the chunk ends behind the {} bytes of the upload",
                upload.size
            )));
        }
        let artifacts = self.store_staged(vec![chunk]).await?;
        let mut transaction = self.catalog.begin().await?;
        transaction.insert_artifacts(&artifacts, self.now()).await?;
        transaction.insert_chunk(id, offset, (size, &sha256)).await?;
        transaction.commit().await?;
        self.upload(id).await
    }

    /// Forgets an upload.
    pub async fn delete_upload(&self, id: Id) -> Result<()> {
        self.upload(id).await?;
        let mut transaction = self.catalog.begin().await?;
        transaction.delete_upload(id).await?;
        transaction.commit().await
    }

    /// Puts the chunks together, which have to be all there, as an artifact with this digest.
    pub async fn commit_upload(&self, id: Id, expected: &Sha256) -> Result<Digests> {
        let staged = self.assemble(id).await?;
        if staged.digests().sha256 != *expected {
            return Err(Error::Invalid(format!(
                "the upload has the SHA-256 {}, not {expected}",
                staged.digests().sha256
            )));
        }
        let digests = self.create_artifact(staged).await?;
        self.delete_upload(id).await?;
        Ok(digests)
    }

    /// The bytes of an upload that is complete.
    pub(super) async fn assemble(&self, id: Id) -> Result<Staged> {
        let upload = self.upload(id).await?;
        let mut writing = self.store.staging().create()?;
        let mut end = 0;
        for (offset, size, sha256) in upload.chunks {
            if offset != end {
                break;
            }
            let mut pieces = self.store.stream(&sha256, 0..size).await?;
            while let Some(piece) = pieces.next().await {
                writing.write_all(&piece?).map_err(Error::io("write", "an upload"))?;
            }
            end += size;
        }
        if end != upload.size {
            return Err(Error::Invalid(format!(
                "the upload is not complete: of {} bytes those from {end} on are missing",
                upload.size
            )));
        }
        run_blocking(move || writing.finish()).await
    }

    /// Records bytes as an artifact.
    pub async fn create_artifact(&self, staged: Staged) -> Result<Digests> {
        let digests = *staged.digests();
        let artifacts = self.store_staged(vec![staged]).await?;
        let mut transaction = self.catalog.begin().await?;
        transaction.insert_artifacts(&artifacts, self.now()).await?;
        transaction.commit().await?;
        Ok(digests)
    }
}
