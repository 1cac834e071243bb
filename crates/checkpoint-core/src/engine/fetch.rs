//! Fetching from an upstream over HTTP: what breaks is taken up again where it broke.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{
    CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    LAST_MODIFIED, RANGE, RETRY_AFTER,
};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Certificate, Client, Identity, Method, Proxy, RequestBuilder, Response, StatusCode};
use url::{Host, Url};

use super::Engine;
use super::limiter::Limiter;
use super::remotes::check_url;
use crate::artifacts::{Staged, Staging, Writing};
use crate::digest::{Digests, Sha256};
use crate::error::{Error, Result};
use crate::model::{Id, Remote, RemoteSettings};
use crate::plugin::{Expected, Fetcher, Validators};
use crate::time::Clock;

/// How long an upstream may be silent.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// How many redirects are followed.
const MAX_REDIRECTS: usize = 5;
/// How often a transfer is taken up again, unless the remote says otherwise.
const RETRIES: u32 = 5;
/// How many files are fetched at once, unless the remote says otherwise.
const PARALLEL: u16 = 16;
/// From this size on, in bytes, what has arrived of a file outlives the process that fetched it.
const WORTH_KEEPING: u64 = 1 << 20;
/// The wait before the second attempt; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// The longest that an upstream can make us wait with `Retry-After`, as in apt.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// After this time an attempt must have had a rate of ...
const RATE_AFTER: Duration = Duration::from_secs(30);
/// ... this many bytes a second; less is as good as silence.
const LEAST_RATE: u64 = 512;

/// Fetches from one remote over HTTP and HTTPS, keeping connections alive.
pub(super) struct HttpFetcher {
    client: Client,
    settings: RemoteSettings,
    requests: Option<Limiter>,
    bytes: Option<Limiter>,
    staging: Staging,
    clock: Arc<dyn Clock>,
}

/// The fetchers of all remotes that were asked so far.
pub(super) type Fetchers = Mutex<HashMap<Id, Arc<HttpFetcher>>>;

impl Engine {
    /// The fetcher of a remote. All that fetch from it share its connections and keep its limits together.
    pub(super) fn fetcher(&self, remote: &Remote) -> Result<Arc<HttpFetcher>> {
        check_url(&remote.url)?;
        let mut all = self.fetchers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fetcher) = all.get(&remote.id).filter(|fetcher| fetcher.settings == remote.settings) {
            return Ok(fetcher.clone());
        }
        let fetcher = HttpFetcher::new(self.store.staging(), self.clock.clone(), remote)?;
        let fetcher = Arc::new(fetcher);
        all.insert(remote.id, fetcher.clone());
        Ok(fetcher)
    }
}

