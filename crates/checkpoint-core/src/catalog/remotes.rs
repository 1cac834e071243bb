//! Remotes, where bytes can be fetched, and what syncs remember.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;
use sqlx::AnyConnection;
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
        let rows = sqlx::query(select("ORDER BY name")).fetch_all(&self.pool).await;
        rows.and_then(|rows| rows.iter().map(remote).collect()).map_err(Error::db("list remotes"))
    }

    /// The remote of that name.
    pub async fn remote(&self, name: &Name) -> Result<Remote> {
        let mut connection = self.pool.acquire().await.map_err(Error::db("connect"))?;
        find(&mut connection, name).await
    }

    /// The remote of that row.
    pub async fn remote_of(&self, id: Id) -> Result<Remote> {
        let row = sqlx::query(select("WHERE id = $1")).bind(id).fetch_one(&self.pool).await;
        row.and_then(|row| remote(&row)).map_err(Error::db("find a remote"))
    }
}

fn select(tail: &str) -> sqlx::AssertSqlSafe<String> {
    sqlx::AssertSqlSafe(format!(
        "SELECT id, name, plugin, url, options, settings, created, updated FROM remote {tail}"
    ))
}

async fn find(connection: &mut AnyConnection, name: &Name) -> Result<Remote> {
    let row = sqlx::query(select("WHERE name = $1")).bind(name.to_string()).fetch_optional(connection).await;
    let read = row.and_then(|row| row.as_ref().map(remote).transpose());
    let missing = || Error::NotFound { what: "remote", name: name.to_string() };
    read.map_err(Error::db("find a remote"))?.ok_or_else(missing)
}

fn remote(row: &AnyRow) -> sqlx::Result<Remote> {
    Ok(Remote {
        id: row.integer(0)?,
        name: row.parsed(1)?,
        plugin: row.text(2)?,
        url: row.text(3)?,
        options: row.json(4)?,
        settings: serde_json::from_value(row.json(5)?).map_err(|error| sqlx::Error::Decode(error.into()))?,
        created: row.time(6)?,
        updated: row.time(7)?,
    })
}

impl Transaction {
    /// Creates a remote; the row is given by the database.
    pub async fn create_remote(&mut self, remote: &Remote) -> Result<()> {
        let sql = "INSERT INTO remote (name, plugin, url, options, settings, created, updated) \
             VALUES ($1, $2, $3, $4, $5, $6, $6)";
        let query = sqlx::query(sql).bind(remote.name.to_string()).bind(remote.plugin.clone());
        let query = query.bind(remote.url.clone()).bind(remote.options.to_string());
        let query = query.bind(Value::Object(remote.settings.to_fields()?).to_string());
        let query = query.bind(remote.created.unix());
        query.execute(self.connection()).await.map(drop).map_err(|error| match is_unique_violation(&error) {
            true => Error::AlreadyExists { what: "remote", name: remote.name.to_string() },
            false => Error::db("create a remote")(error),
        })
    }

    /// The remote of that name, as this transaction sees it, while no other can change it.
    pub async fn lock_remote(&mut self, name: &Name) -> Result<Remote> {
        // An update takes the row lock on PostgreSQL; on SQLite the whole transaction is alone already.
        let query = sqlx::query("UPDATE remote SET id = id WHERE name = $1").bind(name.to_string());
        query.execute(self.connection()).await.map_err(Error::db("lock a remote"))?;
        find(self.connection(), name).await
    }

    /// Replaces where a remote is, its options and its settings.
    pub async fn update_remote(&mut self, remote: &Remote) -> Result<()> {
        let sql = "UPDATE remote SET url = $1, options = $2, settings = $3, updated = $4 WHERE id = $5";
        let query = sqlx::query(sql).bind(remote.url.clone()).bind(remote.options.to_string());
        let query = query.bind(Value::Object(remote.settings.to_fields()?).to_string());
        let query = query.bind(remote.updated.unix()).bind(remote.id);
        query.execute(self.connection()).await.map(drop).map_err(Error::db("update a remote"))
    }

