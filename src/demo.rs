//! `debpoint demo`: everything once, on a small repository out of fixtures/.

use std::path::{Path, PathBuf};
use std::time::Duration;

use checkpoint_core::Error as Core;
use checkpoint_core::engine::{PublishRequest, RepositoryChange};
use checkpoint_core::name::{BasePath, Name};
use checkpoint_core::progress::Silent;
use checkpoint_core::time::Timestamp;
use serde_json::{Map, Value, json};

use crate::app::{self, App, Missing};
use crate::cli::output::Output;
use crate::config;
use crate::error::Result;
use crate::server::Server;

const OLD: [(&str, &[u8]); 2] = [
    ("hello-debpoint_1.0_all.deb", include_bytes!("../fixtures/debs/hello-debpoint_1.0_all.deb")),
    ("debpoint-notes_1.0_all.deb", include_bytes!("../fixtures/debs/debpoint-notes_1.0_all.deb")),
];
const NEW: [(&str, &[u8]); 1] =
    [("hello-debpoint_1.1_all.deb", include_bytes!("../fixtures/debs/hello-debpoint_1.1_all.deb"))];
const SUITE: &str = "bookworm";

/// Runs the machine's own apt against one of the stanzas, in a root that is thrown away.
const TRY_APT: &str = include_str!("demo-apt.sh");

/// Makes the repository, serves it and says how to try it, until the process is asked to stop.
pub(crate) async fn run(data: Option<PathBuf>, listen: &str, output: &Output) -> Result<()> {
    let temporary =
        tempfile::Builder::new().prefix("debpoint-demo-").tempdir_in(config::temporary_directory());
    let temporary = temporary.map_err(Core::io("create a directory in", config::temporary_directory()))?;
    let data = data.unwrap_or_else(|| temporary.path().join("data"));
    let server = Server::bind(listen).await?;
    let url = server.url()?;
    write(&data.join("debpoint.toml"), &format!("public_url = \"{url}\"\n"))?;
    let app = App::open(&data, Missing::Create).await?;
    output.line(&format!("data directory: {}", data.display()))?;
    let demo = Demo { app: &app, files: temporary.path(), output };
    let name: Name = "demo".parse()?;
    demo.set_up(&name).await?;
    demo.add(&name, &OLD).await?;
    let first = demo.checkpoint(&name).await?;
    // So that there are dates in between.
    tokio::time::sleep(Duration::from_secs(2)).await;
    demo.add(&name, &NEW).await?;
    let second = demo.checkpoint(&name).await?;
    demo.explain(&name, &url, [first, second]).await?;
    let (public_url, stop) = (app.config.public_url.clone(), app::asked_to_stop());
    server.run(app.engine.clone(), public_url, stop).await;
    app.engine.close().await;
    Ok(())
}

struct Demo<'a> {
    app: &'a App,
    files: &'a Path,
    output: &'a Output,
}

impl Demo<'_> {
    async fn set_up(&self, name: &Name) -> Result<()> {
        let engine = &self.app.engine;
        let suites = json!({ SUITE: { "codename": SUITE, "description": "debpoint demonstration" } });
        let options = Map::from_iter([("origin".to_owned(), json!("Demo")), ("suites".to_owned(), suites)]);
        engine.create_repository(name, "deb", RepositoryChange { options, ..Default::default() }).await?;
        let dated: BasePath = "demo/snapshot".parse()?;
        let live: BasePath = "demo/live".parse()?;
        engine.create_distribution(&"demo-live".parse()?, &live, name, false).await?;
        engine.create_distribution(&"demo-dated".parse()?, &dated, name, true).await?;
        self.output.line("created repository 'demo', served live and by date")
    }

    async fn add(&self, name: &Name, packages: &[(&str, &[u8])]) -> Result<()> {
        let mut paths = Vec::new();
        for (file, bytes) in packages {
            let path = self.files.join(file);
            std::fs::write(&path, bytes).map_err(Core::io("write", &path))?;
            paths.push(path);
            self.output.line(&format!("added {file}"))?;
        }
        let options = Map::from_iter([("suite".to_owned(), Value::from(SUITE))]);
        self.app.engine.add_files(name, &paths, options, &Silent).await?;
        Ok(())
    }

    async fn checkpoint(&self, name: &Name) -> Result<Timestamp> {
        let request = PublishRequest { checkpoint: true, ..PublishRequest::default() };
        let time = self.app.engine.publish(name, request, &Silent).await?.time;
        self.output.line(&format!("checkpoint {time}"))?;
        Ok(time)
    }

    async fn explain(&self, name: &Name, url: &str, times: [Timestamp; 2]) -> Result<()> {
        let (engine, output) = (&self.app.engine, self.output);
        let script = self.files.join("apt.sh");
        write(&script, TRY_APT)?;
        let diff = engine.diff(name, times[0], times[1]).await?;
        for change in &diff.changes {
            let version = |version: &Option<String>| version.clone().unwrap_or_default();
            let (from, to) = (version(&change.from), version(&change.to));
            output.line(&format!("between the two, {} was upgraded from {from} to {to}", change.name))?;
        }
        let mut commands = String::new();
        for (title, time) in
            [("of the first date", Some(times[0])), ("of the second date", Some(times[1])), ("live", None)]
        {
            let stanza = engine.pin(&"demo-dated".parse()?, time, url).await?;
            let word = time.map_or_else(|| "live".to_owned(), |time| time.to_string());
            write(&self.files.join(format!("{word}.sources")), &stanza)?;
            output.line(&format!(
                "\n--- /etc/apt/sources.list.d/debpoint.sources of a host {title} ---\n{stanza}"
            ))?;
            commands.push_str(&format!("    sh {} {word}\n", script.display()));
        }
        output.line("This machine's own apt, in a root that is thrown away, installs from each:\n")?;
        output.text(&commands)?;
        output.line(&format!("\nTo look around: {url}/pulp/content/\nserving until Ctrl-C"))
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).map_err(Core::io("create the directory", directory))?;
    }
    Ok(std::fs::write(path, text).map_err(Core::io("write", path))?)
}
