//! Release files: what a suite contains, and the checksums of its indices (Debian wiki
//! DebianRepository/Format, apt-secure(8)).
//!
//! Signatures are not looked at here: the text of an InRelease file must be taken out of its signature
//! first.

use std::collections::{HashMap, HashSet};

use crate::date;
use crate::deb822::{is_field_name, parse_paragraphs};
use crate::error::{Error, Result, clip};
use crate::name;

/// The largest Release file: 64 MiB. That of Debian unstable has a quarter of a megabyte.
const MAX_SIZE: usize = 64 << 20;

/// The most files a Release file may list. Ubuntu lists some thousand.
const MAX_FILES: usize = 200_000;

/// The checksum fields, in the order they are written in.
const CHECKSUMS: [&str; 4] = ["MD5Sum", "SHA1", "SHA256", "SHA512"];

/// The fields with a place in [`Release`], besides the checksums.
const KNOWN: [&str; 16] = [
    "Origin",
    "Label",
    "Suite",
    "Version",
    "Codename",
    "Changelogs",
    "Snapshots",
    "Date",
    "Valid-Until",
    "NotAutomatic",
    "ButAutomaticUpgrades",
    "Acquire-By-Hash",
    "No-Support-for-Architecture-all",
    "Architectures",
    "Components",
    "Description",
];

/// The content of a Release file. `None`, `false` and an empty list mean that the file does not have the
/// field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Release {
    /// Who publishes this, such as `Debian`.
    pub origin: Option<String>,
    /// A further name to tell archives of one origin apart, such as `Debian-Security`.
    pub label: Option<String>,
    /// The suite, such as `stable`.
    pub suite: Option<String>,
    /// The version of the release, such as `12.9`.
    pub version: Option<String>,
    /// The codename, such as `bookworm`.
    pub codename: Option<String>,
    /// Where changelogs are, a URL with `@CHANGEPATH@` in it.
    pub changelogs: Option<String>,
    /// Where earlier states are, a URL with `@SNAPSHOTID@` in it.
    pub snapshots: Option<String>,
    /// When the file was made, in seconds since 1970, UTC. apt refuses a file without it.
    pub date: i64,
    /// From when on clients must not accept the file any more, in seconds since 1970, UTC.
    pub valid_until: Option<i64>,
    /// Whether apt installs nothing from here unless asked to.
    pub not_automatic: bool,
    /// Whether apt still upgrades what was installed from here.
    pub but_automatic_upgrades: bool,
    /// Whether the indices are there under the names of their checksums, too.
    pub acquire_by_hash: bool,
    /// `Packages` if packages for all architectures are in the index of each of them.
    pub no_support_for_architecture_all: Option<String>,
    /// The architectures.
    pub architectures: Vec<String>,
    /// The components.
    pub components: Vec<String>,
    /// A line about the suite.
    pub description: Option<String>,
    /// Fields without a place here, in their order. Continuation lines are joined by a space.
    pub other: Vec<(String, String)>,
    /// The files with their checksums.
    pub files: Vec<ReleaseFile>,
}

/// A file that a Release file lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReleaseFile {
    /// The path below the directory of the Release file, checked by [`name::safe_path`].
    pub path: String,
    /// The size in bytes.
    pub size: u64,
    /// The MD5 checksum.
    pub md5: Option<[u8; 16]>,
    /// The SHA-1 checksum.
    pub sha1: Option<[u8; 20]>,
    /// The SHA-256 checksum.
    pub sha256: Option<[u8; 32]>,
    /// The SHA-512 checksum.
    pub sha512: Option<[u8; 64]>,
}

