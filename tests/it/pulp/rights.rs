//! Who may do what, and what is written down of it. This needs no `pulp` command.

use serde_json::{Value, json};

use super::Pulp;
use crate::support::Debpoint;

const REPOSITORIES: &str = "/pulp/api/v3/repositories/file/file/";

fn user(debpoint: &Debpoint, name: &str, role: &[&str]) {
    let password = debpoint.file(name, format!("password of {name}\n"));
    debpoint.ok(&[&["user", "create", name, "--password-file", &password, "--role"], role].concat());
}

fn start() -> Pulp {
    let debpoint = Debpoint::new();
    debpoint.ok(&["repository", "create", "first", "--type", "file"]);
    let server = debpoint.serve();
    Pulp { debpoint, server, program: String::new() }
}

#[test]
fn until_there_is_a_user_nobody_changes_anything_and_is_told_how_to_begin() {
    let pulp = start();
    let (status, answer) = pulp.call_as("", "POST", REPOSITORIES, &json!({"name": "x"}));
    assert_eq!(status, 401);
    assert!(
        answer["detail"]
            .as_str()
            .unwrap()
            .contains("user create NAME --role administrator --password-file FILE"),
        "{answer}"
    );
    assert_eq!(pulp.call_as("", "GET", REPOSITORIES, &Value::Null).0, 200);
    user(&pulp.debpoint, "admin", &["administrator"]);
    assert_eq!(pulp.call_as("", "GET", REPOSITORIES, &Value::Null).0, 401);
    assert_eq!(pulp.call_as("", "GET", "/pulp/api/v3/status/", &Value::Null).0, 200);
    assert_eq!(pulp.call_as("admin:password of admin", "POST", REPOSITORIES, &json!({"name": "x"})).0, 201);
}

#[test]
fn readers_read_and_publishers_change_their_repositories_only() {
    let pulp = start();
    user(&pulp.debpoint, "admin", &["administrator"]);
    user(&pulp.debpoint, "reader", &["reader"]);
    user(&pulp.debpoint, "publisher", &["publisher", "--repository", "first"]);
    let (_, second) =
        pulp.call_as("admin:password of admin", "POST", REPOSITORIES, &json!({"name": "second"}));
    let (_, list) =
        pulp.call_as("reader:password of reader", "GET", &format!("{REPOSITORIES}?name=first"), &Value::Null);
    let (first, second) = (&list["results"][0]["pulp_href"], &second["pulp_href"]);
    let publications = "/pulp/api/v3/publications/file/file/";
    for (who, repository, status) in [
        ("reader:password of reader", first, 403),
        ("publisher:password of publisher", first, 202),
        ("publisher:password of publisher", second, 403),
        ("admin:password of admin", second, 202),
    ] {
        let answer = pulp.call_as(who, "POST", publications, &json!({"repository": repository}));
        assert_eq!(answer.0, status, "{who} {repository}: {}", answer.1);
    }
    assert_eq!(
        pulp.call_as("publisher:password of publisher", "POST", REPOSITORIES, &json!({"name": "x"})).0,
        403
    );
    let token = pulp.debpoint.ok(&["user", "token", "create", "publisher", "ci"]);
    let who = format!("publisher:{}", token.trim());
    assert_eq!(pulp.call_as(&who, "POST", publications, &json!({"repository": first})).0, 202);
}

#[test]
fn whoever_guesses_passwords_has_to_wait() {
    let pulp = start();
    user(&pulp.debpoint, "admin", &["administrator"]);
    let statuses: Vec<u16> = (0..12)
        .map(|n| pulp.call_as(&format!("admin:wrong {n}"), "GET", REPOSITORIES, &Value::Null).0)
        .collect();
    assert_eq!(statuses[0], 401);
    assert_eq!(statuses[11], 429);
}

#[test]
fn changes_are_recorded_with_who_what_when_and_from_where() {
    let pulp = start();
    user(&pulp.debpoint, "admin", &["administrator"]);
    pulp.call_as("admin:password of admin", "POST", REPOSITORIES, &json!({"name": "x"}));
    pulp.call_as("admin:password of admin", "POST", REPOSITORIES, &json!({"name": "x"}));
    let entries = pulp.debpoint.json(&["audit"]);
    let last: Vec<&Value> = entries.as_array().unwrap().iter().rev().take(3).collect();
    assert_eq!(
        (&last[1]["who"], &last[1]["source"], &last[1]["outcome"]),
        (&json!("admin"), &json!("127.0.0.1"), &json!("done"))
    );
    assert!(last[0]["outcome"].as_str().unwrap().starts_with("refused"), "{}", last[0]);
    assert!(last[2]["who"].as_str().unwrap().starts_with("cli:"), "{}", last[2]);
    assert!(last[2]["what"].as_str().unwrap().contains("user create admin"), "{}", last[2]);
    pulp.debpoint.ok(&["key", "generate", "--user-id", "Archive <archive@example.org>"]);
    pulp.debpoint.ok(&["key", "list"]);
    let admin = "admin:password of admin";
    let (status, listed) = pulp.call_as(admin, "GET", "/pulp/api/v3/audit/?who=admin", &Value::Null);
    assert_eq!((status, &listed["count"]), (200, &json!(2)), "{listed}");
    assert!(listed["results"][0]["outcome"].as_str().unwrap().starts_with("refused"), "the newest first");
    let entries = pulp.debpoint.json(&["audit"]);
    let last = entries.as_array().unwrap().last().unwrap();
    assert!(last["what"].as_str().unwrap().contains("key generate"), "a look at keys is no change: {last}");
}

#[test]
fn what_a_guarded_distribution_serves_is_for_those_who_sign_in() {
    let pulp = start();
    user(&pulp.debpoint, "admin", &["administrator"]);
    pulp.debpoint.ok(&["distribution", "create", "d", "--base-path", "d", "--repository", "first"]);
    pulp.debpoint.publish("first", false);
    assert_eq!(pulp.server.get("d/PULP_MANIFEST").status, 200);
    let admin = "admin:password of admin";
    let (_, guard) =
        pulp.call_as(admin, "POST", "/pulp/api/v3/contentguards/core/rbac/", &json!({"name": "g"}));
    let (_, list) = pulp.call_as(admin, "GET", "/pulp/api/v3/distributions/file/file/", &Value::Null);
    let href = list["results"][0]["pulp_href"].as_str().unwrap();
    let asked = pulp.call_as(admin, "PATCH", href, &json!({"content_guard": guard["pulp_href"]}));
    assert_eq!(asked.0, 202, "{}", asked.1);
    let task = asked.1["task"].as_str().unwrap().to_owned();
    while pulp.call_as(admin, "GET", &task, &Value::Null).1["finished_at"].is_null() {}
    assert_eq!(pulp.server.get("d/PULP_MANIFEST").status, 401);
    assert_eq!(pulp.call_as(admin, "GET", "/pulp/content/d/PULP_MANIFEST", &Value::Null).0, 200);
    assert_eq!(pulp.call_as("admin:wrong", "GET", "/pulp/content/d/PULP_MANIFEST", &Value::Null).0, 401);
}
