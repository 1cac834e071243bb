//! Making a new version out of the newest one: what `content add`, `content remove` and `sync` share.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::sink::CHANGED;
use super::{Engine, follow, retention};
use crate::artifacts::Staged;
use crate::catalog::{Change, KnownUnit, Transaction};
use crate::digest::{Digests, Sha256};
use crate::error::{Error, Result};
use crate::model::{Id, NewUnit, Placed, Remote, Repository};
use crate::plugin::{ContentType, Plugin, SameKey, SyncMode};
use crate::time::Timestamp;

/// What a modification came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Modified {
    /// The newest version now.
    pub version: i64,
    /// How many units it has more than the one before.
    pub added: usize,
    /// How many units it has no more.
    pub removed: usize,
}

/// The remote that units come from.
pub(super) struct Follow {
    pub(super) remote: Remote,
    /// What becomes of units that the remote does not have.
    pub(super) mode: SyncMode,
    /// All places that it is about.
    pub(super) places: HashSet<String>,
    /// Below which URL the files of each unit can be fetched.
    pub(super) bases: Vec<Arc<str>>,
}

/// What is to change, relative to the newest version at the time it is carried out.
#[derive(Default)]
pub(super) struct Modification {
    /// Units that shall be there.
    pub(super) units: Vec<Placed<NewUnit>>,
    /// Places where nothing else shall be.
    pub(super) exactly: HashSet<String>,
    /// Whether units follow an upstream: one replaces what has its key in its place, and stands beside what has
    /// its key elsewhere. Otherwise the plugin decides.
    pub(super) follow: Option<Follow>,
    /// Units that shall not be there.
    pub(super) remove: Vec<Placed<Id>>,
    /// What a sync remembers: remote, name, value.
    pub(super) remember: Vec<(Id, String, Value)>,
    /// What the files of new units are.
    pub(super) artifacts: Vec<Digests>,
}

impl Engine {
    /// Puts staged bytes into the store, except what is there already, and says what all of them are.
    pub(super) async fn store_staged(&self, staged: Vec<Staged>) -> Result<Vec<Digests>> {
        let digests: Vec<Digests> = staged.iter().map(|staged| *staged.digests()).collect();
        let wanted: Vec<_> = digests.iter().map(|digests| digests.sha256).collect();
        let known = self.catalog.known_artifacts(&wanted).await?;
        let mut seen = HashSet::new();
        let mut new = staged;
        new.retain(|staged| {
            let sha256 = staged.digests().sha256;
            !known.contains_key(&sha256) && seen.insert(sha256)
        });
        self.store.put(new).await?;
        Ok(digests)
    }

    /// Makes the next version in one transaction. If nothing changes there is no new version.
    pub(super) async fn modify(&self, repository: &Repository, change: Modification) -> Result<Modified> {
        let plugin = self.registry.get(&repository.plugin)?;
        let mut transaction = self.catalog.begin().await?;
        let locked = transaction.lock_repository(repository.id).await?;
        transaction.insert_artifacts(&change.artifacts, self.now()).await?;
        for (remote, name, value) in &change.remember {
            transaction.set_sync_state(repository.id, *remote, name, value).await?;
        }
        let (now, unserved) = (self.now(), plugin.declaration().unserved());
        let Difference { added, removed } = match &change.follow {
            Some(follow) => {
                let what = (&change, follow);
                follow::difference(&mut transaction, (repository, now), what, &unserved).await?
            }
            None => difference(&mut transaction, (repository.id, now), &*plugin, &change).await?,
        };
        let mut version = transaction.repository(&repository.name).await?.latest_version;
        if !(added.is_empty() && removed.is_empty()) {
            version = locked.next_version;
            let change = Change { added: &added, removed: &removed, now: self.now() };
            transaction.create_version(repository.id, version, change).await?;
            retention::keep_versions(&mut transaction, &repository.name).await?;
        }
        transaction.commit().await?;
        Ok(Modified { version, added: added.len(), removed: removed.len() })
    }
}

/// What the new version has more and less than the one before it.
pub(super) struct Difference {
    pub(super) added: Vec<Placed<Id>>,
    pub(super) removed: Vec<Placed<Id>>,
}

/// What a user's change comes to.
async fn difference(
    transaction: &mut Transaction,
    (repository, now): (Id, Timestamp),
    plugin: &dyn Plugin,
    change: &Modification,
) -> Result<Difference> {
    let Settled { wanted, replaced } =
        settle_keys(transaction, (repository, now), plugin, &change.units).await?;
    let mut leaving: HashSet<Placed<Id>> = change.remove.iter().cloned().collect();
    leaving.extend(replaced);
    leaving.retain(|placed| !wanted.contains(placed));
    let ids: Vec<Id> = wanted.iter().chain(&leaving).map(|placed| placed.unit).collect();
    let present = transaction.placed_among(repository, &ids).await?;
    let added: Vec<_> = wanted.into_iter().filter(|placed| !present.contains(placed)).collect();
    let mut removed: Vec<_> = leaving.into_iter().filter(|placed| present.contains(placed)).collect();
    let changed: HashSet<&str> = added.iter().chain(&removed).map(|placed| placed.place.as_str()).collect();
    let outdated: HashSet<_> = changed.into_iter().flat_map(|place| plugin.outdated(place)).collect();
    for (place, content_type) in outdated {
        removed.extend(transaction.placed_of_type(repository, &place, content_type).await?);
    }
    let changed: HashSet<&str> = added.iter().chain(&removed).map(|placed| placed.place.as_str()).collect();
    for place in changed {
        transaction.remember_of_place(repository, place, CHANGED).await?;
    }
    Ok(Difference { added, removed })
}

