//! `Packages` and `Sources` files, and what of the upstream's other indices stays true. A package for all architectures
//! stands in the index of each, as in Debian.

use std::collections::BTreeMap;
use std::io::{self, Write};

use checkpoint_core::artifacts::Writing;
use checkpoint_core::digest::Digests;
use checkpoint_core::model::Unit;
use checkpoint_core::name::RelativePath;
use checkpoint_core::plugin::{Contents, PublicationWriter};
use checkpoint_core::{Error, Result};
use debian_format::compression::{Compression, encoder};
use debian_format::deb822::Stanza;
use debian_format::release::{Release, ReleaseFile};

use super::release;
use crate::content::{GENERIC, INSTALLER_FILE_INDEX, INSTALLER_PACKAGE, PACKAGES, SOURCE_PACKAGE};
use crate::files::{self, Listed};
use crate::place::{self, Suite};

/// What is published beside the plain index. apt prefers xz; many other clients know gz only.
const COMPRESSIONS: [Compression; 2] = [Compression::Gz, Compression::Xz];

/// Writes all indices of all suites, and lists them in the suites' Release files. Contents come ordered by place, so
/// one component is open at a time.
pub(super) fn write(
    contents: &dyn Contents,
    suites: &BTreeMap<String, Suite>,
    releases: &mut [(String, Release)],
    writer: &mut dyn PublicationWriter,
) -> Result<()> {
    let mut places = BTreeMap::new();
    for (name, suite) in suites {
        for component in suite.places(name) {
            places.insert(place::join(name, component), (name, component, suite));
        }
    }
    let mut units = contents.units_of(&PACKAGES).peekable();
    for (place, (name, component, suite)) in places {
        let Some((_, release)) = releases.iter_mut().find(|(release, _)| release == name) else { continue };
        let mut indices = Indices::open(name, component, suite, writer)?;
        while let Some(unit) = units.next_if(|unit| unit.as_ref().map_or(true, |unit| unit.place == place)) {
            indices.add(&unit?.unit)?;
        }
        indices.finish(release, writer)?;
    }
    if let Some(unit) = units.next() {
        return Err(Error::Internal(format!("nothing was published for '{}'", unit?.place)));
    }
    pass_on(contents, releases, writer)
}

/// Publishes the upstream's other indices as they are: they are about the same packages, or more.
fn pass_on(
    contents: &dyn Contents,
    releases: &mut [(String, Release)],
    writer: &mut dyn PublicationWriter,
) -> Result<()> {
    for placed in contents.units_of(&[GENERIC, INSTALLER_FILE_INDEX]) {
        let placed = placed?;
        let (suite, _) = place::split(&placed.place);
        let Some((_, release)) = releases.iter_mut().find(|(name, _)| name == suite) else { continue };
        let listed: Listed = files::body(&placed.unit)?;
        if listed.held {
            writer.adopt(place::path_in(suite, &listed.path).parse()?, &listed.sha256)?;
        }
        release.files.push(ReleaseFile {
            path: listed.path,
            size: listed.size,
            md5: listed.md5.map(|md5| *md5.as_bytes()),
            sha256: Some(*listed.sha256.as_bytes()),
            ..ReleaseFile::default()
        });
    }
    releases
        .iter_mut()
        .for_each(|(_, release)| release.files.sort_by(|one, other| one.path.cmp(&other.path)));
    Ok(())
}

/// The plain indices of one suite and component.
struct Indices<'a> {
    suite: &'a str,
    component: Option<&'a str>,
    /// By architecture, `all` among them; in a flat suite one that is nobody's.
    packages: BTreeMap<String, Writing>,
    /// The packages of the installer, by architecture.
    installer: BTreeMap<String, Writing>,
    sources: Option<Writing>,
}

/// What stands for the architecture of a flat suite's index.
const FLAT: &str = "";

