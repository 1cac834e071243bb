//! What tasks do: each operation is one of the engine's own, written down.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::orphans::Cleanup;
use super::tasks::Purge;
use super::{CopyRequest, Engine, PublishRequest, RemoteChange, RepositoryChange, SyncRequest, VersionRef};
use crate::digest::Sha256;
use crate::error::{Error, Result};
use crate::model::{Autopublish, Distribution, Id, Publication};
use crate::name::{BasePath, Name};
use crate::plugin::SyncMode;
use crate::progress::Progress;
use crate::task::Resource;
use crate::time::Timestamp;

/// An operation of the engine that runs as a task.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "operation", content = "of")]
pub enum Operation {
    /// [`Engine::sync`].
    Sync {
        /// Into which repository.
        repository: Name,
        /// From which remote; none means the repository's own.
        remote: Option<Name>,
        /// Whether what the remote does not have goes; none means what the plugin thinks best.
        mirror: Option<bool>,
        /// Whether files that cannot be had are left out.
        skip_broken: bool,
        /// Whether the upstream may go back in time, expire, or change its name.
        accept_change: bool,
        /// Whether everything is read, even if upstream is what it was.
        afresh: bool,
    },
    /// [`Engine::fetch_missing`].
    Fetch(Name),
    /// [`Engine::publish`].
    Publish {
        /// Which repository.
        repository: Name,
        /// Which version; none means the newest.
        version: Option<i64>,
        /// Whether the publication is kept under its time.
        checkpoint: bool,
        /// The plugin's options.
        options: Map<String, Value>,
    },
    /// [`Engine::modify_content`].
    Modify(Modify),
    /// [`Engine::copy`], for each destination in turn.
    Copy(Vec<CopyContent>),
    /// [`Engine::create_content`].
    CreateContent(CreateContent),
    /// [`Engine::update_repository`].
    UpdateRepository {
        /// Which.
        name: Name,
        /// What changes.
        change: RepositoryChange,
    },
    /// [`Engine::delete_repository`].
    DeleteRepository(Name),
    /// [`Engine::delete_version`].
    DeleteVersion {
        /// Of which repository.
        repository: Name,
        /// Its number.
        number: i64,
    },
    /// [`Engine::update_remote`].
    UpdateRemote {
        /// Which.
        name: Name,
        /// What changes.
        change: RemoteChange,
    },
    /// [`Engine::delete_remote`], forced.
    DeleteRemote(Name),
    /// [`Engine::add_distribution`].
    CreateDistribution(DistributionState),
    /// [`Engine::change_distribution`].
    UpdateDistribution(DistributionState),
    /// [`Engine::delete_distribution`].
    DeleteDistribution(Name),
    /// [`Engine::move_distribution`].
    MoveDistribution {
        /// Which.
        name: Name,
        /// The checkpoint; none means the newest state.
        to: Option<Timestamp>,
    },
    /// [`Engine::commit_upload`].
    CommitUpload {
        /// Which.
        upload: Id,
        /// What it has to be.
        sha256: Sha256,
    },
    /// [`Engine::clean_up`].
    CleanUp(Cleanup),
    /// [`Engine::repair`] of a version, or of everything.
    Repair(Option<(Id, i64)>),
    /// [`Engine::reclaim_space`].
    ReclaimSpace {
        /// Of which repositories.
        repositories: Vec<Name>,
        /// The versions whose bytes stay.
        keep: Vec<(Id, i64)>,
    },
    /// [`Engine::purge_tasks`].
    PurgeTasks(Purge),
}

/// What [`Engine::modify_content`] is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Modify {
    /// Which repository.
    pub repository: Name,
    /// The repository and the version to begin with, rather than the newest.
    pub base: Option<(Id, i64)>,
    /// Units that shall be there.
    pub add: Vec<Id>,
    /// Units that shall not.
    pub remove: Vec<Id>,
    /// Whether no other unit stays.
    pub remove_all: bool,
}

/// What [`Engine::copy`] is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CopyContent {
    /// What to copy from.
    pub source: VersionRef,
    /// The repository to copy to.
    pub destination: Name,
    /// What is copied.
    pub request: CopyRequest,
}

