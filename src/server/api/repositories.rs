//! Repositories and their versions.

use std::collections::BTreeMap;
use std::sync::Arc;

use checkpoint_core::catalog::Part;
use checkpoint_core::engine::{Modify, Operation, RepositoryChange};
use checkpoint_core::model::{Repository, RepositoryVersion};
use checkpoint_core::name::Name;
use checkpoint_core::plugin::RestType;
use checkpoint_core::task::Resource;
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::Api;
use super::common::{self, Labels, exclusive, shared, stamp};
use super::endpoint::{Answer, Call, Endpoint, Needs, Reply};
use super::failure::Failure;
use super::query::{self, Query};
use super::schema::{
    self, Field, boolean, declared, href, integer, labels, object, object_schema, text, texts,
};
use super::signing;

/// A kind of repository.
#[derive(Clone)]
pub(super) struct Kind {
    plugin: &'static str,
    rest: RestType,
    sync_task: &'static str,
}

impl Kind {
    fn fields(&self) -> Vec<Field> {
        let mut fields = schema::common();
        fields.extend([
            text("name").required(),
            labels(),
            text("description").nullable(),
            integer("retain_repo_versions").nullable().at_least(1),
            integer("retain_checkpoints").nullable().at_least(1),
            href("remote").nullable(),
            boolean("autopublish"),
            boolean("autopublish_checkpoint"),
            href("versions_href").read_only(),
            href("latest_version_href").read_only(),
        ]);
        fields.extend(declared(self.rest.fields.as_ref()));
        fields
    }
}

fn version_fields() -> Vec<Field> {
    let mut fields = schema::common();
    fields.extend([
        integer("number").read_only(),
        href("repository").read_only(),
        href("base_version").nullable().read_only(),
        object("content_summary").read_only(),
    ]);
    fields
}

pub(super) fn endpoints(plugin: &'static str, rest: &checkpoint_core::plugin::Rest) -> Vec<Endpoint> {
    let kind = Kind { plugin, rest: rest.repository.clone(), sync_task: rest.sync_task };
    let path = format!("repositories/{plugin}/{}/", kind.rest.path);
    let operation = |action: &str| format!("repositories_{plugin}_{}_{action}", kind.rest.path);
    let parameter = format!("{plugin}_{}_repository_href", kind.rest.path);
    let one = format!("{path}{{id}}/");
    let fields = kind.fields();
    let entity = object_schema(&fields, false, false);
    let with = |kind: &Kind| kind.clone();
    let (k1, k2, k3, k4) = (with(&kind), with(&kind), with(&kind), with(&kind));
    let mut all = vec![
        Endpoint::new(Method::GET, &path, &operation("list"), "List repositories.", move |api, call| {
            list(api, call, Some(k1.clone()))
        })
        .takes(query::filters(&fields))
        .gives(StatusCode::OK, common::page_schema(&entity)),
        Endpoint::new(Method::POST, &path, &operation("create"), "Create a repository.", move |api, call| {
            create(api, call, k2.clone())
        })
        .sends(fields.clone(), false)
        .gives(StatusCode::CREATED, entity.clone()),
        Endpoint::new(Method::GET, &one, &operation("read"), "Show a repository.", read)
            .href(&parameter, "")
            .gives(StatusCode::OK, entity.clone()),
        Endpoint::new(
            Method::PATCH,
            &one,
            &operation("partial_update"),
            "Change a repository.",
            move |api, call| update(api, call, k3.clone()),
        )
        .href(&parameter, "")
        .sends(fields.clone(), true)
        .needs(Needs::Publishing)
        .gives_task(),
        Endpoint::new(
            Method::PUT,
            &one,
            &operation("update"),
            "Replace what can be set for a repository.",
            move |api, call| update(api, call, k4.clone()),
        )
        .href(&parameter, "")
        .sends(fields, false)
        .needs(Needs::Publishing)
        .gives_task(),
        Endpoint::new(Method::DELETE, &one, &operation("delete"), "Delete a repository.", delete)
            .href(&parameter, "")
            .gives_task(),
    ];
    all.extend(actions(&kind, (&one, &parameter), &operation));
    all.extend(version_endpoints(plugin, &kind.rest, &one));
    all.extend(common::label_endpoints(&one, &operation, &parameter));
    all
}