/// Chooses the TLS implementation for all that speaks HTTPS in this process.
pub(super) fn install_tls() {
    // An error says that one was chosen already, by us or by the application.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Is told how far a transfer is.
pub(super) trait Observer: Sync {
    /// The bytes go into this file, from its beginning.
    fn begun(&self, path: &Path) -> Result<()>;

    /// So many bytes are in the file.
    fn received(&self, size: u64);
}

/// A client that reaches an upstream as the settings say.
fn client(settings: &RemoteSettings) -> Result<Client, String> {
    let bad = |what: &str| {
        let what = what.to_owned();
        move |error: reqwest::Error| format!("{what} cannot be used: {}", root_cause(&error))
    };
    let seconds = |seconds: Option<f64>| seconds.map(Duration::from_secs_f64);
    let connecting = [settings.connect_timeout, settings.sock_connect_timeout].map(seconds);
    let mut builder = Client::builder()
        .user_agent(concat!("debpoint/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(connecting.into_iter().flatten().min().unwrap_or(CONNECT_TIMEOUT))
        .read_timeout(seconds(settings.sock_read_timeout).unwrap_or(READ_TIMEOUT))
        .pool_max_idle_per_host(usize::from(settings.download_concurrency.unwrap_or(PARALLEL)))
        .tls_danger_accept_invalid_certs(!settings.tls_validation)
        .redirect(Policy::custom(|attempt| match refuse_redirect(&attempt) {
            Some(why) => attempt.error(why),
            None => attempt.follow(),
        }));
    if let Some(most) = seconds(settings.total_timeout) {
        builder = builder.timeout(most);
    }
    if let Some(url) = &settings.proxy_url {
        let mut proxy = Proxy::all(url).map_err(bad("the proxy's URL"))?;
        if let Some(user) = &settings.proxy_username {
            proxy = proxy.basic_auth(user, settings.proxy_password.as_deref().unwrap_or_default());
        }
        builder = builder.proxy(proxy);
    }
    if let Some(pem) = &settings.ca_cert {
        let certificates = Certificate::from_pem_bundle(pem.as_bytes()).map_err(bad("the CA certificate"))?;
        if certificates.is_empty() {
            return Err("the CA certificate cannot be used: the file has none".into());
        }
        builder = builder.tls_certs_only(certificates);
    }
    if let (Some(certificate), Some(key)) = (&settings.client_cert, &settings.client_key) {
        let pem = format!("{}\n{}\n", key.trim_end(), certificate.trim_end());
        builder =
            builder.identity(Identity::from_pem(pem.as_bytes()).map_err(bad("the client certificate"))?);
    }
    builder.build().map_err(bad("the settings"))
}

/// Refuses settings with which no client could be made.
pub(super) fn check_settings(settings: &RemoteSettings) -> Result<()> {
    client(settings).map(drop).map_err(|why| Error::Invalid(format!("settings of the remote: {why}")))
}

impl HttpFetcher {
    fn new(staging: &Staging, clock: Arc<dyn Clock>, remote: &Remote) -> Result<HttpFetcher> {
        let settings = remote.settings.clone();
        let wrong = |why: String| Error::Invalid(format!("settings of remote '{}': {why}", remote.name));
        // They may come one after the other, but nothing is fetched with one of them.
        if settings.client_cert.is_some() != settings.client_key.is_some() {
            return Err(wrong("a client certificate needs its key, and a key its certificate".into()));
        }
        let client = client(&settings).map_err(wrong)?;
        let requests = settings.rate_limit.map(|rate| Limiter::new(f64::from(rate)));
        let bytes = settings.bandwidth_limit.map(|rate| Limiter::new(rate as f64));
        Ok(HttpFetcher { client, settings, requests, bytes, staging: staging.clone(), clock })
    }

    /// How the remote is reached.
    pub(super) fn settings(&self) -> &RemoteSettings {
        &self.settings
    }

    /// How many files may be fetched at once.
    pub(super) fn parallel(&self) -> usize {
        usize::from(self.settings.download_concurrency.unwrap_or(PARALLEL))
    }

    async fn request(&self, method: Method, url: Url) -> RequestBuilder {
        if let Some(limiter) = &self.requests {
            limiter.pass(1.0, &*self.clock).await;
        }
        let request = self.client.request(method, url);
        match &self.settings.username {
            Some(user) => request.basic_auth(user, self.settings.password.as_ref()),
            None => request,
        }
    }

    /// Runs one transfer with as many attempts as it takes.
    async fn transfer<'a>(
        &self,
        url: &str,
        known: &Validators,
        expected: Expected,
        observer: Option<&'a dyn Observer>,
    ) -> Result<Option<Transfer<'a>>> {
        let parsed = parse(url)?;
        let mut transfer = Transfer::new(&self.staging, expected, observer)?;
        let mut wait = FIRST_WAIT;
        for attempt in 0.. {
            let broken = match self.attempt(&parsed, known, &mut transfer).await? {
                Attempted::Done => return Ok(Some(transfer)),
                Attempted::Unchanged => return Ok(None),
                Attempted::Broken(broken) => broken,
            };
            if attempt >= self.settings.max_retries.unwrap_or(RETRIES) {
                return Err(Error::fetch(url, broken.why));
            }
            tracing::debug!(url, attempt, "taking it up again: {}", broken.why);
            self.clock.sleep(broken.after.unwrap_or(wait).min(LONGEST_WAIT)).await;
            wait *= 2;
        }
        Err(Error::Internal("the attempts never end".into()))
    }

    async fn attempt(&self, url: &Url, known: &Validators, transfer: &mut Transfer<'_>) -> Result<Attempted> {
        let request = self.request(Method::GET, url.clone()).await.headers(transfer.conditions(known));
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) if error.is_redirect() => return Err(Error::fetch(url.as_str(), root_cause(&error))),
            Err(error) => return Ok(Attempted::broken(unreachable(&error))),
        };
        let status = answer.status();
        match status {
            StatusCode::NOT_MODIFIED => return Ok(Attempted::Unchanged),
            StatusCode::PARTIAL_CONTENT if transfer.continues(answer.headers()) => {}
            StatusCode::OK => transfer.restart(&self.staging, answer.headers())?,
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                transfer.restart(&self.staging, &HeaderMap::new())?;
                return Ok(Attempted::broken(format!("the upstream answered {status} out of turn")));
            }
            _ if is_passing(status) => {
                let after = text_of(answer.headers(), &RETRY_AFTER).and_then(|text| text.trim().parse().ok());
                let after = after.map(Duration::from_secs);
                return Ok(Attempted::Broken(Broken {
                    why: format!("the upstream answered {status}"),
                    after,
                }));
            }
            _ => return Err(refused(url, status)),
        }
        transfer.receive(url, answer, self).await
    }
}

