//! Tasks and workers.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use checkpoint_core::engine::{Operation, Purge};
use checkpoint_core::task::{Task, TaskState, Worker};
use checkpoint_core::{Error, Kind};
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::Api;
use super::address::{Addresses, Target};
use super::common::{self, show_time};
use super::endpoint::{Answer, Call, Endpoint, Needs, Reply};
use super::failure::Failure;
use super::query::{self, Query};
use super::schema::{self, Field, object_schema, objects, text, texts, time};

/// How long the answer about a task waits for it to end: what is quick is then done at the first look.
const PATIENCE: Duration = Duration::from_millis(800);
/// Filters about what a task holds; each takes hrefs and PRNs, and of several all have to be held.
const RESOURCES: [&str; 6] = [
    "reserved_resources",
    "reserved_resources__in",
    "exclusive_resources",
    "exclusive_resources__in",
    "shared_resources",
    "shared_resources__in",
];

fn fields() -> Vec<Field> {
    let mut fields = schema::common();
    fields.extend([
        text("state").read_only(),
        text("name").read_only(),
        text("logging_cid").read_only(),
        schema::href("created_by").nullable().read_only(),
        time("unblocked_at").nullable().read_only(),
        time("started_at").nullable().read_only(),
        time("finished_at").nullable().read_only(),
        schema::object("error").nullable().read_only(),
        schema::href("worker").nullable().read_only(),
        schema::href("parent_task").nullable().read_only(),
        texts("child_tasks").read_only(),
        schema::href("task_group").nullable().read_only(),
        objects("progress_reports").read_only(),
        texts("created_resources").read_only(),
        texts("created_resource_prns").read_only(),
        texts("reserved_resources_record").read_only(),
        schema::object("result").nullable().read_only(),
    ]);
    fields
}

fn worker_fields() -> Vec<Field> {
    let mut fields = schema::common();
    fields.extend([
        text("name").read_only(),
        time("last_heartbeat").read_only(),
        schema::object("versions").read_only(),
        schema::href("current_task").nullable().read_only(),
    ]);
    fields
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let entity = object_schema(&fields(), false, false);
    let state = text("state").required().one_of(&["canceled"]);
    let purge = vec![time("finished_before"), texts("states")];
    let others = RESOURCES.map(|name| match name.ends_with("__in") {
        true => common::hrefs_parameter(name),
        false => common::href_parameter(name),
    });
    let worker = object_schema(&worker_fields(), false, false);
    let flag = |name: &str| (name.to_owned(), json!({"type": "boolean"}));
    vec![
        Endpoint::new(Method::GET, "tasks/", "tasks_list", "List tasks.", list)
            .takes(query::filters(&fields()))
            .takes(others.to_vec())
            .takes(vec![common::href_parameter("created_resources"), common::hrefs_parameter("child_tasks")])
            .gives(StatusCode::OK, common::page_schema(&entity)),
        Endpoint::new(
            Method::GET,
            "tasks/{id}/",
            "tasks_read",
            "Show a task, once it has ended or has been given a moment.",
            read,
        )
        .href("task_href", "")
        .gives(StatusCode::OK, entity.clone()),
        Endpoint::new(Method::PATCH, "tasks/{id}/", "tasks_cancel", "Stop a task.", cancel)
            .href("task_href", "")
            .sends(vec![state], false)
            .gives(StatusCode::OK, entity),
        Endpoint::new(Method::DELETE, "tasks/{id}/", "tasks_delete", "Forget a task that has ended.", delete)
            .href("task_href", "")
            .gives(StatusCode::NO_CONTENT, Value::Null),
        Endpoint::new(
            Method::GET,
            "tasks/{id}/profile_artifacts/",
            "tasks_profile_artifacts",
            "Where what was measured of a task is.",
            profiles,
        )
        .href("task_href", "profile_artifacts/"),
        Endpoint::new(
            Method::GET,
            "tasks/{id}/profile_artifacts/memory_profile/",
            "tasks_profile_artifacts_memory",
            "The memory of the process while it carried out a task.",
            memory,
        )
        .href("task_href", "profile_artifacts/memory_profile/")
        // Pulp's command does not sign in to download it.
        .needs(Needs::Nothing)
        .gives(StatusCode::OK, json!({"type": "array", "items": {"type": "object"}})),
        Endpoint::new(Method::POST, "tasks/purge/", "tasks_purge", "Forget old tasks.", purge_tasks)
            .sends(purge, true)
            .gives_task(),
        Endpoint::new(Method::GET, "workers/", "workers_list", "List workers.", workers)
            .takes(query::filters(&worker_fields()))
            .takes(vec![flag("online"), flag("missing")])
            .gives(StatusCode::OK, common::page_schema(&worker)),
        Endpoint::new(Method::GET, "workers/{id}/", "workers_read", "Show a worker.", read_worker)
            .href("worker_href", "")
            .gives(StatusCode::OK, worker),
    ]
}

