//! Distributions.

use std::sync::Arc;

use checkpoint_core::engine::{CONTENT_PREFIX, DistributionState, Operation};
use checkpoint_core::model::{Distribution, Publication};
use checkpoint_core::name::BasePath;
use checkpoint_core::plugin::RestType;
use checkpoint_core::task::Resource;
use checkpoint_core::time::Timestamp;
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::Api;
use super::address::Addresses;
use super::common::{self, Labels, exclusive, stamp};
use super::endpoint::{Answer, Call, Endpoint, Reply};
use super::failure::Failure;
use super::publications;
use super::query::{self, Query};
use super::schema::{self, Field, boolean, href, labels, object_schema, text};

/// A kind of distribution.
#[derive(Clone)]
pub(super) struct Kind {
    plugin: &'static str,
    rest: RestType,
}

fn fields() -> Vec<Field> {
    let mut fields = schema::common();
    fields.extend([
        text("name").required(),
        text("base_path").required(),
        href("base_url").read_only(),
        href("content_guard").nullable(),
        text("content_guard_prn").nullable().read_only(),
        schema::time("no_content_change_since").nullable().read_only(),
        boolean("hidden"),
        boolean("direct"),
        labels(),
        href("repository").nullable(),
        href("repository_version").nullable(),
        href("publication").nullable(),
        boolean("checkpoint"),
    ]);
    fields
}

pub(super) fn endpoints(plugin: &'static str, rest: &checkpoint_core::plugin::Rest) -> Vec<Endpoint> {
    let kind = Kind { plugin, rest: rest.distribution.clone() };
    let path = format!("distributions/{plugin}/{}/", kind.rest.path);
    let operation = |action: &str| format!("distributions_{plugin}_{}_{action}", kind.rest.path);
    let parameter = format!("{plugin}_{}_distribution_href", kind.rest.path);
    let one = format!("{path}{{id}}/");
    let entity = object_schema(&fields(), false, false);
    let (k1, k2) = (kind.clone(), kind.clone());
    let mut all = vec![
        Endpoint::new(Method::GET, &path, &operation("list"), "List distributions.", move |api, call| {
            list(api, call, Some(k1.clone()))
        })
        .takes(query::filters(&fields()))
        .gives(StatusCode::OK, common::page_schema(&entity)),
        Endpoint::new(
            Method::POST,
            &path,
            &operation("create"),
            "Serve something under a URL.",
            move |api, call| create(api, call, k2.clone()),
        )
        .sends(fields(), false)
        .gives_task(),
        Endpoint::new(Method::GET, &one, &operation("read"), "Show a distribution.", read)
            .href(&parameter, "")
            .gives(StatusCode::OK, entity),
        Endpoint::new(Method::PATCH, &one, &operation("partial_update"), "Change a distribution.", update)
            .href(&parameter, "")
            .sends(fields(), true)
            .gives_task(),
        Endpoint::new(
            Method::PUT,
            &one,
            &operation("update"),
            "Replace what can be set for a distribution.",
            replace,
        )
        .href(&parameter, "")
        .sends(fields(), false)
        .gives_task(),
        Endpoint::new(Method::DELETE, &one, &operation("delete"), "Stop serving.", delete)
            .href(&parameter, "")
            .gives_task(),
        Endpoint::new(
            Method::POST,
            &format!("{one}move/"),
            &operation("move"),
            "Show a checkpoint, signed anew so that clients take it even if it is an earlier one; or the newest state.",
            move_to,
        )
        .href(&parameter, "move/")
        .sends(vec![text("checkpoint").nullable()], true)
        .gives_task(),
        Endpoint::new(
            Method::GET,
            &format!("{one}pin/"),
            &operation("pin"),
            "What a client puts into its configuration.",
            pin,
        )
        .href(&parameter, "pin/")
        .takes(vec![("time".to_owned(), json!({"type": "string"}))]),
    ];
    all.extend(common::label_endpoints(&one, &operation, &parameter));
    all
}

