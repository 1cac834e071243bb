//! Creating, changing and listing distributions.

use super::Engine;
use crate::error::{Error, Result};
use crate::model::Distribution;
use crate::name::{BasePath, Name};

/// What changes about a distribution; `None` leaves a thing as it is.
#[derive(Debug, Default)]
pub struct DistributionChange {
    /// Where it is served.
    pub base_path: Option<BasePath>,
    /// What it serves.
    pub repository: Option<Name>,
    /// Whether it serves checkpoints.
    pub checkpoint: Option<bool>,
}

impl Engine {
    /// Creates a distribution. It is served at once.
    pub async fn create_distribution(
        &self,
        name: &Name,
        base_path: &BasePath,
        repository: &Name,
        checkpoint: bool,
    ) -> Result<Distribution> {
        let repository = self.repository(repository).await?;
        let mut transaction = self.catalog.begin().await?;
        let others = transaction.lock_distributions().await?;
        if others.iter().any(|other| other.name == *name) {
            return Err(Error::AlreadyExists { what: "distribution", name: name.to_string() });
        }
        check_overlap(&others, name, base_path)?;
        transaction.create_distribution(name, base_path, repository.id, checkpoint).await?;
        transaction.commit().await?;
        self.distribution(name).await
    }

    /// Changes a distribution. What is not named stays as it is.
    pub async fn update_distribution(&self, name: &Name, change: DistributionChange) -> Result<Distribution> {
        let mut transaction = self.catalog.begin().await?;
        let all = transaction.lock_distributions().await?;
        let current = find(&all, name)?;
        let base_path = change.base_path.unwrap_or_else(|| current.base_path.clone());
        check_overlap(&all, name, &base_path)?;
        let repository = change.repository.unwrap_or_else(|| current.repository.clone());
        let repository = transaction.repository(&repository).await?;
        let checkpoint = change.checkpoint.unwrap_or(current.checkpoint);
        transaction.update_distribution(current.id, &base_path, repository.id, checkpoint).await?;
        transaction.commit().await?;
        self.distribution(name).await
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
