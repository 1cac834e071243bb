//! Choosing packages by a pattern (docs/patterns.md): what a remote's filter keeps, and what is copied.

use std::collections::HashSet;

use checkpoint_core::plugin::Selected;
use checkpoint_core::{Error, Result};
use debian_format::deb822::Stanza;
use debian_format::pattern::{Candidates, Pattern};

use crate::content::{INSTALLER_PACKAGE, PACKAGE, SOURCE_PACKAGE};

/// How many unsatisfied dependencies a remark names.
const NAMED: usize = 10;

/// Says of each unit, by its content type and body, whether it is chosen: packages that the pattern matches, and the
/// source packages that they were built from. Packages of the installer are chosen among themselves, and what is no
/// package always is.
pub(crate) fn choose<'a>(
    pattern: &Pattern,
    units: impl Iterator<Item = (&'a str, &'a [u8])> + Clone,
) -> Result<Selected> {
    let mut sources: HashSet<(String, String)> = HashSet::new();
    let mut by_type = Vec::new();
    let mut remarks = Vec::new();
    for content_type in [PACKAGE, INSTALLER_PACKAGE] {
        let of_type = units.clone().filter(|(own, _)| *own == content_type);
        let stanzas: Vec<Stanza<'_>> = of_type.map(|(_, body)| Stanza::new(body)).collect();
        let candidates: Candidates<'_> = stanzas.iter().copied().collect();
        let selection =
            pattern.select(&candidates).map_err(|error| Error::Invalid(format!("the pattern: {error}")))?;
        let chosen = stanzas.iter().zip(&selection.chosen).filter(|(_, chosen)| **chosen);
        sources.extend(chosen.map(|(stanza, _)| source_of(stanza)));
        if !selection.unsatisfied.is_empty() {
            let count = selection.unsatisfied.len();
            let named = selection.unsatisfied.iter().take(NAMED).map(|missing| missing.relation.as_str());
            let named = named.collect::<Vec<_>>().join("; ");
            remarks.push(format!("{count} dependencies are satisfied by nothing that is there: {named}"));
        }
        by_type.push((content_type, selection.chosen.into_iter()));
    }
    let mut is_chosen = |(content_type, body): (&str, &[u8])| {
        if content_type == SOURCE_PACKAGE {
            return sources.contains(&name_and_version(&Stanza::new(body)));
        }
        let own = by_type.iter_mut().find(|(own, _)| *own == content_type);
        own.is_none_or(|(_, chosen)| chosen.next().unwrap_or(false))
    };
    let chosen = units.map(&mut is_chosen).collect();
    Ok(Selected { chosen, remarks })
}

fn name_and_version(stanza: &Stanza<'_>) -> (String, String) {
    let field = |name| stanza.get_str(name).unwrap_or_default().trim().to_owned();
    (field("Package"), field("Version"))
}

/// Name and version of the source package that a package was built from (Debian Policy section 5.6.1).
fn source_of(stanza: &Stanza<'_>) -> (String, String) {
    let (name, version) = name_and_version(stanza);
    match stanza.get_str("Source").map(str::trim).filter(|source| !source.is_empty()) {
        None => (name, version),
        Some(source) => match source.split_once('(') {
            Some((name, version)) => {
                (name.trim().to_owned(), version.trim_end_matches(')').trim().to_owned())
            }
            None => (source.to_owned(), version),
        },
    }
}
