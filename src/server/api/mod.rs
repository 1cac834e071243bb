//! Pulp 3's REST API over the engine: `/pulp/api/v3/`.
//!
//! Every operation is an [`Endpoint`]; the router and docs/api.json are made from the one list of them. What belongs to
//! a plugin comes from its declaration. Lists are made of all entries and then filtered, ordered and cut, except where
//! there can be very many.

mod address;
mod artifacts;
mod auth;
mod body;
mod checkpoints;
mod common;
mod content;
mod copy;
mod derived;
mod distributions;
mod endpoint;
mod failure;
mod maintenance;
mod openapi;
mod publications;
mod query;
mod remotes;
mod repositories;
mod schema;
mod signing;
mod status;
mod tasks;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{MethodFilter, on};
use checkpoint_core::engine::Engine;
use checkpoint_core::model::Id;
use http::header::{self, HeaderName, HeaderValue};
use http::{Extensions, HeaderMap, Method, Request, StatusCode};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};
use tower::ServiceExt as _;

use super::body::{Body, full};
use address::Addresses;
pub(super) use address::ROOT;
pub(super) use auth::Doorkeeper;
use endpoint::{Answer, Call, Endpoint, Needs, Sends};
use failure::Failure;
use openapi::Paths;

/// The header that ties a request to what it causes.
const CORRELATION: HeaderName = HeaderName::from_static("correlation-id");
/// What a command does for whoever is told to sign in and cannot, since nobody may yet.
const FIRST_USER: &str = "Nobody may sign in yet: `debpoint --data DIR user create NAME --role administrator \
     --password-file FILE` makes the first administrator.";

/// What endpoints work on.
pub(super) struct Api {
    engine: Engine,
    addresses: Addresses,
    doorkeeper: Doorkeeper,
    /// `http://HOST` that clients use, if it is known.
    public_url: Option<String>,
    document: Value,
    document_with_ids: Value,
    versions: Vec<(String, String)>,
}

/// Answers a request below [`ROOT`].
pub(super) async fn answer(
    (router, spelling): &(Router, Extensions),
    request: Request<Incoming>,
    peer: IpAddr,
) -> http::Response<Body> {
    let mut request = request.map(axum::body::Body::new);
    request.extensions_mut().insert(peer);
    let Ok(response) = router.clone().oneshot(request).await;
    let (mut parts, body) = response.into_parts();
    parts.extensions.extend(spelling.clone());
    // Answers are made in memory, so all of the body is there.
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    http::Response::from_parts(parts, full(bytes))
}

/// The API's routes.
pub(super) fn router(engine: Engine, public_url: Option<String>) -> Router {
    let addresses = Addresses::new(engine.registry());
    let endpoints = endpoints(&addresses);
    let mut versions = vec![("core".to_owned(), openapi::CORE_VERSION.to_owned())];
    versions.extend(addresses.plugins().map(|(name, rest)| (name.to_owned(), rest.version.to_owned())));
    let api = Arc::new(Api {
        doorkeeper: Doorkeeper::new(engine.clone()),
        document: openapi::document(&endpoints, &versions, Paths::Hrefs),
        document_with_ids: openapi::document(&endpoints, &versions, Paths::Ids),
        engine,
        addresses,
        public_url,
        versions,
    });
    let mut paths: BTreeMap<String, Vec<Endpoint>> = BTreeMap::new();
    for endpoint in endpoints {
        paths.entry(format!("{ROOT}{}", endpoint.path)).or_default().push(endpoint);
    }
    let mut router = Router::new();
    for (path, endpoints) in paths {
        for endpoint in endpoints {
            let Ok(method) = MethodFilter::try_from(endpoint.method.clone()) else { continue };
            let endpoint = Arc::new(endpoint);
            let handle =
                move |State(api): State<Arc<Api>>,
                      Path(variables): Path<BTreeMap<String, String>>,
                      request| { carry_out(api, endpoint.clone(), variables, request) };
            router = router.route(&path, on(method, handle));
        }
    }
    router.fallback(unknown).method_not_allowed_fallback(not_allowed).with_state(api)
}

fn endpoints(addresses: &Addresses) -> Vec<Endpoint> {
    let mut all = [
        status::endpoints(),
        tasks::endpoints(),
        artifacts::endpoints(),
        maintenance::endpoints(),
        signing::endpoints(),
        repositories::general(),
        remotes::general(),
        publications::general(),
        distributions::general(),
        content::general(),
    ]
    .concat();
    for (plugin, rest) in addresses.plugins() {
        all.extend(repositories::endpoints(plugin, rest));
        all.extend(remotes::endpoints(plugin, rest));
        all.extend(publications::endpoints(plugin, rest));
        all.extend(distributions::endpoints(plugin, rest));
        all.extend(content::endpoints(plugin, rest));
        all.extend(copy::endpoints(plugin));
        all.extend(checkpoints::endpoints(plugin, rest));
    }
    all
}

async fn unknown(request: axum::extract::Request) -> Response {
    finish(&correlation(request.headers()), Err(Failure::not_found()))
}

