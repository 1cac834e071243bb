//! The values everything else is about. No I/O here.

mod remote;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::Sha256;
use crate::name::{BasePath, Name, RelativePath};
use crate::time::Timestamp;
pub use remote::{Policy, Remote, RemoteSettings};

/// A row's number in the catalog. It never leaves the core.
pub type Id = i64;

/// A content unit as a plugin makes it, before the catalog knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUnit {
    /// The content type, such as `file.file`.
    pub content_type: &'static str,
    /// What identifies it among the units of a repository, such as `name_version_architecture`. Units are
    /// published in the order of their keys, compared byte by byte.
    pub key: String,
    /// What the plugin wants back when it publishes; for a package the stanza as it was read.
    pub body: Vec<u8>,
    /// Its files.
    pub artifacts: Vec<UnitArtifact>,
}

/// A file of a content unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnitArtifact {
    /// Its path in every publication that holds the unit.
    pub path: RelativePath,
    /// Its bytes.
    pub sha256: Sha256,
    /// Their number.
    pub size: u64,
}

/// A content unit together with where in the repository it stands; the plugin gives `place` its meaning.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Placed<U> {
    /// Empty, or what the plugin needs to tell parts of a repository apart.
    pub place: String,
    /// The unit.
    pub unit: U,
}

/// A content unit out of the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Its row.
    pub id: Id,
    /// As in [`NewUnit`].
    pub content_type: String,
    /// As in [`NewUnit`].
    pub key: String,
    /// As in [`NewUnit`].
    pub body: Vec<u8>,
}

/// A named, ordered history of versions that belongs to one plugin.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Repository {
    #[serde(skip)]
    #[doc(hidden)]
    pub id: Id,
    /// Its unique name.
    pub name: Name,
    /// The plugin it belongs to.
    #[serde(rename = "type")]
    pub plugin: String,
    /// The plugin's options for it.
    pub options: Value,
    /// The remotes that `sync` takes when none is named.
    pub remotes: Vec<Name>,
    /// The number of its newest version; 0 is the empty one it is born with.
    pub latest_version: i64,
    /// What the core keeps to.
    pub settings: RepositorySettings,
    /// When it was created.
    pub created: Timestamp,
    /// When its settings, options or remotes were changed last.
    pub updated: Timestamp,
}

/// What can be set for a repository whatever its content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RepositorySettings {
    /// What it is for.
    pub description: Option<String>,
    /// How many versions are kept besides those that are in use; `None` keeps all.
    pub retain_repo_versions: Option<u32>,
    /// How many checkpoints are kept; `None` keeps all.
    pub retain_checkpoints: Option<u32>,
    /// What happens to a new version.
    pub autopublish: Autopublish,
}

/// What happens to a new version that a task has made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Autopublish {
    /// Nothing.
    #[default]
    Off,
    /// It is published.
    Publish,
    /// It is published as a checkpoint.
    Checkpoint,
}

/// An immutable set of content units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RepositoryVersion {
    /// Counts up from 0.
    pub number: i64,
    /// When it was made.
    pub created: Timestamp,
}

/// An immutable tree of paths to artifacts, made from one version.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Publication {
    #[serde(skip)]
    #[doc(hidden)]
    pub id: Id,
    /// The instant from which it is visible; unique and strictly increasing within its repository.
    pub time: Timestamp,
    /// The version it shows.
    pub version: i64,
    /// Whether it is kept under its time.
    pub checkpoint: bool,
    /// What the plugin was told when it was made.
    pub options: Value,
}

/// A URL prefix that serves something of a repository: its newest publication, its checkpoints by their times, one
/// publication, or the newest publication of one version; or nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Distribution {
    #[serde(skip)]
    #[doc(hidden)]
    pub id: Id,
    /// Its unique name.
    pub name: Name,
    /// The plugin it belongs to.
    #[serde(rename = "type")]
    pub plugin: String,
    /// Where it is served, below the content prefix.
    pub base_path: BasePath,
    /// The repository of what it serves; `None` if it serves nothing.
    pub repository: Option<Name>,
    /// The only publication that it serves.
    #[serde(skip)]
    pub publication: Option<Id>,
    /// The only version of which it serves the newest publication.
    pub version: Option<i64>,
    /// Whether it serves the repository's checkpoints, each under its time.
    pub checkpoint: bool,
    /// Whether a time that is not exactly a checkpoint's is answered with the one before, rather than redirected to it.
    pub direct: bool,
    /// Whether lists of distributions leave it out.
    pub hidden: bool,
    /// Who may read it; `None` means everybody.
    #[serde(skip)]
    pub guard: Option<Id>,
    /// When it was created.
    pub created: Timestamp,
    /// When it was changed last.
    pub updated: Timestamp,
}

impl Distribution {
    /// One that serves nothing yet.
    pub fn new(name: Name, plugin: String, base_path: BasePath, now: Timestamp) -> Distribution {
        Distribution {
            id: 0,
            name,
            plugin,
            base_path,
            repository: None,
            publication: None,
            version: None,
            checkpoint: false,
            direct: false,
            hidden: false,
            guard: None,
            created: now,
            updated: now,
        }
    }

    /// Of all publications of its repository the one that it serves live at `now`.
    pub fn live<'p>(&self, publications: &'p [Publication], now: Timestamp) -> Option<&'p Publication> {
        if self.publication.is_some() {
            return publications.iter().find(|publication| Some(publication.id) == self.publication);
        }
        let wanted = |publication: &&Publication| {
            publication.time <= now && self.version.is_none_or(|version| publication.version == version)
        };
        publications.iter().filter(wanted).max_by_key(|publication| (publication.version, publication.time))
    }
}