fn actions(kind: &Kind, (one, parameter): (&str, &str), operation: &dyn Fn(&str) -> String) -> Vec<Endpoint> {
    let syncs = kind.clone();
    vec![
        Endpoint::new(
            Method::POST,
            &format!("{one}sync/"),
            &operation("sync"),
            "Fetch what a remote has.",
            move |api, call| sync(api, call, syncs.clone()),
        )
        .href(parameter, "sync/")
        .sends(
            ["mirror", "optimize", "skip_broken", "accept_change"]
                .map(boolean)
                .into_iter()
                .chain([href("remote").nullable()])
                .collect(),
            true,
        )
        .needs(Needs::Publishing)
        .gives_task(),
        Endpoint::new(
            Method::POST,
            &format!("{one}fetch/"),
            &operation("fetch"),
            "Fetch the files that the newest version has and the store has not.",
            fetch,
        )
        .href(parameter, "fetch/")
        .needs(Needs::Publishing)
        .gives_task(),
        Endpoint::new(
            Method::POST,
            &format!("{one}modify/"),
            &operation("modify"),
            "Add and remove content.",
            modify,
        )
        .href(parameter, "modify/")
        .sends(
            vec![
                texts("add_content_units"),
                texts("remove_content_units"),
                href("base_version").nullable(),
                boolean("overwrite"),
            ],
            true,
        )
        .needs(Needs::Publishing)
        .gives_task(),
    ]
}

fn version_endpoints(plugin: &'static str, rest: &RestType, one: &str) -> Vec<Endpoint> {
    let path = format!("{one}versions/");
    let operation = |action: &str| format!("repositories_{plugin}_{}_versions_{action}", rest.path);
    let repository = format!("{plugin}_{}_repository_href", rest.path);
    let parameter = format!("{plugin}_{}_repository_version_href", rest.path);
    let version = format!("{path}{{number}}/");
    let entity = object_schema(&version_fields(), false, false);
    vec![
        Endpoint::new(
            Method::GET,
            &path,
            &operation("list"),
            "List versions of a repository.",
            list_versions,
        )
        .href(&repository, "versions/")
        .takes(query::filters(&version_fields()))
        .takes(vec![common::hrefs_parameter("content__in"), common::href_parameter("content")])
        .gives(StatusCode::OK, common::page_schema(&entity)),
        Endpoint::new(
            Method::GET,
            &version,
            &operation("read"),
            "Show a version of a repository.",
            read_version,
        )
        .href(&parameter, "")
        .gives(StatusCode::OK, entity),
        Endpoint::new(
            Method::DELETE,
            &version,
            &operation("delete"),
            "Delete a version of a repository.",
            delete_version,
        )
        .href(&parameter, "")
        .needs(Needs::Publishing)
        .gives_task(),
        Endpoint::new(
            Method::POST,
            &format!("{version}repair/"),
            &operation("repair"),
            "Find and repair damaged files of a version.",
            repair_version,
        )
        .href(&parameter, "repair/")
        .sends(vec![boolean("verify_checksums")], true)
        .needs(Needs::Publishing)
        .gives_task(),
    ]
}

