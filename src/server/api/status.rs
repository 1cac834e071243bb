//! Status, and the document that describes the API.

use std::sync::Arc;

use checkpoint_core::engine::CONTENT_PREFIX;
use http::Method;
use serde_json::{Value, json};

use super::endpoint::{Answer, Call, Endpoint, Needs, Reply};
use super::{Api, tasks};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new(Method::GET, "status/", "status_read", "What runs here, and how it is.", status)
            .needs(Needs::Nothing),
        Endpoint::new(Method::GET, "docs/api.json", "docs_api_read", "This document.", document)
            .takes(vec![("pk_path".to_owned(), json!({"type": "integer"}))])
            .needs(Needs::Nothing),
        Endpoint::new(Method::GET, "livez/", "livez_read", "Answers while the server does.", live)
            .needs(Needs::Nothing),
    ]
}

async fn status(api: Arc<Api>, call: Call) -> Answer {
    let workers = api.engine.workers().await?.into_iter();
    let workers: Vec<Value> =
        workers.filter(|(_, online)| *online).map(|(worker, _)| tasks::worker(&worker)).collect();
    let component = |(name, version): &(String, String)| {
        let package = if name == "core" { "pulpcore".to_owned() } else { format!("pulp-{name}") };
        let module = if name == "core" { "pulpcore.app".to_owned() } else { format!("pulp_{name}.app") };
        json!({"component": name, "version": version, "package": package, "module": module, "domain_compatible": false})
    };
    let here = json!([{"name": "debpoint", "last_heartbeat": Value::Null, "versions": {}}]);
    Ok(Reply::ok(json!({
        "versions": api.versions.iter().map(component).collect::<Vec<_>>(),
        "online_workers": workers,
        "online_api_apps": here,
        "online_content_apps": here,
        "database_connection": {"connected": true},
        "redis_connection": Value::Null,
        "storage": Value::Null,
        "content_settings": {"content_origin": call.origin, "content_path_prefix": CONTENT_PREFIX},
        "domain_enabled": false,
        "debpoint": {"version": env!("CARGO_PKG_VERSION")},
    })))
}

async fn document(api: Arc<Api>, call: Call) -> Answer {
    Ok(Reply::ok(match call.parameter("pk_path") {
        Some(_) => api.document_with_ids.clone(),
        None => api.document.clone(),
    }))
}

async fn live(_: Arc<Api>, _: Call) -> Answer {
    Ok(Reply::ok(json!({})))
}
