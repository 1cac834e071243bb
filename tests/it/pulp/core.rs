//! What is the same for all kinds of content: status, tasks, workers, artifacts, orphans.

use std::time::Duration;

use checkpoint_core::digest::Digests;
use checkpoint_testkit::upstream::{Fault, Upstream};
use serde_json::{Value, json};

use super::{Pulp, names, string};
use crate::support::text;

#[test]
fn the_status_says_what_is_there_and_ties_requests_together() {
    let Some(pulp) = Pulp::start() else { return };
    let status = pulp.ok("status");
    assert_eq!(status["database_connection"]["connected"], true);
    let component = |name: &str| {
        let versions = status["versions"].as_array().unwrap();
        string(&versions.iter().find(|entry| entry["component"] == name).unwrap()["version"])
    };
    let (_, document) = pulp.call("GET", "/pulp/api/v3/docs/api.json", &Value::Null);
    for name in ["core", "file", "deb"] {
        assert_eq!(document["info"]["x-pulp-app-versions"][name], component(name).as_str(), "{name}");
    }
    let id = "deadbeefdeadbeefdeadbeefdeadbeef";
    let output = pulp.run(&format!("-vv --cid {id} status"));
    assert!(output.status.success(), "{}", text(&output.stderr));
    // To the letter: scripts look for it like this.
    let header = format!("Correlation-ID: {id}");
    assert!(text(&output.stderr).contains(&header), "{}", text(&output.stderr));
    assert!(!pulp.run("--cid xxxxbeefdeadbeefdeadbeefdeadbeef status").status.success(), "not a UUID");
}

#[test]
fn every_operation_of_the_document_is_understood_by_pulps_client() {
    let Some(pulp) = Pulp::start() else { return };
    let ids = text(&pulp.run("debug openapi operation-ids").stdout);
    for id in [
        "repositories_deb_apt_sync",
        "publications_file_file_create",
        "content_deb_packages_list",
        "tasks_cancel",
    ] {
        assert!(ids.contains(id), "{id}: {ids}");
    }
    let made = pulp.ok_of(&[
        "debug",
        "openapi",
        "call",
        "--id",
        "repositories_file_file_create",
        "--body",
        r#"{"name": "x"}"#,
    ]);
    assert_eq!(made["name"], "x");
}

#[test]
fn artifacts_are_uploaded_whole_and_in_chunks_and_once() {
    let Some(pulp) = Pulp::start() else { return };
    let large = pulp.debpoint.file("large", vec![1; 2 << 20]);
    let made = pulp.ok(&format!("artifact upload --file {large}"));
    assert_eq!(made["sha256"], Digests::of(&vec![1; 2 << 20]).sha256.to_string().as_str());
    assert_eq!(pulp.ok(&format!("artifact upload --file {large}"))["pulp_href"], made["pulp_href"]);
    let small = pulp.debpoint.file("small", vec![2; 10 << 10]);
    let made = pulp.ok(&format!("artifact upload --file {small} --chunk-size 1000"));
    assert_eq!(made["size"], 10 << 10);
    assert_eq!(pulp.ok("artifact list").as_array().unwrap().len(), 4, "two files and two different chunks");
    assert_eq!(pulp.ok("upload list"), json!([]));
    pulp.ok("orphan cleanup --protection-time 0");
    assert_eq!(pulp.ok("artifact list"), json!([]));
}

#[test]
fn orphans_are_cleaned_up_by_age_and_by_name() {
    let Some(pulp) = Pulp::start() else { return };
    let upload = |name: &str| {
        let file = pulp.debpoint.file(name, name);
        string(&pulp.ok(&format!("file content upload --file {file} --relative-path {name}"))["pulp_href"])
    };
    let (one, two) = (upload("one"), upload("two"));
    pulp.ok("orphan cleanup --protection-time 10");
    assert_eq!(pulp.ok("file content list").as_array().unwrap().len(), 2, "they are new");
    pulp.ok_of(&["orphan", "cleanup", "--protection-time", "0", "--content-hrefs", &format!("[\"{one}\"]")]);
    assert!(!pulp.run(&format!("file content show --href {one}")).status.success());
    pulp.ok(&format!("file content show --href {two}"));
    pulp.ok("orphan cleanup --protection-time 0");
    assert_eq!(pulp.ok("file content list"), json!([]));
    pulp.debpoint.ok(&["verify"]);
}