/// What [`Engine::create_content`] is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CreateContent {
    /// The plugin.
    pub plugin: String,
    /// The file, which is an artifact, or an upload that is complete.
    pub source: ContentSource,
    /// The file's name.
    pub file_name: String,
    /// The plugin's options for uploads.
    pub options: Map<String, Value>,
    /// The repository whose next version has it.
    pub repository: Option<Name>,
    /// What users wrote on it.
    pub labels: BTreeMap<String, String>,
}

/// Where the bytes of new content are.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContentSource {
    /// In the store.
    Artifact(Sha256),
    /// In the chunks of an upload.
    Upload(Id),
    /// At a URL.
    Url(String),
}

/// All of a distribution that can be said when it is created.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DistributionState {
    /// As in [`Distribution`].
    pub name: Name,
    /// As in [`Distribution`].
    pub plugin: String,
    /// As in [`Distribution`].
    pub base_path: BasePath,
    /// As in [`Distribution`].
    pub repository: Option<Name>,
    /// As in [`Distribution`].
    pub publication: Option<Id>,
    /// As in [`Distribution`].
    pub version: Option<i64>,
    /// As in [`Distribution`].
    pub checkpoint: bool,
    /// As in [`Distribution`].
    pub hidden: bool,
    /// As in [`Distribution`].
    pub direct: bool,
    /// As in [`Distribution`].
    pub guard: Option<Id>,
    /// What users wrote on it.
    pub labels: BTreeMap<String, String>,
}

impl DistributionState {
    fn apply(self, distribution: &mut Distribution) {
        distribution.base_path = self.base_path;
        distribution.repository = self.repository;
        distribution.publication = self.publication;
        distribution.version = self.version;
        distribution.checkpoint = self.checkpoint;
        distribution.hidden = self.hidden;
        distribution.direct = self.direct;
        distribution.guard = self.guard;
    }
}

impl Operation {
    /// Whether it does no harm to do it again, not knowing how far it came the first time.
    pub(super) fn may_be_repeated(&self) -> bool {
        !matches!(self, Operation::Publish { .. } | Operation::CreateDistribution(_))
    }
}

impl Engine {
    /// Carries out an operation; gives what it made, the most important first.
    pub(super) async fn carry_out(
        &self,
        operation: Operation,
        progress: &dyn Progress,
    ) -> Result<Vec<Resource>> {
        match operation {
            Operation::Sync { repository, remote, mirror, skip_broken, accept_change, afresh } => {
                let mode = mirror.map(|mirror| if mirror { SyncMode::Mirror } else { SyncMode::Additive });
                let before = self.repository(&repository).await?.latest_version;
                let request = SyncRequest { remote, mode, skip_broken, accept_change, afresh };
                let synced = self.sync(&repository, request, progress).await?;
                synced.remarks.iter().for_each(|remark| progress.remark(remark));
                self.new_version(&repository, before, progress).await
            }
            Operation::Publish { repository, version, checkpoint, options } => {
                let request = PublishRequest { checkpoint, options, version };
                Ok(vec![self.publish_as_task(&repository, request, progress).await?])
            }
            Operation::Modify(modify) => {
                let before = self.repository(&modify.repository).await?.latest_version;
                self.modify_content(&modify).await?;
                self.new_version(&modify.repository, before, progress).await
            }
            Operation::Copy(copies) => {
                let mut made = Vec::new();
                for copy in copies {
                    let before = self.repository(&copy.destination).await?.latest_version;
                    let copied = self.copy(&[copy.source], &copy.destination, copy.request).await?;
                    copied.remarks.iter().for_each(|remark| progress.remark(remark));
                    made.extend(self.new_version(&copy.destination, before, progress).await?);
                }
                Ok(made)
            }
            Operation::CreateContent(create) => self.create_content_as_task(create, progress).await,
            Operation::CreateDistribution(state) => self.create_distribution_as_task(state).await,
            Operation::UpdateDistribution(state) => self.update_distribution_as_task(state).await,
            Operation::MoveDistribution { name, to } => {
                let plugin = self.distribution(&name).await?.plugin;
                Ok(vec![self.address_of(plugin, &self.move_distribution(&name, to).await?)?])
            }
            Operation::CommitUpload { upload, sha256 } => {
                Ok(vec![Resource::Artifact(self.commit_upload(upload, &sha256).await?.sha256)])
            }
            other => self.carry_out_silently(other, progress).await.map(|()| Vec::new()),
        }
    }

