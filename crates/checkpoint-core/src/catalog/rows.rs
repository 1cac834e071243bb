//! Statements over many rows, and values out of rows.

use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row as _};

use super::dialect::MAX_PARAMETERS;
use crate::digest::{Md5, Sha256};
use crate::error::Result;
use crate::time::Timestamp;

/// `head VALUES ($1, $2), ($3, $4) tail` for `rows` rows of `columns` columns.
pub(super) fn values(head: &str, rows: usize, columns: usize, tail: &str) -> AssertSqlSafe<String> {
    let mut sql = String::with_capacity(head.len() + tail.len() + rows * columns * 7);
    sql.push_str(head);
    sql.push_str(" VALUES ");
    for row in 0..rows {
        sql.push_str(if row == 0 { "(" } else { ", (" });
        push_parameters(&mut sql, row * columns + 1, columns);
        sql.push(')');
    }
    sql.push(' ');
    sql.push_str(tail);
    AssertSqlSafe(sql)
}

/// `head ($first, …) tail` with `count` parameters, for `IN`.
pub(super) fn list(head: &str, first: usize, count: usize, tail: &str) -> AssertSqlSafe<String> {
    let mut sql = format!("{head} (");
    push_parameters(&mut sql, first, count);
    sql.push_str(") ");
    sql.push_str(tail);
    AssertSqlSafe(sql)
}

fn push_parameters(sql: &mut String, first: usize, count: usize) {
    for number in first..first + count {
        if number > first {
            sql.push_str(", ");
        }
        sql.push('$');
        sql.push_str(&number.to_string());
    }
}

/// How many rows of `columns` parameters go into one statement.
pub(super) fn batch(columns: usize) -> usize {
    MAX_PARAMETERS / columns
}

/// Typed access to a column by its position.
pub(super) trait Get {
    fn integer(&self, column: usize) -> sqlx::Result<i64>;
    fn flag(&self, column: usize) -> sqlx::Result<bool>;
    fn text(&self, column: usize) -> sqlx::Result<String>;
    fn bytes(&self, column: usize) -> sqlx::Result<Vec<u8>>;
    fn time(&self, column: usize) -> sqlx::Result<Timestamp>;
    fn sha256(&self, column: usize) -> sqlx::Result<Sha256>;
    fn md5(&self, column: usize) -> sqlx::Result<Md5>;
    /// A text that was checked when it was stored, such as a name or a path.
    fn parsed<T: std::str::FromStr<Err = crate::Error>>(&self, column: usize) -> sqlx::Result<T>;
    fn json(&self, column: usize) -> sqlx::Result<serde_json::Value>;
}

impl Get for AnyRow {
    fn integer(&self, column: usize) -> sqlx::Result<i64> {
        self.try_get(column)
    }

    fn flag(&self, column: usize) -> sqlx::Result<bool> {
        Ok(self.integer(column)? != 0)
    }

    fn text(&self, column: usize) -> sqlx::Result<String> {
        self.try_get(column)
    }

    fn bytes(&self, column: usize) -> sqlx::Result<Vec<u8>> {
        self.try_get(column)
    }

    fn time(&self, column: usize) -> sqlx::Result<Timestamp> {
        Ok(Timestamp::from_unix(self.integer(column)?))
    }

    fn sha256(&self, column: usize) -> sqlx::Result<Sha256> {
        decoded(Sha256::from_slice(&self.bytes(column)?))
    }

    fn md5(&self, column: usize) -> sqlx::Result<Md5> {
        decoded(Md5::from_slice(&self.bytes(column)?))
    }

    fn parsed<T: std::str::FromStr<Err = crate::Error>>(&self, column: usize) -> sqlx::Result<T> {
        decoded(self.text(column)?.parse())
    }

    fn json(&self, column: usize) -> sqlx::Result<serde_json::Value> {
        serde_json::from_str(&self.text(column)?).map_err(|error| sqlx::Error::Decode(error.into()))
    }
}

fn decoded<T>(value: Result<T>) -> sqlx::Result<T> {
    value.map_err(|error| sqlx::Error::Decode(error.into()))
}
