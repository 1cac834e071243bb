//! Content units.

use std::collections::HashSet;
use std::sync::Arc;

use checkpoint_core::catalog::{Part, UnitDetail};
use checkpoint_core::digest::{Digests, Sha256};
use checkpoint_core::engine::{ContentSource, CreateContent, Operation};
use checkpoint_core::model::Id;
use checkpoint_core::plugin::RestContent;
use checkpoint_core::task::Resource;
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::Api;
use super::common::{self, Labels, UPLOADING, exclusive, stamp};
use super::derived;
use super::endpoint::{Answer, Call, Endpoint, Reply};
use super::failure::Failure;
use super::query::{self, Query};
use super::schema::{self, Field, declared, file, href, labels, object, object_schema, text};

/// How many units are looked at in one go.
const BATCH: usize = 1_000;
/// Parameters that say which units are listed at all.
const SCOPES: [(&str, Part); 3] = [
    ("repository_version", Part::Present),
    ("repository_version_added", Part::Added),
    ("repository_version_removed", Part::Removed),
];
/// Digests that are not kept; Pulp shows them as null where it does not keep them either.
const NOT_KEPT: [&str; 4] = ["sha1", "sha224", "sha384", "sha512"];

/// A kind of content.
#[derive(Clone)]
pub(super) struct Kind {
    plugin: &'static str,
    rest: RestContent,
}

impl Kind {
    /// What a unit shows.
    fn fields(&self) -> Vec<Field> {
        let mut fields = general_fields();
        fields.extend([href("artifact").nullable().read_only(), text("relative_path").nullable(), labels()]);
        if self.rest.several {
            fields.push(object("artifacts").read_only());
        }
        fields
            .extend(["md5", "sha256"].iter().chain(&NOT_KEPT).map(|name| text(name).nullable().read_only()));
        fields.extend(self.rest.shows.iter().map(|name| text(name).nullable().read_only()));
        fields
    }

    /// What an upload sends.
    fn upload_fields(&self) -> Vec<Field> {
        let mut fields = vec![
            file("file"),
            href("artifact").nullable(),
            href("upload").nullable(),
            text("file_url").nullable(),
            href("repository").nullable(),
            labels(),
        ];
        fields.extend(declared(self.rest.rest.fields.as_ref()));
        fields
    }
}

fn general_fields() -> Vec<Field> {
    schema::common()
}

pub(super) fn endpoints(plugin: &'static str, rest: &checkpoint_core::plugin::Rest) -> Vec<Endpoint> {
    let endpoints = |content: &RestContent| match content.derived {
        true => derived::endpoints(plugin, content),
        false => endpoints_of(Kind { plugin, rest: content.clone() }),
    };
    rest.content.iter().flat_map(endpoints).collect()
}

fn endpoints_of(kind: Kind) -> Vec<Endpoint> {
    let path = format!("content/{}/{}/", kind.plugin, kind.rest.rest.path);
    let operation = |action: &str| format!("content_{}_{}_{action}", kind.plugin, kind.rest.rest.path);
    let parameter = format!("{}_href", kind.rest.parameter);
    let one = format!("{path}{{id}}/");
    let fields = kind.fields();
    let entity = object_schema(&fields, false, false);
    let (k1, k2, k3) = (kind.clone(), kind.clone(), kind.clone());
    let mut all = vec![
        Endpoint::new(Method::GET, &path, &operation("list"), "List content.", move |api, call| {
            list(api, call, k1.clone())
        })
        .takes(query::filters(&fields))
        .takes(SCOPES.map(|(name, _)| common::href_parameter(name)).to_vec())
        .takes(vec![common::href_parameter("release_component")])
        .gives(StatusCode::OK, common::page_schema(&entity)),
        Endpoint::new(Method::GET, &one, &operation("read"), "Show content.", move |api, call| {
            read(api, call, k2.clone())
        })
        .href(&parameter, "")
        .gives(StatusCode::OK, entity),
    ];
    if kind.rest.upload {
        all.push(
            Endpoint::new(
                Method::POST,
                &path,
                &operation("create"),
                "Make content of a file.",
                move |api, call| create(api, call, k3.clone()),
            )
            .sends(kind.upload_fields(), false)
            .needs(UPLOADING)
            .gives_task(),
        );
    }
    all.extend(common::label_endpoints(&one, &operation, &parameter));
    all
}

