//! Repositories.

use serde_json::Value;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::dialect::is_unique_violation;
use super::rows::{Get as _, values};
use super::{Catalog, Transaction};
use crate::error::{Error, Result};
use crate::model::{Id, Remote, Repository, RepositorySettings};
use crate::name::Name;
use crate::time::Timestamp;

const SELECT: &str =
    "SELECT id, name, plugin, options, latest_version, created, updated, settings FROM repository";
const SELECT_REMOTES: &str =
    "SELECT r.repository, m.name FROM repository_remote r JOIN remote m ON m.id = r.remote";

/// What is known of a repository while its row is locked: nobody else can add a version or a publication.
#[derive(Debug, Clone, Copy)]
pub struct Locked {
    /// The number that its next version gets.
    pub next_version: i64,
    /// The newest version that was ever published, -1 before the first publication.
    pub published_version: i64,
    /// No publication may get a time up to this one.
    pub settled_until: Timestamp,
}

impl Catalog {
    /// All repositories by name.
    pub async fn repositories(&self) -> Result<Vec<Repository>> {
        let doing = "list repositories";
        let sql = sqlx::AssertSqlSafe(format!("{SELECT} ORDER BY name"));
        let rows = sqlx::query(sql).fetch_all(&self.pool).await.map_err(Error::db(doing))?;
        let sql = sqlx::AssertSqlSafe(format!("{SELECT_REMOTES} ORDER BY r.repository, r.position"));
        let remotes = sqlx::query(sql).fetch_all(&self.pool).await;
        let remotes: Vec<(Id, Name)> =
            remotes.and_then(|rows| rows.iter().map(remote).collect()).map_err(Error::db(doing))?;
        let read = |row| {
            let mut repository = repository(row)?;
            let own = remotes.iter().filter(|(id, _)| *id == repository.id);
            repository.remotes = own.map(|(_, name)| name.clone()).collect();
            Ok(repository)
        };
        rows.iter().map(read).collect::<sqlx::Result<_>>().map_err(Error::db(doing))
    }

    /// The repository of that name.
    pub async fn repository(&self, name: &Name) -> Result<Repository> {
        let mut connection = self.pool.acquire().await.map_err(Error::db("connect"))?;
        find(&mut connection, name).await
    }
}

async fn find(connection: &mut AnyConnection, name: &Name) -> Result<Repository> {
    let doing = "find a repository";
    let sql = sqlx::AssertSqlSafe(format!("{SELECT} WHERE name = $1"));
    let row = sqlx::query(sql).bind(name.to_string()).fetch_optional(&mut *connection).await;
    let read = row.and_then(|row| row.as_ref().map(repository).transpose()).map_err(Error::db(doing))?;
    let missing = || Error::NotFound { what: "repository", name: name.to_string() };
    let mut repository = read.ok_or_else(missing)?;
    let sql = sqlx::AssertSqlSafe(format!("{SELECT_REMOTES} WHERE r.repository = $1 ORDER BY r.position"));
    let rows = sqlx::query(sql).bind(repository.id).fetch_all(connection).await;
    let remotes: Vec<(Id, Name)> =
        rows.and_then(|rows| rows.iter().map(remote).collect()).map_err(Error::db(doing))?;
    repository.remotes = remotes.into_iter().map(|(_, name)| name).collect();
    Ok(repository)
}

fn repository(row: &AnyRow) -> sqlx::Result<Repository> {
    Ok(Repository {
        id: row.integer(0)?,
        name: row.parsed(1)?,
        plugin: row.text(2)?,
        options: row.json(3)?,
        remotes: Vec::new(),
        latest_version: row.integer(4)?,
        created: row.time(5)?,
        updated: row.time(6)?,
        settings: serde_json::from_value(row.json(7)?).map_err(|error| sqlx::Error::Decode(error.into()))?,
    })
}

fn remote(row: &AnyRow) -> sqlx::Result<(Id, Name)> {
    Ok((row.integer(0)?, row.parsed(1)?))
}

