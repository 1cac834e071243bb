//! Accounts and their tokens.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row as _};

use super::dialect::is_unique_violation;
use super::rows::{Get as _, values};
use super::{Catalog, Transaction};
use crate::account::{Account, Guard, Role};
use crate::digest::Sha256;
use crate::error::{Error, Result};
use crate::model::Id;
use crate::name::Name;
use crate::time::Timestamp;

const SELECT: &str = "SELECT a.id, a.name, a.role, a.created, a.password FROM account a";

impl Catalog {
    /// All accounts by name.
    pub async fn accounts(&self) -> Result<Vec<Account>> {
        let mut connection = self.pool.acquire().await.map_err(Error::db("connect"))?;
        let sql = AssertSqlSafe(format!("{SELECT} ORDER BY a.name"));
        let rows = sqlx::query(sql).fetch_all(&mut *connection).await;
        let rows = rows.map_err(Error::db("list accounts"))?;
        let mut accounts = Vec::with_capacity(rows.len());
        for row in &rows {
            accounts.push(account(&mut connection, row).await.map_err(Error::db("list accounts"))?);
        }
        Ok(accounts)
    }

    /// Whether anybody may sign in.
    pub async fn has_accounts(&self) -> Result<bool> {
        let row = sqlx::query("SELECT id FROM account LIMIT 1").fetch_optional(&self.pool).await;
        row.map(|row| row.is_some()).map_err(Error::db("look for accounts"))
    }

    /// The account of that name, and its password's hash.
    pub async fn account(&self, name: &str) -> Result<Option<(Account, String)>> {
        self.find_account(&format!("{SELECT} WHERE a.name = $1"), name.to_owned().into()).await
    }

    /// The account that a token with this digest is for, and its password's hash.
    pub async fn account_of_token(&self, digest: &Sha256) -> Result<Option<(Account, String)>> {
        let sql = format!("{SELECT} JOIN token t ON t.account = a.id WHERE t.digest = $1");
        self.find_account(&sql, digest.as_bytes().to_vec().into()).await
    }

    async fn find_account(&self, sql: &str, key: Key) -> Result<Option<(Account, String)>> {
        let doing = "find an account";
        let mut connection = self.pool.acquire().await.map_err(Error::db("connect"))?;
        let query = sqlx::query(AssertSqlSafe(sql.to_owned()));
        let query = match key {
            Key::Text(text) => query.bind(text),
            Key::Bytes(bytes) => query.bind(bytes),
        };
        let row = query.fetch_optional(&mut *connection).await.map_err(Error::db(doing))?;
        let Some(row) = row else { return Ok(None) };
        let account = account(&mut connection, &row).await.map_err(Error::db(doing))?;
        Ok(Some((account, row.text(4).map_err(Error::db(doing))?)))
    }

    /// The names of an account's tokens.
    pub async fn tokens(&self, account: Id) -> Result<Vec<String>> {
        let sql = "SELECT name FROM token WHERE account = $1 ORDER BY name";
        let rows = sqlx::query(sql).bind(account).fetch_all(&self.pool).await;
        rows.and_then(|rows| rows.iter().map(|row| row.text(0)).collect()).map_err(Error::db("list tokens"))
    }
}

impl Catalog {
    /// All content guards by name.
    pub async fn guards(&self) -> Result<Vec<Guard>> {
        let sql = "SELECT id, name, description, created FROM guard ORDER BY name";
        let rows = sqlx::query(sql).fetch_all(&self.pool).await;
        let guard = |row: &AnyRow| {
            let (id, name) = (row.integer(0)?, row.parsed(1)?);
            Ok(Guard { id, name, description: row.try_get(2)?, created: row.time(3)? })
        };
        rows.and_then(|rows| rows.iter().map(guard).collect()).map_err(Error::db("list content guards"))
    }
}

enum Key {
    Text(String),
    Bytes(Vec<u8>),
}

impl From<String> for Key {
    fn from(text: String) -> Key {
        Key::Text(text)
    }
}

impl From<Vec<u8>> for Key {
    fn from(bytes: Vec<u8>) -> Key {
        Key::Bytes(bytes)
    }
}

