//! Fetching files that Release lists: by their hash, where upstream offers that, else by their name.

use std::collections::HashSet;

use checkpoint_core::artifacts::Staged;
use checkpoint_core::digest::Sha256;
use checkpoint_core::plugin::{Expected, Fetcher, SyncJob};
use checkpoint_core::{Error, Result};
use debian_format::compression::Compression;
use futures_util::StreamExt as _;

use super::choose::Forms;
use crate::files::Listed;

/// What is read of an index whose plain size Release does not say, for each byte of the compressed one.
const MAX_RATIO: u64 = 200;
/// How many files of a suite are fetched at once.
const PARALLEL: usize = 8;

/// A suite's directory at the upstream, and how files in it may be asked for.
pub(super) struct Directory {
    pub(super) url: String,
    pub(super) by_hash: bool,
}

/// An index that was fetched.
pub(super) struct Fetched {
    pub(super) staged: Staged,
    pub(super) compression: Compression,
    /// The most that decompressing it may give, in bytes.
    pub(super) limit: u64,
}

/// Fetches an index in the smallest compression that is there.
pub(super) async fn fetch(job: &SyncJob<'_>, directory: &Directory, forms: &Forms) -> Result<Fetched> {
    let mut missing = None;
    for (compression, listed) in &forms.listed {
        match fetch_file(job.fetcher, directory, listed).await {
            Ok(staged) => {
                let ratio = listed.size.saturating_mul(MAX_RATIO).saturating_add(1 << 20);
                let limit = forms.plain().map_or(ratio, |plain| plain.size);
                return Ok(Fetched { staged, compression: *compression, limit });
            }
            // Some announce what they do not have.
            Err(error @ Error::Fetch { missing: true, .. }) => missing = missing.or(Some(error)),
            Err(error) => return Err(error),
        }
    }
    Err(missing.unwrap_or_else(|| Error::Internal(format!("'{}' is not offered", forms.stem))))
}

async fn fetch_file(fetcher: &dyn Fetcher, directory: &Directory, listed: &Listed) -> Result<Staged> {
    let Directory { url, by_hash } = directory;
    let Listed { path, size, sha256, .. } = listed;
    let named = format!("{url}/{path}");
    let expected = Expected { sha256: Some(*sha256), size: Some(*size), limit: *size };
    if *by_hash {
        let inside = path.rsplit_once('/').map_or(String::new(), |(inside, _)| format!("{inside}/"));
        let hashed = format!("{url}/{inside}by-hash/SHA256/{sha256}");
        match fetcher.fetch(&hashed, expected).await {
            Err(Error::Fetch { missing: true, .. }) => {}
            fetched => return fetched,
        }
    }
    fetcher.fetch(&named, expected).await
}

/// Sees to it that files are held, as far as the upstream has them; gives all of them, saying which are.
pub(super) async fn hold(
    job: &mut SyncJob<'_>,
    directory: &Directory,
    wanted: Vec<Listed>,
) -> Result<Vec<Listed>> {
    let digests: Vec<Sha256> = wanted.iter().map(|listed| listed.sha256).collect();
    let mut held: HashSet<Sha256> = job.sink.held(&digests).await?;
    let fetcher = job.fetcher;
    let missing: Vec<Listed> =
        wanted.iter().filter(|listed| !held.contains(&listed.sha256)).cloned().collect();
    let transfers =
        missing.into_iter().map(|listed| async move { fetch_file(fetcher, directory, &listed).await });
    let mut transfers = futures_util::stream::iter(transfers).buffer_unordered(PARALLEL);
    let mut arrived = Vec::new();
    while let Some(fetched) = transfers.next().await {
        match fetched {
            Ok(staged) => arrived.push(staged),
            Err(Error::Fetch { missing: true, .. }) => {}
            Err(error) => return Err(error),
        }
    }
    drop(transfers);
    held.extend(arrived.iter().map(|staged| staged.digests().sha256));
    job.sink.keep(arrived).await?;
    let mark = |listed: Listed| Listed { held: held.contains(&listed.sha256), ..listed };
    Ok(wanted.into_iter().map(mark).collect())
}
