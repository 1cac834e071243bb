//! What a user can say about repositories, publications and uploads.

use std::collections::BTreeMap;

use checkpoint_core::Error;
use debian_format::name;
use debian_format::pattern::Pattern;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// The suite of an upload that names none.
pub(crate) const DEFAULT_SUITE: &str = "stable";
/// The component of an upload that names none.
pub(crate) const DEFAULT_COMPONENT: &str = "main";

/// Options of a deb repository. Hosts that use it are asked by apt to confirm a change of Origin, Label or
/// Codename, so these should not change.
#[derive(Debug, Default, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RepositoryOptions {
    /// Origin of every suite's Release; the repository's name if it is not set.
    pub(crate) origin: Option<FieldValue>,
    /// Label of every suite's Release; the repository's name if it is not set.
    pub(crate) label: Option<FieldValue>,
    /// Description of every suite's Release.
    pub(crate) description: Option<FieldValue>,
    /// Architectures that are published even while no package is for them.
    pub(crate) architectures: Vec<ArchitectureName>,
    /// What `publish` makes unless it is told: apt, indices made anew and signed by us; verbatim, the upstream's own signed files.
    pub(crate) publication: Kind,
    /// Fields of each suite's Release, by the suite's name; a suite that stands here is published even if empty.
    #[serde(deserialize_with = "tables")]
    pub(crate) suites: BTreeMap<SuiteName, SuiteOptions>,
}

/// Tables only: serde would also take a sequence for a struct, field by field.
fn tables<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<SuiteName, SuiteOptions>, D::Error> {
    let tables: BTreeMap<SuiteName, Map<String, Value>> = BTreeMap::deserialize(deserializer)?;
    let suite = |(name, table)| {
        let options = SuiteOptions::deserialize(Value::Object(table)).map_err(serde::de::Error::custom)?;
        Ok((name, options))
    };
    tables.into_iter().map(suite).collect()
}

/// Options of one suite. What is not set is as for the repository.
#[derive(Debug, Default, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SuiteOptions {
    /// Origin of the Release.
    pub(crate) origin: Option<FieldValue>,
    /// Label of the Release.
    pub(crate) label: Option<FieldValue>,
    /// Suite of the Release, such as `stable`; the suite's name if it is not set.
    pub(crate) suite: Option<FieldValue>,
    /// Codename of the Release, such as `bookworm`; the suite's name if it is not set.
    pub(crate) codename: Option<FieldValue>,
    /// Version of the Release, such as `12.5`.
    pub(crate) version: Option<FieldValue>,
    /// Description of the Release.
    pub(crate) description: Option<FieldValue>,
    /// NotAutomatic: apt installs from the suite only what is asked for by name.
    pub(crate) not_automatic: bool,
    /// ButAutomaticUpgrades: with NotAutomatic, apt still upgrades what was installed from the suite.
    pub(crate) but_automatic_upgrades: bool,
    /// Components that are published even while they are empty.
    pub(crate) components: Vec<ComponentName>,
}

/// Options of a deb remote: what of an archive is synced, and whom it is believed.
#[derive(Debug, Default, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RemoteOptions {
    /// Suite to sync, such as bookworm, or ./ or a directory with a slash at its end in a flat repository; may be given several times.
    pub(crate) suite: Vec<SuiteName>,
    /// Component to sync, such as main; may be given several times [default: all that the suite has].
    pub(crate) component: Vec<ComponentName>,
    /// Architecture to sync, such as amd64; may be given several times [default: all that the suite has].
    pub(crate) architecture: Vec<ArchitectureName>,
    /// Sync source packages too.
    pub(crate) sources: bool,
    /// Sync the packages of the installer (udebs) too.
    pub(crate) udebs: bool,
    /// Sync the images of the installer too.
    pub(crate) installer: bool,
    /// Sync all files that Release lists for what is synced, those that nobody knows and pdiffs too.
    pub(crate) all_indices: bool,
    /// Keep the signed Release and all forms of the indices, so that they can be published as they are.
    pub(crate) verbatim: bool,
    /// Sync only packages that match this pattern, see docs/patterns.md.
    pub(crate) filter: Option<Filter>,
    /// File with the public keys, armored, of which one must have signed each Release.
    #[schemars(extend("contentMediaType" = "application/pgp-keys"))]
    pub(crate) keyring: Option<String>,
    /// Believe an upstream that is not signed.
    pub(crate) allow_unsigned: bool,
}

