//! The methods a plugin implements, and what the core hands it for each.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fs::File;
use std::io::{Read, Write};
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Declaration, Derived};
use crate::artifacts::{Staged, Writing};
use crate::catalog::KnownUnit;
use crate::digest::{Digests, Sha256};
use crate::error::{Error, Result};
use crate::model::{NewUnit, Placed, Policy, Unit, UnitArtifact};
use crate::name::{Name, RelativePath};
use crate::signer::{Signer, Verifier};
use crate::time::Timestamp;

/// A kind of content. Methods that are not `async` may block; the core calls them off the async threads.
#[async_trait]
pub trait Plugin: Send + Sync {
    /// What the plugin says about itself.
    fn declaration(&self) -> Declaration;

    /// Reads an uploaded file as a content unit. [`Error::Invalid`] says what is wrong with it.
    fn parse_upload(&self, upload: Upload<'_>) -> Result<Placed<NewUnit>>;

    /// Decides what happens when an uploaded unit has the key of one that is, or was, in the repository and is
    /// not the same. (What is synced follows the upstream.)
    fn same_key(&self, known: &KnownUnit, new: &NewUnit) -> SameKey;

    /// What people call a unit.
    fn label(&self, unit: &Unit) -> Label;

    /// Where a unit goes that stands nowhere yet and that nobody said a place for.
    fn place(&self, _: &Unit, _: &[UnitArtifact]) -> String {
        String::new()
    }

    /// A unit without a file, of a derived type, from the options that the REST API's fields mean. [`Error::Invalid`]
    /// says what is wrong.
    fn make(&self, content_type: &str, _options: &Value) -> Result<Placed<NewUnit>> {
        Err(Error::Invalid(format!("content of type {content_type} comes with a file")))
    }

    /// What follows from the place and the key of a unit, for the REST API.
    fn derived(&self, _place: &str, _key: &str) -> Vec<Derived> {
        Vec::new()
    }

    /// What the REST API shows of a unit besides its files: the fields that its type declares in [`super::Rest`].
    fn fields(&self, _: &Unit) -> Map<String, Value> {
        Map::new()
    }

    /// The order of two versions of one thing, as [`Label::version`] gives them.
    fn compare_versions(&self, left: &str, right: &str) -> Ordering;

    /// Writes the files of a publication except those that carry its time; they come from the [`Seal`].
    fn publish(&self, job: PublishJob<'_>) -> Result<Seal>;

    /// Fetches what a remote has. The core makes the new version of all that went into the sink.
    async fn sync(&self, job: SyncJob<'_>) -> Result<()> {
        Err(Error::Invalid(format!("'{}' is of a type that cannot sync", job.url)))
    }

    /// What a client has to put into its configuration to use the publication at `job.url`.
    fn pin(&self, job: &PinJob<'_>) -> Result<String>;

    /// Makes the files of a publication that carry its time anew, so that it can be shown under a later one.
    fn reseal(&self, _job: ResealJob<'_>) -> Result<Resealed> {
        Ok(Resealed::Unneeded)
    }

    /// Which of `units` a user means by `pattern`, and, if asked for, all that these need. Unless a plugin has a language
    /// of its own, a pattern is a name as [`Plugin::label`] gives it.
    fn select(&self, units: &[Placed<Unit>], pattern: &str, with_dependencies: bool) -> Result<Selected> {
        if with_dependencies {
            return Err(Error::Invalid("units of this type have no dependencies".into()));
        }
        let chosen = units.iter().map(|placed| self.label(&placed.unit).name == pattern).collect();
        Ok(Selected { chosen, remarks: Vec::new() })
    }

    /// Which units are not true any more once somebody has changed, other than by a sync, what stands in a place: the
    /// place and content type of each.
    fn outdated(&self, _changed: &str) -> Vec<(String, &'static str)> {
        Vec::new()
    }
}

/// A file that a user uploads.
pub struct Upload<'a> {
    /// Its name without directories.
    pub file_name: &'a str,
    /// Its bytes.
    pub file: File,
    /// What they are.
    pub digests: &'a Digests,
    /// The declared upload options, checked.
    pub options: &'a Value,
    /// The repository's options.
    pub repository_options: &'a Value,
}

/// What to do with a new unit whose key is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SameKey {
    /// They are the same thing: the known one is used.
    UseKnown,
    /// The new one takes the place of the known one.
    Replace,
    /// They cannot both be; the sentence says why.
    Refuse(String),
}

/// Which units a user means.
#[derive(Debug)]
pub struct Selected {
    /// For each unit that was asked about whether it is meant.
    pub chosen: Vec<bool>,
    /// What the user should know.
    pub remarks: Vec<String>,
}

/// How people name a unit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label {
    /// What stays the same from version to version.
    pub name: String,
    /// What tells things of one name apart that stand beside each other, such as an architecture; may be empty.
    pub variant: String,
    /// What changes.
    pub version: String,
}

