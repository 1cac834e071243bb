//! Tasks: work that outlives the request that asked for it. Plain values, no I/O.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::Sha256;
use crate::error::Error;
use crate::model::Id;
use crate::time::Timestamp;

/// Where a task stands; the words are Pulp's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskState {
    /// It waits for a worker, or for older tasks that hold what it needs.
    Waiting,
    /// A worker carries it out.
    Running,
    /// It shall stop, and has not yet.
    Canceling,
    /// It was carried out.
    Completed,
    /// It was refused or went wrong; its error says why.
    Failed,
    /// It was stopped.
    Canceled,
}

impl TaskState {
    /// All states.
    pub const ALL: [TaskState; 6] = [
        TaskState::Waiting,
        TaskState::Running,
        TaskState::Canceling,
        TaskState::Completed,
        TaskState::Failed,
        TaskState::Canceled,
    ];

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            TaskState::Waiting => "waiting",
            TaskState::Running => "running",
            TaskState::Canceling => "canceling",
            TaskState::Completed => "completed",
            TaskState::Failed => "failed",
            TaskState::Canceled => "canceled",
        }
    }

    /// Whether nothing will happen to the task any more.
    pub fn is_final(self) -> bool {
        matches!(self, TaskState::Completed | TaskState::Failed | TaskState::Canceled)
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for TaskState {
    type Err = Error;

    fn from_str(text: &str) -> Result<TaskState, Error> {
        let found = TaskState::ALL.into_iter().find(|state| state.as_str() == text);
        found.ok_or_else(|| Error::Invalid(format!("'{text}' is not a state of tasks")))
    }
}

/// What tasks hold while they run, and what they make.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// A repository, with its plugin.
    Repository(String, Id),
    /// A version of a repository: the repository's plugin and row, and the version's number.
    Version(String, Id, i64),
    /// A remote, with its plugin.
    Remote(String, Id),
    /// A publication: its plugin, its kind, its row.
    Publication(String, String, Id),
    /// A distribution, with its plugin.
    Distribution(String, Id),
    /// All distributions together: their URLs must not overlap.
    Distributions,
    /// A content unit, with its content type.
    Content(String, Id),
    /// An artifact.
    Artifact(Sha256),
    /// A chunked upload.
    Upload(Id),
    /// Everything that no repository holds.
    Orphans,
}

impl Resource {
    /// The text under which the resource is reserved.
    pub(crate) fn lock(&self) -> String {
        match self {
            Resource::Version(plugin, id, _) => Resource::Repository(plugin.clone(), *id).key(),
            Resource::Distribution(..) => Resource::Distributions.key(),
            other => other.key(),
        }
    }

    /// A text that names it: kind and row.
    pub fn key(&self) -> String {
        match self {
            Resource::Repository(_, id) => format!("repository {id}"),
            Resource::Version(_, id, number) => format!("version {id} {number}"),
            Resource::Remote(_, id) => format!("remote {id}"),
            Resource::Publication(_, _, id) => format!("publication {id}"),
            Resource::Distribution(_, id) => format!("distribution {id}"),
            Resource::Distributions => "distributions".to_owned(),
            Resource::Content(_, id) => format!("content {id}"),
            Resource::Artifact(sha256) => format!("artifact {sha256}"),
            Resource::Upload(id) => format!("upload {id}"),
            Resource::Orphans => "orphans".to_owned(),
        }
    }
}

/// A resource that a task needs while it runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Reservation {
    /// What.
    pub resource: Resource,
    /// Whether nobody else may have it meanwhile.
    pub exclusive: bool,
}

/// How far a stage of a task is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgressReport {
    /// What is done, for people.
    pub message: String,
    /// What is done, for programs.
    pub code: String,
    /// Where the stage stands.
    pub state: TaskState,
    /// How many steps it has, where that is known.
    pub total: Option<u64>,
    /// How many are done.
    pub done: u64,
    /// What else there is to say.
    pub suffix: Option<String>,
}

/// A task as it stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Task {
    /// Its row. Rows count up in the order in which tasks were asked for.
    pub id: Id,
    /// What is done, in the spelling of whoever asked for it.
    pub name: String,
    /// The operation, as [`crate::engine::Operation`] is written.
    pub operation: Value,
    /// Where it stands.
    pub state: TaskState,
    /// When it was asked for.
    pub created: Timestamp,
    /// When nothing older stood in its way any more.
    pub unblocked: Option<Timestamp>,
    /// When a worker took it.
    pub started: Option<Timestamp>,
    /// When it reached its final state.
    pub finished: Option<Timestamp>,
    /// The worker that took it last.
    pub worker: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// How far its stages are.
    pub progress: Vec<ProgressReport>,
    /// What it made, the most important first.
    pub made: Vec<Resource>,
    /// What it needs, or needed, for itself or together with others.
    pub reservations: Vec<Reservation>,
    /// Who asked for it, if they signed in.
    pub created_by: Option<String>,
    /// What the caller's log calls the request.
    pub correlation: String,
    /// Whether its memory is measured.
    pub measured: bool,
}

/// A process, or a part of one, that carries out tasks one by one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Worker {
    /// Its row.
    #[serde(skip)]
    pub id: Id,
    /// Its unique name.
    pub name: String,
    /// When it began.
    pub started: Timestamp,
    /// When it last said that it is there.
    pub heartbeat: Timestamp,
    /// The task that it carries out.
    pub task: Option<Id>,
}
