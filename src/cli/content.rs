//! `debpoint content …`

use std::path::PathBuf;

use checkpoint_core::engine::{Copied, CopyRequest, Modified, VersionRef};
use checkpoint_core::name::Name;
use clap::{Args, Subcommand};
use serde_json::{Map, Value};

use super::output::Output;
use super::progress::Bars;
use crate::app::App;
use crate::error::Result;

#[derive(Subcommand)]
pub enum Command {
    /// Add files to a repository: all of them in one new version, or none.
    Add(Add),
    /// Remove content from a repository, in one new version. Checkpoints keep what they have.
    Remove(Remove),
    /// Copy content from versions of repositories into another one, to the places where it stands there, in one new
    /// version.
    Copy(Copy),
    /// List what the newest version of a repository holds.
    List(List),
}

/// Options of `content add`; those that plugins declare come on top.
#[derive(Args)]
pub struct Add {
    /// The repository's name.
    name: Name,
    /// The files.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Options of `content remove`.
#[derive(Args)]
pub struct Remove {
    /// The repository's name.
    name: Name,
    /// What to remove: a name, NAME=VERSION, or a key as `content list` shows it.
    #[arg(required = true, value_name = "CONTENT")]
    selectors: Vec<String>,
    /// Only what stands in this place, such as 'bookworm main'.
    #[arg(long)]
    place: Option<String>,
}

/// Options of `content copy`.
#[derive(Args)]
pub struct Copy {
    /// The version to copy from: NAME, or NAME@NUMBER for one that is not the newest.
    #[arg(value_name = "FROM")]
    from: VersionRef,
    /// The repository to copy to.
    #[arg(value_name = "TO")]
    to: Name,
    /// What to copy [default: everything]: for deb a pattern as in docs/patterns.md, such as a name; for file a path.
    #[arg(value_name = "PATTERN")]
    pattern: Option<String>,
    /// Copy what it depends on, too.
    #[arg(long, requires = "pattern")]
    with_dependencies: bool,
    /// Of each package keep only the newest version in the repository that is copied to.
    #[arg(long)]
    newest: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Options of `content list`.
#[derive(Args)]
pub struct List {
    /// The repository's name.
    name: Name,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Command {
    pub(super) async fn run(
        self,
        app: &App,
        (declared, progress): (Map<String, Value>, &Bars),
        output: &Output,
    ) -> Result<()> {
        match self {
            Command::Add(Add { name, files }) => {
                let modified = app.engine.add_files(&name, &files, declared, progress).await?;
                progress.clear();
                output.line(&sentence(&name, &modified))
            }
            Command::Remove(Remove { name, selectors, place }) => {
                let modified = app.engine.remove_content(&name, &selectors, place.as_deref()).await?;
                output.line(&sentence(&name, &modified))
            }
            Command::Copy(Copy { from, to, pattern, with_dependencies, newest, json }) => {
                let request = CopyRequest { units: None, pattern, with_dependencies, newest };
                let copied = app.engine.copy(&[from], &to, request).await?;
                if json { output.json(&copied) } else { print_copied(&to, &copied, output) }
            }
            Command::List(List { name, json }) => {
                let entries = app.engine.content(&name).await?;
                if json {
                    return output.json(&entries);
                }
                let row = |entry: &checkpoint_core::engine::ContentEntry| {
                    [entry.name.clone(), entry.version.clone(), entry.variant.clone(), entry.place.clone()]
                };
                let rows: Vec<_> = entries.iter().map(row).collect();
                output.table(["NAME", "VERSION", "VARIANT", "PLACE"], &rows)
            }
        }
    }
}

/// What a copy came to, in words.
pub(super) fn print_copied(to: &Name, copied: &Copied, output: &Output) -> Result<()> {
    copied.remarks.iter().for_each(|remark| output.note(remark));
    output.line(&sentence(to, &copied.modified))
}

/// What a modification came to, in words.
pub(super) fn sentence(name: &Name, modified: &Modified) -> String {
    let Modified { version, added, removed } = modified;
    match (added, removed) {
        (0, 0) => format!("repository '{name}' has all of it already, in version {version}"),
        (added, 0) => format!("repository '{name}' version {version}: {added} added"),
        (0, removed) => format!("repository '{name}' version {version}: {removed} removed"),
        (added, removed) => {
            format!("repository '{name}' version {version}: {added} added, {removed} removed")
        }
    }
}