impl Release {
    /// Reads a Release file. Files are in the order of their first mention; the hash of a file may be in
    /// upper case, and a line that says the same twice is accepted.
    ///
    /// # Errors
    /// - [`Error::Line`], [`Error::File`]: no deb822 syntax, not UTF-8, not exactly one paragraph.
    /// - [`Error::Field`], [`Error::Date`], [`Error::Name`]: `Date` is missing or no date, a field is
    ///   there twice, a value is malformed, a path leads elsewhere, or two lines about a file disagree.
    /// - [`Error::Limit`]: more than 64 MiB, or more than 200000 files.
    pub fn parse(bytes: &[u8]) -> Result<Release> {
        if bytes.len() > MAX_SIZE {
            return Err(Error::limit("bytes of Release file", MAX_SIZE as u64));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("is not UTF-8"))?;
        // That parser does not say where it stopped; the strict one of this crate does.
        let mut paragraphs = debcontrol::parse_str(text)
            .map_err(|_| parse_paragraphs(text).err().unwrap_or_else(|| malformed("is not valid deb822")))?;
        let paragraph = match (paragraphs.pop(), paragraphs.is_empty()) {
            (Some(paragraph), true) => paragraph,
            _ => return Err(malformed("has not exactly one paragraph")),
        };
        let mut release = Release::default();
        let mut fields = HashSet::new();
        let mut index = HashMap::new();
        for field in &paragraph.fields {
            if !fields.insert(field.name.to_ascii_lowercase()) {
                return Err(Error::field(field.name, "appears twice"));
            }
            match CHECKSUMS.iter().find(|name| name.eq_ignore_ascii_case(field.name)) {
                Some(name) => release.add_files(name, &field.value, &mut index)?,
                None => release.set_field(field.name, fold(&field.value))?,
            }
        }
        if !fields.contains("date") {
            return Err(Error::field("Date", "is missing"));
        }
        Ok(release)
    }

    /// Writes the file with its fields in the order of dak, the software behind the archive of Debian.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::Name`], [`Error::Date`]: a value has a newline or another control
    /// character, or is no valid name where one must be; a file has no checksum, an unsafe path or stands
    /// there twice; a field of [`other`](Release::other) has no valid name or one with a place of its own;
    /// a date has no form.
    pub fn write(&self) -> Result<Vec<u8>> {
        let mut out = String::new();
        put_text(&mut out, "Origin", &self.origin)?;
        put_text(&mut out, "Label", &self.label)?;
        put_text(&mut out, "Suite", &self.suite)?;
        put_text(&mut out, "Version", &self.version)?;
        put_text(&mut out, "Codename", &self.codename)?;
        put_text(&mut out, "Changelogs", &self.changelogs)?;
        put_text(&mut out, "Snapshots", &self.snapshots)?;
        put(&mut out, "Date", &date::format(self.date)?)?;
        put_text(&mut out, "Valid-Until", &self.valid_until.map(date::format).transpose()?)?;
        put_flag(&mut out, "NotAutomatic", self.not_automatic)?;
        put_flag(&mut out, "ButAutomaticUpgrades", self.but_automatic_upgrades)?;
        put_flag(&mut out, "Acquire-By-Hash", self.acquire_by_hash)?;
        put_text(&mut out, "No-Support-for-Architecture-all", &self.no_support_for_architecture_all)?;
        put_names(&mut out, "Architectures", &self.architectures, name::architecture)?;
        put_names(&mut out, "Components", &self.components, name::component)?;
        put_text(&mut out, "Description", &self.description)?;
        self.put_other(&mut out)?;
        self.put_files(&mut out)?;
        Ok(out.into_bytes())
    }

    fn set_field(&mut self, name: &str, value: String) -> Result<()> {
        match name.to_ascii_lowercase().as_str() {
            "origin" => self.origin = Some(value),
            "label" => self.label = Some(value),
            "suite" => self.suite = Some(value),
            "version" => self.version = Some(value),
            "codename" => self.codename = Some(value),
            "changelogs" => self.changelogs = Some(value),
            "snapshots" => self.snapshots = Some(value),
            "date" => self.date = date::parse(&value)?,
            "valid-until" => self.valid_until = Some(date::parse(&value)?),
            "notautomatic" => self.not_automatic = flag(name, &value)?,
            "butautomaticupgrades" => self.but_automatic_upgrades = flag(name, &value)?,
            "acquire-by-hash" => self.acquire_by_hash = flag(name, &value)?,
            "no-support-for-architecture-all" => self.no_support_for_architecture_all = Some(value),
            "architectures" => self.architectures = names(&value, name::architecture)?,
            "components" => self.components = names(&value, name::component)?,
            "description" => self.description = Some(value),
            _ => self.other.push((name.to_owned(), value)),
        }
        Ok(())
    }

