//! What is served, in memory, and never out of date.
//!
//! Every change of what is served counts the catalog's generation up in its own transaction. A request first
//! learns the generation as it is now; requests that wait at the same time share one look at the database.
//! So what a command has published is seen by the next request, in whatever process.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Mutex, OnceCell};

use crate::catalog::{Catalog, Generation};
use crate::error::Result;
use crate::model::{Distribution, Id, Publication, Repository};
use crate::name::Name;

/// What is served as of one generation.
pub(super) struct View {
    pub(super) generation: Generation,
    pub(super) distributions: HashMap<String, Distribution>,
    repositories: HashMap<Name, Arc<Served>>,
}

/// A repository and, once somebody asked, its publications.
pub(super) struct Served {
    pub(super) repository: Repository,
    publications: OnceCell<Vec<Publication>>,
}

impl View {
    async fn read(catalog: &Catalog, generation: Generation) -> Result<View> {
        let distributions = catalog.distributions().await?.into_iter();
        let repositories = catalog.repositories().await?.into_iter();
        let served = |repository| Arc::new(Served { repository, publications: OnceCell::new() });
        Ok(View {
            generation,
            distributions: distributions.map(|d| (d.base_path.to_string(), d)).collect(),
            repositories: repositories.map(|r| (r.name.clone(), served(r))).collect(),
        })
    }

    /// The repository of a distribution of this view.
    pub(super) fn repository(&self, name: &Name) -> Option<Arc<Served>> {
        self.repositories.get(name).cloned()
    }
}

impl Served {
    pub(super) fn id(&self) -> Id {
        self.repository.id
    }

    /// All publications, oldest first.
    pub(super) async fn publications(&self, catalog: &Catalog) -> Result<&[Publication]> {
        let read = || catalog.publications(self.repository.id);
        Ok(self.publications.get_or_try_init(read).await?)
    }
}

/// Keeps the view.
#[derive(Default)]
pub(super) struct Views {
    /// How many looks at the database have begun.
    begun: AtomicU64,
    current: Mutex<Current>,
}

#[derive(Default)]
struct Current {
    /// The newest look that has ended.
    ended: u64,
    view: Option<Arc<View>>,
}

impl Views {
    /// The view as of now: the database was looked at after this was called.
    pub(super) async fn fresh(&self, catalog: &Catalog) -> Result<Arc<View>> {
        let arrived = self.begun.load(Ordering::SeqCst);
        let mut current = self.current.lock().await;
        if let Some(view) = current.view.as_ref().filter(|_| current.ended > arrived) {
            return Ok(view.clone());
        }
        let look = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let generation = catalog.generation().await?;
        let view = match current.view.take() {
            Some(view) if view.generation == generation => view,
            // The tables are read after the generation, so they are as of it or newer.
            _ => Arc::new(View::read(catalog, generation).await?),
        };
        current.ended = look;
        current.view = Some(view.clone());
        Ok(view)
    }
}
