//! What a sync has found, and making a version of it: fetch what is not held, then change the catalog at once.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use serde_json::Value;

use super::Engine;
use super::fetch::HttpFetcher;
use super::modify::{Follow, Modification, Modified};
use super::sync::Synced;
use crate::artifacts::Staged;
use crate::digest::Sha256;
use crate::error::{Error, Result};
use crate::model::{NewUnit, Placed, Policy, Remote, Repository, UnitArtifact};
use crate::name::encode_path;
use crate::plugin::{Expected, Fetcher as _, SyncMode, SyncSink};
use crate::progress::Progress;

/// How many fetched files are made durable at once.
const FLUSH: usize = 256;
/// How many broken files an error names.
const NAMED: usize = 5;

/// Collects what a sync finds.
pub(super) struct Sink<'a> {
    engine: &'a Engine,
    progress: &'a dyn Progress,
    repository: &'a Repository,
    remote: &'a Remote,
    units: Vec<Placed<NewUnit>>,
    /// Below which URL the files of each unit are.
    bases: Vec<Arc<str>>,
    claimed: HashSet<String>,
    left: HashSet<String>,
    staged: Vec<Staged>,
    fetched: u64,
    recalled: BTreeMap<String, Value>,
    remembered: BTreeMap<String, Value>,
    remarks: Vec<String>,
    must_look: bool,
    mode: SyncMode,
    /// Whether this sync leaves out files.
    leaves_out: bool,
}

/// Under this name it is remembered that files were left out.
const LEFT_OUT: &str = "left out";
/// Under this name it is remembered that somebody has changed what the remote fills.
pub(super) const CHANGED: &str = "changed";

