//! The control file of a binary package (Debian Policy 5.3, deb-control(5)).

use std::collections::HashSet;

use crate::deb822::{Stanza, parse_paragraphs};
use crate::error::{Error, Result};
use crate::name;
use crate::version::Version;

/// Fields of an index that describe the `.deb` as a file. A package that brings its own would put two of
/// them into the index, and which one a client believes is anyone's guess.
const INDEX_FIELDS: [&str; 6] = ["Filename", "Size", "MD5sum", "SHA1", "SHA256", "SHA512"];

/// What is known of a binary package from its control file.
#[derive(Debug, Clone)]
pub struct Control {
    raw: Vec<u8>,
    fields: Vec<(String, String)>,
    package: String,
    version: Version,
    architecture: String,
    source: Option<(String, Option<Version>)>,
}

impl Control {
    /// Reads and checks a control file. Bytes that are not UTF-8 are replaced in what the getters give,
    /// but kept in [`raw`](Control::raw).
    ///
    /// # Errors
    /// - [`Error::Line`] or [`Error::File`]: no deb822 syntax, not exactly one paragraph, a comment, a NUL
    ///   byte, a line of nothing but white space (other readers take it for the end of a paragraph).
    /// - [`Error::Field`]: `Package`, `Version` or `Architecture` is missing, a field is there twice, or
    ///   is one that only an index may have (`Filename`, `Size`, `MD5sum`, `SHA1`, `SHA256`, `SHA512`).
    /// - [`Error::Name`] or [`Error::Version`]: a value is malformed.
    pub fn parse(bytes: &[u8]) -> Result<Control> {
        let raw = trim_blank_lines(bytes);
        check_lines(raw)?;
        let text = String::from_utf8_lossy(raw);
        let fields = parse_fields(&text)?;
        check_fields(&fields)?;
        let required = |name| find(&fields, name).ok_or_else(|| Error::field(name, "is missing"));
        let package = name::package(required("Package")?)?.to_owned();
        let version = Version::parse(required("Version")?)?;
        let architecture = name::architecture(required("Architecture")?)?.to_owned();
        if matches!(architecture.as_str(), "any" | "source") {
            return Err(Error::field("Architecture", format!("{architecture} is not for a binary package")));
        }
        let source = find(&fields, "Source").map(parse_source).transpose()?;
        Ok(Control { raw: raw.to_vec(), package, version, architecture, source, fields })
    }

    /// The name of the package.
    pub fn package(&self) -> &str {
        &self.package
    }

    /// The version of the package.
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// The architecture, such as `amd64` or `all`.
    pub fn architecture(&self) -> &str {
        &self.architecture
    }

    /// The name of the source package, which is that of the package unless the field `Source` gives
    /// another, and its version where it differs from that of the package (Debian Policy 5.6.1).
    pub fn source(&self) -> (&str, Option<&Version>) {
        match &self.source {
            Some((name, version)) => (name, version.as_ref()),
            None => (&self.package, None),
        }
    }

    /// The section, such as `utils` or `contrib/net`.
    pub fn section(&self) -> Option<&str> {
        self.get("Section")
    }

    /// The priority, such as `optional`.
    pub fn priority(&self) -> Option<&str> {
        self.get("Priority")
    }

    /// The value of a field, whose case does not matter, without the indentation of its lines. For the
    /// value as it was written, use a [`Stanza`] over [`raw`](Control::raw).
    pub fn get(&self, name: &str) -> Option<&str> {
        find(&self.fields, name)
    }

    /// The exact bytes, without blank lines around them and without the last line end: what goes into an
    /// index, followed by the fields only an index has.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The same as a stanza.
    pub fn stanza(&self) -> Stanza<'_> {
        Stanza::new(&self.raw)
    }
}

fn trim_blank_lines(bytes: &[u8]) -> &[u8] {
    let is_line_end = |c: &u8| matches!(c, b'\n' | b'\r');
    let start = bytes.iter().position(|c| !is_line_end(c)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|c| !is_line_end(c)).map_or(start, |last| last + 1);
    &bytes[start..end]
}

