//! `sync`: from a remote to a new version.

use async_trait::async_trait;

use super::Engine;
use super::fetch::HttpFetcher;
use super::modify::{Modification, Modified};
use crate::artifacts::Staged;
use crate::digest::Sha256;
use crate::error::{Error, Result};
use crate::model::{NewUnit, Placed};
use crate::name::Name;
use crate::plugin::{SyncJob, SyncSink};
use crate::progress::Progress;

/// What becomes of units that the remote does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SyncMode {
    /// They stay.
    #[default]
    Additive,
    /// They go: the new version has what the remote has.
    Mirror,
}

/// What to sync from and how.
#[derive(Debug, Default)]
pub struct SyncRequest {
    /// The remote; none means the repository's own.
    pub remote: Option<Name>,
    /// What becomes of units that the remote does not have.
    pub mode: SyncMode,
}

impl Engine {
    /// Fetches what a remote has into a new version: all of it, or nothing but bytes that a next sync need not
    /// fetch again.
    pub async fn sync(&self, name: &Name, request: SyncRequest, progress: &dyn Progress) -> Result<Modified> {
        let repository = self.repository(name).await?;
        let Some(remote) = request.remote.or_else(|| repository.remote.clone()) else {
            return Err(Error::Invalid(format!(
                "repository '{name}' has no remote: name one with --remote"
            )));
        };
        let remote = self.catalog.remote(&remote).await?;
        if remote.plugin != repository.plugin {
            return Err(Error::Invalid(format!(
                "remote '{}' is of type {}, repository '{name}' of type {}",
                remote.name, remote.plugin, repository.plugin
            )));
        }
        let plugin = self.registry.get(&repository.plugin)?;
        let fetcher = HttpFetcher::new(self.store.staging())?;
        progress.begin("syncing", None);
        let exactly = request.mode == SyncMode::Mirror;
        let change = Modification {
            exactly,
            ..Default::default()
        };
        let mut sink = Sink {
            engine: self,
            progress,
            change,
            fetched: Vec::new(),
        };
        let job = SyncJob {
            url: &remote.url,
            options: &remote.options,
            repository_options: &repository.options,
            fetcher: &fetcher,
            sink: &mut sink,
        };
        let synced = plugin.sync(job).await;
        sink.flush().await?;
        synced?;
        let change = sink.change;
        self.modify(&repository, change).await
    }
}

/// How many fetched files are made durable at once.
const FLUSH: usize = 64;

struct Sink<'a> {
    engine: &'a Engine,
    progress: &'a dyn Progress,
    change: Modification,
    fetched: Vec<Staged>,
}

impl Sink<'_> {
    /// Keeps what was fetched, whatever becomes of the sync: the next one need not fetch it again.
    async fn flush(&mut self) -> Result<()> {
        let artifacts = self
            .engine
            .store_staged(std::mem::take(&mut self.fetched))
            .await?;
        let mut transaction = self.engine.catalog.begin().await?;
        transaction.insert_artifacts(&artifacts).await?;
        transaction.commit().await
    }
}

#[async_trait]
impl SyncSink for Sink<'_> {
    async fn held(&mut self, wanted: &[Sha256]) -> Result<Vec<Sha256>> {
        let held = self.engine.catalog.known_artifacts(wanted).await?;
        Ok(held.into_keys().collect())
    }

    async fn add(&mut self, unit: Placed<NewUnit>, fetched: Vec<Staged>) -> Result<()> {
        self.change.units.push(unit);
        self.fetched.extend(fetched);
        self.progress.advance(1);
        if self.fetched.len() >= FLUSH {
            self.flush().await?;
        }
        Ok(())
    }
}
