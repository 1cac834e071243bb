//! `debpoint publish` and `debpoint publication …`

use checkpoint_core::engine::PublishRequest;
use checkpoint_core::name::Name;
use clap::{Args, Subcommand};
use serde_json::{Map, Value};

use super::output::Output;
use super::progress::Bars;
use crate::app::App;
use crate::error::Result;

/// Options of `publish`; those that plugins declare come on top.
#[derive(Args)]
pub struct Publish {
    /// The repository's name.
    name: Name,
    /// Keep the publication under its time.
    #[arg(long)]
    checkpoint: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Subcommand)]
pub enum Command {
    /// List the publications of a repository, oldest first.
    List(List),
}

/// Options of `publication list`.
#[derive(Args)]
pub struct List {
    /// The repository's name.
    name: Name,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Publish {
    pub(super) async fn run(
        self,
        app: &App,
        (options, progress): (Map<String, Value>, &Bars),
        output: &Output,
    ) -> Result<()> {
        let request = PublishRequest { checkpoint: self.checkpoint, options, version: None };
        let publication = app.engine.publish(&self.name, request, progress).await?;
        progress.clear();
        if self.json {
            return output.json(&publication);
        }
        let (name, version, time) = (&self.name, publication.version, publication.time);
        output.line(&match self.checkpoint {
            true => format!("published repository '{name}' version {version} as checkpoint {time}"),
            false => format!("published repository '{name}' version {version} at {time}"),
        })
    }
}

impl Command {
    pub(super) async fn run(self, app: &App, output: &Output) -> Result<()> {
        let Command::List(List { name, json }) = self;
        let publications = app.engine.publications(&name).await?;
        if json {
            return output.json(&publications);
        }
        let row = |publication: &checkpoint_core::model::Publication| {
            let checkpoint = if publication.checkpoint { "yes" } else { "no" };
            [publication.time.to_string(), publication.version.to_string(), checkpoint.to_owned()]
        };
        let rows: Vec<_> = publications.iter().map(row).collect();
        output.table(["TIME", "VERSION", "CHECKPOINT"], &rows)
    }
}
