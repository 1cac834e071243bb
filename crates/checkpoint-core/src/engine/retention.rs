//! What is kept: versions and checkpoints, by a repository's settings, and what must not go because it is served.

use std::collections::BTreeSet;

use serde::Serialize;

use super::Engine;
use crate::catalog::Transaction;
use crate::error::{Error, Result};
use crate::model::{Distribution, Id, Repository};
use crate::name::Name;
use crate::time::Timestamp;

/// The sentence that refuses to delete what is served; Pulp's.
const IN_USE: &str = "The repository version cannot be deleted because it (or its publications) are currently being \
     used to distribute content. Please update the necessary distributions first.";

impl Engine {
    /// Deletes a version with its publications, unless it is served or has a checkpoint. The numbers of others stay.
    pub async fn delete_version(&self, repository: &Name, number: i64) -> Result<()> {
        let mut transaction = self.catalog.begin().await?;
        let distributions = transaction.lock_distributions().await?;
        let repository = lock(&mut transaction, repository).await?;
        let numbers = transaction.version_numbers(repository.id).await?;
        if !numbers.contains(&number) {
            return Err(Error::NotFound { what: "version", name: number.to_string() });
        }
        if protected(&mut transaction, &repository, &distributions).await?.contains(&number) {
            return Err(Error::Conflict(IN_USE.into()));
        }
        if numbers.len() == 1 {
            return Err(Error::Conflict(
                "Cannot delete repository version. Repositories must have at least one repository version."
                    .into(),
            ));
        }
        transaction.delete_versions(repository.id, &BTreeSet::from([number])).await?;
        transaction.commit().await
    }

    /// Whether a version may be deleted; says why not.
    pub async fn check_version_is_free(&self, repository: &Name, number: i64) -> Result<()> {
        // The transaction is dropped: nothing is changed.
        let mut transaction = self.catalog.begin().await?;
        let distributions = transaction.lock_distributions().await?;
        let repository = lock(&mut transaction, repository).await?;
        match protected(&mut transaction, &repository, &distributions).await?.contains(&number) {
            true => Err(Error::Conflict(IN_USE.into())),
            false => Ok(()),
        }
    }

    /// Deletes a publication, unless a distribution serves it: by itself, or as one of the checkpoints.
    pub async fn delete_publication(&self, repository: &Name, publication: Id) -> Result<()> {
        let mut transaction = self.catalog.begin().await?;
        let distributions = transaction.lock_distributions().await?;
        let repository = lock(&mut transaction, repository).await?;
        let publications = transaction.publications_of(repository.id).await?;
        let found = publications.iter().find(|(_, id, _)| *id == publication);
        let (_, _, checkpoint) =
            found.ok_or_else(|| Error::NotFound { what: "publication", name: publication.to_string() })?;
        let serving = distributions.iter().find(|distribution| {
            let dated = distribution.checkpoint && *checkpoint;
            distribution.publication == Some(publication)
                || dated && distribution.repository.as_ref() == Some(&repository.name)
        });
        if let Some(distribution) = serving {
            return Err(Error::Conflict(format!(
                "distribution '{}' serves the publication",
                distribution.name
            )));
        }
        transaction.delete_publications(&[publication]).await?;
        transaction.commit().await
    }

    /// Deletes a repository with all versions and publications. Distributions of it serve nothing from then on.
    pub async fn delete_repository(&self, name: &Name) -> Result<()> {
        let mut transaction = self.catalog.begin().await?;
        transaction.lock_distributions().await?;
        let repository = lock(&mut transaction, name).await?;
        transaction.detach_distributions(repository.id).await?;
        transaction.delete_repository(repository.id).await?;
        transaction.commit().await
    }

    /// What retention would do with these settings; nothing is changed.
    pub async fn plan_retention(
        &self,
        name: &Name,
        versions: Option<u32>,
        checkpoints: Option<u32>,
    ) -> Result<Retention> {
        let mut plan = Retention::default();
        if let Some(keep) = checkpoints {
            let all = self.checkpoints(name).await?;
            let going = all.len().saturating_sub(keep as usize);
            plan.checkpoints = all[..going].iter().map(|checkpoint| checkpoint.time).collect();
        }
        if let Some(keep) = versions {
            // The transaction is dropped.
            let mut transaction = self.catalog.begin().await?;
            let distributions = transaction.lock_distributions().await?;
            let repository = lock(&mut transaction, name).await?;
            let protected = protected(&mut transaction, &repository, &distributions).await?;
            plan.versions = surplus(&transaction.version_numbers(repository.id).await?, &protected, keep);
        }
        Ok(plan)
    }