fn show(api: &Api, task: &Task, workers: &[(Worker, bool)], users: &[(String, String)]) -> Value {
    let (href, prn) = Addresses::task(task.id);
    let worker = workers.iter().find(|(worker, _)| Some(&worker.name) == task.worker.as_ref());
    let user = users.iter().find(|(name, _)| Some(name) == task.created_by.as_ref());
    let show = |time: Option<_>| time.map(show_time);
    let made = || task.made.iter();
    let reserved = task.reservations.iter().map(|reservation| {
        let prn = api.addresses.prn(&reservation.resource);
        let prn = if prn.is_empty() { reservation.resource.key() } else { prn };
        if reservation.exclusive { prn } else { format!("shared:{prn}") }
    });
    let updated = task.finished.or(task.started).unwrap_or(task.created);
    json!({
        "pulp_href": href,
        "prn": prn,
        "pulp_created": show_time(task.created),
        "pulp_last_updated": show_time(updated),
        "state": task.state,
        "name": task.name,
        "logging_cid": task.correlation,
        "created_by": user.map(|(_, href)| href),
        "unblocked_at": show(task.unblocked),
        "started_at": show(task.started),
        "finished_at": show(task.finished),
        "error": task.error.as_ref().map(|error| json!({"description": error, "traceback": Value::Null})),
        "worker": worker.map(|(worker, _)| Addresses::worker(worker.id).0),
        "parent_task": Value::Null,
        "child_tasks": [],
        "task_group": Value::Null,
        "progress_reports": task.progress,
        "created_resources": made().map(|one| api.addresses.href(one)).collect::<Vec<_>>(),
        "created_resource_prns": made().map(|one| api.addresses.prn(one)).collect::<Vec<_>>(),
        "reserved_resources_record": reserved.collect::<Vec<_>>(),
        "result": Value::Null,
    })
}

async fn shown(api: &Api, call: &Call, task: &Task) -> Result<Value, Failure> {
    let (workers, users) = (api.engine.workers().await?, users(api).await?);
    Ok(Query::read_one(call)?.shown(show(api, task, &workers, &users)))
}

async fn users(api: &Api) -> Result<Vec<(String, String)>, Failure> {
    let accounts = api.engine.accounts().await?.into_iter();
    Ok(accounts.map(|account| (account.name.to_string(), Addresses::user(account.id).0)).collect())
}

async fn list(api: Arc<Api>, call: Call) -> Answer {
    let taken = [&RESOURCES[..], &["created_resources", "child_tasks", "worker", "worker__in"]].concat();
    let query = Query::read(&call, &fields(), &taken)?;
    let (workers, users) = (api.engine.workers().await?, users(&api).await?);
    let mut tasks = api.engine.tasks().await?;
    for name in RESOURCES {
        if let Some(value) = call.parameter(name) {
            let wanted = value.split(',').map(|address| call.addresses.resource(address));
            let wanted: HashSet<_> = wanted.collect();
            tasks.retain(|task| {
                let held = task.reservations.iter().filter(|held| match name.split("__").next() {
                    Some("exclusive_resources") => held.exclusive,
                    Some("shared_resources") => !held.exclusive,
                    _ => true,
                });
                let held: HashSet<_> = held.map(|held| held.resource.key()).collect();
                wanted.iter().all(|wanted| wanted.as_ref().is_some_and(|wanted| held.contains(&wanted.key())))
            });
        }
    }
    if let Some(made) = call.parameter("created_resources") {
        let made = call.addresses.resource(made);
        tasks.retain(|task| made.as_ref().is_some_and(|made| task.made.contains(made)));
    }
    if call.parameter("child_tasks").is_some() {
        tasks.clear();
    }
    if let Some(names) = call.parameter("worker__in").or(call.parameter("worker")) {
        let is = |worker: &Worker| {
            names.split(',').any(|name| {
                name == worker.name || call.addresses.find(name) == Some(Target::Worker(worker.id))
            })
        };
        let named: HashSet<&String> =
            workers.iter().filter(|(worker, _)| is(worker)).map(|(worker, _)| &worker.name).collect();
        tasks.retain(|task| task.worker.as_ref().is_some_and(|name| named.contains(name)));
    }
    Ok(query.answer(&call, tasks.iter().map(|task| show(&api, task, &workers, &users)).collect()))
}

fn id_at(call: &Call) -> Result<i64, Failure> {
    let task = call.path.split("profile_artifacts/").next().unwrap_or_default();
    match call.addresses.find(task) {
        Some(Target::Task(id)) => Ok(id),
        _ => Err(Failure::not_found()),
    }
}

