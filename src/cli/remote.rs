//! `debpoint remote …` and `debpoint sync`.

use checkpoint_core::engine::{SyncMode, SyncRequest};
use checkpoint_core::name::Name;
use clap::{Args, Subcommand};

use super::content::sentence;
use super::output::Output;
use super::progress::Bars;
use super::repository::List;
use super::settings;
use crate::app::App;
use crate::error::Result;

#[derive(Subcommand)]
pub enum Command {
    /// Create a remote.
    Create(Create),
    /// List remotes.
    List(List),
}

/// Options of `remote create`.
#[derive(Args)]
pub struct Create {
    /// The remote's name.
    name: Name,
    /// The kind of content, such as file.
    #[arg(long = "type", value_name = "TYPE")]
    plugin: String,
    /// Where it is; for a file remote the URL of its PULP_MANIFEST.
    #[arg(long)]
    url: String,
    /// Set an option of the remote.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
}

/// Options of `sync`.
#[derive(Args)]
pub struct Sync {
    /// The repository's name.
    name: Name,
    /// The remote, if not the repository's own.
    #[arg(long)]
    remote: Option<Name>,
    /// Remove what the remote does not have.
    #[arg(long)]
    mirror: bool,
    /// Keep what the remote does not have; the default.
    #[arg(long, conflicts_with = "mirror")]
    additive: bool,
}

impl Command {
    pub(super) async fn run(self, app: &App, output: &Output) -> Result<()> {
        match self {
            Command::Create(Create {
                name,
                plugin,
                url,
                settings,
            }) => {
                let kind = app.engine.registry().get(&plugin)?.declaration().remote;
                let options = kind.map(|kind| settings::options(&settings, &kind)).transpose()?;
                app.engine
                    .create_remote(&name, &plugin, &url, options.unwrap_or_default())
                    .await?;
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
        let mode = if self.mirror {
            SyncMode::Mirror
        } else {
            SyncMode::Additive
        };
        let request = SyncRequest {
            remote: self.remote,
            mode,
        };
        let modified = app.engine.sync(&self.name, request, progress).await?;
        progress.clear();
        output.line(&sentence(&self.name, &modified))
    }
}