/// The contents of the version to be published. Order: place, then key, compared byte by byte.
pub trait Contents {
    /// Place, content type and key of each unit.
    fn keys(&self) -> Box<dyn Iterator<Item = (&str, &str, &str)> + '_>;

    /// Each unit with its body, read as the iterator goes, in bounded memory.
    fn units(&self) -> Box<dyn Iterator<Item = Result<Placed<Unit>>> + '_>;

    /// As [`Contents::units`], but for units of these content types only.
    fn units_of<'a>(&'a self, types: &'a [&'a str]) -> Box<dyn Iterator<Item = Result<Placed<Unit>>> + 'a>;
}

/// Takes the files of a publication.
pub trait PublicationWriter {
    /// Begins a file.
    fn create(&mut self) -> Result<Writing>;

    /// Gives a file that was begun its path; says what its bytes are.
    fn add(&mut self, path: RelativePath, file: Writing) -> Result<Digests>;

    /// Adds at `path` what `make` writes when it reads the file that was added at `source`. What it writes may
    /// depend only on what it reads and on how `path` differs from `source`: where the same was derived before,
    /// in this publication or in the repository's last one, the result is used again and `make` not called.
    fn derive(
        &mut self,
        source: &RelativePath,
        path: RelativePath,
        make: &mut dyn FnMut(&mut dyn Read, &mut dyn Write) -> Result<()>,
    ) -> Result<Digests>;

    /// Adds a file of a unit at `path`; gives its digests.
    fn adopt(&mut self, path: RelativePath, sha256: &Sha256) -> Result<Digests>;
}

/// All that a publication is made from.
pub struct PublishJob<'a> {
    /// The repository's name.
    pub repository: &'a Name,
    /// The repository's options.
    pub repository_options: &'a Value,
    /// The publication's options.
    pub options: &'a Value,
    /// The version to publish.
    pub contents: &'a dyn Contents,
    /// Where the files go.
    pub writer: &'a mut dyn PublicationWriter,
    /// Who signs.
    pub signer: Arc<dyn Signer>,
    /// The URL of the repository's checkpoints with `@TIME@` where the time goes, if it is known.
    pub checkpoints_url: Option<String>,
}

/// Gives the last files of a publication once its time is known. It is called inside the transaction that
/// makes the publication visible, so it must be quick; and again with a later time if that transaction fails.
pub type Seal = Box<dyn Fn(Timestamp) -> Result<Vec<(RelativePath, Vec<u8>)>> + Send + Sync>;

/// A publication that is to be shown under a later time.
pub struct ResealJob<'a> {
    /// What the plugin was told when it made the publication.
    pub options: &'a Value,
    /// The repository's options.
    pub repository_options: &'a Value,
    /// The paths of the files that the publication itself has, in order.
    pub files: &'a [&'a str],
    /// Reads one of them, which has to be small.
    pub read: &'a dyn Fn(&str) -> Result<Vec<u8>>,
    /// Who signs.
    pub signer: Arc<dyn Signer>,
}

/// How a publication can be shown under a later time.
pub enum Resealed {
    /// As it is: nothing in it carries a time.
    Unneeded,
    /// With these files in the place of those of the same paths.
    Seal(Seal),
    /// Not at all; the sentence says why, and why clients would not go back to it.
    Impossible(String),
}

