//! Several remotes into one repository, and remotes that change.

use checkpoint_testkit::debs::{deb, deb_with};
use checkpoint_testkit::upstream::Upstream;

use super::Mirror;
use crate::support::upstream_archive;

/// Adds another remote, of another archive, to the mirror's.
fn second(mirror: &Mirror, suite: &str, package: &str) -> Upstream {
    let (upstream, mut archive) = (Upstream::default(), upstream_archive());
    archive.suite = suite.into();
    archive.add(package, "1.0", deb_with(package, "1.0", "amd64", "Homepage: http://example.org/\n"));
    archive.publish(&upstream);
    let (url, key) = (upstream.start(), mirror.debpoint.file("second.asc", archive.key()));
    let create = ["remote", "create", "second", "--type", "deb", "--url", &url, "--suite", suite];
    mirror.debpoint.ok(&[&create[..], &["--keyring", &key]].concat());
    mirror.debpoint.ok(&["repository", "update", "mirror", "--remote", "up", "--remote", "second"]);
    upstream
}

#[test]
fn suites_of_several_remotes_stand_under_one_date() {
    let mirror = Mirror::new(&[]);
    second(&mirror, "bookworm-security", "fix");
    mirror.debpoint.ok(&["sync", "--all", "--checkpoint"]);
    let server = mirror.debpoint.serve();
    let dates = mirror.debpoint.json(&["checkpoint", "list", "mirror"]);
    let date = dates[0]["time"].as_str().unwrap();
    for (suite, package) in [("bookworm", "tool"), ("bookworm-security", "fix")] {
        let index = format!("mirror/dated/{date}/dists/{suite}/main/binary-amd64/Packages");
        assert!(server.get(&index).text().contains(&format!("Package: {package}\n")));
    }
    assert_eq!(mirror.debpoint.json(&["sync", "mirror"])["unchanged"], true);
}

#[test]
fn two_remotes_do_not_empty_each_others_places() {
    let mirror = Mirror::new(&[]);
    mirror.sync();
    second(&mirror, "bookworm", "fix");
    let said = mirror.debpoint.refused(&["sync", "mirror", "--remote", "second"]);
    assert!(said.contains("remote 'up' of repository 'mirror' fills 'bookworm"), "{said}");
    assert_eq!(mirror.content().len(), 3);
    mirror.debpoint.ok(&["sync", "mirror", "--remote", "second", "--additive"]);
    assert_eq!(mirror.content().len(), 4, "but they can stand side by side");
}

#[test]
fn two_remotes_cannot_have_other_bytes_at_one_path() {
    let mirror = Mirror::new(&[]);
    mirror.sync();
    second(&mirror, "bookworm-security", "tool");
    let said = mirror.debpoint.refused(&["sync", "mirror", "--remote", "second"]);
    assert!(said.contains("upstream has other bytes at 'pool/main/t/tool/tool_1.0_amd64.deb'"), "{said}");
    mirror.debpoint.ok(&["verify"]);
}

#[test]
fn what_a_remote_is_not_about_any_more_goes() {
    let mut mirror = Mirror::new(&[]);
    mirror.archive.add_to("contrib", "extra", "1.0", deb("extra", "1.0"));
    mirror.archive.publish(&mirror.upstream);
    mirror.sync();
    assert_eq!(mirror.content().len(), 4);
    mirror.debpoint.ok(&["remote", "update", "up", "--component", "main"]);
    assert_eq!(mirror.sync()["removed"], 1);
    assert_eq!(mirror.content().len(), 3);
    mirror.debpoint.ok(&["remote", "update", "up", "--component", ""]);
    assert_eq!(mirror.sync()["added"], 1, "an empty value sets an option back");
}

#[test]
fn a_remote_is_changed_shown_and_deleted() {
    let mirror = Mirror::new(&["--policy", "on_demand"]);
    mirror.sync();
    let debpoint = &mirror.debpoint;
    let password = debpoint.file("password", "secret\n");
    debpoint.ok(&["remote", "update", "up", "--username", "me", "--password-file", &password]);
    let shown = debpoint.ok(&["remote", "show", "up"]) + &debpoint.ok(&["remote", "list", "--json"]);
    assert!(shown.contains("\"username\":") && !shown.contains("secret"), "{shown}");
    let said = debpoint.refused(&["remote", "delete", "up"]);
    assert!(said.contains("repository 'mirror' syncs from remote 'up'"), "{said}");
    second(&mirror, "bookworm-security", "fix");
    debpoint.ok(&["repository", "update", "mirror", "--remote", "second"]);
    let said = debpoint.refused(&["remote", "delete", "up"]);
    assert!(said.contains("3 files that are not held can be fetched from nowhere"), "{said}");
    debpoint.ok(&["remote", "delete", "up", "--force"]);
    assert!(debpoint.refused(&["remote", "show", "up"]).contains("no remote named 'up'"));
    let said = debpoint.refused(&["remote", "update", "second", "--rate-limit", "0"]);
    assert!(said.contains("at least 1"), "{said}");
}

#[test]
fn another_policy_fetches_what_the_one_before_did_not() {
    let mirror = Mirror::new(&["--policy", "on_demand"]);
    assert_eq!(mirror.sync()["fetched"], 0);
    mirror.debpoint.ok(&["remote", "update", "up", "--policy", "immediate"]);
    assert_eq!(mirror.sync()["fetched"], 3);
}

#[test]
fn what_was_left_out_is_tried_again_though_upstream_is_unchanged() {
    let mirror = Mirror::new(&[]);
    let (path, whole) =
        (format!("/{}", mirror.path("tool")), mirror.upstream.file(&format!("/{}", mirror.path("tool"))));
    mirror.upstream.set(&path, b"something else");
    let synced = mirror.debpoint.json(&["sync", "mirror", "--skip-broken"]);
    assert_eq!(synced["added"], 2);
    assert!(synced["remarks"].to_string().contains("left out"), "{synced}");
    mirror.upstream.set(&path, &whole);
    assert_eq!(mirror.sync()["added"], 1);
    assert_eq!(mirror.sync()["unchanged"], true);
}
