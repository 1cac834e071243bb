//! Remotes.

use std::collections::BTreeMap;
use std::sync::Arc;

use checkpoint_core::engine::{Operation, RemoteChange};
use checkpoint_core::model::{Remote, RemoteSettings};
use checkpoint_core::plugin::RestType;
use checkpoint_core::task::Resource;
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::Api;
use super::common::{self, Labels, exclusive, stamp};
use super::endpoint::{Answer, Call, Endpoint, Reply};
use super::failure::Failure;
use super::query::{self, Query};
use super::schema::{self, Access, Field, declared, labels, object_schema, objects, text};

/// A kind of remote.
#[derive(Clone)]
pub(super) struct Kind {
    plugin: &'static str,
    rest: RestType,
}

impl Kind {
    fn fields(&self) -> Vec<Field> {
        let mut fields = general_fields();
        fields.extend(declared(self.rest.fields.as_ref()));
        fields
    }
}

/// What Pulp has and debpoint has no use for: it is taken, and shown as not set.
fn unused() -> Vec<Field> {
    vec![objects("headers").nullable()]
}

fn general_fields() -> Vec<Field> {
    let mut fields = schema::common();
    fields.extend([text("name").required(), text("url").required(), labels()]);
    for mut field in settings() {
        if RemoteSettings::SECRETS.contains(&field.name.as_str()) {
            field = field.write_only();
        }
        fields.push(field);
    }
    fields.extend(unused());
    fields.push(objects("hidden_fields").read_only());
    fields
}

/// The settings that every remote has, each of which can be set back by null.
fn settings() -> Vec<Field> {
    schema::of_struct::<RemoteSettings>()
}

pub(super) fn endpoints(plugin: &'static str, rest: &checkpoint_core::plugin::Rest) -> Vec<Endpoint> {
    let kind = Kind { plugin, rest: rest.remote.clone() };
    let path = format!("remotes/{plugin}/{}/", kind.rest.path);
    let operation = |action: &str| format!("remotes_{plugin}_{}_{action}", kind.rest.path);
    let parameter = format!("{plugin}_{}_remote_href", kind.rest.path);
    let one = format!("{path}{{id}}/");
    let fields = kind.fields();
    let entity = object_schema(&fields, false, false);
    let (k1, k2, k3, k4) = (kind.clone(), kind.clone(), kind.clone(), kind.clone());
    let mut all = vec![
        Endpoint::new(Method::GET, &path, &operation("list"), "List remotes.", move |api, call| {
            list(api, call, Some(k1.clone()))
        })
        .takes(query::filters(&fields))
        .gives(StatusCode::OK, common::page_schema(&entity)),
        Endpoint::new(Method::POST, &path, &operation("create"), "Create a remote.", move |api, call| {
            create(api, call, k2.clone())
        })
        .sends(fields.clone(), false)
        .gives(StatusCode::CREATED, entity.clone()),
        Endpoint::new(Method::GET, &one, &operation("read"), "Show a remote.", read)
            .href(&parameter, "")
            .gives(StatusCode::OK, entity),
        Endpoint::new(
            Method::PATCH,
            &one,
            &operation("partial_update"),
            "Change a remote.",
            move |api, call| update(api, call, k3.clone(), true),
        )
        .href(&parameter, "")
        .sends(fields.clone(), true)
        .gives_task(),
        Endpoint::new(
            Method::PUT,
            &one,
            &operation("update"),
            "Replace what can be set for a remote.",
            move |api, call| update(api, call, k4.clone(), false),
        )
        .href(&parameter, "")
        .sends(fields, false)
        .gives_task(),
        Endpoint::new(Method::DELETE, &one, &operation("delete"), "Delete a remote.", delete)
            .href(&parameter, "")
            .gives_task(),
    ];
    all.extend(common::label_endpoints(&one, &operation, &parameter));
    all
}

/// The endpoint about remotes of all kinds.
pub(super) fn general() -> Vec<Endpoint> {
    let anything = json!({"type": "object", "additionalProperties": true});
    vec![
        Endpoint::new(Method::GET, "remotes/", "remotes_list", "List remotes of all kinds.", |api, call| {
            list(api, call, None)
        })
        .takes(query::filters(&general_fields()))
        .gives(StatusCode::OK, common::page_schema(&anything)),
    ]
}

