//! The catalog: what exists, in SQLite or PostgreSQL. SQL stands here and nowhere else.
//!
//! Reads are methods of [`Catalog`], writes are methods of [`Transaction`]; a file for each group of tables.
//! Statements take many rows at once; there is never one statement for each unit.

mod accounts;
mod audit;
mod content;
mod dialect;
mod distributions;
mod publications;
mod references;
mod removal;
mod remotes;
mod repositories;
mod rows;
mod tasks;
mod uploads;
mod units;
mod versions;

use std::fs::File;

use sqlx::{AnyConnection, AnyPool, AssertSqlSafe, Row as _};

use crate::error::{Error, Result};
pub use content::{ArtifactDetail, Part, UnitDetail};
use dialect::Dialect;
pub use publications::{Found, NewPublication, PublicationFile};
pub use references::Reference;
pub use remotes::RemoteArtifact;
pub use removal::Removed;
pub use repositories::Locked;
pub use tasks::{Ending, NewTask};
pub use units::{KnownUnit, identity};
pub use uploads::PendingUpload;
pub use versions::{Change, Content, PlacedUnit, UnitFile};

const SCHEMA: &str = include_str!("schema.sql");

/// The database. Cheap to clone.
#[derive(Clone)]
pub struct Catalog {
    pool: AnyPool,
    writers: AnyPool,
    dialect: Dialect,
}

/// How often something has changed for content servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generation {
    /// Changes of what is shown.
    pub changes: i64,
    /// Those by which files are not held any more.
    pub losses: i64,
}

/// A write transaction. Dropping it without [`Transaction::commit`] undoes all of it.
pub struct Transaction {
    inner: sqlx::Transaction<'static, sqlx::Any>,
}

impl Catalog {
    /// Opens the database at `url` (`sqlite://FILE` or `postgres://…`) and creates the tables if there are none.
    pub async fn open(url: &str) -> Result<Catalog> {
        let dialect = Dialect::of(url)?;
        let guard = match Dialect::file_of(url) {
            Some(file) => Some(lock_beside(file).await?),
            None => None,
        };
        let options = if dialect == Dialect::Sqlite && !url.contains('?') { "?mode=rwc" } else { "" };
        let (pool, writers) = dialect.connect(&format!("{url}{options}")).await?;
        let catalog = Catalog { pool, writers, dialect };
        catalog.create_tables().await?;
        drop(guard);
        Ok(catalog)
    }

    async fn create_tables(&self) -> Result<()> {
        let doing = "create its tables";
        let mut connection = self.pool.acquire().await.map_err(Error::db("connect"))?;
        if self.dialect.has_table(&mut connection, "distribution").await.map_err(Error::db(doing))? {
            return Ok(());
        }
        drop(connection);
        self.dialect.prepare_database(&self.writers).await?;
        let mut transaction = self.begin().await?;
        self.dialect.lock_schema(transaction.connection()).await.map_err(Error::db(doing))?;
        let exists = self.dialect.has_table(transaction.connection(), "distribution").await;
        if !exists.map_err(Error::db(doing))? {
            let schema = AssertSqlSafe(self.dialect.spell(SCHEMA));
            let created = sqlx::raw_sql(schema).execute(transaction.connection()).await;
            created.map_err(Error::db(doing))?;
        }
        transaction.commit().await
    }

    /// Begins a transaction that will write. On SQLite it waits for the writer before it.
    pub async fn begin(&self) -> Result<Transaction> {
        let inner = self.dialect.begin(&self.writers).await.map_err(Error::db("begin to write"))?;
        Ok(Transaction { inner })
    }

    /// Counts changes of what the content server shows, and among them those by which files are not held any more that
    /// were.
    pub async fn generation(&self) -> Result<Generation> {
        let row = sqlx::query("SELECT generation, losses FROM catalog_state").fetch_one(&self.pool).await;
        row.and_then(|row| Ok(Generation { changes: row.try_get(0)?, losses: row.try_get(1)? }))
            .map_err(Error::db("read its generation"))
    }

    /// Closes all connections, so that SQLite can tidy up its files.
    pub async fn close(&self) {
        self.writers.close().await;
        self.pool.close().await;
    }
}

impl Transaction {
    /// Makes all of it durable and visible at once.
    pub async fn commit(self) -> Result<()> {
        self.inner.commit().await.map_err(Error::db("commit"))
    }

    /// Tells content servers that what they show has changed.
    pub async fn bump_generation(&mut self) -> Result<()> {
        let sql = "UPDATE catalog_state SET generation = generation + 1";
        let done = sqlx::query(sql).execute(self.connection()).await;
        done.map(drop).map_err(Error::db("count the change"))
    }

    /// Tells content servers that files are not held any more that were.
    pub async fn bump_losses(&mut self) -> Result<()> {
        let sql = "UPDATE catalog_state SET generation = generation + 1, losses = losses + 1";
        let done = sqlx::query(sql).execute(self.connection()).await;
        done.map(drop).map_err(Error::db("count the change"))
    }

    fn connection(&mut self) -> &mut AnyConnection {
        &mut self.inner
    }
}

/// Keeps two processes from creating one SQLite file at once. Released when the handle is dropped.
async fn lock_beside(database: &std::path::Path) -> Result<File> {
    let path = database.with_extension("lock");
    crate::artifacts::run_blocking(move || {
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(Error::io("open", &path))?;
        file.lock().map_err(Error::io("lock", &path))?;
        Ok(file)
    })
    .await
}
