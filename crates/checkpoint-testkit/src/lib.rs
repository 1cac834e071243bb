//! Test tools of debpoint: packages to order, a fake plugin, the conformance suite of the plugin seam.

pub mod debs;
