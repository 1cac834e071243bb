//! Moving a live distribution to a checkpoint, forward or back, and to the newest state again.
//!
//! apt ignores a Release that is older than the one it has, without a word. So what a distribution is moved to is
//! signed anew, with the time of the move, and published once more: the same files but for those that carry the time.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::runtime::Handle;

use super::Engine;
use crate::artifacts::run_blocking;
use crate::catalog::NewPublication;
use crate::digest::Digests;
use crate::error::{Error, Result};
use crate::model::{Distribution, Publication, Repository};
use crate::name::{Name, RelativePath};
use crate::plugin::{ResealJob, Resealed, Seal};
use crate::time::Timestamp;

/// Where a distribution is moved.
struct Move {
    distribution: Distribution,
    repository: Repository,
    /// What it shall show.
    target: Publication,
    /// Whether it stays there, or follows the newest state.
    pinned: bool,
}

impl Engine {
    /// Moves a live distribution to the checkpoint at or before `to`, where it stays, or to the newest state, which it
    /// then follows. When it returns, the next request sees it. Gives the publication that it shows now.
    pub async fn move_distribution(&self, name: &Name, to: Option<Timestamp>) -> Result<Publication> {
        let distribution = self.distribution(name).await?;
        let Some(repository) = distribution.repository.clone().filter(|_| !distribution.checkpoint) else {
            return Err(Error::Invalid(format!(
                "distribution '{name}' does not serve one state of a repository"
            )));
        };
        let repository = self.repository(&repository).await?;
        let publications = self.publications(&repository.name).await?;
        let follows = Distribution { publication: None, version: None, ..distribution.clone() };
        let none = || Error::Invalid(format!("repository '{}' has not been published yet", repository.name));
        let target = match to {
            Some(time) => self.checkpoint_at(&repository.name, time).await?,
            None => follows.live(&publications, self.now()).cloned().ok_or_else(none)?,
        };
        let current = distribution.live(&publications, self.now()).cloned();
        let change = Move { distribution, repository, target, pinned: to.is_some() };
        match self.reseal(&change).await? {
            Resealed::Seal(seal) => self.publish_again(change, Arc::new(seal)).await,
            Resealed::Impossible(why) if current.is_some_and(|current| current.time > change.target.time) => {
                Err(Error::Conflict(format!("distribution '{name}' cannot be moved back: {why}")))
            }
            Resealed::Impossible(_) | Resealed::Unneeded => {
                let publication = change.pinned.then_some(change.target.id);
                let show = |distribution: &mut Distribution| {
                    (distribution.publication, distribution.version) = (publication, None);
                };
                self.change_distribution(name, show).await?;
                Ok(change.target)
            }
        }
    }

    async fn reseal(&self, change: &Move) -> Result<Resealed> {
        let plugin = self.registry.get(&change.repository.plugin)?;
        let files = self.catalog.publication_files(change.target.id).await?;
        let digests: BTreeMap<String, Digests> =
            files.into_iter().map(|file| (file.path, file.digests)).collect();
        let (store, signer, runtime) = (self.store.clone(), self.signer.clone(), Handle::current());
        let (options, own) = (change.target.options.clone(), change.repository.options.clone());
        run_blocking(move || {
            let paths: Vec<&str> = digests.keys().map(String::as_str).collect();
            let read = |path: &str| {
                let missing = || Error::Internal(format!("the publication has no '{path}'"));
                let digests = digests.get(path).ok_or_else(missing)?;
                Ok(runtime.block_on(store.read(&digests.sha256))?.to_vec())
            };
            let job =
                ResealJob { options: &options, repository_options: &own, files: &paths, read: &read, signer };
            plugin.reseal(job)
        })
        .await
    }

    /// Publishes the files of a publication once more, under the time of now, and has the distribution show them.
    async fn publish_again(&self, change: Move, seal: Arc<Seal>) -> Result<Publication> {
        let Move { distribution, repository, target, pinned } = change;
        let mut transaction = self.catalog.begin().await?;
        let locked = transaction.lock_repository(repository.id).await?;
        let time = self.next_time(&repository, locked.settled_until)?;
        let sealed = self.seal(seal, time).await?;
        let mut files: BTreeMap<RelativePath, Digests> = BTreeMap::new();
        for file in self.catalog.publication_files(target.id).await? {
            files.insert(file.path.parse()?, file.digests);
        }
        files.extend(sealed.iter().map(|(path, staged)| (path.clone(), *staged.digests())));
        self.store.put(sealed.into_iter().map(|(_, staged)| staged).collect()).await?;
        let files: Vec<(RelativePath, Digests)> = files.into_iter().collect();
        let artifacts: Vec<Digests> = files.iter().map(|(_, digests)| *digests).collect();
        transaction.insert_artifacts(&artifacts, time).await?;
        let publication = transaction
            .create_publication(&NewPublication {
                repository: repository.id,
                version: target.version,
                time,
                checkpoint: false,
                options: &target.options,
                files: &files,
            })
            .await?;
        transaction.settle(repository.id, time).await?;
        let all = transaction.lock_distributions().await?;
        let missing = || Error::NotFound { what: "distribution", name: distribution.name.to_string() };
        let mut moved = all.into_iter().find(|other| other.id == distribution.id).ok_or_else(missing)?;
        (moved.publication, moved.version) = (pinned.then_some(publication.id), None);
        moved.updated = self.now();
        transaction.update_distribution(&moved, Some(repository.id)).await?;
        transaction.commit().await?;
        self.wait_until(publication.time).await;
        Ok(publication)
    }
}
