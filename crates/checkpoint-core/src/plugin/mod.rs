//! The plugin seam: what a kind of content declares and implements, and nothing more.
//!
//! A plugin is a value without state. It never opens a connection, runs SQL, names an object key, prints,
//! reads the clock or the environment, or registers a route; so immutability, atomic visibility,
//! deduplication, serving and checkpoints are the core's, once. See docs/plugin-guide.md.

mod declaration;
mod registry;
mod rest;
mod seam;

pub use declaration::{ContentType, Declaration, OptionsType};
pub use registry::Registry;
pub use rest::{Derived, Link, Rest, RestContent, RestFields, RestOptions, RestType};
pub use seam::{
    Contents, Expected, Fetcher, Label, PinJob, Plugin, PublicationWriter, PublishJob, ResealJob, Resealed,
    SameKey, Seal, Selected, SyncJob, SyncMode, SyncSink, Upload, Validators,
};