fn parse(url: &str) -> Result<Url> {
    let parsed = Url::parse(url).map_err(|error| Error::fetch(url, error.to_string()))?;
    match parsed.scheme() {
        "http" | "https" => Ok(parsed),
        _ => Err(Error::fetch(url, "it is neither an http: nor an https: URL")),
    }
}

/// What a status that no repetition will change means.
fn refused(url: &Url, status: StatusCode) -> Error {
    let missing = matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE);
    Error::Fetch { url: url.to_string(), reason: format!("the upstream answered {status}"), missing }
}

/// How an attempt ended, if not in an error that no repetition can mend.
enum Attempted {
    Done,
    Unchanged,
    Broken(Broken),
}

struct Broken {
    why: String,
    after: Option<Duration>,
}

impl Attempted {
    fn broken(why: String) -> Attempted {
        Attempted::Broken(Broken { why, after: None })
    }
}

/// What has arrived so far.
struct Transfer<'a> {
    file: Writing,
    size: u64,
    /// Whether the first bytes are of an earlier process.
    taken_up: bool,
    validators: Validators,
    expected: Expected,
    /// Who reads along, if anybody does.
    observer: Option<&'a dyn Observer>,
}

impl<'a> Transfer<'a> {
    fn new(
        staging: &Staging,
        expected: Expected,
        observer: Option<&'a dyn Observer>,
    ) -> Result<Transfer<'a>> {
        let file = match (observer, expected.sha256, expected.size) {
            (None, Some(sha256), Some(size)) if size >= WORTH_KEEPING => staging.take_up(&sha256, size)?,
            _ => staging.create()?,
        };
        if let Some(observer) = observer {
            observer.begun(file.path())?;
        }
        let size = file.size();
        Ok(Transfer { taken_up: size > 0, file, size, validators: Validators::default(), expected, observer })
    }

    /// The headers that ask for what is missing, if something has arrived, else for what has changed.
    fn conditions(&self, known: &Validators) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut set = |name: HeaderName, value: &str| {
            // A validator that cannot be sent back is as good as none.
            if let Ok(value) = value.parse() {
                headers.insert(name, value);
            }
        };
        let own = self.validators.etag.as_ref().filter(|tag| !tag.starts_with("W/"));
        let own = own.or(self.validators.last_modified.as_ref());
        match own.filter(|_| self.size > 0) {
            Some(validator) => {
                set(RANGE, &format!("bytes={}-", self.size));
                set(IF_RANGE, validator);
            }
            // Whether the rest belongs to what an earlier process fetched shows in the digest.
            None if self.taken_up => set(RANGE, &format!("bytes={}-", self.size)),
            None => {
                known.etag.iter().for_each(|tag| set(IF_NONE_MATCH, tag));
                known.last_modified.iter().for_each(|time| set(IF_MODIFIED_SINCE, time));
            }
        }
        headers
    }

    /// Whether a partial answer begins where we stopped.
    fn continues(&self, headers: &HeaderMap) -> bool {
        let range = text_of(headers, &CONTENT_RANGE);
        self.size > 0 && range.is_some_and(|range| range.starts_with(&format!("bytes {}-", self.size)))
    }

    fn restart(&mut self, staging: &Staging, headers: &HeaderMap) -> Result<()> {
        let text = |name| text_of(headers, name).map(str::to_owned);
        let validators = Validators { etag: text(&ETAG), last_modified: text(&LAST_MODIFIED) };
        if self.size > 0 {
            self.file.forget();
            *self = Transfer::new(staging, self.expected, self.observer)?;
        }
        self.validators = validators;
        Ok(())
    }

    async fn receive(&mut self, url: &Url, mut answer: Response, from: &HttpFetcher) -> Result<Attempted> {
        let clock = &*from.clock;
        let (begun, size_before) = (clock.now(), self.size);
        let most = self.expected.size.unwrap_or(self.expected.limit).min(self.expected.limit);
        loop {
            match answer.chunk().await {
                Ok(Some(piece)) => {
                    self.size += piece.len() as u64;
                    if self.size > most {
                        let reason = format!("it has more than the {most} bytes that were to be expected");
                        return Err(Error::fetch(url.as_str(), reason));
                    }
                    self.file.write_all(&piece).map_err(Error::io("write", self.file.path()))?;
                    if let Some(observer) = self.observer {
                        self.file.flush().map_err(Error::io("write", self.file.path()))?;
                        observer.received(self.size);
                    }
                    let passed = clock.now().duration_since(begun).unwrap_or_default();
                    let slow = self.size - size_before < LEAST_RATE * passed.as_secs();
                    match &from.bytes {
                        Some(limiter) => limiter.pass(piece.len() as f64, clock).await,
                        None if passed > RATE_AFTER && slow => {
                            let why = format!("it comes at less than {LEAST_RATE} bytes a second");
                            return Ok(Attempted::broken(why));
                        }
                        None => {}
                    }
                }
                Ok(None) => return Ok(Attempted::Done),
                Err(error) => return Ok(Attempted::broken(root_cause(&error))),
            }
        }
    }
}

