//! `sync`: from a remote to a new version.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;

use async_trait::async_trait;
use serde::Serialize;
use serde_json::Value;

use super::Engine;
use super::fetch::HttpFetcher;
use super::modify::{Modification, Modified};
use crate::artifacts::{Staged, run_blocking};
use crate::catalog::RemoteArtifact;
use crate::digest::Sha256;
use crate::error::{Error, Result};
use crate::model::{NewUnit, Placed, Remote, Repository};
use crate::name::Name;
use crate::plugin::{SyncJob, SyncMode, SyncSink, UnitFiles};
use crate::progress::Progress;

/// What to sync from and how.
#[derive(Debug, Default)]
pub struct SyncRequest {
    /// The remote; none means all of the repository's own.
    pub remote: Option<Name>,
    /// What becomes of units that the remote does not have; none means what the plugin thinks best.
    pub mode: Option<SyncMode>,
    /// Leave out files that cannot be had.
    pub skip_broken: bool,
    /// Let the upstream go back in time, expire, or change its name.
    pub accept_change: bool,
}

/// What a sync came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Synced {
    /// The new version.
    #[serde(flatten)]
    pub modified: Modified,
    /// Whether the upstream is what it was, so that nothing was to be done.
    pub unchanged: bool,
    /// How many files were fetched into the store.
    pub fetched: u64,
    /// What the user should know.
    pub remarks: Vec<String>,
}

impl Engine {
    /// Fetches what remotes have into new versions, one for each remote that has changed: all of it, or nothing but
    /// bytes that a next sync need not fetch again. Two syncs of one repository queue.
    pub async fn sync(&self, name: &Name, request: SyncRequest, progress: &dyn Progress) -> Result<Synced> {
        let repository = self.repository(name).await?;
        let _lock = self.lock_follower(&repository).await?;
        let remotes = match &request.remote {
            Some(remote) => vec![remote.clone()],
            None => repository.remotes.clone(),
        };
        if remotes.is_empty() {
            return Err(Error::Invalid(format!("repository '{name}' has no remote: name one with --remote")));
        }
        let modified = Modified { version: repository.latest_version, added: 0, removed: 0 };
        let mut all = Synced { modified, unchanged: true, fetched: 0, remarks: Vec::new() };
        for remote in self.remotes_for(name, &repository.plugin, &remotes).await? {
            let one = self.sync_from(&repository, &remote, &request, progress).await?;
            all.modified.version = one.modified.version;
            all.modified.added += one.modified.added;
            all.modified.removed += one.modified.removed;
            all.unchanged &= one.unchanged;
            all.fetched += one.fetched;
            all.remarks.extend(one.remarks);
        }
        Ok(all)
    }

    /// Waits for others on this machine that sync the repository, and keeps them waiting.
    pub(super) async fn lock_follower(&self, repository: &Repository) -> Result<File> {
        let (staging, name) = (self.store.staging().clone(), format!("sync-{}", repository.id));
        run_blocking(move || staging.lock(&name)).await
    }

    async fn sync_from(
        &self,
        repository: &Repository,
        remote: &Remote,
        request: &SyncRequest,
        progress: &dyn Progress,
    ) -> Result<Synced> {
        let plugin = self.registry.get(&repository.plugin)?;
        let fetcher = HttpFetcher::new(self.store.staging(), self.clock.clone())?;
        progress.begin("syncing", None);
        let mut sink = Sink::new(self, progress, repository, remote).await?;
        let job = SyncJob {
            url: &remote.url,
            options: &remote.options,
            mode: request.mode.unwrap_or(plugin.declaration().sync_mode),
            skip_broken: request.skip_broken,
            accept_change: request.accept_change,
            fetcher: &fetcher,
            verifier: &*self.verifier,
            now: self.now(),
            sink: &mut sink,
        };
        let mode = job.mode;
        let synced = plugin.sync(job).await;
        sink.flush().await?;
        synced?;
        sink.finish(repository, mode).await
    }
}

/// How many fetched files are made durable at once.
const FLUSH: usize = 256;