    /// Takes one block of checksums. `index` says where in the list of files a path is.
    fn add_files(&mut self, field: &str, value: &str, index: &mut HashMap<String, usize>) -> Result<()> {
        for line in value.lines().filter(|line| !line.trim().is_empty()) {
            let words: Vec<&str> = line.split_ascii_whitespace().take(4).collect();
            let [hash, size, path] = words[..] else {
                return Err(Error::field(field, "a line is not a checksum, a size and a path"));
            };
            // Tools that are run as `apt-ftparchive release ./` write it so.
            let path = name::safe_path(path.trim_start_matches("./"))?;
            let fail = |why: &str| Err(Error::field(field, format!("{why} for {}", clip(path))));
            let number = size.bytes().all(|c| c.is_ascii_digit());
            let Some(size) = size.parse().ok().filter(|_| number) else {
                return fail("the size is no number");
            };
            if self.files.len() == MAX_FILES && !index.contains_key(path) {
                return Err(Error::limit("files in the Release file", MAX_FILES as u64));
            }
            let at = *index.entry(path.to_owned()).or_insert_with(|| {
                self.files.push(ReleaseFile { path: path.to_owned(), size, ..ReleaseFile::default() });
                self.files.len() - 1
            });
            let file = &mut self.files[at];
            if file.size != size {
                return fail("there are two sizes");
            }
            match file.set_checksum(field, hash) {
                None => return fail("the checksum is not one of its kind"),
                Some(false) => return fail("there are two checksums"),
                Some(true) => {}
            }
        }
        Ok(())
    }

    fn put_other(&self, out: &mut String) -> Result<()> {
        let mut seen = HashSet::new();
        for (name, value) in &self.other {
            if !is_field_name(name.as_bytes()) {
                return Err(Error::field(name, "this is not the name of a field"));
            }
            if KNOWN.iter().chain(&CHECKSUMS).any(|known| known.eq_ignore_ascii_case(name)) {
                return Err(Error::field(name, "this field has a place of its own"));
            }
            if !seen.insert(name.to_ascii_lowercase()) {
                return Err(Error::field(name, "appears twice"));
            }
            put(out, name, value)?;
        }
        Ok(())
    }

    fn put_files(&self, out: &mut String) -> Result<()> {
        let mut paths = HashSet::new();
        for file in &self.files {
            let path = name::safe_path(&file.path)?;
            if CHECKSUMS.iter().all(|field| file.checksum(field).is_none()) {
                return Err(malformed(&format!("has no checksum of {}", clip(path))));
            }
            if !paths.insert(path) {
                return Err(malformed(&format!("lists {} twice", clip(path))));
            }
        }
        for field in CHECKSUMS {
            let mut lines =
                self.files.iter().filter_map(|file| Some((file, file.checksum(field)?))).peekable();
            if lines.peek().is_some() {
                out.push_str(field);
                out.push_str(":\n");
            }
            for (file, checksum) in lines {
                out.push(' ');
                push_hex(out, checksum);
                out.push_str(&format!(" {:>8} {}\n", file.size, file.path));
            }
        }
        Ok(())
    }
}

impl ReleaseFile {
    fn checksum(&self, field: &str) -> Option<&[u8]> {
        match field {
            "MD5Sum" => self.md5.as_ref().map(|hash| &hash[..]),
            "SHA1" => self.sha1.as_ref().map(|hash| &hash[..]),
            "SHA256" => self.sha256.as_ref().map(|hash| &hash[..]),
            _ => self.sha512.as_ref().map(|hash| &hash[..]),
        }
    }

    /// `None` if the text is no such checksum, else whether it agrees with what was there before.
    fn set_checksum(&mut self, field: &str, hex: &str) -> Option<bool> {
        match field {
            "MD5Sum" => fill(&mut self.md5, hex),
            "SHA1" => fill(&mut self.sha1, hex),
            "SHA256" => fill(&mut self.sha256, hex),
            _ => fill(&mut self.sha512, hex),
        }
    }
}

fn fill<const N: usize>(place: &mut Option<[u8; N]>, hex: &str) -> Option<bool> {
    let hash = unhex(hex)?;
    Some(*place.get_or_insert(hash) == hash)
}

fn unhex<const N: usize>(hex: &str) -> Option<[u8; N]> {
    let digit = |c: u8| char::from(c).to_digit(16);
    let mut hash = [0; N];
    if hex.len() != 2 * N {
        return None;
    }
    for (byte, pair) in hash.iter_mut().zip(hex.as_bytes().chunks(2)) {
        *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
    }
    Some(hash)
}

fn push_hex(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            out.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
        }
    }
}

fn malformed(why: &str) -> Error {
    Error::File { what: "Release file", why: why.to_owned() }
}

/// One line out of all lines of a value.
fn fold(value: &str) -> String {
    let lines: Vec<&str> = value.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join(" ")
}

