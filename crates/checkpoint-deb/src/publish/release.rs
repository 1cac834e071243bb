//! `Release`: who a suite is, and the hash of every index in it.

use std::fmt::Write as _;

use checkpoint_core::{Error, Result};
use debian_format::release::Release;

use crate::options::{FieldValue, RepositoryOptions};
use crate::place::{self, Suite};

/// What is the same for all suites of a publication.
pub(super) struct Fields<'a> {
    pub(super) repository: &'a str,
    pub(super) options: &'a RepositoryOptions,
    pub(super) snapshots: Option<String>,
}

/// The Release of a suite but for its date and files. There is no Valid-Until: a checkpoint has to verify for ever.
pub(super) fn release(name: &str, suite: &Suite, fields: &Fields<'_>) -> Release {
    let all = fields.options;
    let own = all.suites.iter().find(|(suite, _)| suite.as_str() == name).map(|(_, own)| own.clone());
    let own = own.unwrap_or_default();
    let text = |value: Option<FieldValue>| value.map(|value| value.as_str().to_owned());
    let or =
        |value: Option<FieldValue>, default: &str| Some(text(value).unwrap_or_else(|| default.to_owned()));
    let is_flat = place::is_flat(name);
    // A flat suite is known by its directory; it has no name.
    let named = |value: Option<FieldValue>| if is_flat { text(value) } else { or(value, name) };
    let mut architectures = vec!["all".to_owned()];
    architectures.extend(suite.architectures.iter().cloned());
    Release {
        origin: or(own.origin.or_else(|| all.origin.clone()), fields.repository),
        label: or(own.label.or_else(|| all.label.clone()), fields.repository),
        suite: named(own.suite),
        codename: named(own.codename),
        version: text(own.version),
        description: text(own.description.or_else(|| all.description.clone())),
        not_automatic: own.not_automatic,
        but_automatic_upgrades: own.but_automatic_upgrades,
        acquire_by_hash: true,
        // Packages for all architectures stand in every index, so nobody needs binary-all beside its own.
        no_support_for_architecture_all: (!is_flat).then(|| "Packages".to_owned()),
        snapshots: fields.snapshots.clone(),
        architectures,
        components: suite.components.iter().cloned().collect(),
        ..Release::default()
    }
}

/// The Release of one index: the suite's fields that installers look for, and what the index is of.
pub(super) fn stub(release: &Release, component: &str, architecture: &str) -> String {
    let mut text = String::new();
    let fields = [
        ("Archive", &release.suite),
        ("Origin", &release.origin),
        ("Label", &release.label),
        ("Version", &release.version),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name}: {value}");
        }
    }
    let _ = write!(text, "Acquire-By-Hash: yes\nComponent: {component}\nArchitecture: {architecture}\n");
    text
}

/// The bytes of a Release.
pub(super) fn text(release: &Release) -> Result<Vec<u8>> {
    release.write().map_err(|error| Error::Invalid(format!("cannot write Release: {error}")))
}
