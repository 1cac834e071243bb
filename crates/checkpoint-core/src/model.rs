//! The values everything else is about. No I/O here.

mod remote;

use serde::Serialize;
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
    /// When it was created.
    pub created: Timestamp,
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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

/// A URL prefix that serves a repository: its newest publication, or its checkpoints by their times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Distribution {
    #[serde(skip)]
    #[doc(hidden)]
    pub id: Id,
    /// Its unique name.
    pub name: Name,
    /// Where it is served, below the content prefix.
    pub base_path: BasePath,
    /// What it serves.
    pub repository: Name,
    /// Whether it serves the repository's checkpoints, each under its time.
    pub checkpoint: bool,
}
