//! Signing in: Basic (RFC 7617) with a password or a token in its place, and Bearer (RFC 6750) with a token.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use checkpoint_core::account::Account;
use checkpoint_core::digest::{Hasher, Sha256};
use checkpoint_core::engine::Engine;
use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};
use moka::sync::Cache;

use super::failure::Failure;

/// How many failures an address may have before it has to wait.
const FAILURES: u32 = 10;
/// How long they count.
const WINDOW: Duration = Duration::from_secs(60);
/// How many addresses are watched at once.
const ADDRESSES: usize = 10_000;
/// How long a password that was right need not be hashed again. It is as long as a deleted account lives on.
const REMEMBERED: Duration = Duration::from_secs(10);

/// Finds out who sends a request.
pub(in crate::server) struct Doorkeeper {
    engine: Engine,
    failures: Mutex<HashMap<IpAddr, (u32, Instant)>>,
    /// By the digest of what was sent.
    known: Cache<Sha256, Account>,
}

enum Credentials {
    Password(String, String),
    Token(String),
}

impl Doorkeeper {
    pub(in crate::server) fn new(engine: Engine) -> Doorkeeper {
        Doorkeeper {
            engine,
            failures: Mutex::default(),
            known: Cache::builder().max_capacity(1_000).time_to_live(REMEMBERED).build(),
        }
    }

    /// Who sends a request with these headers; `None` if they do not say.
    pub(in crate::server) async fn identify(
        &self,
        headers: &HeaderMap,
        peer: IpAddr,
    ) -> Result<Option<Account>, Failure> {
        let Some(header) = headers.get(AUTHORIZATION) else { return Ok(None) };
        let mut hasher = Hasher::default();
        hasher.update(header.as_bytes());
        let digest = hasher.finish().sha256;
        if let Some(account) = self.known.get(&digest) {
            return Ok(Some(account));
        }
        if self.is_blocked(peer) {
            let why = "Too many failed attempts to sign in; try again in a minute.";
            return Err(Failure::detail(StatusCode::TOO_MANY_REQUESTS, why));
        }
        let found = match header.to_str().ok().and_then(credentials) {
            Some(Credentials::Password(name, password)) => self.engine.sign_in(&name, &password).await?,
            Some(Credentials::Token(token)) => self.engine.sign_in_by_token(&token).await?,
            None => None,
        };
        match found {
            Some(account) => {
                self.known.insert(digest, account.clone());
                Ok(Some(account))
            }
            None => {
                self.count_failure(peer);
                tracing::warn!(%peer, "an attempt to sign in failed");
                Err(Failure::detail(StatusCode::UNAUTHORIZED, "Invalid username/password."))
            }
        }
    }

    fn is_blocked(&self, peer: IpAddr) -> bool {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.retain(|_, (_, first)| first.elapsed() < WINDOW);
        failures.get(&peer).is_some_and(|(count, _)| *count >= FAILURES)
    }

    fn count_failure(&self, peer: IpAddr) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() < ADDRESSES || failures.contains_key(&peer) {
            failures.entry(peer).or_insert((0, Instant::now())).0 += 1;
        }
    }
}

fn credentials(header: &str) -> Option<Credentials> {
    let (scheme, rest) = header.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Credentials::Token(rest.trim().to_owned()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
    let (name, password) = decoded.split_once(':')?;
    Some(Credentials::Password(name.to_owned(), password.to_owned()))
}
