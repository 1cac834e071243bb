//! From an index to units, and their files.

use std::collections::HashMap;
use std::fmt::Display;
use std::io::{self, BufReader, Read};

use checkpoint_core::digest::{Hasher, Sha256};
use checkpoint_core::model::{NewUnit, Placed, UnitArtifact};
use checkpoint_core::name::encode_path;
use checkpoint_core::plugin::{Expected, SyncJob, UnitFiles};
use checkpoint_core::{Error, Result};
use debian_format::compression::decoder;
use debian_format::deb822::{Stanza, StanzaReader};
use debian_format::name;
use debian_format::version::Version;
use futures_util::StreamExt as _;

use super::indices::{Fetched, Index, Lists};
use crate::place;
use crate::publish::KEYS;
use crate::units::{PACKAGE, SOURCE_PACKAGE, check_stanza};

/// How many packages are fetched at once.
const PARALLEL: usize = 16;
/// The largest file that is believed to exist, in bytes.
const MAX_SIZE: u64 = 1 << 40;
/// How many broken files an error names.
const NAMED: usize = 5;

/// A package of an upstream.
pub(super) type PlacedUnit = Placed<NewUnit>;

/// What all suites of a remote have.
#[derive(Default)]
pub(super) struct Found {
    units: Vec<PlacedUnit>,
    paths: HashMap<String, Sha256>,
}

impl Found {
    /// Takes the packages of a suite. One path cannot have two contents.
    pub(super) fn extend(&mut self, units: Vec<PlacedUnit>) -> Result<()> {
        for placed in units {
            for file in &placed.unit.artifacts {
                let first = self.paths.entry(file.path.to_string()).or_insert(file.sha256);
                if *first != file.sha256 {
                    let path = &file.path;
                    return Err(Error::Invalid(format!(
                        "upstream lists '{path}' twice, with different SHA256"
                    )));
                }
            }
            self.units.push(placed);
        }
        Ok(())
    }

    pub(super) fn into_units(self) -> impl Iterator<Item = PlacedUnit> {
        self.units.into_iter()
    }
}

/// A package's URL.
pub(super) fn url(base: &str, path: &str) -> String {
    format!("{}/{}", base.trim_end_matches('/'), encode_path(path))
}

/// Reads an index that has the digest it should have.
pub(super) fn read(fetched: &Fetched, index: &Index, place: &str) -> Result<Vec<PlacedUnit>> {
    let wrong = |why: String| Error::Invalid(format!("upstream's '{}': {why}", index.path));
    let plain = decoder(BufReader::new(fetched.staged.open()?), fetched.compression, fetched.limit);
    let plain = plain.map_err(|error| wrong(error.to_string()))?;
    let mut plain = Hashing { inner: plain, hasher: Hasher::default() };
    let mut units = Vec::new();
    let mut stanzas = StanzaReader::new(BufReader::with_capacity(1 << 16, &mut plain));
    while let Some(stanza) = stanzas.next_stanza().map_err(|error| wrong(error.to_string()))? {
        let unit = match index.lists {
            Lists::Packages => package(&stanza, index),
            Lists::Sources => source(&stanza),
        };
        units.push(Placed { place: place.to_owned(), unit: unit.map_err(wrong)? });
    }
    drop(stanzas);
    // The decoder's checks of its last bytes count too.
    io::copy(&mut plain, &mut io::sink()).map_err(|error| wrong(error.to_string()))?;
    let digests = plain.hasher.finish();
    match index.plain {
        Some(listed) if (listed.sha256, listed.size) != (digests.sha256, digests.size) => {
            Err(wrong("decompressed it is not what Release lists".into()))
        }
        _ => Ok(units),
    }
}

