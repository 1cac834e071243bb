//! Distributions.

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::rows::Get as _;
use super::{Catalog, Transaction};
use crate::error::{Error, Result};
use crate::model::{Distribution, Id};

const SELECT: &str = "SELECT d.id, d.name, d.plugin, d.base_path, r.name, d.publication, d.version, d.checkpoint, \
     d.hidden, d.guard, d.created, d.updated, d.direct \
     FROM distribution d LEFT JOIN repository r ON r.id = d.repository ORDER BY d.name";

impl Catalog {
    /// All distributions by name.
    pub async fn distributions(&self) -> Result<Vec<Distribution>> {
        let rows = sqlx::query(SELECT).fetch_all(&self.pool).await;
        rows.and_then(|rows| rows.iter().map(distribution).collect()).map_err(Error::db("list distributions"))
    }
}

fn distribution(row: &AnyRow) -> sqlx::Result<Distribution> {
    let repository: Option<String> = row.try_get(4)?;
    Ok(Distribution {
        id: row.integer(0)?,
        name: row.parsed(1)?,
        plugin: row.text(2)?,
        base_path: row.parsed(3)?,
        repository: repository.is_some().then(|| row.parsed(4)).transpose()?,
        publication: row.try_get(5)?,
        version: row.try_get(6)?,
        checkpoint: row.flag(7)?,
        hidden: row.flag(8)?,
        guard: row.try_get(9)?,
        created: row.time(10)?,
        updated: row.time(11)?,
        direct: row.flag(12)?,
    })
}

impl Transaction {
    /// All distributions by name, as this transaction sees them, while no other can change one.
    pub async fn lock_distributions(&mut self) -> Result<Vec<Distribution>> {
        // The one row that every visible change touches serves as the lock.
        self.bump_generation().await?;
        let rows = sqlx::query(SELECT).fetch_all(self.connection()).await;
        rows.and_then(|rows| rows.iter().map(distribution).collect()).map_err(Error::db("list distributions"))
    }

    /// Creates a distribution that serves a repository with this row, or nothing. Names and base paths must have been
    /// checked under [`Self::lock_distributions`].
    pub async fn create_distribution(&mut self, new: &Distribution, repository: Option<Id>) -> Result<()> {
        let sql = "INSERT INTO distribution (name, plugin, base_path, repository, publication, version, checkpoint, \
             hidden, guard, created, updated, direct) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $11)";
        let query = sqlx::query(sql).bind(new.name.to_string()).bind(new.plugin.clone());
        let query = query.bind(new.base_path.to_string()).bind(repository).bind(new.publication);
        let query = query.bind(new.version).bind(i64::from(new.checkpoint)).bind(i64::from(new.hidden));
        let query = query.bind(new.guard).bind(new.created.unix()).bind(i64::from(new.direct));
        query.execute(self.connection()).await.map(drop).map_err(Error::db("create a distribution"))
    }

    /// Replaces all of a distribution but its name and its plugin.
    pub async fn update_distribution(&mut self, new: &Distribution, repository: Option<Id>) -> Result<()> {
        let sql = "UPDATE distribution SET base_path = $1, repository = $2, publication = $3, version = $4, \
             checkpoint = $5, hidden = $6, guard = $7, updated = $8, direct = $9 WHERE id = $10";
        let query = sqlx::query(sql).bind(new.base_path.to_string()).bind(repository).bind(new.publication);
        let query = query.bind(new.version).bind(i64::from(new.checkpoint)).bind(i64::from(new.hidden));
        let query = query.bind(new.guard).bind(new.updated.unix());
        let query = query.bind(i64::from(new.direct)).bind(new.id);
        query.execute(self.connection()).await.map(drop).map_err(Error::db("update a distribution"))
    }

    /// Deletes a distribution.
    pub async fn delete_distribution(&mut self, id: Id) -> Result<()> {
        let query = sqlx::query("DELETE FROM distribution WHERE id = $1").bind(id);
        query.execute(self.connection()).await.map(drop).map_err(Error::db("delete a distribution"))
    }

    /// Has distributions that serve a repository serve nothing.
    pub async fn detach_distributions(&mut self, repository: Id) -> Result<()> {
        let sql = "UPDATE distribution SET repository = NULL, publication = NULL, version = NULL, checkpoint = 0 \
             WHERE repository = $1";
        let done = sqlx::query(sql).bind(repository).execute(self.connection()).await;
        done.map(drop).map_err(Error::db("detach distributions"))
    }
}