#[test]
fn everything_is_shown_by_its_href_and_by_its_prn() {
    let Some(pulp) = Pulp::start() else { return };
    pulp.ok("file remote create --name one --url http://localhost/PULP_MANIFEST");
    pulp.ok("file repository create --name one --remote one");
    for kind in ["repository", "remote"] {
        let shown = pulp.ok(&format!("file {kind} show --name one"));
        let (href, prn) = (string(&shown["pulp_href"]), string(&shown["prn"]));
        assert_eq!(pulp.ok(&format!("show --href {href}")), shown);
        assert_eq!(pulp.ok(&format!("show --prn {prn}")), shown);
    }
    assert!(!pulp.run("show --href /pulp/api/v3/nothing/").status.success());
}

#[test]
fn lists_come_in_the_order_and_with_the_fields_that_are_asked_for() {
    let Some(pulp) = Pulp::start() else { return };
    for name in ["query_b", "query_c", "query_a", "other"] {
        pulp.ok(&format!("file repository create --name {name}"));
    }
    let list = |line: &str| pulp.ok(&format!("file repository list --name-startswith query {line}"));
    let named = |list: Value| {
        let names: Vec<String> = list.as_array().unwrap().iter().map(|one| string(&one["name"])).collect();
        names
    };
    assert_eq!(named(list("--ordering name")), ["query_a", "query_b", "query_c"]);
    assert_eq!(named(list("--ordering -name")), ["query_c", "query_b", "query_a"]);
    assert_eq!(named(list("--ordering name --limit 1 --offset 1")), ["query_b"]);
    let some = list("--field name --field remote --ordering name --limit 1");
    assert_eq!(some, json!([{"name": "query_a", "remote": null}]));
    for one in list("--exclude-field name --exclude-field remote").as_array().unwrap() {
        let fields = one.as_object().unwrap();
        assert!(!fields.contains_key("name") && !fields.contains_key("remote"), "{one}");
        assert!(fields.contains_key("pulp_href"), "{one}");
    }
    for query in ["ordering=nothing", "name__like=x", "limit=many"] {
        let path = format!("/pulp/api/v3/repositories/file/file/?{query}");
        assert_eq!(pulp.call("GET", &path, &Value::Null).0, 400, "{query}");
    }
}

/// An upstream that hangs at the first `count` requests for its file, and the href of the remote `slow`.
fn slow_upstream(pulp: &Pulp, count: usize) -> (Upstream, String) {
    let upstream = Upstream::default();
    let digests = Digests::of(b"slow");
    upstream.set("/slow", b"slow");
    upstream.set("/PULP_MANIFEST", format!("slow,{},4\n", digests.sha256).as_bytes());
    upstream.fail("/slow", &vec![Fault::Slow(Duration::from_secs(600)); count]);
    let url = upstream.start();
    let remote = pulp.ok(&format!("file remote create --name slow --url {url}/PULP_MANIFEST"));
    (upstream, string(&remote["pulp_href"]))
}

/// Begins a sync from such an upstream; gives its task once it hangs.
fn hang(pulp: &Pulp, upstream: &Upstream, repository: &str) -> String {
    let (status, asked) = pulp.call("POST", &format!("{repository}sync/"), &json!({}));
    assert_eq!(status, 202);
    let task = string(&asked["task"]);
    let mut asked = Vec::new();
    while !asked.contains(&"/slow".to_owned()) {
        asked.extend(upstream.asked());
        let (_, shown) = pulp.call("GET", &task, &Value::Null);
        assert!(shown["finished_at"].is_null(), "{shown}");
    }
    task
}

