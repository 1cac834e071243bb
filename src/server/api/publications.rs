//! Publications, checkpoints among them.

use std::sync::Arc;

use checkpoint_core::engine::Operation;
use checkpoint_core::model::{Distribution, Publication, Repository};
use checkpoint_core::plugin::RestType;
use checkpoint_core::task::Resource;
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::Api;
use super::common::{self, shared, stamp};
use super::endpoint::{Answer, Call, Endpoint, Needs, Reply};
use super::failure::Failure;
use super::query::{self, Query};
use super::schema::{self, Field, boolean, declared, href, object_schema, text, texts};
use super::signing;

/// A kind of publication.
#[derive(Clone)]
pub(super) struct Kind {
    plugin: &'static str,
    name: &'static str,
    rest: RestType,
    task: &'static str,
}

impl Kind {
    fn fields(&self) -> Vec<Field> {
        let mut fields = general_fields();
        fields.extend(declared(self.rest.fields.as_ref()));
        fields
    }
}

fn general_fields() -> Vec<Field> {
    let mut fields = schema::common();
    fields.extend([
        href("repository_version").nullable(),
        href("repository").nullable(),
        boolean("checkpoint"),
        text("checkpoint_time").nullable().read_only(),
        texts("distributions").read_only(),
    ]);
    fields
}

pub(super) fn endpoints(plugin: &'static str, rest: &checkpoint_core::plugin::Rest) -> Vec<Endpoint> {
    let kinds = rest.publications.iter().map(|(name, publication)| Kind {
        plugin,
        name,
        rest: publication.clone(),
        task: rest.publish_task,
    });
    kinds.flat_map(endpoints_of).collect()
}

fn endpoints_of(kind: Kind) -> Vec<Endpoint> {
    let path = format!("publications/{}/{}/", kind.plugin, kind.rest.path);
    let operation = |action: &str| format!("publications_{}_{}_{action}", kind.plugin, kind.rest.path);
    let parameter = format!("{}_{}_publication_href", kind.plugin, kind.rest.path);
    let one = format!("{path}{{id}}/");
    let fields = kind.fields();
    let entity = object_schema(&fields, false, false);
    let (k1, k2) = (kind.clone(), kind.clone());
    vec![
        Endpoint::new(Method::GET, &path, &operation("list"), "List publications.", move |api, call| {
            list(api, call, Some(k1.clone()))
        })
        .takes(query::filters(&fields))
        .takes(vec![common::hrefs_parameter("content__in"), common::href_parameter("content")])
        .gives(StatusCode::OK, common::page_schema(&entity)),
        Endpoint::new(
            Method::POST,
            &path,
            &operation("create"),
            "Publish a version of a repository.",
            move |api, call| create(api, call, k2.clone()),
        )
        .sends(fields, false)
        .needs(Needs::Publishing)
        .gives_task(),
        Endpoint::new(Method::GET, &one, &operation("read"), "Show a publication.", read)
            .href(&parameter, "")
            .gives(StatusCode::OK, entity),
        Endpoint::new(Method::DELETE, &one, &operation("delete"), "Delete a publication.", delete)
            .href(&parameter, "")
            .needs(Needs::Publishing)
            .gives(StatusCode::NO_CONTENT, Value::Null),
    ]
}

/// The endpoint about publications of all kinds.
pub(super) fn general() -> Vec<Endpoint> {
    let anything = json!({"type": "object", "additionalProperties": true});
    vec![
        Endpoint::new(
            Method::GET,
            "publications/",
            "publications_list",
            "List publications of all kinds.",
            |api, call| list(api, call, None),
        )
        .takes(query::filters(&general_fields()))
        .takes(vec![common::hrefs_parameter("content__in"), common::href_parameter("content")])
        .gives(StatusCode::OK, common::page_schema(&anything)),
    ]
}

/// The kind that a publication is of.
pub(super) fn resource(api: &Api, repository: &Repository, publication: &Publication) -> Resource {
    let kind = api.addresses.kind_of_publication(&repository.plugin, &publication.options);
    Resource::Publication(repository.plugin.clone(), kind.to_owned(), publication.id)
}

