//! `debpoint remote …` and `debpoint sync`.

use checkpoint_core::engine::SyncRequest;
use checkpoint_core::name::Name;
use checkpoint_core::plugin::SyncMode;
use clap::{Args, Subcommand};
use serde_json::{Map, Value};

use super::content::sentence;
use super::output::Output;
use super::progress::Bars;
use super::repository::List;
use crate::app::App;
use crate::error::Result;

#[derive(Subcommand)]
pub enum Command {
    /// Create a remote.
    Create(Create),
    /// List remotes.
    List(List),
}

/// Options of `remote create`; those that plugins declare come on top.
#[derive(Args)]
pub struct Create {
    /// The remote's name.
    name: Name,
    /// The kind of content, such as deb or file.
    #[arg(long = "type", value_name = "TYPE")]
    plugin: String,
    /// Where it is: for deb what stands before /dists/, for file the URL of its PULP_MANIFEST.
    #[arg(long)]
    url: String,
}

/// Options of `sync`.
#[derive(Args)]
pub struct Sync {
    /// The repository's name.
    name: Name,
    /// The remote, if not the repository's own.
    #[arg(long)]
    remote: Option<Name>,
    /// Remove what the remote does not have where it has something; the default for deb.
    #[arg(long)]
    mirror: bool,
    /// Keep what the remote does not have; the default for file.
    #[arg(long, conflicts_with = "mirror")]
    additive: bool,
    /// Leave out files that cannot be had, and say which, rather than make no new version.
    #[arg(long)]
    skip_broken: bool,
    /// Take it even if the upstream has gone back in time, has expired, or has changed its name.
    #[arg(long)]
    accept_change: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Options of `fetch`.
#[derive(Args)]
pub struct Fetch {
    /// The repository's name.
    name: Name,
}

impl Fetch {
    pub(super) async fn run(self, app: &App, progress: &Bars, output: &Output) -> Result<()> {
        let fetched = app.engine.fetch_missing(&self.name, progress).await?;
        progress.clear();
        output.line(&format!("{fetched} files fetched; repository '{}' lacks none", self.name))
    }
}

impl Command {
    pub(super) async fn run(self, app: &App, declared: Map<String, Value>, output: &Output) -> Result<()> {
        match self {
            Command::Create(Create { name, plugin, url }) => {
                app.engine.create_remote(&name, &plugin, &url, declared).await?;
                output.line(&format!("created remote '{name}'"))
            }
            Command::List(List { json }) => {
                let remotes = app.engine.remotes().await?;
                if json {
                    return output.json(&remotes);
                }
                let row = |remote: &checkpoint_core::model::Remote| {
                    [remote.name.to_string(), remote.plugin.clone(), remote.url.clone()]
                };
                let rows: Vec<_> = remotes.iter().map(row).collect();
                output.table(["NAME", "TYPE", "URL"], &rows)
            }
        }
    }
}

impl Sync {
    pub(super) async fn run(self, app: &App, progress: &Bars, output: &Output) -> Result<()> {
        let mode = match (self.mirror, self.additive) {
            (true, _) => Some(SyncMode::Mirror),
            (_, true) => Some(SyncMode::Additive),
            _ => None,
        };
        let (skip_broken, accept_change) = (self.skip_broken, self.accept_change);
        let request = SyncRequest { remote: self.remote, mode, skip_broken, accept_change };
        let synced = app.engine.sync(&self.name, request, progress).await?;
        progress.clear();
        if self.json {
            return output.json(&synced);
        }
        synced.remarks.iter().for_each(|remark| output.note(remark));
        if synced.unchanged {
            return output.line(&format!("the upstream of '{}' is what it was", self.name));
        }
        output.line(&format!("{}; {} files fetched", sentence(&self.name, &synced.modified), synced.fetched))
    }
}
