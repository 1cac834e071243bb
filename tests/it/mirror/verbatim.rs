//! What the upstream signed, published byte for byte.

use checkpoint_testkit::debs::deb_with;
use checkpoint_testkit::program;

use super::Mirror;
use super::everything::whole;
use crate::support::apt::Apt;

/// A mirror that is published verbatim unless somebody says otherwise.
fn verbatim(flags: &[&str]) -> Mirror {
    let mirror = whole(&[&["--verbatim"], flags].concat());
    mirror.debpoint.ok(&["repository", "update", "mirror", "--set", "publication=verbatim"]);
    mirror
}

#[test]
fn a_verbatim_date_is_upstream_byte_for_byte_and_by_hash() {
    let mirror = verbatim(&["--all-indices"]);
    mirror.sync();
    let date = mirror.debpoint.publish("mirror", true);
    let server = mirror.debpoint.serve();
    for path in mirror.upstream.paths() {
        let answer = server.get(&format!("mirror/dated/{date}{path}"));
        assert_eq!((answer.status, &answer.body), (200, &mirror.upstream.file(&path)), "{path}");
    }
    let listed = server.get(&format!("mirror/dated/{date}/archive-key.asc")).text();
    assert_eq!(listed.trim(), mirror.archive.key().trim());
    mirror.debpoint.ok(&["verify"]);
}

#[test]
fn apt_believes_upstreams_key_at_a_date_even_when_its_release_has_expired() {
    if !program("apt-get") {
        return;
    }
    let mut mirror = verbatim(&[]);
    mirror.archive.valid_until = Some(mirror.archive.date + 900);
    mirror.archive.publish(&mirror.upstream);
    mirror.debpoint.ok(&["sync", "mirror", "--accept-change"]);
    let server = mirror.serve();
    let date = mirror.debpoint.publish("mirror", true);
    let pin = mirror.debpoint.ok(&["pin", "mirror-dated", &date]);
    assert!(pin.contains("Check-Valid-Until: no\n") && pin.contains("expires"), "{pin}");
    let key = mirror.archive.key();
    let line = key.lines().nth(3).unwrap();
    assert!(pin.contains(line), "the upstream's key: {pin}");
    let apt = Apt::new(&pin);
    apt.update().clean();
    assert_eq!(apt.download("tool"), ["tool_1.0_amd64.deb"]);
    let strict = Apt::new(&pin.replace("Check-Valid-Until: no\n", ""));
    assert!(!strict.update().ok, "without what pin says, apt refuses it");
    drop(server);
}

#[test]
fn the_same_version_can_be_published_both_ways() {
    let mirror = verbatim(&[]);
    mirror.sync();
    let theirs = mirror.debpoint.publish("mirror", true);
    let publish = ["publish", "mirror", "--checkpoint", "--kind", "apt"];
    let ours = mirror.debpoint.json(&publish)["time"].as_str().unwrap().to_owned();
    let server = mirror.debpoint.serve();
    let release = |date: &str| server.get(&format!("mirror/dated/{date}/dists/bookworm/InRelease")).body;
    assert_eq!(release(&theirs), mirror.upstream.file("/dists/bookworm/InRelease"));
    assert_ne!(release(&ours), release(&theirs));
    let path = mirror.path("tool");
    for date in [ours, theirs] {
        assert_eq!(server.get(&format!("mirror/dated/{date}/{path}")).status, 200);
    }
}

#[test]
fn each_day_of_a_verbatim_mirror_stays_what_it_was() {
    let mut mirror = verbatim(&[]);
    let mut days = Vec::new();
    for day in 0..3 {
        mirror.archive.add("tool", &format!("1.{day}"), deb_with("tool", &format!("1.{day}"), "amd64", ""));
        mirror.archive.publish(&mirror.upstream);
        mirror.sync();
        days.push((
            mirror.debpoint.publish("mirror", true),
            mirror.upstream.file("/dists/bookworm/InRelease"),
        ));
    }
    let server = mirror.debpoint.serve();
    for (date, release) in &days {
        assert_eq!(server.get(&format!("mirror/dated/{date}/dists/bookworm/InRelease")).body, *release);
    }
}

#[test]
fn what_somebody_has_changed_or_filtered_is_not_published_as_upstreams() {
    let mirror = verbatim(&[]);
    mirror.sync();
    mirror.debpoint.publish("mirror", false);
    mirror.debpoint.ok(&["content", "remove", "mirror", "tool-udeb"]);
    let said = mirror.debpoint.refused(&["publish", "mirror"]);
    assert!(said.contains("cannot be published verbatim"), "{said}");
    mirror.debpoint.ok(&["publish", "mirror", "--kind", "apt"]);
    let filtered = verbatim(&["--filter", "?true"]);
    filtered.sync();
    let said = filtered.debpoint.refused(&["publish", "mirror"]);
    assert!(said.contains("without --filter"), "{said}");
}

#[test]
fn a_release_and_an_inrelease_of_different_states_are_not_mixed() {
    let mut mirror = verbatim(&[]);
    let (old, old_gpg) = (
        mirror.upstream.file("/dists/bookworm/Release"),
        mirror.upstream.file("/dists/bookworm/Release.gpg"),
    );
    mirror.archive.add("tool", "1.1", deb_with("tool", "1.1", "amd64", ""));
    mirror.archive.publish(&mirror.upstream);
    mirror.upstream.set("/dists/bookworm/Release", &old);
    mirror.upstream.set("/dists/bookworm/Release.gpg", &old_gpg);
    mirror.refused("it is of another state than InRelease");
}
