//! Request bodies: JSON, forms, and forms with files, which are staged as they arrive.

use std::collections::BTreeMap;
use std::io::Write as _;

use axum::body::{Body, to_bytes};
use checkpoint_core::Error;
use checkpoint_core::artifacts::Staged;
use checkpoint_core::engine::Engine;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};

use super::failure::Failure;

/// The most of a body that is not a file, in bytes.
const LIMIT: usize = 16 << 20;

/// The fields and the files of a body.
pub(super) type Fields = (Map<String, Value>, BTreeMap<String, (String, Staged)>);

/// Reads a body by its type.
pub(super) async fn read(engine: &Engine, headers: &HeaderMap, body: Body) -> Result<Fields, Failure> {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("application/json");
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/json" => Ok((json(body).await?, BTreeMap::new())),
        "application/x-www-form-urlencoded" => {
            let bytes = bounded(body).await?;
            let pairs = form_urlencoded::parse(&bytes).into_owned();
            Ok((collect(pairs.collect()), BTreeMap::new()))
        }
        "multipart/form-data" => multipart(engine, headers, body).await,
        _ => {
            let why = format!("Unsupported media type \"{kind}\" in request.");
            Err(Failure::detail(StatusCode::UNSUPPORTED_MEDIA_TYPE, why))
        }
    }
}

async fn bounded(body: Body) -> Result<bytes::Bytes, Failure> {
    let too_large = |_| Failure::detail(StatusCode::PAYLOAD_TOO_LARGE, "The request is too large.");
    to_bytes(body, LIMIT).await.map_err(too_large)
}

async fn json(body: Body) -> Result<Map<String, Value>, Failure> {
    let bytes = bounded(body).await?;
    if bytes.is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Failure::general("Invalid data. Expected a dictionary.")),
        Err(error) => Err(Failure::detail(StatusCode::BAD_REQUEST, format!("JSON parse error - {error}"))),
    }
}

/// A name that stands several times makes a list.
fn collect(pairs: Vec<(String, String)>) -> Map<String, Value> {
    let mut fields = Map::new();
    for (name, value) in pairs {
        match fields.get_mut(&name) {
            None => drop(fields.insert(name, Value::String(value))),
            Some(Value::Array(values)) => values.push(Value::String(value)),
            Some(first) => *first = Value::Array(vec![first.take(), Value::String(value)]),
        }
    }
    fields
}

async fn multipart(engine: &Engine, headers: &HeaderMap, body: Body) -> Result<Fields, Failure> {
    let wrong = |error: String| {
        Failure::detail(StatusCode::BAD_REQUEST, format!("Multipart form parse error - {error}"))
    };
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let boundary = multer::parse_boundary(kind).map_err(|error| wrong(error.to_string()))?;
    let mut form = multer::Multipart::new(body.into_data_stream(), boundary);
    let (mut pairs, mut files) = (Vec::new(), BTreeMap::new());
    while let Some(field) = form.next_field().await.map_err(|error| wrong(error.to_string()))? {
        let name = field.name().unwrap_or_default().to_owned();
        let Some(file_name) = field.file_name().map(str::to_owned) else {
            let text = field.text().await.map_err(|error| wrong(error.to_string()))?;
            pairs.push((name, text));
            continue;
        };
        let staged = stage(engine, field).await?;
        pairs.push((name.clone(), file_name.clone()));
        files.insert(name, (file_name, staged));
    }
    Ok((collect(pairs), files))
}

async fn stage(engine: &Engine, mut field: multer::Field<'_>) -> Result<Staged, Failure> {
    let mut writing = engine.store().staging().create()?;
    loop {
        let piece = field.chunk().await;
        let piece = piece.map_err(|error| Failure::detail(StatusCode::BAD_REQUEST, error.to_string()))?;
        let Some(piece) = piece else { break };
        // Local and buffered, so quick enough for this thread.
        writing.write_all(&piece).map_err(Error::io("write", "an upload"))?;
    }
    Ok(writing.finish()?)
}
