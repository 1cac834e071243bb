//! Artifacts, and uploads in chunks.

use std::sync::Arc;

use checkpoint_core::artifacts::ArtifactStore;
use checkpoint_core::catalog::{ArtifactDetail, PendingUpload};
use checkpoint_core::digest::{Digests, Sha256};
use checkpoint_core::engine::Operation;
use checkpoint_core::task::Resource;
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::Api;
use super::address::Target;
use super::common::{self, UPLOADING, exclusive, stamp};
use super::endpoint::{Answer, Call, Endpoint, Reply};
use super::failure::Failure;
use super::query::{self, Query};
use super::schema::{self, Field, file, integer, object_schema, objects, text, time};

const DIGESTS: [&str; 6] = ["md5", "sha1", "sha224", "sha256", "sha384", "sha512"];

fn fields() -> Vec<Field> {
    let mut fields = schema::common();
    fields.extend([file("file").required(), integer("size")]);
    fields.extend(DIGESTS.map(|name| text(name).nullable()));
    fields
}

fn upload_fields() -> Vec<Field> {
    let mut fields = schema::common();
    fields.extend([
        integer("size").required().at_least(1),
        time("completed").nullable().read_only(),
        objects("chunks").read_only(),
    ]);
    fields
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let mut shown = fields();
    shown.push(text("file").nullable().read_only());
    let entity = object_schema(&shown, false, false);
    let upload = object_schema(&upload_fields(), false, false);
    let mut chunk = Endpoint::new(Method::PUT, "uploads/{id}/", "uploads_update", "Add a chunk.", add_chunk)
        .href("upload_href", "")
        .sends(vec![file("file").required(), text("sha256").nullable()], false)
        .needs(UPLOADING)
        .gives(StatusCode::OK, upload.clone());
    chunk.header = Some("Content-Range");
    vec![
        Endpoint::new(Method::GET, "artifacts/", "artifacts_list", "List artifacts.", list)
            .takes(query::filters(&fields()))
            .gives(StatusCode::OK, common::page_schema(&entity)),
        Endpoint::new(Method::POST, "artifacts/", "artifacts_create", "Store a file.", create)
            .sends(fields(), false)
            .needs(UPLOADING)
            .gives(StatusCode::CREATED, entity.clone()),
        Endpoint::new(Method::GET, "artifacts/{id}/", "artifacts_read", "Show an artifact.", read)
            .href("artifact_href", "")
            .gives(StatusCode::OK, entity),
        Endpoint::new(
            Method::DELETE,
            "artifacts/{id}/",
            "artifacts_delete",
            "Delete an artifact that nothing refers to.",
            delete,
        )
        .href("artifact_href", "")
        .gives(StatusCode::NO_CONTENT, Value::Null),
        Endpoint::new(
            Method::GET,
            "uploads/",
            "uploads_list",
            "List uploads that are not finished.",
            list_uploads,
        )
        .takes(query::filters(&upload_fields()))
        .gives(StatusCode::OK, common::page_schema(&upload)),
        Endpoint::new(
            Method::POST,
            "uploads/",
            "uploads_create",
            "Begin an upload in chunks.",
            create_upload,
        )
        .sends(upload_fields(), false)
        .needs(UPLOADING)
        .gives(StatusCode::CREATED, upload.clone()),
        Endpoint::new(Method::GET, "uploads/{id}/", "uploads_read", "Show an upload.", read_upload)
            .href("upload_href", "")
            .gives(StatusCode::OK, upload),
        chunk,
        Endpoint::new(Method::DELETE, "uploads/{id}/", "uploads_delete", "Give an upload up.", delete_upload)
            .href("upload_href", "")
            .needs(UPLOADING)
            .gives(StatusCode::NO_CONTENT, Value::Null),
        Endpoint::new(
            Method::POST,
            "uploads/{id}/commit/",
            "uploads_commit",
            "Make an artifact of an upload.",
            commit,
        )
        .href("upload_href", "commit/")
        .sends(vec![text("sha256").required()], false)
        .needs(UPLOADING)
        .gives_task(),
    ]
}

fn show(api: &Api, (digests, created): &ArtifactDetail) -> Value {
    let resource = Resource::Artifact(digests.sha256);
    let mut shown = stamp(api, &resource, (*created, *created));
    shown.extend(DIGESTS.map(|name| (name.to_owned(), Value::Null)));
    shown.extend(common::object(json!({
        "file": ArtifactStore::key(&digests.sha256),
        "size": digests.size,
        "md5": digests.md5,
        "sha256": digests.sha256,
    })));
    Value::Object(shown)
}

/// The artifact at an address.
pub(super) async fn named(api: &Api, address: &str) -> Result<Option<Digests>, Failure> {
    let Some(Target::Artifact(prefix)) = api.addresses.find(address) else { return Ok(None) };
    Ok(api.engine.artifacts(&prefix).await?.first().map(|(digests, _)| *digests))
}

async fn list(api: Arc<Api>, call: Call) -> Answer {
    let query = Query::read(&call, &fields(), &[])?;
    // The question that every upload begins with.
    let artifacts = match call.parameter("sha256") {
        Some(digest) if digest.parse::<Sha256>().is_ok() => api.engine.artifacts(digest).await?,
        Some(_) => Vec::new(),
        None => api.engine.artifacts("").await?,
    };
    Ok(query.answer(&call, artifacts.iter().map(|one| show(&api, one)).collect()))
}