/// Refuses what readers of control files and of indices do not agree about.
fn check_lines(raw: &[u8]) -> Result<()> {
    for (line, content) in (1..).zip(raw.split(|c| *c == b'\n')) {
        let why = match content {
            _ if content.contains(&0) => "has a NUL byte",
            [b'#', ..] => "has a comment, which a binary package must not have",
            [_, ..] if content.trim_ascii().is_empty() => "has nothing but white space",
            _ => continue,
        };
        return Err(Error::Line { line, why: why.to_owned() });
    }
    Ok(())
}

fn parse_fields(text: &str) -> Result<Vec<(String, String)>> {
    let fail = |why: &str| Error::File { what: "control file", why: why.to_owned() };
    let mut paragraphs = match debcontrol::parse_str(text) {
        Ok(paragraphs) => paragraphs,
        // That parser does not say where; the strict one of this crate does.
        Err(_) => {
            return Err(parse_paragraphs(text).err().unwrap_or_else(|| fail("is not valid deb822")));
        }
    };
    match (paragraphs.pop(), paragraphs.is_empty()) {
        (None, _) => Err(fail("is empty")),
        (Some(_), false) => Err(fail("has more than one paragraph")),
        (Some(paragraph), true) => {
            let own =
                |field: debcontrol::Field<'_>| (field.name.to_owned(), field.value.trim_end().to_owned());
            Ok(paragraph.fields.into_iter().map(own).collect())
        }
    }
}

fn check_fields(fields: &[(String, String)]) -> Result<()> {
    let mut seen = HashSet::new();
    for (name, _) in fields {
        if INDEX_FIELDS.iter().any(|forbidden| forbidden.eq_ignore_ascii_case(name)) {
            return Err(Error::field(name, "belongs into an index and not into a package"));
        }
        if !seen.insert(name.to_ascii_lowercase()) {
            return Err(Error::field(name, "appears twice"));
        }
    }
    Ok(())
}

