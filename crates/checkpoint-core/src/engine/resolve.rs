//! From a URL's path to what is there: distributions, dates, files, by-hash names and directories.

use std::collections::BTreeMap;
use std::sync::Arc;

use moka::sync::Cache;

use super::Engine;
use super::view::{Served, View, Views};
use crate::catalog::{Generation, UnitFile};
use crate::digest::{Digests, Md5, Sha256, Sha512};
use crate::error::Result;
use crate::model::{Distribution, Id, Publication};
use crate::name::split_path;
use crate::time::Timestamp;

/// What is at a path.
#[derive(Debug, Clone)]
pub enum Resolution {
    /// A file.
    File(ServedFile),
    /// A directory.
    Directory(Arc<Page>),
    /// A directory whose URL lacks the slash at its end.
    AddSlash,
    /// Another path below the content prefix has it: the same file in the newest checkpoint before that time.
    Moved(String),
    /// Something for those who sign in only.
    Guarded,
    /// Nothing; the sentence says why.
    NotFound(String),
}

/// A file to serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServedFile {
    /// Its bytes.
    pub sha256: Sha256,
    /// Their number.
    pub size: u64,
    /// Since when they are at this path.
    pub modified: Timestamp,
    /// Whether they were in the store when the path was looked up; if not, [`super::OnDemand`] has them fetched.
    pub held: bool,
    /// How often files had been lost by then.
    pub losses: i64,
    /// How long the answer holds.
    pub freshness: Freshness,
    /// The time of the checkpoint that it is of, if it was asked for under a date.
    pub checkpoint: Option<Timestamp>,
}

/// How long an answer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// This URL will never have other bytes.
    Immutable,
    /// It may have other bytes at any time.
    Changing,
}

/// The entries of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// By name.
    pub entries: Vec<Entry>,
    /// How long the answer holds.
    pub freshness: Freshness,
}

/// A line of a directory page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name; that of a directory ends in a slash.
    pub name: String,
    /// Since when it is there.
    pub modified: Option<Timestamp>,
    /// Length in bytes of a file.
    pub size: Option<u64>,
}

/// How much memory paths and by-hash names that are remembered may take, in bytes; what was not found counts too.
const REMEMBERED: u64 = 128 << 20;
/// What remembering a path takes besides its text, about.
const OVERHEAD: usize = 160;
const REMEMBERED_PAGES: u64 = 1_000;
/// How many paths of a directory are read at once.
const SCAN: i64 = 1_000;

/// Answers paths. One for each process that serves; it remembers what cannot change.
pub struct Resolver {
    engine: Engine,
    views: Views,
    /// By publication, how often files were lost, and path. Immutable otherwise, so what is not there stays not there.
    paths: Cache<(Id, i64, String), Option<Found>>,
    pages: Cache<(Id, String), Arc<Page>>,
    /// By-hash names, and packages of earlier publications, under a live distribution: by generation.
    retained: Cache<(Id, i64, String), Option<Found>>,
    /// The SHA-512 of metadata, by its SHA-256; only upstreams that list it have it asked for.
    sha512: Cache<Sha256, Sha512>,
    /// Until when a repository's past is settled, and the first generation in which that past is all there.
    settled: Cache<Id, (Timestamp, i64)>,
}

/// A file, and what brought it into the publication.
#[derive(Clone, Copy)]
struct Found {
    sha256: Sha256,
    size: u64,
    modified: Timestamp,
    origin: Origin,
    held: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// The publication itself has it.
    Metadata,
    /// It belongs to a unit.
    Unit,
    /// Its name is its hash.
    ByHash,
}

impl Found {
    fn new(digests: &Digests, modified: Timestamp, origin: Origin) -> Found {
        Found { sha256: digests.sha256, size: digests.size, modified, origin, held: true }
    }

    fn of_unit(file: UnitFile) -> Found {
        Found {
            sha256: file.sha256,
            size: file.size,
            modified: file.published,
            origin: Origin::Unit,
            held: file.held,
        }
    }
}

