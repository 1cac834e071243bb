//! The worker: carries out tasks, inside `serve` or as a process of its own.

use std::future::Future;

use checkpoint_core::engine::Engine;

use crate::config;
use crate::error::Result;

/// Carries out tasks until `stop` is done. The name says which process this is.
pub async fn run(engine: &Engine, stop: impl Future<Output = ()>) -> Result<()> {
    let name = format!("{}@{}", std::process::id(), config::host_name());
    Ok(engine.work(&name, stop).await?)
}
