//! The command line: noun, verb. Each command parses, calls one operation of the engine, and renders.

mod args;
mod checkpoint;
mod content;
mod distribution;
mod key;
pub mod output;
mod progress;
mod publication;
mod remote;
mod repository;
mod settings;
mod user;
mod version;

use std::path::PathBuf;
use std::time::SystemTime;

use clap::{ArgMatches, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use serde_json::{Map, Value};

use crate::app::{App, Missing};
use crate::config;
use crate::error::Result;
use output::Output;

/// A package repository service for Debian and Ubuntu: repositories, signed publications with by-hash paths,
/// and dated checkpoints from which stock apt installs.
#[derive(Parser)]
#[command(name = "debpoint", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "A repository in five commands:\n  \
    debpoint repository create vendor --type deb\n  \
    debpoint content add vendor ./hello_1.0_amd64.deb --suite bookworm\n  \
    debpoint distribution create vendor --base-path vendor --repository vendor\n  \
    debpoint publish vendor --checkpoint\n  \
    debpoint serve --listen 127.0.0.1:8080")]
pub struct Cli {
    /// The data directory [default: $DEBPOINT_DATA, else ./debpoint-data].
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Create, change and list repositories.
    #[command(subcommand)]
    Repository(repository::Command),
    /// Add, remove and list what a repository holds.
    #[command(subcommand)]
    Content(content::Command),
    /// List, compare and merge versions of repositories.
    #[command(subcommand)]
    Version(version::Command),
    /// Create, change and list remotes: upstreams to sync from.
    #[command(subcommand)]
    Remote(remote::Command),
    /// Fetch what a remote has into a new version of a repository.
    Sync(remote::Sync),
    /// Fetch the files of a repository that were to be fetched on demand.
    Fetch(remote::Fetch),
    /// Publish the newest version of a repository.
    Publish(publication::Publish),
    /// List publications.
    #[command(subcommand)]
    Publication(publication::Command),
    /// Create, change and list distributions: URLs under which repositories are served.
    #[command(subcommand)]
    Distribution(distribution::Command),
    /// List, show and compare checkpoints.
    #[command(subcommand)]
    Checkpoint(checkpoint::Command),
    /// Make, import and export signing keys.
    #[command(subcommand)]
    Key(key::Command),
    /// Print what a host puts into /etc/apt/sources.list.d to use a date, or the live state. If the distribution does
    /// not serve that, another one of its repository is taken that does.
    Pin(distribution::Pin),
    /// Check that everything that is referred to exists and has the right hash.
    Verify(Verify),
    /// Create, list and delete users, who sign in over HTTP, and their tokens.
    #[command(subcommand)]
    User(user::Command),
    /// Show the changes that were asked for: who, what, when, from where, and what came of it.
    Audit(user::Audit),
    /// Serve distributions over HTTP, and carry out tasks.
    Serve(Serve),
    /// Carry out tasks that a server was asked for, beside its own worker.
    Worker,
    /// Show debpoint at work: two checkpoints of a small repository, served, with a host to try them.
    Demo(Demo),
}

/// Options of `serve`.
#[derive(Args)]
pub struct Serve {
    /// Address and port; port 0 takes a free one [default: listen in debpoint.toml, else 127.0.0.1:8080].
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
}

/// Options of `demo`.
#[derive(Args)]
pub struct Demo {
    /// Address and port; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    pub listen: String,
}

/// Options of `verify`.
#[derive(Args)]
pub struct Verify {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What the command line asks for.
pub struct Invocation {
    /// The data directory, as named.
    pub data: Option<PathBuf>,
    /// The command.
    pub command: Command,
    /// What was said by flags that plugins declare.
    declared: Map<String, Value>,
    /// The arguments as they were given.
    words: Vec<String>,
}

impl Invocation {
    /// Reads the process's arguments. Help, version and mistakes end the process, as clap does it.
    pub fn parse() -> Invocation {
        let registry = crate::plugins::registry();
        let matches = args::with_declared(Cli::command(), &registry).get_matches();
        Invocation::from_matches(&matches).unwrap_or_else(|error| error.exit())
    }

    fn from_matches(matches: &ArgMatches) -> clap::error::Result<Invocation> {
        let declared = args::declared(matches, &crate::plugins::registry())?;
        let Cli { data, command } = Cli::from_arg_matches(matches)?;
        Ok(Invocation { data, command, declared, words: std::env::args().skip(1).collect() })
    }

    /// Carries out a command at `now`; `serve` and `demo` are not its business.
    pub async fn run(self, now: SystemTime, output: &Output) -> Result<()> {
        let data = config::data_directory(self.data);
        let command = match self.command {
            // To look at the keys takes nothing else.
            Command::Key(command) if !command.is_change() => return command.run(&data, now, output),
            command => command,
        };
        let app = App::open(&data, missing(&command)).await?;
        let progress = progress::Bars::new();
        let entry = match is_change(&command) {
            true => Some(record(&app, &self.words).await?),
            false => None,
        };
        let done = match command {
            Command::Repository(command) => command.run(&app, output).await,
            Command::Content(command) => command.run(&app, (self.declared, &progress), output).await,
            Command::Version(command) => command.run(&app, output).await,
            Command::Remote(command) => command.run(&app, self.declared, output).await,
            Command::Sync(sync) => sync.run(&app, &progress, output).await,
            Command::Fetch(fetch) => fetch.run(&app, &progress, output).await,
            Command::Publish(publish) => publish.run(&app, (self.declared, &progress), output).await,
            Command::Publication(command) => command.run(&app, output).await,
            Command::Distribution(command) => command.run(&app, output).await,
            Command::Checkpoint(command) => command.run(&app, output).await,
            Command::Pin(pin) => pin.run(&app, output).await,
            Command::Verify(verify) => verify.run(&app, &progress, output).await,
            Command::User(command) => command.run(&app, output).await,
            Command::Audit(audit) => audit.run(&app, output).await,
            Command::Key(command) => command.run(&data, now, output),
            Command::Serve(_) | Command::Worker | Command::Demo(_) => Ok(()),
        };
        progress.clear();
        if let Some(entry) = entry {
            let outcome = done
                .as_ref()
                .map_or_else(|error| format!("failed: {}", error.sentence()), |()| "done".into());
            app.engine.record_outcome(entry, &outcome).await?;
        }
        app.engine.close().await;
        done
    }
}

/// Whether a command changes anything, and so belongs into the audit record.
fn is_change(command: &Command) -> bool {
    !matches!(
        command,
        Command::Repository(
            repository::Command::List(_) | repository::Command::Show(_) | repository::Command::Types(_)
        ) | Command::Content(content::Command::List(_))
            | Command::Remote(remote::Command::List(_))
            | Command::Publication(publication::Command::List(_))
            | Command::Distribution(distribution::Command::List(_))
            | Command::User(user::Command::List(_) | user::Command::Token(user::Token::List(_)))
            | Command::Checkpoint(_)
            | Command::Pin(_)
            | Command::Verify(_)
            | Command::Audit(_)
    )
}

async fn record(app: &App, words: &[String]) -> Result<checkpoint_core::model::Id> {
    let who = format!("cli:{}", config::system_user());
    Ok(app.engine.record(&who, "command line", &words.join(" ")).await?)
}

/// Commands that begin something may begin with the data directory; the others have nothing to work on.
fn missing(command: &Command) -> Missing {
    match command {
        Command::Repository(repository::Command::Create(_))
        | Command::Remote(remote::Command::Create(_))
        | Command::User(user::Command::Create(_))
        | Command::Key(_) => Missing::Create,
        _ => Missing::Refuse,
    }
}

impl Verify {
    async fn run(self, app: &App, progress: &progress::Bars, output: &Output) -> Result<()> {
        let verified = app.engine.verify(progress).await?;
        progress.clear();
        if self.json {
            output.json(&verified)?;
        } else {
            for problem in &verified.problems {
                output.line(problem)?;
            }
            let (artifacts, bytes) = (verified.artifacts, verified.bytes);
            if verified.problems.is_empty() {
                output.line(&format!("{artifacts} artifacts of {bytes} bytes are as they should be"))?;
            }
        }
        match verified.problems.len() {
            0 => Ok(()),
            count => Err(crate::error::Error::Problems(count)),
        }
    }
}
