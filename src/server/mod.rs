//! The server, over HTTP/1.1 by hyper: what distributions serve, and Pulp's REST API.

mod api;
mod body;
mod content;
mod page;
mod range;
mod spelling;

use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use checkpoint_core::engine::Engine;
use http::{Extensions, Request};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};

use crate::error::{Error, Result};
use content::ContentServer;

/// How long a client may take to send a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
/// How long requests that are being answered may go on once the server shall stop.
const GRACE: Duration = Duration::from_secs(30);

/// A server that has its address and does not answer yet.
pub struct Server {
    listener: TcpListener,
}

impl Server {
    /// Takes an address such as `127.0.0.1:8080`; port 0 takes a free one.
    pub async fn bind(address: &str) -> Result<Server> {
        let wrong = |source| Error::Listen { address: address.to_owned(), source };
        Ok(Server { listener: TcpListener::bind(address).await.map_err(wrong)? })
    }

    /// `http://` with the address and port that it has.
    pub fn url(&self) -> Result<String> {
        let wrong = |source| Error::Listen { address: "its socket".into(), source };
        Ok(format!("http://{}", self.listener.local_addr().map_err(wrong)?))
    }

    /// Answers with what `engine` has until `stop` is done, and then finishes what it is answering.
    /// `public_url` is what clients reach it by, if that is known.
    pub async fn run(self, engine: Engine, public_url: Option<String>, stop: impl Future<Output = ()>) {
        let api = Arc::new((api::router(engine.clone(), public_url), spelling::as_pulp_does().await));
        let content = Arc::new(ContentServer::new(engine));
        let graceful = GracefulShutdown::new();
        tokio::pin!(stop);
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = &mut stop => break,
            };
            match accepted {
                Ok((stream, peer)) => {
                    // Small answers must not wait for the acknowledgement of the one before.
                    let _ = stream.set_nodelay(true);
                    serve_connection(stream, peer.ip(), (content.clone(), api.clone()), &graceful);
                }
                Err(error) => {
                    tracing::warn!("cannot accept a connection: {error}");
                    // Out of file descriptors, most likely; some will be closed soon.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
        drop(self.listener);
        if tokio::time::timeout(GRACE, graceful.shutdown()).await.is_err() {
            tracing::warn!("some requests were not finished within {} seconds", GRACE.as_secs());
        }
    }
}

fn serve_connection(
    stream: TcpStream,
    peer: IpAddr,
    (content, api): (Arc<ContentServer>, Arc<(Router, Extensions)>),
    graceful: &GracefulShutdown,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let (content, api) = (content.clone(), api.clone());
        async move {
            Ok::<_, Infallible>(match request.uri().path().starts_with(api::ROOT) {
                true => api::answer(&api, request, peer).await,
                false => content.answer(&request, peer).await,
            })
        }
    });
    // Without pipeline_flush: it holds answers back, in memory, for as long as bytes of a next request are there.
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        // Pulp's client shows the names of headers as they came.
        .title_case_headers(true)
        .serve_connection(TokioIo::new(stream), service);
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            // A client that goes away is not our failure.
            tracing::debug!("a connection ended: {error}");
        }
    });
}
