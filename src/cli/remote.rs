//! `debpoint remote …` and `debpoint sync`.

use checkpoint_core::engine::{RemoteChange, SyncRequest, Synced, check_url};
use checkpoint_core::model::{Publication, Remote};
use checkpoint_core::name::Name;
use checkpoint_core::plugin::SyncMode;
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::{Map, Value};

use super::args;
use super::content::sentence;
use super::output::Output;
use super::progress::Bars;
use super::repository::List;
use crate::app::App;
use crate::error::{Error, Result};

#[derive(Subcommand)]
pub enum Command {
    /// Create a remote.
    Create(Create),
    /// Change a remote; what is not named stays, and an empty value sets an option back.
    Update(Update),
    /// Delete a remote.
    Delete(Delete),
    /// Show a remote without its secrets.
    Show(Show),
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

/// Options of `remote update`; those that plugins declare come on top.
#[derive(Args)]
pub struct Update {
    /// The remote's name.
    name: Name,
    /// Where it is.
    #[arg(long)]
    url: Option<String>,
}

/// Options of `remote delete`.
#[derive(Args)]
pub struct Delete {
    /// The remote's name.
    name: Name,
    /// Delete it even if a repository syncs from it, or files can be fetched from nowhere else.
    #[arg(long)]
    force: bool,
}

/// Options of `remote show`.
#[derive(Args)]
pub struct Show {
    /// The remote's name.
    name: Name,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Options of `sync`.
#[derive(Args)]
pub struct Sync {
    /// The repository's name.
    #[arg(required_unless_present = "all")]
    name: Option<Name>,
    /// Sync every repository that has a remote. What goes wrong with one does not keep the others.
    #[arg(long, conflicts_with_all = ["name", "remote"])]
    all: bool,
    /// Publish what is new as a checkpoint.
    #[arg(long)]
    checkpoint: bool,
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
    /// Read everything, even if the upstream is what it was.
    #[arg(long)]
    afresh: bool,
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
                check_url(&url)?;
                app.engine.create_remote(&name, &plugin, change(Some(url), declared)).await?;
                output.line(&format!("created remote '{name}'"))
            }
            Command::Update(Update { name, url }) => {
                url.as_deref().map_or(Ok(()), check_url)?;
                app.engine.update_remote(&name, change(url, declared)).await?;
                output.line(&format!("changed remote '{name}'"))
            }
            Command::Delete(Delete { name, force }) => {
                app.engine.delete_remote(&name, force).await?;
                output.line(&format!("deleted remote '{name}'"))
            }
            Command::Show(Show { name, json }) => {
                let remote = app.engine.remote(&name).await?;
                if json { output.json(&remote) } else { show(&remote, output) }
            }
            Command::List(List { json }) => {
                let remotes = app.engine.remotes().await?;
                if json {
                    return output.json(&remotes);
                }
                let row =
                    |remote: &Remote| [remote.name.to_string(), remote.plugin.clone(), remote.url.clone()];
                let rows: Vec<_> = remotes.iter().map(row).collect();
                output.table(["NAME", "TYPE", "URL"], &rows)
            }
        }
    }
}

/// What flags and URL come to.
fn change(url: Option<String>, mut declared: Map<String, Value>) -> RemoteChange {
    let settings = args::remote_settings().pick(&declared);
    declared.retain(|name, _| !settings.contains_key(name));
    RemoteChange { url, options: declared, settings }
}

fn show(remote: &Remote, output: &Output) -> Result<()> {
    let shown = serde_json::json!(remote);
    output.line(&format!("name      {}", remote.name))?;
    output.line(&format!("type      {}", remote.plugin))?;
    output.line(&format!("url       {}", remote.url))?;
    output.line(&format!("options   {}", shown["options"]))?;
    output.line(&format!("settings  {}", shown["settings"]))
}

/// What became of one repository.
#[derive(Serialize)]
struct Report {
    repository: Name,
    #[serde(flatten)]
    synced: Synced,
    checkpoint: Option<Publication>,
}

impl Sync {
    pub(super) async fn run(self, app: &App, progress: &Bars, output: &Output) -> Result<()> {
        let names = match &self.name {
            Some(name) => vec![name.clone()],
            None => {
                let followers =
                    app.engine.repositories().await?.into_iter().filter(|r| !r.remotes.is_empty());
                followers.map(|repository| repository.name).collect()
            }
        };
        let (mut reports, mut failed) = (Vec::new(), 0);
        for name in names {
            match self.one(app, &name, progress).await {
                Ok(report) => reports.push(report),
                Err(error) if self.all => {
                    progress.clear();
                    output.note(&format!("repository '{name}': {}", error.sentence()));
                    failed += 1;
                }
                Err(error) => return Err(error),
            }
        }
        progress.clear();
        match (self.json, self.all, reports.first()) {
            (true, false, Some(report)) => output.json(report)?,
            (true, _, _) => output.json(&reports)?,
            _ => reports.iter().try_for_each(|report| report.print(output))?,
        }
        match failed {
            0 => Ok(()),
            count => Err(Error::NotSynced(count)),
        }
    }

    async fn one(&self, app: &App, name: &Name, progress: &Bars) -> Result<Report> {
        let mode = match (self.mirror, self.additive) {
            (true, _) => Some(SyncMode::Mirror),
            (_, true) => Some(SyncMode::Additive),
            _ => None,
        };
        let request = SyncRequest {
            remote: self.remote.clone(),
            mode,
            skip_broken: self.skip_broken,
            accept_change: self.accept_change,
            afresh: self.afresh,
        };
        let synced = app.engine.sync(name, request, progress).await?;
        let checkpoint = match self.checkpoint {
            true => app.engine.checkpoint_if_new(name, progress).await?,
            false => None,
        };
        Ok(Report { repository: name.clone(), synced, checkpoint })
    }
}

impl Report {
    fn print(&self, output: &Output) -> Result<()> {
        let Report { repository, synced, checkpoint } = self;
        synced.remarks.iter().for_each(|remark| output.note(remark));
        output.line(&match synced.unchanged {
            true => format!("the upstream of repository '{repository}' is what it was"),
            false => format!("{}; {} files fetched", sentence(repository, &synced.modified), synced.fetched),
        })?;
        match checkpoint {
            Some(checkpoint) => output.line(&format!("published it as checkpoint {}", checkpoint.time)),
            None => Ok(()),
        }
    }
}