async fn not_allowed(request: axum::extract::Request) -> Response {
    let why = format!("Method \"{}\" not allowed.", request.method());
    finish(&correlation(request.headers()), Err(Failure::detail(StatusCode::METHOD_NOT_ALLOWED, why)))
}

async fn carry_out(
    api: Arc<Api>,
    endpoint: Arc<Endpoint>,
    variables: BTreeMap<String, String>,
    request: axum::extract::Request,
) -> Response {
    let correlation = correlation(request.headers());
    let change = request.method() != Method::GET;
    let what = format!("{} {}", request.method(), request.uri().path());
    let called = call(&api, &endpoint, (variables, correlation.clone()), request).await;
    let answered = match called {
        Err(failure) => Err(failure),
        Ok(call) if !change => (endpoint.handler)(api.clone(), call).await,
        Ok(call) => recorded(&api, &endpoint, &what, call).await,
    };
    finish(&correlation, answered)
}

/// Carries out a change between the two halves of its audit entry.
async fn recorded(api: &Arc<Api>, endpoint: &Endpoint, what: &str, call: Call) -> Answer {
    let who = call.account.as_ref().map_or_else(|| "nobody".to_owned(), |account| account.name.to_string());
    let entry: Id =
        api.engine.record(&who, &call.peer.to_string(), &format!("{} ({what})", endpoint.operation)).await?;
    let answered = (endpoint.handler)(api.clone(), call).await;
    let outcome = match &answered {
        Ok(reply) => match reply.body.as_ref().and_then(|body| body["task"].as_str()) {
            Some(task) => format!("asked for: {task}"),
            None => "done".to_owned(),
        },
        Err(failure) => format!("refused: {}", failure.body),
    };
    api.engine.record_outcome(entry, &outcome).await?;
    answered
}

/// Finds out who calls, and takes the request apart.
async fn call(
    api: &Api,
    endpoint: &Endpoint,
    (variables, correlation): (BTreeMap<String, String>, String),
    request: axum::extract::Request,
) -> Result<Call, Failure> {
    let (parts, incoming) = request.into_parts();
    let peer = parts.extensions.get::<IpAddr>().copied().unwrap_or_else(|| [0, 0, 0, 0].into());
    let account = api.doorkeeper.identify(&parts.headers, peer).await?;
    let query = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let mut call = Call {
        addresses: api.addresses.clone(),
        origin: api.public_url.clone().unwrap_or_else(|| format!("http://{host}")),
        path: percent_decode_str(parts.uri.path()).decode_utf8_lossy().into_owned(),
        variables,
        query: query.into_owned().filter(|(_, value)| !value.is_empty()).collect(),
        body: Map::new(),
        files: BTreeMap::new(),
        account,
        peer,
        correlation,
        headers: parts.headers,
    };
    permit(api, endpoint.needs, &call).await?;
    if let Sends::Object(fields, partial) = &endpoint.sends {
        let (body, files) = body::read(&api.engine, &call.headers, incoming).await?;
        call.files = files;
        call.body = schema::check(fields, body, *partial)?;
    }
    Ok(call)
}

async fn permit(api: &Api, needs: Needs, call: &Call) -> Result<(), Failure> {
    use checkpoint_core::account::Role;
    let role = call.account.as_ref().map(|account| account.role);
    match (needs, role) {
        (Needs::Nothing, _) | (Needs::Reading, Some(_)) | (_, Some(Role::Administrator)) => Ok(()),
        (Needs::Publishing, Some(Role::Publisher)) => Ok(()),
        (_, Some(_)) => Err(Failure::forbidden()),
        (_, None) if api.engine.has_accounts().await? => {
            let why = "Authentication credentials were not provided.";
            Err(Failure::detail(StatusCode::UNAUTHORIZED, why))
        }
        (Needs::Reading, None) => Ok(()),
        (_, None) => Err(Failure::detail(StatusCode::UNAUTHORIZED, FIRST_USER)),
    }
}

/// The id that ties a request to what it causes: the client's if it is a UUID, else one of our own.
fn correlation(headers: &HeaderMap) -> String {
    let said = headers.get(CORRELATION).and_then(|id| id.to_str().ok()).unwrap_or_default();
    let bare: String = said.chars().filter(|c| *c != '-').collect();
    match bare.len() == 32 && bare.chars().all(|c| c.is_ascii_hexdigit()) {
        true => said.to_owned(),
        false => format!("{:032x}", rand_like()),
    }
}

/// A number that no other request of this process has; nothing secret hangs on it.
fn rand_like() -> u128 {
    use std::hash::{BuildHasher as _, RandomState};
    let random = || u128::from(RandomState::new().hash_one(0));
    random() << 64 | random()
}

fn finish(correlation: &str, answered: Answer) -> Response {
    let (status, body) = match answered {
        Ok(reply) => (reply.status, reply.body),
        Err(failure) => (failure.status, Some(failure.body)),
    };
    let mut response =
        Response::new(axum::body::Body::from(body.map(|body| body.to_string()).unwrap_or_default()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if status != StatusCode::NO_CONTENT {
        // To the letter: Pulp's client takes no charset.
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"debpoint\""));
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(value) = HeaderValue::from_str(correlation) {
        headers.insert(CORRELATION, value);
    }
    response
}
