//! Files that are fetched when the first client asks for them: one transfer, however many ask, which they all
//! read along with while it is verified and stored.

use std::collections::HashMap;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use moka::sync::Cache;
use tokio::sync::watch;

use super::Engine;
use super::fetch::{HttpFetcher, Observer};
use super::resolve::ServedFile;
use crate::artifacts::{Staged, run_blocking};
use crate::catalog::RemoteArtifact;
use crate::digest::Sha256;
use crate::error::{Error, Result};
use crate::model::{Id, Policy};
use crate::name::Name;
use crate::plugin::{Expected, Fetcher as _};
use crate::progress::Progress;

/// How long the failure to fetch a file is the answer to whoever asks next.
const FAILURE_HOLDS: Duration = Duration::from_secs(5);
/// How long a URL that has failed is the last one that is tried.
const DISTRUST_HOLDS: Duration = Duration::from_secs(600);
/// How much of a transfer is read at once.
const PIECE: u64 = 256 << 10;

/// Where the bytes of a file are.
pub enum ByteSource {
    /// In the store.
    Held,
    /// On their way.
    Coming(Incoming),
}

/// Fetches on demand. One for each process that serves.
pub struct OnDemand {
    engine: Engine,
    going_on: Arc<Mutex<HashMap<Sha256, Incoming>>>,
    failed: Cache<Sha256, (String, String)>,
    /// What has arrived since its path was looked up, and how often files had been lost by then.
    held: Cache<(Sha256, i64), ()>,
    /// URLs that gave something else than they should; others are tried before them.
    distrusted: Cache<String, ()>,
}

/// A transfer that can be read while it goes on.
#[derive(Clone)]
pub struct Incoming {
    size: u64,
    state: watch::Receiver<State>,
}

/// How far a transfer is.
#[derive(Clone, Default)]
struct State {
    file: Option<Arc<File>>,
    written: u64,
    end: Option<Result<(), (String, String)>>,
}

impl OnDemand {
    /// Fetches for what `engine` has.
    pub fn new(engine: Engine) -> OnDemand {
        let failed = Cache::builder().max_capacity(10_000).time_to_live(FAILURE_HOLDS).build();
        let distrusted = Cache::builder().max_capacity(10_000).time_to_live(DISTRUST_HOLDS).build();
        OnDemand { engine, going_on: Arc::default(), failed, held: Cache::new(1_000_000), distrusted }
    }

    /// Finds the bytes of a file that was not held when it was last looked up, and begins to fetch them if nobody
    /// did. [`Error::Fetch`] says why they cannot be had.
    pub async fn open(&self, file: &ServedFile) -> Result<ByteSource> {
        let ServedFile { sha256, size, losses, .. } = *file;
        if self.held.contains_key(&(sha256, losses)) {
            return Ok(ByteSource::Held);
        }
        if let Some((url, reason)) = self.failed.get(&sha256) {
            return Err(Error::fetch(&url, reason));
        }
        if !self.engine.catalog.known_artifacts(&[sha256]).await?.is_empty() {
            self.held.insert((sha256, losses), ());
            return Ok(ByteSource::Held);
        }
        let mut artifacts = self.engine.catalog.remote_artifacts(&sha256).await?;
        artifacts.sort_by_key(|artifact| self.distrusted.contains_key(&artifact.url));
        let mut sources = Vec::with_capacity(artifacts.len());
        for artifact in artifacts {
            let fetcher = self.engine.fetcher(&self.engine.catalog.remote_of(artifact.remote).await?)?;
            // What the unit says of the size counts, not what some remote says.
            sources.push(Source { artifact: RemoteArtifact { size, ..artifact }, fetcher });
        }
        let incoming = self.join(sha256, size, sources);
        incoming.begun().await.inspect_err(|error| {
            if let Error::Fetch { url, reason, .. } = error {
                self.failed.insert(sha256, (url.clone(), reason.clone()));
            }
        })?;
        Ok(ByteSource::Coming(incoming))
    }

