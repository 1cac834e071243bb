//! `debpoint version …`

use checkpoint_core::engine::{CopyRequest, VersionRef};
use checkpoint_core::name::Name;
use clap::{Args, Subcommand};

use super::checkpoint::print_changes;
use super::content::print_copied;
use super::output::Output;
use crate::app::App;
use crate::error::Result;

#[derive(Subcommand)]
pub enum Command {
    /// List the versions of a repository, oldest first.
    List(List),
    /// Show what changed from one version to another, of one repository or of two.
    Diff(Diff),
    /// Add all that versions of other repositories have to a repository, in one new version.
    Merge(Merge),
}

/// Options of `version list`.
#[derive(Args)]
pub struct List {
    /// The repository's name.
    name: Name,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Options of `version diff`.
#[derive(Args)]
pub struct Diff {
    /// The one version: NAME, or NAME@NUMBER for one that is not the newest.
    #[arg(value_name = "FROM")]
    from: VersionRef,
    /// The other version.
    #[arg(value_name = "TO")]
    to: VersionRef,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Options of `version merge`.
#[derive(Args)]
pub struct Merge {
    /// The repository that gets the new version.
    #[arg(value_name = "TO")]
    to: Name,
    /// What is added: NAME, or NAME@NUMBER for a version that is not the newest.
    #[arg(required = true, value_name = "FROM")]
    from: Vec<VersionRef>,
    /// Of each package keep only the newest version.
    #[arg(long)]
    newest: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Command {
    pub(super) async fn run(self, app: &App, output: &Output) -> Result<()> {
        match self {
            Command::List(List { name, json }) => {
                let versions = app.engine.versions(&name).await?;
                if json {
                    return output.json(&versions);
                }
                let row = |version: &checkpoint_core::model::RepositoryVersion| {
                    [version.number.to_string(), version.created.for_people()]
                };
                let rows: Vec<_> = versions.iter().map(row).collect();
                output.table(["VERSION", "CREATED"], &rows)
            }
            Command::Diff(Diff { from, to, json }) => {
                let diff = app.engine.diff_versions(&from, &to).await?;
                if json { output.json(&diff) } else { print_changes(&diff.changes, output) }
            }
            Command::Merge(Merge { to, from, newest, json }) => {
                let request = CopyRequest { newest, ..CopyRequest::default() };
                let copied = app.engine.copy(&from, &to, request).await?;
                if json { output.json(&copied) } else { print_copied(&to, &copied, output) }
            }
        }
    }
}
