//! Repositories.

use serde_json::Value;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::dialect::is_unique_violation;
use super::rows::Get as _;
use super::{Catalog, Transaction};
use crate::error::{Error, Result};
use crate::model::{Id, Remote, Repository};
use crate::name::Name;
use crate::time::Timestamp;

const SELECT: &str = "SELECT r.id, r.name, r.plugin, r.options, m.name, r.latest_version, r.created \
     FROM repository r LEFT JOIN remote m ON m.id = r.remote";

/// What is known of a repository while its row is locked: nobody else can add a version or a publication.
#[derive(Debug, Clone, Copy)]
pub struct Locked {
    /// Its newest version.
    pub latest_version: i64,
    /// The newest version that was ever published, -1 before the first publication.
    pub published_version: i64,
    /// No publication may get a time up to this one.
    pub settled_until: Timestamp,
}

impl Catalog {
    /// All repositories by name.
    pub async fn repositories(&self) -> Result<Vec<Repository>> {
        let sql = sqlx::AssertSqlSafe(format!("{SELECT} ORDER BY r.name"));
        let rows = sqlx::query(sql).fetch_all(&self.pool).await;
        let read = rows.and_then(|rows| rows.iter().map(repository).collect());
        read.map_err(Error::db("list repositories"))
    }

    /// The repository of that name.
    pub async fn repository(&self, name: &Name) -> Result<Repository> {
        let mut connection = self.pool.acquire().await.map_err(Error::db("connect"))?;
        find(&mut connection, name).await
    }
}

async fn find(connection: &mut AnyConnection, name: &Name) -> Result<Repository> {
    let sql = sqlx::AssertSqlSafe(format!("{SELECT} WHERE r.name = $1"));
    let row = sqlx::query(sql).bind(name.to_string()).fetch_optional(connection).await;
    let read = row.and_then(|row| row.as_ref().map(repository).transpose());
    let missing = || Error::NotFound { what: "repository", name: name.to_string() };
    read.map_err(Error::db("find a repository"))?.ok_or_else(missing)
}

fn repository(row: &AnyRow) -> sqlx::Result<Repository> {
    use sqlx::Row as _;
    let remote: Option<String> = row.try_get(4)?;
    Ok(Repository {
        id: row.integer(0)?,
        name: row.parsed(1)?,
        plugin: row.text(2)?,
        options: row.json(3)?,
        remote: remote.map(|_| row.parsed(4)).transpose()?,
        latest_version: row.integer(5)?,
        created: row.time(6)?,
    })
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
        let sql = "INSERT INTO repository (name, plugin, options, latest_version, created, settled_until) \
             VALUES ($1, $2, $3, 0, $4, 0) RETURNING id";
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

    /// Replaces the options of a repository, and its remote if one is given.
    pub async fn update_repository(
        &mut self,
        id: Id,
        options: &Value,
        remote: Option<&Remote>,
    ) -> Result<()> {
        let sql = "UPDATE repository SET options = $1, remote = COALESCE($2, remote) WHERE id = $3";
        let query = sqlx::query(sql).bind(options.to_string()).bind(remote.map(|remote| remote.id)).bind(id);
        query.execute(self.connection()).await.map(drop).map_err(Error::db("update a repository"))
    }

    /// Waits until nobody else changes the repository, and keeps it so until the end of the transaction.
    pub async fn lock_repository(&mut self, id: Id) -> Result<Locked> {
        // An update takes the row lock on PostgreSQL; on SQLite the whole transaction is alone already.
        let sql = "UPDATE repository SET id = id WHERE id = $1 RETURNING latest_version, settled_until";
        let row = sqlx::query(sql).bind(id).fetch_one(self.connection()).await;
        let row = row.map_err(Error::db("lock a repository"))?;
        // A statement of its own: one that waits for a lock goes on with what it saw of other tables before.
        let sql = "SELECT COALESCE(MAX(version), -1) FROM publication WHERE repository = $1";
        let published = sqlx::query(sql).bind(id).fetch_one(self.connection()).await;
        let read = published.and_then(|published| {
            Ok(Locked {
                latest_version: row.integer(0)?,
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

impl Transaction {
    /// The repository of that name, as this transaction sees it.
    pub async fn repository(&mut self, name: &Name) -> Result<Repository> {
        find(self.connection(), name).await
    }
}
