//! All that differs between SQLite and PostgreSQL.

use std::path::Path;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{AnyConnection, AnyPool, AssertSqlSafe, ConnectOptions as _};

use crate::error::{Error, Result};

/// How long a writer waits for the others. Writers queue; they do not fail.
const PATIENCE: Duration = Duration::from_secs(600);
/// Parameters of one statement. SQLite would take 32,766 and PostgreSQL 65,535, but to bind one the driver asks
/// SQLite for its name, which takes as long as there are parameters before it.
pub(super) const MAX_PARAMETERS: usize = 400;

/// Which database the catalog lives in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// By the URL's scheme: `sqlite:` or `postgres:`.
    pub(super) fn of(url: &str) -> Result<Dialect> {
        match url.split(':').next() {
            Some("sqlite") => Ok(Dialect::Sqlite),
            Some("postgres" | "postgresql") => Ok(Dialect::Postgres),
            _ => Err(Error::Invalid(format!("'{url}' is neither a sqlite: nor a postgres: database URL"))),
        }
    }

    /// Opens the pools for reading and for writing. A SQLite database is created where it does not exist.
    ///
    /// There are two, so that readers never wait for a connection that is held by a writer who waits for its turn.
    /// SQLite has one writer at a time; in one process they queue for the one connection, in order.
    pub(super) async fn connect(self, url: &str) -> Result<(AnyPool, AnyPool)> {
        sqlx::any::install_default_drivers();
        let options: AnyConnectOptions =
            url.parse().map_err(|error| Error::Invalid(format!("bad database URL: {error}")))?;
        let options = options.disable_statement_logging();
        let (readers, writers) = match self {
            Dialect::Sqlite => (4, 1),
            Dialect::Postgres => (8, 8),
        };
        let open = |connections: u32| {
            let pool = AnyPoolOptions::new().max_connections(connections).acquire_timeout(PATIENCE);
            // To wait in the queue is nothing to warn of.
            let pool = pool.acquire_slow_threshold(PATIENCE);
            pool.after_connect(move |connection, _| Box::pin(self.prepare_connection(connection)))
                .connect_lazy_with(options.clone())
        };
        Ok((open(readers), open(writers)))
    }

    async fn prepare_connection(self, connection: &mut AnyConnection) -> sqlx::Result<()> {
        if self == Dialect::Sqlite {
            // FULL, so that what a command has reported survives a power cut too.
            let pragmas = format!(
                "PRAGMA busy_timeout = {}; PRAGMA synchronous = FULL; \
                 PRAGMA foreign_keys = ON; PRAGMA cache_size = -16384;",
                PATIENCE.as_millis()
            );
            sqlx::raw_sql(AssertSqlSafe(pragmas)).execute(connection).await?;
        }
        Ok(())
    }

    /// The database file behind a `sqlite:` URL.
    pub(super) fn file_of(url: &str) -> Option<&Path> {
        let rest = url.strip_prefix("sqlite:")?;
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        Some(Path::new(rest.split('?').next().unwrap_or(rest)))
    }

    /// Takes what keeps two processes from creating the tables at once, inside a transaction.
    pub(super) async fn lock_schema(self, connection: &mut AnyConnection) -> sqlx::Result<()> {
        if self == Dialect::Postgres {
            sqlx::raw_sql("SELECT pg_advisory_xact_lock(7233116)").execute(connection).await?;
        }
        Ok(())
    }

    /// Readers beside one writer. A property of the file, which SQLite can only change while nobody else
    /// has it open; so it is done once, by whoever creates the catalog.
    pub(super) async fn prepare_database(self, pool: &AnyPool) -> Result<()> {
        if self == Dialect::Sqlite {
            let set = sqlx::raw_sql("PRAGMA journal_mode = WAL").execute(pool).await;
            set.map_err(Error::db("switch to write-ahead logging"))?;
        }
        Ok(())
    }

    /// The statement that begins a transaction which will write.
    pub(super) async fn begin(self, pool: &AnyPool) -> sqlx::Result<sqlx::Transaction<'static, sqlx::Any>> {
        match self {
            // A transaction that reads first and writes later could not wait for another writer.
            Dialect::Sqlite => pool.begin_with("BEGIN IMMEDIATE").await,
            Dialect::Postgres => pool.begin().await,
        }
    }

    /// Whether the table exists; the question every database answers in its own way.
    pub(super) async fn has_table(self, connection: &mut AnyConnection, name: &str) -> sqlx::Result<bool> {
        let sql = match self {
            Dialect::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table' AND name = $1",
            Dialect::Postgres => {
                "SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = current_schema() AND tablename = $1"
            }
        };
        Ok(sqlx::query(sql).bind(name.to_owned()).fetch_optional(connection).await?.is_some())
    }

    /// Spells the types of `schema.sql`. Text compares byte by byte, whatever the cluster's locale.
    pub(super) fn spell(self, schema: &str) -> String {
        let (id, text, bytes, clustered) = match self {
            // Otherwise a primary key of several columns is an index beside the table, and all is written twice.
            Dialect::Sqlite => ("INTEGER PRIMARY KEY AUTOINCREMENT", "TEXT", "BLOB", "WITHOUT ROWID"),
            Dialect::Postgres => {
                ("BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY", "TEXT COLLATE \"C\"", "BYTEA", "")
            }
        };
        let schema = schema.replace("@id", id).replace("@text", text).replace("@bytes", bytes);
        schema.replace("@clustered", clustered)
    }
}

/// Whether the database refused because a unique value exists already.
pub(super) fn is_unique_violation(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.is_unique_violation())
}
