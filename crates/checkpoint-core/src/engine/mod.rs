//! The use cases, one file an operation. The application calls this and nothing else of the core.

mod accounts;
mod checkpoints;
mod contents;
mod copy;
mod distributions;
mod fetch;
mod follow;
mod limiter;
mod modify;
mod moves;
mod on_demand;
mod operation;
mod orphans;
mod pin;
mod profile;
mod publish;
mod remotes;
mod repositories;
mod resolve;
mod sink;
mod retention;
mod sync;
mod tasks;
mod tree;
mod units;
mod upload;
mod uploads;
mod verify;
mod view;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;
use url::Url;

use crate::artifacts::ArtifactStore;
use crate::catalog::Catalog;
use crate::error::Result;
use crate::name::BasePath;
use crate::plugin::Registry;
use crate::signer::{Signer, SigningKey, Verifier};
use crate::time::{Clock, Timestamp};

pub use checkpoints::{Checkpoint, CheckpointFile, Diff, Difference, Kind as DifferenceKind};
pub use copy::{Copied, CopyRequest, VersionDiff, VersionRef};
pub use distributions::DistributionChange;
pub use modify::Modified;
pub use on_demand::{ByteSource, Incoming, OnDemand};
pub use operation::{ContentSource, CopyContent, CreateContent, DistributionState, Modify, Operation};
pub use orphans::Cleanup;
pub use publish::PublishRequest;
pub use remotes::{RemoteChange, check_url};
pub use repositories::{ContentEntry, RepositoryChange};
pub use resolve::{Entry, Freshness, Page, Resolution, Resolver, ServedFile};
pub use retention::Retention;
pub use sync::{SyncRequest, Synced};
pub use tasks::{Purge, TaskRequest, alone};
pub use verify::Verified;

/// Where the content server's URLs begin, as in Pulp.
pub const CONTENT_PREFIX: &str = "/pulp/content/";

/// What an engine works on.
pub struct EngineConfig {
    /// `sqlite://FILE` or `postgres://…`.
    pub database_url: String,
    /// The artifact store: `file:`, `s3:`, `az:`, `gs:` or `memory:`.
    pub store_url: Url,
    /// Options of that store, such as credentials.
    pub store_options: Vec<(String, String)>,
    /// Where bytes are staged for a store that is not a directory.
    pub staging: PathBuf,
    /// Scheme, host and port that clients use, without a slash at the end, if it is known.
    pub public_url: Option<String>,
    /// The kinds of content.
    pub registry: Registry,
    /// Who signs.
    pub signer: Arc<dyn Signer>,
    /// Whom the signatures of upstreams are held against.
    pub verifier: Arc<dyn Verifier>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// A catalog, a store and the plugins, ready to work. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    catalog: Catalog,
    store: ArtifactStore,
    registry: Registry,
    signer: Arc<dyn Signer>,
    verifier: Arc<dyn Verifier>,
    clock: Arc<dyn Clock>,
    public_url: Option<String>,
    fetchers: Arc<fetch::Fetchers>,
    /// Sent to whenever something happens to a task.
    task_changes: watch::Sender<()>,
}

impl Engine {
    /// Opens, and creates what does not exist yet.
    pub async fn open(config: EngineConfig) -> Result<Engine> {
        fetch::install_tls();
        let store = ArtifactStore::open(&config.store_url, &config.store_options, &config.staging)?;
        store.staging().remove_abandoned(config.clock.now());
        Ok(Engine {
            catalog: Catalog::open(&config.database_url).await?,
            store,
            registry: config.registry,
            signer: config.signer,
            verifier: config.verifier,
            clock: config.clock,
            public_url: config.public_url,
            fetchers: Arc::default(),
            task_changes: tasks::changes(),
        })
    }

    /// The kinds of content.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The artifacts' bytes, for serving.
    pub fn store(&self) -> &ArtifactStore {
        &self.store
    }

    /// The keys that sign; none before the first is made or needed.
    pub fn signing_keys(&self) -> Result<Vec<SigningKey>> {
        self.signer.keys()
    }

    /// Ends the work with the database.
    pub async fn close(&self) {
        self.catalog.close().await;
    }

    fn now(&self) -> Timestamp {
        Timestamp::of(self.clock.now())
    }

    /// Returns once `time` has begun.
    async fn wait_until(&self, time: Timestamp) {
        while let Ok(left) = time.system_time().duration_since(self.clock.now()) {
            if left.is_zero() {
                break;
            }
            self.clock.sleep(left).await;
        }
    }
}

/// The URL below which a distribution with this base path is served, ending in a slash.
fn content_url(public_url: &str, base_path: &BasePath) -> String {
    format!("{public_url}{CONTENT_PREFIX}{base_path}/")
}
