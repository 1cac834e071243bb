//! Endpoints: what one declares, what it is called with, and what it answers. The router and docs/api.json are made
//! from the same list of them.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use checkpoint_core::account::{Account, Role};
use checkpoint_core::artifacts::Staged;
use checkpoint_core::name::Name;
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Map, Value, json};

use super::Api;
use super::address::Addresses;
use super::failure::Failure;
use super::schema::Field;

/// What comes of a request.
pub(super) type Answer = Result<Reply, Failure>;
type Handler = Arc<dyn Fn(Arc<Api>, Call) -> Pin<Box<dyn Future<Output = Answer> + Send>> + Send + Sync>;

/// Who may call an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// Everybody.
    Nothing,
    /// Whoever has signed in.
    Reading,
    /// A publisher or an administrator; the endpoint itself asks [`Call::may_change`] about the repository.
    Publishing,
    /// An administrator.
    Administrating,
}

/// What a request sends.
#[derive(Debug, Clone)]
pub(super) enum Sends {
    Nothing,
    /// JSON, or a form, with these fields; `true` where all of them may be missing.
    Object(Vec<Field>, bool),
}

/// One operation of the API.
#[derive(Clone)]
pub(super) struct Endpoint {
    pub(super) method: Method,
    /// Below the root, with `{id}` and `{number}` for what varies.
    pub(super) path: String,
    /// As Pulp calls it.
    pub(super) operation: String,
    /// The name of the parameter that holds the href, and what follows it; for endpoints about one entity.
    pub(super) href: Option<(String, &'static str)>,
    pub(super) about: &'static str,
    pub(super) parameters: Vec<(String, Value)>,
    pub(super) header: Option<&'static str>,
    pub(super) sends: Sends,
    pub(super) status: StatusCode,
    /// The schema of a good answer.
    pub(super) gives: Value,
    pub(super) needs: Needs,
    pub(super) handler: Handler,
}

impl Endpoint {
    /// An operation at a path. `about` is one line for people.
    pub(super) fn new<F, A>(
        method: Method,
        path: &str,
        operation: &str,
        about: &'static str,
        handler: F,
    ) -> Endpoint
    where
        F: Fn(Arc<Api>, Call) -> A + Send + Sync + 'static,
        A: Future<Output = Answer> + Send + 'static,
    {
        let reads = method == Method::GET;
        Endpoint {
            method,
            path: path.to_owned(),
            operation: operation.to_owned(),
            href: None,
            about,
            parameters: Vec::new(),
            header: None,
            sends: Sends::Nothing,
            status: StatusCode::OK,
            gives: json!({"type": "object", "additionalProperties": true}),
            needs: if reads { Needs::Reading } else { Needs::Administrating },
            handler: Arc::new(move |api, call| Box::pin(handler(api, call))),
        }
    }

    pub(super) fn href(mut self, parameter: &str, suffix: &'static str) -> Endpoint {
        self.href = Some((parameter.to_owned(), suffix));
        self
    }

    pub(super) fn takes(mut self, parameters: Vec<(String, Value)>) -> Endpoint {
        self.parameters.extend(parameters);
        self
    }

    pub(super) fn sends(mut self, fields: Vec<Field>, partial: bool) -> Endpoint {
        self.sends = Sends::Object(fields, partial);
        self
    }

    pub(super) fn gives(mut self, status: StatusCode, schema: Value) -> Endpoint {
        self.status = status;
        self.gives = schema;
        self
    }

    /// It answers with a task.
    pub(super) fn gives_task(self) -> Endpoint {
        let schema = json!({"type": "object", "required": ["task"],
            "properties": {"task": {"type": "string", "format": "uri-reference"}}});
        self.gives(StatusCode::ACCEPTED, schema)
    }

    pub(super) fn needs(mut self, needs: Needs) -> Endpoint {
        self.needs = needs;
        self
    }
}

/// A request, taken apart.
pub(super) struct Call {
    pub(super) addresses: Addresses,
    /// `http://HOST` as the client wrote it.
    pub(super) origin: String,
    /// The URL's path.
    pub(super) path: String,
    /// What stands for `{id}` and `{number}`.
    pub(super) variables: BTreeMap<String, String>,
    pub(super) query: Vec<(String, String)>,
    pub(super) body: Map<String, Value>,
    pub(super) files: BTreeMap<String, (String, Staged)>,
    pub(super) headers: HeaderMap,
    pub(super) account: Option<Account>,
    pub(super) peer: IpAddr,
    pub(super) correlation: String,
}

impl Call {
    /// The href of what is at this href or PRN; other text as it is.
    pub(super) fn href(&self, address: &str) -> String {
        match self.addresses.resource(address).map(|resource| self.addresses.href(&resource)) {
            Some(href) if !href.is_empty() => href,
            _ => address.to_owned(),
        }
    }

    /// The address of what an action is about: the path without the action at its end.
    pub(super) fn acted_on(&self) -> String {
        let entity = self.path.trim_end_matches('/').rsplit_once('/').map_or("", |(entity, _)| entity);
        format!("{entity}/")
    }

    /// Takes a parameter of the query out of its place among the filters.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The URL of another page of this list.
    pub(super) fn page_url(&self, limit: usize, offset: usize) -> String {
        let mut url = form_urlencoded::Serializer::new(String::new());
        for (name, value) in self.query.iter().filter(|(name, _)| name != "limit" && name != "offset") {
            url.append_pair(name, value);
        }
        url.append_pair("limit", &limit.to_string()).append_pair("offset", &offset.to_string());
        format!("{}{}?{}", self.origin, self.path, url.finish())
    }

    /// Whether whoever has signed in may change this repository.
    pub(super) fn may_change(&self, repository: &Name) -> Result<(), Failure> {
        match self.account.as_ref().is_some_and(|account| account.may_change(repository)) {
            true => Ok(()),
            false => Err(Failure::forbidden()),
        }
    }

    pub(super) fn is_administrator(&self) -> bool {
        self.account.as_ref().is_some_and(|account| account.role == Role::Administrator)
    }
}

/// A good answer.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) body: Option<Value>,
}

impl Reply {
    pub(super) fn ok(body: Value) -> Reply {
        Reply { status: StatusCode::OK, body: Some(body) }
    }

    pub(super) fn created(body: Value) -> Reply {
        Reply { status: StatusCode::CREATED, body: Some(body) }
    }

    pub(super) fn nothing() -> Reply {
        Reply { status: StatusCode::NO_CONTENT, body: None }
    }

    pub(super) fn task(id: i64) -> Reply {
        Reply { status: StatusCode::ACCEPTED, body: Some(json!({"task": Addresses::task(id).0})) }
    }
}