#[test]
fn a_sync_that_runs_is_canceled_and_what_it_held_is_free() {
    let Some(pulp) = Pulp::start() else { return };
    let (upstream, remote) = slow_upstream(&pulp, 1);
    let repository = string(&pulp.ok("file repository create --name r --remote slow")["pulp_href"]);
    let task = hang(&pulp, &upstream, &repository);
    let count = |filter: &str| pulp.ok(&format!("task list {filter}")).as_array().unwrap().len();
    assert_eq!(count("--state running --name pulp_file.app.tasks.synchronizing.synchronize"), 1);
    pulp.ok(&format!("task cancel --href {task}"));
    assert_eq!(pulp.ok(&format!("task show --href {task}"))["state"], "canceled");
    let versions = pulp.ok("file repository version list --repository r");
    assert_eq!(versions.as_array().unwrap().len(), 1, "nothing of it is there");
    pulp.ok("file repository sync --repository r");
    for (filter, expected) in [
        (format!("--reserved-resource-in {repository} --reserved-resource-in {remote}"), 2),
        (format!("--reserved-resource {repository}"), 2),
        (format!("--exclusive-resource {repository}"), 2),
        (format!("--exclusive-resource {remote}"), 0),
        (format!("--shared-resource {remote}"), 2),
        (format!("--created-resource {repository}versions/1/"), 1),
        (format!("--parent-task {task}"), 0),
        ("--state canceled".to_owned(), 1),
        ("--started-before 21/01/12 --started-after 22/01/06T00:00:00".to_owned(), 0),
    ] {
        assert_eq!(count(&filter), expected, "{filter}");
    }
    for line in [
        "--finished-before NOT-A-DATE",
        "--finished-before 2021-12-01T12:00:00 --state NOT-A-STATE",
        "--finished-before 2021-12-01T12:00:00 --state running",
    ] {
        assert!(!pulp.run(&format!("task purge {line}")).status.success(), "{line}");
    }
}

#[test]
fn the_memory_of_a_task_is_measured_for_those_who_ask() {
    let Some(pulp) = Pulp::start() else { return };
    let repository = pulp.ok("file repository create --name r");
    pulp.ok("--header X-Task-Diagnostics:memory file repository update --name r --description x");
    pulp.ok("file repository update --name r --description y");
    let tasks = pulp.ok(&format!("task list --reserved-resource {}", string(&repository["pulp_href"])));
    let (other, measured) = (string(&tasks[0]["pulp_href"]), string(&tasks[1]["pulp_href"]));
    assert_eq!(pulp.ok(&format!("task profile-artifact-urls --href {other}")), json!({}));
    let mut command = pulp.command(&format!("task profile-artifact-urls --href {measured} --download"));
    let output = command.current_dir(pulp.debpoint.path("")).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let id = measured.trim_end_matches('/').rsplit('/').next().unwrap();
    let directory = format!("task_profile-{}-{id}", string(&tasks[1]["name"]));
    let path = pulp.debpoint.path(&directory).join("memory_profile");
    let profile =
        std::fs::read(&path).unwrap_or_else(|_| panic!("{}: {}", path.display(), text(&output.stdout)));
    let samples: Value = serde_json::from_slice(&profile).unwrap();
    let samples = samples.as_array().unwrap();
    assert!(samples.len() >= 2, "one at the begin and one at the end: {samples:?}");
    for sample in samples {
        assert!(sample["resident_bytes"].as_u64().unwrap() > 1 << 20, "{sample}");
        assert!(sample["seconds"].as_f64().unwrap() >= 0.0, "{sample}");
    }
}