/// The endpoint about distributions of all kinds.
pub(super) fn general() -> Vec<Endpoint> {
    let anything = json!({"type": "object", "additionalProperties": true});
    vec![
        Endpoint::new(
            Method::GET,
            "distributions/",
            "distributions_list",
            "List distributions of all kinds.",
            |api, call| list(api, call, None),
        )
        .takes(query::filters(&fields()))
        .gives(StatusCode::OK, common::page_schema(&anything)),
    ]
}

async fn show(api: &Api, call: &Call, one: &Distribution, labels: &Labels) -> Result<Value, Failure> {
    let resource = Resource::Distribution(one.plugin.clone(), one.id);
    let repository = match &one.repository {
        Some(name) => Some(api.engine.repository(name).await?),
        None => None,
    };
    let repository = repository.as_ref();
    let publication = match one.publication {
        Some(id) => Some(api.engine.publication_by_id(id).await?),
        None => None,
    };
    let publication = publication.map(|(repository, found)| publications::resource(api, &repository, &found));
    let version =
        one.version.zip(repository).map(|(number, r)| Resource::Version(r.plugin.clone(), r.id, number));
    let whole = repository.filter(|_| publication.is_none() && version.is_none());
    let href = |resource: Option<Resource>| resource.map(|resource| api.addresses.href(&resource));
    let guard = one.guard.map(Addresses::guard);
    let mut shown = stamp(api, &resource, (one.created, one.updated));
    shown.extend(common::object(json!({
        "name": one.name,
        "base_path": one.base_path,
        "base_url": format!("{}{CONTENT_PREFIX}{}/", call.origin, one.base_path),
        "content_guard": guard.as_ref().map(|(href, _)| href),
        "content_guard_prn": guard.as_ref().map(|(_, prn)| prn),
        "no_content_change_since": Value::Null,
        "hidden": one.hidden,
        "direct": one.direct,
        "pulp_labels": labels.of(&resource),
        "repository": href(whole.map(|r| Resource::Repository(r.plugin.clone(), r.id))),
        "repository_version": href(version),
        "publication": href(publication),
        "checkpoint": one.checkpoint,
    })));
    Ok(Value::Object(shown))
}

async fn list(api: Arc<Api>, call: Call, kind: Option<Kind>) -> Answer {
    let query = Query::read(&call, &fields(), &[])?;
    let labels = Labels::read(&api).await?;
    let mut shown = Vec::new();
    for one in api.engine.distributions().await? {
        if kind.as_ref().is_none_or(|kind| kind.plugin == one.plugin) {
            shown.push(show(&api, &call, &one, &labels).await?);
        }
    }
    Ok(query.answer(&call, shown))
}

async fn at(api: &Api, call: &Call) -> Result<Distribution, Failure> {
    distribution(api, &call.path).await
}

async fn distribution(api: &Api, address: &str) -> Result<Distribution, Failure> {
    let Some(Resource::Distribution(plugin, id)) = api.addresses.resource(address) else {
        return Err(Failure::not_found());
    };
    let mut all = api.engine.distributions().await?.into_iter();
    all.find(|one| one.id == id && one.plugin == plugin).ok_or_else(Failure::not_found)
}

fn time(field: &str, text: Option<&str>) -> Result<Option<Timestamp>, Failure> {
    let parsed = text.map(str::parse::<Timestamp>).transpose();
    parsed.map_err(|error| Failure::field(field, error.to_string()))
}

async fn move_to(api: Arc<Api>, call: Call) -> Answer {
    let one = distribution(&api, &call.acted_on()).await?;
    let to = time("checkpoint", call.body.get("checkpoint").and_then(Value::as_str))?;
    let resource = Resource::Distribution(one.plugin, one.id);
    let resources = vec![exclusive(resource), exclusive(Resource::Distributions)];
    let operation = Operation::MoveDistribution { name: one.name, to };
    common::task(&api, &call, "debpoint.move_distribution", operation, resources).await
}