impl HttpFetcher {
    /// As [`Fetcher::fetch`], with somebody who reads along before the bytes are verified.
    pub(super) async fn fetch_observed(
        &self,
        url: &str,
        expected: Expected,
        observer: Option<&dyn Observer>,
    ) -> Result<Staged> {
        loop {
            let transfer = self.transfer(url, &Validators::default(), expected, observer).await?;
            let unasked =
                || Error::fetch(url, "the upstream says that it has not changed, which was not the question");
            let Transfer { file, taken_up, .. } = transfer.ok_or_else(unasked)?;
            let staged = file.finish()?;
            match wrong(staged.digests(), &expected) {
                None => return Ok(staged),
                // What an earlier process left may have been of another file; it is gone now.
                Some(_) if taken_up => drop(staged),
                Some(why) => return Err(self.quarantined(url, staged, why)),
            }
        }
    }

    /// Keeps bytes that are not what they should be for the administrator to look at.
    fn quarantined(&self, url: &str, staged: Staged, why: String) -> Error {
        match self.staging.quarantine(staged) {
            Ok(path) => Error::fetch(url, format!("{why}; what came is in {}", path.display())),
            Err(error) => Error::fetch(url, format!("{why}; what came could not be kept: {error}")),
        }
    }
}

/// What is wrong with bytes that were expected to be something else.
fn wrong(came: &Digests, expected: &Expected) -> Option<String> {
    if let Some(size) = expected.size.filter(|size| *size != came.size) {
        return Some(format!("it has {} bytes instead of {size}", came.size));
    }
    let sha256: Sha256 = expected.sha256.filter(|sha256| *sha256 != came.sha256)?;
    Some(format!("its SHA-256 is {} instead of {sha256}", came.sha256))
}

#[async_trait]
impl Fetcher for HttpFetcher {
    async fn fetch(&self, url: &str, expected: Expected) -> Result<Staged> {
        self.fetch_observed(url, expected, None).await
    }

    async fn fetch_changed(
        &self,
        url: &str,
        known: &Validators,
        limit: u64,
    ) -> Result<Option<(Staged, Validators)>> {
        let expected = Expected { limit, ..Expected::default() };
        match self.transfer(url, known, expected, None).await? {
            Some(transfer) => Ok(Some((transfer.file.finish()?, transfer.validators))),
            None => Ok(None),
        }
    }

    async fn size(&self, url: &str) -> Result<u64> {
        let parsed = parse(url)?;
        let answer = self.request(Method::HEAD, parsed.clone()).await.send().await;
        let answer = answer.map_err(|error| Error::fetch(url, root_cause(&error)))?;
        if !answer.status().is_success() {
            return Err(refused(&parsed, answer.status()));
        }
        let length = text_of(answer.headers(), &CONTENT_LENGTH).and_then(|length| length.parse().ok());
        length.ok_or_else(|| Error::fetch(url, "the upstream does not say how long it is"))
    }
}

/// A status that another attempt may not meet.
fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 425 | 429) || status.is_server_error() && status.as_u16() != 501
}

/// Why a redirect must not be followed: an upstream could make us speak to our own network.
fn refuse_redirect(attempt: &Attempt<'_>) -> Option<String> {
    let (to, from) = (attempt.url(), attempt.previous().last()?);
    if attempt.previous().len() > MAX_REDIRECTS {
        return Some("it redirects too often".into());
    }
    if !matches!(to.scheme(), "http" | "https") || (from.scheme() == "https" && to.scheme() == "http") {
        return Some(format!("it redirects from {} to {}", from.scheme(), to.scheme()));
    }
    let private = match to.host()? {
        Host::Ipv4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified(),
        Host::Ipv6(ip) => {
            ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local() || ip.is_unicast_link_local()
        }
        Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
    };
    (private && to.host() != from.host()).then(|| "it redirects to a private address".into())
}

fn text_of<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Why there was no answer. That nobody could be reached is said in words that scripts look for.
fn unreachable(error: &reqwest::Error) -> String {
    let cause = root_cause(error);
    if error.is_connect() { format!("cannot connect: {cause}") } else { cause }
}

/// The innermost error: reqwest's own text repeats the URL and hides why.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
