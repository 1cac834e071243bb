//! What a version has to differ by to be as an upstream is. What an upstream says is so: its units are not held
//! against earlier ones, but two of them cannot stand at one path, and two remotes cannot fill one place.

use std::collections::{HashMap, HashSet};

use super::modify::{Difference, Follow, Modification};
use super::sink::url_of;
use crate::catalog::{PlacedUnit, RemoteArtifact, Transaction, identity};
use crate::digest::Sha256;
use crate::error::{Error, Result};
use crate::model::{Id, NewUnit, Placed, Repository};
use crate::plugin::SyncMode;
use crate::time::Timestamp;

/// How many sources are recorded in one go.
const SOURCES: usize = 4096;

pub(super) async fn difference(
    transaction: &mut Transaction,
    (repository, now): (&Repository, Timestamp),
    (change, follow): (&Modification, &Follow),
    unserved: &[&str],
) -> Result<Difference> {
    let (known_places, emptied) = places(transaction, repository, follow).await?;
    check_own_paths(&change.units)?;
    let present = transaction.placed_units(repository.id).await?;
    let ids = rows(transaction, (&change.units, now), &present, unserved).await?;
    let wanted: HashSet<(&str, Id)> = placed_ids(&change.units, &ids).collect();
    let replaced_keys = open_keys(change);
    let leaves = |unit: &PlacedUnit| {
        let key = (unit.place.as_str(), unit.content_type.as_str(), unit.key.as_str());
        let out = change.exactly.contains(&unit.place) || emptied.contains(&unit.place);
        (out || replaced_keys.contains(&key)) && !wanted.contains(&(unit.place.as_str(), unit.id))
    };
    let (leaving, staying): (Vec<&PlacedUnit>, Vec<&PlacedUnit>) =
        present.iter().partition(|unit| leaves(unit));
    let there: HashSet<(&str, Id)> = staying.iter().map(|unit| (unit.place.as_str(), unit.id)).collect();
    let is_new = |pair: &(&str, Id)| !there.contains(pair);
    check_paths(transaction, repository, change, (&ids, &staying)).await?;
    record_sources(transaction, change, follow, |index| {
        let pair = (change.units[index].place.as_str(), ids[index]);
        is_new(&pair) || !known_places.contains(pair.0)
    })
    .await?;
    let mut added: Vec<Placed<Id>> = wanted
        .iter()
        .filter(|pair| is_new(pair))
        .map(|(place, unit)| Placed { place: (*place).to_owned(), unit: *unit })
        .collect();
    // In the order of the rows the tables grow at their ends.
    added.sort_by_key(|placed| placed.unit);
    let removed = leaving.iter().map(|unit| Placed { place: unit.place.clone(), unit: unit.id }).collect();
    Ok(Difference { added, removed })
}

/// Records which places the remote fills. Gives those that it filled before, and those it fills no more.
async fn places(
    transaction: &mut Transaction,
    repository: &Repository,
    follow: &Follow,
) -> Result<(HashSet<String>, HashSet<String>)> {
    let own = &follow.remote.name;
    let (before, others): (Vec<_>, Vec<_>) =
        transaction.remote_places(repository.id).await?.into_iter().partition(|(remote, _)| remote == own);
    let before: HashSet<String> = before.into_iter().map(|(_, place)| place).collect();
    if follow.mode == SyncMode::Mirror {
        let taken = |(other, place): &&(_, String)| {
            repository.remotes.contains(other) && follow.places.contains(place)
        };
        if let Some((other, place)) = others.iter().find(taken) {
            return Err(Error::Conflict(format!(
                "remote '{other}' of repository '{}' fills '{place}' already, and a mirror of '{own}' would empty it: \
                 sync both with --additive",
                repository.name
            )));
        }
    }
    transaction.set_remote_places(repository.id, follow.remote.id, &follow.places).await?;
    let emptied = match follow.mode {
        SyncMode::Mirror => before.difference(&follow.places).cloned().collect(),
        SyncMode::Additive => HashSet::new(),
    };
    Ok((before, emptied))
}

