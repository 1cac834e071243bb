//! The process: from arguments to an exit code.

use std::process::ExitCode;

use checkpoint_core::time::Clock as _;
use futures_util::FutureExt as _;

use crate::app::{self, App, Missing, SystemClock};
use crate::cli::output::{self, Output};
use crate::cli::{Command, Invocation, Serve};
use crate::config::{self, DEFAULT_LISTEN};
use crate::demo;
use crate::error::{Error, Result};
use crate::server::Server;
use crate::telemetry;
use crate::worker;

/// What `main` does.
pub fn main() -> ExitCode {
    let invocation = Invocation::parse();
    telemetry::start(&config::log_filter());
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return ExitCode::from(output::failure(&Error::Output(error))),
    };
    match runtime.block_on(run(invocation, &Output)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => ExitCode::from(output::failure(&error)),
    }
}

async fn run(invocation: Invocation, output: &Output) -> Result<()> {
    match invocation.command {
        Command::Serve(serve) => {
            let data = config::data_directory(invocation.data);
            let app = App::open(&data, Missing::Create).await?;
            run_server(serve, app, output).await
        }
        Command::Worker => {
            let app = App::open(&config::data_directory(invocation.data), Missing::Refuse).await?;
            let worked = worker::run(&app.engine, app::asked_to_stop()).await;
            app.engine.close().await;
            worked
        }
        Command::Demo(demo) => demo::run(invocation.data, &demo.listen, output).await,
        _ => invocation.run(SystemClock.now(), output).await,
    }
}

async fn run_server(serve: Serve, app: App, output: &Output) -> Result<()> {
    let listen = serve.listen.or_else(|| app.config.listen.clone());
    let server = Server::bind(listen.as_deref().unwrap_or(DEFAULT_LISTEN)).await?;
    let stop = app::asked_to_stop().shared();
    // Whoever started this reads the port from here.
    output.line(&format!("listening on {}", server.url()?))?;
    let (worked, ()) = tokio::join!(
        worker::run(&app.engine, stop.clone()),
        server.run(app.engine.clone(), app.config.public_url.clone(), stop)
    );
    app.engine.close().await;
    worked
}