    /// Joins the transfer of a file, or begins it.
    fn join(&self, sha256: Sha256, size: u64, sources: Vec<Source>) -> Incoming {
        let mut going_on = self.going_on.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(incoming) = going_on.get(&sha256) {
            return incoming.clone();
        }
        let (sender, state) = watch::channel(State::default());
        let incoming = Incoming { size, state };
        going_on.insert(sha256, incoming.clone());
        let (engine, all, distrusted) = (self.engine.clone(), self.going_on.clone(), self.distrusted.clone());
        tokio::spawn(async move {
            let end = transfer(&engine, &sources, &sender).await;
            if let Err(error) = &end {
                tracing::warn!("cannot fetch {sha256} on demand: {error}");
                if let Error::Fetch { url, .. } = error {
                    distrusted.insert(url.clone(), ());
                }
            }
            sender.send_modify(|state| state.end = Some(end.map_err(parts)));
            all.lock().unwrap_or_else(PoisonError::into_inner).remove(&sha256);
        });
        incoming
    }
}

/// Where a file can be fetched, and by whom.
struct Source {
    artifact: RemoteArtifact,
    fetcher: Arc<HttpFetcher>,
}

/// Fetches from the first source that has it, and stores it, unless the remote says never to, before its last byte is
/// given to anybody.
async fn transfer(engine: &Engine, sources: &[Source], state: &watch::Sender<State>) -> Result<()> {
    let mut last = Error::Corrupt("the file is neither held nor known to be anywhere else".into());
    for Source { artifact, fetcher } in sources {
        let fetched =
            fetcher.fetch_observed(&artifact.url, expected(artifact), Some(&Broadcast(state))).await;
        match fetched {
            // Who reads along has the file open.
            Ok(_) if fetcher.settings().policy == Policy::Streamed => return Ok(()),
            Ok(staged) => return engine.keep(staged).await,
            Err(error) => last = error,
        }
        if state.borrow().written > 0 {
            // Clients have bytes of this one already; those of another source may not fit.
            break;
        }
    }
    Err(last)
}

fn expected(source: &RemoteArtifact) -> Expected {
    Expected { sha256: Some(source.sha256), size: Some(source.size), limit: source.size }
}

fn parts(error: Error) -> (String, String) {
    match error {
        Error::Fetch { url, reason, .. } => (url, reason),
        error => ("the file".into(), error.to_string()),
    }
}

/// Tells all readers how far the file is.
struct Broadcast<'a>(&'a watch::Sender<State>);

impl Observer for Broadcast<'_> {
    fn begun(&self, path: &Path) -> Result<()> {
        if self.0.borrow().written > 0 {
            return Err(Error::Internal("upstream broke off and cannot take it up again".into()));
        }
        let file = File::open(path).map_err(Error::io("open", path))?;
        self.0.send_modify(|state| state.file = Some(Arc::new(file)));
        Ok(())
    }

    fn received(&self, size: u64) {
        self.0.send_modify(|state| state.written = size);
    }
}

impl Incoming {
    /// Waits until there is something to read.
    async fn begun(&self) -> Result<()> {
        let mut state = self.state.clone();
        let begun = |state: &State| state.written > 0 || state.end.is_some();
        let state = state.wait_for(begun).await.map_err(|_| stopped())?;
        match &state.end {
            Some(Err((url, reason))) => Err(Error::fetch(url, reason.clone())),
            _ => Ok(()),
        }
    }