fn names(value: &str, check: fn(&str) -> Result<&str>) -> Result<Vec<String>> {
    value.split_ascii_whitespace().map(|name| check(name).map(str::to_owned)).collect()
}

/// Reads what apt takes for a truth value.
fn flag(name: &str, value: &str) -> Result<bool> {
    match value.to_ascii_lowercase().as_str() {
        "yes" | "true" | "with" | "on" | "enable" | "1" => Ok(true),
        "no" | "false" | "without" | "off" | "disable" | "0" => Ok(false),
        _ => Err(Error::field(name, "is neither yes nor no")),
    }
}

/// Adds a field whose value is a single line. Values come from an administrator or from a package, and
/// must not be able to add lines of their own to a file that will be signed.
fn put(out: &mut String, name: &str, value: &str) -> Result<()> {
    if value.contains(char::is_control) {
        return Err(Error::field(name, "the value has a newline or another control character"));
    }
    let value = value.trim();
    let space = if value.is_empty() { "" } else { " " };
    out.push_str(&format!("{name}:{space}{value}\n"));
    Ok(())
}

fn put_text(out: &mut String, name: &str, value: &Option<String>) -> Result<()> {
    value.as_deref().map_or(Ok(()), |value| put(out, name, value))
}

fn put_flag(out: &mut String, name: &str, value: bool) -> Result<()> {
    if value { put(out, name, "yes") } else { Ok(()) }
}

