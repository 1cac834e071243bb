//! Deleting: versions, publications, repositories, and what nothing refers to any more.

use std::collections::{BTreeSet, HashSet};

use sqlx::any::AnyRow;

use super::rows::{Get as _, batch, list, values};
use super::{Catalog, Transaction};
use crate::digest::Sha256;
use crate::error::{Error, Result};
use crate::model::Id;
use crate::time::Timestamp;

/// What a cleanup has deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    /// Content units.
    pub units: u64,
    /// Artifacts.
    pub artifacts: u64,
}

impl Catalog {
    /// Artifacts whose rows were deleted before `time` and whose bytes are still to go.
    pub async fn condemned(&self, time: Timestamp, limit: i64) -> Result<Vec<Sha256>> {
        let sql = "SELECT sha256 FROM condemned_artifact WHERE since < $1 ORDER BY sha256 LIMIT $2";
        let rows = sqlx::query(sql).bind(time.unix()).bind(limit).fetch_all(&self.pool).await;
        rows.and_then(|rows| rows.iter().map(|row| row.sha256(0)).collect())
            .map_err(Error::db("list what is to be deleted"))
    }
}

impl Catalog {
    /// The digests of the files of a version.
    pub async fn digests_of(&self, repository: Id, version: i64) -> Result<HashSet<Sha256>> {
        let sql = "SELECT DISTINCT a.sha256 FROM version_unit v JOIN unit_artifact a ON a.unit = v.unit \
             WHERE v.repository = $1 AND v.added_in <= $2 AND (v.removed_in IS NULL OR v.removed_in > $2)";
        let rows = sqlx::query(sql).bind(repository).bind(version).fetch_all(&self.pool).await;
        rows.and_then(|rows| rows.iter().map(|row| row.sha256(0)).collect()).map_err(Error::db("list files"))
    }

    /// The files of units that a checkpoint has, of whatever repository.
    pub async fn dated_digests(&self) -> Result<HashSet<Sha256>> {
        let sql = "SELECT DISTINCT a.sha256 FROM version_unit v JOIN unit_artifact a ON a.unit = v.unit \
             WHERE EXISTS (SELECT 1 FROM publication p WHERE p.repository = v.repository AND p.checkpoint = 1 \
             AND p.version >= v.added_in AND (v.removed_in IS NULL OR p.version < v.removed_in))";
        let rows = sqlx::query(sql).fetch_all(&self.pool).await;
        rows.and_then(|rows| rows.iter().map(|row| row.sha256(0)).collect()).map_err(Error::db("list files"))
    }

    /// Whether a remote has an artifact, and no publication itself refers to it, so that it can be fetched again by
    /// whoever asks for it.
    pub async fn can_be_fetched_again(&self, sha256: &Sha256) -> Result<bool> {
        let sql = "SELECT COUNT(*) FROM remote_artifact m WHERE m.sha256 = $1 \
             AND NOT EXISTS (SELECT 1 FROM publication_file f WHERE f.sha256 = m.sha256)";
        let row = sqlx::query(sql).bind(sha256.as_bytes().to_vec()).fetch_one(&self.pool).await;
        row.and_then(|row| Ok(row.integer(0)? > 0)).map_err(Error::db("find where to fetch"))
    }

    /// The artifacts of a repository's units that are held and that a remote has too, except those that a
    /// publication itself refers to.
    pub async fn reclaimable(&self, repository: Id) -> Result<Vec<Sha256>> {
        let sql = "SELECT DISTINCT x.sha256 FROM version_unit v JOIN unit_artifact a ON a.unit = v.unit \
             JOIN artifact x ON x.sha256 = a.sha256 WHERE v.repository = $1 \
             AND EXISTS (SELECT 1 FROM remote_artifact m WHERE m.sha256 = x.sha256) \
             AND NOT EXISTS (SELECT 1 FROM publication_file f WHERE f.sha256 = x.sha256)";
        let rows = sqlx::query(sql).bind(repository).fetch_all(&self.pool).await;
        rows.and_then(|rows| rows.iter().map(|row| row.sha256(0)).collect()).map_err(Error::db("list files"))
    }
}

impl Transaction {
    /// The numbers of a locked repository's versions, and those that have a publication.
    pub async fn version_numbers(&mut self, repository: Id) -> Result<BTreeSet<i64>> {
        let sql = "SELECT number FROM repository_version WHERE repository = $1";
        let rows = sqlx::query(sql).bind(repository).fetch_all(self.connection()).await;
        rows.and_then(|rows| rows.iter().map(|row| row.integer(0)).collect())
            .map_err(Error::db("list versions"))
    }

