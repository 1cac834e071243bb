//! The one error type of the crate.

use std::io;

/// What every fallible function of this crate returns.
pub type Result<T> = std::result::Result<T, Error>;

/// How many characters of a rejected text an error quotes, so that a hostile input cannot fill a log.
const QUOTED: usize = 80;

/// Why an input was refused, or why an output cannot be written.
///
/// Each message is a whole sentence: it repeats no source, and only [`Error::Io`] has one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A name (of a package, an architecture, a suite, a component or a file) breaks its rule.
    #[error("{what} {text:?} {why}")]
    Name {
        /// The sort of name, such as `package name`.
        what: &'static str,
        /// The name, cut to a length fit for a log.
        text: String,
        /// The rule it breaks, as the rest of the sentence.
        why: &'static str,
    },
    /// A version breaks the grammar of Debian Policy 5.6.12.
    #[error("version {text:?} {why}")]
    Version {
        /// The version, cut to a length fit for a log.
        text: String,
        /// The rule it breaks, as the rest of the sentence.
        why: &'static str,
    },
    /// A relation between packages breaks the grammar of Debian Policy 7.1.
    #[error("relation {text:?} {why}")]
    Relation {
        /// The relation, cut to a length fit for a log.
        text: String,
        /// What is wrong with it, as the rest of the sentence.
        why: &'static str,
    },
    /// A pattern that chooses packages breaks its grammar.
    #[error("pattern, character {at}: {why}")]
    Pattern {
        /// The number of the character where it goes wrong, counted from 1.
        at: usize,
        /// What is wrong there.
        why: String,
    },
    /// A date is not in the form of RFC 1123, or not in a year from 0 to 9999.
    #[error("date {text:?} {why}")]
    Date {
        /// The date, cut to a length fit for a log.
        text: String,
        /// What is wrong, as the rest of the sentence.
        why: &'static str,
    },
    /// A line of deb822 text breaks the syntax.
    #[error("line {line}: {why}")]
    Line {
        /// The number of the line, counted from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// A field of a control or Release file is missing or has a value it must not have.
    #[error("field {field}: {why}")]
    Field {
        /// The name of the field.
        field: String,
        /// What is wrong with it.
        why: String,
    },
    /// A control or Release file as a whole is not what it must be.
    #[error("{what}: {why}")]
    File {
        /// The sort of file, such as `control file`.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The bytes are not a binary package in the sense of deb(5).
    #[error("not a Debian package: {0}")]
    Deb(String),
    /// The input ends inside a member of an ar archive.
    #[error("truncated in member {member}: {missing} of {size} bytes are missing")]
    Truncated {
        /// The name of the member.
        member: String,
        /// How many of its bytes are missing.
        missing: u64,
        /// The size its header promises, in bytes.
        size: u64,
    },
    /// Compressed data, or the tar inside, is damaged or ends too early.
    #[error("{what} is corrupt: {why}")]
    Corrupt {
        /// The stream or the member.
        what: String,
        /// What the decompressor says.
        why: String,
    },
    /// The input is larger than this crate, or its caller, is ready to handle.
    #[error("more than {limit} {what}")]
    Limit {
        /// What there is too much of, with its unit: `bytes in one stanza`.
        what: String,
        /// The largest accepted amount.
        limit: u64,
    },
    /// The input may be fine, but asks for something this crate does not do.
    #[error("unsupported: {0}")]
    Unsupported(String),
    /// The reader or the writer beneath failed; the input itself may be fine.
    #[error("cannot read or write the stream")]
    Io(#[source] io::Error),
}

/// The classes of [`Error`], for callers that map errors to a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The text or the bytes break the grammar of their format.
    Syntax,
    /// The grammar is kept, but a value is not acceptable where it stands.
    Invalid,
    /// The data is damaged or truncated.
    Corrupt,
    /// The data exceeds a limit.
    Limit,
    /// The data asks for a feature this crate does not have.
    Unsupported,
    /// The stream beneath failed: trying again may help.
    Io,
}

impl Error {
    /// The class of this error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Version { .. } | Error::Date { .. } | Error::Line { .. } => ErrorKind::Syntax,
            Error::File { .. } | Error::Deb(_) => ErrorKind::Syntax,
            Error::Relation { .. } | Error::Pattern { .. } => ErrorKind::Syntax,
            Error::Name { .. } | Error::Field { .. } => ErrorKind::Invalid,
            Error::Truncated { .. } | Error::Corrupt { .. } => ErrorKind::Corrupt,
            Error::Limit { .. } => ErrorKind::Limit,
            Error::Unsupported(_) => ErrorKind::Unsupported,
            Error::Io(_) => ErrorKind::Io,
        }
    }

    pub(crate) fn name(what: &'static str, text: &str, why: &'static str) -> Error {
        Error::Name { what, text: clip(text), why }
    }

    pub(crate) fn field(field: &str, why: impl Into<String>) -> Error {
        Error::Field { field: clip(field), why: why.into() }
    }

    pub(crate) fn relation(text: &str, why: &'static str) -> Error {
        Error::Relation { text: clip(text), why }
    }

    pub(crate) fn limit(what: impl Into<String>, limit: u64) -> Error {
        Error::Limit { what: what.into(), limit }
    }
}

/// The readers of this crate report their own errors inside an [`io::Error`]; this takes them out again,
/// so that `?` after `read_to_end` gives [`Error::Limit`] and not an opaque I/O failure.
impl From<io::Error> for Error {
    fn from(error: io::Error) -> Error {
        error.downcast::<Error>().unwrap_or_else(Error::Io)
    }
}

/// The way an [`Error`] travels through [`io::Read`]; [`Error::from`] undoes it.
impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        match error {
            Error::Io(error) => error,
            error => io::Error::new(io::ErrorKind::InvalidData, error),
        }
    }
}

/// The beginning of a text, for quoting in an error.
pub(crate) fn clip(text: &str) -> String {
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_survives_the_way_through_a_reader() {
        let there = io::Error::from(Error::limit("bytes in one stanza", 4));
        assert_eq!(Error::from(there).to_string(), "more than 4 bytes in one stanza");
    }

    #[test]
    fn an_io_error_keeps_its_own_kind() {
        let error = Error::from(io::Error::from(io::ErrorKind::ConnectionReset));
        assert_eq!(error.kind(), ErrorKind::Io);
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::ConnectionReset);
    }

    #[test]
    fn a_long_text_is_quoted_in_part() {
        let error = Error::name("package name", &"é".repeat(1000), "is odd");
        assert!(error.to_string().len() < 250, "{error}");
    }
}
