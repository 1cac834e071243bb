//! Names and paths that cannot hold a bad value.

use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Result};

/// Longest path accepted, in bytes: what Linux takes as one path (PATH_MAX).
const MAX_PATH: usize = 4096;
/// Longest name accepted, in bytes.
const MAX_NAME: usize = 255;

macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident, $check:path) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                $check(text).map_err(Error::Invalid)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

text_type! {
    /// The name of a repository, remote or distribution: printable, at most 255 bytes, no slash,
    /// not `.` or `..`, no blank at either end.
    Name, check_name
}
text_type! {
    /// A path inside a publication: relative, `/` between segments, none of them empty, `.` or `..`,
    /// no control character and no backslash, at most 4096 bytes.
    RelativePath, check_path
}
text_type! {
    /// The URL prefix of a distribution: a [`RelativePath`] without spaces, `?`, `#` and `%`.
    BasePath, check_base_path
}

impl RelativePath {
    /// The part before the last slash, empty at the root, and the part after it.
    pub fn split(&self) -> (&str, &str) {
        split_path(&self.0)
    }
}

impl BasePath {
    /// Whether one of the two is the other or an ancestor of it, so that URLs would be ambiguous.
    pub fn overlaps(&self, other: &BasePath) -> bool {
        let (short, long) = if self.0.len() < other.0.len() { (self, other) } else { (other, self) };
        long.0.strip_prefix(&short.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// Everything but what never needs encoding in a path (RFC 3986 section 2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// A path as it stands in a URL.
pub fn encode_path(path: &str) -> String {
    utf8_percent_encode(path, ENCODED).to_string()
}

/// The part before the last slash, empty at the root, and the part after it.
pub fn split_path(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

fn check_name(text: &str) -> Result<(), String> {
    let wrong = |why: &str| Err(format!("'{}' cannot be a name: {why}", text.escape_debug()));
    if text.is_empty() {
        return wrong("it is empty");
    }
    if text.len() > MAX_NAME {
        return wrong("it is longer than 255 bytes");
    }
    if text.trim() != text {
        return wrong("it begins or ends with a blank");
    }
    if text.chars().any(|c| c.is_control() || c == '/') || matches!(text, "." | "..") {
        return wrong("it holds a slash or a control character, or is a dot");
    }
    Ok(())
}

fn check_path(text: &str) -> Result<(), String> {
    let wrong = |why: &str| Err(format!("'{}' cannot be a path: {why}", text.escape_debug()));
    if text.is_empty() || text.len() > MAX_PATH {
        return wrong("it is empty or longer than 4096 bytes");
    }
    if text.chars().any(|c| c.is_control() || c == '\\') {
        return wrong("it holds a control character or a backslash");
    }
    if text.starts_with('/') {
        return wrong("it is absolute");
    }
    if text.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return wrong("it has an empty, '.' or '..' segment");
    }
    Ok(())
}

fn check_base_path(text: &str) -> Result<(), String> {
    check_path(text)?;
    if text.contains([' ', '?', '#', '%']) {
        return Err(format!("'{text}' cannot be a base path: it holds a space, '?', '#' or '%'"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_paths_are_refused() {
        for path in ["", "/etc/passwd", "../x", "a/../b", "a//b", "a/", "./a", "a\nb", "a\0b", "a\\b"] {
            assert!(path.parse::<RelativePath>().is_err(), "{path:?}");
        }
        for path in ["a", "pool/main/h/hello/hello_1.0~rc+b1_all.deb", "mit leer/ä"] {
            assert!(path.parse::<RelativePath>().is_ok(), "{path:?}");
        }
    }

    #[test]
    fn hostile_names_are_refused() {
        for name in ["", " a", "a/b", "..", "a\nb", "a\0", &"x".repeat(256)] {
            assert!(name.parse::<Name>().is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_path_is_encoded_for_its_url() {
        assert_eq!(encode_path("a b/ä+#%~1.iso"), "a%20b/%C3%A4%2B%23%25~1.iso");
    }

    #[test]
    fn base_paths_overlap_with_themselves_and_their_ancestors() {
        let path = |text: &str| text.parse::<BasePath>().unwrap();
        assert!(path("a/b").overlaps(&path("a")));
        assert!(path("a").overlaps(&path("a/b")));
        assert!(path("a").overlaps(&path("a")));
        assert!(!path("a/b").overlaps(&path("a/bc")));
    }
}