fn put_names(out: &mut String, name: &str, values: &[String], check: fn(&str) -> Result<&str>) -> Result<()> {
    for value in values {
        check(value)?;
    }
    if values.is_empty() { Ok(()) } else { put(out, name, &values.join(" ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{have, run, skip};
    use md5::{Digest, Md5};
    use proptest::collection::vec;
    use proptest::prelude::*;
    use sha2::{Sha256, Sha512};

    const SMALL: &str = "Origin: Debian\nDate: Tue, 18 Mar 2025 14:04:42 UTC\n";

    fn fail(text: &str) -> String {
        Release::parse(text.as_bytes()).unwrap_err().to_string()
    }

    fn file(path: &str) -> ReleaseFile {
        ReleaseFile { path: path.to_owned(), size: 12, md5: Some([0xab; 16]), ..ReleaseFile::default() }
    }

    #[test]
    fn fields_are_written_in_the_order_of_dak() {
        let text = |value: &str| Some(value.to_owned());
        let release = Release {
            origin: text("Debian"),
            suite: text("stable"),
            date: 1_742_306_682,
            valid_until: Some(1_742_306_683),
            not_automatic: true,
            acquire_by_hash: true,
            no_support_for_architecture_all: text("Packages"),
            architectures: vec!["all".to_owned(), "amd64".to_owned()],
            components: vec!["main".to_owned()],
            description: text("Debian 12"),
            other: vec![("Signed-By".to_owned(), "0123".to_owned())],
            files: vec![file("main/a"), ReleaseFile { sha256: Some([1; 32]), ..file("main/b") }],
            ..Release::default()
        };
        let expected = format!(
            "Origin: Debian\nSuite: stable\nDate: Tue, 18 Mar 2025 14:04:42 UTC\n\
             Valid-Until: Tue, 18 Mar 2025 14:04:43 UTC\nNotAutomatic: yes\nAcquire-By-Hash: yes\n\
             No-Support-for-Architecture-all: Packages\nArchitectures: all amd64\nComponents: main\n\
             Description: Debian 12\nSigned-By: 0123\n\
             MD5Sum:\n {md5}       12 main/a\n {md5}       12 main/b\nSHA256:\n {sha256}       12 main/b\n",
            md5 = "ab".repeat(16),
            sha256 = "01".repeat(32),
        );
        assert_eq!(String::from_utf8(release.write().unwrap()).unwrap(), expected);
        assert_eq!(Release::parse(expected.as_bytes()).unwrap(), release);
    }

    #[test]
    fn a_value_cannot_add_a_line() {
        for value in ["a\nSHA256:", "a\r\nb", "a\0", "a\tb", "a\u{85}b"] {
            let text = Some(value.to_owned());
            for release in [
                Release { origin: text.clone(), ..Release::default() },
                Release { description: text.clone(), ..Release::default() },
                Release { other: vec![("X".to_owned(), value.to_owned())], ..Release::default() },
                Release { components: vec![value.to_owned()], ..Release::default() },
                Release { architectures: vec![value.to_owned()], ..Release::default() },
                Release { files: vec![file(value)], ..Release::default() },
            ] {
                assert!(release.write().is_err(), "{value:?}");
            }
        }
        for name in ["X: y\nZ", "", "date", "SHA256", "md5sum", "Suite"] {
            let other = vec![(name.to_owned(), "x".to_owned())];
            assert!(Release { other, ..Release::default() }.write().is_err(), "{name:?}");
        }
    }

    #[test]
    fn files_that_cannot_be_listed_are_refused() {
        let twice = Release { files: vec![file("a"), file("a")], ..Release::default() };
        assert_eq!(twice.write().unwrap_err().to_string(), "Release file: lists a twice");
        let bare = Release { files: vec![ReleaseFile { md5: None, ..file("a") }], ..Release::default() };
        assert_eq!(bare.write().unwrap_err().to_string(), "Release file: has no checksum of a");
        assert!(Release { date: i64::MAX, ..Release::default() }.write().is_err());
    }

    #[test]
    fn a_hostile_file_is_refused() {
        let (md5, sha) = ("0".repeat(32), "0".repeat(64));
        for (tail, message) in [
            (format!("MD5Sum:\n {md5} 1 ../a\n"), "path \"../a\" has an empty segment, '.' or '..'"),
            (format!("MD5Sum:\n {md5} 1 /etc/passwd\n"), "path \"/etc/passwd\" is not relative"),
            (
                format!("MD5Sum:\n {md5} 1 a\nSHA256:\n {sha} 2 a\n"),
                "field SHA256: there are two sizes for a",
            ),
            (
                format!("MD5Sum:\n {md5} 1 a\n 1{} 1 a\n", &md5[1..]),
                "field MD5Sum: there are two checksums for a",
            ),
            (format!("SHA256:\n {md5} 1 a\n"), "field SHA256: the checksum is not one of its kind for a"),
            (
                format!("MD5Sum:\n g{} 1 a\n", &md5[1..]),
                "field MD5Sum: the checksum is not one of its kind for a",
            ),
            (format!("MD5Sum:\n {md5} -1 a\n"), "field MD5Sum: the size is no number for a"),
            (
                format!("MD5Sum:\n {md5} 18446744073709551616 a\n"),
                "field MD5Sum: the size is no number for a",
            ),
            (format!("MD5Sum:\n {md5} a\n"), "field MD5Sum: a line is not a checksum, a size and a path"),
            (format!("MD5Sum:\n {md5} 1 a b\n"), "field MD5Sum: a line is not a checksum, a size and a path"),
            ("origin: x\n".to_owned(), "field origin: appears twice"),
            ("Acquire-By-Hash: maybe\n".to_owned(), "field Acquire-By-Hash: is neither yes nor no"),
            (
                "Architectures: ../x\n".to_owned(),
                "architecture name \"../x\" has a character other than a-z, 0-9 and '-'",
            ),
            ("Components: main ..\n".to_owned(), "component name \"..\" has an empty segment, '.' or '..'"),
            ("nonsense\n".to_owned(), "line 3: no colon after the field name in \"nonsense\""),
            ("\nOrigin: y\n".to_owned(), "Release file: has not exactly one paragraph"),
        ] {
            assert_eq!(fail(&format!("{SMALL}{tail}")), message);
        }
        assert_eq!(fail("Origin: x\n"), "field Date: is missing");
        assert_eq!(fail(""), "Release file: has not exactly one paragraph");
        assert!(Release::parse(b"Origin: \xff\n").is_err());
    }

    #[test]
    fn every_known_field_has_a_place() {
        for name in KNOWN {
            let mut release = Release::default();
            let _ = release.set_field(name, String::new());
            assert!(release.other.is_empty(), "{name}");
        }
    }

    #[test]
    fn too_many_files_are_refused() {
        let lines: String = (0..=MAX_FILES).map(|i| format!(" {} 1 {i}\n", "0".repeat(32))).collect();
        assert_eq!(fail(&format!("{SMALL}MD5Sum:\n{lines}")), "more than 200000 files in the Release file");
    }

    #[test]
    fn unknown_fields_of_several_lines_become_one_line() {
        let release = Release::parse(format!("{SMALL}Signed-By:\n 01,\n 23\n").as_bytes()).unwrap();
        assert_eq!(release.other, [("Signed-By".to_owned(), "01, 23".to_owned())]);
    }

    #[test]
    fn the_real_files_are_written_byte_for_byte_as_dak_wrote_them() {
        let lists = std::fs::read_dir("/var/lib/apt/lists").into_iter().flatten().flatten();
        let is_dak = |name: &str| name.contains("_debian_dists_") && name.ends_with("_InRelease");
        let mut found = false;
        for entry in lists.filter(|entry| is_dak(&entry.file_name().to_string_lossy())) {
            let path = entry.path();
            let signed = std::fs::read_to_string(path).unwrap();
            let start = signed.find("\n\n").unwrap() + 2;
            let text = &signed[start..signed.find("-----BEGIN PGP SIGNATURE").unwrap()];
            let release = Release::parse(text.as_bytes()).unwrap();
            assert_eq!(String::from_utf8(release.write().unwrap()).unwrap(), text);
            found = true;
        }
        if !found {
            skip("InRelease file of Debian");
        }
    }

    #[test]
    fn apt_ftparchive_finds_the_same_checksums() {
        if !have("apt-ftparchive") {
            return;
        }
        let directory = std::env::temp_dir().join(format!("debian-format-release-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let content = b"Package: hello\n";
        std::fs::write(directory.join("Packages"), content).unwrap();
        let text = run("apt-ftparchive", &["release", directory.to_str().unwrap()]);
        std::fs::remove_dir_all(&directory).unwrap();
        let release = Release::parse(&text).unwrap();
        let packages = release.files.iter().find(|file| file.path == "Packages").unwrap();
        assert_eq!(packages.size, content.len() as u64);
        assert_eq!(packages.md5, Some(Md5::digest(content).into()));
        assert_eq!(packages.sha256, Some(Sha256::digest(content).into()));
        assert_eq!(packages.sha512, Some(Sha512::digest(content).into()));
        assert_eq!(Release::parse(&release.write().unwrap()).unwrap(), release);
    }

    fn text() -> impl Strategy<Value = Option<String>> {
        prop::option::of("([!-~é]( ?[!-~é]){0,6})?")
    }

    fn moment() -> impl Strategy<Value = i64> {
        0..253_402_300_800i64
    }

    fn files() -> impl Strategy<Value = Vec<ReleaseFile>> {
        let hashes = (any::<[u8; 16]>(), any::<[u8; 20]>(), any::<[u8; 32]>(), any::<[u8; 32]>());
        (1u8..16, prop::collection::btree_map("[a-z+~]{1,4}(/[a-z.]{2}x){0,2}", (any::<u64>(), hashes), 0..5))
            .prop_map(|(which, files)| {
                let file = |(path, (size, (md5, sha1, sha256, half)))| ReleaseFile {
                    path,
                    size,
                    md5: Some(md5).filter(|_| which & 1 != 0),
                    sha1: Some(sha1).filter(|_| which & 2 != 0),
                    sha256: Some(sha256).filter(|_| which & 4 != 0),
                    sha512: Some([half, sha256].concat().try_into().unwrap()).filter(|_| which & 8 != 0),
                };
                files.into_iter().map(file).collect()
            })
    }

    prop_compose! {
        fn release()(
            texts in vec(text(), 9),
            (date, valid_until) in (moment(), prop::option::of(moment())),
            flags: [bool; 3],
            architectures in vec("[a-z0-9][a-z0-9-]{0,5}", 0..4),
            components in vec("[a-zA-Z0-9.+_~]x(/[a-z]x)?", 0..4),
            other in prop::collection::btree_map("x-[!-9;-@\\[-~]{1,5}", "([!-~]( ?[!-~]){0,6})?", 0..3),
            files in files(),
        ) -> Release {
            let mut texts = texts.into_iter();
            let mut next = || texts.next().flatten();
            Release {
                origin: next(), label: next(), suite: next(), version: next(), codename: next(),
                changelogs: next(), snapshots: next(), no_support_for_architecture_all: next(),
                description: next(), date, valid_until, not_automatic: flags[0],
                but_automatic_upgrades: flags[1], acquire_by_hash: flags[2], architectures, components,
                other: other.into_iter().collect(), files,
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_parses_back(release in release()) {
            let bytes = release.write().unwrap();
            prop_assert_eq!(Release::parse(&bytes).unwrap(), release);
        }

        #[test]
        fn no_text_makes_it_panic(tail in "(SHA256:\n)?[0-9a-f /.\r\n:Dd]{0,60}|.*") {
            let _ = Release::parse(format!("{SMALL}{tail}").as_bytes());
            let _ = Release::parse(tail.as_bytes());
        }
    }
}
