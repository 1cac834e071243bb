//! The `.sources` stanzas of a host (sources.list(5), "DEB822-STYLE FORMAT").

use std::collections::BTreeMap;
use std::fmt::Write as _;

use checkpoint_core::Result;
use checkpoint_core::plugin::PinJob;

use crate::options::{self, RepositoryOptions};
use crate::place;

/// A stanza for all suites that have the same types and components, with the keys in it.
pub(crate) fn stanzas(job: &PinJob<'_>) -> Result<String> {
    let options: RepositoryOptions = options::parse(job.repository_options)?;
    let mut alike: BTreeMap<(&str, String), Vec<String>> = BTreeMap::new();
    for (name, suite) in place::suites(job.contents, &options)? {
        let components: Vec<String> = suite.components.into_iter().collect();
        let types = if suite.sources { "deb deb-src" } else { "deb" };
        alike.entry((types, components.join(" "))).or_default().push(name);
    }
    let keys = signed_by(&job.signer.public_keys()?);
    let what = match job.time {
        Some(time) => format!("as it was at {}", time.for_people()),
        None => "live".to_owned(),
    };
    let mut text = format!("# {} {what}\n", job.distribution);
    for (index, ((types, components), suites)) in alike.iter().enumerate() {
        let gap = if index == 0 { "" } else { "\n" };
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "{gap}Types: {types}\nURIs: {}\nSuites: {}\nComponents: {components}\nSigned-By:\n{keys}",
            job.url,
            suites.join(" ")
        );
    }
    Ok(text)
}

/// An armored key as the value of a field: every line indented, empty ones as a dot.
fn signed_by(armored: &str) -> String {
    let line = |line: &str| {
        if line.trim().is_empty() { " .\n".to_owned() } else { format!(" {line}\n") }
    };
    armored.lines().map(line).collect()
}
