//! Remotes, where bytes can be fetched, and what syncs remember.

use std::collections::BTreeMap;

use serde_json::Value;
use sqlx::any::AnyRow;

use super::dialect::is_unique_violation;
use super::rows::{Get as _, batch, values};
use super::{Catalog, Transaction};
use crate::digest::Sha256;
use crate::error::{Error, Result};
use crate::model::{Id, Remote};
use crate::name::Name;

impl Catalog {
    /// All remotes by name.
    pub async fn remotes(&self) -> Result<Vec<Remote>> {
        let sql = "SELECT id, name, plugin, url, options FROM remote ORDER BY name";
        let rows = sqlx::query(sql).fetch_all(&self.pool).await;
        rows.and_then(|rows| rows.iter().map(remote).collect()).map_err(Error::db("list remotes"))
    }

    /// The remote of that name.
    pub async fn remote(&self, name: &Name) -> Result<Remote> {
        let sql = "SELECT id, name, plugin, url, options FROM remote WHERE name = $1";
        let row = sqlx::query(sql).bind(name.to_string()).fetch_optional(&self.pool).await;
        let read = row.and_then(|row| row.as_ref().map(remote).transpose());
        let missing = || Error::NotFound { what: "remote", name: name.to_string() };
        read.map_err(Error::db("find a remote"))?.ok_or_else(missing)
    }
}

fn remote(row: &AnyRow) -> sqlx::Result<Remote> {
    Ok(Remote {
        id: row.integer(0)?,
        name: row.parsed(1)?,
        plugin: row.text(2)?,
        url: row.text(3)?,
        options: row.json(4)?,
    })
}

impl Transaction {
    /// Creates a remote.
    pub async fn create_remote(
        &mut self,
        name: &Name,
        plugin: &str,
        url: &str,
        options: &Value,
    ) -> Result<()> {
        let sql = "INSERT INTO remote (name, plugin, url, options) VALUES ($1, $2, $3, $4)";
        let query = sqlx::query(sql).bind(name.to_string()).bind(plugin.to_owned());
        let done = query.bind(url.to_owned()).bind(options.to_string()).execute(self.connection()).await;
        done.map(drop).map_err(|error| match is_unique_violation(&error) {
            true => Error::AlreadyExists { what: "remote", name: name.to_string() },
            false => Error::db("create a remote")(error),
        })
    }
}

/// Where bytes can be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteArtifact {
    /// What they are.
    pub sha256: Sha256,
    /// Their number.
    pub size: u64,
    /// The remote, whose options say how to reach it.
    pub remote: Id,
    /// Where they are.
    pub url: String,
}

impl Catalog {
    /// Where an artifact that is not held can be fetched.
    pub async fn remote_artifacts(&self, sha256: &Sha256) -> Result<Vec<RemoteArtifact>> {
        let sql = "SELECT size, remote, url FROM remote_artifact WHERE sha256 = $1 ORDER BY remote, url";
        let rows = sqlx::query(sql).bind(sha256.as_bytes().to_vec()).fetch_all(&self.pool).await;
        let found = |row: &AnyRow| {
            let (size, remote) = (row.integer(0)? as u64, row.integer(1)?);
            Ok(RemoteArtifact { sha256: *sha256, size, remote, url: row.text(2)? })
        };
        rows.and_then(|rows| rows.iter().map(found).collect()).map_err(Error::db("find where to fetch"))
    }

    /// The files of a version that are not held, each with all places where it can be fetched: those of the
    /// repository's own remotes first.
    pub async fn missing_artifacts(&self, repository: Id, version: i64) -> Result<Vec<Vec<RemoteArtifact>>> {
        let sql = "SELECT DISTINCT r.sha256, a.size, r.remote, r.url, \
             CASE WHEN EXISTS (SELECT 1 FROM repository_remote o WHERE o.repository = $1 AND o.remote = r.remote) \
             THEN 0 ELSE 1 END AS foreign_remote FROM version_unit v \
             JOIN unit_artifact a ON a.unit = v.unit JOIN remote_artifact r ON r.sha256 = a.sha256 \
             WHERE v.repository = $1 AND v.added_in <= $2 AND (v.removed_in IS NULL OR v.removed_in > $2) \
             AND NOT EXISTS (SELECT 1 FROM artifact x WHERE x.sha256 = a.sha256) \
             ORDER BY r.sha256, foreign_remote, r.remote, r.url";
        let rows = sqlx::query(sql).bind(repository).bind(version).fetch_all(&self.pool).await;
        let found = |row: &AnyRow| {
            let (sha256, size) = (row.sha256(0)?, row.integer(1)? as u64);
            Ok(RemoteArtifact { sha256, size, remote: row.integer(2)?, url: row.text(3)? })
        };
        let found = rows.and_then(|rows| rows.iter().map(found).collect::<sqlx::Result<Vec<_>>>());
        let found = found.map_err(Error::db("find what is missing"))?;
        Ok(found.chunk_by(|one, next| one.sha256 == next.sha256).map(<[_]>::to_vec).collect())
    }

    /// What the last sync of a repository from a remote remembered.
    pub async fn sync_state(&self, repository: Id, remote: Id) -> Result<BTreeMap<String, Value>> {
        let sql = "SELECT name, value FROM sync_state WHERE repository = $1 AND remote = $2";
        let rows = sqlx::query(sql).bind(repository).bind(remote).fetch_all(&self.pool).await;
        let pair = |row: &AnyRow| Ok((row.text(0)?, row.json(1)?));
        rows.and_then(|rows| rows.iter().map(pair).collect())
            .map_err(Error::db("read what a sync remembered"))
    }
}

impl Transaction {
    /// Records where bytes can be fetched.
    pub async fn insert_remote_artifacts(&mut self, artifacts: &[RemoteArtifact]) -> Result<()> {
        for some in artifacts.chunks(batch(4)) {
            let head = "INSERT INTO remote_artifact (sha256, remote, url, size)";
            let tail = "ON CONFLICT (sha256, remote, url) DO NOTHING";
            let mut query = sqlx::query(values(head, some.len(), 4, tail));
            for artifact in some {
                query = query.bind(artifact.sha256.as_bytes().to_vec()).bind(artifact.remote);
                query = query.bind(artifact.url.clone()).bind(artifact.size as i64);
            }
            query.execute(self.connection()).await.map_err(Error::db("record where to fetch"))?;
        }
        Ok(())
    }

    /// Remembers something for the next sync of a repository from a remote.
    pub async fn set_sync_state(
        &mut self,
        repository: Id,
        remote: Id,
        name: &str,
        value: &Value,
    ) -> Result<()> {
        let sql = "INSERT INTO sync_state (repository, remote, name, value) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (repository, remote, name) DO UPDATE SET value = $4";
        let query =
            sqlx::query(sql).bind(repository).bind(remote).bind(name.to_owned()).bind(value.to_string());
        query.execute(self.connection()).await.map(drop).map_err(Error::db("remember a sync"))
    }
}
