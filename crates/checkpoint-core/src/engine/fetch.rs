//! Fetching from an upstream over HTTP.

use std::io::Write as _;
use std::time::Duration;

use async_trait::async_trait;
use url::Url;

use crate::artifacts::{Staged, Staging};
use crate::error::{Error, Result};
use crate::plugin::{Expected, Fetcher};

/// How long an upstream may be silent.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// How many redirects are followed.
const MAX_REDIRECTS: usize = 5;

/// Fetches over HTTP and HTTPS, keeping connections alive.
pub(super) struct HttpFetcher {
    client: reqwest::Client,
    staging: Staging,
}

/// Chooses the TLS implementation for all that speaks HTTPS in this process.
pub(super) fn install_tls() {
    // An error says that one was chosen already, by us or by the application.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

impl HttpFetcher {
    pub(super) fn new(staging: &Staging) -> Result<HttpFetcher> {
        let client = reqwest::Client::builder()
            .user_agent(concat!("debpoint/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .redirect(reqwest::redirect::Policy::limited(MAX_REDIRECTS))
            .build()
            .map_err(|error| Error::Internal(format!("cannot set up the HTTP client: {error}")))?;
        Ok(HttpFetcher {
            client,
            staging: staging.clone(),
        })
    }
}

#[async_trait]
impl Fetcher for HttpFetcher {
    async fn fetch(&self, url: &str, expected: Expected) -> Result<Staged> {
        let refuse = |reason: String| Error::Fetch {
            url: url.to_owned(),
            reason,
        };
        let parsed = Url::parse(url).map_err(|error| refuse(error.to_string()))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(refuse("it is neither an http: nor an https: URL".into()));
        }
        let answer = self
            .client
            .get(parsed)
            .send()
            .await
            .map_err(|error| refuse(root_cause(&error)))?;
        if answer.status() != reqwest::StatusCode::OK {
            return Err(refuse(format!("the upstream answered {}", answer.status())));
        }
        let mut answer = answer;
        let most = expected.size.unwrap_or(expected.limit).min(expected.limit);
        let (mut file, mut size) = (self.staging.create()?, 0u64);
        while let Some(piece) = answer.chunk().await.map_err(|error| refuse(root_cause(&error)))? {
            size += piece.len() as u64;
            if size > most {
                return Err(refuse(format!(
                    "it has more than the {most} bytes that were to be expected"
                )));
            }
            file.write_all(&piece)
                .map_err(Error::io("write", "a staged file"))?;
        }
        let staged = file.finish()?;
        let digests = staged.digests();
        if expected.size.is_some_and(|size| size != digests.size) {
            return Err(refuse(format!("it has {} bytes instead of {most}", digests.size)));
        }
        match expected.sha256 {
            Some(sha256) if sha256 != digests.sha256 => Err(refuse(format!(
                "its SHA-256 is {} instead of {sha256}",
                digests.sha256
            ))),
            _ => Ok(staged),
        }
    }
}

/// The innermost error: reqwest's own text repeats the URL and hides why.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