/// Which rows the new units are, once it is decided what happens to those whose key is taken.
struct Settled {
    wanted: HashSet<Placed<Id>>,
    replaced: Vec<Placed<Id>>,
}

async fn settle_keys(
    transaction: &mut Transaction,
    (repository, now): (Id, Timestamp),
    plugin: &dyn Plugin,
    units: &[Placed<NewUnit>],
) -> Result<Settled> {
    let by_key = distinct(units)?;
    let keys: Vec<&str> = by_key.keys().map(|(_, key)| *key).collect();
    let mut known: HashMap<(String, String), Vec<KnownUnit>> = HashMap::new();
    for unit in transaction.units_with_keys(repository, &keys).await? {
        known.entry((unit.unit.content_type.clone(), unit.unit.key.clone())).or_default().push(unit);
    }
    let mut used = HashMap::new();
    let mut replaced_ids = HashSet::new();
    for (&(content_type, key), unit) in &by_key {
        for known in known.remove(&(content_type.to_owned(), key.to_owned())).unwrap_or_default() {
            match plugin.same_key(&known, unit) {
                _ if known.unit.body == unit.body && known.artifacts == unit.artifacts => {}
                SameKey::UseKnown => drop(used.insert((content_type, key), known.unit.id)),
                SameKey::Replace => drop(replaced_ids.insert(known.unit.id)),
                SameKey::Refuse(sentence) => return Err(Error::Conflict(sentence)),
            }
        }
    }
    let new = by_key.iter().filter(|(key, _)| !used.contains_key(*key));
    let (new_keys, new_units): (Vec<_>, Vec<&NewUnit>) = new.map(|(key, unit)| (*key, *unit)).unzip();
    let unserved = plugin.declaration().unserved();
    let ids = transaction.insert_units(&new_units, &unserved, now).await?;
    check_paths(transaction, repository, plugin, (&new_units, &ids, &replaced_ids)).await?;
    used.extend(new_keys.into_iter().zip(ids));
    let row = |placed: &Placed<NewUnit>| {
        let id = used.get(&(placed.unit.content_type, placed.unit.key.as_str()))?;
        Some(Placed { place: placed.place.clone(), unit: *id })
    };
    let replaced_ids: Vec<Id> = replaced_ids.into_iter().collect();
    let replaced = transaction.placed_among(repository, &replaced_ids).await?.into_iter().collect();
    Ok(Settled { wanted: units.iter().filter_map(row).collect(), replaced })
}

/// The units by type and key. Two different ones with the same key are refused: which one is meant?
fn distinct(units: &[Placed<NewUnit>]) -> Result<HashMap<(&'static str, &str), &NewUnit>> {
    let mut by_key = HashMap::with_capacity(units.len());
    for Placed { unit, .. } in units {
        let first = by_key.entry((unit.content_type, unit.key.as_str())).or_insert(unit);
        let bytes = |unit: &NewUnit| unit.artifacts.iter().map(|file| file.sha256).collect::<Vec<_>>();
        if bytes(first) != bytes(unit) {
            return Err(Error::Conflict(format!("{} is given twice, with different bytes", unit.key)));
        }
    }
    Ok(by_key)
}

/// Refuses a unit whose file would stand where another unit has other bytes.
async fn check_paths(
    transaction: &mut Transaction,
    repository: Id,
    plugin: &dyn Plugin,
    (units, ids, replaced): (&[&NewUnit], &[Id], &HashSet<Id>),
) -> Result<()> {
    let types = plugin.declaration().content;
    let immutable =
        |content_type: &str| types.iter().any(|t: &ContentType| t.name == content_type && t.immutable_paths);
    let new_ids: HashSet<Id> = ids.iter().copied().collect();
    let files = || {
        units.iter().zip(ids).flat_map(|(unit, id)| unit.artifacts.iter().map(move |file| (*unit, *id, file)))
    };
    let paths: Vec<&str> = files().map(|(_, _, file)| file.path.as_str()).collect();
    let mut taken: HashMap<String, Vec<(Id, Sha256)>> = HashMap::new();
    let known = transaction.files_at_paths(repository, &paths).await?;
    let known_ids: Vec<Id> = known.iter().map(|(id, _)| *id).collect();
    let present: HashSet<Id> = transaction
        .placed_among(repository, &known_ids)
        .await?
        .into_iter()
        .map(|placed| placed.unit)
        .collect();
    let known = known.into_iter().map(|(id, file)| (id, file.path.to_string(), file.sha256));
    let own = files().map(|(_, id, file)| (id, file.path.to_string(), file.sha256));
    for (id, path, sha256) in known.chain(own) {
        taken.entry(path).or_default().push((id, sha256));
    }
    for (unit, id, file) in files() {
        let others = taken.get(file.path.as_str()).into_iter().flatten();
        let stands =
            |other: &Id| new_ids.contains(other) || present.contains(other) || immutable(unit.content_type);
        let mut clashing = others.filter(|(other, sha256)| {
            *other != id && *sha256 != file.sha256 && !replaced.contains(other) && stands(other)
        });
        if clashing.next().is_some() {
            return Err(Error::Conflict(format!(
                "{} would stand at '{}', where the repository has other bytes",
                unit.key, file.path
            )));
        }
    }
    Ok(())
}
