//! Leaving out what the remote's filter does not choose.

use std::collections::HashSet;

use checkpoint_core::plugin::SyncSink;
use checkpoint_core::{Error, Result};
use debian_format::deb822::Stanza;
use debian_format::pattern::{Candidates, Pattern};

use super::packages::PlacedUnit;
use crate::content::{INSTALLER_PACKAGE, PACKAGE, SOURCE_PACKAGE};
use crate::options::Filter;

/// How many unsatisfied dependencies a remark names.
const NAMED: usize = 10;

/// Keeps of all suites together the packages that the filter chooses, and the source packages that they were built
/// from. Packages of the installer are chosen among themselves.
pub(super) fn apply(
    filter: &Filter,
    mut suites: Vec<&mut Vec<PlacedUnit>>,
    sink: &mut dyn SyncSink,
) -> Result<()> {
    let pattern = Pattern::parse(filter.as_str()).map_err(|error| Error::Invalid(error.to_string()))?;
    let mut sources: HashSet<(String, String)> = HashSet::new();
    for content_type in [PACKAGE, INSTALLER_PACKAGE] {
        let all = suites.iter().flat_map(|units| units.iter());
        let of_type = all.filter(|placed| placed.unit.content_type == content_type);
        let stanzas: Vec<Stanza<'_>> = of_type.map(|placed| Stanza::new(&placed.unit.body)).collect();
        let candidates: Candidates<'_> = stanzas.iter().copied().collect();
        let selection =
            pattern.select(&candidates).map_err(|error| Error::Invalid(format!("the filter: {error}")))?;
        let chosen = stanzas.iter().zip(&selection.chosen).filter(|(_, chosen)| **chosen);
        sources.extend(chosen.map(|(stanza, _)| source_of(stanza)));
        if !selection.unsatisfied.is_empty() {
            let count = selection.unsatisfied.len();
            let named: Vec<&str> =
                selection.unsatisfied.iter().take(NAMED).map(|missing| missing.relation.as_str()).collect();
            let named = named.join("; ");
            sink.remark(format!("{count} dependencies are satisfied by nothing that upstream has: {named}"));
        }
        let mut chosen = selection.chosen.into_iter();
        for units in &mut suites {
            units.retain(|placed| placed.unit.content_type != content_type || chosen.next().unwrap_or(false));
        }
    }
    for units in suites {
        units.retain(|placed| {
            let stanza = Stanza::new(&placed.unit.body);
            let field = |name| stanza.get_str(name).unwrap_or_default().trim().to_owned();
            placed.unit.content_type != SOURCE_PACKAGE
                || sources.contains(&(field("Package"), field("Version")))
        });
    }
    Ok(())
}

/// Name and version of the source package that a package was built from (Debian Policy section 5.6.1).
fn source_of(stanza: &Stanza<'_>) -> (String, String) {
    let field = |name| stanza.get_str(name).map(str::trim).filter(|text| !text.is_empty());
    let (name, version) = (field("Package").unwrap_or_default(), field("Version").unwrap_or_default());
    let source = field("Source").unwrap_or(name);
    match source.split_once('(') {
        Some((name, version)) => (name.trim().to_owned(), version.trim_end_matches(')').trim().to_owned()),
        None => (source.to_owned(), version.to_owned()),
    }
}
