//! The rules for names that become part of a path in an archive.
//!
//! Each function returns its argument, so that a check can stand in the expression that uses the name.

use crate::error::{Error, Result};

/// A name becomes one or more file names, and no common file system takes a longer one.
const MAX_NAME: usize = 255;

/// `PATH_MAX` of Linux.
const MAX_PATH: usize = 4096;

/// Checks the name of a source or binary package.
///
/// Debian Policy 5.6.1: at least two characters, lower case letters, digits, `+`, `-` and `.`, the first
/// one a letter or a digit.
///
/// # Errors
/// [`Error::Name`].
pub fn package(name: &str) -> Result<&str> {
    let fail = |why| Err(Error::name("package name", name, why));
    if name.len() < 2 {
        return fail("is shorter than two characters");
    }
    if name.len() > MAX_NAME {
        return fail("is longer than 255 characters");
    }
    if !name.bytes().all(|c| is_lower_or_digit(c) || matches!(c, b'+' | b'-' | b'.')) {
        return fail("has a character other than a-z, 0-9, '+', '-' and '.'");
    }
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return fail("does not start with a letter or a digit");
    }
    Ok(name)
}

/// Checks the name of an architecture, such as `amd64`, `all` or `kfreebsd-i386`.
///
/// Debian Policy 11.1: lower case letters, digits and `-`, the first one a letter or a digit.
///
/// # Errors
/// [`Error::Name`].
pub fn architecture(name: &str) -> Result<&str> {
    let fail = |why| Err(Error::name("architecture name", name, why));
    if name.is_empty() || name.len() > MAX_NAME {
        return fail("is not between 1 and 255 characters long");
    }
    if !name.bytes().all(|c| is_lower_or_digit(c) || c == b'-') {
        return fail("has a character other than a-z, 0-9 and '-'");
    }
    if name.starts_with('-') {
        return fail("does not start with a letter or a digit");
    }
    Ok(name)
}

/// Checks the name of a suite or codename used as a path below `dists/`, such as `bookworm-updates` or
/// `buster/updates`: segments of letters, digits and `.+_-~`, none of them `.` or `..` or beginning with
/// `-`, at most 255 characters in all.
///
/// # Errors
/// [`Error::Name`].
pub fn suite(name: &str) -> Result<&str> {
    segments("suite name", name)
}

/// Checks the name of a component, such as `main` or `updates/non-free-firmware`, by the rule of
/// [`suite`].
///
/// # Errors
/// [`Error::Name`].
pub fn component(name: &str) -> Result<&str> {
    segments("component name", name)
}

/// Checks a path that metadata names, such as `main/binary-amd64/Packages.xz`, before it is joined to a
/// directory or a URL: relative, no empty, `.` or `..` segment, no backslash, no white space, no control
/// character, at most 4096 bytes.
///
/// # Errors
/// [`Error::Name`].
pub fn safe_path(path: &str) -> Result<&str> {
    let fail = |why| Err(Error::name("path", path, why));
    if path.len() > MAX_PATH {
        return fail("is longer than 4096 bytes");
    }
    if path.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return fail("has white space or a control character");
    }
    if path.contains('\\') {
        return fail("has a backslash");
    }
    if path.starts_with('/') {
        return fail("is not relative");
    }
    if path.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return fail("has an empty segment, '.' or '..'");
    }
    Ok(path)
}

fn segments<'a>(what: &'static str, name: &'a str) -> Result<&'a str> {
    let fail = |why| Err(Error::name(what, name, why));
    if name.len() > MAX_NAME {
        return fail("is longer than 255 characters");
    }
    for segment in name.split('/') {
        if matches!(segment, "" | "." | "..") {
            return fail("has an empty segment, '.' or '..'");
        }
        if segment.starts_with('-') {
            return fail("has a segment that starts with '-'");
        }
        if !segment.bytes().all(|c| c.is_ascii_alphanumeric() || b".+_-~".contains(&c)) {
            return fail("has a character other than letters, digits and '.+_-~'");
        }
    }
    Ok(name)
}

fn is_lower_or_digit(c: u8) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_names_follow_policy() {
        for good in ["dpkg", "libstdc++6", "0ad", "a.b-c", "x2"] {
            assert!(package(good).is_ok(), "{good}");
        }
        for bad in ["", "a", "Ab", "-ab", "+ab", ".ab", "a b", "a_b", "a/b", "aé", "a\n", &"a".repeat(256)] {
            assert!(package(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn architecture_names_are_lower_case() {
        for good in ["amd64", "all", "kfreebsd-i386", "i386"] {
            assert!(architecture(good).is_ok(), "{good}");
        }
        for bad in ["", "-amd64", "AMD64", "amd_64", "..", "a/b", "amd64 "] {
            assert!(architecture(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn suites_and_components_may_have_slashes_but_never_climb() {
        for good in ["sid", "buster/updates", "bookworm-backports", "a~b", "1.0+x_y", ".x", "..."] {
            assert!(suite(good).is_ok() && component(good).is_ok(), "{good}");
        }
        for bad in
            ["", "/", "a/", "/a", "a//b", ".", "..", "a/../b", "a/./b", "-a", "a/-b", "a b", "a\\b", "é"]
        {
            assert!(suite(bad).is_err() && component(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_safe_path_stays_below_its_root() {
        for good in
            ["Packages", "main/binary-amd64/Packages.xz", "pool/l/libc++/a_1%3a2~b_all.deb", "..a/b.."]
        {
            assert!(safe_path(good).is_ok(), "{good}");
        }
        let long = "a/".repeat(2048) + "a";
        for bad in
            ["", "/a", "a//b", "a/", "../a", "a/..", "./a", "a\\b", "a\0", "a b", "a\u{a0}b", "a\nb", &long]
        {
            assert!(safe_path(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_error_says_what_is_wrong_with_which_name() {
        let error = suite("a//b").unwrap_err();
        assert_eq!(error.to_string(), "suite name \"a//b\" has an empty segment, '.' or '..'");
    }
}
