//! From a version to a tree: either indices made anew and signed by us, or what the upstream signed.

mod indices;
mod release;
mod simple;
mod verbatim;

use std::sync::Arc;

use checkpoint_core::name::RelativePath;
use checkpoint_core::plugin::{PublishJob, ResealJob, Resealed, Seal};
use checkpoint_core::signer::Signer;
use checkpoint_core::time::Timestamp;
use checkpoint_core::{Error, Result};
use debian_format::release::Release;

use crate::files::KEYS;
use crate::options::{self, Kind, PublicationOptions, RepositoryOptions};
use crate::place;

/// What kind of publication is asked for.
pub(crate) fn kind(options: &serde_json::Value, repository: &RepositoryOptions) -> Result<Kind> {
    let options: PublicationOptions = options::parse(options)?;
    Ok(options.kind.unwrap_or(repository.publication))
}

/// Writes all files but those that carry the publication's time.
pub(crate) fn publish(job: PublishJob<'_>) -> Result<Seal> {
    let options: RepositoryOptions = options::parse(job.repository_options)?;
    match kind(job.options, &options)? {
        Kind::Apt => apt(job, &options),
        Kind::Verbatim => {
            verbatim::write(job.contents, job.writer)?;
            Ok(Box::new(|_| Ok(Vec::new())))
        }
    }
}

/// Writes the indices; the Release files follow once the time is known.
fn apt(job: PublishJob<'_>, options: &RepositoryOptions) -> Result<Seal> {
    let suites = place::suites(job.contents, options)?;
    let fields = release::Fields {
        repository: job.repository.as_str(),
        options,
        snapshots: job.checkpoints_url.map(|url| url.replace("@TIME@", "@SNAPSHOTID@")),
    };
    let mut releases: Vec<(String, Release)> =
        suites.iter().map(|(name, suite)| (name.clone(), release::release(name, suite, &fields))).collect();
    indices::write(job.contents, &suites, &mut releases, job.writer)?;
    if options::parse::<PublicationOptions>(job.options)?.simple {
        if suites.contains_key(simple::SUITE) {
            return Err(Error::Conflict(format!("the repository has a suite '{}' already", simple::SUITE)));
        }
        let simple = simple::Simple::new(job.contents);
        let suites = place::suites(&simple, &RepositoryOptions::default())?;
        let mut own: Vec<(String, Release)> = suites
            .iter()
            .map(|(name, suite)| (name.clone(), release::release(name, suite, &fields)))
            .collect();
        indices::write(&simple, &suites, &mut own, job.writer)?;
        releases.extend(own);
    }
    let directory = |(suite, release): (String, Release)| (place::path_in(&suite, ""), release);
    let releases: Vec<(String, Release)> = releases.into_iter().map(directory).collect();
    let signer = job.signer;
    Ok(Box::new(move |time| seal(&releases, &signer, time)))
}

/// The files that carry the time, for each directory (with its slash) that has a Release. Date is the publication's time, so it is never ahead of the clock of a client
/// that can see it (apt refuses a Date in the future).
fn seal(
    releases: &[(String, Release)],
    signer: &Arc<dyn Signer>,
    time: Timestamp,
) -> Result<Vec<(RelativePath, Vec<u8>)>> {
    let mut files = Vec::with_capacity(3 * releases.len() + 1);
    for (directory, release) in releases {
        let text = release::text(&Release { date: time.unix(), ..release.clone() })?;
        let path = |name: &str| format!("{directory}{name}").parse::<RelativePath>();
        files.push((path("InRelease")?, signer.clearsign(&text, time.system_time())?));
        files.push((path("Release.gpg")?, signer.detach(&text, time.system_time())?));
        files.push((path("Release")?, text));
    }
    if !releases.is_empty() {
        files.push((KEYS.parse()?, signer.public_keys()?.into_bytes()));
    }
    Ok(files)
}

/// Signs the Release files of a publication anew, with another Date and nothing else changed.
pub(crate) fn reseal(job: ResealJob<'_>) -> Result<Resealed> {
    let options: RepositoryOptions = options::parse(job.repository_options)?;
    if kind(job.options, &options)? == Kind::Verbatim {
        let why = "its Release is signed by the upstream and cannot be signed anew, and apt ignores one that is older";
        return Ok(Resealed::Impossible(why.into()));
    }
    let mut releases = Vec::new();
    for directory in job.files.iter().filter_map(|path| path.strip_suffix("InRelease")) {
        let text = (job.read)(&format!("{directory}Release"))?;
        let corrupt = |error| Error::Corrupt(format!("'{directory}Release' cannot be read: {error}"));
        releases.push((directory.to_owned(), Release::parse(&text).map_err(corrupt)?));
    }
    let signer = job.signer;
    Ok(Resealed::Seal(Box::new(move |time| seal(&releases, &signer, time))))
}
