//! What refers to artifacts, for `verify`.

use super::Catalog;
use super::rows::Get as _;
use super::units::artifact;
use crate::digest::{Digests, Sha256};
use crate::error::{Error, Result};

/// Something that refers to an artifact which the catalog does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Who refers, in words.
    pub from: String,
    /// To what.
    pub sha256: Sha256,
}

impl Catalog {
    /// The next `limit` artifacts after `after`, in the order of their digests.
    pub async fn artifacts_after(&self, after: Option<&Sha256>, limit: i64) -> Result<Vec<Digests>> {
        let sql = "SELECT sha256, md5, size FROM artifact WHERE sha256 > $1 ORDER BY sha256 LIMIT $2";
        let after = after.map_or_else(Vec::new, |digest| digest.as_bytes().to_vec());
        let rows = sqlx::query(sql).bind(after).bind(limit).fetch_all(&self.pool).await;
        rows.and_then(|rows| rows.iter().map(artifact).collect()).map_err(Error::db("list artifacts"))
    }

    /// References to artifacts that are neither held nor known to be fetched on demand. There are none unless somebody changed the database by hand.
    pub async fn dangling_references(&self) -> Result<Vec<Reference>> {
        let sql = "SELECT 'unit ' || u.unit_key, a.sha256 FROM unit_artifact a \
             JOIN content_unit u ON u.id = a.unit \
             WHERE NOT EXISTS (SELECT 1 FROM artifact x WHERE x.sha256 = a.sha256) \
             AND NOT EXISTS (SELECT 1 FROM remote_artifact x WHERE x.sha256 = a.sha256) \
             UNION ALL \
             SELECT 'publication file ' || f.directory || '/' || f.name, f.sha256 FROM publication_file f \
             WHERE NOT EXISTS (SELECT 1 FROM artifact x WHERE x.sha256 = f.sha256)";
        let rows = sqlx::query(sql).fetch_all(&self.pool).await;
        let reference =
            |row: &sqlx::any::AnyRow| Ok(Reference { from: row.text(0)?, sha256: row.sha256(1)? });
        rows.and_then(|rows| rows.iter().map(reference).collect())
            .map_err(Error::db("look for dangling references"))
    }
}
