//! From one repository to the next: copying, merging and comparing versions.

use checkpoint_testkit::debs::{deb, deb_with};
use checkpoint_testkit::program;

use super::Mirror;
use crate::support::apt::Apt;

fn stages(flags: &[&str]) -> Mirror {
    let mut mirror = Mirror::new(flags);
    let needs = "Depends: lib (>= 1:1)\n";
    mirror.archive.add("app", "1.0", deb_with("app", "1.0", "amd64", needs));
    mirror.archive.publish(&mirror.upstream);
    mirror.sync();
    mirror.debpoint.repository("testing", "deb");
    mirror
}

fn keys(mirror: &Mirror, repository: &str) -> Vec<String> {
    let list = mirror.debpoint.json(&["content", "list", repository]);
    list.as_array().unwrap().iter().map(|entry| entry["key"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn packages_are_copied_with_what_they_need() {
    let mirror = stages(&["--policy", "on_demand"]);
    let copy =
        |args: &[&str]| mirror.debpoint.json(&[&["content", "copy", "mirror", "testing"], args].concat());
    assert_eq!(copy(&["data"])["added"], 1);
    assert_eq!(copy(&["app", "--with-dependencies"])["added"], 2);
    assert_eq!(keys(&mirror, "testing"), ["app_1.0_amd64", "data_1.0_all", "lib_1:2~rc1+b1_amd64"]);
    assert_eq!(copy(&["~nap"])["added"], 0, "it is there already");
    let said = mirror.debpoint.refused(&["content", "copy", "mirror", "testing", "nothing"]);
    assert!(said.contains("nothing in repository 'mirror' matches 'nothing'"), "{said}");
    mirror.debpoint.publish("testing", false);
    let server = mirror.debpoint.serve();
    let path = mirror.path("app");
    assert_eq!(server.get(&format!("testing/live/{path}")).status, 200, "what is on demand still is");
}

#[test]
fn an_old_version_is_copied_by_its_number() {
    let mut mirror = stages(&[]);
    mirror.archive.packages.clear();
    mirror.archive.add("new", "1", deb("new", "1"));
    mirror.archive.publish(&mirror.upstream);
    mirror.sync();
    assert_eq!(mirror.debpoint.json(&["content", "copy", "mirror@1", "testing"])["added"], 4);
    let said = mirror.debpoint.refused(&["content", "copy", "mirror@9", "testing"]);
    assert!(said.contains("there is no version named 'mirror@9'"), "{said}");
}

#[test]
fn versions_are_merged_and_compared() {
    let mut mirror = stages(&[]);
    mirror.debpoint.ok(&["version", "merge", "testing", "mirror@1"]);
    mirror.archive.add("tool", "1.1", deb_with("tool", "1.1", "amd64", ""));
    mirror.archive.publish(&mirror.upstream);
    mirror.sync();
    let changes = |from: &str, to: &str| {
        let diff = mirror.debpoint.json(&["version", "diff", from, to]);
        let list = diff["changes"].as_array().unwrap().clone();
        list.iter().map(|c| format!("{} {}", c["change"], c["name"]).replace('"', "")).collect::<Vec<_>>()
    };
    assert_eq!(changes("testing", "mirror"), ["upgraded tool"]);
    assert_eq!(changes("mirror@1", "mirror@2"), ["upgraded tool"]);
    let merged = mirror.debpoint.json(&["version", "merge", "testing", "mirror", "--newest"]);
    assert_eq!((merged["added"].as_i64(), merged["removed"].as_i64()), (Some(1), Some(1)));
    assert_eq!(changes("testing", "mirror"), [] as [String; 0]);
    assert!(!keys(&mirror, "testing").contains(&"tool_1.0_amd64".to_owned()));
    let said = mirror.debpoint.ok(&["version", "diff", "mirror@1", "mirror"]);
    assert!(said.contains("upgraded") && said.contains("1.1"), "{said}");
}

/// A repository with three checkpoints of three versions of a package, and a live distribution.
fn dated() -> (Mirror, [String; 3]) {
    let mut mirror = Mirror::new(&[]);
    let days = ["1.1", "1.2", "1.3"].map(|version| {
        mirror.archive.packages.retain(|path, _| !path.contains("tool"));
        mirror.archive.add("tool", version, deb_with("tool", version, "amd64", ""));
        mirror.archive.publish(&mirror.upstream);
        mirror.sync();
        mirror.debpoint.publish("mirror", true)
    });
    (mirror, days)
}

#[test]
fn a_distribution_moves_back_and_forward_and_apt_goes_with_it() {
    if !program("apt-get") {
        return;
    }
    let (mirror, [first, second, _]) = dated();
    let server = mirror.serve();
    let apt = Apt::new(&mirror.debpoint.ok(&["pin", "mirror-live"]));
    let candidate = || {
        apt.update().clean();
        let said = apt.run("apt-cache", &["policy", "tool"]).text;
        let line = said.lines().find_map(|line| line.trim().strip_prefix("Candidate: "));
        line.unwrap().to_owned()
    };
    assert_eq!(candidate(), "1.3");
    for (target, version) in [(&first, "1.1"), (&second, "1.2"), (&first, "1.1")] {
        mirror.debpoint.ok(&["distribution", "move", "mirror-live", target]);
        assert_eq!(candidate(), version);
        let index =
            |base: &str| server.get(&format!("{base}/dists/bookworm/main/binary-amd64/Packages")).body;
        assert_eq!(index("mirror/live"), index(&format!("mirror/dated/{target}")), "the same, byte for byte");
    }
    mirror.debpoint.publish("mirror", true);
    assert_eq!(candidate(), "1.1", "it stays where it is");
    mirror.debpoint.ok(&["distribution", "move", "mirror-live", "live"]);
    assert_eq!(candidate(), "1.3");
}

#[test]
fn a_client_that_read_the_release_before_a_move_back_finds_all_it_lists() {
    let (mirror, [first, ..]) = dated();
    let server = mirror.debpoint.serve();
    let release = server.get("mirror/live/dists/bookworm/Release").text();
    let release = debian_format::release::Release::parse(release.as_bytes()).unwrap();
    mirror.debpoint.ok(&["distribution", "move", "mirror-live", &first]);
    for file in release.files.iter().filter(|file| file.path.contains("Packages")) {
        let hex: String = file.sha256.unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
        let directory = file.path.rsplit_once('/').unwrap().0;
        let hashed = format!("mirror/live/dists/bookworm/{directory}/by-hash/SHA256/{hex}");
        assert_eq!(server.get(&hashed).status, 200, "{}", file.path);
    }
    let newest = mirror.archive.packages.keys().find(|path| path.contains("tool_1.3")).unwrap();
    assert_eq!(server.get(&format!("mirror/live/{newest}")).status, 200);
}

#[test]
fn dates_are_not_touched_by_a_move_and_what_cannot_be_moved_says_so() {
    let (mirror, days) = dated();
    let server = mirror.debpoint.serve();
    let all = || {
        days.each_ref().map(|day| server.get(&format!("mirror/dated/{day}/dists/bookworm/InRelease")).body)
    };
    let before = all();
    mirror.debpoint.ok(&["distribution", "move", "mirror-live", &days[0]]);
    assert_eq!(all(), before);
    assert_eq!(mirror.debpoint.json(&["checkpoint", "list", "mirror"]).as_array().unwrap().len(), 3);
    let said = mirror.debpoint.refused(&["distribution", "move", "mirror-dated", &days[0]]);
    assert!(said.contains("does not serve one state"), "{said}");
    let said = mirror.debpoint.refused(&["distribution", "move", "mirror-live", "20200101T000000Z"]);
    assert!(said.contains("no checkpoint at or before 20200101T000000Z"), "{said}");
}

#[test]
fn a_verbatim_distribution_moves_forward_but_not_back() {
    let mut mirror = Mirror::new(&["--verbatim"]);
    mirror.debpoint.ok(&["repository", "update", "mirror", "--set", "publication=verbatim"]);
    let mut dates = Vec::new();
    for version in ["1.1", "1.2"] {
        mirror.archive.add("tool", version, deb_with("tool", version, "amd64", ""));
        mirror.archive.publish(&mirror.upstream);
        mirror.sync();
        dates.push(mirror.debpoint.publish("mirror", true));
    }
    let said = mirror.debpoint.refused(&["distribution", "move", "mirror-live", &dates[0]]);
    assert!(said.contains("cannot be moved back: its Release is signed by the upstream"), "{said}");
    mirror.debpoint.ok(&["distribution", "move", "mirror-live", &dates[1]]);
}
