//! `debpoint repository …`

use checkpoint_core::engine::RepositoryChange;
use checkpoint_core::name::Name;
use clap::{Args, Subcommand};

use super::output::Output;
use super::settings;
use crate::app::App;
use crate::error::Result;

#[derive(Subcommand)]
pub enum Command {
    /// Create an empty repository.
    Create(Create),
    /// Change options of a repository; they take effect with its next publication.
    Update(Update),
    /// List repositories.
    List(List),
    /// Show a repository with its versions.
    Show(Show),
    /// List the kinds of repositories and what can be set for each.
    Types(List),
}

/// Options of `repository create`.
#[derive(Args)]
pub struct Create {
    /// The repository's name.
    name: Name,
    /// The kind of content, such as deb or file.
    #[arg(long = "type", value_name = "TYPE")]
    plugin: String,
    #[command(flatten)]
    change: Change,
}

/// Options of `repository update`.
#[derive(Args)]
pub struct Update {
    /// The repository's name.
    name: Name,
    #[command(flatten)]
    change: Change,
}

#[derive(Args)]
struct Change {
    /// Set an option, such as origin=Example; `debpoint repository types` lists them.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// The remote that `sync` takes when none is named; may be given several times.
    #[arg(long = "remote", value_name = "REMOTE")]
    remotes: Vec<Name>,
}

/// Options of lists.
#[derive(Args)]
pub struct List {
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// Options of `repository show`.
#[derive(Args)]
pub struct Show {
    /// The repository's name.
    name: Name,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Command {
    pub(super) async fn run(self, app: &App, output: &Output) -> Result<()> {
        match self {
            Command::Create(Create { name, plugin, change }) => {
                let change = change.resolve(app, &plugin)?;
                let created = app.engine.create_repository(&name, &plugin, change).await?;
                output.line(&format!("created repository '{name}' of type {}", created.plugin))
            }
            Command::Update(Update { name, change }) => {
                let plugin = app.engine.repository(&name).await?.plugin;
                let change = change.resolve(app, &plugin)?;
                app.engine.update_repository(&name, change).await?;
                output.line(&format!("changed repository '{name}'"))
            }
            Command::List(List { json }) => {
                let repositories = app.engine.repositories().await?;
                if json {
                    return output.json(&repositories);
                }
                let row = |r: &checkpoint_core::model::Repository| {
                    [r.name.to_string(), r.plugin.clone(), r.latest_version.to_string()]
                };
                let rows: Vec<_> = repositories.iter().map(row).collect();
                output.table(["NAME", "TYPE", "VERSION"], &rows)
            }
            Command::Show(show) => show.run(app, output).await,
            Command::Types(List { json }) => types(app, json, output),
        }
    }
}

impl Change {
    fn resolve(self, app: &App, plugin: &str) -> Result<RepositoryChange> {
        let kind = app.engine.registry().get(plugin)?.declaration().repository;
        let remotes = (!self.remotes.is_empty()).then_some(self.remotes);
        let options = settings::options(&self.settings, &kind)?;
        Ok(RepositoryChange { options, remotes, ..RepositoryChange::default() })
    }
}

impl Show {
    async fn run(self, app: &App, output: &Output) -> Result<()> {
        let repository = app.engine.repository(&self.name).await?;
        let versions = app.engine.versions(&self.name).await?;
        if self.json {
            let mut value = serde_json::json!(repository);
            value["versions"] = serde_json::json!(versions);
            return output.json(&value);
        }
        output.line(&format!("name     {}", repository.name))?;
        output.line(&format!("type     {}", repository.plugin))?;
        output.line(&format!("created  {}", repository.created.for_people()))?;
        for remote in &repository.remotes {
            output.line(&format!("remote   {remote}"))?;
        }
        output.line(&format!("options  {}", repository.options))?;
        let row = |version: &checkpoint_core::model::RepositoryVersion| {
            [version.number.to_string(), version.created.for_people()]
        };
        let rows: Vec<_> = versions.iter().map(row).collect();
        output.table(["VERSION", "CREATED"], &rows)
    }
}

fn types(app: &App, json: bool, output: &Output) -> Result<()> {
    let plugins = app.engine.registry().iter().map(|plugin| plugin.declaration());
    if json {
        let schemas =
            plugins.map(|declaration| (declaration.name.to_owned(), declaration.repository.schema()));
        return output.json(&schemas.collect::<std::collections::BTreeMap<_, _>>());
    }
    for declaration in plugins {
        output.line(&format!("{}: {}", declaration.name, declaration.about))?;
        for (option, description) in declaration.repository.fields() {
            output.line(&format!("    {option:15} {description}"))?;
        }
    }
    Ok(())
}
