//! `Release`: who a suite is, and the hash of every index in it.

use checkpoint_core::digest::Digests;
use checkpoint_core::name::RelativePath;
use checkpoint_core::plugin::PublicationWriter;
use checkpoint_core::{Error, Result};
use debian_format::release::{Release, ReleaseFile};

use crate::options::{FieldValue, RepositoryOptions};
use crate::place::Suite;

/// What is the same for all suites of a publication.
pub(super) struct Fields<'a> {
    pub(super) repository: &'a str,
    pub(super) options: &'a RepositoryOptions,
    pub(super) snapshots: Option<String>,
}

/// The Release of a suite but for its date. There is no Valid-Until: a checkpoint has to verify for ever.
pub(super) fn release(
    name: &str,
    suite: &Suite,
    fields: &Fields<'_>,
    writer: &dyn PublicationWriter,
) -> Result<Release> {
    let all = fields.options;
    let own = all.suites.iter().find(|(suite, _)| suite.as_str() == name).map(|(_, own)| own.clone());
    let own = own.unwrap_or_default();
    let text = |value: Option<FieldValue>| value.map(|value| value.as_str().to_owned());
    let or =
        |value: Option<FieldValue>, default: &str| Some(text(value).unwrap_or_else(|| default.to_owned()));
    let mut architectures = vec!["all".to_owned()];
    architectures.extend(suite.architectures.iter().cloned());
    let prefix = format!("dists/{name}/");
    let inside = |(path, digests): (&RelativePath, &Digests)| {
        let path = path.as_str().strip_prefix(&prefix)?;
        // `stable/updates` lies inside `stable` but is a suite of its own.
        let of = |component: &String| {
            path.strip_prefix(component.as_str())
                .is_some_and(|p| p.starts_with("/binary-") || p.starts_with("/source/"))
        };
        suite.components.iter().any(of).then(|| file(path, digests))
    };
    Ok(Release {
        origin: or(own.origin.or_else(|| all.origin.clone()), fields.repository),
        label: or(own.label.or_else(|| all.label.clone()), fields.repository),
        suite: or(own.suite, name),
        codename: or(own.codename, name),
        version: text(own.version),
        description: text(own.description.or_else(|| all.description.clone())),
        not_automatic: own.not_automatic,
        but_automatic_upgrades: own.but_automatic_upgrades,
        acquire_by_hash: true,
        // Packages for all architectures stand in every index, so nobody needs binary-all beside its own.
        no_support_for_architecture_all: Some("Packages".to_owned()),
        snapshots: fields.snapshots.clone(),
        architectures,
        components: suite.components.iter().cloned().collect(),
        files: writer.files().filter_map(inside).collect(),
        ..Release::default()
    })
}

fn file(path: &str, digests: &Digests) -> ReleaseFile {
    ReleaseFile {
        path: path.to_owned(),
        size: digests.size,
        md5: Some(*digests.md5.as_bytes()),
        sha1: None,
        sha256: Some(*digests.sha256.as_bytes()),
        sha512: None,
    }
}

/// The bytes of a Release.
pub(super) fn text(release: &Release) -> Result<Vec<u8>> {
    release.write().map_err(|error| Error::Invalid(format!("cannot write Release: {error}")))
}
