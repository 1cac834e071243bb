//! The one error type of the core, and what kind of trouble it is.

use std::path::PathBuf;

/// The result of anything in the core.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the caller can do about an [`Error`]. HTTP status and exit code are derived from this, once each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A name or an instant that does not exist.
    NotFound,
    /// A name that is taken.
    AlreadyExists,
    /// The input is wrong; the message says what and where.
    Invalid,
    /// The input contradicts what is stored already.
    Conflict,
    /// An upstream does not have or does not give what was asked of it.
    Upstream,
    /// A peer (database, object store) does not answer; trying again may help.
    Unavailable,
    /// Stored bytes are missing or wrong.
    Corrupt,
    /// Anything else.
    Internal,
}

/// Everything that can go wrong in the core. Messages are one sentence, lower case, without a final period;
/// the cause is in `source()` and not repeated in the message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no `what` of that name.
    #[error("there is no {what} named '{name}'")]
    NotFound {
        /// The noun, as in the CLI.
        what: &'static str,
        /// The name that was asked for.
        name: String,
    },
    /// There is no checkpoint at or before a time.
    #[error("there is no checkpoint at or before {0}")]
    NoCheckpoint(String),
    /// A `what` of that name exists.
    #[error("a {what} named '{name}' exists already")]
    AlreadyExists {
        /// The noun, as in the CLI.
        what: &'static str,
        /// The name that was asked for.
        name: String,
    },
    /// Bad input; the text is the whole sentence.
    #[error("{0}")]
    Invalid(String),
    /// Input that contradicts what is stored; the text is the whole sentence.
    #[error("{0}")]
    Conflict(String),
    /// Stored bytes are missing or wrong; the text is the whole sentence.
    #[error("{0}")]
    Corrupt(String),
    /// An upstream could not be fetched from.
    #[error("cannot fetch {url}: {reason}")]
    Fetch {
        /// What was asked for, without credentials.
        url: String,
        /// Why not.
        reason: String,
        /// Whether the upstream says that there is no such thing.
        missing: bool,
    },
    /// A key could not be read or used.
    #[error("{0}")]
    Signing(String),
    /// The database refused or failed.
    #[error("the catalog failed while it tried to {doing}")]
    Database {
        /// What the core was about to do.
        doing: &'static str,
        /// The driver's error.
        #[source]
        source: sqlx::Error,
    },
    /// The object store refused or failed.
    #[error("the artifact store failed while it tried to {doing}")]
    Store {
        /// What the core was about to do.
        doing: &'static str,
        /// The store's error.
        #[source]
        source: object_store::Error,
    },
    /// A file of the data directory, or one the user named, could not be used.
    #[error("cannot {doing} {}", .path.display())]
    Io {
        /// What the core was about to do, as a verb.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// A defect or a lost task, never the user's doing.
    #[error("internal error: {0}")]
    Internal(String),
}

impl Error {
    /// What the caller can do about it.
    pub fn kind(&self) -> Kind {
        match self {
            Error::NotFound { .. } | Error::NoCheckpoint(_) => Kind::NotFound,
            Error::AlreadyExists { .. } => Kind::AlreadyExists,
            Error::Invalid(_) => Kind::Invalid,
            Error::Conflict(_) => Kind::Conflict,
            Error::Corrupt(_) => Kind::Corrupt,
            Error::Fetch { .. } => Kind::Upstream,
            Error::Database { .. } | Error::Store { .. } => Kind::Unavailable,
            Error::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => Kind::NotFound,
            Error::Io { .. } | Error::Signing(_) | Error::Internal(_) => Kind::Internal,
        }
    }

    /// A fetch that failed for whatever reason but that the thing is not there.
    pub fn fetch(url: &str, reason: impl Into<String>) -> Error {
        Error::Fetch { url: url.to_owned(), reason: reason.into(), missing: false }
    }

    /// An I/O error about `path`; for `map_err`.
    pub fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.into();
        move |source| Error::Io { doing, path, source }
    }

    /// A database error; for `map_err`.
    pub(crate) fn db(doing: &'static str) -> impl FnOnce(sqlx::Error) -> Error {
        move |source| Error::Database { doing, source }
    }

    /// An object store error; for `map_err`.
    pub(crate) fn store(doing: &'static str) -> impl FnOnce(object_store::Error) -> Error {
        move |source| Error::Store { doing, source }
    }
}
