//! Pulp's simple publications: everything once more as component `all` of a suite `default`, wherever it stands.

use std::collections::HashSet;

use checkpoint_core::Result;
use checkpoint_core::model::{Placed, Unit};
use checkpoint_core::plugin::Contents;

use crate::content::PACKAGE;
use crate::place;

/// The suite.
pub(super) const SUITE: &str = "default";
/// Its only component.
const COMPONENT: &str = "all";

/// The binary packages of a version, each once, in the one place.
pub(super) struct Simple<'a> {
    contents: &'a dyn Contents,
    place: String,
}

impl<'a> Simple<'a> {
    pub(super) fn new(contents: &'a dyn Contents) -> Simple<'a> {
        Simple { contents, place: place::join(SUITE, Some(COMPONENT)) }
    }
}

impl Contents for Simple<'_> {
    fn keys(&self) -> Box<dyn Iterator<Item = (&str, &str, &str)> + '_> {
        let mut seen = HashSet::new();
        let packages = self.contents.keys().filter(|(_, content_type, _)| *content_type == PACKAGE);
        Box::new(packages.filter_map(move |(_, content_type, key)| {
            seen.insert(key).then_some((self.place.as_str(), content_type, key))
        }))
    }

    fn units(&self) -> Box<dyn Iterator<Item = Result<Placed<Unit>>> + '_> {
        let mut seen = HashSet::new();
        Box::new(self.contents.units_of(&[PACKAGE]).filter_map(move |placed| match placed {
            Ok(Placed { unit, .. }) => {
                seen.insert(unit.id).then(|| Ok(Placed { place: self.place.clone(), unit }))
            }
            Err(error) => Some(Err(error)),
        }))
    }

    fn units_of<'a>(&'a self, types: &'a [&'a str]) -> Box<dyn Iterator<Item = Result<Placed<Unit>>> + 'a> {
        match types.contains(&PACKAGE) {
            true => self.units(),
            false => Box::new(std::iter::empty()),
        }
    }
}
