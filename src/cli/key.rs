//! `debpoint key …`

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use checkpoint_core::time::Timestamp;
use clap::{Args, Subcommand};

use super::output::Output;
use super::repository::List;
use crate::app::keys_directory;
use crate::error::Result;
use crate::openpgp::{DEFAULT_USER_ID, KeyAlgorithm, KeyInfo, Keyring};

#[derive(Subcommand)]
pub enum Command {
    /// Print the public keys, armored. If there is no key yet, one is made.
    Export,
    /// Make a key. Every key of the data directory signs each publication.
    Generate(Generate),
    /// Import a secret key without passphrase.
    Import(Import),
    /// List keys.
    List(List),
}

/// Options of `key generate`.
#[derive(Args)]
pub struct Generate {
    /// ed25519, or rsa4096 for clients that do not know Ed25519.
    #[arg(long, default_value_t = KeyAlgorithm::Ed25519)]
    algorithm: KeyAlgorithm,
    /// The user id that the key carries.
    #[arg(long, default_value = DEFAULT_USER_ID)]
    user_id: String,
}

/// Options of `key import`.
#[derive(Args)]
pub struct Import {
    /// The file, armored or binary.
    file: PathBuf,
}

impl Command {
    /// Whether it changes which keys there are, and so belongs into the audit record.
    pub(super) fn is_change(&self) -> bool {
        matches!(self, Command::Generate(_) | Command::Import(_))
    }

    pub(super) fn run(self, data: &Path, now: SystemTime, output: &Output) -> Result<()> {
        let directory = keys_directory(data);
        match self {
            Command::Export => output.text(&Keyring::open_or_generate(&directory, now)?.export_public()?),
            Command::Generate(Generate { algorithm, user_id }) => {
                let key = Keyring::generate(&directory, algorithm, &user_id, now)?;
                output.line(&format!("made key {}", key.fingerprint))
            }
            Command::Import(Import { file }) => {
                let bytes = std::fs::read(&file).map_err(checkpoint_core::Error::io("read", &file))?;
                let key = Keyring::import(&directory, &bytes)?;
                output.line(&format!("imported key {}", key.fingerprint))
            }
            Command::List(List { json }) => {
                let keyring = Keyring::open(&directory)?;
                if json {
                    return output.json(&keyring.keys());
                }
                let row = |key: &KeyInfo| {
                    let time = |seconds: u64| Timestamp::from_unix(seconds as i64).for_people();
                    let expires = key.expires.map_or_else(|| "never".into(), time);
                    [
                        key.fingerprint.clone(),
                        key.algorithm.clone(),
                        time(key.created),
                        expires,
                        key.user_id.clone(),
                    ]
                };
                let rows: Vec<_> = keyring.keys().iter().map(row).collect();
                output.table(["FINGERPRINT", "ALGORITHM", "CREATED", "EXPIRES", "USER ID"], &rows)
            }
        }
    }
}