impl Transaction {
    /// Creates a repository with its empty version 0; gives its row.
    pub async fn create_repository(
        &mut self,
        name: &Name,
        plugin: &str,
        options: &Value,
        now: Timestamp,
    ) -> Result<Id> {
        let sql = "INSERT INTO repository (name, plugin, options, settings, latest_version, next_version, created, \
             updated, settled_until) VALUES ($1, $2, $3, '{}', 0, 1, $4, $4, 0) RETURNING id";
        let query = sqlx::query(sql).bind(name.to_string()).bind(plugin.to_owned());
        let query = query.bind(options.to_string()).bind(now.unix());
        let id = query.fetch_one(self.connection()).await.and_then(|row| row.integer(0));
        let id = id.map_err(|error| match is_unique_violation(&error) {
            true => Error::AlreadyExists { what: "repository", name: name.to_string() },
            false => Error::db("create a repository")(error),
        })?;
        self.insert_version(id, 0, now).await?;
        Ok(id)
    }

    /// The repository of that name, as this transaction sees it.
    pub async fn repository(&mut self, name: &Name) -> Result<Repository> {
        find(self.connection(), name).await
    }

    /// Replaces the options and the settings of a repository, and its remotes if they are given.
    pub async fn update_repository(
        &mut self,
        id: Id,
        (options, settings): (&Value, &RepositorySettings),
        remotes: Option<&[Remote]>,
        now: Timestamp,
    ) -> Result<()> {
        let doing = "update a repository";
        let settings = serde_json::to_string(settings)
            .map_err(|error| Error::Internal(format!("settings cannot be written: {error}")))?;
        let sql = "UPDATE repository SET options = $1, settings = $2, updated = $3 WHERE id = $4";
        let query = sqlx::query(sql).bind(options.to_string()).bind(settings).bind(now.unix()).bind(id);
        query.execute(self.connection()).await.map_err(Error::db(doing))?;
        let Some(remotes) = remotes else { return Ok(()) };
        let query = sqlx::query("DELETE FROM repository_remote WHERE repository = $1").bind(id);
        query.execute(self.connection()).await.map_err(Error::db(doing))?;
        if remotes.is_empty() {
            return Ok(());
        }
        let head = "INSERT INTO repository_remote (repository, position, remote)";
        let mut query = sqlx::query(values(head, remotes.len(), 3, ""));
        for (position, remote) in remotes.iter().enumerate() {
            query = query.bind(id).bind(position as i64).bind(remote.id);
        }
        query.execute(self.connection()).await.map(drop).map_err(Error::db(doing))
    }

    /// Waits until nobody else changes the repository, and keeps it so until the end of the transaction.
    pub async fn lock_repository(&mut self, id: Id) -> Result<Locked> {
        // An update takes the row lock on PostgreSQL; on SQLite the whole transaction is alone already.
        let sql = "UPDATE repository SET id = id WHERE id = $1 RETURNING next_version, settled_until";
        let row = sqlx::query(sql).bind(id).fetch_one(self.connection()).await;
        let row = row.map_err(Error::db("lock a repository"))?;
        // A statement of its own: one that waits for a lock goes on with what it saw of other tables before.
        let sql = "SELECT COALESCE(MAX(version), -1) FROM publication WHERE repository = $1";
        let published = sqlx::query(sql).bind(id).fetch_one(self.connection()).await;
        let read = published.and_then(|published| {
            Ok(Locked {
                next_version: row.integer(0)?,
                settled_until: row.time(1)?,
                published_version: published.integer(0)?,
            })
        });
        read.map_err(Error::db("lock a repository"))
    }

    /// Rules out that a publication gets a time up to `until`. The repository must be locked.
    pub async fn settle(&mut self, repository: Id, until: Timestamp) -> Result<()> {
        let sql = "UPDATE repository SET settled_until = $1 WHERE id = $2 AND settled_until < $1";
        let query = sqlx::query(sql).bind(until.unix()).bind(repository);
        query.execute(self.connection()).await.map(drop).map_err(Error::db("settle a time"))
    }
}
