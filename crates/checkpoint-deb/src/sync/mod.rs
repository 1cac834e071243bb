//! From an upstream archive to units: Release files that can be trusted, the indices that they list, and the
//! packages that these list. Everything upstream says is hostile until it is checked.

mod release;
mod choose;
mod indices;
mod packages;
mod extras;
mod filter;

use std::collections::BTreeMap;
use std::sync::Arc;

use checkpoint_core::digest::Sha256;
use checkpoint_core::model::Policy;
use checkpoint_core::plugin::SyncJob;
use checkpoint_core::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::options::{self, RemoteOptions, SuiteName};
use crate::place;
use choose::Part;
use extras::Extras;
use indices::Directory;
use packages::PlacedUnit;
use release::{Known, Upstream};

/// How often a suite is begun anew because upstream changed while it was read.
const ATTEMPTS: usize = 3;

/// What is remembered of a suite from one sync to the next.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct State {
    /// The options and the policy that it was synced with. With others, nothing of it counts.
    options: Value,
    policy: Policy,
    release: Known,
    /// The digest of each plain index, by its path.
    indices: BTreeMap<String, Sha256>,
    places: Vec<String>,
}

/// A suite that has changed.
struct Changed {
    state: State,
    units: Vec<PlacedUnit>,
    /// Places whose units are all among them.
    claimed: Vec<String>,
    /// Places that are as they were.
    left: Vec<String>,
}

/// What a look at a suite found.
enum Look {
    /// Its places are as they were.
    Unchanged(Vec<String>),
    Changed(Box<Changed>),
}

impl Look {
    fn is_partial(&self) -> bool {
        match self {
            Look::Unchanged(_) => true,
            Look::Changed(changed) => !changed.left.is_empty(),
        }
    }
}

/// Fetches what changed, and gives it to the sink.
pub(crate) async fn sync(mut job: SyncJob<'_>) -> Result<()> {
    let options: RemoteOptions = options::parse(job.options)?;
    if options.keyring.is_none() && !options.allow_unsigned {
        return Err(Error::Invalid(
            "the remote has no keyring: nothing from it can be trusted unless it has --allow-unsigned".into(),
        ));
    }
    if options.suite.is_empty() {
        return Err(Error::Invalid("the remote names no suite".into()));
    }
    let mut looks = look(&mut job, &options, false).await?;
    if let Some(filter) = &options.filter {
        let partial = looks.iter().any(Look::is_partial);
        if partial && looks.iter().any(|look| matches!(look, Look::Changed(_))) {
            // What a package needs may have changed in another suite than the package.
            looks = look(&mut job, &options, true).await?;
        }
        let changed = looks.iter_mut().filter_map(|look| match look {
            Look::Changed(changed) => Some(&mut changed.units),
            Look::Unchanged(_) => None,
        });
        filter::apply(filter, changed.collect(), job.sink)?;
    }
    options.suite.iter().zip(looks).try_for_each(|(suite, look)| give(&mut job, suite, look))
}

/// Gives a suite to the sink.
fn give(job: &mut SyncJob<'_>, suite: &SuiteName, look: Look) -> Result<()> {
    let Changed { mut state, units, claimed, left } = match look {
        Look::Unchanged(places) => {
            places.iter().for_each(|place| job.sink.leave(place));
            return Ok(());
        }
        Look::Changed(changed) => *changed,
    };
    let base = Arc::from(job.url.trim_end_matches('/'));
    units.into_iter().for_each(|unit| job.sink.add(unit, &base));
    claimed.iter().for_each(|place| job.sink.claim(place));
    left.iter().for_each(|place| job.sink.leave(place));
    state.places = claimed.into_iter().chain(left).collect();
    let value = serde_json::to_value(&state).map_err(|error| Error::Internal(error.to_string()))?;
    job.sink.remember(&state_name(suite), value);
    Ok(())
}

fn state_name(suite: &SuiteName) -> String {
    format!("suite {}", suite.as_str())
}

/// Looks at all suites; afresh means as if nothing but the trust were known of them.
async fn look(job: &mut SyncJob<'_>, options: &RemoteOptions, afresh: bool) -> Result<Vec<Look>> {
    let mut looks = Vec::with_capacity(options.suite.len());
    for suite in &options.suite {
        let name = state_name(suite);
        let state = job.sink.recall(&name).map(State::deserialize).transpose();
        let state = state
            .map_err(|error| Error::Corrupt(format!("what is known of '{name}' cannot be read: {error}")))?;
        // What the trust in an upstream rests on counts whatever the options are; what may be skipped does not.
        let mut state = state.unwrap_or_default();
        let other = state.options != *job.options || state.policy != job.policy;
        if other || afresh || job.sink.must_look() {
            state.indices.clear();
            state.release.validators = Default::default();
        }
        looks.push(look_at(job, options, suite, state).await?);
    }
    Ok(looks)
}

