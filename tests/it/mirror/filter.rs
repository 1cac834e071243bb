//! Only what a pattern chooses is mirrored.

use checkpoint_testkit::debs::{deb, deb_with};
use checkpoint_testkit::upstream::Upstream;

use super::Mirror;
use crate::support::{Debpoint, upstream_archive};

fn filtered(pattern: &str) -> Mirror {
    let mut archive = upstream_archive();
    let depends = |on: &str| format!("Depends: {on}\nTask: desktop\n");
    archive.add("tool", "1.0", deb_with("tool", "1.0", "amd64", &depends("lib (>= 1), data")));
    archive.add("tool", "1.1", deb_with("tool", "1.1", "amd64", &depends("lib (>= 1), data, lost")));
    archive.add("lib", "1.0", deb_with("lib", "1.0", "amd64", ""));
    archive.add_to("contrib", "data", "1.0", deb("data", "1.0"));
    archive.add("other", "1.0", deb("other", "1.0"));
    archive.add_source("tool", "1.1");
    archive.add_source("other", "1.0");
    let flags = ["--sources", "--filter", pattern];
    Mirror::of(archive, (Debpoint::new(), Upstream::default()), &flags)
}

fn keys(pattern: &str) -> Vec<String> {
    let mirror = filtered(pattern);
    mirror.sync();
    let mut content = mirror.content();
    content.sort();
    content
}

#[test]
fn a_filter_chooses_by_name_section_version_and_newest_with_the_sources() {
    assert_eq!(keys("other"), ["other_1.0_all", "other_1.0_source"]);
    assert_eq!(keys("~smisc ~nlib"), ["lib_1.0_amd64"]);
    assert_eq!(keys("?priority(optional) ?field(Task, desk) ?version(1.0)"), ["tool_1.0_amd64"]);
    assert_eq!(keys("tool=1.0"), ["tool_1.0_amd64"]);
    assert_eq!(keys("?newest(1) ~ntool"), ["tool_1.1_amd64", "tool_1.1_source"]);
}

#[test]
fn a_filter_takes_what_is_needed_from_all_components() {
    let mirror = filtered("?with-dependencies(tool=1.1)");
    let remarks = mirror.sync()["remarks"].to_string();
    assert!(remarks.contains("lost"), "what nobody has is said: {remarks}");
    let mut content = mirror.content();
    content.sort();
    assert_eq!(content, ["data_1.0_all", "lib_1.0_amd64", "tool_1.1_amd64", "tool_1.1_source"]);
}

#[test]
fn a_change_in_one_component_is_seen_with_all_the_others() {
    let mut mirror = filtered("?with-dependencies(?newest(1, ~ntool))");
    mirror.sync();
    mirror.archive.add_to("contrib", "lost", "1.0", deb("lost", "1.0"));
    mirror.archive.publish(&mirror.upstream);
    assert_eq!(mirror.sync()["added"], 1, "what a package of an unchanged component needs has come");
    assert!(mirror.content().contains(&"lost_1.0_all".to_owned()));
    assert_eq!(mirror.sync()["unchanged"], true);
}

#[test]
fn a_pattern_that_makes_no_sense_is_refused_when_it_is_set() {
    let debpoint = Debpoint::new();
    let create = ["remote", "create", "up", "--type", "deb", "--url", "http://127.0.0.1:1", "--suite", "x"];
    let said = debpoint.refused(&[&create[..], &["--filter", "?nonsense(x)"]].concat());
    assert!(said.contains("pattern"), "{said}");
}
