//! The bytes of answers: from memory, from a file, or from an object store.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::Bytes;
use checkpoint_core::artifacts::ArtifactStore;
use checkpoint_core::digest::{Digests, Sha256};
use checkpoint_core::engine::{ByteSource, Engine, OnDemand, ServedFile};
use checkpoint_core::{Error, Result};
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use http_body_util::{Either, Full, StreamBody};
use hyper::body::Frame;
use moka::sync::Cache;

/// The body of an answer.
pub(super) type Body = Either<Full<Bytes>, StreamBody<BoxStream<'static, Result<Frame<Bytes>, io::Error>>>>;

/// Files up to this size are kept in memory once they were asked for.
const SMALL: u64 = 256 << 10;
/// How much memory they take together.
const MEMORY: u64 = 128 << 20;
/// How much of a larger file is read at once.
const PIECE: u64 = 256 << 10;

/// A body out of memory.
pub(super) fn full(bytes: impl Into<Bytes>) -> Body {
    Either::Left(Full::new(bytes.into()))
}

/// Reads artifacts, and remembers small ones.
pub(super) struct Reader {
    store: ArtifactStore,
    on_demand: OnDemand,
    small: Cache<Sha256, Bytes>,
}

impl Reader {
    pub(super) fn new(engine: Engine) -> Reader {
        let weight = |_: &Sha256, bytes: &Bytes| bytes.len() as u32 + 128;
        Reader {
            store: engine.store().clone(),
            on_demand: OnDemand::new(engine),
            small: Cache::builder().weigher(weight).max_capacity(MEMORY).build(),
        }
    }

    /// The bytes of `file` in `range`, which must lie inside it. An error means that none were sent.
    pub(super) async fn read(&self, file: &ServedFile, range: Range<u64>) -> Result<Body> {
        if !file.held
            && self.small.get(&file.sha256).is_none()
            && let ByteSource::Coming(incoming) = self.on_demand.open(file).await?
        {
            let pieces = incoming.stream(range).map_err(io::Error::other);
            return Ok(Either::Right(StreamBody::new(pieces.map_ok(Frame::data).boxed())));
        }
        if file.size <= SMALL {
            let bytes = match self.small.get(&file.sha256) {
                Some(bytes) => bytes,
                None => self.read_small(file).await?,
            };
            return Ok(full(bytes.slice(range.start as usize..range.end as usize)));
        }
        let pieces = match self.store.local_path(&file.sha256) {
            Some(path) => {
                let open = move || File::open(&path).map_err(Error::io("open", path));
                let opened = tokio::task::spawn_blocking(open).await;
                pieces_of(Arc::new(opened.map_err(stopped)??), range).boxed()
            }
            None => self.store.stream(&file.sha256, range).await?.map_err(io::Error::other).boxed(),
        };
        Ok(Either::Right(StreamBody::new(pieces.map_ok(Frame::data).boxed())))
    }

    async fn read_small(&self, file: &ServedFile) -> Result<Bytes> {
        let bytes = self.store.read(&file.sha256).await?;
        // What is damaged on disk would stay in memory after it was repaired there.
        if Digests::of(&bytes).sha256 != file.sha256 {
            return Err(Error::Corrupt(format!("artifact {} has other bytes in the store", file.sha256)));
        }
        self.small.insert(file.sha256, bytes.clone());
        Ok(bytes)
    }
}

fn pieces_of(file: Arc<File>, range: Range<u64>) -> impl futures_util::Stream<Item = io::Result<Bytes>> {
    futures_util::stream::try_unfold(range, move |rest| {
        let file = file.clone();
        async move {
            if rest.is_empty() {
                return Ok(None);
            }
            let end = rest.end.min(rest.start + PIECE);
            let read = move || {
                let mut piece = vec![0; (end - rest.start) as usize];
                file.read_exact_at(&mut piece, rest.start)?;
                Ok::<_, io::Error>(Bytes::from(piece))
            };
            let piece = tokio::task::spawn_blocking(read).await.map_err(io::Error::other)??;
            Ok(Some((piece, end..rest.end)))
        }
    })
}

fn stopped(error: tokio::task::JoinError) -> Error {
    Error::Internal(format!("a blocking task stopped: {error}"))
}