async fn read(api: Arc<Api>, call: Call) -> Answer {
    let digests = named(&api, &call.path).await?.ok_or_else(Failure::not_found)?;
    let found = api.engine.artifacts(&digests.sha256.to_string()).await?;
    let found = found.first().ok_or_else(Failure::not_found)?;
    Ok(Reply::ok(Query::read_one(&call)?.shown(show(&api, found))))
}

/// Refuses a file whose digests are not those that the fields name.
fn check_digests(body: &Map<String, Value>, digests: &Digests) -> Result<(), Failure> {
    let wanted = [
        ("sha256", digests.sha256.to_string()),
        ("md5", digests.md5.to_string()),
        ("size", digests.size.to_string()),
    ];
    for (name, is) in wanted {
        let said = body.get(name).filter(|value| !value.is_null());
        let said = said.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        if said.is_some_and(|said| !said.eq_ignore_ascii_case(&is)) {
            return Err(Failure::general(format!("The {name} checksum did not match.")));
        }
    }
    Ok(())
}

async fn create(api: Arc<Api>, mut call: Call) -> Answer {
    let (_, staged) =
        call.files.remove("file").ok_or_else(|| Failure::field("file", "No file was submitted."))?;
    let digests = *staged.digests();
    check_digests(&call.body, &digests)?;
    let known = api.engine.held(&[digests.sha256]).await?;
    if known.contains_key(&digests.sha256) {
        return Err(Failure::general(format!(
            "Artifact with sha256 checksum of '{}' already exists.",
            digests.sha256
        )));
    }
    api.engine.create_artifact(staged).await?;
    let found = api.engine.artifacts(&digests.sha256.to_string()).await?;
    Ok(Reply::created(show(&api, found.first().ok_or_else(Failure::not_found)?)))
}

async fn delete(api: Arc<Api>, call: Call) -> Answer {
    let digests = named(&api, &call.path).await?.ok_or_else(Failure::not_found)?;
    match api.engine.delete_artifact(&digests.sha256).await {
        Err(error) if error.kind() == checkpoint_core::Kind::Conflict => {
            Err(Failure::detail(StatusCode::CONFLICT, error.to_string()))
        }
        done => done.map(|()| Reply::nothing()).map_err(Failure::from),
    }
}

fn show_upload(api: &Api, upload: &PendingUpload) -> Value {
    let mut shown = stamp(api, &Resource::Upload(upload.id), (upload.created, upload.created));
    let chunks: Vec<Value> =
        upload.chunks.iter().map(|(offset, size, _)| json!({"offset": offset, "size": size})).collect();
    shown.extend(common::object(json!({"size": upload.size, "completed": Value::Null, "chunks": chunks})));
    Value::Object(shown)
}

async fn list_uploads(api: Arc<Api>, call: Call) -> Answer {
    let query = Query::read(&call, &upload_fields(), &[])?;
    let uploads = api.engine.uploads().await?;
    Ok(query.answer(&call, uploads.iter().map(|upload| show_upload(&api, upload)).collect()))
}

fn upload_at(call: &Call) -> Result<i64, Failure> {
    match call.addresses.resource(call.path.trim_end_matches("commit/")) {
        Some(Resource::Upload(id)) => Ok(id),
        _ => Err(Failure::not_found()),
    }
}

async fn create_upload(api: Arc<Api>, call: Call) -> Answer {
    let size = call.body.get("size").and_then(Value::as_u64).unwrap_or_default();
    Ok(Reply::created(show_upload(&api, &api.engine.create_upload(size).await?)))
}

async fn read_upload(api: Arc<Api>, call: Call) -> Answer {
    let upload = api.engine.upload(upload_at(&call)?).await?;
    Ok(Reply::ok(Query::read_one(&call)?.shown(show_upload(&api, &upload))))
}

async fn add_chunk(api: Arc<Api>, mut call: Call) -> Answer {
    let id = upload_at(&call)?;
    api.engine.upload(id).await?;
    let (_, staged) =
        call.files.remove("file").ok_or_else(|| Failure::field("file", "No file was submitted."))?;
    check_digests(&call.body, staged.digests())?;
    let range = call.headers.get(http::header::CONTENT_RANGE).and_then(|range| range.to_str().ok());
    let bounds = range.and_then(|range| range.strip_prefix("bytes ")?.split('/').next()?.split_once('-'));
    let bounds = bounds.and_then(|(from, to)| Some((from.parse::<u64>().ok()?, to.parse::<u64>().ok()?)));
    let Some((from, to)) = bounds.filter(|(from, to)| from <= to) else {
        return Err(Failure::general("Invalid or missing content range header."));
    };
    if to - from + 1 != staged.digests().size {
        return Err(Failure::general("Chunk size does not match content range."));
    }
    Ok(Reply::ok(show_upload(&api, &api.engine.add_chunk(id, from, staged).await?)))
}

async fn delete_upload(api: Arc<Api>, call: Call) -> Answer {
    api.engine.delete_upload(upload_at(&call)?).await?;
    Ok(Reply::nothing())
}

async fn commit(api: Arc<Api>, call: Call) -> Answer {
    let upload = upload_at(&call)?;
    api.engine.upload(upload).await?;
    let sha256 = common::parsed(&call.body, "sha256")?;
    let operation = Operation::CommitUpload { upload, sha256 };
    let reservations = vec![exclusive(Resource::Upload(upload))];
    common::task(&api, &call, "pulpcore.app.tasks.upload.commit", operation, reservations).await
}