    /// The bytes in `range` as they come. The last byte of the file comes only once all of it was verified; if it
    /// proves wrong the stream ends in an error.
    pub fn stream(self, range: Range<u64>) -> BoxStream<'static, Result<Bytes>> {
        let incoming = self;
        futures_util::stream::try_unfold(range, move |rest| {
            let incoming = incoming.clone();
            async move {
                if rest.is_empty() {
                    return Ok(None);
                }
                let (file, available) = incoming.available(rest.start).await?;
                let end = rest.end.min(available).min(rest.start + PIECE);
                let start = rest.start;
                let piece = run_blocking(move || {
                    let mut piece = vec![0; (end - start) as usize];
                    file.read_exact_at(&mut piece, start).map_err(Error::io("read", "a staged file"))?;
                    Ok(Bytes::from(piece))
                });
                Ok(Some((piece.await?, end..rest.end)))
            }
        })
        .boxed()
    }

    /// Waits until the byte at `position` may be given away; says up to where.
    async fn available(&self, position: u64) -> Result<(Arc<File>, u64)> {
        let mut state = self.state.clone();
        let last = self.size.saturating_sub(1);
        let may_give =
            |state: &State| if state.end.is_some() { state.written } else { state.written.min(last) };
        let state = state.wait_for(|state| state.end.is_some() || may_give(state) > position).await;
        let state = state.map_err(|_| stopped())?;
        match (&state.end, &state.file) {
            (Some(Err((url, reason))), _) => Err(Error::fetch(url, reason.clone())),
            (_, Some(file)) => Ok((file.clone(), may_give(&state))),
            _ => Err(stopped()),
        }
    }
}

fn stopped() -> Error {
    Error::Internal("a transfer stopped without an end".into())
}

impl Engine {
    /// Fetches all files of a repository's newest version that are not held. Gives how many that were.
    pub async fn fetch_missing(&self, name: &Name, progress: &dyn Progress) -> Result<u64> {
        let repository = self.repository(name).await?;
        let missing = self.catalog.missing_artifacts(repository.id, repository.latest_version).await?;
        let mut fetchers: HashMap<Id, Arc<HttpFetcher>> = HashMap::new();
        for remote in self.catalog.remotes().await? {
            fetchers.insert(remote.id, self.fetcher(&remote)?);
        }
        // What a remote says is never to be stored is not missing.
        let stored = |artifact: &RemoteArtifact| {
            fetchers
                .get(&artifact.remote)
                .is_some_and(|fetcher| fetcher.settings().policy != Policy::Streamed)
        };
        let missing = missing.into_iter().map(|mut sources| {
            sources.retain(stored);
            sources
        });
        let missing: Vec<Vec<RemoteArtifact>> = missing.filter(|sources| !sources.is_empty()).collect();
        progress
            .begin_bytes("fetching", missing.iter().filter_map(|sources| Some(sources.first()?.size)).sum());
        let fetch = |sources: Vec<RemoteArtifact>| {
            let fetchers = &fetchers;
            async move {
                let mut last = Error::Internal("a file can be fetched from nowhere".into());
                for source in &sources {
                    let Some(fetcher) = fetchers.get(&source.remote) else { continue };
                    match fetcher.fetch(&source.url, expected(source)).await {
                        Ok(staged) => return Ok(staged),
                        Err(error) => last = error,
                    }
                }
                Err(last)
            }
        };
        let parallel = fetchers.values().map(|fetcher| fetcher.parallel()).max().unwrap_or(1);
        let mut transfers =
            futures_util::stream::iter(missing.into_iter().map(fetch)).buffer_unordered(parallel);
        let (mut fetched, mut broken) = (0, Vec::new());
        while let Some(staged) = transfers.next().await {
            match staged {
                Ok(staged) => {
                    progress.advance(staged.digests().size);
                    self.keep(staged).await?;
                    fetched += 1;
                }
                Err(error) => broken.push(error),
            }
        }
        match broken.into_iter().next() {
            Some(error) => Err(error),
            None => Ok(fetched),
        }
    }

    /// Stores and records one file.
    async fn keep(&self, staged: Staged) -> Result<()> {
        let artifacts = self.store_staged(vec![staged]).await?;
        let mut transaction = self.catalog.begin().await?;
        transaction.insert_artifacts(&artifacts, self.now()).await?;
        transaction.commit().await
    }
}
