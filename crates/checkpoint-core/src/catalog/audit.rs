//! The record of changes. Entries are added and completed, never changed or deleted.

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::rows::Get as _;
use super::{Catalog, Transaction};
use crate::account::AuditEntry;
use crate::error::{Error, Result};
use crate::model::Id;

impl Catalog {
    /// The newest `limit` entries, oldest first.
    pub async fn audit(&self, limit: i64) -> Result<Vec<AuditEntry>> {
        let sql = "SELECT time, who, source, what, outcome FROM audit ORDER BY id DESC LIMIT $1";
        let rows = sqlx::query(sql).bind(limit).fetch_all(&self.pool).await;
        let entry = |row: &AnyRow| {
            let (time, who, source) = (row.time(0)?, row.text(1)?, row.text(2)?);
            Ok(AuditEntry { time, who, source, what: row.text(3)?, outcome: row.try_get(4)? })
        };
        rows.and_then(|rows| rows.iter().rev().map(entry).collect())
            .map_err(Error::db("read the audit record"))
    }
}

impl Transaction {
    /// Adds an entry.
    pub async fn insert_audit(&mut self, entry: &AuditEntry) -> Result<Id> {
        let sql =
            "INSERT INTO audit (time, who, source, what, outcome) VALUES ($1, $2, $3, $4, $5) RETURNING id";
        let query = sqlx::query(sql).bind(entry.time.unix()).bind(entry.who.clone());
        let query = query.bind(entry.source.clone()).bind(entry.what.clone()).bind(entry.outcome.clone());
        let row = query.fetch_one(self.connection()).await;
        row.and_then(|row| row.integer(0)).map_err(Error::db("add to the audit record"))
    }

    /// Records what came of something.
    pub async fn set_outcome(&mut self, id: Id, outcome: &str) -> Result<()> {
        let query = sqlx::query("UPDATE audit SET outcome = $1 WHERE id = $2 AND outcome IS NULL");
        let done = query.bind(outcome.to_owned()).bind(id).execute(self.connection()).await;
        done.map(drop).map_err(Error::db("add to the audit record"))
    }
}