#[test]
fn a_worker_of_its_own_takes_tasks_and_leaves_when_it_is_told() {
    let Some(pulp) = Pulp::start() else { return };
    let online = || names(&pulp.ok("worker list --online"), "name");
    let inside = online();
    assert_eq!(inside.len(), 1);
    // As many as the one inside carries out at once.
    let (upstream, _) = slow_upstream(&pulp, 4);
    for name in ["a", "b", "c", "d"] {
        let repository = pulp.ok(&format!("file repository create --name {name} --remote slow"));
        hang(&pulp, &upstream, &string(&repository["pulp_href"]));
    }
    let mut worker = pulp.debpoint.command().arg("worker").spawn().unwrap();
    let name = loop {
        let found = online().into_iter().find(|name| !inside.contains(name));
        if let Some(name) = found {
            break name;
        }
        assert!(worker.try_wait().unwrap().is_none(), "it has ended");
    };
    assert!(name.starts_with(&format!("{}@", worker.id())), "{name}");
    assert_eq!(pulp.ok(&format!("worker list --name {name}")).as_array().unwrap().len(), 1);
    let carried_out_by = || {
        pulp.ok("file repository update --repository r --description again");
        let task = pulp.ok("task list --limit 1").as_array().unwrap()[0].clone();
        assert_eq!(task["state"], "completed");
        string(&pulp.ok(&format!("worker show --href {}", string(&task["worker"])))["name"])
    };
    pulp.ok("file repository create --name r");
    assert_eq!(carried_out_by(), name);
    assert!(std::process::Command::new("kill").arg(worker.id().to_string()).status().unwrap().success());
    assert!(worker.wait().unwrap().success());
    assert_eq!(online(), inside);
    let running = pulp.ok("task list --state running");
    let href = string(&running[0]["pulp_href"]);
    assert_eq!(running.as_array().unwrap().len(), 4, "what the other one carries out goes on");
    pulp.ok(&format!("task cancel --href {href}"));
    assert_eq!(carried_out_by(), inside[0]);
}

#[test]
fn tasks_are_listed_canceled_and_purged() {
    let Some(pulp) = Pulp::start() else { return };
    pulp.ok("file repository create --name r");
    pulp.ok("file publication create --repository r");
    let task = pulp.ok("task list --limit 1").as_array().unwrap()[0].clone();
    let href = string(&task["pulp_href"]);
    assert_eq!(
        (&task["state"], &task["name"]),
        (&json!("completed"), &json!("pulp_file.app.tasks.publishing.publish"))
    );
    let (worker, id) =
        (string(&task["worker"]), href.trim_end_matches('/').rsplit('/').next().unwrap().to_owned());
    assert_eq!(pulp.ok(&format!("task show --uuid {id}"))["pulp_href"], href.as_str());
    assert_eq!(pulp.ok(&format!("worker show --href {worker}"))["pulp_href"], worker.as_str());
    assert_eq!(pulp.ok("worker list --online").as_array().unwrap().len(), 1);
    assert_eq!(pulp.ok("worker list --missing"), json!([]));
    assert!(!pulp.run(&format!("task cancel --href {href}")).status.success(), "it has ended");
    let (status, _) = pulp.call("PATCH", &href, &json!({"state": "canceled"}));
    assert_eq!(status, 409);
    for (filter, count) in [
        ("--state completed", 1),
        ("--state failed", 0),
        ("--name-contains publish", 1),
        ("--started-after 2001-01-01", 1),
        ("--started-before 2001-01-01", 0),
    ] {
        assert_eq!(pulp.ok(&format!("task list {filter}")).as_array().unwrap().len(), count, "{filter}");
    }
    assert_eq!(pulp.ok("task summary")["completed"], 1);
    pulp.ok("task purge --finished-before 2001-01-01");
    pulp.ok("task purge --finished-before 2101-01-01 --state completed");
    assert!(!pulp.run(&format!("task show --href {href}")).status.success());
    let running = json!({"finished_before": "2101-01-01", "states": ["running"]});
    assert_eq!(pulp.call("POST", "/pulp/api/v3/tasks/purge/", &running).0, 400);
}
