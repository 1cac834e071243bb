//! What the upstream signed, byte for byte: hosts go on trusting the upstream's key.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use checkpoint_core::plugin::{Contents, PublicationWriter};
use checkpoint_core::{Error, Result};

use crate::content::{GENERIC, INSTALLER_FILE_INDEX, PACKAGE_INDEX, PACKAGES, RELEASE_FILE};
use crate::files::{self, KEYS, Listed, ReleaseFile};
use crate::place;

/// Adds every file that the upstream has in the directory of a suite.
pub(super) fn write(contents: &dyn Contents, writer: &mut dyn PublicationWriter) -> Result<()> {
    let mut signed: BTreeMap<&str, bool> = BTreeMap::new();
    for (place, content_type, _) in contents.keys() {
        let (suite, _) = place::split(place);
        let is_package = PACKAGES.contains(&content_type);
        if is_package || content_type == RELEASE_FILE {
            *signed.entry(suite).or_default() |= content_type == RELEASE_FILE;
        }
    }
    if let Some((suite, _)) = signed.iter().find(|(_, signed)| !**signed) {
        return Err(Error::Invalid(format!(
            "suite '{suite}' cannot be published verbatim: it has no Release of its upstream, as it would have after a \
             sync from a remote with --verbatim and without --filter, if nobody has changed it since"
        )));
    }
    if signed.is_empty() {
        return Err(Error::Invalid("there is nothing to publish verbatim".into()));
    }
    let mut keys = BTreeSet::new();
    for placed in contents.units_of(&[RELEASE_FILE, PACKAGE_INDEX, INSTALLER_FILE_INDEX, GENERIC]) {
        let placed = placed?;
        let files = match placed.unit.content_type.as_str() {
            RELEASE_FILE => {
                let release: ReleaseFile = files::body(&placed.unit)?;
                keys.extend(release.keyring);
                release.forms
            }
            _ => vec![files::body::<Listed>(&placed.unit)?],
        };
        let (suite, _) = place::split(&placed.place);
        for file in files.iter().filter(|file| file.held) {
            writer.adopt(place::path_in(suite, &file.path).parse()?, &file.sha256)?;
        }
    }
    if !keys.is_empty() {
        let mut file = writer.create()?;
        keys.iter()
            .try_for_each(|armored| file.write_all(armored.as_bytes()))
            .map_err(Error::io("write", KEYS))?;
        writer.add(KEYS.parse()?, file)?;
    }
    Ok(())
}
