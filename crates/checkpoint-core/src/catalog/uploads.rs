//! Uploads in chunks. Each chunk is an artifact until all of them are put together.

use sqlx::any::AnyRow;

use super::rows::Get as _;
use super::{Catalog, Transaction};
use crate::digest::Sha256;
use crate::error::{Error, Result};
use crate::model::Id;
use crate::time::Timestamp;

/// A file that is being uploaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingUpload {
    /// Its row.
    pub id: Id,
    /// The size it will have, in bytes.
    pub size: u64,
    /// When it was begun.
    pub created: Timestamp,
    /// What has arrived, by offset: offset, size, digest.
    pub chunks: Vec<(u64, u64, Sha256)>,
}

impl Catalog {
    /// All uploads that are not finished, oldest first.
    pub async fn uploads(&self) -> Result<Vec<PendingUpload>> {
        let doing = "list uploads";
        let rows =
            sqlx::query("SELECT id, size, created FROM upload ORDER BY id").fetch_all(&self.pool).await;
        let upload = |row: &AnyRow| {
            let (id, size, created) = (row.integer(0)?, row.integer(1)? as u64, row.time(2)?);
            Ok(PendingUpload { id, size, created, chunks: Vec::new() })
        };
        let uploads = rows.and_then(|rows| rows.iter().map(upload).collect::<sqlx::Result<Vec<_>>>());
        let mut uploads = uploads.map_err(Error::db(doing))?;
        let sql = "SELECT upload, position, size, sha256 FROM upload_chunk ORDER BY upload, position";
        let rows = sqlx::query(sql).fetch_all(&self.pool).await.map_err(Error::db(doing))?;
        for row in &rows {
            let number = |column| row.integer(column).map(|number| number as u64);
            let chunk = || Ok::<_, sqlx::Error>((number(1)?, number(2)?, row.sha256(3)?));
            let (id, chunk) = row.integer(0).and_then(|id| Ok((id, chunk()?))).map_err(Error::db(doing))?;
            if let Some(upload) = uploads.iter_mut().find(|upload| upload.id == id) {
                upload.chunks.push(chunk);
            }
        }
        Ok(uploads)
    }
}

impl Transaction {
    /// Begins an upload; gives its row.
    pub async fn create_upload(&mut self, size: u64, now: Timestamp) -> Result<Id> {
        let sql = "INSERT INTO upload (size, created) VALUES ($1, $2) RETURNING id";
        let row = sqlx::query(sql).bind(size as i64).bind(now.unix()).fetch_one(self.connection()).await;
        row.and_then(|row| row.integer(0)).map_err(Error::db("begin an upload"))
    }

    /// Records a chunk whose artifact is recorded; a second one at the same offset takes the first one's place.
    pub async fn insert_chunk(
        &mut self,
        upload: Id,
        offset: u64,
        (size, sha256): (u64, &Sha256),
    ) -> Result<()> {
        let sql = "INSERT INTO upload_chunk (upload, position, size, sha256) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (upload, position) DO UPDATE SET size = $3, sha256 = $4";
        let query = sqlx::query(sql).bind(upload).bind(offset as i64).bind(size as i64);
        let done = query.bind(sha256.as_bytes().to_vec()).execute(self.connection()).await;
        done.map(drop).map_err(Error::db("record a chunk"))
    }

    /// Forgets an upload.
    pub async fn delete_upload(&mut self, id: Id) -> Result<()> {
        for sql in ["DELETE FROM upload_chunk WHERE upload = $1", "DELETE FROM upload WHERE id = $1"] {
            let done = sqlx::query(sql).bind(id).execute(self.connection()).await;
            done.map_err(Error::db("forget an upload"))?;
        }
        Ok(())
    }
}
