//! `debpoint checkpoint …`

use checkpoint_core::engine::{Difference, DifferenceKind};
use checkpoint_core::name::Name;
use checkpoint_core::time::Timestamp;
use clap::{Args, Subcommand};

use super::output::Output;
use crate::app::App;
use crate::error::Result;

#[derive(Subcommand)]
pub enum Command {
    /// List the checkpoints of a repository, oldest first.
    List(List),
    /// Show the checkpoint at or before a time.
    Show(Show),
    /// Show what changed between two times.
    Diff(DiffArgs),
}

/// Options of `checkpoint list`.
#[derive(Args)]
pub struct List {
    /// The repository's name.
    name: Name,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Options of `checkpoint show`.
#[derive(Args)]
pub struct Show {
    /// The repository's name.
    name: Name,
    /// The time, such as 20250318T140442Z.
    #[arg(value_name = "T")]
    time: Timestamp,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Options of `checkpoint diff`.
#[derive(Args)]
pub struct DiffArgs {
    /// The repository's name.
    name: Name,
    /// The earlier time, such as 20250318T140442Z.
    #[arg(value_name = "T1")]
    from: Timestamp,
    /// The later time.
    #[arg(value_name = "T2")]
    to: Timestamp,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Command {
    pub(super) async fn run(self, app: &App, output: &Output) -> Result<()> {
        match self {
            Command::List(List { name, json }) => {
                let checkpoints = app.engine.checkpoints(&name).await?;
                if json {
                    return output.json(&checkpoints);
                }
                let row = |checkpoint: &checkpoint_core::model::Publication| {
                    let time = checkpoint.time;
                    [time.to_string(), time.for_people(), checkpoint.version.to_string()]
                };
                let rows: Vec<_> = checkpoints.iter().map(row).collect();
                output.table(["CHECKPOINT", "TIME", "VERSION"], &rows)
            }
            Command::Show(Show { name, time, json }) => {
                let checkpoint = app.engine.checkpoint(&name, time).await?;
                if json {
                    return output.json(&checkpoint);
                }
                output.line(&format!("checkpoint  {}", checkpoint.time))?;
                output.line(&format!("version     {}", checkpoint.version))?;
                output.line(&format!("units       {}", checkpoint.units))?;
                let row = |file: &checkpoint_core::engine::CheckpointFile| {
                    [file.sha256.to_string(), file.size.to_string(), file.path.clone()]
                };
                let rows: Vec<_> = checkpoint.files.iter().map(row).collect();
                output.table(["SHA256", "SIZE", "FILE"], &rows)
            }
            Command::Diff(DiffArgs { name, from, to, json }) => {
                let diff = app.engine.diff(&name, from, to).await?;
                if json { output.json(&diff) } else { print_changes(&diff.changes, output) }
            }
        }
    }
}

/// A line for each change.
pub(super) fn print_changes(changes: &[Difference], output: &Output) -> Result<()> {
    let row = |change: &Difference| {
        let kind = match change.change {
            DifferenceKind::Added => "added",
            DifferenceKind::Removed => "removed",
            DifferenceKind::Upgraded => "upgraded",
            DifferenceKind::Downgraded => "downgraded",
            DifferenceKind::Changed => "changed",
        };
        let version = |version: &Option<String>| version.clone().unwrap_or_else(|| "-".into());
        let Difference { place, name, variant, .. } = change;
        let (from, to) = (version(&change.from), version(&change.to));
        [kind.to_owned(), name.clone(), variant.clone(), from, to, place.clone()]
    };
    let rows: Vec<_> = changes.iter().map(row).collect();
    output.table(["CHANGE", "NAME", "VARIANT", "FROM", "TO", "PLACE"], &rows)
}
