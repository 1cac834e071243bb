//! What the endpoints of several nouns share.

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;
use std::sync::Arc;

use checkpoint_core::engine::{Operation, TaskRequest};
use checkpoint_core::model::{Id, Publication, Repository};
use checkpoint_core::name::Name;
use checkpoint_core::plugin::RestFields;
use checkpoint_core::task::{Reservation, Resource};
use checkpoint_core::time::Timestamp;
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::Api;
use super::derived;
use super::endpoint::{Answer, Call, Endpoint, Needs, Reply};
use super::failure::Failure;
use super::schema::text;

/// A time as entities show it.
pub(super) fn show_time(time: Timestamp) -> String {
    let text = time.to_string();
    let (date, clock) = (&text[..8], &text[9..15]);
    format!(
        "{}-{}-{}T{}:{}:{}.000000Z",
        &date[..4],
        &date[4..6],
        &date[6..8],
        &clock[..2],
        &clock[2..4],
        &clock[4..6]
    )
}

/// What every entity shows.
pub(super) fn stamp(
    api: &Api,
    resource: &Resource,
    (created, updated): (Timestamp, Timestamp),
) -> Map<String, Value> {
    object(json!({
        "pulp_href": api.addresses.href(resource),
        "prn": api.addresses.prn(resource),
        "pulp_created": show_time(created),
        "pulp_last_updated": show_time(updated),
    }))
}

pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

pub(super) fn page_schema(entity: &Value) -> Value {
    let link = json!({"type": "string", "format": "uri", "nullable": true});
    json!({"type": "object", "required": ["count", "results"], "properties": {
        "count": {"type": "integer"}, "next": link, "previous": link,
        "results": {"type": "array", "items": entity},
    }})
}

pub(super) fn href_parameter(name: &str) -> (String, Value) {
    (name.to_owned(), json!({"type": "string"}))
}

pub(super) fn hrefs_parameter(name: &str) -> (String, Value) {
    (name.to_owned(), json!({"type": "array", "items": {"type": "string"}}))
}

/// All labels there are.
pub(super) struct Labels(HashMap<String, BTreeMap<String, String>>);

impl Labels {
    pub(super) async fn read(api: &Api) -> Result<Labels, Failure> {
        Ok(Labels(api.engine.labels().await?))
    }

    pub(super) fn of(&self, resource: &Resource) -> BTreeMap<String, String> {
        self.0.get(&resource.key()).cloned().unwrap_or_default()
    }
}

/// The labels that a body sets.
pub(super) fn labels_of(body: &Map<String, Value>) -> Result<Option<BTreeMap<String, String>>, Failure> {
    let Some(labels) = body.get("pulp_labels").and_then(Value::as_object) else { return Ok(None) };
    let mut checked = BTreeMap::new();
    for (key, value) in labels {
        let value = value.as_str().unwrap_or_default();
        check_label(key, value).map_err(|why| Failure::field("pulp_labels", why))?;
        checked.insert(key.clone(), value.to_owned());
    }
    Ok(Some(checked))
}

fn check_label(key: &str, value: &str) -> Result<(), String> {
    if key.is_empty() || !key.chars().all(|c| c.is_alphanumeric() || "_-. /".contains(c)) {
        return Err(format!("Key '{key}' contains non-alphanumerics."));
    }
    match value.contains([',', '(', ')']) {
        true => Err(format!("Key '{key}' contains value with comma or parenthesis.")),
        false => Ok(()),
    }
}

/// `set_label/` and `unset_label/` of an entity.
pub(super) fn label_endpoints(
    one: &str,
    operation: &dyn Fn(&str) -> String,
    parameter: &str,
) -> Vec<Endpoint> {
    let gives = json!({"type": "object", "additionalProperties": true});
    vec![
        Endpoint::new(
            Method::POST,
            &format!("{one}set_label/"),
            &operation("set_label"),
            "Set a label.",
            set_label,
        )
        .href(parameter, "set_label/")
        .sends(vec![text("key").required(), text("value").required().nullable()], false)
        .gives(StatusCode::CREATED, gives.clone()),
        Endpoint::new(
            Method::POST,
            &format!("{one}unset_label/"),
            &operation("unset_label"),
            "Remove a label.",
            unset_label,
        )
        .href(parameter, "unset_label/")
        .sends(vec![text("key").required()], false)
        .gives(StatusCode::CREATED, gives),
    ]
}

async fn labeled(api: &Api, call: &Call) -> Result<(Resource, BTreeMap<String, String>), Failure> {
    let resource = call.addresses.resource(&call.acted_on()).ok_or_else(Failure::not_found)?;
    if !exists(api, &resource).await? {
        return Err(Failure::not_found());
    }
    let labels = Labels::read(api).await?.of(&resource);
    Ok((resource, labels))
}