    /// Version, row and whether it is a checkpoint of each publication of a locked repository, oldest first.
    pub async fn publications_of(&mut self, repository: Id) -> Result<Vec<(i64, Id, bool)>> {
        let sql = "SELECT version, id, checkpoint FROM publication WHERE repository = $1 ORDER BY time";
        let rows = sqlx::query(sql).bind(repository).fetch_all(self.connection()).await;
        let publication = |row: &AnyRow| Ok((row.integer(0)?, row.integer(1)?, row.flag(2)?));
        rows.and_then(|rows| rows.iter().map(publication).collect()).map_err(Error::db("list publications"))
    }

    /// Deletes publications with their files.
    pub async fn delete_publications(&mut self, ids: &[Id]) -> Result<()> {
        let heads =
            ["DELETE FROM publication_file WHERE publication IN", "DELETE FROM publication WHERE id IN"];
        for some in ids.chunks(batch(1)) {
            for head in heads {
                let sql = list(head, 1, some.len(), "");
                let query = some.iter().fold(sqlx::query(sql), |query, id| query.bind(*id));
                query.execute(self.connection()).await.map_err(Error::db("delete publications"))?;
            }
        }
        Ok(())
    }

    /// Makes checkpoints ordinary publications.
    pub async fn unmark_checkpoints(&mut self, ids: &[Id]) -> Result<()> {
        for some in ids.chunks(batch(1)) {
            let sql = list("UPDATE publication SET checkpoint = 0 WHERE id IN", 1, some.len(), "");
            let query = some.iter().fold(sqlx::query(sql), |query, id| query.bind(*id));
            query.execute(self.connection()).await.map_err(Error::db("unmark checkpoints"))?;
        }
        Ok(())
    }

    /// Deletes versions of a locked repository, which must keep one, with their publications. Numbers are not given
    /// again.
    pub async fn delete_versions(&mut self, repository: Id, numbers: &BTreeSet<i64>) -> Result<()> {
        let doing = "delete versions";
        let publications = self.publications_of(repository).await?.into_iter();
        let going = publications.filter(|(version, ..)| numbers.contains(version)).map(|(_, id, _)| id);
        self.delete_publications(&going.collect::<Vec<_>>()).await?;
        let numbers: Vec<i64> = numbers.iter().copied().collect();
        for some in numbers.chunks(batch(1) - 1) {
            let sql =
                list("DELETE FROM repository_version WHERE repository = $1 AND number IN", 2, some.len(), "");
            let query =
                some.iter().fold(sqlx::query(sql).bind(repository), |query, number| query.bind(*number));
            query.execute(self.connection()).await.map_err(Error::db(doing))?;
        }
        for sql in [
            "DELETE FROM version_unit WHERE repository = $1 AND NOT EXISTS \
             (SELECT 1 FROM repository_version x WHERE x.repository = $1 AND x.number >= version_unit.added_in \
             AND (version_unit.removed_in IS NULL OR x.number < version_unit.removed_in))",
            "UPDATE repository SET latest_version = \
             (SELECT MAX(number) FROM repository_version WHERE repository = $1) WHERE id = $1",
            // What only a deleted newest version lacked is in the newest one again.
            "UPDATE version_unit SET removed_in = NULL WHERE repository = $1 AND removed_in > \
             (SELECT latest_version FROM repository WHERE id = $1)",
        ] {
            let done = sqlx::query(sql).bind(repository).execute(self.connection()).await;
            done.map_err(Error::db(doing))?;
        }
        Ok(())
    }

    /// Deletes a locked repository with its versions and publications. No distribution may refer to it.
    pub async fn delete_repository(&mut self, repository: Id) -> Result<()> {
        let publications = self.publications_of(repository).await?;
        self.delete_publications(&publications.iter().map(|(_, id, _)| *id).collect::<Vec<_>>()).await?;
        for sql in [
            "DELETE FROM version_unit WHERE repository = $1",
            "DELETE FROM repository_version WHERE repository = $1",
            "DELETE FROM sync_state WHERE repository = $1",
            "DELETE FROM remote_place WHERE repository = $1",
            "DELETE FROM repository_remote WHERE repository = $1",
            "DELETE FROM repository WHERE id = $1",
        ] {
            let done = sqlx::query(sql).bind(repository).execute(self.connection()).await;
            done.map_err(Error::db("delete a repository"))?;
        }
        Ok(())
    }