fn show(
    api: &Api,
    (repository, publication): (&Repository, &Publication),
    distributions: &[Distribution],
) -> Result<Value, Failure> {
    let resource = resource(api, repository, publication);
    let version = Resource::Version(repository.plugin.clone(), repository.id, publication.version);
    let serving = distributions.iter().filter(|one| one.publication == Some(publication.id));
    let serving = serving.map(|one| api.addresses.href(&Resource::Distribution(one.plugin.clone(), one.id)));
    let mut shown = stamp(api, &resource, (publication.time, publication.time));
    shown.extend(common::object(json!({
        "repository_version": api.addresses.href(&version),
        "repository": api.addresses.href(&Resource::Repository(repository.plugin.clone(), repository.id)),
        "checkpoint": publication.checkpoint,
        "checkpoint_time": publication.checkpoint.then(|| publication.time.to_string()),
        "distributions": serving.collect::<Vec<_>>(),
    })));
    let Resource::Publication(_, kind, _) = &resource else { return Ok(Value::Object(shown)) };
    let declaration = api.engine.registry().get(&repository.plugin)?.declaration();
    let rest = declaration.rest.publications.iter().find(|(name, _)| name == kind);
    if let Some(fields) = rest.and_then(|(_, rest)| rest.fields.as_ref()) {
        shown.extend(fields.of_options(&publication.options)?);
    }
    Ok(Value::Object(shown))
}

async fn list(api: Arc<Api>, call: Call, kind: Option<Kind>) -> Answer {
    let fields = kind.as_ref().map_or_else(general_fields, Kind::fields);
    let query = Query::read(&call, &fields, &["content", "content__in"])?;
    let distributions = api.engine.distributions().await?;
    let content = match call.parameter("content__in").or(call.parameter("content")) {
        Some(list) => {
            let units = common::content_ids(&api, "content__in", list.split(',')).await?;
            Some(api.engine.versions_with(&units).await?)
        }
        None => None,
    };
    let mut shown = Vec::new();
    for repository in api.engine.repositories().await? {
        if kind.as_ref().is_some_and(|kind| kind.plugin != repository.plugin) {
            continue;
        }
        for publication in api.engine.publications(&repository.name).await?.iter().rev() {
            let is_kind = |kind: &Kind| matches!(resource(&api, &repository, publication), Resource::Publication(_, name, _) if name == kind.name);
            let with =
                content.as_ref().is_none_or(|with| with.contains(&(repository.id, publication.version)));
            if with && kind.as_ref().is_none_or(is_kind) {
                shown.push(show(&api, (&repository, publication), &distributions)?);
            }
        }
    }
    Ok(query.answer(&call, shown))
}

async fn at(api: &Api, call: &Call) -> Result<(Repository, Publication), Failure> {
    let Some(Resource::Publication(plugin, _, id)) = call.addresses.resource(&call.path) else {
        return Err(Failure::not_found());
    };
    let (repository, publication) = api.engine.publication_by_id(id).await?;
    match repository.plugin == plugin {
        true => Ok((repository, publication)),
        false => Err(Failure::not_found()),
    }
}

async fn read(api: Arc<Api>, call: Call) -> Answer {
    let (repository, publication) = at(&api, &call).await?;
    let distributions = api.engine.distributions().await?;
    let shown = show(&api, (&repository, &publication), &distributions)?;
    Ok(Reply::ok(Query::read_one(&call)?.shown(shown)))
}

async fn create(api: Arc<Api>, call: Call, kind: Kind) -> Answer {
    let is_set = |name: &str| call.body.get(name).is_some_and(|value| !value.is_null());
    let checkpoint = call.body.get("checkpoint").and_then(Value::as_bool).unwrap_or(false);
    let (repository, version) = match (is_set("repository"), is_set("repository_version")) {
        (false, false) => {
            return Err(Failure::general(
                "Either the 'repository' or 'repository_version' need to be specified",
            ));
        }
        (true, true) => {
            return Err(Failure::general(
                "Either the 'repository' or 'repository_version' need to be specified but not both.",
            ));
        }
        (false, true) if checkpoint => {
            return Err(Failure::general("'checkpoint' may only be used with 'repository'"));
        }
        (false, true) => {
            let named =
                common::version_named(&api, "repository_version", &call.body["repository_version"]).await?;
            (named.0, Some(named.1))
        }
        (true, false) => {
            let found = common::repository_named(&api, "repository", &call.body["repository"]).await?;
            (found.ok_or_else(Failure::not_found)?, None)
        }
    };
    signing::check(&api, &call.body)?;
    common::check_plugin(&repository, kind.plugin)?;
    call.may_change(&repository.name)?;
    let mut options = match &kind.rest.fields {
        Some(fields) => common::options(fields, &call.body, None)?,
        None => Map::new(),
    };
    options.retain(|_, value| !value.is_null());
    options.extend(api.addresses.kind_option(kind.plugin, kind.name));
    let resource = shared(Resource::Repository(repository.plugin.clone(), repository.id));
    let operation = Operation::Publish { repository: repository.name, version, checkpoint, options };
    common::task(&api, &call, kind.task, operation, vec![resource]).await
}

async fn delete(api: Arc<Api>, call: Call) -> Answer {
    let (repository, publication) = at(&api, &call).await?;
    call.may_change(&repository.name)?;
    api.engine.delete_publication(&repository.name, publication.id).await?;
    Ok(Reply::nothing())
}
