//! What the tests of this crate share.

use std::cmp::Ordering;
use std::process::Command;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use checkpoint_core::catalog::KnownUnit;
use checkpoint_core::engine::{Engine, EngineConfig, Modified, PublishRequest, Resolution, Resolver};
use checkpoint_core::model::{NewUnit, Placed, Publication, Unit};
use checkpoint_core::name::Name;
use checkpoint_core::plugin::{
    Declaration, Label, PinJob, Plugin, PublishJob, Registry, SameKey, Seal, Upload,
};
use checkpoint_core::progress::Silent;
use checkpoint_core::time::{Clock, Timestamp};
use checkpoint_core::{Error, Result};
use checkpoint_testkit::engine::{Database, TestEngine};
use checkpoint_testkit::fake::{FakePlugin, FakeSigner, note};
use tempfile::TempDir;
use url::Url;

/// What happens at some point of a test.
pub(crate) type Step = Box<dyn FnOnce() -> Result<()> + Send>;

/// The fake plugin, where a test can reach into publications that run at the same time: each takes the next step
/// from the queue, if there is one. ([`FakePlugin::while_publishing`] lets one publication run at a time.)
#[derive(Clone, Default)]
pub(crate) struct SteppedPlugin {
    inner: FakePlugin,
    publishing: Arc<Mutex<Vec<Step>>>,
    sealing: Arc<Mutex<Vec<Step>>>,
}

/// The outside of a step that waits.
pub(crate) struct Held {
    reached: Receiver<()>,
    release: Sender<()>,
}

impl SteppedPlugin {
    /// The next publication that comes to its files does this after them.
    pub(crate) fn on_publishing(&self, step: impl FnOnce() -> Result<()> + Send + 'static) {
        self.publishing.lock().unwrap().push(Box::new(step));
    }

    /// The next publication that gets its time does this, inside its transaction.
    pub(crate) fn on_sealing(&self, step: impl FnOnce() -> Result<()> + Send + 'static) {
        self.sealing.lock().unwrap().push(Box::new(step));
    }

    /// The next publication stops after its files until it is released.
    pub(crate) fn hold(&self) -> Held {
        let (step, held) = Held::pair();
        self.on_publishing(step);
        held
    }

    /// The next publication stops inside the transaction that gives it its time, until it is released.
    pub(crate) fn hold_sealing(&self) -> Held {
        let (step, held) = Held::pair();
        self.on_sealing(step);
        held
    }
}

impl Held {
    /// A step that waits, and what releases it.
    pub(crate) fn pair() -> (impl FnOnce() -> Result<()> + Send + 'static, Held) {
        let (arrive, reached) = channel();
        let (release, go) = channel();
        let step = move || {
            arrive.send(()).unwrap();
            go.recv().map_err(|_| Error::Internal("the test is over".into()))
        };
        (step, Held { reached, release })
    }

    /// Returns once the publication has stopped.
    pub(crate) async fn reached(self) -> Held {
        let waiting = tokio::task::spawn_blocking(move || {
            self.reached.recv().unwrap();
            self
        });
        waiting.await.unwrap()
    }

    /// Lets it go on.
    pub(crate) fn release(self) {
        self.release.send(()).unwrap();
    }
}

fn take(queue: &Mutex<Vec<Step>>) -> Option<Step> {
    let mut queue = queue.lock().unwrap();
    (!queue.is_empty()).then(|| queue.remove(0))
}

#[async_trait]
impl Plugin for SteppedPlugin {
    fn declaration(&self) -> Declaration {
        let declaration = self.inner.declaration();
        Declaration { remote: Some(declaration.repository.clone()), ..declaration }
    }

    fn parse_upload(&self, upload: Upload<'_>) -> Result<Placed<NewUnit>> {
        self.inner.parse_upload(upload)
    }

    fn same_key(&self, known: &KnownUnit, new: &NewUnit) -> SameKey {
        self.inner.same_key(known, new)
    }

    fn label(&self, unit: &Unit) -> Label {
        self.inner.label(unit)
    }

    fn compare_versions(&self, left: &str, right: &str) -> Ordering {
        self.inner.compare_versions(left, right)
    }

    fn publish(&self, job: PublishJob<'_>) -> Result<Seal> {
        let seal = self.inner.publish(job)?;
        take(&self.publishing).map_or(Ok(()), |step| step())?;
        let sealing = self.sealing.clone();
        Ok(Box::new(move |time| {
            take(&sealing).map_or(Ok(()), |step| step())?;
            seal(time)
        }))
    }

    fn pin(&self, job: &PinJob<'_>) -> Result<String> {
        self.inner.pin(job)
    }
}