/// The endpoint about content of all kinds.
pub(super) fn general() -> Vec<Endpoint> {
    let anything = json!({"type": "object", "additionalProperties": true});
    vec![
        Endpoint::new(Method::GET, "content/", "content_list", "List content of all kinds.", list_all)
            .takes(query::filters(&general_fields()))
            .takes(SCOPES.map(|(name, _)| common::href_parameter(name)).to_vec())
            .gives(StatusCode::OK, common::page_schema(&anything)),
    ]
}

/// The version, and which part of it, that a request is about.
async fn scope(api: &Api, call: &Call) -> Result<Option<((Id, i64), Part)>, Failure> {
    for (name, part) in SCOPES {
        if let Some(address) = call.parameter(name) {
            let (repository, number) = common::version_named(api, name, &json!(address)).await?;
            return Ok(Some(((repository.id, number), part)));
        }
    }
    Ok(None)
}

fn taken() -> Vec<&'static str> {
    SCOPES.iter().map(|(name, _)| *name).chain(["release_component"]).collect()
}

async fn list(api: Arc<Api>, call: Call, kind: Kind) -> Answer {
    let query = Query::read(&call, &kind.fields(), &taken())?;
    let scope = scope(&api, &call).await?;
    let mut ids = api.engine.unit_ids(kind.rest.content_type, scope).await?;
    if let Some(address) = call.parameter("release_component") {
        let Some((version, _)) = scope else {
            return Err(Failure::field("repository_version", "It is needed beside 'release_component'."));
        };
        let there = derived::units_at(&api, version, address).await?;
        ids.retain(|id| there.contains(id));
    }
    if let Some((value, (_, end))) = kind.rest.key.and_then(|key| Some((query.only(key.0)?, key))) {
        let few = api.engine.unit_ids_by_key(kind.rest.content_type, &format!("{value}{end}")).await?;
        let few: HashSet<Id> = few.into_iter().collect();
        ids.retain(|id| few.contains(id));
    }
    let labels = Labels::read(&api).await?;
    if !query.needs_all() {
        let page = &ids[query.page(ids.len())];
        let shown = show_all(&api, &kind, page, &labels).await?;
        return Ok(query.answer_page(&call, ids.len(), shown));
    }
    let mut kept = Vec::new();
    for some in ids.chunks(BATCH) {
        let shown = show_all(&api, &kind, some, &labels).await?;
        kept.extend(shown.into_iter().filter(|unit| query.keeps(unit)));
    }
    Ok(query.answer(&call, kept))
}

async fn list_all(api: Arc<Api>, call: Call) -> Answer {
    let query = Query::read(&call, &general_fields(), &taken())?;
    let (scope, labels) = (scope(&api, &call).await?, Labels::read(&api).await?);
    let mut kept = Vec::new();
    for (plugin, rest) in api.addresses.plugins() {
        for content in rest.content.iter().filter(|content| !content.derived) {
            let kind = Kind { plugin, rest: content.clone() };
            let ids = api.engine.unit_ids(content.content_type, scope).await?;
            for some in ids.chunks(BATCH) {
                let shown = show_all(&api, &kind, some, &labels).await?;
                kept.extend(shown.into_iter().filter(|unit| query.keeps(unit)));
            }
        }
    }
    Ok(query.answer(&call, kept))
}

async fn read(api: Arc<Api>, call: Call, kind: Kind) -> Answer {
    let Some(Resource::Content(_, id)) = call.addresses.resource(&call.path) else {
        return Err(Failure::not_found());
    };
    let labels = Labels::read(&api).await?;
    let shown = show_all(&api, &kind, &[id], &labels).await?.pop().ok_or_else(Failure::not_found)?;
    Ok(Reply::ok(Query::read_one(&call)?.shown(shown)))
}