/// A publication to look in.
struct Place<'a> {
    served: &'a Served,
    publication: &'a Publication,
    /// How often the catalog has changed, if the publication is served as the newest rather than under its date.
    live: Option<i64>,
    /// How often files were lost.
    losses: i64,
}

impl Resolver {
    /// Answers for what `engine` has.
    pub fn new(engine: Engine) -> Resolver {
        Resolver {
            engine,
            views: Views::default(),
            paths: Cache::builder()
                .weigher(|(_, _, path): &(Id, i64, String), _: &Option<Found>| (path.len() + OVERHEAD) as u32)
                .max_capacity(REMEMBERED)
                .build(),
            pages: Cache::new(REMEMBERED_PAGES),
            retained: Cache::builder()
                .weigher(|(_, _, path): &(Id, i64, String), _: &Option<Found>| (path.len() + OVERHEAD) as u32)
                .max_capacity(REMEMBERED)
                .build(),
            sha512: Cache::new(100_000),
            settled: Cache::new(100_000),
        }
    }

    /// Answers a decoded path below the content prefix. It has no slash at its beginning.
    pub async fn resolve(&self, path: &str) -> Result<Resolution> {
        self.resolve_for(path, false).await
    }

    /// [`Self::resolve`] for somebody who has signed in, or has not.
    pub async fn resolve_for(&self, path: &str, signed_in: bool) -> Result<Resolution> {
        // PostgreSQL takes no zero byte in a text.
        if path.starts_with('/') || path.contains("//") || path.contains('\0') {
            return Ok(not_found("the path has an empty part or a zero byte"));
        }
        let view = self.views.fresh(&self.engine.catalog).await?;
        let Some((distribution, rest)) = find_distribution(&view, path) else {
            return Ok(between_distributions(&view, path));
        };
        if distribution.guard.is_some() && !signed_in {
            return Ok(Resolution::Guarded);
        }
        let Some(rest) = rest else {
            return Ok(Resolution::AddSlash);
        };
        let Some(served) = distribution.repository.as_ref().and_then(|name| view.repository(name)) else {
            return Ok(not_found("the distribution serves nothing"));
        };
        if distribution.checkpoint {
            return self.resolve_dated(&view, &served, distribution, rest).await;
        }
        let now = self.engine.now();
        let publications = served.publications(&self.engine.catalog).await?;
        match distribution.live(publications, now) {
            Some(publication) => {
                let Generation { changes, losses } = view.generation;
                self.resolve_in(&Place { served: &served, publication, live: Some(changes), losses }, rest)
                    .await
            }
            None => Ok(not_found("the distribution's repository has not been published yet")),
        }
    }

    async fn resolve_dated(
        &self,
        view: &View,
        served: &Served,
        distribution: &Distribution,
        rest: &str,
    ) -> Result<Resolution> {
        let catalog = &self.engine.catalog;
        let now = self.engine.now();
        if rest.is_empty() {
            return Ok(Resolution::Directory(Arc::new(dates(served.publications(catalog).await?, now))));
        }
        let (date, inside) = match rest.split_once('/') {
            Some((date, inside)) => (date, Some(inside)),
            None => (rest, None),
        };
        let Ok(time) = date.parse::<Timestamp>() else {
            return Ok(not_found("that is not a time of the form 20250318T140442Z"));
        };
        if time > now {
            return Ok(not_found("that time is in the future"));
        }
        let publications = served.publications(catalog).await?;
        let mut newest = checkpoint_at(publications, time).cloned();
        // Times only grow, so nothing can be added before the newest publication.
        let passed = publications.last().is_some_and(|newest| time <= newest.time);
        if !passed && !self.is_settled(served.id(), time, view.generation.changes) {
            let until = self.engine.settle(served.id(), time).await?;
            // What was committed before the time was settled has to count.
            let fresh = self.views.fresh(catalog).await?;
            self.settled.insert(served.id(), (until, fresh.generation.changes));
            newest = match fresh.repository(&served.repository.name) {
                Some(served) => checkpoint_at(served.publications(catalog).await?, time).cloned(),
                None => None,
            };
        }
        let losses = view.generation.losses;
        match (newest, inside) {
            (None, _) => Ok(not_found("there is no checkpoint at or before that time")),
            (Some(exact), None) if exact.time == time => Ok(Resolution::AddSlash),
            (Some(exact), Some(inside)) if exact.time == time => {
                self.resolve_in(&Place { served, publication: &exact, live: None, losses }, inside).await
            }
            (Some(newest), Some(inside)) if distribution.direct => {
                let place = Place { served, publication: &newest, live: None, losses };
                let found = self.resolve_in(&place, inside).await?;
                // Retention may remove the checkpoint, and with it this answer.
                Ok(match found {
                    Resolution::File(file) => {
                        Resolution::File(ServedFile { freshness: Freshness::Changing, ..file })
                    }
                    found => found,
                })
            }
            (Some(newest), inside) => {
                let inside = inside.unwrap_or_default();
                Ok(Resolution::Moved(format!("{}/{}/{inside}", distribution.base_path, newest.time)))
            }
        }
    }

