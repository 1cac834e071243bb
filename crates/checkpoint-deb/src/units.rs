//! Uploaded packages as content units, and what is said of packages whatever they came from.

use checkpoint_core::catalog::KnownUnit;
use checkpoint_core::model::{NewUnit, Placed, Unit, UnitArtifact};
use checkpoint_core::plugin::{Label, SameKey, Upload};
use checkpoint_core::{Error, Result};
use debian_format::archive::read_deb;
use debian_format::control::Control;
use debian_format::deb822::Stanza;
use serde_json::Value;

use crate::content::{PACKAGE, PACKAGES, RELEASE_COMPONENT, SOURCE_PACKAGE};
use crate::options::{self, ComponentOptions, DEFAULT_COMPONENT, DEFAULT_SUITE, UploadOptions};
use crate::place;

/// Reads a `.deb`.
pub(crate) fn parse(upload: Upload<'_>) -> Result<Placed<NewUnit>> {
    let options: UploadOptions = options::parse(upload.options)?;
    let suite = options.suite.as_ref().map_or(DEFAULT_SUITE, |suite| suite.as_str());
    let component = options.component.as_ref().map_or(DEFAULT_COMPONENT, |component| component.as_str());
    let deb = read_deb(upload.file).map_err(|error| Error::Invalid(error.to_string()))?;
    let path = pool_path(component, &deb.control);
    let digests = upload.digests;
    let mut body = deb.control.raw().to_vec();
    let index_fields = format!(
        "\nFilename: {path}\nSize: {}\nMD5sum: {}\nSHA256: {}\n",
        digests.size, digests.md5, digests.sha256
    );
    body.extend_from_slice(index_fields.as_bytes());
    check_stanza(&body).map_err(Error::Invalid)?;
    options::check_architecture(deb.control.architecture(), true).map_err(Error::Invalid)?;
    let control = &deb.control;
    let unit = NewUnit {
        content_type: PACKAGE,
        key: place::key(control.package(), control.version().as_str(), control.architecture()),
        body,
        artifacts: vec![UnitArtifact { path: path.parse()?, sha256: digests.sha256, size: digests.size }],
    };
    Ok(Placed {
        place: if place::is_flat(suite) { suite.to_owned() } else { place::join(suite, Some(component)) },
        unit,
    })
}

/// A component that is published even while it is empty.
pub(crate) fn component(options: &Value) -> Result<Placed<NewUnit>> {
    let options: ComponentOptions = options::parse(options)?;
    let (suite, component) = (options.suite.as_str(), options.component.as_str());
    if place::is_flat(suite) {
        return Err(Error::Invalid(format!("the flat suite '{suite}' has no components")));
    }
    let key = place::component_key(suite, component);
    let unit = NewUnit { content_type: RELEASE_COMPONENT, key, body: Vec::new(), artifacts: Vec::new() };
    Ok(Placed { place: place::join(suite, Some(component)), unit })
}

/// The largest stanza that is published, in bytes. One of a few megabytes breaks apt's cache for the whole suite; the
/// largest of Debian has some tens of thousands.
const MAX_STANZA: usize = 1 << 20;

/// Refuses what would not stay one stanza in an index, or would make the index unusable; says why.
pub(crate) fn check_stanza(stanza: &[u8]) -> Result<(), String> {
    if stanza.len() > MAX_STANZA {
        return Err(format!("its stanza has more than {MAX_STANZA} bytes, which apt cannot take"));
    }
    let mut lines = stanza.strip_suffix(b"\n").unwrap_or(stanza).split(|byte| *byte == b'\n');
    if lines.any(|line| line.iter().all(u8::is_ascii_whitespace)) {
        return Err("its stanza has a line of nothing but white space".into());
    }
    match stanza.iter().find(|byte| byte.is_ascii_control() && !b"\n\t".contains(byte)) {
        Some(byte) => Err(format!("its stanza has the control character {byte:#04x}")),
        None => Ok(()),
    }
}

/// Where Debian would put the file: `pool/main/h/hello/hello_2.10-3_amd64.deb`, `pool/main/libh/libhello/…`.
/// The epoch is not part of it.
fn pool_path(component: &str, control: &Control) -> String {
    let (source, _) = control.source();
    let letters = if source.starts_with("lib") && source.len() > 3 { 4 } else { 1 };
    let prefix: String = source.chars().take(letters).collect();
    let (package, version) = (control.package(), control.version().without_epoch());
    format!("pool/{component}/{prefix}/{source}/{package}_{version}_{}.deb", control.architecture())
}

/// A package that was ever in the repository keeps its bytes: hosts and caches know its path. What is about packages, such
/// as a translation, changes with them.
pub(crate) fn same_key(known: &KnownUnit, new: &NewUnit) -> SameKey {
    if !PACKAGES.contains(&new.content_type) {
        return SameKey::Replace;
    }
    let bytes = |files: &[UnitArtifact]| files.iter().map(|file| file.sha256).collect::<Vec<_>>();
    if bytes(&known.artifacts) == bytes(&new.artifacts) {
        return SameKey::UseKnown;
    }
    SameKey::Refuse(format!(
        "{} is or was in the repository with other bytes: give the new package a new version",
        new.key
    ))
}

/// Name, architecture and version.
pub(crate) fn label(unit: &Unit) -> Label {
    let stanza = Stanza::new(&unit.body);
    let field = |name| stanza.get_str(name).unwrap_or_default().to_owned();
    let variant = match unit.content_type.as_str() {
        SOURCE_PACKAGE => place::SOURCE.to_owned(),
        _ => field("Architecture"),
    };
    Label { name: field("Package"), variant, version: field("Version") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(control: &str) -> String {
        pool_path("main", &Control::parse(control.as_bytes()).unwrap())
    }

    #[test]
    fn pool_paths_are_those_of_debian() {
        let paths = [
            (
                "Package: hello\nVersion: 1:2.10-3\nArchitecture: amd64\n",
                "pool/main/h/hello/hello_2.10-3_amd64.deb",
            ),
            (
                "Package: libc6\nSource: glibc (2.36-9)\nVersion: 2.36-9+b1\nArchitecture: i386\n",
                "pool/main/g/glibc/libc6_2.36-9+b1_i386.deb",
            ),
            ("Package: libxy\nVersion: 1~rc\nArchitecture: all\n", "pool/main/libx/libxy/libxy_1~rc_all.deb"),
            ("Package: lib\nVersion: 1\nArchitecture: all\n", "pool/main/l/lib/lib_1_all.deb"),
        ];
        for (control, expected) in paths {
            assert_eq!(path(control), expected);
        }
    }
}
