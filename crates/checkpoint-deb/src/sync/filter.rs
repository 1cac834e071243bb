//! Leaving out what the remote's filter does not choose.

use checkpoint_core::plugin::SyncSink;
use checkpoint_core::{Error, Result};
use debian_format::pattern::Pattern;

use super::packages::PlacedUnit;
use crate::choose::choose;
use crate::options::Filter;

/// Keeps of all suites together what the filter chooses.
pub(super) fn apply(
    filter: &Filter,
    mut suites: Vec<&mut Vec<PlacedUnit>>,
    sink: &mut dyn SyncSink,
) -> Result<()> {
    let pattern = Pattern::parse(filter.as_str()).map_err(|error| Error::Invalid(error.to_string()))?;
    let units = suites.iter().flat_map(|units| units.iter());
    let selected =
        choose(&pattern, units.map(|placed| (placed.unit.content_type, placed.unit.body.as_slice())))?;
    selected.remarks.into_iter().for_each(|remark| sink.remark(remark));
    let mut chosen = selected.chosen.into_iter();
    for units in &mut suites {
        units.retain(|_| chosen.next().unwrap_or(false));
    }
    Ok(())
}