impl<'a> Indices<'a> {
    fn open(
        name: &'a str,
        component: Option<&'a str>,
        suite: &Suite,
        writer: &mut dyn PublicationWriter,
    ) -> Result<Indices<'a>> {
        let (mut packages, mut installer) = (BTreeMap::new(), BTreeMap::new());
        match component {
            None => drop(packages.insert(FLAT.to_owned(), writer.create()?)),
            Some(_) => {
                packages.insert("all".to_owned(), writer.create()?);
                for architecture in &suite.architectures {
                    packages.insert(architecture.clone(), writer.create()?);
                    // Where one component has them, clients expect an index in each (aptly -with-udebs).
                    if !suite.udebs.is_empty() {
                        installer.insert(architecture.clone(), writer.create()?);
                    }
                }
            }
        }
        let sources = (!suite.sources.is_empty()).then(|| writer.create()).transpose()?;
        Ok(Indices { suite: name, component, packages, installer, sources })
    }

    fn add(&mut self, unit: &Unit) -> Result<()> {
        let write = |file: &mut Writing| {
            let written = file.write_all(&unit.body).and_then(|()| file.write_all(b"\n"));
            written.map_err(Error::io("write", "an index"))
        };
        let packages = match unit.content_type.as_str() {
            SOURCE_PACKAGE => None,
            INSTALLER_PACKAGE => Some(&mut self.installer),
            _ => Some(&mut self.packages),
        };
        let architecture = Stanza::new(&unit.body).get_str("Architecture").unwrap_or_default();
        let file = match packages {
            None => self.sources.as_mut(),
            Some(packages) if self.component.is_none() => packages.get_mut(FLAT),
            Some(packages) if architecture == "all" => return packages.values_mut().try_for_each(write),
            Some(packages) => packages.get_mut(architecture),
        };
        write(file.ok_or_else(|| Error::Internal(format!("no index is open for {}", unit.key)))?)
    }

    fn finish(self, release: &mut Release, writer: &mut dyn PublicationWriter) -> Result<()> {
        let (suite, component) = (self.suite, self.component);
        let inside = |path: String| match component {
            Some(component) => format!("{component}/{path}"),
            None => path,
        };
        let mut output = Output { suite, release, writer };
        for (architecture, file) in self.packages {
            if component.is_none() {
                output.publish(inside("Packages".into()), file)?;
                continue;
            }
            let directory = inside(format!("binary-{architecture}"));
            output.publish(format!("{directory}/Packages"), file)?;
            output.stub(format!("{directory}/Release"), component, &architecture)?;
        }
        for (architecture, file) in self.installer {
            let directory = inside(format!("debian-installer/binary-{architecture}"));
            output.publish(format!("{directory}/Packages"), file)?;
            output.stub(format!("{directory}/Release"), component, &architecture)?;
        }
        match (self.sources, component) {
            (Some(file), Some(_)) => {
                output.publish(inside("source/Sources".into()), file)?;
                output.stub(inside("source/Release".into()), component, place::SOURCE)
            }
            (Some(file), None) => output.publish("Sources".into(), file),
            (None, _) => Ok(()),
        }
    }
}

/// Where the indices of a suite go.
struct Output<'a> {
    suite: &'a str,
    release: &'a mut Release,
    writer: &'a mut dyn PublicationWriter,
}

impl Output<'_> {
    /// Adds an index, plain and compressed.
    fn publish(&mut self, path: String, file: Writing) -> Result<()> {
        let plain: RelativePath = place::path_in(self.suite, &path).parse()?;
        let digests = self.writer.add(plain.clone(), file)?;
        self.list(path.clone(), &digests);
        for compression in COMPRESSIONS {
            let extension = compression.extension();
            let compressed = format!("{plain}.{extension}").parse()?;
            let digests = self.writer.derive(&plain, compressed, &mut |reader, output| {
                let failed =
                    |error: debian_format::Error| Error::Internal(format!("cannot compress: {error}"));
                let mut encoder = encoder(output, compression).map_err(failed)?;
                io::copy(reader, &mut encoder).map_err(Error::io("compress", path.clone()))?;
                encoder.finish().map(drop).map_err(failed)
            })?;
            self.list(format!("{path}.{extension}"), &digests);
        }
        Ok(())
    }

    /// Adds the Release of one index, which installers read.
    fn stub(&mut self, path: String, component: Option<&str>, architecture: &str) -> Result<()> {
        let text = release::stub(self.release, component.unwrap_or_default(), architecture);
        let mut file = self.writer.create()?;
        file.write_all(text.as_bytes()).map_err(Error::io("write", "a Release of an index"))?;
        let digests = self.writer.add(place::path_in(self.suite, &path).parse()?, file)?;
        self.list(path, &digests);
        Ok(())
    }

    fn list(&mut self, path: String, digests: &Digests) {
        self.release.files.push(ReleaseFile {
            path,
            size: digests.size,
            md5: Some(*digests.md5.as_bytes()),
            sha256: Some(*digests.sha256.as_bytes()),
            ..ReleaseFile::default()
        });
    }
}
