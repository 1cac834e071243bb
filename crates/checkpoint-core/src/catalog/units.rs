//! Artifacts and content units.

use std::collections::HashMap;

use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::rows::{Get as _, batch, list, values};
use super::{Catalog, Transaction};
use sha2::Digest as _;

use crate::digest::{Digests, Sha256};
use crate::error::{Error, Result};
use crate::model::{Id, NewUnit, Unit, UnitArtifact};
use crate::name::RelativePath;
use crate::time::Timestamp;

/// A unit that was in some version of a repository.
#[derive(Debug, Clone)]
pub struct KnownUnit {
    /// The unit.
    pub unit: Unit,
    /// Its files.
    pub artifacts: Vec<UnitArtifact>,
}

impl Catalog {
    /// Those of the digests that are artifacts already.
    pub async fn known_artifacts(&self, wanted: &[Sha256]) -> Result<HashMap<Sha256, Digests>> {
        let mut known = HashMap::new();
        let mut connection = self.pool.acquire().await.map_err(Error::db("connect"))?;
        for some in wanted.chunks(batch(1)) {
            let sql = list("SELECT sha256, md5, size FROM artifact WHERE sha256 IN", 1, some.len(), "");
            let query =
                some.iter().fold(sqlx::query(sql), |query, digest| query.bind(digest.as_bytes().to_vec()));
            let rows = query.fetch_all(&mut *connection).await.map_err(Error::db("look up artifacts"))?;
            for row in &rows {
                let digests = artifact(row).map_err(Error::db("look up artifacts"))?;
                known.insert(digests.sha256, digests);
            }
        }
        Ok(known)
    }

    /// The units with these rows, by row.
    pub async fn units(&self, ids: &[Id]) -> Result<HashMap<Id, Unit>> {
        let mut connection = self.pool.acquire().await.map_err(Error::db("connect"))?;
        let mut found = HashMap::with_capacity(ids.len());
        for some in ids.chunks(batch(1)) {
            let head = "SELECT id, content_type, unit_key, body FROM content_unit WHERE id IN";
            let query =
                some.iter().fold(sqlx::query(list(head, 1, some.len(), "")), |query, id| query.bind(*id));
            let rows = query.fetch_all(&mut *connection).await.map_err(Error::db("read units"))?;
            for row in &rows {
                let unit = unit(row).map_err(Error::db("read units"))?;
                found.insert(unit.id, unit);
            }
        }
        Ok(found)
    }
}

pub(super) fn artifact(row: &AnyRow) -> sqlx::Result<Digests> {
    Ok(Digests { sha256: row.sha256(0)?, md5: row.md5(1)?, size: row.integer(2)? as u64 })
}

fn unit(row: &AnyRow) -> sqlx::Result<Unit> {
    Ok(Unit { id: row.integer(0)?, content_type: row.text(1)?, key: row.text(2)?, body: row.bytes(3)? })
}

fn unit_artifact(row: &AnyRow, first: usize) -> sqlx::Result<UnitArtifact> {
    Ok(UnitArtifact {
        path: row.parsed::<RelativePath>(first)?,
        sha256: row.sha256(first + 1)?,
        size: row.integer(first + 2)? as u64,
    })
}

impl Transaction {
    /// Records artifacts whose bytes are durable in the store.
    pub async fn insert_artifacts(&mut self, artifacts: &[Digests], now: Timestamp) -> Result<()> {
        // In one order for everybody, so that two transactions cannot wait for each other.
        let mut sorted = artifacts.to_vec();
        sorted.sort_by_key(|digests| digests.sha256);
        sorted.dedup_by_key(|digests| digests.sha256);
        for some in sorted.chunks(batch(4)) {
            let head = "INSERT INTO artifact (sha256, md5, size, created)";
            let mut query = sqlx::query(values(head, some.len(), 4, "ON CONFLICT (sha256) DO NOTHING"));
            for digests in some {
                query = query.bind(digests.sha256.as_bytes().to_vec());
                query =
                    query.bind(digests.md5.as_bytes().to_vec()).bind(digests.size as i64).bind(now.unix());
            }
            query.execute(self.connection()).await.map_err(Error::db("record artifacts"))?;
        }
        Ok(())
    }