/// Reads one suite, once more if upstream was changed in the middle: either the old state or the new one.
async fn look_at(
    job: &mut SyncJob<'_>,
    options: &RemoteOptions,
    suite: &SuiteName,
    mut state: State,
) -> Result<Look> {
    let mut last_error = None;
    let mut before = None;
    for _ in 0..ATTEMPTS {
        let Some(upstream) = release::fetch(job, options, suite, &state.release).await? else {
            return Ok(Look::Unchanged(state.places));
        };
        if before.as_ref() == Some(&upstream.known.sha256) {
            break;
        }
        before = Some(upstream.known.sha256);
        match (Reader { job, options, suite, state: &state }).read(upstream).await {
            Ok(changed) => return Ok(Look::Changed(Box::new(changed))),
            Err(error) => {
                last_error = Some(error);
                state.release.validators = Default::default();
            }
        }
    }
    Err(last_error.unwrap_or_else(|| Error::Internal("a suite was never read".into())))
}

/// Reads a suite once.
struct Reader<'a, 'job> {
    job: &'a mut SyncJob<'job>,
    options: &'a RemoteOptions,
    suite: &'a SuiteName,
    state: &'a State,
}

impl Reader<'_, '_> {
    /// The units of every component of which a file has changed; such a component is claimed as a whole.
    async fn read(&mut self, mut upstream: Upstream) -> Result<Changed> {
        let (suite, options) = (self.suite.as_str(), self.options);
        let directory = Directory {
            url: release::directory_url(self.job.url, self.suite),
            by_hash: upstream.release.acquire_by_hash,
        };
        // What is filtered is not what upstream has signed.
        let verbatim = options.verbatim && options.filter.is_none();
        let parts = choose::choose(&upstream.release, options, self.suite)?;
        let state = State { options: self.job.options.clone(), policy: self.job.policy, ..State::default() };
        let mut changed = Changed { state, units: Vec::new(), claimed: Vec::new(), left: Vec::new() };
        let mut missing = Vec::new();
        for (component, part) in &parts {
            let place = place::join(suite, component.as_deref());
            let known = |(path, sha256): (String, Sha256)| self.state.indices.get(&path) == Some(&sha256);
            let unchanged = part.digests().all(known);
            changed.state.indices.extend(part.digests());
            if unchanged && component.is_some() {
                changed.left.push(place);
                continue;
            }
            let extras = Extras { suite, place: &place, directory: &directory, verbatim };
            changed.units.extend(self.read_part(part, &extras, &mut missing).await?);
            changed.claimed.push(place);
        }
        // The Release files belong to the suite as a whole, and have changed or nobody would be here.
        let extras = Extras { suite, place: suite, directory: &directory, verbatim };
        if verbatim {
            let companions = upstream.keep(self.job, options, &directory.url).await?;
            let keyring = options.keyring.as_deref();
            changed.units.push(extras.release(&upstream.release, &companions, keyring)?);
        }
        if !parts.contains_key(&None) {
            changed.claimed.push(suite.to_owned());
        }
        if let Some((first, rest)) = missing.split_first() {
            let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
            self.job
                .sink
                .remark(format!("suite '{suite}' lists what the upstream does not have: '{first}'{more}"));
        }
        changed.state.release = upstream.known;
        Ok(changed)
    }

    async fn read_part(
        &mut self,
        part: &Part,
        extras: &Extras<'_>,
        missing: &mut Vec<String>,
    ) -> Result<Vec<PlacedUnit>> {
        let mut units = Vec::new();
        for index in &part.indices {
            let fetched = indices::fetch(self.job, extras.directory, &index.forms).await?;
            let read = packages::read(&fetched, index, extras.place)?;
            if extras.verbatim {
                self.job.sink.keep(vec![fetched.staged]).await?;
                units.extend(extras.forms(self.job, index).await?);
            }
            units.extend(read);
        }
        units.extend(extras.files(self.job, part, missing).await?);
        for sums in &part.images {
            units.extend(extras.images(self.job, sums).await?);
        }
        Ok(units)
    }
}