fn find<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// Reads `name` or `name (version)`.
fn parse_source(value: &str) -> Result<(String, Option<Version>)> {
    let Some((name, rest)) = value.split_once(char::is_whitespace) else {
        return Ok((name::package(value)?.to_owned(), None));
    };
    match rest.trim_start().strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        Some(version) => Ok((name::package(name)?.to_owned(), Some(Version::parse(version.trim())?))),
        None => Err(Error::field("Source", "is not of the form \"name (version)\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deb822::stanzas;
    use crate::testing::{normal_lines, real_indices};
    use proptest::prelude::*;

    const HELLO: &str = "Package: hello\nVersion: 1:2.10-3\nArchitecture: amd64\n";

    fn fail(text: impl AsRef<[u8]>) -> String {
        Control::parse(text.as_ref()).unwrap_err().to_string()
    }

    #[test]
    fn the_fields_of_a_package_are_read() {
        let text = format!("\n{HELLO}Source: hi (2.10)\nSection: devel\nPriority: optional\nX: a\n  b\n\n\n");
        let control = Control::parse(text.as_bytes()).unwrap();
        assert_eq!((control.package(), control.version().as_str()), ("hello", "1:2.10-3"));
        assert_eq!((control.architecture(), control.section()), ("amd64", Some("devel")));
        assert_eq!(control.priority(), Some("optional"));
        assert_eq!(control.source(), ("hi", Some(&Version::parse("2.10").unwrap())));
        assert_eq!(control.get("x"), Some("a\nb"));
        assert_eq!(control.stanza().get_str("X"), Some("a\n  b"));
        assert_eq!(control.raw(), text.trim_matches('\n').as_bytes());
    }

    #[test]
    fn the_source_is_the_package_unless_said_otherwise() {
        assert_eq!(Control::parse(HELLO.as_bytes()).unwrap().source(), ("hello", None));
        let control = Control::parse(format!("{HELLO}Source: hi").as_bytes()).unwrap();
        assert_eq!(control.source(), ("hi", None));
        assert!(fail(format!("{HELLO}Source: hi 2.10")).contains("name (version)"));
        assert!(fail(format!("{HELLO}Source: ../hi (1)")).contains("package name"));
    }

    #[test]
    fn bytes_that_are_not_utf8_stay_in_raw() {
        let text = [HELLO.as_bytes(), b"Maintainer: J\xf6rg"].concat();
        let control = Control::parse(&text).unwrap();
        assert_eq!(control.raw(), text);
        assert_eq!(control.get("Maintainer"), Some("J\u{fffd}rg"));
    }

    #[test]
    fn forged_index_fields_are_refused() {
        for name in ["Filename", "SIZE", "md5sum", "SHA1", "Sha256", "SHA512"] {
            assert_eq!(
                fail(format!("{HELLO}{name}: x\n")),
                format!("field {name}: belongs into an index and not into a package")
            );
        }
        for hidden in ["\n\nFilename: x", " \nFilename : x", "Filename\t: x", "X: y\rFilename: x"] {
            assert!(Control::parse(format!("{HELLO}{hidden}\n").as_bytes()).is_err(), "{hidden:?}");
        }
    }

    #[test]
    fn each_fault_has_its_own_message() {
        for (text, message) in [
            (String::new(), "control file: is empty"),
            (format!("{HELLO}\nPackage: b"), "control file: has more than one paragraph"),
            (format!("{HELLO}package: b"), "field package: appears twice"),
            (format!("{HELLO}X: \0"), "line 4: has a NUL byte"),
            (format!("{HELLO}#X: a"), "line 4: has a comment, which a binary package must not have"),
            (format!("{HELLO}X: a\n \t\n b"), "line 5: has nothing but white space"),
            (format!("{HELLO}nonsense"), "line 4: no colon after the field name in \"nonsense\""),
            (HELLO.replace("Version", "Wersion"), "field Version: is missing"),
            (HELLO.replace("amd64", "any"), "field Architecture: any is not for a binary package"),
            (
                HELLO.replace("1:2.10-3", "x"),
                "version \"x\" has an upstream version that does not start with a digit",
            ),
            (HELLO.replace("hello", "h"), "package name \"h\" is shorter than two characters"),
        ] {
            assert_eq!(fail(&text), message, "{text:?}");
        }
    }

    #[test]
    fn every_package_of_the_real_index_is_accepted_without_its_index_fields() {
        let Some(indices) = real_indices() else { return };
        for stanza in indices.iter().flat_map(|index| stanzas(index)) {
            let index_only = |line: &&[u8]| INDEX_FIELDS.iter().any(|name| line.starts_with(name.as_bytes()));
            let lines: Vec<&[u8]> = stanza.raw().split(|c| *c == b'\n').filter(|l| !index_only(l)).collect();
            let control = Control::parse(&lines.join(&b'\n')).unwrap();
            assert_eq!(Some(control.package()), stanza.get_str("Package"));
        }
    }

    proptest! {
        #[test]
        fn an_accepted_file_means_the_same_to_the_scanner(tail in "[FS:# \t\r\na-]{0,30}") {
            let Ok(control) = Control::parse(format!("{HELLO}{tail}").as_bytes()) else { return Ok(()) };
            prop_assert_eq!(stanzas(control.raw()).count(), 1);
            let scanned: Vec<_> = control.stanza().fields()
                .map(|(name, value)| (name.to_owned(), normal_lines(std::str::from_utf8(value).unwrap())))
                .collect();
            let parsed: Vec<_> =
                control.fields.iter().map(|(n, v)| (n.clone(), normal_lines(v))).collect();
            prop_assert_eq!(scanned, parsed);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = Control::parse(&bytes);
        }
    }
}
