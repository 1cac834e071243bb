//! Who may do what. Plain values, no I/O.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::model::Id;
use crate::name::Name;
use crate::time::Timestamp;

/// What an account may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything.
    Administrator,
    /// Change, sync and publish the repositories it is named for; read everything.
    Publisher,
    /// Read everything.
    Reader,
}

impl Role {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Administrator => "administrator",
            Role::Publisher => "publisher",
            Role::Reader => "reader",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = Error;

    fn from_str(text: &str) -> Result<Role, Error> {
        let all = [Role::Administrator, Role::Publisher, Role::Reader];
        let found = all.into_iter().find(|role| role.as_str() == text);
        found.ok_or_else(|| {
            Error::Invalid(format!("'{text}' is neither administrator nor publisher nor reader"))
        })
    }
}

/// Somebody who may sign in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Account {
    #[serde(skip)]
    #[doc(hidden)]
    pub id: Id,
    /// Its unique name.
    pub name: Name,
    /// What it may do.
    pub role: Role,
    /// The repositories that a publisher may change.
    pub repositories: Vec<Name>,
    /// When it was created.
    pub created: Timestamp,
}

impl Account {
    /// Whether it may change a repository: its content, its settings, what is published of it.
    pub fn may_change(&self, repository: &Name) -> bool {
        match self.role {
            Role::Administrator => true,
            Role::Publisher => self.repositories.contains(repository),
            Role::Reader => false,
        }
    }
}

/// A change, or an attempt at one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditEntry {
    /// When it was asked for.
    pub time: Timestamp,
    /// Who asked: an account, or `cli:` and the system's user.
    pub who: String,
    /// From where: an address, or the command line.
    pub source: String,
    /// For what.
    pub what: String,
    /// What came of it; `None` if that was never learnt.
    pub outcome: Option<String>,
}

/// Says that only who signs in may read what a distribution serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Guard {
    #[serde(skip)]
    #[doc(hidden)]
    pub id: Id,
    /// Its unique name.
    pub name: Name,
    /// What it is for.
    pub description: Option<String>,
    /// When it was created.
    pub created: Timestamp,
}
