//! From an index to units, and their files.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::sync::mpsc::{self, Receiver, SyncSender};

use checkpoint_core::digest::Sha256;
use checkpoint_core::model::{NewUnit, Placed, UnitArtifact};
use checkpoint_core::{Error, Result};
use debian_format::compression::decoder;
use debian_format::deb822::{Stanza, StanzaReader};
use debian_format::name;
use debian_format::version::Version;
use sha2::Digest as _;

use super::choose::{Index, Lists};
use super::indices::Fetched;
use crate::content::{INSTALLER_PACKAGE, PACKAGE, SOURCE_PACKAGE};
use crate::files::KEYS;
use crate::options::check_architecture;
use crate::place;
use crate::units::check_stanza;

/// Names of files that only metadata may have.
const METADATA: [&str; 3] = ["InRelease", "Release", "Release.gpg"];
/// The largest file that is believed to exist, in bytes.
const MAX_SIZE: u64 = 1 << 40;

/// A package of an upstream.
pub(super) type PlacedUnit = Placed<NewUnit>;

/// Reads an index that has the digest it should have. It is decompressed and hashed on a thread of its own.
pub(super) fn read(fetched: &Fetched, index: &Index, place: &str) -> Result<Vec<PlacedUnit>> {
    let wrong = |why: String| Error::Invalid(format!("upstream's '{}': {why}", index.forms.stem));
    let file = BufReader::new(fetched.staged.open()?);
    std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::sync_channel(PIECES);
        let decoding = scope.spawn(move || decode(file, fetched, &sender));
        let units = parse(Pieces { receiver, piece: Cursor::default() }, index, place).map_err(wrong);
        let decoded = decoding.join().map_err(|_| Error::Internal("decompression stopped".into()))?;
        // What is wrong with the bytes says more than what is wrong with the stanzas that they were taken for.
        let (sha256, size) = match decoded {
            Ok(Some(decoded)) => decoded,
            Ok(None) => return units,
            Err(error) => return Err(wrong(error.to_string())),
        };
        match index.forms.plain() {
            Some(listed) if (listed.sha256, listed.size) != (sha256, size) => {
                Err(wrong("decompressed it is not what Release lists".into()))
            }
            _ => units,
        }
    })
}

/// How many pieces are between the threads that decompress and that read.
const PIECES: usize = 16;
/// How large a piece is, in bytes.
const PIECE: usize = 1 << 16;

/// Sends the decompressed bytes; gives their digest and number, unless nobody wants them any more.
fn decode(
    file: BufReader<File>,
    fetched: &Fetched,
    sender: &SyncSender<Vec<u8>>,
) -> debian_format::Result<Option<(Sha256, u64)>> {
    let mut plain = decoder(file, fetched.compression, fetched.limit)?;
    let (mut hasher, mut size) = (sha2::Sha256::new(), 0);
    loop {
        let mut piece = vec![0; PIECE];
        let mut filled = 0;
        while filled < PIECE {
            match plain.read(&mut piece[filled..])? {
                0 => break,
                read => filled += read,
            }
        }
        piece.truncate(filled);
        hasher.update(&piece);
        size += filled as u64;
        if filled == 0 {
            return Ok(Some((<[u8; 32]>::from(hasher.finalize()).into(), size)));
        }
        if sender.send(piece).is_err() {
            return Ok(None);
        }
    }
}

/// The pieces as one run of bytes. Its end may be an error on the other side.
struct Pieces {
    receiver: Receiver<Vec<u8>>,
    piece: Cursor<Vec<u8>>,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.fill_buf()?;
        self.piece.read(buffer)
    }
}

impl BufRead for Pieces {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.piece.position() == self.piece.get_ref().len() as u64
            && let Ok(piece) = self.receiver.recv()
        {
            self.piece = Cursor::new(piece);
        }
        self.piece.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.piece.consume(amount);
    }
}

fn parse(pieces: Pieces, index: &Index, place: &str) -> Result<Vec<PlacedUnit>, String> {
    let mut units = Vec::new();
    let mut stanzas = StanzaReader::new(pieces);
    while let Some(stanza) = stanzas.next_stanza().map_err(|error| error.to_string())? {
        let unit = match index.lists {
            Lists::Packages => package(&stanza, PACKAGE, index),
            Lists::InstallerPackages => package(&stanza, INSTALLER_PACKAGE, index),
            Lists::Sources => source(&stanza),
        };
        units.push(Placed { place: place.to_owned(), unit: unit? });
    }
    Ok(units)
}