struct Hashing<R> {
    inner: R,
    hasher: Hasher,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        Ok(read)
    }
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
        let path = name::safe_path(path).map_err(|error| self.wrong(error))?;
        if path.starts_with("dists/") || path == KEYS {
            return Err(self.wrong(format!("'{path}' is a place of metadata")));
        }
        let size = size.parse().ok().filter(|size| *size <= MAX_SIZE);
        Ok(UnitArtifact {
            path: path.parse().map_err(|error: Error| self.wrong(error))?,
            size: size.ok_or_else(|| self.wrong("its Size is not one that a package can have"))?,
            sha256: sha256.parse().map_err(|error: Error| self.wrong(error))?,
        })
    }

    /// The stanza as a unit; it stays as upstream wrote it.
    fn unit(&self, content_type: &'static str, architecture: &str, artifacts: Vec<UnitArtifact>) -> NewUnit {
        let mut body = self.stanza.raw().to_vec();
        body.push(b'\n');
        NewUnit { content_type, key: place::key(self.package, self.version, architecture), body, artifacts }
    }
}

/// A stanza of `Packages`.
fn package(stanza: &Stanza<'_>, index: &Index) -> Result<NewUnit, String> {
    let fields = Fields::of(stanza)?;
    let architecture = fields.get("Architecture")?;
    if architecture != "all" && architecture != index.architecture {
        return Err(fields.wrong(format!("it is for '{}'", architecture.escape_debug())));
    }
    let file = fields.file(fields.get("Filename")?, fields.get("Size")?, fields.get("SHA256")?)?;
    Ok(fields.unit(PACKAGE, architecture, vec![file]))
}

/// A stanza of `Sources` (Debian Policy section 5.4): several files in one directory.
fn source(stanza: &Stanza<'_>) -> Result<NewUnit, String> {
    let fields = Fields::of(stanza)?;
    let directory = fields.get("Directory")?;
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

/// Fetches what is not held, and gives all units to the sink. A file that cannot be had is reported at the end; what
/// was fetched is kept all the same.
pub(super) async fn fetch(job: &mut SyncJob<'_>, found: Found) -> Result<()> {
    let files = |units: &[PlacedUnit]| {
        units.iter().flat_map(|placed| placed.unit.artifacts.clone()).collect::<Vec<_>>()
    };
    let wanted = files(&found.units);
    let mut held = job.sink.held(&wanted.iter().map(|file| file.sha256).collect::<Vec<_>>()).await?;
    let missing: HashMap<Sha256, UnitArtifact> = wanted.into_iter().map(|file| (file.sha256, file)).collect();
    let missing: Vec<_> = missing.into_values().filter(|file| !held.contains(&file.sha256)).collect();
    job.sink.begin("fetching", missing.len() as u64);
    let (base, fetcher) = (job.url, job.fetcher);
    let transfers = missing.into_iter().map(|file| async move {
        let url = url(base, file.path.as_str());
        let expected = Expected { sha256: Some(file.sha256), size: Some(file.size), limit: file.size };
        (file.sha256, fetcher.fetch(&url, expected).await)
    });
    let mut transfers = futures_util::stream::iter(transfers).buffer_unordered(PARALLEL);
    let mut broken = Vec::new();
    while let Some((sha256, fetched)) = transfers.next().await {
        match fetched {
            Ok(staged) => {
                job.sink.store(vec![staged]).await?;
                held.insert(sha256);
            }
            Err(error @ Error::Fetch { .. }) => broken.push(error.to_string()),
            Err(error) => return Err(error),
        }
        job.sink.advance();
    }
    drop(transfers);
    if !broken.is_empty() {
        let count = broken.len();
        let named = broken.iter().take(NAMED).cloned().collect::<Vec<_>>().join("; ");
        if !job.skip_broken {
            return Err(Error::Invalid(format!(
                "{count} files could not be had, so there is no new version (the rest is kept for the next sync): {named}"
            )));
        }
        broken.into_iter().for_each(|sentence| job.sink.remark(format!("left out: {sentence}")));
    }
    for unit in found.into_units() {
        if unit.unit.artifacts.iter().all(|file| held.contains(&file.sha256)) {
            job.sink.add(unit, UnitFiles::Held).await?;
        }
    }
    Ok(())
}
