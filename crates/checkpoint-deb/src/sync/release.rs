//! The Release of an upstream suite: signed by whom we trust, and not older than what we have seen.

use std::io::Read as _;

use checkpoint_core::artifacts::Staged;
use checkpoint_core::digest::{Digests, Sha256};
use checkpoint_core::plugin::{Expected, SyncJob, Validators};
use checkpoint_core::{Error, Result};
use debian_format::release::Release;
use serde::{Deserialize, Serialize};

use crate::options::{RemoteOptions, SuiteName};
use crate::place;

/// The most that apt reads of a Release file, in bytes (Acquire::MaxReleaseFileSize).
const MAX_RELEASE: u64 = 10_000_000;

/// How far upstream's clock may be ahead of ours, in seconds. A date far ahead would make all later ones look old.
const MAX_AHEAD: i64 = 3600;

/// What was seen of a suite's Release. Without it anybody between us and upstream could turn back the time.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(super) struct Known {
    /// Which file it was: `InRelease` or `Release`.
    file: String,
    pub(super) validators: Validators,
    pub(super) sha256: Option<Sha256>,
    /// Seconds since 1970.
    date: i64,
    origin: Option<String>,
    codename: Option<String>,
}

/// A Release that can be trusted.
pub(super) struct Upstream {
    pub(super) release: Release,
    pub(super) known: Known,
    /// The file it came in, until it is kept, and its text without a signature.
    staged: Option<Staged>,
    text: Vec<u8>,
}

/// A form of a Release: `InRelease`, `Release` or `Release.gpg`.
pub(super) struct Companion {
    pub(super) name: &'static str,
    pub(super) digests: Digests,
}

