//! Repository versions, and what belongs to each.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use sqlx::any::AnyRow;

use super::rows::{Get as _, batch, list, values};
use super::{Catalog, Transaction};
use crate::digest::Sha256;
use crate::error::{Error, Result};
use crate::model::{Id, Placed, RepositoryVersion};
use crate::time::Timestamp;

/// A unit of a version without its body: enough to put a version in order or to compare two.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Content {
    /// Its row.
    pub id: Id,
    /// As in [`crate::model::NewUnit`].
    pub content_type: Arc<str>,
    /// As in [`crate::model::NewUnit`].
    pub key: String,
}

/// A unit where it stands in a version, and what it is identified by.
#[derive(Debug, Clone)]
pub struct PlacedUnit {
    /// Where it stands.
    pub place: String,
    /// Its row.
    pub id: Id,
    /// As in [`crate::model::NewUnit`].
    pub content_type: String,
    /// As in [`crate::model::NewUnit`].
    pub key: String,
    /// What [`super::identity`] says of it.
    pub digest: Sha256,
}

/// A file that is in a publication because its unit is in the version.
#[derive(Debug, Clone)]
pub struct UnitFile {
    /// Its path in the publication.
    pub path: String,
    /// Its bytes.
    pub sha256: Sha256,
    /// Their number.
    pub size: u64,
    /// When it was first published. Publications have times of their own, so another file of that path has another.
    pub published: Timestamp,
    /// Whether its bytes are in the store; if not they can be fetched.
    pub held: bool,
}

/// The condition that a row of `version_unit v` belongs to version `$2` of repository `$1`.
const IN_VERSION: &str =
    "v.repository = $1 AND v.added_in <= $2 AND (v.removed_in IS NULL OR v.removed_in > $2)";

impl Catalog {
    /// All versions of a repository, oldest first.
    pub async fn versions(&self, repository: Id) -> Result<Vec<RepositoryVersion>> {
        let sql = "SELECT number, created FROM repository_version WHERE repository = $1 ORDER BY number";
        let rows = sqlx::query(sql).bind(repository).fetch_all(&self.pool).await;
        let version = |row: &AnyRow| Ok(RepositoryVersion { number: row.integer(0)?, created: row.time(1)? });
        rows.and_then(|rows| rows.iter().map(version).collect()).map_err(Error::db("list versions"))
    }

    /// The units of a version, ordered by place and key.
    pub async fn contents(&self, repository: Id, version: i64) -> Result<Vec<Placed<Content>>> {
        let sql = sqlx::AssertSqlSafe(format!(
            "SELECT v.place, u.id, u.content_type, u.unit_key FROM version_unit v JOIN content_unit u ON u.id = v.unit \
             WHERE {IN_VERSION} ORDER BY v.place, u.unit_key, u.id"
        ));
        let rows = sqlx::query(sql).bind(repository).bind(version).fetch_all(&self.pool).await;
        let mut types: HashSet<Arc<str>> = HashSet::new();
        let content = |row: &AnyRow| {
            let content_type: Arc<str> = row.text(2)?.into();
            // There are few types and many units.
            let content_type = types.get(&content_type).cloned().unwrap_or(content_type);
            types.insert(content_type.clone());
            let unit = Content { id: row.integer(1)?, content_type, key: row.text(3)? };
            Ok(Placed { place: row.text(0)?, unit })
        };
        rows.and_then(|rows| rows.iter().map(content).collect()).map_err(Error::db("read a version"))
    }

    /// The file at `path` in a version.
    pub async fn unit_file(&self, repository: Id, version: i64, path: &str) -> Result<Option<UnitFile>> {
        let tail = "AND a.path = $3 ORDER BY v.added_in LIMIT 1";
        let query = sqlx::query(unit_files(tail)).bind(repository).bind(version).bind(path.to_owned());
        let row = query.fetch_optional(&self.pool).await;
        row.and_then(|row| row.as_ref().map(unit_file).transpose()).map_err(Error::db("find a file"))
    }

    /// The file at `path` in a version or in one before it.
    pub async fn unit_file_up_to(
        &self,
        repository: Id,
        version: i64,
        path: &str,
    ) -> Result<Option<UnitFile>> {
        let condition =
            "v.repository = $1 AND v.added_in <= $2 AND a.path = $3 ORDER BY v.added_in DESC LIMIT 1";
        let query = sqlx::query(unit_files_where(condition)).bind(repository).bind(version);
        let row = query.bind(path.to_owned()).fetch_optional(&self.pool).await;
        row.and_then(|row| row.as_ref().map(unit_file).transpose()).map_err(Error::db("find a file"))
    }

    /// At most `limit` files of a version in the order of their paths, with `from <= path < until`
    /// compared byte by byte.
    pub async fn unit_files_between(
        &self,
        (repository, version): (Id, i64),
        from: &str,
        until: &str,
        limit: i64,
    ) -> Result<Vec<UnitFile>> {
        let tail = "AND a.path >= $3 AND a.path < $4 ORDER BY a.path, v.added_in LIMIT $5";
        let query = sqlx::query(unit_files(tail)).bind(repository).bind(version);
        let rows = query.bind(from.to_owned()).bind(until.to_owned()).bind(limit).fetch_all(&self.pool).await;
        rows.and_then(|rows| rows.iter().map(unit_file).collect()).map_err(Error::db("list files"))
    }
}

fn unit_files(tail: &str) -> sqlx::AssertSqlSafe<String> {
    unit_files_where(&format!("{IN_VERSION} {tail}"))
}