/// The name and version of a stanza, and how to read its other fields. Errors name the package.
struct Fields<'a> {
    stanza: &'a Stanza<'a>,
    package: &'a str,
    version: &'a str,
}

impl<'a> Fields<'a> {
    fn of(stanza: &'a Stanza<'a>) -> Result<Fields<'a>, String> {
        let package = stanza.get_str("Package").unwrap_or_default();
        name::package(package).map_err(|error| error.to_string())?;
        let fields = Fields { stanza, package, version: "" };
        check_stanza(stanza.raw()).map_err(|error| fields.wrong(error))?;
        let version = fields.get("Version")?;
        Version::parse(version).map_err(|error| fields.wrong(error))?;
        Ok(Fields { version, ..fields })
    }

    fn get(&self, name: &str) -> Result<&'a str, String> {
        let value = self.stanza.get_str(name).map(str::trim).filter(|value| !value.is_empty());
        value.ok_or_else(|| self.wrong(format!("it has no {name}")))
    }

    fn wrong(&self, why: impl Display) -> String {
        format!("package '{}': {why}", self.package)
    }

    fn file(&self, path: &str, size: &str, sha256: &str) -> Result<UnitArtifact, String> {
        let path = name::safe_path(relative(path)).map_err(|error| self.wrong(error))?;
        let (_, file) = path.rsplit_once('/').unwrap_or(("", path));
        if path.starts_with("dists/") || path == KEYS || METADATA.contains(&file) {
            return Err(self.wrong(format!("'{path}' is a place of metadata")));
        }
        let size = size.parse().ok().filter(|size| *size <= MAX_SIZE);
        Ok(UnitArtifact {
            path: path.parse().map_err(|error: Error| self.wrong(error))?,
            size: size.ok_or_else(|| self.wrong("its Size is not one that a package can have"))?,
            sha256: sha256.parse().map_err(|error: Error| self.wrong(error))?,
        })
    }

    /// The stanza as a unit; it stays as upstream wrote it, except that clients could not ask for `./` paths.
    fn unit(&self, content_type: &'static str, architecture: &str, artifacts: Vec<UnitArtifact>) -> NewUnit {
        let mut body = without_dots(self.stanza.raw());
        body.push(b'\n');
        NewUnit { content_type, key: place::key(self.package, self.version, architecture), body, artifacts }
    }
}

/// A path without the `./` that it begins with in many flat repositories.
fn relative(path: &str) -> &str {
    path.trim_start_matches("./")
}

/// A stanza whose Filename does not begin with `./`.
fn without_dots(stanza: &[u8]) -> Vec<u8> {
    const FIELD: &[u8] = b"\nFilename: ";
    let Some(at) = memchr::memmem::find(stanza, FIELD) else { return stanza.to_vec() };
    let (before, mut rest) = stanza.split_at(at + FIELD.len());
    while let Some(less) = rest.strip_prefix(b"./") {
        rest = less;
    }
    [before, rest].concat()
}

/// A stanza of `Packages`.
fn package(stanza: &Stanza<'_>, content_type: &'static str, index: &Index) -> Result<NewUnit, String> {
    let fields = Fields::of(stanza)?;
    let architecture = fields.get("Architecture")?;
    let fits = index.architecture.as_deref().is_none_or(|own| architecture == own || architecture == "all");
    if !fits || check_architecture(architecture, true).is_err() {
        return Err(fields.wrong(format!("it is for '{}'", architecture.escape_debug())));
    }
    let file = fields.file(fields.get("Filename")?, fields.get("Size")?, fields.get("SHA256")?)?;
    Ok(fields.unit(content_type, architecture, vec![file]))
}

/// A stanza of `Sources` (Debian Policy section 5.4): several files in one directory.
fn source(stanza: &Stanza<'_>) -> Result<NewUnit, String> {
    let fields = Fields::of(stanza)?;
    // In a flat repository it may be missing, or `.`.
    let directory = stanza.get_str("Directory").map_or(".", |text| text.trim().trim_end_matches('/'));
    let directory = if directory.is_empty() { "." } else { directory };
    let lines = fields.get("Checksums-Sha256")?.lines().map(str::trim).filter(|line| !line.is_empty());
    let file = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [sha256, size, name] if !name.contains('/') => {
                fields.file(&format!("{directory}/{name}"), size, sha256)
            }
            _ => Err(fields.wrong("a line of its Checksums-Sha256 is not digest, size and name")),
        }
    };
    let files: Vec<UnitArtifact> = lines.map(file).collect::<Result<_, _>>()?;
    Ok(fields.unit(SOURCE_PACKAGE, place::SOURCE, files))
}
