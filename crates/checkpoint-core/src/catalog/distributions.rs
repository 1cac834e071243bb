//! Distributions.

use sqlx::any::AnyRow;

use super::rows::Get as _;
use super::{Catalog, Transaction};
use crate::error::{Error, Result};
use crate::model::{Distribution, Id};
use crate::name::{BasePath, Name};

const SELECT: &str = "SELECT d.id, d.name, d.base_path, r.name, d.checkpoint \
     FROM distribution d JOIN repository r ON r.id = d.repository ORDER BY d.name";

impl Catalog {
    /// All distributions by name.
    pub async fn distributions(&self) -> Result<Vec<Distribution>> {
        let rows = sqlx::query(SELECT).fetch_all(&self.pool).await;
        rows.and_then(|rows| rows.iter().map(distribution).collect()).map_err(Error::db("list distributions"))
    }
}

fn distribution(row: &AnyRow) -> sqlx::Result<Distribution> {
    Ok(Distribution {
        id: row.integer(0)?,
        name: row.parsed(1)?,
        base_path: row.parsed(2)?,
        repository: row.parsed(3)?,
        checkpoint: row.flag(4)?,
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

    /// Creates a distribution. Names and base paths must have been checked under [`Self::lock_distributions`].
    pub async fn create_distribution(
        &mut self,
        name: &Name,
        base_path: &BasePath,
        repository: Id,
        checkpoint: bool,
    ) -> Result<()> {
        let sql =
            "INSERT INTO distribution (name, base_path, repository, checkpoint) VALUES ($1, $2, $3, $4)";
        let query = sqlx::query(sql).bind(name.to_string()).bind(base_path.to_string());
        let query = query.bind(repository).bind(i64::from(checkpoint));
        query.execute(self.connection()).await.map(drop).map_err(Error::db("create a distribution"))
    }

    /// Replaces what a distribution serves, and where.
    pub async fn update_distribution(
        &mut self,
        id: Id,
        base_path: &BasePath,
        repository: Id,
        checkpoint: bool,
    ) -> Result<()> {
        let sql = "UPDATE distribution SET base_path = $1, repository = $2, checkpoint = $3 WHERE id = $4";
        let query = sqlx::query(sql).bind(base_path.to_string()).bind(repository);
        let query = query.bind(i64::from(checkpoint)).bind(id);
        query.execute(self.connection()).await.map(drop).map_err(Error::db("update a distribution"))
    }

    /// Deletes a distribution.
    pub async fn delete_distribution(&mut self, id: Id) -> Result<()> {
        let query = sqlx::query("DELETE FROM distribution WHERE id = $1").bind(id);
        query.execute(self.connection()).await.map(drop).map_err(Error::db("delete a distribution"))
    }
}