/// The row of each unit; those that are new get one.
async fn rows(
    transaction: &mut Transaction,
    (units, now): (&[Placed<NewUnit>], Timestamp),
    present: &[PlacedUnit],
    unserved: &[&str],
) -> Result<Vec<Id>> {
    let known: HashMap<Sha256, Id> = present.iter().map(|unit| (unit.digest, unit.id)).collect();
    let digests: Vec<Sha256> = units.iter().map(|placed| identity(&placed.unit)).collect();
    let unknown: Vec<(Sha256, &NewUnit)> = digests
        .iter()
        .zip(units)
        .filter(|(digest, _)| !known.contains_key(*digest))
        .map(|(digest, placed)| (*digest, &placed.unit))
        .collect();
    let new = transaction.insert_identified(&unknown, unserved, now).await?;
    let lost = || Error::Internal("a unit that was recorded cannot be found".into());
    digests
        .iter()
        .map(|digest| known.get(digest).or_else(|| new.get(digest)).copied().ok_or_else(lost))
        .collect()
}

fn placed_ids<'a>(units: &'a [Placed<NewUnit>], ids: &'a [Id]) -> impl Iterator<Item = (&'a str, Id)> {
    units.iter().zip(ids).map(|(placed, id)| (placed.place.as_str(), *id))
}

/// Place, type and key of units in places that are not settled as a whole: there they replace what is like them.
fn open_keys(change: &Modification) -> HashSet<(&str, &str, &str)> {
    let open = change.units.iter().filter(|placed| !change.exactly.contains(&placed.place));
    open.map(|placed| (placed.place.as_str(), placed.unit.content_type, placed.unit.key.as_str())).collect()
}

/// One path cannot have two contents.
fn check_own_paths(units: &[Placed<NewUnit>]) -> Result<()> {
    let mut paths: HashMap<&str, Sha256> = HashMap::with_capacity(units.len());
    for file in units.iter().flat_map(|placed| &placed.unit.artifacts) {
        let first = paths.entry(file.path.as_str()).or_insert(file.sha256);
        if *first != file.sha256 {
            return Err(Error::Invalid(format!(
                "upstream lists '{}' twice, with different SHA256",
                file.path
            )));
        }
    }
    Ok(())
}

/// Refuses a file that would stand where a unit that stays has other bytes, such as one of another remote.
async fn check_paths(
    transaction: &mut Transaction,
    repository: &Repository,
    change: &Modification,
    (ids, staying): (&[Id], &[&PlacedUnit]),
) -> Result<()> {
    let staying: HashSet<Id> = staying.iter().map(|unit| unit.id).collect();
    if staying.is_empty() {
        return Ok(());
    }
    let new = change.units.iter().zip(ids).filter(|(_, id)| !staying.contains(id));
    let files: HashMap<&str, Sha256> = new
        .flat_map(|(placed, _)| &placed.unit.artifacts)
        .map(|file| (file.path.as_str(), file.sha256))
        .collect();
    let paths: Vec<&str> = files.keys().copied().collect();
    for (unit, file) in transaction.files_at_paths(repository.id, &paths).await? {
        let own = files.get(file.path.as_str());
        if staying.contains(&unit) && own.is_some_and(|sha256| *sha256 != file.sha256) {
            return Err(Error::Conflict(format!(
                "upstream has other bytes at '{}' than repository '{}' has from elsewhere",
                file.path, repository.name
            )));
        }
    }
    Ok(())
}

/// Records where the files of units can be fetched, for those units of which it is not known yet.
async fn record_sources(
    transaction: &mut Transaction,
    change: &Modification,
    follow: &Follow,
    is_unknown: impl Fn(usize) -> bool,
) -> Result<()> {
    let mut sources = Vec::new();
    for (index, (placed, base)) in change.units.iter().zip(&follow.bases).enumerate() {
        if is_unknown(index) {
            sources.extend(placed.unit.artifacts.iter().map(|file| RemoteArtifact {
                sha256: file.sha256,
                size: file.size,
                remote: follow.remote.id,
                url: url_of(base, file),
            }));
        }
        if sources.len() >= SOURCES {
            transaction.insert_remote_artifacts(&sources).await?;
            sources.clear();
        }
    }
    transaction.insert_remote_artifacts(&sources).await
}