fn show(api: &Api, remote: &Remote, labels: &Labels) -> Result<Value, Failure> {
    let resource = Resource::Remote(remote.plugin.clone(), remote.id);
    let mut shown = stamp(api, &resource, (remote.created, remote.updated));
    shown.extend(common::object(json!({
        "name": remote.name, "url": remote.url, "pulp_labels": labels.of(&resource),
    })));
    let mut set = remote.settings.to_fields()?;
    let hidden = RemoteSettings::SECRETS.map(|name| json!({"name": name, "is_set": set.contains_key(name)}));
    for field in general_fields().into_iter().filter(|field| field.access != Access::Write) {
        let value = set.remove(&field.name);
        shown.entry(field.name).or_insert(value.unwrap_or(Value::Null));
    }
    shown.insert("hidden_fields".into(), json!(hidden));
    let declaration = api.engine.registry().get(&remote.plugin)?.declaration();
    if let Some(fields) = &declaration.rest.remote.fields {
        shown.extend(fields.of_options(&remote.options)?);
    }
    Ok(Value::Object(shown))
}

async fn list(api: Arc<Api>, call: Call, kind: Option<Kind>) -> Answer {
    let fields = kind.as_ref().map_or_else(general_fields, Kind::fields);
    let query = Query::read(&call, &fields, &[])?;
    let labels = Labels::read(&api).await?;
    let remotes = api.engine.remotes().await?;
    let wanted = |remote: &&Remote| kind.as_ref().is_none_or(|kind| kind.plugin == remote.plugin);
    let shown = remotes.iter().filter(wanted).map(|remote| show(&api, remote, &labels));
    Ok(query.answer(&call, shown.collect::<Result<_, _>>()?))
}

async fn at(api: &Api, call: &Call) -> Result<Remote, Failure> {
    let Some(Resource::Remote(plugin, id)) = call.addresses.resource(&call.path) else {
        return Err(Failure::not_found());
    };
    let mut all = api.engine.remotes().await?.into_iter();
    all.find(|one| one.id == id && one.plugin == plugin).ok_or_else(Failure::not_found)
}

async fn shown(api: &Api, call: &Call, remote: &Remote) -> Result<Value, Failure> {
    Ok(Query::read_one(call)?.shown(show(api, remote, &Labels::read(api).await?)?))
}

async fn read(api: Arc<Api>, call: Call) -> Answer {
    let remote = at(&api, &call).await?;
    shown(&api, &call, &remote).await.map(Reply::ok)
}

fn change(kind: &Kind, body: &Map<String, Value>, current: Option<&Remote>) -> Result<RemoteChange, Failure> {
    let names: Vec<String> = settings().into_iter().map(|field| field.name).collect();
    let own = body.iter().filter(|(name, _)| names.contains(name));
    let options = match &kind.rest.fields {
        Some(fields) => common::options(fields, body, current.map(|remote| &remote.options))?,
        None => Map::new(),
    };
    Ok(RemoteChange {
        url: body.get("url").and_then(Value::as_str).map(str::to_owned),
        options,
        settings: own.map(|(name, value)| (name.clone(), value.clone())).collect(),
    })
}

async fn create(api: Arc<Api>, call: Call, kind: Kind) -> Answer {
    let name = common::parsed(&call.body, "name")?;
    let labels: BTreeMap<_, _> = common::labels_of(&call.body)?.unwrap_or_default();
    let remote = api.engine.create_remote(&name, kind.plugin, change(&kind, &call.body, None)?).await?;
    api.engine.set_labels(&Resource::Remote(remote.plugin.clone(), remote.id), &labels).await?;
    shown(&api, &call, &remote).await.map(Reply::created)
}

async fn update(api: Arc<Api>, call: Call, kind: Kind, keep: bool) -> Answer {
    let remote = at(&api, &call).await?;
    common::same_name(&call.body, &remote.name)?;
    let resource = Resource::Remote(remote.plugin.clone(), remote.id);
    let mut change = change(&kind, &call.body, Some(&remote).filter(|_| keep))?;
    if !keep {
        for field in settings() {
            change.settings.entry(field.name).or_insert(Value::Null);
        }
    }
    if let Some(labels) = common::labels_of(&call.body)? {
        api.engine.set_labels(&resource, &labels).await?;
    }
    let operation = Operation::UpdateRemote { name: remote.name, change };
    common::task(&api, &call, "pulpcore.app.tasks.base.ageneral_update", operation, vec![exclusive(resource)])
        .await
}

async fn delete(api: Arc<Api>, call: Call) -> Answer {
    let remote = at(&api, &call).await?;
    let resource = Resource::Remote(remote.plugin, remote.id);
    let operation = Operation::DeleteRemote(remote.name);
    common::task(&api, &call, "pulpcore.app.tasks.base.ageneral_delete", operation, vec![exclusive(resource)])
        .await
}
