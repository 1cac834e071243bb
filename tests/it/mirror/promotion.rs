//! From one repository to the next: copying, merging and comparing versions.

use checkpoint_testkit::debs::{deb, deb_with};

use super::Mirror;

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
