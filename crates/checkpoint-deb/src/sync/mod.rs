//! From an upstream archive to units: Release files that can be trusted, the indices that they list, and the
//! packages that these list. Everything upstream says is hostile until it is checked.

mod indices;
mod packages;
mod release;

use std::collections::BTreeMap;

use checkpoint_core::digest::Sha256;
use checkpoint_core::plugin::{SyncJob, UnitFiles};
use checkpoint_core::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::options::{self, Policy, RemoteOptions, SuiteName};
use crate::place;
use release::{Known, Upstream};

/// How often a suite is begun anew because upstream changed while it was read.
const ATTEMPTS: usize = 3;

/// What is remembered of a suite from one sync to the next.
#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    /// The options that it was synced with. With others, nothing of it counts.
    options: Value,
    release: Known,
    /// The digest of each plain index, by its path.
    indices: BTreeMap<String, Sha256>,
}

/// Fetches what changed, and gives it to the sink.
pub(crate) async fn sync(mut job: SyncJob<'_>) -> Result<()> {
    let options: RemoteOptions = options::parse(job.options)?;
    if options.keyring.is_none() && !options.allow_unsigned {
        return Err(Error::Invalid(
            "the remote has no keyring: nothing from it can be trusted unless it was created with --allow-unsigned".into(),
        ));
    }
    if options.suite.is_empty() {
        return Err(Error::Invalid("the remote names no suite".into()));
    }
    let mut found = packages::Found::default();
    for suite in &options.suite {
        sync_suite(&mut job, &options, suite, &mut found).await?;
    }
    match options.policy {
        Policy::Immediate => packages::fetch(&mut job, found).await,
        Policy::OnDemand => {
            let base = job.url;
            for unit in found.into_units() {
                let urls = unit.unit.artifacts.iter().map(|file| packages::url(base, file.path.as_str()));
                let urls = urls.collect();
                job.sink.add(unit, UnitFiles::Remote(urls)).await?;
            }
            Ok(())
        }
    }
}

/// Reads one suite, once more if upstream was changed in the middle: either the old state or the new one.
async fn sync_suite(
    job: &mut SyncJob<'_>,
    options: &RemoteOptions,
    suite: &SuiteName,
    found: &mut packages::Found,
) -> Result<()> {
    let state_name = format!("suite {}", suite.as_str());
    let state = job.sink.recall(&state_name).map(State::deserialize).transpose();
    let state = state.map_err(|error| {
        Error::Corrupt(format!("what is known of '{state_name}' cannot be read: {error}"))
    })?;
    // What the trust in an upstream rests on counts whatever the options are; what may be skipped does not.
    let mut state = state.unwrap_or_default();
    if state.options != *job.options {
        state.indices.clear();
        state.release.validators = Default::default();
    }
    let mut last_error = None;
    let mut before = None;
    for _ in 0..ATTEMPTS {
        let Some(upstream) = release::fetch(job, options, suite, &state.release).await? else {
            return Ok(());
        };
        if before.as_ref() == Some(&upstream.known.sha256) {
            break;
        }
        before = Some(upstream.known.sha256);
        match read_indices(job, options, suite, &upstream, &state).await {
            Ok((units, indices)) => {
                found.extend(units)?;
                let state = State { options: job.options.clone(), release: upstream.known, indices };
                let value =
                    serde_json::to_value(&state).map_err(|error| Error::Internal(error.to_string()))?;
                job.sink.remember(&state_name, value);
                return Ok(());
            }
            Err(error) => {
                last_error = Some(error);
                state.release.validators = Default::default();
            }
        }
    }
    Err(last_error.unwrap_or_else(|| Error::Internal("a suite was never read".into())))
}

/// The units of every component of which an index has changed; such a component is claimed as a whole.
async fn read_indices(
    job: &mut SyncJob<'_>,
    options: &RemoteOptions,
    suite: &SuiteName,
    upstream: &Upstream,
    state: &State,
) -> Result<(Vec<packages::PlacedUnit>, BTreeMap<String, Sha256>)> {
    let chosen = indices::choose(&upstream.release, options, suite)?;
    let (mut units, mut digests, mut claims) = (Vec::new(), BTreeMap::new(), Vec::new());
    for (component, indices) in chosen {
        let mut changed = false;
        for index in &indices {
            changed |= state.indices.get(&index.path) != Some(&index.sha256);
            digests.insert(index.path.clone(), index.sha256);
        }
        let place = place::join(suite.as_str(), &component);
        if !changed {
            continue;
        }
        for index in &indices {
            let fetched = indices::fetch(job, suite, index, upstream.release.acquire_by_hash).await?;
            units.extend(packages::read(&fetched, index, &place)?);
        }
        claims.push(place);
    }
    claims.iter().for_each(|place| job.sink.claim(place));
    Ok((units, digests))
}