async fn exists(api: &Api, resource: &Resource) -> Result<bool, Failure> {
    Ok(match resource {
        Resource::Repository(_, id) => api.engine.repositories().await?.iter().any(|one| one.id == *id),
        Resource::Remote(_, id) => api.engine.remotes().await?.iter().any(|one| one.id == *id),
        Resource::Distribution(_, id) => api.engine.distributions().await?.iter().any(|one| one.id == *id),
        Resource::Content(_, id) => !api.engine.unit_details(&[*id]).await?.is_empty(),
        _ => false,
    })
}

async fn set_label(api: Arc<Api>, call: Call) -> Answer {
    let (resource, mut labels) = labeled(&api, &call).await?;
    let key = call.body.get("key").and_then(Value::as_str).unwrap_or_default().to_owned();
    let value = call.body.get("value").and_then(Value::as_str).unwrap_or_default().to_owned();
    check_label(&key, &value).map_err(|why| Failure::field("key", why))?;
    labels.insert(key.clone(), value.clone());
    api.engine.set_labels(&resource, &labels).await?;
    Ok(Reply::created(json!({"key": key, "value": value})))
}

async fn unset_label(api: Arc<Api>, call: Call) -> Answer {
    let (resource, mut labels) = labeled(&api, &call).await?;
    let key = call.body.get("key").and_then(Value::as_str).unwrap_or_default().to_owned();
    let Some(value) = labels.remove(&key) else {
        return Err(Failure::field("key", format!("Label '{key}' is not set on the object.")));
    };
    api.engine.set_labels(&resource, &labels).await?;
    Ok(Reply::created(json!({"key": key, "value": value})))
}

pub(super) fn exclusive(resource: Resource) -> Reservation {
    Reservation { resource, exclusive: true }
}

pub(super) fn shared(resource: Resource) -> Reservation {
    Reservation { resource, exclusive: false }
}

/// Asks for a task on behalf of whoever calls.
pub(super) async fn task(
    api: &Api,
    call: &Call,
    name: &str,
    operation: Operation,
    reservations: Vec<Reservation>,
) -> Answer {
    let request = TaskRequest {
        name: name.to_owned(),
        operation,
        reservations,
        created_by: call.account.as_ref().map(|account| account.name.to_string()),
        correlation: call.correlation.clone(),
        measured: measured(call),
    };
    Ok(Reply::task(api.engine.create_task(request).await?))
}

/// Whether whoever asks for a task wants its memory measured.
fn measured(call: &Call) -> bool {
    let said = call.headers.get("x-task-diagnostics").and_then(|said| said.to_str().ok());
    said.is_some_and(|said| said.split(',').any(|what| what.trim() == "memory"))
}

/// A field that has been checked to be a text, as what it stands for.
pub(super) fn parsed<T: FromStr<Err = checkpoint_core::Error>>(
    body: &Map<String, Value>,
    field: &str,
) -> Result<T, Failure> {
    let text = body.get(field).and_then(Value::as_str).unwrap_or_default();
    text.parse().map_err(|error: checkpoint_core::Error| Failure::field(field, error.to_string()))
}

/// Names are addresses on the command line and in other things' settings, so they stay.
pub(super) fn same_name(body: &Map<String, Value>, name: &Name) -> Result<(), Failure> {
    match body.get("name").and_then(Value::as_str) {
        Some(other) if other != name.as_str() => Err(Failure::field("name", "The name cannot be changed.")),
        _ => Ok(()),
    }
}

/// The plugin's options that the fields of a body mean, on top of those that there are. An option that is no longer
/// meant becomes null.
pub(super) fn options(
    fields: &RestFields,
    body: &Map<String, Value>,
    current: Option<&Value>,
) -> Result<Map<String, Value>, Failure> {
    let none = Value::Object(Map::new());
    let before = current.unwrap_or(&none);
    let schema = Value::from(fields.schema());
    let mut shown = match current {
        Some(options) => fields.of_options(options)?,
        None => Map::new(),
    };
    let own = body.iter().filter(|(name, _)| !schema["properties"][name.as_str()].is_null());
    shown.extend(own.map(|(name, value)| (name.clone(), value.clone())));
    let mut options = fields.into_options(shown)?;
    for (name, _) in before.as_object().into_iter().flatten() {
        options.entry(name.clone()).or_insert(Value::Null);
    }
    Ok(options)
}

/// The repository whose address the request has.
pub(super) async fn repository_at(api: &Api, call: &Call) -> Result<Repository, Failure> {
    let end = call.path.find("/versions/").unwrap_or(call.path.len());
    let path = &call.path[..end];
    // An action has a word after the address.
    let candidates = [path, path.trim_end_matches('/').rsplit_once('/').map_or("", |(path, _)| path)];
    let resource = candidates.iter().find_map(|path| call.addresses.resource(path));
    let Some(Resource::Repository(plugin, id)) = resource else { return Err(Failure::not_found()) };
    let repository = api.engine.repository_by_id(id).await?;
    if repository.plugin == plugin { Ok(repository) } else { Err(Failure::not_found()) }
}

