//! Copying units from versions of repositories into another repository, and comparing versions: how packages are
//! promoted from one stage to the next.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Engine;
use super::checkpoints::{Difference, differences};
use super::contents::{BATCH, read_bodies, seen};
use super::modify::{Modification, Modified};
use crate::error::{Error, Result};
use crate::model::{Id, Placed, Repository, Unit};
use crate::name::Name;
use crate::plugin::{Label, Plugin, Selected};

/// A version of a repository: `NAME` for its newest, `NAME@NUMBER` for one by its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionRef {
    /// The repository.
    pub repository: Name,
    /// The number; none means the newest.
    pub number: Option<i64>,
}

impl FromStr for VersionRef {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.rsplit_once('@') {
            Some((name, number)) => {
                let wrong =
                    || Error::Invalid(format!("'{text}' is not a repository and the number of a version"));
                let number = number.parse().ok().filter(|number| *number >= 0).ok_or_else(wrong)?;
                Ok(VersionRef { repository: name.parse()?, number: Some(number) })
            }
            None => Ok(VersionRef { repository: text.parse()?, number: None }),
        }
    }
}

impl fmt::Display for VersionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            Some(number) => write!(f, "{}@{number}", self.repository),
            None => write!(f, "{}", self.repository),
        }
    }
}

/// What is copied of a version.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub struct CopyRequest {
    /// Only these units; none means all.
    pub units: Option<HashSet<Id>>,
    /// Which of them, in the plugin's language; none means all.
    pub pattern: Option<String>,
    /// All that these need of the same version, too.
    pub with_dependencies: bool,
    /// Of each thing only its newest version stays in the repository that is copied to.
    pub newest: bool,
}

/// What a copy came to.
#[derive(Debug, Serialize)]
pub struct Copied {
    /// The new version.
    #[serde(flatten)]
    pub modified: Modified,
    /// What the user should know.
    pub remarks: Vec<String>,
}

/// What one version has that another one has not.
#[derive(Debug, Serialize)]
pub struct VersionDiff {
    /// The first one.
    pub from: String,
    /// The second one.
    pub to: String,
    /// The changes by place, name and variant.
    pub changes: Vec<Difference>,
}

impl Engine {
    /// Copies units of versions into a repository, to the places where they stand there: all in one new version.
    pub async fn copy(&self, from: &[VersionRef], to: &Name, request: CopyRequest) -> Result<Copied> {
        let repository = self.repository(to).await?;
        let plugin = self.registry.get(&repository.plugin)?;
        let (mut units, mut remarks) = (Vec::new(), Vec::new());
        for source in from {
            let (source, number) = self.find_version(source).await?;
            if source.plugin != repository.plugin {
                return Err(Error::Invalid(format!(
                    "repository '{}' is of type {}, '{to}' of type {}",
                    source.name, source.plugin, repository.plugin
                )));
            }
            let all = self.units_of(&*plugin, &source, number).await?;
            let chosen = match &request.pattern {
                Some(pattern) => plugin.select(&all, pattern, request.with_dependencies)?,
                None => Selected { chosen: vec![true; all.len()], remarks: Vec::new() },
            };
            if let Some(pattern) = request.pattern.as_ref().filter(|_| !chosen.chosen.contains(&true)) {
                return Err(Error::Invalid(format!(
                    "nothing in repository '{}' matches '{pattern}'",
                    source.name
                )));
            }
            let named = |placed: &Placed<Unit>| {
                request.units.as_ref().is_none_or(|units| units.contains(&placed.unit.id))
            };
            let chosen_units = all.into_iter().zip(chosen.chosen).filter(|(_, chosen)| *chosen);
            units.extend(chosen_units.map(|(placed, _)| placed).filter(named));
            remarks.extend(chosen.remarks);
        }
        let mut change = Modification::default();
        if request.newest {
            let present = self.units_of(&*plugin, &repository, repository.latest_version).await?;
            let newest = newest(&*plugin, present.iter().chain(&units));
            let is_newest = |placed: &Placed<Unit>| newest.contains(&(placed.place.as_str(), placed.unit.id));
            let older = present.iter().filter(|placed| !is_newest(placed));
            change.remove =
                older.map(|placed| Placed { place: placed.place.clone(), unit: placed.unit.id }).collect();
            let keep: Vec<bool> = units.iter().map(is_newest).collect();
            units = units.into_iter().zip(keep).filter_map(|(unit, keep)| keep.then_some(unit)).collect();
        }
        let placed: Vec<Placed<Id>> =
            units.into_iter().map(|Placed { place, unit }| Placed { place, unit: unit.id }).collect();
        change.units = self.as_new(&*plugin, &placed).await?;
        Ok(Copied { modified: self.modify(&repository, change).await?, remarks })
    }

    /// What changed from one version to another, of one repository or of two.
    pub async fn diff_versions(&self, from: &VersionRef, to: &VersionRef) -> Result<VersionDiff> {
        let (before, old) = self.find_version(from).await?;
        let (after, new) = self.find_version(to).await?;
        if before.plugin != after.plugin {
            return Err(Error::Invalid(format!(
                "repository '{}' is of type {}, '{}' of type {}",
                before.name, before.plugin, after.name, after.plugin
            )));
        }
        let plugin = self.registry.get(&before.plugin)?;
        let contents_before = seen(&self.catalog, &*plugin, before.id, old).await?;
        let contents_after = seen(&self.catalog, &*plugin, after.id, new).await?;
        let before_newest = self.newest(&*plugin, contents_before).await?;
        let after_newest = self.newest(&*plugin, contents_after).await?;
        let changes = differences(&*plugin, &before_newest, &after_newest);
        Ok(VersionDiff {
            from: format!("{}@{old}", before.name),
            to: format!("{}@{new}", after.name),
            changes,
        })
    }

    async fn find_version(&self, wanted: &VersionRef) -> Result<(Repository, i64)> {
        let repository = self.repository(&wanted.repository).await?;
        let number = wanted.number.unwrap_or(repository.latest_version);
        let versions = self.catalog.versions(repository.id).await?;
        match versions.iter().any(|version| version.number == number) {
            true => Ok((repository, number)),
            false => Err(Error::NotFound { what: "version", name: wanted.to_string() }),
        }
    }

    /// The units of a version that people see.
    async fn units_of(
        &self,
        plugin: &dyn Plugin,
        repository: &Repository,
        number: i64,
    ) -> Result<Vec<Placed<Unit>>> {
        let contents = seen(&self.catalog, plugin, repository.id, number).await?;
        let mut units = Vec::with_capacity(contents.len());
        for some in contents.chunks(BATCH) {
            units.extend(read_bodies(&self.catalog, some).await?);
        }
        Ok(units)
    }
}

/// Of each thing in each place the rows of its newest version.
fn newest<'a>(plugin: &dyn Plugin, units: impl Iterator<Item = &'a Placed<Unit>>) -> HashSet<(&'a str, Id)> {
    let mut newest: BTreeMap<(&str, String, String), (String, Id)> = BTreeMap::new();
    for Placed { place, unit } in units {
        let Label { name, variant, version } = plugin.label(unit);
        let current = newest.entry((place, name, variant)).or_insert_with(|| (version.clone(), unit.id));
        if plugin.compare_versions(&version, &current.0) == Ordering::Greater {
            *current = (version, unit.id);
        }
    }
    newest.into_iter().map(|((place, ..), (_, id))| (place, id)).collect()
}