/// An engine with the stepped plugin, and the plugin.
pub(crate) async fn stepped(database: Database) -> (TestEngine, SteppedPlugin) {
    let plugin = SteppedPlugin::default();
    (TestEngine::on(database, Arc::new(plugin.clone())).await, plugin)
}

/// An engine with the fake plugin.
pub(crate) async fn engine_on(database: Database) -> TestEngine {
    TestEngine::on(database, Arc::new(FakePlugin::default())).await
}

/// Adds version 1 of the notes of these names.
pub(crate) async fn add_notes(test: &TestEngine, repository: &Name, names: &[&str]) -> Modified {
    let notes: Vec<(String, Vec<u8>)> =
        names.iter().enumerate().map(|(number, name)| (number.to_string(), note(name, 1))).collect();
    let files: Vec<(&str, &[u8])> =
        notes.iter().map(|(file, bytes)| (file.as_str(), bytes.as_slice())).collect();
    test.add(repository, &files, &[]).await.unwrap()
}

/// Adds version 1 of a note through any engine.
pub(crate) async fn add_through(engine: &Engine, repository: &Name, name: &str) -> Modified {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("note");
    std::fs::write(&file, note(name, 1)).unwrap();
    let files = [file];
    let added = engine.add_files(repository, &files, Default::default(), &Silent);
    added.await.unwrap()
}

/// Publishes in the second that the clock shows.
pub(crate) async fn publish(engine: &Engine, repository: &Name, checkpoint: bool) -> Result<Publication> {
    let request = PublishRequest { checkpoint, ..Default::default() };
    engine.publish(repository, request, &Silent).await
}

/// What a path is, in a form that compares: `file` and its bytes, `to` and the other path, `dir` and the names in it,
/// `slash` or `none`.
pub(crate) async fn what(test: &TestEngine, resolver: &Resolver, path: &str) -> String {
    match resolver.resolve(path).await.unwrap() {
        Resolution::File(file) => {
            let bytes = test.engine.store().read(&file.sha256).await.unwrap();
            format!("file {}", String::from_utf8_lossy(&bytes))
        }
        Resolution::Directory(page) => {
            let names: Vec<&str> = page.entries.iter().map(|entry| entry.name.as_str()).collect();
            format!("dir {}", names.join(" "))
        }
        Resolution::AddSlash => "slash".into(),
        Resolution::Moved(path) => format!("to {path}"),
        Resolution::NotFound(_) | Resolution::Guarded => "none".into(),
    }
}

/// The names in a directory.
pub(crate) async fn names(resolver: &Resolver, path: &str) -> Vec<String> {
    match resolver.resolve(path).await.unwrap() {
        Resolution::Directory(page) => page.entries.iter().map(|entry| entry.name.clone()).collect(),
        other => panic!("{path} is not a directory but {other:?}"),
    }
}

/// So many seconds after (or before) a time.
pub(crate) fn after(time: Timestamp, seconds: i64) -> Timestamp {
    TestEngine::after(time, seconds)
}

/// A database and a store that no engine has seen yet.
pub(crate) struct Fresh {
    directory: TempDir,
    database_url: String,
}

impl Fresh {
    /// An empty place.
    pub(crate) fn new(database: Database) -> Fresh {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("store")).unwrap();
        let database_url = match database {
            Database::Sqlite => format!("sqlite://{}", directory.path().join("catalog.sqlite").display()),
            Database::Postgres => empty_postgres_database(),
        };
        Fresh { directory, database_url }
    }

    /// Opens an engine on it.
    pub(crate) async fn open(&self, clock: Arc<dyn Clock>) -> Result<Engine> {
        let mut registry = Registry::default();
        registry.register(Arc::new(FakePlugin::default()));
        Engine::open(EngineConfig {
            database_url: self.database_url.clone(),
            store_url: Url::from_directory_path(self.directory.path().join("store")).unwrap(),
            store_options: Vec::new(),
            staging: self.directory.path().join("staging"),
            public_url: None,
            registry,
            signer: Arc::new(FakeSigner),
            verifier: Arc::new(FakeSigner),
            clock,
        })
        .await
    }
}

fn empty_postgres_database() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let server = std::env::var("DEBPOINT_TEST_POSTGRES").unwrap();
    let count = COUNT.fetch_add(1, Relaxed);
    let name = format!("fresh_{}_{count}", std::process::id());
    let created = Command::new("psql").args([&server, "-qc", &format!("CREATE DATABASE {name}")]).status();
    assert!(created.unwrap().success());
    let mut url = Url::parse(&server).unwrap();
    url.set_path(&name);
    url.to_string()
}