impl<'a> Sink<'a> {
    pub(super) async fn new(
        engine: &'a Engine,
        progress: &'a dyn Progress,
        (repository, remote): (&'a Repository, &'a Remote),
        (mode, afresh): (SyncMode, bool),
    ) -> Result<Sink<'a>> {
        let mut recalled = engine.catalog.sync_state(repository.id, remote.id).await?;
        let mut is_set = |name: &str| recalled.remove(name).is_some_and(|value| value == true);
        let (left_out, changed) = (is_set(LEFT_OUT), is_set(CHANGED));
        let must_look = afresh || left_out || (changed && mode == SyncMode::Mirror);
        Ok(Sink {
            engine,
            progress,
            repository,
            remote,
            units: Vec::new(),
            bases: Vec::new(),
            claimed: HashSet::new(),
            left: HashSet::new(),
            staged: Vec::new(),
            fetched: 0,
            recalled,
            remembered: BTreeMap::new(),
            remarks: Vec::new(),
            must_look,
            mode,
            leaves_out: false,
        })
    }

    /// Makes what was fetched durable, and records it.
    pub(super) async fn flush(&mut self) -> Result<()> {
        if self.staged.is_empty() {
            return Ok(());
        }
        self.fetched += self.staged.len() as u64;
        let artifacts = self.engine.store_staged(std::mem::take(&mut self.staged)).await?;
        let mut transaction = self.engine.catalog.begin().await?;
        transaction.insert_artifacts(&artifacts, self.engine.now()).await?;
        transaction.commit().await
    }

    /// Fetches what has to be here, makes the new version, and remembers what the plugin wants to know next time.
    pub(super) async fn finish(mut self, fetcher: &HttpFetcher, skip_broken: bool) -> Result<Synced> {
        let unchanged = self.units.is_empty() && self.claimed.is_empty() && self.remembered.is_empty();
        if unchanged {
            let version = self.engine.repository(&self.repository.name).await?.latest_version;
            let modified = Modified { version, added: 0, removed: 0 };
            return Ok(Synced { modified, unchanged, fetched: self.fetched, remarks: self.remarks });
        }
        if fetcher.settings().policy == Policy::Immediate {
            self.fetch_files(fetcher, skip_broken).await?;
        }
        self.progress.begin("recording", None);
        self.remembered.insert(LEFT_OUT.into(), Value::Bool(self.leaves_out));
        let (remote, mode) = (self.remote, self.mode);
        if mode == SyncMode::Mirror {
            self.remembered.insert(CHANGED.into(), Value::Bool(false));
        }
        let change = Modification {
            units: self.units,
            exactly: if mode == SyncMode::Mirror { self.claimed.clone() } else { HashSet::new() },
            follow: Some(Follow {
                remote: remote.clone(),
                mode,
                places: self.claimed.union(&self.left).cloned().collect(),
                bases: self.bases,
            }),
            remember: self.remembered.into_iter().map(|(name, value)| (remote.id, name, value)).collect(),
            ..Modification::default()
        };
        let modified = self.engine.modify(self.repository, change).await?;
        Ok(Synced { modified, unchanged, fetched: self.fetched, remarks: self.remarks })
    }

    /// Fetches what is not held. A file that cannot be had is reported at the end; what was fetched is kept all the
    /// same, and the next sync fetches only the rest.
    async fn fetch_files(&mut self, fetcher: &HttpFetcher, skip_broken: bool) -> Result<()> {
        let files = || {
            self.units
                .iter()
                .zip(&self.bases)
                .flat_map(|(placed, base)| placed.unit.artifacts.iter().map(move |file| (file, base)))
        };
        let wanted: Vec<Sha256> = files().map(|(file, _)| file.sha256).collect();
        let mut held: HashSet<Sha256> =
            self.engine.catalog.known_artifacts(&wanted).await?.into_keys().collect();
        let mut missing: HashMap<Sha256, (UnitArtifact, Arc<str>)> = HashMap::new();
        for (file, base) in files().filter(|(file, _)| !held.contains(&file.sha256)) {
            missing.entry(file.sha256).or_insert_with(|| (file.clone(), base.clone()));
        }
        let bytes = missing.values().map(|(file, _)| file.size).sum();
        self.progress.begin_bytes("fetching", bytes);
        let transfers = missing.into_values().map(|(file, base)| async move {
            let expected = Expected { sha256: Some(file.sha256), size: Some(file.size), limit: file.size };
            let fetched = fetcher.fetch(&url_of(&base, &file), expected).await;
            (file, fetched)
        });
        let mut transfers = futures_util::stream::iter(transfers).buffer_unordered(fetcher.parallel());
        let mut broken = Vec::new();
        while let Some((file, fetched)) = transfers.next().await {
            match fetched {
                Ok(staged) => {
                    self.keep(vec![staged]).await?;
                    held.insert(file.sha256);
                }
                Err(error @ Error::Fetch { .. }) => broken.push(error.to_string()),
                Err(error) => {
                    self.flush().await?;
                    return Err(error);
                }
            }
            self.progress.advance(file.size);
        }
        drop(transfers);
        self.flush().await?;
        self.report(broken, skip_broken)?;
        let all_held =
            |placed: &Placed<NewUnit>| placed.unit.artifacts.iter().all(|file| held.contains(&file.sha256));
        let units = std::mem::take(&mut self.units).into_iter().zip(std::mem::take(&mut self.bases));
        (self.units, self.bases) = units.filter(|(placed, _)| all_held(placed)).unzip();
        Ok(())
    }

    fn report(&mut self, broken: Vec<String>, skip_broken: bool) -> Result<()> {
        if broken.is_empty() {
            return Ok(());
        }
        if !skip_broken {
            let count = broken.len();
            let named = broken.into_iter().take(NAMED).collect::<Vec<_>>().join("; ");
            return Err(Error::Invalid(format!(
                "{count} files could not be had, so there is no new version (the rest is kept for the next sync): {named}"
            )));
        }
        self.leaves_out = true;
        self.remarks.extend(broken.into_iter().map(|sentence| format!("left out: {sentence}")));
        Ok(())
    }
}

/// Where a file of a unit is, below the URL that its unit came with.
pub(super) fn url_of(base: &str, file: &UnitArtifact) -> String {
    format!("{base}/{}", encode_path(file.path.as_str()))
}

#[async_trait]
impl SyncSink for Sink<'_> {
    async fn held(&mut self, wanted: &[Sha256]) -> Result<HashSet<Sha256>> {
        let held = self.engine.catalog.known_artifacts(wanted).await?;
        let kept = self.staged.iter().map(|staged| staged.digests().sha256);
        Ok(held.into_keys().chain(kept.filter(|sha256| wanted.contains(sha256))).collect())
    }

    async fn keep(&mut self, fetched: Vec<Staged>) -> Result<()> {
        self.staged.extend(fetched);
        if self.staged.len() >= FLUSH {
            self.flush().await?;
        }
        Ok(())
    }

    fn add(&mut self, unit: Placed<NewUnit>, base: &Arc<str>) {
        self.units.push(unit);
        self.bases.push(base.clone());
    }

    fn claim(&mut self, place: &str) {
        self.claimed.insert(place.to_owned());
    }

    fn leave(&mut self, place: &str) {
        self.left.insert(place.to_owned());
    }

    fn recall(&self, name: &str) -> Option<Value> {
        self.recalled.get(name).cloned()
    }

    fn must_look(&self) -> bool {
        self.must_look
    }

    fn remember(&mut self, name: &str, value: Value) {
        self.remembered.insert(name.to_owned(), value);
    }

    fn remark(&mut self, remark: String) {
        self.remarks.push(remark);
    }
}