struct Sink<'a> {
    engine: &'a Engine,
    progress: &'a dyn Progress,
    remote: &'a Remote,
    units: Vec<Placed<NewUnit>>,
    claimed: HashSet<String>,
    staged: Vec<Staged>,
    remote_artifacts: Vec<RemoteArtifact>,
    fetched: u64,
    recalled: BTreeMap<String, Value>,
    remembered: BTreeMap<String, Value>,
    remarks: Vec<String>,
}

impl<'a> Sink<'a> {
    async fn new(
        engine: &'a Engine,
        progress: &'a dyn Progress,
        repository: &Repository,
        remote: &'a Remote,
    ) -> Result<Sink<'a>> {
        Ok(Sink {
            engine,
            progress,
            remote,
            units: Vec::new(),
            claimed: HashSet::new(),
            staged: Vec::new(),
            remote_artifacts: Vec::new(),
            fetched: 0,
            recalled: engine.catalog.sync_state(repository.id, remote.id).await?,
            remembered: BTreeMap::new(),
            remarks: Vec::new(),
        })
    }

    /// Makes what was fetched durable, and records it.
    async fn flush(&mut self) -> Result<()> {
        if self.staged.is_empty() {
            return Ok(());
        }
        self.fetched += self.staged.len() as u64;
        let artifacts = self.engine.store_staged(std::mem::take(&mut self.staged)).await?;
        let mut transaction = self.engine.catalog.begin().await?;
        transaction.insert_artifacts(&artifacts).await?;
        transaction.commit().await
    }

    /// Makes the new version, and remembers what the plugin wants to know next time.
    async fn finish(self, repository: &Repository, mode: SyncMode) -> Result<Synced> {
        let unchanged = self.units.is_empty() && self.claimed.is_empty() && self.remembered.is_empty();
        let modified = if unchanged {
            let version = self.engine.repository(&repository.name).await?.latest_version;
            Modified { version, added: 0, removed: 0 }
        } else {
            let exactly = if mode == SyncMode::Mirror { self.claimed } else { HashSet::new() };
            let remember = self.remembered.into_iter().map(|(name, value)| (self.remote.id, name, value));
            let change = Modification {
                units: self.units,
                exactly,
                follow: true,
                remote_artifacts: self.remote_artifacts,
                remember: remember.collect(),
                ..Modification::default()
            };
            self.engine.modify(repository, change).await?
        };
        Ok(Synced { modified, unchanged, fetched: self.fetched, remarks: self.remarks })
    }
}

#[async_trait]
impl SyncSink for Sink<'_> {
    async fn held(&mut self, wanted: &[Sha256]) -> Result<HashSet<Sha256>> {
        let held = self.engine.catalog.known_artifacts(wanted).await?;
        Ok(held.into_keys().collect())
    }

    async fn store(&mut self, fetched: Vec<Staged>) -> Result<()> {
        self.staged.extend(fetched);
        if self.staged.len() >= FLUSH {
            self.flush().await?;
        }
        Ok(())
    }

    async fn add(&mut self, unit: Placed<NewUnit>, files: UnitFiles) -> Result<()> {
        match files {
            UnitFiles::Held => {}
            UnitFiles::Remote(urls) => {
                let remote = self.remote.id;
                let artifacts = unit.unit.artifacts.iter().zip(urls);
                self.remote_artifacts.extend(artifacts.map(|(file, url)| RemoteArtifact {
                    sha256: file.sha256,
                    size: file.size,
                    remote,
                    url,
                }));
            }
        }
        self.units.push(unit);
        Ok(())
    }

    fn claim(&mut self, place: &str) {
        self.claimed.insert(place.to_owned());
    }

    fn recall(&self, name: &str) -> Option<Value> {
        self.recalled.get(name).cloned()
    }

    fn remember(&mut self, name: &str, value: Value) {
        self.remembered.insert(name.to_owned(), value);
    }

    fn begin(&self, stage: &str, steps: u64) {
        self.progress.begin(stage, Some(steps));
    }

    fn advance(&self) {
        self.progress.advance(1);
    }

    fn remark(&mut self, remark: String) {
        self.remarks.push(remark);
    }
}