    /// Records units, or finds those that are recorded already; gives their rows in the order of `units`.
    /// The files of those whose content type is `unserved` are nowhere unless they are adopted.
    pub async fn insert_units(
        &mut self,
        units: &[&NewUnit],
        unserved: &[&str],
        now: Timestamp,
    ) -> Result<Vec<Id>> {
        let identified: Vec<(Sha256, &NewUnit)> = units.iter().map(|unit| (identity(unit), *unit)).collect();
        let ids = self.insert_identified(&identified, unserved, now).await?;
        let lost = || Error::Internal("a unit that was recorded cannot be found".into());
        identified.iter().map(|(digest, _)| ids.get(digest).copied().ok_or_else(lost)).collect()
    }

    /// Records units under what [`identity`] says, or finds those that are recorded already.
    pub async fn insert_identified(
        &mut self,
        units: &[(Sha256, &NewUnit)],
        unserved: &[&str],
        now: Timestamp,
    ) -> Result<HashMap<Sha256, Id>> {
        let mut sorted = units.to_vec();
        sorted.sort_by_key(|(digest, _)| *digest);
        sorted.dedup_by_key(|(digest, _)| *digest);
        let mut ids = HashMap::with_capacity(sorted.len());
        for some in sorted.chunks(batch(5)) {
            self.insert_unit_rows(some, &mut ids, now).await?;
            let known: Vec<_> = some.iter().filter(|(digest, _)| !ids.contains_key(digest)).collect();
            if !known.is_empty() {
                let head = "SELECT id, digest FROM content_unit WHERE digest IN";
                let query = sqlx::query(list(head, 1, known.len(), ""));
                let query =
                    known.iter().fold(query, |query, (digest, _)| query.bind(digest.as_bytes().to_vec()));
                let rows = query.fetch_all(self.connection()).await.map_err(Error::db("record units"))?;
                extend(&mut ids, &rows)?;
            }
            self.insert_unit_artifacts(some, &ids, unserved).await?;
        }
        Ok(ids)
    }

    async fn insert_unit_rows(
        &mut self,
        units: &[(Sha256, &NewUnit)],
        ids: &mut HashMap<Sha256, Id>,
        now: Timestamp,
    ) -> Result<()> {
        let head = "INSERT INTO content_unit (content_type, unit_key, digest, body, created)";
        let tail = "ON CONFLICT (digest) DO NOTHING RETURNING id, digest";
        let mut query = sqlx::query(values(head, units.len(), 5, tail));
        for (digest, unit) in units {
            query = query.bind(unit.content_type.to_owned()).bind(unit.key.clone());
            query = query.bind(digest.as_bytes().to_vec()).bind(unit.body.clone()).bind(now.unix());
        }
        let rows = query.fetch_all(self.connection()).await.map_err(Error::db("record units"))?;
        extend(ids, &rows)
    }

    async fn insert_unit_artifacts(
        &mut self,
        units: &[(Sha256, &NewUnit)],
        ids: &HashMap<Sha256, Id>,
        unserved: &[&str],
    ) -> Result<()> {
        let files = units.iter().filter_map(|(digest, unit)| Some((*ids.get(digest)?, unit)));
        let served = |unit: &NewUnit| !unserved.contains(&unit.content_type);
        let files: Vec<_> = files
            .flat_map(|(id, unit)| unit.artifacts.iter().map(move |file| (id, file, served(unit))))
            .collect();
        for some in files.chunks(batch(5)) {
            let head = "INSERT INTO unit_artifact (unit, path, sha256, size, served)";
            let mut query = sqlx::query(values(head, some.len(), 5, "ON CONFLICT (unit, path) DO NOTHING"));
            for (id, file, served) in some {
                query = query.bind(*id).bind(file.path.to_string());
                query = query.bind(file.sha256.as_bytes().to_vec()).bind(file.size as i64);
                query = query.bind(i64::from(*served));
            }
            query.execute(self.connection()).await.map_err(Error::db("record the files of units"))?;
        }
        Ok(())
    }