async fn read(api: Arc<Api>, call: Call) -> Answer {
    let task = api.engine.wait_for_task(id_at(&call)?, PATIENCE).await?;
    shown(&api, &call, &task).await.map(Reply::ok)
}

async fn cancel(api: Arc<Api>, call: Call) -> Answer {
    let id = id_at(&call)?;
    match api.engine.cancel_task(id).await {
        Ok(task) => shown(&api, &call, &task).await.map(Reply::ok),
        Err(error) if error.kind() == Kind::Conflict => {
            let task = api.engine.task(id).await?;
            Err(Failure::new(StatusCode::CONFLICT, shown(&api, &call, &task).await?))
        }
        Err(error) => Err(error.into()),
    }
}

async fn delete(api: Arc<Api>, call: Call) -> Answer {
    match api.engine.delete_task(id_at(&call)?).await {
        Ok(()) => Ok(Reply::nothing()),
        Err(error) if error.kind() == Kind::Conflict => {
            Err(Failure::detail(StatusCode::CONFLICT, error.to_string()))
        }
        Err(error) => Err(error.into()),
    }
}

async fn profiles(api: Arc<Api>, call: Call) -> Answer {
    let task = api.engine.task(id_at(&call)?).await?;
    let urls = match api.engine.task_profile(task.id).await? {
        Some(_) => json!({"memory_profile": format!("{}{}memory_profile/", call.origin, call.path)}),
        None => json!({}),
    };
    Ok(Reply::ok(json!({"urls": urls})))
}

async fn memory(api: Arc<Api>, call: Call) -> Answer {
    let profile = api.engine.task_profile(id_at(&call)?).await?.ok_or_else(Failure::not_found)?;
    let wrong = |error: serde_json::Error| Error::Corrupt(format!("what was measured of a task: {error}"));
    Ok(Reply::ok(serde_json::from_str(&profile).map_err(wrong)?))
}

async fn purge_tasks(api: Arc<Api>, call: Call) -> Answer {
    let before = match call.body.get("finished_before").and_then(Value::as_str) {
        Some(text) => query::timestamp(text)
            .ok_or_else(|| Failure::field("finished_before", "Datetime has wrong format."))?,
        // As in Pulp: what ended more than thirty days ago.
        None => api.engine.days_ago(30),
    };
    let states = call.body.get("states").and_then(Value::as_array).cloned();
    let states = states.unwrap_or_else(|| vec![json!("completed")]);
    let state = |value: &Value| {
        let state =
            value.as_str().unwrap_or_default().parse::<TaskState>().ok().filter(|state| state.is_final());
        state.ok_or_else(|| Failure::field("states", format!("{value} is not a valid choice.")))
    };
    let states = states.iter().map(state).collect::<Result<_, _>>()?;
    let operation = Operation::PurgeTasks(Purge { finished_before: before, states });
    common::task(&api, &call, "pulpcore.app.tasks.purge.purge", operation, Vec::new()).await
}

/// A worker as the API shows it.
pub(super) fn worker(worker: &Worker) -> Value {
    let (href, prn) = Addresses::worker(worker.id);
    json!({
        "pulp_href": href,
        "prn": prn,
        "pulp_created": show_time(worker.started),
        "pulp_last_updated": show_time(worker.heartbeat),
        "name": worker.name,
        "last_heartbeat": show_time(worker.heartbeat),
        "versions": Map::new(),
        "current_task": worker.task.map(|id| Addresses::task(id).0),
    })
}

async fn workers(api: Arc<Api>, call: Call) -> Answer {
    let query = Query::read(&call, &worker_fields(), &["online", "missing"])?;
    let truth =
        |name: &str| call.parameter(name).map(|value| value.eq_ignore_ascii_case("true") || value == "1");
    let (online, missing) = (truth("online"), truth("missing"));
    let wanted = |is_online: bool| {
        online.is_none_or(|wanted| wanted == is_online) && missing.is_none_or(|wanted| wanted != is_online)
    };
    let workers = api.engine.workers().await?;
    let shown = workers.iter().filter(|(_, online)| wanted(*online)).map(|(one, _)| worker(one));
    Ok(query.answer(&call, shown.collect()))
}

async fn read_worker(api: Arc<Api>, call: Call) -> Answer {
    let Some(Target::Worker(id)) = call.addresses.find(&call.path) else { return Err(Failure::not_found()) };
    let workers = api.engine.workers().await?;
    let found = workers.iter().find(|(worker, _)| worker.id == id).ok_or_else(Failure::not_found)?;
    Ok(Reply::ok(Query::read_one(&call)?.shown(worker(&found.0))))
}
