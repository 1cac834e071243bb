//! Wiring: from a data directory to an engine.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use checkpoint_core::engine::{Engine, EngineConfig};
use checkpoint_core::signer::{Signer, SigningKey};
use checkpoint_core::time::Clock;
use url::Url;

use crate::config::{Config, DEFAULT_LISTEN};
use crate::error::{Error, Result};
use crate::openpgp::{Keyring, SequoiaVerifier};
use crate::plugins;

/// A data directory, opened.
pub struct App {
    /// What the user can do.
    pub engine: Engine,
    /// What `debpoint.toml` says.
    pub config: Config,
}

/// What to do about a data directory that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// Make it.
    Create,
    /// Say so.
    Refuse,
}

impl App {
    /// Opens the data directory.
    pub async fn open(data: &Path, missing: Missing) -> Result<App> {
        let config = Config::read(data)?;
        let data = absolute(data)?;
        let catalog = data.join("catalog.sqlite");
        if missing == Missing::Refuse && config.database.is_none() && !catalog.exists() {
            return Err(Error::NoData(data));
        }
        create_directory(&data)?;
        let store_url = match &config.store {
            Some(url) => parse_url(&data, url)?,
            None => directory_url(&data.join("store"))?,
        };
        if let Ok(root) = store_url.to_file_path() {
            if catalog.exists() && !root.exists() {
                // Perhaps a file system that is not mounted; an empty store in its place would hide that.
                return Err(Error::NoStore(root));
            }
            create_directory(&root)?;
        }
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let signer =
            LazyKeyring { directory: keys_directory(&data), clock: clock.clone(), keyring: OnceLock::new() };
        let engine = Engine::open(EngineConfig {
            database_url: config
                .database
                .clone()
                .unwrap_or_else(|| format!("sqlite://{}", catalog.display())),
            store_url,
            store_options: config.store_options.clone().into_iter().collect(),
            staging: data.join("staging"),
            public_url: config.public_url.clone(),
            registry: plugins::registry(),
            signer: Arc::new(signer),
            verifier: Arc::new(SequoiaVerifier),
            clock,
        });
        Ok(App { engine: engine.await?, config })
    }

    /// Where clients reach the server, as far as can be said.
    pub fn public_url(&self) -> String {
        let listen = self.config.listen.as_deref().unwrap_or(DEFAULT_LISTEN);
        self.config.public_url.clone().unwrap_or_else(|| format!("http://{listen}"))
    }
}

/// The system's clock; the only place where it enters.
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// Where a data directory keeps its keys.
pub fn keys_directory(data: &Path) -> PathBuf {
    data.join("keys")
}

/// The keyring, read when it is first needed. If there is no key by then, one is generated.
struct LazyKeyring {
    directory: PathBuf,
    clock: Arc<dyn Clock>,
    keyring: OnceLock<Keyring>,
}

impl LazyKeyring {
    /// A key that has to be made is born at `time`, or now if that is earlier: it must not be younger than what it signs.
    fn get(&self, time: SystemTime) -> checkpoint_core::Result<&Keyring> {
        if let Some(keyring) = self.keyring.get() {
            return Ok(keyring);
        }
        let keyring = Keyring::open_or_generate(&self.directory, time.min(self.clock.now()))?;
        Ok(self.keyring.get_or_init(|| keyring))
    }
}

impl Signer for LazyKeyring {
    fn clearsign(&self, text: &[u8], time: SystemTime) -> checkpoint_core::Result<Vec<u8>> {
        self.get(time)?.clearsign(text, time)
    }

    fn detach(&self, data: &[u8], time: SystemTime) -> checkpoint_core::Result<Vec<u8>> {
        self.get(time)?.detach(data, time)
    }

    fn public_keys(&self) -> checkpoint_core::Result<String> {
        self.get(self.clock.now())?.public_keys()
    }

    fn keys(&self) -> checkpoint_core::Result<Vec<SigningKey>> {
        match self.keyring.get() {
            Some(keyring) => Signer::keys(keyring),
            // To look at them makes none.
            None => Signer::keys(&Keyring::open(&self.directory)?),
        }
    }
}

fn create_directory(path: &Path) -> Result<()> {
    Ok(std::fs::create_dir_all(path).map_err(checkpoint_core::Error::io("create the directory", path))?)
}

fn absolute(path: &Path) -> Result<PathBuf> {
    Ok(std::path::absolute(path).map_err(checkpoint_core::Error::io("find", path))?)
}

fn directory_url(path: &Path) -> Result<Url> {
    let wrong = || checkpoint_core::Error::Invalid(format!("'{}' cannot be a store", path.display()));
    Ok(Url::from_directory_path(path).map_err(|()| wrong())?)
}

fn parse_url(data: &Path, url: &str) -> Result<Url> {
    let wrong =
        |error| Error::Config { path: data.join("debpoint.toml"), reason: format!("store '{url}': {error}") };
    Url::parse(url).map_err(wrong)
}

/// What is done when the process is asked to stop: by SIGTERM, or by Ctrl-C. From the call on, the signals do not
/// end the process any more.
pub fn asked_to_stop() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (terminate, interrupt) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    let wait = |stream: std::io::Result<tokio::signal::unix::Signal>| async move {
        match stream {
            Ok(mut stream) => drop(stream.recv().await),
            // Without a handler the signal ends the process at once, which is all right too.
            Err(_) => std::future::pending().await,
        }
    };
    async move {
        tokio::select! {
            () = wait(terminate) => {}
            () = wait(interrupt) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_made_for_a_signature_is_old_enough_to_make_it() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path().join("keys");
        let signer = LazyKeyring { directory, clock: Arc::new(SystemClock), keyring: OnceLock::new() };
        // The time of a publication is settled before it is signed; meanwhile another second may have begun.
        let time = SystemTime::now() - Duration::from_secs(2);
        assert!(signer.clearsign(b"Date: then\n", time).is_ok());
    }
}
