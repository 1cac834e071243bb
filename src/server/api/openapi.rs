//! docs/api.json: OpenAPI 3.0 made from the endpoints, in the shape that Pulp's client insists on.

use serde_json::{Map, Value, json};

use super::endpoint::{Endpoint, Needs, Sends};
use super::query::COMMON;
use super::schema::object_schema;

/// The version of Pulp's core whose API this is like.
pub(super) const CORE_VERSION: &str = "3.106.0";

/// What stands for an entity in a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Paths {
    /// Its whole href, as Pulp's client wants it.
    Hrefs,
    /// Its id, as everybody else wants it; Pulp's `?pk_path=1`.
    Ids,
}

/// The document.
pub(super) fn document(endpoints: &[Endpoint], versions: &[(String, String)], paths_of: Paths) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    let mut schemas = Map::new();
    for endpoint in endpoints {
        let path = match &endpoint.href {
            Some((parameter, suffix)) if paths_of == Paths::Hrefs => format!("{{{parameter}}}{suffix}"),
            _ => format!("{}{}", super::address::ROOT, endpoint.path),
        };
        let item = paths.entry(path).or_insert_with(|| json!({}));
        item[endpoint.method.as_str().to_lowercase()] = operation(endpoint, &mut schemas, paths_of);
    }
    let versions: Map<String, Value> =
        versions.iter().map(|(name, version)| (name.clone(), json!(version))).collect();
    json!({
        "openapi": "3.0.3",
        "info": {
            "title": "debpoint",
            "version": "v3",
            "description": "Pulp 3's REST API, as far as debpoint has it; docs/pulp.md says how far that is.",
            "x-pulp-app-versions": versions,
            "x-pulp-domain-enabled": false,
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"basicAuth": {"type": "http", "scheme": "basic"}},
        },
    })
}

fn operation(endpoint: &Endpoint, schemas: &mut Map<String, Value>, paths_of: Paths) -> Value {
    let mut parameters = Vec::new();
    let in_path =
        |name: &str, schema: Value| json!({"name": name, "in": "path", "required": true, "schema": schema});
    match (&endpoint.href, paths_of) {
        (Some((name, _)), Paths::Hrefs) => parameters.push(in_path(name, json!({"type": "string"}))),
        _ => {
            let all =
                [("id", json!({"type": "string", "format": "uuid"})), ("number", json!({"type": "integer"}))];
            let named = all.into_iter().filter(|(name, _)| endpoint.path.contains(&format!("{{{name}}}")));
            parameters.extend(named.map(|(name, schema)| in_path(name, schema)));
        }
    }
    if let Some(name) = endpoint.header {
        parameters
            .push(json!({"name": name, "in": "header", "required": true, "schema": {"type": "string"}}));
    }
    let lists = endpoint.operation.ends_with("_list");
    if lists {
        parameters.extend(COMMON.map(common));
    } else if endpoint.operation.ends_with("_read") && endpoint.operation != "status_read" {
        parameters.extend(["fields", "exclude_fields"].map(common));
    }
    for (name, schema) in &endpoint.parameters {
        parameters.push(match schema["type"] == "array" {
            true => json!({"name": name, "in": "query", "schema": schema, "style": "form", "explode": false}),
            false => json!({"name": name, "in": "query", "schema": schema}),
        });
    }
    let mut operation = json!({
        "operationId": endpoint.operation,
        "summary": endpoint.about,
        "tags": [endpoint.path.split('/').next().unwrap_or_default()],
        "parameters": parameters,
        "responses": responses(endpoint),
        "security": match endpoint.needs {
            Needs::Nothing => json!([{}]),
            _ => json!([{"basicAuth": []}]),
        },
    });
    if let Sends::Object(fields, partial) = &endpoint.sends {
        let name = format!("{}Body", camel(&endpoint.operation));
        schemas.insert(name.clone(), object_schema(fields, true, *partial));
        let reference = json!({"schema": {"$ref": format!("#/components/schemas/{name}")}});
        let file = fields.iter().any(|field| field.format() == "binary");
        let content = match file {
            true if endpoint.operation.starts_with("content_") => {
                json!({"multipart/form-data": reference, "application/x-www-form-urlencoded": reference})
            }
            true => json!({"multipart/form-data": reference}),
            false => json!({"application/json": reference}),
        };
        operation["requestBody"] = json!({"required": true, "content": content});
    }
    operation
}

fn common(name: &str) -> Value {
    let schema = match name {
        "limit" => json!({"type": "integer", "minimum": 1}),
        "offset" => json!({"type": "integer", "minimum": 0}),
        "q" => json!({"type": "string"}),
        _ => json!({"type": "array", "items": {"type": "string"}}),
    };
    match schema["type"] == "array" {
        true => json!({"name": name, "in": "query", "schema": schema, "style": "form", "explode": false}),
        false => json!({"name": name, "in": "query", "schema": schema}),
    }
}

fn responses(endpoint: &Endpoint) -> Value {
    let mut responses = Map::new();
    let good = match endpoint.status.as_u16() {
        204 => json!({"description": "Done."}),
        _ => json!({"description": "Done.", "content": {"application/json": {"schema": endpoint.gives}}}),
    };
    responses.insert(endpoint.status.as_u16().to_string(), good);
    let refusals = [
        ("400", "The request is wrong."),
        ("401", "Nobody has signed in."),
        ("403", "Whoever has signed in may not do this."),
        ("404", "There is no such thing."),
        ("409", "It contradicts the state of things."),
        ("413", "The body is too large."),
        ("415", "The body is of a type that is not understood."),
        ("429", "There were too many failed attempts to sign in."),
    ];
    for (status, about) in refusals {
        let content =
            json!({"application/json": {"schema": {"type": "object", "additionalProperties": true}}});
        responses.entry(status).or_insert_with(|| json!({"description": about, "content": content}));
    }
    Value::Object(responses)
}

fn camel(name: &str) -> String {
    let mut camel = String::new();
    for word in name.split(['_', '-']) {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}
