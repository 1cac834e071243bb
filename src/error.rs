//! The application's errors: the core's, and those of its own files and sockets.

use std::path::PathBuf;

use checkpoint_core::Kind;

/// The result of anything in the application.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong outside the core. Messages are one sentence, lower case, without a final period.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The core's own.
    #[error(transparent)]
    Core(#[from] checkpoint_core::Error),
    /// The configuration file cannot be understood.
    #[error("{}: {reason}", .path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
    /// A command that needs data found none.
    #[error("there is no debpoint data in {}", .0.display())]
    NoData(PathBuf),
    /// There is a catalog, and the store that it is about is gone.
    #[error("the store {} is not there, although the catalog is", .0.display())]
    NoStore(PathBuf),
    /// The server cannot listen where it should.
    #[error("cannot listen on {address}")]
    Listen {
        /// Where.
        address: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A setting of the form `KEY=VALUE` is not one.
    #[error("'{0}' is not of the form KEY=VALUE")]
    Setting(String),
    /// `verify` found something.
    #[error("{0} problems were found")]
    Problems(usize),
    /// Of several syncs these failed; why was said when each did.
    #[error("{0} of the repositories could not be synced")]
    NotSynced(usize),
    /// Output could not be written.
    #[error("cannot write the output")]
    Output(#[source] std::io::Error),
}

impl Error {
    /// What the caller can do about it.
    pub fn kind(&self) -> Kind {
        match self {
            Error::Core(error) => error.kind(),
            Error::Config { .. } | Error::Setting(_) => Kind::Invalid,
            Error::NoData(_) => Kind::NotFound,
            Error::Listen { .. } => Kind::Unavailable,
            Error::Problems(_) | Error::NoStore(_) => Kind::Corrupt,
            Error::NotSynced(_) => Kind::Upstream,
            Error::Output(_) => Kind::Internal,
        }
    }

    /// The whole story in one sentence: the message and its causes.
    pub fn sentence(&self) -> String {
        let mut sentence = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            let text = error.to_string();
            if !sentence.contains(&text) {
                sentence.push_str(": ");
                sentence.push_str(&text);
            }
            cause = error.source();
        }
        sentence
    }
}
