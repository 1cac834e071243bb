//! Which indices a remote is about, and fetching them.

use std::collections::{BTreeMap, BTreeSet};

use checkpoint_core::artifacts::Staged;
use checkpoint_core::digest::Sha256;
use checkpoint_core::plugin::{Expected, SyncJob};
use checkpoint_core::{Error, Result};
use debian_format::compression::Compression;
use debian_format::release::{Release, ReleaseFile};

use super::release::directory_url;
use crate::options::{RemoteOptions, SuiteName};

/// What is read of an index whose plain size Release does not say, for each byte of the compressed one.
const MAX_RATIO: u64 = 200;

/// What an index lists.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lists {
    Packages,
    Sources,
}

/// One `Packages` or `Sources`.
pub(super) struct Index {
    /// The path of the plain file, from the suite's directory.
    pub(super) path: String,
    pub(super) lists: Lists,
    /// The one that its packages are for, if not for all.
    pub(super) architecture: String,
    /// The digest that stands for its content: of the plain file if Release lists it, else of the smallest.
    pub(super) sha256: Sha256,
    /// In which compressions it can be had, the smallest first.
    offered: Vec<(Compression, Listed)>,
    /// The plain file, if Release lists it.
    pub(super) plain: Option<Listed>,
}

/// Size and digest out of Release.
#[derive(Clone, Copy)]
pub(super) struct Listed {
    pub(super) size: u64,
    pub(super) sha256: Sha256,
}

/// An index that was fetched.
pub(super) struct Fetched {
    pub(super) staged: Staged,
    pub(super) compression: Compression,
    /// The most that decompressing it may give, in bytes.
    pub(super) limit: u64,
}

/// The indices of each component that the remote is about.
pub(super) fn choose(
    release: &Release,
    options: &RemoteOptions,
    suite: &SuiteName,
) -> Result<BTreeMap<String, Vec<Index>>> {
    let has = |wanted: &str, there: &[String], what: &str| {
        // debian-security lists `updates/main` where everybody says main.
        let found = there.iter().any(|name| name == wanted || name.rsplit('/').next() == Some(wanted));
        let there = there.join(", ");
        found.then_some(()).ok_or_else(|| {
            Error::Invalid(format!("suite '{}' has no {what} '{wanted}'; it has {there}", suite.as_str()))
        })
    };
    let components: BTreeSet<String> = match options.component.is_empty() {
        true => {
            release.components.iter().filter_map(|name| Some(name.rsplit('/').next()?.to_owned())).collect()
        }
        false => options.component.iter().map(|name| name.as_str().to_owned()).collect(),
    };
    let mut architectures: BTreeSet<String> = match options.architecture.is_empty() {
        true => release.architectures.iter().cloned().collect(),
        false => options.architecture.iter().map(|name| name.as_str().to_owned()).collect(),
    };
    components.iter().try_for_each(|name| has(name, &release.components, "component"))?;
    architectures.iter().try_for_each(|name| has(name, &release.architectures, "architecture"))?;
    // Where every index has the packages for all architectures, nobody needs those by themselves.
    let in_each = release.no_support_for_architecture_all.as_deref() == Some("Packages");
    if in_each && architectures.len() > 1 {
        architectures.remove("all");
    } else if !in_each {
        architectures.insert("all".to_owned());
    }
    let files: BTreeMap<&str, &ReleaseFile> =
        release.files.iter().map(|file| (file.path.as_str(), file)).collect();
    let mut chosen = BTreeMap::new();
    for component in components {
        let mut indices = Vec::new();
        for architecture in &architectures {
            let path = format!("{component}/binary-{architecture}/Packages");
            indices.extend(find(&files, path, Lists::Packages, architecture)?);
        }
        if options.sources {
            indices.extend(find(&files, format!("{component}/source/Sources"), Lists::Sources, "")?);
        }
        if indices.is_empty() {
            let suite = suite.as_str();
            return Err(Error::Invalid(format!(
                "suite '{suite}' lists no Packages for component '{component}'"
            )));
        }
        chosen.insert(component, indices);
    }
    Ok(chosen)
}

fn find(
    files: &BTreeMap<&str, &ReleaseFile>,
    path: String,
    lists: Lists,
    architecture: &str,
) -> Result<Option<Index>> {
    let file = |compression: Compression| {
        let extension = compression.extension();
        let path = if extension.is_empty() { path.clone() } else { format!("{path}.{extension}") };
        Some((compression, *files.get(path.as_str())?))
    };
    let offered = Compression::ALL.into_iter().filter_map(file);
    let offered = offered.map(|(compression, file)| Ok((compression, listed(file)?)));
    let mut offered: Vec<(Compression, Listed)> = offered.collect::<Result<_>>()?;
    offered.sort_by_key(|(_, listed)| listed.size);
    let Some((_, smallest)) = offered.first() else { return Ok(None) };
    let plain = offered.iter().find(|(compression, _)| *compression == Compression::None);
    let plain = plain.map(|(_, listed)| *listed);
    let sha256 = plain.unwrap_or(*smallest).sha256;
    Ok(Some(Index { path, lists, architecture: architecture.to_owned(), sha256, offered, plain }))
}

fn listed(file: &ReleaseFile) -> Result<Listed> {
    let weak =
        || Error::Invalid(format!("Release lists '{}' without a SHA256, so it cannot be trusted", file.path));
    Ok(Listed { size: file.size, sha256: file.sha256.ok_or_else(weak)?.into() })
}

/// Fetches an index in the smallest compression that is there: by its hash, where upstream offers that, else by its
/// name.
pub(super) async fn fetch(
    job: &SyncJob<'_>,
    suite: &SuiteName,
    index: &Index,
    by_hash: bool,
) -> Result<Fetched> {
    let directory = directory_url(job.url, suite);
    let (inside, _) = index.path.rsplit_once('/').unwrap_or(("", &index.path));
    let mut missing = None;
    for &(compression, Listed { size, sha256 }) in &index.offered {
        let extension = compression.extension();
        let dot = if extension.is_empty() { "" } else { "." };
        let named = format!("{directory}/{}{dot}{extension}", index.path);
        let hashed = by_hash.then(|| format!("{directory}/{inside}/by-hash/SHA256/{sha256}"));
        for url in hashed.into_iter().chain([named]) {
            let expected = Expected { sha256: Some(sha256), size: Some(size), limit: size };
            match job.fetcher.fetch(&url, expected).await {
                Ok(staged) => {
                    let ratio = size.saturating_mul(MAX_RATIO).saturating_add(1 << 20);
                    let limit = index.plain.map_or(ratio, |plain| plain.size);
                    return Ok(Fetched { staged, compression, limit });
                }
                // Some announce what they do not have.
                Err(error @ Error::Fetch { missing: true, .. }) => missing = missing.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
    }
    Err(missing.unwrap_or_else(|| Error::Internal(format!("'{}' is not offered", index.path))))
}
