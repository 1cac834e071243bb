//! `Packages` and `Sources` files. A package for all architectures stands in the index of each, as in Debian.

use std::collections::BTreeMap;
use std::io::{self, Write};

use checkpoint_core::artifacts::Writing;
use checkpoint_core::model::Unit;
use checkpoint_core::name::RelativePath;
use checkpoint_core::plugin::{Contents, PublicationWriter};
use checkpoint_core::{Error, Result};
use debian_format::compression::{Compression, encoder};
use debian_format::deb822::Stanza;

use crate::place::{self, Suite};
use crate::units::SOURCE_PACKAGE;

/// What is published beside the plain index. apt prefers xz; many other clients know gz only.
const COMPRESSIONS: [Compression; 2] = [Compression::Gz, Compression::Xz];

/// The plain indices of one suite and component.
struct Indices {
    directory: String,
    /// By architecture, `all` among them.
    packages: BTreeMap<String, Writing>,
    sources: Option<Writing>,
}

/// Writes all indices of all suites. Contents come ordered by place, so one component is open at a time.
pub(super) fn write(
    contents: &dyn Contents,
    suites: &BTreeMap<String, Suite>,
    writer: &mut dyn PublicationWriter,
) -> Result<()> {
    let mut places = BTreeMap::new();
    for (name, suite) in suites {
        for component in &suite.components {
            places.insert(place::join(name, component), (name, component, suite));
        }
    }
    let mut units = contents.units().peekable();
    for (place, (name, component, suite)) in places {
        let mut indices = Indices::open(name, component, suite, writer)?;
        while let Some(unit) = units.next_if(|unit| unit.as_ref().map_or(true, |unit| unit.place == place)) {
            indices.add(&unit?.unit)?;
        }
        indices.finish(writer)?;
    }
    match units.next() {
        Some(unit) => Err(Error::Internal(format!("nothing was published for '{}'", unit?.place))),
        None => Ok(()),
    }
}

impl Indices {
    fn open(
        name: &str,
        component: &str,
        suite: &Suite,
        writer: &mut dyn PublicationWriter,
    ) -> Result<Indices> {
        let mut packages = BTreeMap::from([("all".to_owned(), writer.create()?)]);
        for architecture in &suite.architectures {
            packages.insert(architecture.clone(), writer.create()?);
        }
        let sources = suite.sources.then(|| writer.create()).transpose()?;
        Ok(Indices { directory: format!("dists/{name}/{component}"), packages, sources })
    }

    fn add(&mut self, unit: &Unit) -> Result<()> {
        let write = |file: &mut Writing| {
            let written = file.write_all(&unit.body).and_then(|()| file.write_all(b"\n"));
            written.map_err(Error::io("write", "an index"))
        };
        let architecture = Stanza::new(&unit.body).get_str("Architecture").unwrap_or_default();
        let file = match unit.content_type.as_str() {
            SOURCE_PACKAGE => self.sources.as_mut(),
            _ if architecture == "all" => return self.packages.values_mut().try_for_each(write),
            _ => self.packages.get_mut(architecture),
        };
        write(file.ok_or_else(|| Error::Internal(format!("no index is open for {}", unit.key)))?)
    }

    fn finish(self, writer: &mut dyn PublicationWriter) -> Result<()> {
        for (architecture, file) in self.packages {
            publish(&format!("{}/binary-{architecture}/Packages", self.directory), file, writer)?;
        }
        match self.sources {
            Some(file) => publish(&format!("{}/source/Sources", self.directory), file, writer),
            None => Ok(()),
        }
    }
}

/// Adds an index, plain and compressed.
fn publish(path: &str, file: Writing, writer: &mut dyn PublicationWriter) -> Result<()> {
    let plain: RelativePath = path.parse()?;
    writer.add(plain.clone(), file)?;
    for compression in COMPRESSIONS {
        let compressed = format!("{path}.{}", compression.extension()).parse()?;
        writer.derive(&plain, compressed, &mut |reader, output| {
            let failed = |error: debian_format::Error| Error::Internal(format!("cannot compress: {error}"));
            let mut encoder = encoder(output, compression).map_err(failed)?;
            io::copy(reader, &mut encoder).map_err(Error::io("compress", path))?;
            encoder.finish().map(drop).map_err(failed)
        })?;
    }
    Ok(())
}
