//! What debpoint has beyond Pulp: the checkpoints of a repository, what differs between two, and what retention would
//! do.

use std::sync::Arc;

use checkpoint_core::time::Timestamp;
use http::Method;
use serde_json::{Value, json};

use super::Api;
use super::common;
use super::endpoint::{Answer, Call, Endpoint, Reply};
use super::failure::Failure;

pub(super) fn endpoints(plugin: &'static str, rest: &checkpoint_core::plugin::Rest) -> Vec<Endpoint> {
    let path = rest.repository.path;
    let one = format!("repositories/{plugin}/{path}/{{id}}/");
    let operation = |action: &str| format!("repositories_{plugin}_{path}_{action}");
    let parameter = format!("{plugin}_{path}_repository_href");
    let text = |name: &str| (name.to_owned(), json!({"type": "string"}));
    let number = |name: &str| (name.to_owned(), json!({"type": "integer", "minimum": 1}));
    vec![
        Endpoint::new(
            Method::GET,
            &format!("{one}checkpoints/"),
            &operation("checkpoints"),
            "The times of all checkpoints.",
            times,
        )
        .href(&parameter, "checkpoints/"),
        Endpoint::new(
            Method::GET,
            &format!("{one}diff/"),
            &operation("diff"),
            "What changed from one time to another.",
            diff,
        )
        .href(&parameter, "diff/")
        .takes(vec![text("from"), text("to")]),
        Endpoint::new(
            Method::GET,
            &format!("{one}retention/"),
            &operation("retention"),
            "What retention would delete.",
            retention,
        )
        .href(&parameter, "retention/")
        .takes(vec![number("retain_repo_versions"), number("retain_checkpoints")]),
    ]
}

async fn times(api: Arc<Api>, call: Call) -> Answer {
    let repository = common::repository_at(&api, &call).await?;
    let checkpoints = api.engine.checkpoints(&repository.name).await?;
    let shown: Vec<Value> =
        checkpoints.iter().map(|one| json!({"time": one.time, "version": one.version})).collect();
    Ok(Reply::ok(json!({"checkpoints": shown})))
}

async fn diff(api: Arc<Api>, call: Call) -> Answer {
    let repository = common::repository_at(&api, &call).await?;
    let time = |name: &str| {
        let text = call.parameter(name).ok_or_else(|| Failure::field(name, "This field is required."))?;
        text.parse::<Timestamp>().map_err(|error| Failure::field(name, error.to_string()))
    };
    let diff = api.engine.diff(&repository.name, time("from")?, time("to")?).await?;
    Ok(Reply::ok(json!(diff)))
}

async fn retention(api: Arc<Api>, call: Call) -> Answer {
    let repository = common::repository_at(&api, &call).await?;
    let count = |name: &str, set: Option<u32>| match call.parameter(name) {
        None => Ok(set),
        Some(text) => match text.parse::<u32>() {
            Ok(count) if count > 0 => Ok(Some(count)),
            _ => Err(Failure::field(name, "A positive number is required.")),
        },
    };
    let versions = count("retain_repo_versions", repository.settings.retain_repo_versions)?;
    let checkpoints = count("retain_checkpoints", repository.settings.retain_checkpoints)?;
    let plan = api.engine.plan_retention(&repository.name, versions, checkpoints).await?;
    Ok(Reply::ok(json!(plan)))
}
