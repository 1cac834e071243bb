//! From a version to `dists/`: indices for every suite, component and architecture, and signed Release files.

mod packages;
mod release;

use std::sync::Arc;

use checkpoint_core::Result;
use checkpoint_core::name::RelativePath;
use checkpoint_core::plugin::{PublishJob, Seal};
use checkpoint_core::signer::Signer;
use checkpoint_core::time::Timestamp;
use debian_format::release::Release;

use crate::options::{self, RepositoryOptions};
use crate::place;

/// Where the public keys are, at the root of the publication.
pub(crate) const KEYS: &str = "archive-key.asc";

/// Writes the indices; the Release files follow once the time is known.
pub(crate) fn publish(job: PublishJob<'_>) -> Result<Seal> {
    let options: RepositoryOptions = options::parse(job.repository_options)?;
    let suites = place::suites(job.contents, &options)?;
    packages::write(job.contents, &suites, job.writer)?;
    let fields = release::Fields {
        repository: job.repository.as_str(),
        options: &options,
        snapshots: job.checkpoints_url.map(|url| url.replace("@TIME@", "@SNAPSHOTID@")),
    };
    let mut releases = Vec::with_capacity(suites.len());
    for (name, suite) in &suites {
        releases.push((name.clone(), release::release(name, suite, &fields, job.writer)?));
    }
    let signer = job.signer;
    Ok(Box::new(move |time| seal(&releases, &signer, time)))
}

/// The files that carry the time. Date is the publication's time, so it is never ahead of the clock of a client
/// that can see it (apt refuses a Date in the future).
fn seal(
    releases: &[(String, Release)],
    signer: &Arc<dyn Signer>,
    time: Timestamp,
) -> Result<Vec<(RelativePath, Vec<u8>)>> {
    let mut files = Vec::with_capacity(3 * releases.len() + 1);
    for (suite, release) in releases {
        let text = release::text(&Release { date: time.unix(), ..release.clone() })?;
        let mut add = |name: &str, bytes: Vec<u8>| -> Result<()> {
            files.push((format!("dists/{suite}/{name}").parse()?, bytes));
            Ok(())
        };
        add("InRelease", signer.clearsign(&text, time.system_time())?)?;
        add("Release.gpg", signer.detach(&text, time.system_time())?)?;
        add("Release", text)?;
    }
    if !releases.is_empty() {
        files.push((KEYS.parse()?, signer.public_keys()?.into_bytes()));
    }
    Ok(files)
}