async fn account(connection: &mut AnyConnection, row: &AnyRow) -> sqlx::Result<Account> {
    let id = row.integer(0)?;
    let sql = "SELECT repository FROM account_repository WHERE account = $1 ORDER BY repository";
    let repositories = sqlx::query(sql).bind(id).fetch_all(connection).await?;
    Ok(Account {
        id,
        name: row.parsed(1)?,
        role: row.parsed(2)?,
        repositories: repositories.iter().map(|row| row.parsed(0)).collect::<sqlx::Result<_>>()?,
        created: row.time(3)?,
    })
}

impl Transaction {
    /// Creates a content guard.
    pub async fn create_guard(
        &mut self,
        name: &Name,
        description: Option<&str>,
        now: Timestamp,
    ) -> Result<()> {
        let sql = "INSERT INTO guard (name, description, created) VALUES ($1, $2, $3)";
        let query = sqlx::query(sql).bind(name.to_string()).bind(description.map(str::to_owned));
        let done = query.bind(now.unix()).execute(self.connection()).await;
        done.map(drop).map_err(|error| match is_unique_violation(&error) {
            true => Error::AlreadyExists { what: "content guard", name: name.to_string() },
            false => Error::db("create a content guard")(error),
        })
    }

    /// Deletes a content guard.
    pub async fn delete_guard(&mut self, id: Id) -> Result<()> {
        let done = sqlx::query("DELETE FROM guard WHERE id = $1").bind(id).execute(self.connection()).await;
        done.map(drop).map_err(Error::db("delete a content guard"))
    }

    /// Creates an account; `password` is a hash in the PHC string format.
    pub async fn create_account(
        &mut self,
        name: &Name,
        (role, repositories): (Role, &[Name]),
        password: &str,
        now: Timestamp,
    ) -> Result<()> {
        let doing = "create an account";
        let sql = "INSERT INTO account (name, role, password, created) VALUES ($1, $2, $3, $4) RETURNING id";
        let query = sqlx::query(sql).bind(name.to_string()).bind(role.as_str().to_owned());
        let row = query.bind(password.to_owned()).bind(now.unix()).fetch_one(self.connection()).await;
        let id: Id =
            row.and_then(|row| row.integer(0)).map_err(|error| match is_unique_violation(&error) {
                true => Error::AlreadyExists { what: "user", name: name.to_string() },
                false => Error::db(doing)(error),
            })?;
        if !repositories.is_empty() {
            let head = "INSERT INTO account_repository (account, repository)";
            let tail = "ON CONFLICT (account, repository) DO NOTHING";
            let mut query = sqlx::query(values(head, repositories.len(), 2, tail));
            for repository in repositories {
                query = query.bind(id).bind(repository.to_string());
            }
            query.execute(self.connection()).await.map_err(Error::db(doing))?;
        }
        Ok(())
    }

    /// Deletes an account with its tokens.
    pub async fn delete_account(&mut self, id: Id) -> Result<()> {
        for sql in [
            "DELETE FROM token WHERE account = $1",
            "DELETE FROM account_repository WHERE account = $1",
            "DELETE FROM account WHERE id = $1",
        ] {
            let done = sqlx::query(sql).bind(id).execute(self.connection()).await;
            done.map_err(Error::db("delete an account"))?;
        }
        Ok(())
    }

    /// Creates a token of an account, by its digest.
    pub async fn create_token(
        &mut self,
        account: Id,
        name: &Name,
        digest: &Sha256,
        now: Timestamp,
    ) -> Result<()> {
        let sql = "INSERT INTO token (digest, account, name, created) VALUES ($1, $2, $3, $4)";
        let query = sqlx::query(sql).bind(digest.as_bytes().to_vec()).bind(account);
        let done = query.bind(name.to_string()).bind(now.unix()).execute(self.connection()).await;
        done.map(drop).map_err(|error| match is_unique_violation(&error) {
            true => Error::AlreadyExists { what: "token", name: name.to_string() },
            false => Error::db("create a token")(error),
        })
    }

    /// Deletes a token; gives whether there was one.
    pub async fn delete_token(&mut self, account: Id, name: &Name) -> Result<bool> {
        let query = sqlx::query("DELETE FROM token WHERE account = $1 AND name = $2").bind(account);
        let done = query.bind(name.to_string()).execute(self.connection()).await;
        done.map(|done| done.rows_affected() > 0).map_err(Error::db("delete a token"))
    }
}