/// All that a sync needs.
pub struct SyncJob<'a> {
    /// The remote's URL.
    pub url: &'a str,
    /// The remote's options.
    pub options: &'a Value,
    /// What becomes of units that the remote does not have.
    pub mode: SyncMode,
    /// When the files of units are fetched. The core does it, but what was synced with another policy is not unchanged.
    pub policy: Policy,
    /// Whether an upstream may go back in time, expire, or change its name.
    pub accept_change: bool,
    /// How to reach the remote.
    pub fetcher: &'a dyn Fetcher,
    /// Whom signatures are held against.
    pub verifier: &'a dyn Verifier,
    /// The time.
    pub now: Timestamp,
    /// Where the units go.
    pub sink: &'a mut dyn SyncSink,
}

/// What becomes of units that the remote does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncMode {
    /// They stay.
    Additive,
    /// They go: each place that the remote is about has what the remote has there.
    Mirror,
}

/// What a file is expected to be, as far as the upstream says.
#[derive(Debug, Clone, Copy, Default)]
pub struct Expected {
    /// Its digest.
    pub sha256: Option<Sha256>,
    /// Its size in bytes.
    pub size: Option<u64>,
    /// The most that is read before the transfer is refused, in bytes.
    pub limit: u64,
}

/// What an upstream said about a file's age, to be sent back with the next request for it (RFC 9110 section 13.1).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validators {
    /// Its entity tag.
    pub etag: Option<String>,
    /// When it was changed.
    pub last_modified: Option<String>,
}

/// Fetches from a remote, with its credentials, proxies and limits. Transfers that break are taken up again.
#[async_trait]
pub trait Fetcher: Send + Sync {
    /// Fetches a URL into the staging area. Bytes that are not as expected are refused and dropped.
    async fn fetch(&self, url: &str, expected: Expected) -> Result<Staged>;

    /// Fetches a URL unless it is what it was when it had these validators.
    async fn fetch_changed(
        &self,
        url: &str,
        known: &Validators,
        limit: u64,
    ) -> Result<Option<(Staged, Validators)>>;

    /// How many bytes a URL has, as the upstream says, for files of which nothing else does.
    async fn size(&self, url: &str) -> Result<u64>;
}

/// Takes what a sync finds.
#[async_trait]
pub trait SyncSink: Send + Sync {
    /// Which of the digests need not be fetched, since their bytes are here.
    async fn held(&mut self, wanted: &[Sha256]) -> Result<HashSet<Sha256>>;

    /// Keeps files that the plugin has fetched, whatever becomes of the sync: the next one need not fetch them again.
    async fn keep(&mut self, fetched: Vec<Staged>) -> Result<()>;

    /// Adds a unit. Its files that are not held are at their paths below `base`, a URL without a slash at its end;
    /// they are fetched at the end of the sync, or when somebody asks for them, as the remote's policy says.
    fn add(&mut self, unit: Placed<NewUnit>, base: &Arc<str>);

    /// Says that all units of a place are being added, so that a mirror has no others there.
    fn claim(&mut self, place: &str);

    /// Says that a place is as the last sync left it.
    fn leave(&mut self, place: &str);

    /// What an earlier sync of this repository from this remote remembered.
    fn recall(&self, name: &str) -> Option<Value>;

    /// Whether the repository may differ from upstream although upstream is what it was: because files were left out,
    /// because somebody has changed a place that it shall be a mirror of, or because the user says so.
    fn must_look(&self) -> bool;

    /// Remembers something for the next sync, if this one succeeds.
    fn remember(&mut self, name: &str, value: Value);

    /// Remarks on something that the user should know although the sync goes on.
    fn remark(&mut self, remark: String);
}

/// What [`Plugin::pin`] is told.
pub struct PinJob<'a> {
    /// The name of the distribution.
    pub distribution: &'a Name,
    /// The URL of the publication's root, ending in a slash.
    pub url: &'a str,
    /// The checkpoint's time, if it is one.
    pub time: Option<Timestamp>,
    /// The URL of the repository's checkpoints with `@TIME@` where the time goes, if there are any.
    pub checkpoints_url: Option<&'a str>,
    /// What the plugin was told when it made the publication.
    pub options: &'a Value,
    /// The version that it shows.
    pub contents: &'a dyn Contents,
    /// Who signed.
    pub signer: &'a dyn Signer,
    /// The repository's options.
    pub repository_options: &'a Value,
}
