//! `publish`: from a version to a publication that everybody sees at once.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::contents::VersionContents;
use super::tree::Tree;
use super::{Engine, content_url, retention};
use crate::artifacts::{Staged, run_blocking};
use crate::catalog::NewPublication;
use crate::digest::Digests;
use crate::error::{Error, Result};
use crate::model::{Distribution, Publication, Repository};
use crate::name::{Name, RelativePath};
use crate::plugin::{Plugin, PublishJob, Seal};
use crate::progress::Progress;
use crate::time::Timestamp;

/// How far the newest publication may be dated ahead of the clock, in seconds, before it is the clock that is
/// taken for wrong. Publications follow each other by at least a second, so a burst of them runs ahead a little.
const MAX_AHEAD: i64 = 600;

/// What to publish and how.
#[derive(Debug, Default)]
pub struct PublishRequest {
    /// Keep it under its time.
    pub checkpoint: bool,
    /// The plugin's options for publications.
    pub options: Map<String, Value>,
    /// The version, if not the newest.
    pub version: Option<i64>,
}

/// A publication but for its time.
struct Prepared {
    repository: Repository,
    version: i64,
    files: Vec<(RelativePath, Digests)>,
    seal: Arc<Seal>,
}

impl Engine {
    /// Publishes a version of a repository. When it returns, the next request sees it.
    pub async fn publish(
        &self,
        name: &Name,
        request: PublishRequest,
        progress: &dyn Progress,
    ) -> Result<Publication> {
        let options = Value::Object(request.options.clone());
        loop {
            let repository = self.repository(name).await?;
            let plugin = self.registry.get(&repository.plugin)?;
            plugin.declaration().publication.check("publication options", &options)?;
            progress.begin("publishing", None);
            let version = request.version.unwrap_or(repository.latest_version);
            let versions = self.catalog.versions(repository.id).await?;
            if !versions.iter().any(|known| known.number == version) {
                return Err(Error::NotFound { what: "version", name: version.to_string() });
            }
            let prepared = self.prepare((repository, version), plugin, &options).await?;
            if let Some(publication) = self.reveal(&prepared, &request, &options).await? {
                self.wait_until(publication.time).await;
                return Ok(publication);
            }
            // Somebody published a newer version meanwhile; showing an older one now would go back in time.
        }
    }

    /// Makes a checkpoint of the newest version, unless it has one already.
    pub async fn checkpoint_if_new(
        &self,
        name: &Name,
        progress: &dyn Progress,
    ) -> Result<Option<Publication>> {
        let repository = self.repository(name).await?;
        let _lock = self.lock_follower(&repository).await?;
        let publications = self.catalog.publications(repository.id).await?;
        let kept = |publication: &Publication| {
            publication.checkpoint && publication.version == repository.latest_version
        };
        if publications.iter().any(kept) {
            return Ok(None);
        }
        let request = PublishRequest { checkpoint: true, ..PublishRequest::default() };
        self.publish(name, request, progress).await.map(Some)
    }

    /// Makes every file that does not depend on the publication's time, and stores it.
    async fn prepare(
        &self,
        (repository, version): (Repository, i64),
        plugin: Arc<dyn Plugin>,
        options: &Value,
    ) -> Result<Prepared> {
        let contents = VersionContents::read(&self.catalog, repository.id, version).await?;
        let before = match self.catalog.publications(repository.id).await?.last() {
            Some(newest) => self.catalog.publication_files(newest.id).await?,
            None => Vec::new(),
        };
        let checkpoints_url = self.checkpoints_url(&repository.name, self.public_url.as_deref()).await?;
        let mut tree = Tree::new(&self.catalog, self.store.staging(), before);
        let (signer, options) = (self.signer.clone(), options.clone());
        let work = move || {
            let seal = plugin.publish(PublishJob {
                repository: &repository.name,
                repository_options: &repository.options,
                options: &options,
                contents: &contents,
                writer: &mut tree,
                signer,
                checkpoints_url,
            })?;
            Ok((repository, seal, tree.into_parts()))
        };
        let (repository, seal, (files, staged)) = run_blocking(work).await?;
        self.store_staged(staged).await?;
        Ok(Prepared { repository, version, files: files.into_iter().collect(), seal: Arc::new(seal) })
    }

    /// Gives the publication its time and makes it visible, in one transaction; `None` if it is out of date.
    async fn reveal(
        &self,
        prepared: &Prepared,
        request: &PublishRequest,
        options: &Value,
    ) -> Result<Option<Publication>> {
        let repository = prepared.repository.id;
        let mut transaction = self.catalog.begin().await?;
        let locked = transaction.lock_repository(repository).await?;
        if request.version.is_none() && locked.published_version > prepared.version {
            return Ok(None);
        }
        let time = self.next_time(&prepared.repository, locked.settled_until)?;
        let last = self.seal(prepared.seal.clone(), time).await?;
        let mut files = prepared.files.clone();
        files.extend(last.iter().map(|(path, staged)| (path.clone(), *staged.digests())));
        self.store.put(last.into_iter().map(|(_, staged)| staged).collect()).await?;
        let artifacts: Vec<Digests> = files.iter().map(|(_, digests)| *digests).collect();
        transaction.insert_artifacts(&artifacts, self.now()).await?;
        let (version, checkpoint) = (prepared.version, request.checkpoint);
        let new = NewPublication { repository, version, time, checkpoint, options, files: &files };
        let publication = transaction.create_publication(&new).await?;
        transaction.settle(repository, time).await?;
        if checkpoint {
            retention::keep_checkpoints(&mut transaction, &prepared.repository.name).await?;
        }
        transaction.bump_generation().await?;
        transaction.commit().await?;
        Ok(Some(publication))
    }

    /// The first second that is neither past nor taken nor answered for.
    pub(super) fn next_time(&self, repository: &Repository, settled_until: Timestamp) -> Result<Timestamp> {
        let now = self.now();
        let time = now.max(settled_until.next());
        let ahead = time.unix() - now.unix();
        if ahead > MAX_AHEAD {
            return Err(Error::Conflict(format!(
                "the newest publication of '{}' is dated {ahead} seconds ahead of this machine's clock, \
                 which must be wrong, now or then",
                repository.name
            )));
        }
        Ok(time)
    }

    pub(super) async fn seal(&self, seal: Arc<Seal>, time: Timestamp) -> Result<Vec<(RelativePath, Staged)>> {
        let staging = self.store.staging().clone();
        run_blocking(move || {
            let files = seal(time)?;
            files.into_iter().map(|(path, bytes)| Ok((path, staging.copy(&bytes[..])?))).collect()
        })
        .await
    }

    /// Where the repository's checkpoints are served, with `@TIME@` for the time.
    pub(super) async fn checkpoints_url(
        &self,
        repository: &Name,
        public_url: Option<&str>,
    ) -> Result<Option<String>> {
        let distributions = self.distributions().await?;
        let serving =
            distributions.iter().find(|d| d.checkpoint && d.repository.as_ref() == Some(repository));
        let url = |(serving, public): (&Distribution, &str)| content_url(public, &serving.base_path);
        Ok(serving.zip(public_url).map(|pair| format!("{}@TIME@/", url(pair))))
    }
}