/// The endpoints about repositories of all kinds.
pub(super) fn general() -> Vec<Endpoint> {
    let anything = json!({"type": "object", "additionalProperties": true});
    vec![
        Endpoint::new(
            Method::GET,
            "repositories/",
            "repositories_list",
            "List repositories of all kinds.",
            |api, call| list(api, call, None),
        )
        .takes(query::filters(&general_fields()))
        .gives(StatusCode::OK, common::page_schema(&anything)),
        Endpoint::new(
            Method::GET,
            "repository_versions/",
            "repository_versions_list",
            "List versions of all repositories.",
            list_versions,
        )
        .takes(query::filters(&version_fields()))
        .takes(vec![common::hrefs_parameter("content__in"), common::href_parameter("content")])
        .gives(StatusCode::OK, common::page_schema(&anything)),
        Endpoint::new(
            Method::POST,
            "repositories/reclaim_space/",
            "repositories_reclaim_space_reclaim",
            "Drop bytes that a remote still has.",
            reclaim,
        )
        .sends(vec![texts("repo_hrefs").required(), texts("repo_versions_keeplist")], false)
        .gives_task(),
    ]
}

fn general_fields() -> Vec<Field> {
    let mut fields = schema::common();
    fields.extend([
        text("name"),
        labels(),
        text("description").nullable(),
        integer("retain_repo_versions").nullable(),
        integer("retain_checkpoints").nullable(),
        href("remote").nullable(),
    ]);
    fields
}

/// A repository as the API shows it.
fn show(
    api: &Api,
    repository: &Repository,
    labels: &Labels,
    remotes: &BTreeMap<Name, Resource>,
) -> Result<Value, Failure> {
    let resource = Resource::Repository(repository.plugin.clone(), repository.id);
    let remote = repository.remotes.first().and_then(|name| remotes.get(name));
    let href = api.addresses.href(&resource);
    let newest = Resource::Version(repository.plugin.clone(), repository.id, repository.latest_version);
    let settings = &repository.settings;
    use checkpoint_core::model::Autopublish;
    let mut shown = stamp(api, &resource, (repository.created, repository.updated));
    shown.extend(common::object(json!({
        "versions_href": format!("{href}versions/"),
        "latest_version_href": api.addresses.href(&newest),
        "pulp_labels": labels.of(&resource),
        "name": repository.name,
        "description": settings.description,
        "retain_repo_versions": settings.retain_repo_versions,
        "retain_checkpoints": settings.retain_checkpoints,
        "remote": remote.map(|remote| api.addresses.href(remote)),
        "autopublish": settings.autopublish != Autopublish::Off,
        "autopublish_checkpoint": settings.autopublish == Autopublish::Checkpoint,
    })));
    let declaration = api.engine.registry().get(&repository.plugin)?.declaration();
    if let Some(fields) = &declaration.rest.repository.fields {
        shown.extend(fields.of_options(&repository.options)?);
    }
    Ok(Value::Object(shown))
}

async fn list(api: Arc<Api>, call: Call, kind: Option<Kind>) -> Answer {
    let fields = kind.as_ref().map_or_else(general_fields, Kind::fields);
    let query = Query::read(&call, &fields, &[])?;
    let (labels, remotes) = (Labels::read(&api).await?, common::remotes(&api).await?);
    let repositories = api.engine.repositories().await?;
    let wanted = |repository: &&Repository| kind.as_ref().is_none_or(|kind| kind.plugin == repository.plugin);
    let shown =
        repositories.iter().filter(wanted).map(|repository| show(&api, repository, &labels, &remotes));
    Ok(query.answer(&call, shown.collect::<Result<_, _>>()?))
}

async fn read(api: Arc<Api>, call: Call) -> Answer {
    let repository = common::repository_at(&api, &call).await?;
    shown(&api, &call, &repository).await.map(Reply::ok)
}

async fn shown(api: &Api, call: &Call, repository: &Repository) -> Result<Value, Failure> {
    let (labels, remotes) = (Labels::read(api).await?, common::remotes(api).await?);
    Ok(Query::read_one(call)?.shown(show(api, repository, &labels, &remotes)?))
}