    /// Whether no checkpoint can appear at or before `time` that is not in the view of this generation.
    fn is_settled(&self, repository: Id, time: Timestamp, generation: i64) -> bool {
        let settled = self.settled.get(&repository);
        settled.is_some_and(|(until, complete)| time <= until && complete <= generation)
    }

    async fn resolve_in(&self, place: &Place<'_>, path: &str) -> Result<Resolution> {
        if path.is_empty() || path.ends_with('/') {
            let directory = path.strip_suffix('/').unwrap_or(path);
            let index =
                if directory.is_empty() { "index.html".into() } else { format!("{directory}/index.html") };
            if let Some(file) = self.file(place, &index).await? {
                return Ok(Resolution::File(file));
            }
            let page = self.page(place, directory).await?;
            let empty = page.entries.is_empty() && !directory.is_empty();
            return Ok(if empty {
                not_found("there is no such directory")
            } else {
                Resolution::Directory(page)
            });
        }
        if let Some(file) = self.file(place, path).await? {
            return Ok(Resolution::File(file));
        }
        let exists = !self.page(place, path).await?.entries.is_empty();
        Ok(if exists { Resolution::AddSlash } else { not_found("there is no such file") })
    }

    /// A file by its path in the publication, or one that an earlier publication had there.
    async fn file(&self, place: &Place<'_>, path: &str) -> Result<Option<ServedFile>> {
        let key = (place.publication.id, place.losses, path.to_owned());
        let found = match self.paths.get(&key) {
            Some(found) => found,
            None => {
                let found = self.find_file(place, path).await?;
                self.paths.insert(key, found);
                found
            }
        };
        let found = match (found, place.live) {
            (None, Some(generation)) => self.retained_file(place, generation, path).await?,
            (found, _) => found,
        };
        let freshness = |found: &Found| match (place.live, found.origin) {
            (None, _) | (_, Origin::ByHash) => Freshness::Immutable,
            (_, Origin::Unit) if self.has_immutable_paths(place) => Freshness::Immutable,
            _ => Freshness::Changing,
        };
        Ok(found.map(|found| ServedFile {
            sha256: found.sha256,
            size: found.size,
            modified: found.modified,
            held: found.held,
            losses: place.losses,
            freshness: freshness(&found),
            checkpoint: place.live.is_none().then_some(place.publication.time),
        }))
    }

    async fn find_file(&self, place: &Place<'_>, path: &str) -> Result<Option<Found>> {
        let (catalog, publication) = (&self.engine.catalog, place.publication);
        let (directory, name) = split_path(path);
        if let Some(file) = catalog.publication_file(publication.id, directory, name).await? {
            return Ok(Some(Found::new(&file.digests, publication.time, Origin::Metadata)));
        }
        let unit = catalog.unit_file(place.served.id(), publication.version, path).await?;
        if let Some(file) = unit {
            return Ok(Some(Found::of_unit(file)));
        }
        let Some((directory, hash)) = by_hash(path) else {
            return Ok(None);
        };
        let files = catalog.publication_files(publication.id).await?;
        for file in files.iter().filter(|file| split_path(&file.path).0 == directory) {
            let is_it = match &hash {
                Hash::Sha256(sha256) => file.digests.sha256 == *sha256,
                Hash::Md5(md5) => file.digests.md5 == *md5,
                Hash::Sha512(sha512) => self.sha512_of(&file.digests.sha256).await? == *sha512,
            };
            if is_it {
                return Ok(Some(Found::new(&file.digests, publication.time, Origin::ByHash)));
            }
        }
        Ok(None)
    }

