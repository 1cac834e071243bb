//! `sync`: from a remote to a new version.

use std::fs::File;

use serde::Serialize;

use super::Engine;
use super::modify::Modified;
use super::sink::Sink;
use crate::artifacts::run_blocking;
use crate::error::{Error, Result};
use crate::model::{Remote, Repository};
use crate::name::Name;
use crate::plugin::{SyncJob, SyncMode};
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
    /// Read everything, even if upstream is what it was.
    pub afresh: bool,
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
        let fetcher = self.fetcher(remote)?;
        progress.begin("reading indices", None);
        let mode = request.mode.unwrap_or(plugin.declaration().sync_mode);
        let mut sink = Sink::new(self, progress, (repository, remote), (mode, request.afresh)).await?;
        let job = SyncJob {
            url: &remote.url,
            options: &remote.options,
            mode,
            policy: remote.settings.policy,
            accept_change: request.accept_change,
            fetcher: &*fetcher,
            verifier: &*self.verifier,
            now: self.now(),
            sink: &mut sink,
        };
        let synced = plugin.sync(job).await;
        sink.flush().await?;
        synced?;
        sink.finish(&fetcher, request.skip_broken).await
    }
}