/// What the fields of a request change.
async fn change(
    api: &Api,
    kind: &Kind,
    body: &Map<String, Value>,
    current: Option<&Repository>,
) -> Result<RepositoryChange, Failure> {
    let mut change = RepositoryChange::default();
    for name in ["description", "retain_repo_versions", "retain_checkpoints"] {
        change.settings.extend(body.get(name).map(|value| (name.to_owned(), value.clone())));
    }
    let autopublish = match (body.get("autopublish"), body.get("autopublish_checkpoint")) {
        (_, Some(Value::Bool(true))) => Some("checkpoint"),
        (Some(Value::Bool(true)), _) => Some("publish"),
        (None, None) => None,
        _ => Some("off"),
    };
    change.settings.extend(autopublish.map(|value| ("autopublish".to_owned(), json!(value))));
    if let Some(remote) = body.get("remote") {
        change.remotes =
            Some(common::remote_named(api, "remote", remote, kind.plugin).await?.into_iter().collect());
    }
    signing::check(api, body)?;
    if let Some(fields) = &kind.rest.fields {
        let options = current.map(|repository| &repository.options);
        change.options = common::options(fields, body, options)?;
    }
    Ok(change)
}

async fn create(api: Arc<Api>, call: Call, kind: Kind) -> Answer {
    let name: Name = common::parsed(&call.body, "name")?;
    let change = change(&api, &kind, &call.body, None).await?;
    let labels = common::labels_of(&call.body)?;
    let repository = api.engine.create_repository(&name, kind.plugin, change).await?;
    let resource = Resource::Repository(repository.plugin.clone(), repository.id);
    api.engine.set_labels(&resource, &labels.unwrap_or_default()).await?;
    shown(&api, &call, &repository).await.map(Reply::created)
}

async fn update(api: Arc<Api>, call: Call, kind: Kind) -> Answer {
    let repository = common::repository_at(&api, &call).await?;
    call.may_change(&repository.name)?;
    common::same_name(&call.body, &repository.name)?;
    let resource = Resource::Repository(repository.plugin.clone(), repository.id);
    let change = change(&api, &kind, &call.body, Some(&repository)).await?;
    if let Some(labels) = common::labels_of(&call.body)? {
        api.engine.set_labels(&resource, &labels).await?;
    }
    let operation = Operation::UpdateRepository { name: repository.name, change };
    common::task(&api, &call, "pulpcore.app.tasks.base.ageneral_update", operation, vec![exclusive(resource)])
        .await
}

async fn delete(api: Arc<Api>, call: Call) -> Answer {
    let repository = common::repository_at(&api, &call).await?;
    let resource = Resource::Repository(repository.plugin.clone(), repository.id);
    let operation = Operation::DeleteRepository(repository.name);
    common::task(&api, &call, "pulpcore.app.tasks.base.general_delete", operation, vec![exclusive(resource)])
        .await
}

async fn sync(api: Arc<Api>, call: Call, kind: Kind) -> Answer {
    let repository = common::repository_at(&api, &call).await?;
    call.may_change(&repository.name)?;
    let named = call.body.get("remote").cloned().unwrap_or(Value::Null);
    let remote = common::remote_named(&api, "remote", &named, kind.plugin).await?;
    if remote.is_none() && repository.remotes.is_empty() {
        return Err(Failure::field(
            "remote",
            "This field is required since a remote is not specified on the repository.",
        ));
    }
    let remotes = common::remotes(&api).await?;
    let used = remote.iter().chain(&repository.remotes).take(if remote.is_some() { 1 } else { usize::MAX });
    let mut reservations = vec![exclusive(Resource::Repository(repository.plugin.clone(), repository.id))];
    reservations.extend(used.filter_map(|name| remotes.get(name)).cloned().map(shared));
    let mirror = call.body.get("mirror").and_then(Value::as_bool);
    let skip_broken = call.body.get("skip_broken").and_then(Value::as_bool).unwrap_or(false);
    // Unless it is told, Pulp adds to what is there.
    let mirror = Some(mirror.unwrap_or(false));
    let accept_change = call.body.get("accept_change").and_then(Value::as_bool).unwrap_or(false);
    if accept_change {
        // That an upstream may go back in time is not for everybody to say.
        common::administrating(&call)?;
    }
    let repository = repository.name;
    // Pulp's `optimize` skips what is as it was.
    let afresh = call.body.get("optimize").and_then(Value::as_bool) == Some(false);
    let operation = Operation::Sync { repository, remote, mirror, skip_broken, accept_change, afresh };
    common::task(&api, &call, kind.sync_task, operation, reservations).await
}