    /// Makes what a repository keeps agree with its settings.
    pub async fn apply_retention(&self, name: &Name) -> Result<()> {
        let mut transaction = self.catalog.begin().await?;
        keep_checkpoints(&mut transaction, name).await?;
        keep_versions(&mut transaction, name).await?;
        transaction.commit().await
    }
}

async fn lock(transaction: &mut Transaction, name: &Name) -> Result<Repository> {
    let repository = transaction.repository(name).await?;
    transaction.lock_repository(repository.id).await?;
    // Once more, as it is under the lock.
    transaction.repository(name).await
}

/// What retention deletes and unmarks.
#[derive(Debug, Default, Serialize)]
pub struct Retention {
    /// The versions that go, with their publications.
    pub versions: BTreeSet<i64>,
    /// The checkpoints that become ordinary publications, by their times.
    pub checkpoints: Vec<Timestamp>,
}

/// Deletes the versions of a repository that are neither among the newest to keep nor in use.
pub(super) async fn keep_versions(transaction: &mut Transaction, name: &Name) -> Result<()> {
    let Some(keep) = transaction.repository(name).await?.settings.retain_repo_versions else {
        return Ok(());
    };
    let distributions = transaction.lock_distributions().await?;
    let repository = lock(transaction, name).await?;
    let protected = protected(transaction, &repository, &distributions).await?;
    let going = surplus(&transaction.version_numbers(repository.id).await?, &protected, keep);
    if !going.is_empty() {
        tracing::info!(repository = %name, versions = ?going, "retention deletes versions");
        transaction.delete_versions(repository.id, &going).await?;
    }
    Ok(())
}

/// All versions that may go but the newest to keep.
fn surplus(numbers: &BTreeSet<i64>, protected: &BTreeSet<i64>, keep: u32) -> BTreeSet<i64> {
    let unprotected = numbers.iter().rev().filter(|number| !protected.contains(number));
    unprotected.skip(keep as usize).copied().collect()
}

/// Makes all checkpoints of a repository but the newest to keep ordinary publications.
pub(super) async fn keep_checkpoints(transaction: &mut Transaction, name: &Name) -> Result<()> {
    let repository = lock(transaction, name).await?;
    let Some(keep) = repository.settings.retain_checkpoints else { return Ok(()) };
    let publications = transaction.publications_of(repository.id).await?.into_iter();
    let checkpoints: Vec<Id> =
        publications.filter(|(_, _, checkpoint)| *checkpoint).map(|(_, id, _)| id).collect();
    let going = &checkpoints[..checkpoints.len().saturating_sub(keep as usize)];
    if !going.is_empty() {
        tracing::info!(repository = %name, checkpoints = going.len(), "retention unmarks checkpoints");
        transaction.unmark_checkpoints(going).await?;
        transaction.bump_generation().await?;
    }
    Ok(())
}

/// The versions that must stay: those that a distribution names, by itself or by a publication; what a live
/// distribution serves now; and those with a checkpoint, whether or not somebody serves it.
async fn protected(
    transaction: &mut Transaction,
    repository: &Repository,
    distributions: &[Distribution],
) -> Result<BTreeSet<i64>> {
    let publications = transaction.publications_of(repository.id).await?;
    let mut protected: BTreeSet<i64> =
        publications.iter().filter(|(_, _, checkpoint)| *checkpoint).map(|(version, ..)| *version).collect();
    let own = distributions
        .iter()
        .filter(|distribution| distribution.repository.as_ref() == Some(&repository.name));
    for distribution in own {
        protected.extend(distribution.version);
        let named = publications.iter().find(|(_, id, _)| Some(*id) == distribution.publication);
        protected.extend(named.map(|(version, ..)| *version));
        if distribution.version.is_none() && distribution.publication.is_none() && !distribution.checkpoint {
            protected.extend(publications.iter().map(|(version, ..)| *version).max());
        }
    }
    Ok(protected)
}