    /// Deletes content units that were recorded before `before` and belong to no version; of these rows, or of any.
    pub async fn delete_orphan_units(&mut self, before: Timestamp, among: Option<&[Id]>) -> Result<u64> {
        let doing = "delete orphaned content";
        let orphaned = "SELECT u.id FROM content_unit u WHERE u.created <= $1 \
             AND NOT EXISTS (SELECT 1 FROM version_unit v WHERE v.unit = u.id)";
        let rows = match among {
            None => sqlx::query(orphaned).bind(before.unix()).fetch_all(self.connection()).await,
            Some(ids) => {
                let mut rows = Vec::new();
                for some in ids.chunks(batch(1) - 1) {
                    let sql = list(&format!("{orphaned} AND u.id IN"), 2, some.len(), "");
                    let query = sqlx::query(sql).bind(before.unix());
                    let query = some.iter().fold(query, |query, id| query.bind(*id));
                    rows.extend(query.fetch_all(self.connection()).await.map_err(Error::db(doing))?);
                }
                Ok(rows)
            }
        };
        let ids =
            rows.and_then(|rows| rows.iter().map(|row| row.integer(0)).collect::<sqlx::Result<Vec<Id>>>());
        let ids = ids.map_err(Error::db(doing))?;
        for some in ids.chunks(batch(1)) {
            for head in ["DELETE FROM unit_artifact WHERE unit IN", "DELETE FROM content_unit WHERE id IN"] {
                let sql = list(head, 1, some.len(), "");
                let query = some.iter().fold(sqlx::query(sql), |query, id| query.bind(*id));
                query.execute(self.connection()).await.map_err(Error::db(doing))?;
            }
        }
        Ok(ids.len() as u64)
    }

    /// Deletes the rows of artifacts that were recorded before `before` and that nothing refers to. Their bytes are
    /// condemned at `now`.
    pub async fn delete_orphan_artifacts(&mut self, before: Timestamp, now: Timestamp) -> Result<u64> {
        let doing = "delete orphaned artifacts";
        let sql = "SELECT sha256 FROM artifact WHERE created <= $1 \
             AND sha256 NOT IN (SELECT sha256 FROM unit_artifact) \
             AND sha256 NOT IN (SELECT sha256 FROM publication_file) \
             AND sha256 NOT IN (SELECT sha256 FROM upload_chunk)";
        let rows = sqlx::query(sql).bind(before.unix()).fetch_all(self.connection()).await;
        let digests =
            rows.and_then(|rows| rows.iter().map(|row| row.sha256(0)).collect::<sqlx::Result<Vec<_>>>());
        let digests = digests.map_err(Error::db(doing))?;
        self.condemn(&digests, now).await?;
        let sql = "DELETE FROM remote_artifact WHERE sha256 NOT IN (SELECT sha256 FROM unit_artifact)";
        sqlx::query(sql).execute(self.connection()).await.map_err(Error::db(doing))?;
        Ok(digests.len() as u64)
    }

    /// Whether a unit, a publication or an upload has the artifact.
    pub async fn is_referred_to(&mut self, sha256: &Sha256) -> Result<bool> {
        for sql in [
            "SELECT sha256 FROM unit_artifact WHERE sha256 = $1 LIMIT 1",
            "SELECT sha256 FROM publication_file WHERE sha256 = $1 LIMIT 1",
            "SELECT sha256 FROM upload_chunk WHERE sha256 = $1 LIMIT 1",
        ] {
            let row =
                sqlx::query(sql).bind(sha256.as_bytes().to_vec()).fetch_optional(self.connection()).await;
            if row.map_err(Error::db("look at an artifact"))?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Deletes the rows of these artifacts; their bytes are condemned.
    pub async fn condemn(&mut self, digests: &[Sha256], now: Timestamp) -> Result<()> {
        let doing = "delete artifacts";
        for some in digests.chunks(batch(2)) {
            let head = "INSERT INTO condemned_artifact (sha256, since)";
            let mut query = sqlx::query(values(head, some.len(), 2, "ON CONFLICT (sha256) DO NOTHING"));
            for digest in some {
                query = query.bind(digest.as_bytes().to_vec()).bind(now.unix());
            }
            query.execute(self.connection()).await.map_err(Error::db(doing))?;
            self.delete_digests("DELETE FROM artifact WHERE sha256 IN", some).await?;
        }
        Ok(())
    }

    /// Says that the bytes are gone, or needed again.
    pub async fn pardon(&mut self, digests: &[Sha256]) -> Result<()> {
        for some in digests.chunks(batch(1)) {
            self.delete_digests("DELETE FROM condemned_artifact WHERE sha256 IN", some).await?;
        }
        Ok(())
    }

    async fn delete_digests(&mut self, head: &str, digests: &[Sha256]) -> Result<()> {
        let sql = list(head, 1, digests.len(), "");
        let query =
            digests.iter().fold(sqlx::query(sql), |query, digest| query.bind(digest.as_bytes().to_vec()));
        query.execute(self.connection()).await.map(drop).map_err(Error::db("delete artifacts"))
    }
}
