//! `debpoint user …` and `debpoint audit`.

use std::path::{Path, PathBuf};

use checkpoint_core::account::{Account, AuditEntry, Role};
use checkpoint_core::name::Name;
use clap::{Args, Subcommand};

use super::output::Output;
use super::repository::List;
use crate::app::App;
use crate::error::Result;

#[derive(Subcommand)]
pub enum Command {
    /// Create a user, who may then sign in over HTTP.
    Create(Create),
    /// List users.
    List(List),
    /// Delete a user with all tokens.
    Delete(Delete),
    /// Make, list and delete tokens: passwords for programs.
    #[command(subcommand)]
    Token(Token),
}

/// Options of `user create`.
#[derive(Args)]
pub struct Create {
    /// The user's name.
    name: Name,
    /// What the user may do: administrator, everything; publisher, change and publish the repositories named by
    /// --repository; reader, read.
    #[arg(long)]
    role: Role,
    /// A repository that the publisher may change; may be given several times.
    #[arg(long = "repository", value_name = "REPOSITORY")]
    repositories: Vec<Name>,
    /// The file whose first line is the password.
    #[arg(long, value_name = "FILE")]
    password_file: PathBuf,
}

/// Options of `user delete`.
#[derive(Args)]
pub struct Delete {
    /// The user's name.
    name: Name,
}

#[derive(Subcommand)]
pub enum Token {
    /// Make a token and print it, this once. It goes where the password went, or into `Authorization: Bearer`.
    Create(TokenName),
    /// List the names of a user's tokens.
    List(Delete),
    /// Delete a token.
    Delete(TokenName),
}

/// Which token.
#[derive(Args)]
pub struct TokenName {
    /// The user's name.
    user: Name,
    /// What the token is for.
    name: Name,
}

/// Options of `audit`.
#[derive(Args)]
pub struct Audit {
    /// How many of the newest changes are shown.
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Command {
    pub(super) async fn run(self, app: &App, output: &Output) -> Result<()> {
        match self {
            Command::Create(Create { name, role, repositories, password_file }) => {
                let password = first_line(&password_file)?;
                app.engine.create_account(&name, role, &repositories, &password).await?;
                output.line(&format!("created user '{name}'"))
            }
            Command::List(List { json }) => {
                let accounts = app.engine.accounts().await?;
                if json {
                    return output.json(&accounts);
                }
                let row = |account: &Account| {
                    let names: Vec<_> = account.repositories.iter().map(Name::as_str).collect();
                    [account.name.to_string(), account.role.to_string(), names.join(", ")]
                };
                let rows: Vec<_> = accounts.iter().map(row).collect();
                output.table(["NAME", "ROLE", "REPOSITORIES"], &rows)
            }
            Command::Delete(Delete { name }) => {
                app.engine.delete_account(&name).await?;
                output.line(&format!("deleted user '{name}'"))
            }
            Command::Token(command) => command.run(app, output).await,
        }
    }
}

impl Token {
    async fn run(self, app: &App, output: &Output) -> Result<()> {
        match self {
            Token::Create(TokenName { user, name }) => {
                output.line(&app.engine.create_token(&user, &name).await?)
            }
            Token::List(Delete { name }) => {
                app.engine.tokens(&name).await?.iter().try_for_each(|name| output.line(name))
            }
            Token::Delete(TokenName { user, name }) => {
                app.engine.delete_token(&user, &name).await?;
                output.line(&format!("deleted token '{name}'"))
            }
        }
    }
}

impl Audit {
    pub(super) async fn run(self, app: &App, output: &Output) -> Result<()> {
        let entries = app.engine.audit(self.limit).await?;
        if self.json {
            return output.json(&entries);
        }
        let row = |entry: &AuditEntry| {
            let outcome = entry.outcome.as_deref().unwrap_or("unknown");
            [
                entry.time.for_people(),
                entry.who.clone(),
                entry.source.clone(),
                entry.what.clone(),
                outcome.to_owned(),
            ]
        };
        let rows: Vec<_> = entries.iter().map(row).collect();
        output.table(["TIME", "WHO", "FROM", "WHAT", "OUTCOME"], &rows)
    }
}

fn first_line(path: &Path) -> Result<String> {
    let text = std::fs::read_to_string(path).map_err(checkpoint_core::Error::io("read", path))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
