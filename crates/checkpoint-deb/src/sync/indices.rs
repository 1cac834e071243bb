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

/// One `Packages` or `Sources`, in the compression that is smallest.
pub(super) struct Index {
    /// The path of the plain file, from the suite's directory.
    pub(super) path: String,
    pub(super) lists: Lists,
    /// The one that its packages are for, if not for all.
    pub(super) architecture: String,
    pub(super) compression: Compression,
    /// The digest that stands for its content: of the plain file if Release lists it, else of the fetched one.
    pub(super) sha256: Sha256,
    /// What is fetched.
    fetched: Listed,
    /// The plain file, if Release lists it.
    pub(super) plain: Option<Listed>,
}

/// Size and digest out of Release.
#[derive(Clone, Copy)]
pub(super) struct Listed {
    pub(super) size: u64,
    pub(super) sha256: Sha256,
}

impl Index {
    /// The most that decompressing it may give, in bytes.
    pub(super) fn limit(&self) -> u64 {
        self.plain
            .map_or(self.fetched.size.saturating_mul(MAX_RATIO).saturating_add(1 << 20), |plain| plain.size)
    }
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
    architectures.insert("all".to_owned());
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
    let smallest = Compression::ALL.into_iter().filter_map(file).min_by_key(|(_, file)| file.size);
    let Some((compression, fetched)) = smallest else { return Ok(None) };
    let plain = file(Compression::None).map(|(_, file)| listed(file)).transpose()?;
    let fetched = listed(fetched)?;
    let sha256 = plain.unwrap_or(fetched).sha256;
    let architecture = architecture.to_owned();
    Ok(Some(Index { path, lists, architecture, compression, sha256, fetched, plain }))
}

fn listed(file: &ReleaseFile) -> Result<Listed> {
    let weak =
        || Error::Invalid(format!("Release lists '{}' without a SHA256, so it cannot be trusted", file.path));
    Ok(Listed { size: file.size, sha256: file.sha256.ok_or_else(weak)?.into() })
}

/// Fetches an index by its hash, where upstream offers that, else by its name.
pub(super) async fn fetch(
    job: &SyncJob<'_>,
    suite: &SuiteName,
    index: &Index,
    by_hash: bool,
) -> Result<Staged> {
    let directory = directory_url(job.url, suite);
    let Listed { size, sha256 } = index.fetched;
    let expected = Expected { sha256: Some(sha256), size: Some(size), limit: size };
    let (inside, _) = index.path.rsplit_once('/').unwrap_or(("", &index.path));
    if by_hash {
        match job.fetcher.fetch(&format!("{directory}/{inside}/by-hash/SHA256/{sha256}"), expected).await {
            // Some announce it and do not have it.
            Err(Error::Fetch { missing: true, .. }) => {}
            fetched => return fetched,
        }
    }
    let extension = index.compression.extension();
    let dot = if extension.is_empty() { "" } else { "." };
    job.fetcher.fetch(&format!("{directory}/{}{dot}{extension}", index.path), expected).await
}
