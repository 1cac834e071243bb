//! Which plugins the binary has. The only place that names their crates.

use checkpoint_core::plugin::Registry;

/// All plugins, registered.
pub fn registry() -> Registry {
    let mut registry = Registry::default();
    checkpoint_deb::register(&mut registry);
    checkpoint_file::register(&mut registry);
    registry
}