    /// The catalog does not know it, since our own Release files do not list it.
    async fn sha512_of(&self, sha256: &Sha256) -> Result<Sha512> {
        if let Some(known) = self.sha512.get(sha256) {
            return Ok(known);
        }
        let computed = self.engine.store.sha512(sha256).await?;
        self.sha512.insert(*sha256, computed);
        Ok(computed)
    }

    /// What a client of a live distribution may still ask for although the newest publication does not have it:
    /// an index of an earlier one by its hash, or a package that an earlier one lists.
    async fn retained_file(&self, place: &Place<'_>, generation: i64, path: &str) -> Result<Option<Found>> {
        let key = (place.served.id(), generation, path.to_owned());
        if let Some(found) = self.retained.get(&key) {
            return Ok(found);
        }
        let (catalog, repository) = (&self.engine.catalog, place.served.id());
        let found = match by_hash(path) {
            Some((directory, hash)) => {
                let found = match hash {
                    Hash::Sha256(sha256) => catalog.file_by_sha256(repository, directory, &sha256).await?,
                    Hash::Md5(md5) => catalog.file_by_md5(repository, directory, &md5).await?,
                    // Of an index that is gone, clients find the one that is there by its name.
                    Hash::Sha512(_) => None,
                };
                found.map(|(file, published)| Found::new(&file.digests, published, Origin::ByHash))
            }
            None if self.has_immutable_paths(place) => {
                // What was newer before the distribution was moved back counts too.
                let publications = place.served.publications(catalog).await?;
                let newest = publications.iter().map(|publication| publication.version).max();
                let version = newest.unwrap_or(place.publication.version);
                catalog.unit_file_up_to(repository, version, path).await?.map(Found::of_unit)
            }
            None => None,
        };
        self.retained.insert(key, found);
        Ok(found)
    }

    fn has_immutable_paths(&self, place: &Place<'_>) -> bool {
        let plugin = self.engine.registry.get(&place.served.repository.plugin);
        plugin.is_ok_and(|plugin| plugin.declaration().content.iter().all(|content| content.immutable_paths))
    }

    async fn page(&self, place: &Place<'_>, directory: &str) -> Result<Arc<Page>> {
        let key = (place.publication.id, directory.to_owned());
        let page = match self.pages.get(&key) {
            Some(page) => page,
            None => {
                let page = Arc::new(self.read_page(place, directory).await?);
                self.pages.insert(key, page.clone());
                page
            }
        };
        match place.live {
            Some(_) => Ok(Arc::new(Page { freshness: Freshness::Changing, ..Page::clone(&page) })),
            None => Ok(page),
        }
    }

    async fn read_page(&self, place: &Place<'_>, directory: &str) -> Result<Page> {
        let (catalog, publication) = (&self.engine.catalog, place.publication);
        let prefix = if directory.is_empty() { String::new() } else { format!("{directory}/") };
        let mut children = BTreeMap::new();
        for file in catalog.publication_files(publication.id).await? {
            if let Some(inside) = file.path.strip_prefix(&prefix) {
                add_child(&mut children, inside, publication.time, file.digests.size);
            }
        }
        // '0' is the byte after '/', so this is after every path with the prefix.
        let until = if directory.is_empty() { "\u{10FFFF}".into() } else { format!("{directory}0") };
        let mut from = prefix.clone();
        loop {
            let version = (place.served.id(), publication.version);
            let files = catalog.unit_files_between(version, &from, &until, SCAN).await?;
            for file in &files {
                if let Some(inside) = file.path.strip_prefix(&prefix) {
                    add_child(&mut children, inside, file.published, file.size);
                }
            }
            let Some(last) = files.last().filter(|_| files.len() as i64 == SCAN) else {
                break;
            };
            let inside = last.path.strip_prefix(&prefix).unwrap_or_default();
            from = match inside.split_once('/') {
                // The rest of a subdirectory adds nothing.
                Some((child, _)) => format!("{prefix}{child}0"),
                // Nothing sorts between a path and this, since paths have no control characters.
                None => format!("{}\u{1}", last.path),
            };
        }
        let entry = |(name, (modified, size))| Entry { name, modified, size };
        Ok(Page { entries: children.into_iter().map(entry).collect(), freshness: Freshness::Immutable })
    }
}