async fn show_all(api: &Api, kind: &Kind, ids: &[Id], labels: &Labels) -> Result<Vec<Value>, Failure> {
    let mut details = api.engine.unit_details(ids).await?;
    details.retain(|detail| detail.unit.content_type == kind.rest.content_type);
    let digests: Vec<Sha256> =
        details.iter().flat_map(|detail| detail.files.iter().map(|file| file.sha256)).collect();
    let held = api.engine.held(&digests).await?;
    let plugin = api.engine.registry().get(kind.plugin)?;
    let show = |detail: &UnitDetail| {
        let resource = Resource::Content(detail.unit.content_type.clone(), detail.unit.id);
        let mut shown = stamp(api, &resource, (detail.created, detail.created));
        let href = |digests: &Digests| api.addresses.href(&Resource::Artifact(digests.sha256));
        let file = detail.files.first();
        let artifact: Option<&Digests> = file.and_then(|file| held.get(&file.sha256));
        if kind.rest.several {
            let all = detail.files.iter().map(|file| {
                let artifact = held.get(&file.sha256).map(href);
                (file.path.to_string(), json!(artifact))
            });
            shown.insert("artifacts".to_owned(), Value::Object(all.collect()));
        }
        shown.extend(common::object(json!({
            // Something of several files has no one artifact.
            "artifact": artifact.filter(|_| !kind.rest.several).map(href),
            "relative_path": file.map(|file| file.path.clone()),
            "sha256": file.map(|file| file.sha256),
            "md5": artifact.map(|digests| digests.md5),
            "pulp_labels": labels.of(&resource),
        })));
        shown.extend(NOT_KEPT.map(|name| (name.to_owned(), Value::Null)));
        shown.extend(plugin.fields(&detail.unit));
        Value::Object(shown)
    };
    Ok(details.iter().map(show).collect())
}

async fn create(api: Arc<Api>, call: Call, kind: Kind) -> Answer {
    let mut call = call;
    let repository = match call.body.get("repository") {
        Some(address) => common::repository_named(&api, "repository", address).await?,
        None => None,
    };
    let mut reservations = Vec::new();
    if let Some(repository) = &repository {
        common::check_plugin(repository, kind.plugin)?;
        call.may_change(&repository.name)?;
        reservations.push(exclusive(Resource::Repository(repository.plugin.clone(), repository.id)));
    }
    let (source, file_name) = source(&api, &mut call).await?;
    let mut options: Map<String, Value> = match &kind.rest.rest.fields {
        Some(fields) => common::options(fields, &call.body, None)?,
        None => Map::new(),
    };
    options.retain(|_, value| !value.is_null());
    let file_name = match call.body.get("relative_path").and_then(Value::as_str) {
        Some(path) => path.rsplit('/').next().unwrap_or(path).to_owned(),
        None => file_name,
    };
    let operation = Operation::CreateContent(CreateContent {
        plugin: kind.plugin.to_owned(),
        source,
        file_name,
        options,
        repository: repository.map(|repository| repository.name),
        labels: common::labels_of(&call.body)?.unwrap_or_default(),
    });
    common::task(&api, &call, "pulpcore.app.tasks.base.general_create", operation, reservations).await
}

/// Where the bytes of an upload are; those that the request brought are an artifact from here on.
async fn source(api: &Api, call: &mut Call) -> Result<(ContentSource, String), Failure> {
    let given: Vec<&str> = ["file", "artifact", "upload", "file_url"]
        .into_iter()
        .filter(|name| {
            call.body.get(*name).is_some_and(|value| !value.is_null()) || call.files.contains_key(*name)
        })
        .collect();
    let [given] = given[..] else {
        return Err(Failure::general(
            "Exactly one of 'file', 'artifact', 'upload' and 'file_url' must be specified.",
        ));
    };
    let address = call.body.get(given).cloned().unwrap_or(Value::Null);
    let text = address.as_str().unwrap_or_default();
    let wrong = || Failure::field(given, "Invalid hyperlink - Object does not exist.");
    match given {
        "file" => {
            let (name, staged) = call.files.remove("file").ok_or_else(|| {
                Failure::field(
                    "file",
                    "The submitted data was not a file. Check the encoding type on the form.",
                )
            })?;
            Ok((ContentSource::Artifact(api.engine.create_artifact(staged).await?.sha256), name))
        }
        "artifact" => {
            let digests = super::artifacts::named(api, text).await?.ok_or_else(wrong)?;
            Ok((ContentSource::Artifact(digests.sha256), digests.sha256.to_string()))
        }
        "upload" => match api.addresses.resource(text) {
            Some(Resource::Upload(id)) => {
                api.engine.upload(id).await.map_err(|_| wrong())?;
                Ok((ContentSource::Upload(id), "upload".to_owned()))
            }
            _ => Err(wrong()),
        },
        _ => {
            let name =
                text.split(['?', '#']).next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
            Ok((ContentSource::Url(text.to_owned()), name.to_owned()))
        }
    }
}
