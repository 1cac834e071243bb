//! A version's units, read in bounded memory.

use tokio::runtime::Handle;

use crate::catalog::{Catalog, Content};
use crate::error::{Error, Result};
use crate::model::{Id, Placed, Unit};
use crate::plugin::{Contents, Plugin};

/// How many bodies are in memory at once.
pub(super) const BATCH: usize = 1000;

/// The units of one version.
pub(super) struct VersionContents {
    catalog: Catalog,
    runtime: Handle,
    order: Vec<Placed<Content>>,
}

impl VersionContents {
    /// Reads which units there are. To be used by a blocking task of the runtime it is called on.
    pub(super) async fn read(catalog: &Catalog, repository: Id, version: i64) -> Result<VersionContents> {
        let order = catalog.contents(repository, version).await?;
        Ok(VersionContents { catalog: catalog.clone(), runtime: Handle::current(), order })
    }

    fn batch(&self, some: &[Placed<Content>]) -> Vec<Result<Placed<Unit>>> {
        match self.runtime.block_on(read_bodies(&self.catalog, some)) {
            Ok(units) => units.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        }
    }
}

/// The units of a version that people see: those whose files are served.
pub(super) async fn seen(
    catalog: &Catalog,
    plugin: &dyn Plugin,
    repository: Id,
    version: i64,
) -> Result<Vec<Placed<Content>>> {
    let mut contents = catalog.contents(repository, version).await?;
    let unserved = plugin.declaration().unserved();
    contents.retain(|placed| !unserved.contains(&&*placed.unit.content_type));
    Ok(contents)
}

/// The units of one batch, in its order.
pub(super) async fn read_bodies(catalog: &Catalog, some: &[Placed<Content>]) -> Result<Vec<Placed<Unit>>> {
    let ids: Vec<Id> = some.iter().map(|content| content.unit.id).collect();
    let units = catalog.units(&ids).await?;
    let lost = || Error::Corrupt("the catalog lacks a unit that belongs to a version".into());
    some.iter()
        .map(|content| {
            let unit = units.get(&content.unit.id).cloned().ok_or_else(lost)?;
            Ok(Placed { place: content.place.clone(), unit })
        })
        .collect()
}

impl Contents for VersionContents {
    fn keys(&self) -> Box<dyn Iterator<Item = (&str, &str, &str)> + '_> {
        fn key(placed: &Placed<Content>) -> (&str, &str, &str) {
            (&placed.place, &placed.unit.content_type, &placed.unit.key)
        }
        Box::new(self.order.iter().map(key))
    }

    fn units(&self) -> Box<dyn Iterator<Item = Result<Placed<Unit>>> + '_> {
        Box::new(self.order.chunks(BATCH).flat_map(|some| self.batch(some)))
    }

    fn units_of<'a>(&'a self, types: &'a [&'a str]) -> Box<dyn Iterator<Item = Result<Placed<Unit>>> + 'a> {
        let fitting = self.order.iter().filter(|placed| types.contains(&&*placed.unit.content_type));
        let fitting: Vec<Placed<Content>> = fitting.cloned().collect();
        let batches = fitting.chunks(BATCH).map(|some| self.batch(some)).collect::<Vec<_>>();
        Box::new(batches.into_iter().flatten())
    }
}
