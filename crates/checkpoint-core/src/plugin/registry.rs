//! Which plugins there are.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Plugin;
use crate::error::{Error, Result};

/// The plugins by name. A plugin crate's `register` function puts its own in.
#[derive(Clone, Default)]
pub struct Registry {
    plugins: BTreeMap<&'static str, Arc<dyn Plugin>>,
}

impl Registry {
    /// Adds a plugin under the name that it declares; a later one replaces an earlier one.
    pub fn register(&mut self, plugin: Arc<dyn Plugin>) {
        self.plugins.insert(plugin.declaration().name, plugin);
    }

    /// The plugin of that name.
    pub fn get(&self, name: &str) -> Result<Arc<dyn Plugin>> {
        self.plugins.get(name).cloned().ok_or_else(|| {
            let known: Vec<_> = self.plugins.keys().copied().collect();
            Error::Invalid(format!("there is no type '{name}'; there is {}", known.join(", ")))
        })
    }

    /// All plugins by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Plugin>> {
        self.plugins.values()
    }
}
