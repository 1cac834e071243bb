//! The `.sources` stanzas of a host (sources.list(5), "DEB822-STYLE FORMAT").

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use checkpoint_core::Result;
use checkpoint_core::plugin::PinJob;

use crate::content::RELEASE_FILE;
use crate::files::{self, ReleaseFile};
use crate::options::{self, Kind, RepositoryOptions};
use crate::{place, publish};

/// A stanza for all suites that have the same types and components, with the keys in it.
pub(crate) fn stanzas(job: &PinJob<'_>) -> Result<String> {
    let options: RepositoryOptions = options::parse(job.repository_options)?;
    let kind = publish::kind(job.options, &options)?;
    let mut alike: BTreeMap<(&str, String), Vec<String>> = BTreeMap::new();
    for (name, suite) in place::suites(job.contents, &options)? {
        let shown = if name == "/" { "./" } else { &name };
        // We publish an index of sources for every component; an upstream need not.
        let (with, without): (Vec<_>, Vec<_>) = suite.places(&name).into_iter().partition(|component| {
            let own = suite.sources.contains(&component.map(str::to_owned));
            own || (kind == Kind::Apt && !suite.sources.is_empty())
        });
        for (types, places) in [("deb deb-src", with), ("deb", without)] {
            if !places.is_empty() {
                let components: Vec<&str> = places.into_iter().flatten().collect();
                alike.entry((types, components.join(" "))).or_default().push(shown.to_owned());
            }
        }
    }
    let what = match job.time {
        Some(time) => format!("as it was at {}", time.for_people()),
        None => "live".to_owned(),
    };
    let mut text = format!("# {} {what}\n", job.distribution);
    let trust = match kind {
        Kind::Apt => format!("Signed-By:\n{}", signed_by(&job.signer.public_keys()?)),
        Kind::Verbatim => verbatim(job, &mut text)?,
    };
    for (index, ((types, components), suites)) in alike.iter().enumerate() {
        let gap = if index == 0 { "" } else { "\n" };
        let components =
            if components.is_empty() { String::new() } else { format!("Components: {components}\n") };
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "{gap}Types: {types}\nURIs: {}\nSuites: {}\n{components}{trust}",
            job.url,
            suites.join(" ")
        );
    }
    Ok(text)
}

/// What a host has to know of the upstream's own Release files: whose keys they are signed by, that they expire
/// although their date was chosen, and that they cannot say where our dates are.
fn verbatim(job: &PinJob<'_>, text: &mut String) -> Result<String> {
    let (mut keys, mut labels, mut expires) = (String::new(), BTreeSet::new(), false);
    for placed in job.contents.units_of(&[RELEASE_FILE]) {
        let release: ReleaseFile = files::body(&placed?.unit)?;
        let keyring = release.keyring.unwrap_or_default();
        if !keys.contains(&keyring) {
            keys.push_str(&keyring);
        }
        expires |= release.expires;
        labels.extend(release.label);
    }
    text.push_str("# Signed by the upstream.");
    if expires {
        text.push_str(" Its Release expires, which a chosen date has to outlive.");
    }
    text.push('\n');
    if let Some(url) = job.checkpoints_url {
        let snapshots = url.replace("@TIME@", "@SNAPSHOTID@");
        text.push_str("# For apt --snapshot, put this into /etc/apt/apt.conf.d/:\n");
        for label in labels {
            let _ = writeln!(text, "#   Acquire::Snapshots::URI::Override::Label::{label} \"{snapshots}\";");
        }
    }
    let trust = match keys.is_empty() {
        true => "Trusted: yes\n".to_owned(),
        false => format!("Signed-By:\n{}", signed_by(&keys)),
    };
    Ok(if expires { format!("Check-Valid-Until: no\n{trust}") } else { trust })
}

/// An armored key as the value of a field: every line indented, empty ones as a dot.
fn signed_by(armored: &str) -> String {
    let line = |line: &str| {
        if line.trim().is_empty() { " .\n".to_owned() } else { format!(" {line}\n") }
    };
    armored.lines().map(line).collect()
}