async fn fetch(api: Arc<Api>, call: Call) -> Answer {
    let repository = common::repository_at(&api, &call).await?;
    call.may_change(&repository.name)?;
    let resource = Resource::Repository(repository.plugin.clone(), repository.id);
    let operation = Operation::Fetch(repository.name);
    common::task(&api, &call, "debpoint.fetch", operation, vec![shared(resource)]).await
}

async fn modify(api: Arc<Api>, call: Call) -> Answer {
    let repository = common::repository_at(&api, &call).await?;
    call.may_change(&repository.name)?;
    let add = common::content(&api, &call, "add_content_units").await?;
    let remove_all = call.body.get("remove_content_units").is_some_and(|units| *units == json!(["*"]));
    let remove =
        if remove_all { Vec::new() } else { common::content(&api, &call, "remove_content_units").await? };
    let found = api.engine.unit_details(&[add.clone(), remove.clone()].concat()).await?;
    let mut wanted = add.iter().chain(&remove);
    if let Some(id) = wanted.find(|id| !found.iter().any(|detail| detail.unit.id == **id)) {
        return Err(Failure::field("add_content_units", format!("Could not find the content unit {id}.")));
    }
    let base = match call.body.get("base_version") {
        None | Some(Value::Null) => None,
        Some(base) => Some(common::version_named(&api, "base_version", base).await?),
    };
    let resource = Resource::Repository(repository.plugin.clone(), repository.id);
    let base = base.map(|(repository, number)| (repository.id, number));
    let operation = Operation::Modify(Modify { repository: repository.name, base, add, remove, remove_all });
    common::task(
        &api,
        &call,
        "pulpcore.app.tasks.repository.aadd_and_remove",
        operation,
        vec![exclusive(resource)],
    )
    .await
}

async fn show_version(
    api: &Api,
    repository: &Repository,
    version: &RepositoryVersion,
) -> Result<Value, Failure> {
    let resource = Resource::Version(repository.plugin.clone(), repository.id, version.number);
    let key = (repository.id, version.number);
    let href = api.addresses.href(&resource);
    let mut summary = Map::new();
    let parts = [
        ("added", Part::Added, "repository_version_added"),
        ("removed", Part::Removed, "repository_version_removed"),
        ("present", Part::Present, "repository_version"),
    ];
    for (name, part, parameter) in parts {
        let mut counts = Map::new();
        for (content_type, count) in api.engine.count_units(key, part).await? {
            let list = api.addresses.content_path(&content_type);
            let list = format!("{list}?{parameter}={href}");
            counts.insert(content_type, json!({"count": count, "href": list}));
        }
        summary.insert(name.to_owned(), Value::Object(counts));
    }
    let mut shown = stamp(api, &resource, (version.created, version.created));
    shown.extend(common::object(json!({
        "number": version.number,
        "repository": api.addresses.href(&Resource::Repository(repository.plugin.clone(), repository.id)),
        "base_version": Value::Null,
        "content_summary": summary,
        "vuln_report": Value::Null,
    })));
    Ok(Value::Object(shown))
}

