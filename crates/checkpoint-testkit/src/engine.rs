//! An engine in a temporary directory, on SQLite or PostgreSQL, with a clock that is set by hand.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use checkpoint_core::engine::{Engine, EngineConfig, Modified, PublishRequest, Resolution, Resolver};
use checkpoint_core::model::Publication;
use checkpoint_core::name::Name;
use checkpoint_core::plugin::{Plugin, Registry};
use checkpoint_core::progress::Silent;
use checkpoint_core::time::Timestamp;
use serde_json::Value;
use tempfile::TempDir;
use url::Url;

use crate::clock::ManualClock;
use crate::fake::FakeSigner;

/// Which database the catalog of a test lives in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    /// A file in the test's directory.
    Sqlite,
    /// A schema of its own in the cluster at `DEBPOINT_TEST_POSTGRES`, which tests/run starts.
    Postgres,
}

impl Database {
    /// The databases that are there: SQLite always.
    pub fn all() -> Vec<Database> {
        let postgres = crate::peer("PostgreSQL (DEBPOINT_TEST_POSTGRES)", postgres_url().is_some());
        let both = [Database::Sqlite, Database::Postgres];
        both.into_iter().filter(|database| *database == Database::Sqlite || postgres).collect()
    }
}

fn postgres_url() -> Option<String> {
    std::env::var("DEBPOINT_TEST_POSTGRES").ok().filter(|url| !url.is_empty())
}

/// The engine and what it stands on.
pub struct TestEngine {
    /// The engine.
    pub engine: Engine,
    /// Its clock.
    pub clock: Arc<ManualClock>,
    directory: TempDir,
    database_url: String,
    plugin: Arc<dyn Plugin>,
}

impl TestEngine {
    /// An engine on SQLite with one plugin. It is 18 March 2025, 14:04:42.
    pub async fn new(plugin: Arc<dyn Plugin>) -> TestEngine {
        TestEngine::on(Database::Sqlite, plugin).await
    }

    /// An engine on a database of its own.
    pub async fn on(database: Database, plugin: Arc<dyn Plugin>) -> TestEngine {
        let directory = tempfile::tempdir().unwrap();
        let database_url = match database {
            Database::Sqlite => format!("sqlite://{}", directory.path().join("catalog.sqlite").display()),
            Database::Postgres => fresh_postgres_database().await,
        };
        let clock = Arc::new(ManualClock::at("20250318T140442Z".parse().unwrap()));
        let engine = open(&directory, &database_url, &clock, &plugin).await;
        TestEngine { engine, clock, directory, database_url, plugin }
    }

    /// Another engine on the same data, as another process would have.
    pub async fn another(&self) -> Engine {
        open(&self.directory, &self.database_url, &self.clock, &self.plugin).await
    }

    /// The store's directory.
    pub fn store(&self) -> PathBuf {
        self.directory.path().join("store")
    }

    /// Creates a repository and a live (`live`) and a dated (`dated`) distribution of it.
    pub async fn repository(&self, name: &str) -> Name {
        let name: Name = name.parse().unwrap();
        let plugin = self.plugin.declaration().name;
        let engine = &self.engine;
        engine.create_repository(&name, plugin, Default::default()).await.unwrap();
        for (base_path, checkpoint) in [("live", false), ("dated", true)] {
            let distribution = format!("{name}-{base_path}").parse().unwrap();
            let base_path = format!("{name}/{base_path}").parse().unwrap();
            engine.create_distribution(&distribution, &base_path, &name, checkpoint).await.unwrap();
        }
        name
    }

    /// Adds files given by name, bytes and upload options.
    pub async fn add(
        &self,
        repository: &Name,
        files: &[(&str, &[u8])],
        options: &[(&str, &str)],
    ) -> checkpoint_core::Result<Modified> {
        let directory = tempfile::tempdir_in(self.directory.path()).unwrap();
        let mut paths = Vec::new();
        for (name, bytes) in files {
            paths.push(directory.path().join(name));
            std::fs::write(directory.path().join(name), bytes).unwrap();
        }
        let options = options.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value)));
        self.engine.add_files(repository, &paths, options.collect(), &Silent).await
    }

    /// Publishes, five seconds after whatever was before.
    pub async fn publish(&self, repository: &Name, checkpoint: bool) -> Publication {
        self.clock.advance(5);
        let request = PublishRequest { checkpoint, ..PublishRequest::default() };
        self.engine.publish(repository, request, &Silent).await.unwrap()
    }

    /// The bytes that a path is answered with; `None` if it is not a file.
    pub async fn read(&self, resolver: &Resolver, path: &str) -> Option<Vec<u8>> {
        match resolver.resolve(path).await.unwrap() {
            Resolution::File(file) => Some(self.engine.store().read(&file.sha256).await.unwrap().to_vec()),
            _ => None,
        }
    }

    /// So many seconds after (or before) a time.
    pub fn after(time: Timestamp, seconds: i64) -> Timestamp {
        Timestamp::from_unix(time.unix() + seconds)
    }
}

async fn open(
    directory: &TempDir,
    database: &str,
    clock: &Arc<ManualClock>,
    plugin: &Arc<dyn Plugin>,
) -> Engine {
    let mut registry = Registry::default();
    registry.register(plugin.clone());
    let store = directory.path().join("store");
    std::fs::create_dir_all(&store).unwrap();
    Engine::open(EngineConfig {
        database_url: database.to_owned(),
        store_url: Url::from_directory_path(&store).unwrap(),
        store_options: Vec::new(),
        staging: directory.path().join("staging"),
        public_url: Some("http://archive.example.org".into()),
        registry,
        signer: Arc::new(FakeSigner),
        verifier: Arc::new(FakeSigner),
        clock: clock.clone(),
    })
    .await
    .unwrap()
}

async fn fresh_postgres_database() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let url = postgres_url().expect("DEBPOINT_TEST_POSTGRES");
    let name = format!("test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let done =
        tokio::process::Command::new("psql").args([&url, "-qc", &format!("CREATE DATABASE {name}")]).status();
    assert!(done.await.expect("psql runs").success(), "cannot create a database");
    let mut url = Url::parse(&url).expect("a URL");
    url.set_path(&name);
    url.to_string()
}
