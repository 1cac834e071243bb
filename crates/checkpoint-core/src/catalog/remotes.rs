//! Remotes.

use serde_json::Value;
use sqlx::any::AnyRow;

use super::dialect::is_unique_violation;
use super::rows::Get as _;
use super::{Catalog, Transaction};
use crate::error::{Error, Result};
use crate::model::Remote;
use crate::name::Name;

impl Catalog {
    /// All remotes by name.
    pub async fn remotes(&self) -> Result<Vec<Remote>> {
        let sql = "SELECT id, name, plugin, url, options FROM remote ORDER BY name";
        let rows = sqlx::query(sql).fetch_all(&self.pool).await;
        rows.and_then(|rows| rows.iter().map(remote).collect())
            .map_err(Error::db("list remotes"))
    }

    /// The remote of that name.
    pub async fn remote(&self, name: &Name) -> Result<Remote> {
        let sql = "SELECT id, name, plugin, url, options FROM remote WHERE name = $1";
        let row = sqlx::query(sql)
            .bind(name.to_string())
            .fetch_optional(&self.pool)
            .await;
        let read = row.and_then(|row| row.as_ref().map(remote).transpose());
        let missing = || Error::NotFound {
            what: "remote",
            name: name.to_string(),
        };
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
        let done = query
            .bind(url.to_owned())
            .bind(options.to_string())
            .execute(self.connection())
            .await;
        done.map(drop).map_err(|error| match is_unique_violation(&error) {
            true => Error::AlreadyExists {
                what: "remote",
                name: name.to_string(),
            },
            false => Error::db("create a remote")(error),
        })
    }
}