type Children = BTreeMap<String, (Option<Timestamp>, Option<u64>)>;

fn add_child(children: &mut Children, inside: &str, modified: Timestamp, size: u64) {
    match inside.split_once('/') {
        Some((directory, _)) => children.insert(format!("{directory}/"), (None, None)),
        None => children.insert(inside.to_owned(), (Some(modified), Some(size))),
    };
}

enum Hash {
    Sha256(Sha256),
    Md5(Md5),
    Sha512(Sha512),
}

/// `directory/by-hash/SHA256/hex`: the directory and the hash, spelled as apt spells them.
fn by_hash(path: &str) -> Option<(&str, Hash)> {
    let (rest, hex) = path.rsplit_once('/')?;
    let (rest, algorithm) = rest.rsplit_once('/')?;
    let directory = if rest == "by-hash" { "" } else { rest.strip_suffix("/by-hash")? };
    let hash = match algorithm {
        "SHA256" => Hash::Sha256(hex.parse().ok()?),
        "MD5Sum" => Hash::Md5(hex.parse().ok()?),
        "SHA512" => Hash::Sha512(hex.parse().ok()?),
        _ => return None,
    };
    Some((directory, hash))
}

fn not_found(why: &str) -> Resolution {
    Resolution::NotFound(why.to_owned())
}

/// The newest checkpoint at or before `time`.
fn checkpoint_at(publications: &[Publication], time: Timestamp) -> Option<&Publication> {
    let end = publications.partition_point(|publication| publication.time <= time);
    publications[..end].iter().rev().find(|publication| publication.checkpoint)
}

fn dates(publications: &[Publication], now: Timestamp) -> Page {
    let visible = publications.iter().filter(|publication| publication.checkpoint && publication.time <= now);
    let entry = |publication: &Publication| Entry {
        name: format!("{}/", publication.time),
        modified: Some(publication.time),
        size: None,
    };
    Page { entries: visible.map(entry).collect(), freshness: Freshness::Changing }
}

/// The distribution whose base path is `path` or an ancestor of it, and what follows its slash.
fn find_distribution<'v, 'p>(view: &'v View, path: &'p str) -> Option<(&'v Distribution, Option<&'p str>)> {
    let slashes = path.match_indices('/').map(|(at, _)| at);
    for at in slashes {
        if let Some(distribution) = view.distributions.get(&path[..at]) {
            return Some((distribution, Some(&path[at + 1..])));
        }
    }
    view.distributions.get(path).map(|distribution| (distribution, None))
}

/// Above the distributions: the next segments of their base paths.
fn between_distributions(view: &View, path: &str) -> Resolution {
    let directory = path.strip_suffix('/').unwrap_or(path);
    let prefix = if directory.is_empty() { String::new() } else { format!("{directory}/") };
    let mut names = BTreeMap::new();
    let listed = view.distributions.iter().filter(|(_, distribution)| !distribution.hidden);
    for base_path in listed.map(|(base_path, _)| base_path) {
        if let Some(inside) = base_path.strip_prefix(&prefix) {
            let child = inside.split('/').next().unwrap_or(inside);
            names.insert(format!("{child}/"), ());
        }
    }
    if names.is_empty() && !directory.is_empty() {
        return not_found("no distribution is served there");
    }
    if !path.is_empty() && !path.ends_with('/') {
        return Resolution::AddSlash;
    }
    let entry = |name| Entry { name, modified: None, size: None };
    let entries = names.into_keys().map(entry).collect();
    Resolution::Directory(Arc::new(Page { entries, freshness: Freshness::Changing }))
}
