//! Files of an upstream's suite that are kept as they are: its signed Release, its indices, and whatever else it lists.
//! The body of such a unit is JSON; its bytes are an artifact like any other.

use checkpoint_core::digest::{Md5, Sha256};
use checkpoint_core::model::{NewUnit, Unit, UnitArtifact};
use checkpoint_core::{Error, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::place;

/// Where the public keys are, at the root of a verbatim publication.
pub(crate) const KEYS: &str = "archive-key.asc";

/// A file as Release lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Listed {
    /// From the suite's directory.
    pub(crate) path: String,
    pub(crate) size: u64,
    pub(crate) sha256: Sha256,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) md5: Option<Md5>,
    /// Whether the upstream has it; a plain index is listed even where only compressed ones are.
    pub(crate) held: bool,
}

impl Listed {
    /// The unit of the file in a suite.
    pub(crate) fn unit(&self, content_type: &'static str, suite: &str) -> Result<NewUnit> {
        let path = place::path_in(suite, &self.path).parse()?;
        let file = UnitArtifact { path, sha256: self.sha256, size: self.size };
        let artifacts = if self.held { vec![file] } else { Vec::new() };
        unit(content_type, place::path_in(suite, &self.path), self, artifacts)
    }
}

/// An upstream's signed Release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReleaseFile {
    /// `InRelease`, `Release` and `Release.gpg`, as far as the upstream has them.
    pub(crate) forms: Vec<Listed>,
    /// The keys that it was held against, armored.
    pub(crate) keyring: Option<String>,
    pub(crate) codename: Option<String>,
    pub(crate) suite: Option<String>,
    pub(crate) components: Vec<String>,
    pub(crate) architectures: Vec<String>,
    pub(crate) label: Option<String>,
    /// Whether it has a Valid-Until.
    pub(crate) expires: bool,
}

/// A unit whose body is JSON.
pub(crate) fn unit(
    content_type: &'static str,
    key: String,
    body: &impl Serialize,
    artifacts: Vec<UnitArtifact>,
) -> Result<NewUnit> {
    let body = serde_json::to_vec(body).map_err(|error| Error::Internal(error.to_string()))?;
    Ok(NewUnit { content_type, key, body, artifacts })
}

/// Reads the body of such a unit.
pub(crate) fn body<T: DeserializeOwned>(unit: &Unit) -> Result<T> {
    serde_json::from_slice(&unit.body)
        .map_err(|error| Error::Corrupt(format!("unit '{}' cannot be read: {error}", unit.key)))
}
