//! debpoint, the application: command line, content server, configuration and signing over the engine of
//! `checkpoint-core`.
//!
//! Modules stand in dependency order: each uses only those above it.

pub mod error;
pub mod plugins;
pub mod config;
pub mod telemetry;
pub mod openpgp;
pub mod app;
pub mod worker;
pub mod server;
pub mod cli;
mod demo;
pub mod run;
