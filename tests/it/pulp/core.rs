//! What is the same for all kinds of content: status, tasks, workers, artifacts, orphans.

use checkpoint_core::digest::Digests;
use serde_json::{Value, json};

use super::{Pulp, string};
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
    assert!(text(&output.stderr).contains(id), "{}", text(&output.stderr));
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