async fn pin(api: Arc<Api>, call: Call) -> Answer {
    let one = distribution(&api, &call.acted_on()).await?;
    let time = time("time", call.parameter("time"))?;
    let text = api.engine.pin(&one.name, time, &call.origin).await?;
    Ok(Reply::ok(json!({"text": text})))
}

async fn read(api: Arc<Api>, call: Call) -> Answer {
    let (one, labels) = (at(&api, &call).await?, Labels::read(&api).await?);
    Ok(Reply::ok(Query::read_one(&call)?.shown(show(&api, &call, &one, &labels).await?)))
}

/// What a distribution is once the fields of a request are set; where they say nothing it stays as it is.
async fn state(api: &Api, call: &Call, mut current: DistributionState) -> Result<DistributionState, Failure> {
    let body = &call.body;
    if body.contains_key("base_path") {
        current.base_path = base_path(api, body, &current).await?;
    }
    if let Some(labels) = common::labels_of(body)? {
        current.labels = labels;
    }
    current.hidden = body.get("hidden").and_then(Value::as_bool).unwrap_or(current.hidden);
    current.direct = body.get("direct").and_then(Value::as_bool).unwrap_or(current.direct);
    current.checkpoint = body.get("checkpoint").and_then(Value::as_bool).unwrap_or(current.checkpoint);
    if let Some(guard) = body.get("content_guard") {
        current.guard = guard_named(api, guard).await?;
    }
    target(api, body, current).await
}

async fn base_path(
    api: &Api,
    body: &Map<String, Value>,
    current: &DistributionState,
) -> Result<BasePath, Failure> {
    let base_path: BasePath = common::parsed(body, "base_path")?;
    for other in api.engine.distributions().await? {
        if other.name != current.name && other.base_path == base_path {
            return Err(Failure::field("base_path", "This field must be unique."));
        }
        if other.name != current.name && other.base_path.overlaps(&base_path) {
            return Err(Failure::field(
                "base_path",
                format!("Overlaps with existing distribution '{}'", other.name),
            ));
        }
    }
    Ok(base_path)
}

async fn guard_named(api: &Api, address: &Value) -> Result<Option<i64>, Failure> {
    use super::address::Target;
    let Some(text) = address.as_str() else { return Ok(None) };
    let Some(Target::Guard(id)) = api.addresses.find(text) else {
        return Err(Failure::field("content_guard", "Invalid hyperlink - No URL match."));
    };
    match api.engine.guards().await?.iter().any(|guard| guard.id == id) {
        true => Ok(Some(id)),
        false => Err(Failure::field("content_guard", "Invalid hyperlink - Object does not exist.")),
    }
}

/// What is served: the three fields that exclude each other, held against each other as they will be.
async fn target(
    api: &Api,
    body: &Map<String, Value>,
    mut state: DistributionState,
) -> Result<DistributionState, Failure> {
    let said = |name: &str, was: bool| body.get(name).map_or(was, |value| !value.is_null());
    let whole = state.repository.is_some() && state.publication.is_none() && state.version.is_none();
    let repository = said("repository", whole);
    let publication = said("publication", state.publication.is_some());
    let version = said("repository_version", state.version.is_some());
    let pairs = [
        (publication && version, "publication", "repository_version"),
        (repository && version, "repository", "repository_version"),
        (repository && publication, "repository", "publication"),
    ];
    if let Some((_, one, other)) = pairs.iter().find(|(both, ..)| *both) {
        return Err(Failure::general(format!(
            "Only one of the attributes '{one}' and '{other}' may be used simultaneously."
        )));
    }
    if state.checkpoint && !repository {
        return Err(Failure::general(
            "The 'checkpoint' attribute may only be used with the 'repository' attribute.",
        ));
    }
    if !(repository || publication || version) {
        (state.repository, state.publication, state.version) = (None, None, None);
    }
    let value = |name: &str| body.get(name).filter(|value| !value.is_null());
    if let Some(address) = value("repository") {
        let found = common::repository_named(api, "repository", address).await?;
        check_kind(&state, found.as_ref().map_or("", |found| &found.plugin), "repository")?;
        state.repository = found.map(|found| found.name);
        (state.publication, state.version) = (None, None);
    }
    if let Some(address) = value("publication") {
        let (repository, Publication { id, .. }) =
            common::publication_named(api, "publication", address).await?;
        check_kind(&state, &repository.plugin, "publication")?;
        (state.repository, state.publication, state.version) = (Some(repository.name), Some(id), None);
    }
    if let Some(address) = value("repository_version") {
        let (repository, number) = common::version_named(api, "repository_version", address).await?;
        check_kind(&state, &repository.plugin, "repository_version")?;
        (state.repository, state.publication, state.version) = (Some(repository.name), None, Some(number));
    }
    Ok(state)
}

