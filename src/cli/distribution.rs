//! `debpoint distribution …` and `debpoint pin`.

use checkpoint_core::engine::DistributionChange;
use checkpoint_core::name::{BasePath, Name};
use checkpoint_core::time::Timestamp;
use clap::{Args, Subcommand};

use super::output::Output;
use super::repository::List;
use crate::app::App;
use crate::error::Result;

#[derive(Subcommand)]
pub enum Command {
    /// Serve a repository under a URL.
    Create(Create),
    /// Change what is served, and where.
    Update(Update),
    /// Move a live distribution to a checkpoint, forward or back, where it stays; or let it follow the newest state
    /// again. What it shows is signed anew, with the time of now, since apt ignores what is older than what it has.
    Move(Move),
    /// List distributions.
    List(List),
    /// Stop serving. What was served stays.
    Delete(Delete),
}

/// Options of `distribution create`.
#[derive(Args)]
pub struct Create {
    /// The distribution's name.
    name: Name,
    /// Where it is served, below /pulp/content/.
    #[arg(long, value_name = "PATH")]
    base_path: BasePath,
    /// The repository that it serves.
    #[arg(long, value_name = "NAME")]
    repository: Name,
    /// Serve the repository's checkpoints, each under its time, rather than its newest publication.
    #[arg(long)]
    checkpoint: bool,
    /// Answer a time between two checkpoints with the one before, rather than redirect to it: one round trip less for
    /// each file, and what apt-cacher-ng needs.
    #[arg(long, requires = "checkpoint")]
    direct: bool,
}

/// Options of `distribution update`.
#[derive(Args)]
pub struct Update {
    /// The distribution's name.
    name: Name,
    /// Where it is served, below /pulp/content/.
    #[arg(long, value_name = "PATH")]
    base_path: Option<BasePath>,
    /// The repository that it serves.
    #[arg(long, value_name = "NAME")]
    repository: Option<Name>,
    /// Serve the repository's checkpoints.
    #[arg(long)]
    checkpoint: bool,
    /// Serve the repository's newest publication.
    #[arg(long, conflicts_with = "checkpoint")]
    not_checkpoint: bool,
    /// Answer a time between two checkpoints with the one before.
    #[arg(long)]
    direct: bool,
    /// Redirect a time between two checkpoints to the one before.
    #[arg(long, conflicts_with = "direct")]
    not_direct: bool,
}

/// Options of `distribution move`.
#[derive(Args)]
pub struct Move {
    /// The distribution's name.
    name: Name,
    /// The time of the checkpoint, such as 20250318T140442Z, or `live`.
    #[arg(value_name = "T", value_parser = parse_target)]
    to: Target,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Where a distribution is moved.
#[derive(Clone, Copy)]
enum Target {
    Live,
    Checkpoint(Timestamp),
}

fn parse_target(text: &str) -> Result<Target, checkpoint_core::Error> {
    match text {
        "live" => Ok(Target::Live),
        time => time.parse().map(Target::Checkpoint),
    }
}

/// Options of `distribution delete`.
#[derive(Args)]
pub struct Delete {
    /// The distribution's name.
    name: Name,
}

/// Options of `pin`.
#[derive(Args)]
pub struct Pin {
    /// The distribution's name.
    distribution: Name,
    /// The time, such as 20250318T140442Z; without it the live state.
    #[arg(value_name = "T")]
    time: Option<Timestamp>,
}

impl Command {
    pub(super) async fn run(self, app: &App, output: &Output) -> Result<()> {
        match self {
            Command::Create(create) => {
                let Create { name, base_path, repository, checkpoint, direct } = create;
                app.engine.create_distribution(&name, &base_path, &repository, checkpoint).await?;
                if direct {
                    let change = DistributionChange { direct: Some(true), ..DistributionChange::default() };
                    app.engine.update_distribution(&name, change).await?;
                }
                output.line(&format!("created distribution '{name}' at /pulp/content/{base_path}/"))
            }
            Command::Update(update) => {
                let checkpoint = (update.checkpoint || update.not_checkpoint).then_some(update.checkpoint);
                let direct = (update.direct || update.not_direct).then_some(update.direct);
                let (base_path, repository) = (update.base_path, update.repository);
                let change = DistributionChange { base_path, repository, checkpoint, direct };
                app.engine.update_distribution(&update.name, change).await?;
                output.line(&format!("changed distribution '{}'", update.name))
            }
            Command::List(List { json }) => {
                let distributions = app.engine.distributions().await?;
                if json {
                    return output.json(&distributions);
                }
                let row = |distribution: &checkpoint_core::model::Distribution| {
                    let serves = if distribution.checkpoint { "checkpoints" } else { "live" };
                    let path = format!("/pulp/content/{}/", distribution.base_path);
                    [
                        distribution.name.to_string(),
                        path,
                        distribution.repository.as_ref().map_or_else(|| "-".to_owned(), Name::to_string),
                        serves.to_owned(),
                    ]
                };
                let rows: Vec<_> = distributions.iter().map(row).collect();
                output.table(["NAME", "PATH", "REPOSITORY", "SERVES"], &rows)
            }
            Command::Move(Move { name, to, json }) => {
                let time = match to {
                    Target::Live => None,
                    Target::Checkpoint(time) => Some(time),
                };
                let shown = app.engine.move_distribution(&name, time).await?;
                if json {
                    return output.json(&shown);
                }
                let follows = if time.is_none() { ", and follows the newest" } else { "" };
                output.line(&format!("distribution '{name}' shows version {}{follows}", shown.version))
            }
            Command::Delete(Delete { name }) => {
                app.engine.delete_distribution(&name).await?;
                output.line(&format!("deleted distribution '{name}'"))
            }
        }
    }
}

impl Pin {
    pub(super) async fn run(self, app: &App, output: &Output) -> Result<()> {
        let stanzas = app.engine.pin(&self.distribution, self.time, &app.public_url()).await?;
        if app.config.public_url.is_none() {
            output.note("public_url is not set in debpoint.toml, so the address is only a guess");
        }
        output.text(&stanzas)
    }
}