    /// Operations that make nothing which has an address.
    async fn carry_out_silently(&self, operation: Operation, progress: &dyn Progress) -> Result<()> {
        match operation {
            Operation::UpdateRepository { name, change } => {
                self.update_repository(&name, change).await.map(drop)
            }
            Operation::DeleteRepository(name) => self.delete_repository(&name).await,
            Operation::UpdateRemote { name, change } => self.update_remote(&name, change).await.map(drop),
            Operation::DeleteRemote(name) => self.delete_remote(&name, true).await,
            Operation::DeleteVersion { repository, number } => self.delete_version(&repository, number).await,
            Operation::DeleteDistribution(name) => self.delete_distribution(&name).await,
            Operation::Fetch(name) => self.fetch_missing(&name, progress).await.map(drop),
            Operation::CleanUp(cleanup) => self.clean_up(&cleanup, progress).await.map(drop),
            Operation::Repair(of) => self.repair(of, progress).await.map(drop),
            Operation::ReclaimSpace { repositories, keep } => {
                progress.begin("reclaiming space", None);
                progress.advance(self.reclaim_space(&repositories, &keep).await?);
                Ok(())
            }
            Operation::PurgeTasks(purge) => {
                progress.begin("purging tasks", None);
                progress.advance(self.purge_tasks(&purge).await?);
                Ok(())
            }
            other => Err(Error::Internal(format!("nothing carries out {other:?}"))),
        }
    }

    async fn publish_as_task(
        &self,
        repository: &Name,
        request: PublishRequest,
        progress: &dyn Progress,
    ) -> Result<Resource> {
        let plugin = self.repository(repository).await?.plugin;
        self.address_of(plugin, &self.publish(repository, request, progress).await?)
    }

    fn address_of(&self, plugin: String, publication: &Publication) -> Result<Resource> {
        let rest = self.registry.get(&plugin)?.declaration().rest;
        let kind = rest.kind_of(&publication.options).to_owned();
        Ok(Resource::Publication(plugin, kind, publication.id))
    }

    /// The version that a task has made, if there is a new one, and the publication that follows from it.
    async fn new_version(&self, name: &Name, before: i64, progress: &dyn Progress) -> Result<Vec<Resource>> {
        let repository = self.repository(name).await?;
        if repository.latest_version <= before {
            return Ok(Vec::new());
        }
        let checkpoint = repository.settings.autopublish == Autopublish::Checkpoint;
        let autopublish = repository.settings.autopublish != Autopublish::Off;
        let mut made = vec![Resource::Version(repository.plugin, repository.id, repository.latest_version)];
        if autopublish {
            let request = PublishRequest { checkpoint, ..PublishRequest::default() };
            made.push(self.publish_as_task(name, request, progress).await?);
        }
        Ok(made)
    }

    async fn create_content_as_task(
        &self,
        create: CreateContent,
        progress: &dyn Progress,
    ) -> Result<Vec<Resource>> {
        let repository = create.repository.clone();
        let before = match &repository {
            Some(name) => self.repository(name).await?.latest_version,
            None => 0,
        };
        let labels = create.labels.clone();
        let mut made = vec![self.create_content(create).await?];
        if let Some(resource) = made.first().filter(|_| !labels.is_empty()) {
            self.set_labels(resource, &labels).await?;
        }
        if let Some(name) = &repository {
            made.extend(self.new_version(name, before, progress).await?);
        }
        Ok(made)
    }

    async fn create_distribution_as_task(&self, state: DistributionState) -> Result<Vec<Resource>> {
        let labels = state.labels.clone();
        let (name, plugin) = (state.name.clone(), state.plugin.clone());
        let mut new = Distribution::new(name, plugin, state.base_path.clone(), self.now());
        state.apply(&mut new);
        let made = self.add_distribution(new).await?;
        let resource = Resource::Distribution(made.plugin, made.id);
        self.set_labels(&resource, &labels).await?;
        Ok(vec![resource])
    }

    async fn update_distribution_as_task(&self, state: DistributionState) -> Result<Vec<Resource>> {
        let (name, labels) = (state.name.clone(), state.labels.clone());
        let changed = self.change_distribution(&name, |distribution| state.apply(distribution)).await?;
        self.set_labels(&Resource::Distribution(changed.plugin, changed.id), &labels).await?;
        Ok(Vec::new())
    }
}
