//! The Debian plugin of debpoint: packages in suites and components, published as signed APT metadata.

mod options;
mod content;
mod place;
mod files;
mod units;
mod choose;
mod publish;
mod sources;
mod sync;
mod rest;
mod plugin;

use std::sync::Arc;

use checkpoint_core::plugin::Registry;

/// Adds the plugin.
pub fn register(registry: &mut Registry) {
    registry.register(Arc::new(plugin::DebPlugin));
}
