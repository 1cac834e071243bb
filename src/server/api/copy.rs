//! Copying content between repositories of one kind.

use std::sync::Arc;

use checkpoint_core::engine::{CopyContent, CopyRequest, Operation, VersionRef};
use checkpoint_core::task::Resource;
use http::Method;
use serde_json::Value;

use super::Api;
use super::common::{self, exclusive, shared};
use super::endpoint::{Answer, Call, Endpoint, Needs};
use super::failure::Failure;
use super::schema::{boolean, objects};

pub(super) fn endpoints(plugin: &'static str) -> Vec<Endpoint> {
    let copy = move |api, call| copy(api, call, plugin);
    vec![
        Endpoint::new(
            Method::POST,
            &format!("{plugin}/copy/"),
            &format!("copy_{plugin}_copy"),
            "Copy content between repositories.",
            copy,
        )
        .sends(
            vec![objects("config").required(), boolean("structured"), boolean("dependency_solving")],
            false,
        )
        .needs(Needs::Publishing)
        .gives_task(),
    ]
}

async fn copy(api: Arc<Api>, call: Call, plugin: &'static str) -> Answer {
    let with_dependencies = call.body.get("dependency_solving").and_then(Value::as_bool) == Some(true);
    let config = call.body.get("config").and_then(Value::as_array).cloned().unwrap_or_default();
    let (mut copies, mut reservations) = (Vec::new(), Vec::new());
    for one in &config {
        let (source, number) =
            common::version_named(&api, "source_repo_version", &one["source_repo_version"]).await?;
        let destination = common::repository_named(&api, "dest_repo", &one["dest_repo"]).await?;
        let destination =
            destination.ok_or_else(|| Failure::field("dest_repo", "This field is required."))?;
        if source.plugin != plugin || destination.plugin != plugin {
            return Err(Failure::field("config", format!("Both repositories have to be of type {plugin}.")));
        }
        call.may_change(&destination.name)?;
        let units = match one["content"].as_array() {
            Some(list) => {
                let addresses = list.iter().map(|address| address.as_str().unwrap_or_default());
                Some(common::content_ids(&api, "content", addresses).await?.into_iter().collect())
            }
            None => None,
        };
        let pattern = one["pattern"].as_str().map(str::to_owned);
        if pattern.is_some() && units.is_some() {
            return Err(Failure::field("config", "Only one of 'content' and 'pattern' may be given."));
        }
        if with_dependencies && pattern.is_none() {
            return Err(Failure::field(
                "dependency_solving",
                "What is copied has to be said by a 'pattern'.",
            ));
        }
        reservations.push(exclusive(Resource::Repository(plugin.to_owned(), destination.id)));
        reservations.push(shared(Resource::Repository(plugin.to_owned(), source.id)));
        let source = VersionRef { repository: source.name, number: Some(number) };
        let request = CopyRequest { units, pattern, with_dependencies, newest: false };
        copies.push(CopyContent { source, destination: destination.name, request });
    }
    let name = format!("pulp_{plugin}.app.tasks.copy.copy_content");
    common::task(&api, &call, &name, Operation::Copy(copies), reservations).await
}