// CROSS JOIN has SQLite begin with the path. Without statistics it may begin with all units of the repository.
fn unit_files_where(condition: &str) -> sqlx::AssertSqlSafe<String> {
    sqlx::AssertSqlSafe(format!(
        "SELECT a.path, a.sha256, a.size, (SELECT p.time FROM publication p \
         WHERE p.repository = v.repository AND p.version >= v.added_in ORDER BY p.version, p.time LIMIT 1), \
         CASE WHEN x.sha256 IS NULL THEN 0 ELSE 1 END \
         FROM unit_artifact a CROSS JOIN version_unit v LEFT JOIN artifact x ON x.sha256 = a.sha256 \
         WHERE v.unit = a.unit AND a.served = 1 AND {condition}"
    ))
}

fn unit_file(row: &AnyRow) -> sqlx::Result<UnitFile> {
    Ok(UnitFile {
        path: row.text(0)?,
        sha256: row.sha256(1)?,
        size: row.integer(2)? as u64,
        published: row.time(3)?,
        held: row.flag(4)?,
    })
}

fn placed(row: &AnyRow) -> sqlx::Result<Placed<Id>> {
    Ok(Placed { place: row.text(0)?, unit: row.integer(1)? })
}

impl Transaction {
    pub(super) async fn insert_version(&mut self, repository: Id, number: i64, now: Timestamp) -> Result<()> {
        let sql = "INSERT INTO repository_version (repository, number, created) VALUES ($1, $2, $3)";
        let query = sqlx::query(sql).bind(repository).bind(number).bind(now.unix());
        query.execute(self.connection()).await.map(drop).map_err(Error::db("create a version"))
    }

    /// All units of the newest version. The repository must be locked.
    pub async fn placed_units(&mut self, repository: Id) -> Result<Vec<PlacedUnit>> {
        let sql = "SELECT v.place, u.id, u.content_type, u.unit_key, u.digest FROM version_unit v \
             JOIN content_unit u ON u.id = v.unit WHERE v.repository = $1 AND v.removed_in IS NULL";
        let rows = sqlx::query(sql).bind(repository).fetch_all(self.connection()).await;
        let unit = |row: &AnyRow| {
            Ok(PlacedUnit {
                place: row.text(0)?,
                id: row.integer(1)?,
                content_type: row.text(2)?,
                key: row.text(3)?,
                digest: row.sha256(4)?,
            })
        };
        rows.and_then(|rows| rows.iter().map(unit).collect()).map_err(Error::db("read a version"))
    }

    /// The newest version's units of a content type in a place. The repository must be locked.
    pub async fn placed_of_type(
        &mut self,
        repository: Id,
        place: &str,
        content_type: &str,
    ) -> Result<Vec<Placed<Id>>> {
        let sql = "SELECT v.place, v.unit FROM version_unit v JOIN content_unit u ON u.id = v.unit \
             WHERE v.repository = $1 AND v.place = $2 AND v.removed_in IS NULL AND u.content_type = $3";
        let query = sqlx::query(sql).bind(repository).bind(place.to_owned()).bind(content_type.to_owned());
        let rows = query.fetch_all(self.connection()).await;
        rows.and_then(|rows| rows.iter().map(placed).collect()).map_err(Error::db("read a version"))
    }

    /// The newest version's units among `ids`, with their places. The repository must be locked.
    pub async fn placed_among(&mut self, repository: Id, ids: &[Id]) -> Result<HashSet<Placed<Id>>> {
        let head =
            "SELECT place, unit FROM version_unit WHERE repository = $1 AND removed_in IS NULL AND unit IN";
        let mut found = HashSet::new();
        for some in ids.chunks(batch(1) - 1) {
            let query = sqlx::query(list(head, 2, some.len(), "")).bind(repository);
            let query = some.iter().fold(query, |query, id| query.bind(*id));
            let rows = query.fetch_all(self.connection()).await.map_err(Error::db("read a version"))?;
            for row in &rows {
                found.insert(placed(row).map_err(Error::db("read a version"))?);
            }
        }
        Ok(found)
    }

    /// Makes version `number`, which must be the one after the newest of a locked repository.
    pub async fn create_version(&mut self, repository: Id, number: i64, change: Change<'_>) -> Result<()> {
        let doing = "create a version";
        self.insert_version(repository, number, change.now).await?;
        let sql = "UPDATE repository SET latest_version = $1, next_version = $1 + 1 WHERE id = $2";
        let query = sqlx::query(sql).bind(number).bind(repository);
        query.execute(self.connection()).await.map_err(Error::db(doing))?;
        let mut removed: BTreeMap<&str, Vec<Id>> = BTreeMap::new();
        for placed in change.removed {
            removed.entry(&placed.place).or_default().push(placed.unit);
        }
        for (place, units) in removed {
            for some in units.chunks(batch(1) - 3) {
                let head = "UPDATE version_unit SET removed_in = $1 \
                     WHERE repository = $2 AND place = $3 AND removed_in IS NULL AND unit IN";
                let query = sqlx::query(list(head, 4, some.len(), "")).bind(number).bind(repository);
                let query = some.iter().fold(query.bind(place.to_owned()), |query, unit| query.bind(*unit));
                query.execute(self.connection()).await.map_err(Error::db(doing))?;
            }
        }
        for some in change.added.chunks(batch(4)) {
            let head = "INSERT INTO version_unit (repository, unit, place, added_in)";
            let mut query = sqlx::query(values(head, some.len(), 4, ""));
            for added in some {
                query = query.bind(repository).bind(added.unit).bind(added.place.clone()).bind(number);
            }
            query.execute(self.connection()).await.map_err(Error::db(doing))?;
        }
        Ok(())
    }
}

/// What a new version differs by from the one before it. Nothing added is there already; all removed is.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// What the new version has more.
    pub added: &'a [Placed<Id>],
    /// What it has no more.
    pub removed: &'a [Placed<Id>],
    /// When it is made.
    pub now: Timestamp,
}
