//! Fetching from an upstream over HTTP: what breaks is taken up again where it broke.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{
    CONTENT_RANGE, ETAG, HeaderMap, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED,
    RANGE, RETRY_AFTER,
};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Response, StatusCode};
use url::{Host, Url};

use crate::artifacts::{Staged, Staging, Writing};
use crate::error::{Error, Result};
use crate::plugin::{Expected, Fetcher, Validators};
use crate::time::Clock;

/// How long an upstream may be silent.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// How many redirects are followed.
const MAX_REDIRECTS: usize = 5;
/// How often a transfer is begun, or taken up again, before it is given up.
const ATTEMPTS: u32 = 6;
/// The wait before the second attempt; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// The longest that an upstream can make us wait with `Retry-After`, as in apt.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// After this time an attempt must have had a rate of ...
const RATE_AFTER: Duration = Duration::from_secs(30);
/// ... this many bytes a second; less is as good as silence.
const LEAST_RATE: u64 = 512;

/// Fetches over HTTP and HTTPS, keeping connections alive.
pub(super) struct HttpFetcher {
    client: reqwest::Client,
    staging: Staging,
    clock: Arc<dyn Clock>,
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

impl HttpFetcher {
    pub(super) fn new(staging: &Staging, clock: Arc<dyn Clock>) -> Result<HttpFetcher> {
        let client = reqwest::Client::builder()
            .user_agent(concat!("debpoint/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .redirect(Policy::custom(|attempt| match refuse_redirect(&attempt) {
                Some(why) => attempt.error(why),
                None => attempt.follow(),
            }))
            .build()
            .map_err(|error| Error::Internal(format!("cannot set up the HTTP client: {error}")))?;
        Ok(HttpFetcher { client, staging: staging.clone(), clock })
    }

    /// Runs one transfer with as many attempts as it takes.
    async fn transfer<'a>(
        &self,
        url: &str,
        known: &Validators,
        expected: Expected,
        observer: Option<&'a dyn Observer>,
    ) -> Result<Option<Transfer<'a>>> {
        let parsed = Url::parse(url).map_err(|error| Error::fetch(url, error.to_string()))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(Error::fetch(url, "it is neither an http: nor an https: URL"));
        }
        let mut transfer = Transfer::new(&self.staging, expected, observer)?;
        let mut wait = FIRST_WAIT;
        for attempt in 1.. {
            let broken = match self.attempt(&parsed, known, &mut transfer).await? {
                Attempted::Done => return Ok(Some(transfer)),
                Attempted::Unchanged => return Ok(None),
                Attempted::Broken(broken) => broken,
            };
            if attempt >= ATTEMPTS {
                return Err(Error::fetch(url, broken.why));
            }
            tracing::debug!(url, attempt, "taking it up again: {}", broken.why);
            self.clock.sleep(broken.after.unwrap_or(wait).min(LONGEST_WAIT)).await;
            wait *= 2;
        }
        Err(Error::Internal("the attempts never end".into()))
    }

    async fn attempt(&self, url: &Url, known: &Validators, transfer: &mut Transfer<'_>) -> Result<Attempted> {
        let request = self.client.get(url.clone()).headers(transfer.conditions(known));
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) if error.is_redirect() => return Err(Error::fetch(url.as_str(), root_cause(&error))),
            Err(error) => return Ok(Attempted::broken(root_cause(&error))),
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
            _ => {
                let missing = matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE);
                let reason = format!("the upstream answered {status}");
                return Err(Error::Fetch { url: url.to_string(), reason, missing });
            }
        }
        transfer.receive(url, answer, &*self.clock).await
    }
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
        let file = staging.create()?;
        if let Some(observer) = observer {
            observer.begun(file.path())?;
        }
        Ok(Transfer { file, size: 0, validators: Validators::default(), expected, observer })
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
            *self = Transfer::new(staging, self.expected, self.observer)?;
        }
        self.validators = validators;
        Ok(())
    }

    async fn receive(&mut self, url: &Url, mut answer: Response, clock: &dyn Clock) -> Result<Attempted> {
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
                    if passed > RATE_AFTER && self.size - size_before < LEAST_RATE * passed.as_secs() {
                        return Ok(Attempted::broken(format!(
                            "it comes at less than {LEAST_RATE} bytes a second"
                        )));
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
        let transfer = self.transfer(url, &Validators::default(), expected, observer).await?;
        let unasked =
            || Error::fetch(url, "the upstream says that it has not changed, which was not the question");
        let staged = transfer.ok_or_else(unasked)?.file.finish()?;
        let digests = staged.digests();
        if let Some(size) = expected.size.filter(|size| *size != digests.size) {
            return Err(Error::fetch(url, format!("it has {} bytes instead of {size}", digests.size)));
        }
        match expected.sha256 {
            Some(sha256) if sha256 != digests.sha256 => {
                Err(Error::fetch(url, format!("its SHA-256 is {} instead of {sha256}", digests.sha256)))
            }
            _ => Ok(staged),
        }
    }
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

/// The innermost error: reqwest's own text repeats the URL and hides why.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