/// Versions of the repository at the address, or of all of them.
async fn list_versions(api: Arc<Api>, call: Call) -> Answer {
    let query = Query::read(&call, &version_fields(), &["content", "content__in"])?;
    let repositories = match call.variables.contains_key("id") {
        true => vec![common::repository_at(&api, &call).await?],
        false => api.engine.repositories().await?,
    };
    let content = match call.parameter("content__in").or(call.parameter("content")) {
        Some(list) => {
            let units = common::content_ids(&api, "content__in", list.split(',')).await?;
            Some(api.engine.versions_with(&units).await?)
        }
        None => None,
    };
    let mut shown = Vec::new();
    for repository in &repositories {
        for version in api.engine.versions(&repository.name).await?.iter().rev() {
            if content.as_ref().is_none_or(|with| with.contains(&(repository.id, version.number))) {
                shown.push(show_version(&api, repository, version).await?);
            }
        }
    }
    Ok(query.answer(&call, shown))
}

async fn version_at(api: &Api, call: &Call) -> Result<(Repository, RepositoryVersion), Failure> {
    let repository = common::repository_at(api, call).await?;
    let number = call.variables.get("number").and_then(|number| number.parse::<i64>().ok());
    let versions = api.engine.versions(&repository.name).await?.into_iter();
    let found = versions.into_iter().find(|version| Some(version.number) == number);
    found.map(|version| (repository, version)).ok_or_else(Failure::not_found)
}

async fn read_version(api: Arc<Api>, call: Call) -> Answer {
    let (repository, version) = version_at(&api, &call).await?;
    Ok(Reply::ok(Query::read_one(&call)?.shown(show_version(&api, &repository, &version).await?)))
}

async fn delete_version(api: Arc<Api>, call: Call) -> Answer {
    let (repository, version) = version_at(&api, &call).await?;
    call.may_change(&repository.name)?;
    if let Err(error) = api.engine.check_version_is_free(&repository.name, version.number).await {
        return Err(Failure::general(error.to_string()));
    }
    let resource = Resource::Repository(repository.plugin.clone(), repository.id);
    let operation = Operation::DeleteVersion { repository: repository.name, number: version.number };
    common::task(
        &api,
        &call,
        "pulpcore.app.tasks.repository.delete_version",
        operation,
        vec![exclusive(resource)],
    )
    .await
}

async fn repair_version(api: Arc<Api>, call: Call) -> Answer {
    let (repository, version) = version_at(&api, &call).await?;
    call.may_change(&repository.name)?;
    let resource = Resource::Repository(repository.plugin.clone(), repository.id);
    let operation = Operation::Repair(Some((repository.id, version.number)));
    common::task(
        &api,
        &call,
        "pulpcore.app.tasks.repository.repair_version",
        operation,
        vec![shared(resource)],
    )
    .await
}

async fn reclaim(api: Arc<Api>, call: Call) -> Answer {
    let named = call.body.get("repo_hrefs").and_then(Value::as_array).cloned().unwrap_or_default();
    let all = api.engine.repositories().await?;
    let repositories = match named == [json!("*")] {
        true => all,
        false => {
            let find = |address: &Value| {
                let resource = call.addresses.resource(address.as_str().unwrap_or_default());
                let found =
                    all.iter().find(|r| Some(Resource::Repository(r.plugin.clone(), r.id)) == resource);
                found
                    .cloned()
                    .ok_or_else(|| Failure::field("repo_hrefs", format!("URI not valid: {address}")))
            };
            named.iter().map(find).collect::<Result<_, _>>()?
        }
    };
    let mut keep = Vec::new();
    let versions =
        call.body.get("repo_versions_keeplist").and_then(Value::as_array).cloned().unwrap_or_default();
    for version in &versions {
        let (repository, number) = common::version_named(&api, "repo_versions_keeplist", version).await?;
        keep.push((repository.id, number));
    }
    let resources =
        repositories.iter().map(|r| exclusive(Resource::Repository(r.plugin.clone(), r.id))).collect();
    let repositories = repositories.into_iter().map(|repository| repository.name).collect();
    let operation = Operation::ReclaimSpace { repositories, keep };
    common::task(&api, &call, "pulpcore.app.tasks.reclaim_space.reclaim_space", operation, resources).await
}
