//! Listing checkpoints, and what is in one or differs between two.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::Engine;
use super::contents::{BATCH, read_bodies, seen};
use crate::catalog::Content;
use crate::error::{Error, Result};
use crate::model::{Id, Placed, Publication};
use crate::name::Name;
use crate::plugin::{Label, Plugin};
use crate::time::Timestamp;

/// A checkpoint and what it holds.
#[derive(Debug, Serialize)]
pub struct Checkpoint {
    /// Its time.
    pub time: Timestamp,
    /// The version it shows.
    pub version: i64,
    /// How many units that is.
    pub units: usize,
    /// The files it adds to those of its units.
    pub files: Vec<CheckpointFile>,
}

/// A file that a publication adds to those of its units.
#[derive(Debug, Serialize)]
pub struct CheckpointFile {
    /// Its path.
    pub path: String,
    /// Its digest.
    pub sha256: crate::digest::Sha256,
    /// Its length in bytes.
    pub size: u64,
}

/// What changed from one checkpoint to another.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Diff {
    /// The first one's time.
    pub from: Timestamp,
    /// The second one's time.
    pub to: Timestamp,
    /// The changes by place, name and variant.
    pub changes: Vec<Difference>,
}

/// One thing that changed. Of several versions beside each other the newest counts.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Difference {
    /// Where it stands.
    pub place: String,
    /// What it is called.
    pub name: String,
    /// What tells it from others of that name, such as an architecture.
    pub variant: String,
    /// What happened to it.
    pub change: Kind,
    /// Its version before.
    pub from: Option<String>,
    /// Its version after.
    pub to: Option<String>,
}

/// What happened to a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It was not there before.
    Added,
    /// It is not there any more.
    Removed,
    /// Its newest version is newer.
    Upgraded,
    /// Its newest version is older.
    Downgraded,
    /// It is another one that is neither newer nor older.
    Changed,
}

impl Engine {
    /// The checkpoints of a repository, oldest first, as far as their time has come.
    pub async fn checkpoints(&self, name: &Name) -> Result<Vec<Publication>> {
        let now = self.now();
        let mut publications = self.publications(name).await?;
        publications.retain(|publication| publication.checkpoint && publication.time <= now);
        Ok(publications)
    }

    /// The newest checkpoint at or before `time`.
    pub async fn checkpoint_at(&self, name: &Name, time: Timestamp) -> Result<Publication> {
        if time > self.now() {
            return Err(Error::Invalid(format!("{time} is in the future")));
        }
        let mut publications = self.publications(name).await?;
        if publications.last().is_none_or(|newest| newest.time < time) {
            self.settle(self.repository(name).await?.id, time).await?;
            publications = self.publications(name).await?;
        }
        let found = publications
            .into_iter()
            .rev()
            .find(|publication| publication.checkpoint && publication.time <= time);
        found.ok_or_else(|| Error::NoCheckpoint(time.to_string()))
    }

    /// Rules out that a publication gets a time up to `time`, which has come, because `time` is about to be
    /// answered for. Gives until when that is so; only for a time after the newest publication it is written down.
    pub(super) async fn settle(&self, repository: Id, time: Timestamp) -> Result<Timestamp> {
        let mut transaction = self.catalog.begin().await?;
        let mut until = transaction.lock_repository(repository).await?.settled_until;
        if until < time {
            until = time.max(self.now());
            transaction.settle(repository, until).await?;
            transaction.commit().await?;
        }
        Ok(until)
    }

    /// The newest checkpoint at or before `time` and what it holds.
    pub async fn checkpoint(&self, name: &Name, time: Timestamp) -> Result<Checkpoint> {
        let repository = self.repository(name).await?;
        let found = self.checkpoint_at(name, time).await?;
        let plugin = self.registry.get(&repository.plugin)?;
        let contents = seen(&self.catalog, &*plugin, repository.id, found.version).await?;
        let units: BTreeSet<Id> = contents.iter().map(|content| content.unit.id).collect();
        let files = self.catalog.publication_files(found.id).await?.into_iter();
        let file = |file: crate::catalog::PublicationFile| CheckpointFile {
            path: file.path,
            sha256: file.digests.sha256,
            size: file.digests.size,
        };
        let files = files.map(file).collect();
        Ok(Checkpoint { time: found.time, version: found.version, units: units.len(), files })
    }

    /// What changed from the checkpoint at or before `from` to the one at or before `to`.
    pub async fn diff(&self, name: &Name, from: Timestamp, to: Timestamp) -> Result<Diff> {
        let repository = self.repository(name).await?;
        let plugin = self.registry.get(&repository.plugin)?;
        let from = self.checkpoint_at(name, from).await?;
        let to = self.checkpoint_at(name, to).await?;
        let before = seen(&self.catalog, &*plugin, repository.id, from.version).await?;
        let after = seen(&self.catalog, &*plugin, repository.id, to.version).await?;
        let (before, after) = (self.newest(&*plugin, before).await?, self.newest(&*plugin, after).await?);
        Ok(Diff { from: from.time, to: to.time, changes: differences(&*plugin, &before, &after) })
    }

    /// For each place, name and variant the newest version.
    pub(super) async fn newest(
        &self,
        plugin: &dyn Plugin,
        contents: Vec<Placed<Content>>,
    ) -> Result<NewestVersions> {
        let mut newest = NewestVersions::new();
        for some in contents.chunks(BATCH) {
            for placed in read_bodies(&self.catalog, some).await? {
                let Label { name, variant, version } = plugin.label(&placed.unit);
                let candidate = Newest { version, unit: placed.unit.id };
                let current =
                    newest.entry((placed.place, name, variant)).or_insert_with(|| candidate.clone());
                if plugin.compare_versions(&candidate.version, &current.version) == Ordering::Greater {
                    *current = candidate;
                }
            }
        }
        Ok(newest)
    }
}

type Thing = (String, String, String);

/// The newest version of each thing, by place, name and variant.
pub(super) type NewestVersions = BTreeMap<Thing, Newest>;

#[derive(Clone, PartialEq, Eq)]
pub(super) struct Newest {
    version: String,
    unit: Id,
}

/// What is different.
pub(super) fn differences(
    plugin: &dyn Plugin,
    before: &NewestVersions,
    after: &NewestVersions,
) -> Vec<Difference> {
    let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let compare = |left: &str, right: &str| plugin.compare_versions(left, right);
    names
        .into_iter()
        .filter_map(|name| difference(name, before.get(name), after.get(name), &compare))
        .collect()
}

fn difference(
    (place, name, variant): &Thing,
    before: Option<&Newest>,
    after: Option<&Newest>,
    compare: &dyn Fn(&str, &str) -> Ordering,
) -> Option<Difference> {
    let change = match (before, after) {
        (Some(before), Some(after)) if before.unit == after.unit => return None,
        (Some(before), Some(after)) => match compare(&before.version, &after.version) {
            Ordering::Less => Kind::Upgraded,
            Ordering::Greater => Kind::Downgraded,
            Ordering::Equal => Kind::Changed,
        },
        (None, Some(_)) => Kind::Added,
        (Some(_), None) => Kind::Removed,
        (None, None) => return None,
    };
    let version = |newest: &Newest| newest.version.clone();
    Some(Difference {
        place: place.clone(),
        name: name.clone(),
        variant: variant.clone(),
        change,
        from: before.map(version),
        to: after.map(version),
    })
}
