//! What identifies a package and where it stands: suite and component, and what a repository has of both.

use std::collections::{BTreeMap, BTreeSet};

use checkpoint_core::plugin::Contents;
use checkpoint_core::{Error, Result};

use crate::content::{INSTALLER_PACKAGE, PACKAGES, RELEASE_COMPONENT};
use crate::options::{DEFAULT_COMPONENT, RepositoryOptions};

/// The architectures of a suite that has packages for all architectures only and no option that names one:
/// hosts of any of these find them.
const USUAL: [&str; 7] = ["amd64", "arm64", "armhf", "i386", "ppc64el", "riscv64", "s390x"];

/// What stands for the architecture in the key of a source package.
pub(crate) const SOURCE: &str = "source";

/// What identifies a package in a repository. No name or version holds an underscore.
pub(crate) fn key(package: &str, version: &str, architecture: &str) -> String {
    format!("{package}_{version}_{architecture}")
}

/// The place of a unit, as text. Neither name can hold a space. A flat suite has no components, and what belongs to
/// a whole suite stands in none.
pub(crate) fn join(suite: &str, component: Option<&str>) -> String {
    match component {
        Some(component) => format!("{suite} {component}"),
        None => suite.to_owned(),
    }
}

/// What identifies a component that is there by itself. No package's key has a slash.
pub(crate) fn component_key(suite: &str, component: &str) -> String {
    format!("dists/{suite} {component}")
}

/// Where such a component stands.
pub(crate) fn of_component(key: &str) -> &str {
    key.strip_prefix("dists/").unwrap_or(key)
}

/// The suite of a place and the component, if it is of one.
pub(crate) fn split(place: &str) -> (&str, Option<&str>) {
    place.split_once(' ').map_or((place, None), |(suite, component)| (suite, Some(component)))
}

/// Whether a suite is the directory of a flat repository.
pub(crate) fn is_flat(suite: &str) -> bool {
    suite.ends_with('/')
}

/// A path in the directory of a suite: `dists/SUITE/PATH`, or `DIRECTORY/PATH` in a flat repository.
pub(crate) fn path_in(suite: &str, path: &str) -> String {
    match suite.strip_suffix('/') {
        Some("") => path.to_owned(),
        Some(directory) => format!("{directory}/{path}"),
        None => format!("dists/{suite}/{path}"),
    }
}

/// What there is of a suite.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Suite {
    pub(crate) components: BTreeSet<String>,
    /// Without `all`.
    pub(crate) architectures: BTreeSet<String>,
    /// The components that have source packages; a flat suite has them in none.
    pub(crate) sources: BTreeSet<Option<String>>,
    /// The components that have packages of the installer.
    pub(crate) udebs: BTreeSet<String>,
}

impl Suite {
    /// The places of its packages: one for each component, or the flat suite itself.
    pub(crate) fn places<'a>(&'a self, name: &'a str) -> Vec<Option<&'a str>> {
        match is_flat(name) {
            true => vec![None],
            false => self.components.iter().map(|component| Some(component.as_str())).collect(),
        }
    }
}

/// All suites by name: those with packages, and those that the options name.
pub(crate) fn suites(
    contents: &dyn Contents,
    options: &RepositoryOptions,
) -> Result<BTreeMap<String, Suite>> {
    let mut suites: BTreeMap<String, Suite> = BTreeMap::new();
    for (name, suite) in &options.suites {
        let components = suite.components.iter().map(|component| component.as_str().to_owned());
        suites.entry(name.as_str().to_owned()).or_default().components.extend(components);
    }
    for (place, content_type, key) in contents.keys() {
        if !PACKAGES.contains(&content_type) && content_type != RELEASE_COMPONENT {
            continue;
        }
        let (suite, component) = split(place);
        if !suites.contains_key(suite) {
            suites.insert(suite.to_owned(), Suite::default());
        }
        let Some(suite) = suites.get_mut(suite) else {
            continue;
        };
        if let Some(component) = component.filter(|component| !suite.components.contains(*component)) {
            suite.components.insert(component.to_owned());
        }
        if let Some(component) = component.filter(|_| content_type == INSTALLER_PACKAGE) {
            suite.udebs.insert(component.to_owned());
        }
        match key.rsplit_once('_') {
            _ if content_type == RELEASE_COMPONENT => {}
            Some((_, "all")) | None => {}
            Some((_, SOURCE)) => drop(suite.sources.insert(component.map(str::to_owned))),
            Some((_, architecture)) if suite.architectures.contains(architecture) => {}
            Some((_, architecture)) => drop(suite.architectures.insert(architecture.to_owned())),
        }
    }
    check_directories(&suites)?;
    for (name, suite) in &mut suites {
        suite.architectures.extend(options.architectures.iter().map(|name| name.as_str().to_owned()));
        suite.architectures.remove("all");
        if suite.architectures.is_empty() {
            suite.architectures.extend(USUAL.map(str::to_owned));
        }
        if suite.components.is_empty() && !is_flat(name) {
            suite.components.insert(DEFAULT_COMPONENT.to_owned());
        }
    }
    Ok(suites)
}

/// Suite `stable` with component `updates/main` would stand where `main` of suite `stable/updates` stands.
fn check_directories(suites: &BTreeMap<String, Suite>) -> Result<()> {
    let mut taken: BTreeMap<String, String> = BTreeMap::new();
    for (name, suite) in suites {
        for component in &suite.components {
            let place = join(name, Some(component));
            if let Some(other) = taken.insert(format!("{name}/{component}"), place.clone()) {
                return Err(Error::Conflict(format!(
                    "'{other}' and '{place}' would be published in one directory: remove what stands in one of them"
                )));
            }
        }
    }
    Ok(())
}
