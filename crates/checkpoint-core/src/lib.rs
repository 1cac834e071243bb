//! Repository versions, publications and dated checkpoints for any kind of content.
//!
//! Modules stand in dependency order: each uses only those above it.

pub mod error;
pub mod digest;
pub mod name;
pub mod time;
pub mod model;
pub mod task;
pub mod account;
pub mod artifacts;
pub mod catalog;
pub mod signer;
pub mod plugin;
pub mod progress;
pub mod engine;

pub use error::{Error, Kind, Result};