    /// The repositories that sync from a remote.
    pub async fn followers(&mut self, remote: Id) -> Result<Vec<Name>> {
        let sql = "SELECT DISTINCT r.name FROM repository r JOIN repository_remote m ON m.repository = r.id \
             WHERE m.remote = $1 ORDER BY r.name";
        let rows = sqlx::query(sql).bind(remote).fetch_all(self.connection()).await;
        rows.and_then(|rows| rows.iter().map(|row| row.parsed(0)).collect())
            .map_err(Error::db("find who syncs from a remote"))
    }

    /// How many files can be fetched from nowhere but this remote.
    pub async fn files_only_at(&mut self, remote: Id) -> Result<u64> {
        let sql = "SELECT COUNT(DISTINCT r.sha256) FROM remote_artifact r WHERE r.remote = $1 \
             AND NOT EXISTS (SELECT 1 FROM artifact a WHERE a.sha256 = r.sha256) \
             AND NOT EXISTS (SELECT 1 FROM remote_artifact o WHERE o.sha256 = r.sha256 AND o.remote <> $1)";
        let row = sqlx::query(sql).bind(remote).fetch_one(self.connection()).await;
        row.and_then(|row| Ok(row.integer(0)? as u64)).map_err(Error::db("count the files of a remote"))
    }

    /// Deletes a remote, and all that is known only of it.
    pub async fn delete_remote(&mut self, remote: Id) -> Result<()> {
        for table in ["remote_artifact", "sync_state", "remote_place", "repository_remote"] {
            let sql = sqlx::AssertSqlSafe(format!("DELETE FROM {table} WHERE remote = $1"));
            let done = sqlx::query(sql).bind(remote).execute(self.connection()).await;
            done.map_err(Error::db("delete a remote"))?;
        }
        let done = sqlx::query("DELETE FROM remote WHERE id = $1").bind(remote);
        done.execute(self.connection()).await.map(drop).map_err(Error::db("delete a remote"))
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

    /// The places of a repository that its remotes fill, by remote.
    pub async fn remote_places(&mut self, repository: Id) -> Result<Vec<(Name, String)>> {
        let sql = "SELECT m.name, p.place FROM remote_place p JOIN remote m ON m.id = p.remote \
             WHERE p.repository = $1 ORDER BY m.name, p.place";
        let rows = sqlx::query(sql).bind(repository).fetch_all(self.connection()).await;
        let pair = |row: &AnyRow| Ok((row.parsed(0)?, row.text(1)?));
        rows.and_then(|rows| rows.iter().map(pair).collect()).map_err(Error::db("read who fills a place"))
    }

    /// Replaces the places of a repository that a remote fills.
    pub async fn set_remote_places(
        &mut self,
        repository: Id,
        remote: Id,
        places: &HashSet<String>,
    ) -> Result<()> {
        let doing = "record who fills a place";
        let query = sqlx::query("DELETE FROM remote_place WHERE repository = $1 AND remote = $2");
        let done = query.bind(repository).bind(remote).execute(self.connection()).await;
        done.map_err(Error::db(doing))?;
        let places: Vec<&String> = places.iter().collect();
        for some in places.chunks(batch(3)) {
            let head = "INSERT INTO remote_place (repository, remote, place)";
            let mut query = sqlx::query(values(head, some.len(), 3, ""));
            for place in some {
                query = query.bind(repository).bind(remote).bind((*place).clone());
            }
            query.execute(self.connection()).await.map_err(Error::db(doing))?;
        }
        Ok(())
    }

    /// Has the next sync from each remote that fills a place know that something is so.
    pub async fn remember_of_place(&mut self, repository: Id, place: &str, name: &str) -> Result<()> {
        let sql = "INSERT INTO sync_state (repository, remote, name, value) \
             SELECT repository, remote, $3, 'true' FROM remote_place WHERE repository = $1 AND place = $2 \
             ON CONFLICT (repository, remote, name) DO UPDATE SET value = 'true'";
        let query = sqlx::query(sql).bind(repository).bind(place.to_owned()).bind(name.to_owned());
        query.execute(self.connection()).await.map(drop).map_err(Error::db("remember a change"))
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