impl Upstream {
    /// Keeps the Release in all forms that the upstream has, which have to say the same.
    pub(super) async fn keep(
        &mut self,
        job: &mut SyncJob<'_>,
        options: &RemoteOptions,
        directory: &str,
    ) -> Result<Vec<Companion>> {
        let own = if self.known.file == "InRelease" { "InRelease" } else { "Release" };
        let mut forms: Vec<(&'static str, Staged)> =
            self.staged.take().map(|staged| (own, staged)).into_iter().collect();
        let expected = Expected { limit: MAX_RELEASE, ..Expected::default() };
        if let Some(keys) = options.keyring.as_ref().map(|keyring| keyring.as_bytes()) {
            let url = format!("{directory}/Release");
            let plain = match own {
                "Release" => Ok(None),
                _ => job.fetcher.fetch(&url, expected).await.map(Some),
            };
            let signature = job.fetcher.fetch(&format!("{url}.gpg"), expected).await;
            match (plain, signature) {
                (Ok(plain), Ok(signature)) => {
                    let text = plain.as_ref().map_or_else(|| Ok(self.text.clone()), read)?;
                    if text.trim_ascii_end() != self.text.trim_ascii_end() {
                        return Err(Error::fetch(&url, "it is of another state than InRelease"));
                    }
                    let held =
                        job.verifier.verify_detached(keys, &text, &read(&signature)?, job.now.system_time());
                    held.map_err(|error| {
                        Error::fetch(&url, format!("Release.gpg does not hold for it: {error}"))
                    })?;
                    forms.extend(plain.map(|plain| ("Release", plain)));
                    forms.push(("Release.gpg", signature));
                }
                // Some have InRelease only.
                (Err(Error::Fetch { missing: true, .. }), _)
                | (_, Err(Error::Fetch { missing: true, .. })) => {}
                (Err(error), _) | (_, Err(error)) => return Err(error),
            }
        }
        let companion =
            |(name, staged): &(&'static str, Staged)| Companion { name, digests: *staged.digests() };
        let companions = forms.iter().map(companion).collect();
        job.sink.keep(forms.into_iter().map(|(_, staged)| staged).collect()).await?;
        Ok(companions)
    }
}

/// Fetches and checks the Release; `None` if it is what it was.
pub(super) async fn fetch(
    job: &SyncJob<'_>,
    options: &RemoteOptions,
    suite: &SuiteName,
    known: &Known,
) -> Result<Option<Upstream>> {
    let directory = directory_url(job.url, suite);
    let signed = options.keyring.is_some();
    let files: &[&str] = if signed { &["InRelease", "Release"] } else { &["Release"] };
    for (index, file) in files.iter().enumerate() {
        let url = format!("{directory}/{file}");
        let none = Validators::default();
        let validators = if known.file == *file { &known.validators } else { &none };
        let (staged, validators) = match job.fetcher.fetch_changed(&url, validators, MAX_RELEASE).await {
            Ok(Some(changed)) => changed,
            Ok(None) => return Ok(None),
            Err(Error::Fetch { missing: true, .. }) if index + 1 < files.len() => continue,
            Err(error) => return Err(error),
        };
        let text = verified(job, options, &url, read(&staged)?).await?;
        let release = Release::parse(&text).map_err(|error| Error::fetch(&url, error.to_string()))?;
        let sha256 = Some(staged.digests().sha256);
        check_history(job, &url, &release, known)?;
        let unchanged = known.sha256 == sha256 && known.validators != Validators::default();
        let (origin, codename) = (release.origin.clone(), release.codename.clone());
        let known =
            Known { file: (*file).to_owned(), validators, sha256, date: release.date, origin, codename };
        return Ok((!unchanged).then_some(Upstream { release, known, staged: Some(staged), text }));
    }
    Err(Error::fetch(&directory, "it has no Release file"))
}

/// `URL/dists/SUITE`, or in a flat repository `URL/DIRECTORY`.
pub(super) fn directory_url(url: &str, suite: &SuiteName) -> String {
    let inside = place::path_in(suite.as_str(), "");
    format!("{}/{inside}", url.trim_end_matches('/')).trim_end_matches('/').to_owned()
}

fn read(staged: &Staged) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    staged.open()?.read_to_end(&mut bytes).map_err(Error::io("read", staged.path()))?;
    Ok(bytes)
}

/// The bytes that somebody we trust has signed; only they are parsed.
async fn verified(job: &SyncJob<'_>, options: &RemoteOptions, url: &str, bytes: Vec<u8>) -> Result<Vec<u8>> {
    let Some(keys) = options.keyring.as_ref().map(|keyring| keyring.as_bytes()) else { return Ok(bytes) };
    let now = job.now.system_time();
    let refused = |error: Error| Error::Invalid(format!("{url} cannot be trusted: {error}"));
    if url.ends_with("/InRelease") {
        return job.verifier.verify_clearsigned(keys, &bytes, now).map_err(refused);
    }
    let expected = Expected { limit: MAX_RELEASE, ..Expected::default() };
    let signature = job.fetcher.fetch(&format!("{url}.gpg"), expected).await?;
    job.verifier.verify_detached(keys, &bytes, &read(&signature)?, now).map_err(refused)?;
    Ok(bytes)
}

/// Refuses what apt would refuse too (expired, renamed), and what it would silently ignore (older).
fn check_history(job: &SyncJob<'_>, url: &str, release: &Release, known: &Known) -> Result<()> {
    if job.accept_change {
        return Ok(());
    }
    let refuse = |why: String| {
        Err(Error::Invalid(format!("{url} {why}; to take it all the same, sync with --accept-change")))
    };
    let date = checkpoint_core::time::Timestamp::from_unix;
    if release.date < known.date {
        let (new, old) = (date(release.date).for_people(), date(known.date).for_people());
        return refuse(format!("is of {new}, older than the one of {old} that was seen before"));
    }
    if release.date > job.now.unix() + MAX_AHEAD {
        return refuse(format!("is of {}, which is in the future", date(release.date).for_people()));
    }
    if let Some(until) = release.valid_until.filter(|until| *until < job.now.unix()) {
        return refuse(format!("has expired at {}", date(until).for_people()));
    }
    if known.sha256.is_some() && (release.origin != known.origin || release.codename != known.codename) {
        let name = |origin: &Option<String>, codename: &Option<String>| {
            format!("'{}' '{}'", origin.as_deref().unwrap_or("-"), codename.as_deref().unwrap_or("-"))
        };
        let (new, old) = (name(&release.origin, &release.codename), name(&known.origin, &known.codename));
        return refuse(format!("has changed its Origin and Codename from {old} to {new}"));
    }
    Ok(())
}
