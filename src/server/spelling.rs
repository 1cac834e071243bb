//! How the names of headers are spelled. HTTP does not care, but scripts look for `Correlation-ID` as Pulp writes it.

use std::convert::Infallible;
use std::sync::Mutex;

use bytes::Bytes;
use http::{Extensions, Request, Response};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nCorrelation-ID: 0\r\nConnection: close\r\n\r\n";

/// What hyper has to find in an answer to spell headers as Pulp does. Nobody but hyper can make it, of a request that
/// spells them so.
pub(super) async fn as_pulp_does() -> Extensions {
    let (mut client, server) = tokio::io::duplex(REQUEST.len());
    let spelling = Mutex::new(Extensions::new());
    let service = service_fn(|request: Request<Incoming>| {
        if let Ok(mut spelling) = spelling.lock() {
            *spelling = request.extensions().clone();
        }
        async { Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())) }
    });
    let mut builder = http1::Builder::new();
    builder.preserve_header_case(true);
    let answering = builder.serve_connection(TokioIo::new(server), service);
    let asking = async {
        let _ = client.write_all(REQUEST).await;
        let _ = tokio::io::copy(&mut client, &mut tokio::io::sink()).await;
    };
    // Without it headers are spelled as they usually are, which is no reason not to serve.
    let _ = tokio::join!(answering, asking);
    spelling.into_inner().unwrap_or_default()
}
