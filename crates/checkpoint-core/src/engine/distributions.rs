//! Creating, changing and listing distributions.

use super::Engine;
use crate::catalog::Transaction;
use crate::error::{Error, Result};
use crate::model::{Distribution, Id};
use crate::name::{BasePath, Name};

/// What changes about a distribution; `None` leaves a thing as it is.
#[derive(Debug, Default)]
pub struct DistributionChange {
    /// Where it is served.
    pub base_path: Option<BasePath>,
    /// The repository of which it serves the newest publication, or the checkpoints.
    pub repository: Option<Name>,
    /// Whether it serves checkpoints.
    pub checkpoint: Option<bool>,
    /// As in [`Distribution`].
    pub direct: Option<bool>,
}

impl Engine {
    /// Creates a distribution of a repository. It is served at once.
    pub async fn create_distribution(
        &self,
        name: &Name,
        base_path: &BasePath,
        repository: &Name,
        checkpoint: bool,
    ) -> Result<Distribution> {
        let plugin = self.repository(repository).await?.plugin;
        let new = Distribution::new(name.clone(), plugin, base_path.clone(), self.now());
        self.add_distribution(Distribution { repository: Some(repository.clone()), checkpoint, ..new }).await
    }

    /// Creates a distribution. It is served at once.
    pub async fn add_distribution(&self, new: Distribution) -> Result<Distribution> {
        let mut transaction = self.catalog.begin().await?;
        let others = transaction.lock_distributions().await?;
        if others.iter().any(|other| other.name == new.name) {
            return Err(Error::AlreadyExists { what: "distribution", name: new.name.to_string() });
        }
        check_overlap(&others, &new.name, &new.base_path)?;
        let repository = self.target(&mut transaction, &new).await?;
        transaction.create_distribution(&new, repository).await?;
        transaction.commit().await?;
        self.distribution(&new.name).await
    }

    /// Changes a distribution. What is not named stays as it is.
    pub async fn update_distribution(&self, name: &Name, change: DistributionChange) -> Result<Distribution> {
        self.change_distribution(name, |distribution| {
            if let Some(base_path) = change.base_path {
                distribution.base_path = base_path;
            }
            if let Some(repository) = change.repository {
                distribution.repository = Some(repository);
                (distribution.publication, distribution.version) = (None, None);
            }
            distribution.checkpoint = change.checkpoint.unwrap_or(distribution.checkpoint);
            distribution.direct = change.direct.unwrap_or(distribution.direct);
        })
        .await
    }

    /// Changes a distribution, while nobody else can.
    pub async fn change_distribution(
        &self,
        name: &Name,
        change: impl FnOnce(&mut Distribution) + Send,
    ) -> Result<Distribution> {
        let mut transaction = self.catalog.begin().await?;
        let all = transaction.lock_distributions().await?;
        let mut changed = find(&all, name)?.clone();
        change(&mut changed);
        changed.updated = self.now();
        check_overlap(&all, name, &changed.base_path)?;
        let repository = self.target(&mut transaction, &changed).await?;
        transaction.update_distribution(&changed, repository).await?;
        transaction.commit().await?;
        self.distribution(name).await
    }

    /// The row of the repository that a distribution serves, if it can.
    async fn target(&self, transaction: &mut Transaction, distribution: &Distribution) -> Result<Option<Id>> {
        let Some(name) = &distribution.repository else {
            if distribution.checkpoint || distribution.publication.is_some() || distribution.version.is_some()
            {
                return Err(Error::Invalid(
                    "a distribution serves something of a repository, or nothing".into(),
                ));
            }
            return Ok(None);
        };
        let repository = transaction.repository(name).await?;
        if repository.plugin != distribution.plugin {
            return Err(Error::Invalid(format!(
                "distribution '{}' is of type {}, repository '{name}' of type {}",
                distribution.name, distribution.plugin, repository.plugin
            )));
        }
        if distribution.checkpoint && (distribution.publication.is_some() || distribution.version.is_some()) {
            return Err(Error::Invalid(
                "a distribution serves checkpoints, or one publication or version".into(),
            ));
        }
        Ok(Some(repository.id))
    }

    /// Deletes a distribution. What it served stays.
    pub async fn delete_distribution(&self, name: &Name) -> Result<()> {
        let mut transaction = self.catalog.begin().await?;
        let all = transaction.lock_distributions().await?;
        transaction.delete_distribution(find(&all, name)?.id).await?;
        transaction.commit().await
    }

    /// The distribution of that name.
    pub async fn distribution(&self, name: &Name) -> Result<Distribution> {
        find(&self.distributions().await?, name).cloned()
    }

    /// All distributions by name.
    pub async fn distributions(&self) -> Result<Vec<Distribution>> {
        self.catalog.distributions().await
    }
}
fn find<'a>(all: &'a [Distribution], name: &Name) -> Result<&'a Distribution> {
    let missing = || Error::NotFound { what: "distribution", name: name.to_string() };
    all.iter().find(|distribution| distribution.name == *name).ok_or_else(missing)
}

fn check_overlap(all: &[Distribution], own: &Name, base_path: &BasePath) -> Result<()> {
    let overlapping = |other: &&Distribution| other.name != *own && other.base_path.overlaps(base_path);
    match all.iter().find(overlapping) {
        Some(other) => Err(Error::Conflict(format!(
            "base path '{base_path}' overlaps with '{}' of distribution '{}'",
            other.base_path, other.name
        ))),
        None => Ok(()),
    }
}