/// Options of a deb publication.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PublicationOptions {
    /// What is published: apt, indices made anew and signed by us; verbatim, the upstream's own signed files [default: what the repository says].
    pub(crate) kind: Option<Kind>,
    /// Publish every package once more, as component all of a suite default, as Pulp's simple publications do.
    pub(crate) simple: bool,
}

/// Whose indices and signatures a publication has.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Indices made anew from the version, signed by us.
    #[default]
    Apt,
    /// What the upstream signed, byte for byte.
    Verbatim,
}

/// Options of an upload.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct UploadOptions {
    /// Suite that the package goes into, such as bookworm [default: stable].
    pub(crate) suite: Option<SuiteName>,
    /// Component that the package goes into [default: main].
    pub(crate) component: Option<ComponentName>,
}

/// Which component is made.
#[derive(Debug, Deserialize)]
pub(crate) struct ComponentOptions {
    pub(crate) suite: SuiteName,
    pub(crate) component: ComponentName,
}

/// Reads options that were checked when they were stored.
pub(crate) fn parse<T: DeserializeOwned>(options: &Value) -> checkpoint_core::Result<T> {
    T::deserialize(options).map_err(|error| Error::Invalid(format!("bad options: {error}")))
}

/// Refuses names that would stand where metadata stands.
fn check_directory(text: &str, named: debian_format::Result<&str>) -> Result<(), String> {
    named.map_err(|error| error.to_string())?;
    let taken = ["by-hash", "InRelease", "Release", "Release.gpg"];
    match text.split('/').find(|segment| taken.contains(segment)) {
        Some(segment) => Err(format!("'{text}' cannot be a name: '{segment}' is a name of metadata")),
        None => Ok(()),
    }
}

/// Refuses what is not the architecture of a machine: wildcards (Debian Policy section 11.1.1), sources, and, unless
/// it is said, all.
pub(crate) fn check_architecture(text: &str, or_all: bool) -> Result<(), String> {
    name::architecture(text).map_err(|error| error.to_string())?;
    let wildcard = text.split('-').any(|part| part == "any");
    match wildcard || text == "source" || (text == "all" && !or_all) {
        true => Err(format!("'{text}' is not the architecture of a machine")),
        false => Ok(()),
    }
}

macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
        #[schemars(transparent)]
        pub(crate) struct $name(String);

        impl $name {
            pub(crate) fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                let check: fn(&str) -> Result<(), String> = $check;
                check(&text).map_err(serde::de::Error::custom)?;
                Ok($name(text))
            }
        }
    };
}

/// The name of a suite: below `dists/`, or, with a slash at its end, the directory of a flat repository
/// (sources.list(5)); `./` and `/` are its root, and are written `/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[schemars(transparent)]
pub(crate) struct SuiteName(String);

impl SuiteName {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for SuiteName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let Some(flat) = text.strip_suffix('/') else {
            check_directory(&text, name::suite(&text)).map_err(serde::de::Error::custom)?;
            return Ok(SuiteName(text));
        };
        let directory = flat.trim_start_matches("./").trim_start_matches('.');
        if directory.is_empty() {
            return Ok(SuiteName("/".into()));
        }
        check_directory(directory, name::suite(directory)).map_err(serde::de::Error::custom)?;
        match directory == "dists" || directory.starts_with("dists/") {
            true => Err(serde::de::Error::custom(
                "what is below dists/ is not flat: name the suite without dists/",
            )),
            false => Ok(SuiteName(format!("{directory}/"))),
        }
    }
}

checked_text! {
    /// The name of a component.
    ComponentName, |text| check_directory(text, name::component(text))
}
checked_text! {
    /// The name of an architecture.
    ArchitectureName, |text| check_architecture(text, false)
}
checked_text! {
    /// The value of a field of Release: one line, not empty.
    FieldValue, |text| match text.chars().any(char::is_control) || text.trim() != text || text.is_empty() {
        true => Err(format!("'{}' cannot be a field of Release: it has to be one line", text.escape_debug())),
        false => Ok(()),
    }
}
checked_text! {
    /// A pattern that chooses packages.
    Filter, |text| Pattern::parse(text).map(drop).map_err(|error| error.to_string())
}