/// All remotes by name.
pub(super) async fn remotes(api: &Api) -> Result<BTreeMap<Name, Resource>, Failure> {
    let remotes = api.engine.remotes().await?.into_iter();
    Ok(remotes.map(|remote| (remote.name, Resource::Remote(remote.plugin, remote.id))).collect())
}

fn bad_address(field: &str, address: &Value) -> Failure {
    Failure::field(field, format!("Invalid hyperlink - Object does not exist: {address}"))
}

/// The name of the remote at an address; `None` for null.
pub(super) async fn remote_named(
    api: &Api,
    field: &str,
    address: &Value,
    plugin: &str,
) -> Result<Option<Name>, Failure> {
    let Some(text) = address.as_str() else { return Ok(None) };
    let resource = api.addresses.resource(text);
    let found = remotes(api).await?.into_iter().find(|(_, remote)| Some(remote) == resource.as_ref());
    match (found, &resource) {
        (Some((name, _)), Some(Resource::Remote(kind, _))) if kind == plugin => Ok(Some(name)),
        (Some(_), _) => {
            Err(Failure::field(field, format!("Type for Remote '{text}' does not match Repository.")))
        }
        _ => Err(bad_address(field, address)),
    }
}

/// The repository at an address; `None` for null.
pub(super) async fn repository_named(
    api: &Api,
    field: &str,
    address: &Value,
) -> Result<Option<Repository>, Failure> {
    let Some(text) = address.as_str() else { return Ok(None) };
    let Some(Resource::Repository(plugin, id)) = api.addresses.resource(text) else {
        return Err(bad_address(field, address));
    };
    let found = api.engine.repositories().await?.into_iter().find(|one| one.id == id && one.plugin == plugin);
    found.map(Some).ok_or_else(|| bad_address(field, address))
}

/// Refuses a repository of another kind.
pub(super) fn check_plugin(repository: &Repository, plugin: &str) -> Result<(), Failure> {
    match repository.plugin == plugin {
        true => Ok(()),
        false => {
            Err(Failure::field("repository", format!("The repository is of type {}.", repository.plugin)))
        }
    }
}

/// The repository and the number of the version at an address.
pub(super) async fn version_named(
    api: &Api,
    field: &str,
    address: &Value,
) -> Result<(Repository, i64), Failure> {
    let resource = api.addresses.resource(address.as_str().unwrap_or_default());
    let Some(Resource::Version(_, id, number)) = resource else { return Err(bad_address(field, address)) };
    let repository = api.engine.repositories().await?.into_iter().find(|one| one.id == id);
    let repository = repository.ok_or_else(|| bad_address(field, address))?;
    let versions = api.engine.versions(&repository.name).await?;
    match versions.iter().any(|version| version.number == number) {
        true => Ok((repository, number)),
        false => Err(bad_address(field, address)),
    }
}

/// The publication at an address, and its repository.
pub(super) async fn publication_named(
    api: &Api,
    field: &str,
    address: &Value,
) -> Result<(Repository, Publication), Failure> {
    let resource = api.addresses.resource(address.as_str().unwrap_or_default());
    let Some(Resource::Publication(_, _, id)) = resource else { return Err(bad_address(field, address)) };
    api.engine.publication_by_id(id).await.map_err(|_| bad_address(field, address))
}

/// The rows of the content units whose addresses a field of the body lists.
pub(super) async fn content(api: &Api, call: &Call, field: &str) -> Result<Vec<Id>, Failure> {
    let list = call.body.get(field).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    content_ids(api, field, list.iter().map(|address| address.as_str().unwrap_or_default())).await
}

pub(super) async fn content_ids<'a>(
    api: &Api,
    field: &str,
    addresses: impl Iterator<Item = &'a str>,
) -> Result<Vec<Id>, Failure> {
    let mut ids = Vec::new();
    for address in addresses {
        let id = match api.addresses.resource(address) {
            Some(Resource::Content(_, id)) => Some(id),
            _ => derived::unit_named(api, address).await?,
        };
        ids.push(id.ok_or_else(|| Failure::field(field, format!("URI not valid: {address}")))?);
    }
    Ok(ids)
}

/// Endpoints that administrators share with publishers ask for more where the thing has no repository.
pub(super) fn administrating(call: &Call) -> Result<(), Failure> {
    if call.is_administrator() { Ok(()) } else { Err(Failure::forbidden()) }
}

/// Who may do what needs no repository, such as uploading.
pub(super) const UPLOADING: Needs = Needs::Publishing;