    /// The units with one of the keys, of whatever version of the repository.
    pub async fn units_with_keys(&mut self, repository: Id, keys: &[&str]) -> Result<Vec<KnownUnit>> {
        let head = "SELECT u.id, u.content_type, u.unit_key, u.body FROM content_unit u WHERE \
             EXISTS (SELECT 1 FROM version_unit v WHERE v.unit = u.id AND v.repository = $1) AND u.unit_key IN";
        let mut found = Vec::new();
        for some in keys.chunks(batch(1) - 1) {
            let query = sqlx::query(list(head, 2, some.len(), "")).bind(repository);
            let query = some.iter().fold(query, |query, key| query.bind((*key).to_owned()));
            let rows = query.fetch_all(self.connection()).await.map_err(Error::db("look up units"))?;
            for row in &rows {
                found.push(unit(row).map_err(Error::db("look up units"))?);
            }
        }
        let mut files = artifacts_of(self.connection(), &found).await.map_err(Error::db("look up units"))?;
        Ok(found
            .into_iter()
            .map(|unit| KnownUnit { artifacts: files.remove(&unit.id).unwrap_or_default(), unit })
            .collect())
    }

    /// The files at one of the paths in whatever version of the repository, each with its unit's row.
    pub async fn files_at_paths(
        &mut self,
        repository: Id,
        paths: &[&str],
    ) -> Result<Vec<(Id, UnitArtifact)>> {
        let head = "SELECT a.unit, a.path, a.sha256, a.size FROM unit_artifact a WHERE \
             a.served = 1 AND EXISTS (SELECT 1 FROM version_unit v WHERE v.unit = a.unit AND v.repository = $1) \
             AND a.path IN";
        let mut found = Vec::new();
        for some in paths.chunks(batch(1) - 1) {
            let query = sqlx::query(list(head, 2, some.len(), "")).bind(repository);
            let query = some.iter().fold(query, |query, path| query.bind((*path).to_owned()));
            let rows = query.fetch_all(self.connection()).await.map_err(Error::db("look up paths"))?;
            for row in &rows {
                let pair = row.integer(0).and_then(|id| Ok((id, unit_artifact(row, 1)?)));
                found.push(pair.map_err(Error::db("look up paths"))?);
            }
        }
        Ok(found)
    }
}

async fn artifacts_of(
    connection: &mut AnyConnection,
    units: &[Unit],
) -> sqlx::Result<HashMap<Id, Vec<UnitArtifact>>> {
    let mut files: HashMap<Id, Vec<UnitArtifact>> = HashMap::new();
    for some in units.chunks(batch(1)) {
        let head = "SELECT unit, path, sha256, size FROM unit_artifact WHERE unit IN";
        let query =
            some.iter().fold(sqlx::query(list(head, 1, some.len(), "")), |query, unit| query.bind(unit.id));
        for row in &query.fetch_all(&mut *connection).await? {
            files.entry(row.integer(0)?).or_default().push(unit_artifact(row, 1)?);
        }
    }
    Ok(files)
}

/// Takes rows of id and digest.
fn extend(ids: &mut HashMap<Sha256, Id>, rows: &[AnyRow]) -> Result<()> {
    for row in rows {
        let pair = row.sha256(1).and_then(|digest| Ok((digest, row.integer(0)?)));
        ids.extend([pair.map_err(Error::db("record units"))?]);
    }
    Ok(())
}

/// What makes two units the same one: all that a plugin said about it.
pub fn identity(unit: &NewUnit) -> Sha256 {
    let mut hasher = sha2::Sha256::new();
    let mut field = |bytes: &[u8]| {
        hasher.update((bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    field(unit.content_type.as_bytes());
    field(unit.key.as_bytes());
    field(&unit.body);
    for file in &unit.artifacts {
        field(file.path.as_str().as_bytes());
        field(file.sha256.as_bytes());
    }
    Sha256::from(<[u8; 32]>::from(hasher.finalize()))
}