fn check_kind(state: &DistributionState, plugin: &str, field: &str) -> Result<(), Failure> {
    match plugin == state.plugin {
        true => Ok(()),
        false => Err(Failure::field(
            field,
            format!("It is of type {plugin}, the distribution of {}.", state.plugin),
        )),
    }
}

async fn create(api: Arc<Api>, call: Call, kind: Kind) -> Answer {
    let new = DistributionState {
        name: common::parsed(&call.body, "name")?,
        plugin: kind.plugin.to_owned(),
        base_path: common::parsed(&call.body, "base_path")?,
        repository: None,
        publication: None,
        version: None,
        checkpoint: false,
        hidden: false,
        direct: false,
        guard: None,
        labels: Default::default(),
    };
    if api.engine.distributions().await?.iter().any(|other| other.name == new.name) {
        return Err(Failure::field("name", "This field must be unique."));
    }
    let new = state(&api, &call, new).await?;
    let operation = Operation::CreateDistribution(new);
    let resources = vec![exclusive(Resource::Distributions)];
    common::task(&api, &call, "pulpcore.app.tasks.base.ageneral_create", operation, resources).await
}

async fn change(api: &Api, call: &Call, keep: bool) -> Answer {
    let one = at(api, call).await?;
    common::same_name(&call.body, &one.name)?;
    let resource = Resource::Distribution(one.plugin.clone(), one.id);
    let labels = Labels::read(api).await?.of(&resource);
    let mut current = DistributionState {
        name: one.name,
        plugin: one.plugin,
        base_path: one.base_path,
        repository: one.repository,
        publication: one.publication,
        version: one.version,
        checkpoint: one.checkpoint,
        hidden: one.hidden,
        direct: one.direct,
        guard: one.guard,
        labels,
    };
    if !keep {
        (current.repository, current.publication, current.version) = (None, None, None);
        (current.checkpoint, current.hidden, current.guard) = (false, false, None);
        current.direct = false;
    }
    let changed = state(api, call, current).await?;
    let operation = Operation::UpdateDistribution(changed);
    let resources = vec![exclusive(resource), exclusive(Resource::Distributions)];
    common::task(api, call, "pulpcore.app.tasks.base.ageneral_update", operation, resources).await
}

async fn update(api: Arc<Api>, call: Call) -> Answer {
    change(&api, &call, true).await
}

async fn replace(api: Arc<Api>, call: Call) -> Answer {
    change(&api, &call, false).await
}

async fn delete(api: Arc<Api>, call: Call) -> Answer {
    let one = at(&api, &call).await?;
    let resources =
        vec![exclusive(Resource::Distribution(one.plugin, one.id)), exclusive(Resource::Distributions)];
    let operation = Operation::DeleteDistribution(one.name);
    common::task(&api, &call, "pulpcore.app.tasks.base.ageneral_delete", operation, resources).await
}
