//! The file plugin fetches from an upstream.

use checkpoint_core::digest::Digests;
use checkpoint_testkit::upstream::Upstream;

use crate::support::Debpoint;

/// Puts files and a manifest of them onto the upstream.
fn put(upstream: &Upstream, files: &[(&str, &[u8])]) {
    let mut manifest = String::new();
    for (name, bytes) in files {
        let digests = Digests::of(bytes);
        manifest.push_str(&format!("{name},{},{}\n", digests.sha256, digests.size));
        upstream.set(&format!("/{name}"), bytes);
    }
    upstream.set("/PULP_MANIFEST", manifest.as_bytes());
}

fn mirror_of(debpoint: &Debpoint, upstream: &Upstream) {
    let url = format!("{}/PULP_MANIFEST", upstream.start());
    debpoint.ok(&["remote", "create", "upstream", "--type", "file", "--url", &url]);
    debpoint.repository("mirror", "file");
    debpoint.ok(&["repository", "update", "mirror", "--remote", "upstream"]);
}

fn content(debpoint: &Debpoint) -> Vec<String> {
    let list = debpoint.json(&["content", "list", "mirror"]);
    list.as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_sync_fetches_what_is_new_and_serves_the_same_bytes() {
    let (debpoint, upstream) = (Debpoint::new(), Upstream::default());
    put(&upstream, &[("1.iso", b"one"), ("sub/2 b.iso", b"two"), ("empty", b"")]);
    mirror_of(&debpoint, &upstream);
    debpoint.ok(&["sync", "mirror"]);
    assert_eq!(upstream.asked().len(), 4);
    let first = debpoint.publish("mirror", true);
    put(&upstream, &[("1.iso", b"one"), ("3.iso", b"three"), ("empty", b"")]);
    assert!(debpoint.ok(&["sync", "mirror"]).contains("version 2: 1 added"));
    assert_eq!(upstream.asked(), ["/PULP_MANIFEST", "/3.iso"]);
    assert_eq!(content(&debpoint), ["1.iso", "3.iso", "empty", "sub/2 b.iso"], "additive keeps what is gone");
    assert!(debpoint.ok(&["sync", "mirror", "--mirror"]).contains("version 3: 1 removed"));
    assert_eq!(content(&debpoint), ["1.iso", "3.iso", "empty"]);
    assert!(debpoint.ok(&["sync", "mirror", "--mirror"]).contains("all of it already"));
    let second = debpoint.publish("mirror", true);
    let server = debpoint.serve();
    assert_eq!(server.get(&format!("mirror/dated/{first}/sub/2%20b.iso")).body, b"two");
    assert_eq!(server.get(&format!("mirror/dated/{second}/sub/2%20b.iso")).status, 404);
    assert_eq!(server.get("mirror/live/3.iso").body, b"three");
    assert_eq!(server.get("mirror/live/empty").body, b"");
}

#[test]
fn one_debpoint_syncs_from_another() {
    let (origin, mirror) = (Debpoint::new(), Debpoint::new());
    origin.repository("files", "file");
    let file = origin.file("a+b.iso", "bytes");
    origin.ok(&["content", "add", "files", &file]);
    let date = origin.publish("files", true);
    let server = origin.serve();
    let url = server.url(&format!("files/dated/{date}/PULP_MANIFEST"));
    mirror.ok(&["remote", "create", "origin", "--type", "file", "--url", &url]);
    mirror.ok(&["repository", "create", "mirror", "--type", "file", "--remote", "origin"]);
    mirror.ok(&["sync", "mirror"]);
    assert_eq!(content(&mirror), ["a+b.iso"]);
}

#[test]
fn an_upstream_that_cannot_be_trusted_is_refused_and_changes_nothing() {
    let (debpoint, upstream) = (Debpoint::new(), Upstream::default());
    put(&upstream, &[("good.iso", b"good"), ("bad.iso", b"right")]);
    upstream.set("/bad.iso", b"wrong");
    mirror_of(&debpoint, &upstream);
    let said = debpoint.refused(&["sync", "mirror"]);
    assert!(said.contains("/bad.iso: its SHA-256 is"), "{said}");
    assert_eq!(content(&debpoint), [""; 0]);
    upstream.set("/bad.iso", b"much longer than it should be");
    assert!(debpoint.refused(&["sync", "mirror"]).contains("more than the 5 bytes"));
    upstream.set("/bad.iso", b"rig");
    assert!(debpoint.refused(&["sync", "mirror"]).contains("3 bytes instead of 5"));
    upstream.set("/bad.iso", b"right");
    upstream.asked();
    debpoint.ok(&["sync", "mirror"]);
    assert_eq!(upstream.asked(), ["/PULP_MANIFEST", "/bad.iso"], "what was fetched is not fetched again");
    for hostile in ["../x", "/etc/passwd", "a\\b", "a/../../b"] {
        let digest = Digests::of(b"x").sha256;
        upstream.set("/PULP_MANIFEST", format!("{hostile},{digest},1\n").as_bytes());
        assert!(debpoint.refused(&["sync", "mirror"]).contains("line 1: "), "{hostile}");
    }
    upstream.set("/PULP_MANIFEST", b"<html>not a manifest</html>");
    assert!(debpoint.refused(&["sync", "mirror"]).contains("line 1: "));
    upstream.clear();
    assert!(debpoint.refused(&["sync", "mirror"]).contains("404"));
    debpoint.ok(&["verify"]);
    assert_eq!(content(&debpoint), ["bad.iso", "good.iso"]);
}

#[test]
fn a_remote_that_makes_no_sense_is_refused() {
    let debpoint = Debpoint::new();
    debpoint.ok(&["repository", "create", "files", "--type", "file"]);
    let create = |url: &str| debpoint.refused(&["remote", "create", "r", "--type", "file", "--url", url]);
    assert!(create("foo").contains("'foo' is not a URL"));
    assert!(create("file:///etc").contains("neither an http:"));
    assert!(create("http://user:secret@127.0.0.1/").contains("must not hold a user name"));
    assert!(debpoint.refused(&["sync", "files"]).contains("has no remote"));
    assert!(debpoint.refused(&["sync", "files", "--remote", "nobody"]).contains("no remote named 'nobody'"));
    debpoint.ok(&["remote", "create", "gone", "--type", "file", "--url", "http://127.0.0.1:1/PULP_MANIFEST"]);
    let said = debpoint.refused(&["sync", "files", "--remote", "gone"]);
    assert!(said.contains("cannot fetch http://127.0.0.1:1/PULP_MANIFEST: "), "{said}");
}
