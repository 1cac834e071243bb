//! The command line: what it says, and what it refuses.

use std::process::Command;

use checkpoint_testkit::debs::{deb, deb_with};
use checkpoint_testkit::program;

use crate::support::{Debpoint, after, project, text};

/// A repository with one package, and the path of that package.
fn vendor(debpoint: &Debpoint) -> String {
    debpoint.repository("vendor", "deb");
    let file = debpoint.file("hello_1_all.deb", deb("hello", "1"));
    debpoint.ok(&["content", "add", "vendor", &file]);
    file
}

#[test]
fn what_is_not_a_package_is_refused_in_a_sentence_and_changes_nothing() {
    let debpoint = Debpoint::new();
    let good = vendor(&debpoint);
    let whole = std::fs::read(&good).unwrap();
    let control = |text: &str| {
        use debian_format::archive::DebBuilder;
        DebBuilder::new(text).build().unwrap()
    };
    let bad: Vec<(&str, Vec<u8>)> = vec![
        ("empty.deb", Vec::new()),
        ("text.deb", b"not a package".to_vec()),
        ("cut.deb", whole[..whole.len() - 7].to_vec()),
        ("cut-early.deb", whole[..100].to_vec()),
        ("no-package.deb", control("Version: 1\nArchitecture: all\n")),
        ("no-version.deb", control("Package: x1\nArchitecture: all\n")),
        ("no-architecture.deb", control("Package: x1\nVersion: 1\n")),
        ("dots.deb", control("Package: ../../etc\nVersion: 1\nArchitecture: all\n")),
        ("absolute.deb", control("Package: /etc/passwd\nVersion: 1\nArchitecture: all\n")),
        ("version.deb", control("Package: x1\nVersion: 1/../../x\nArchitecture: all\n")),
        ("source.deb", control("Package: x1\nSource: ../../x\nVersion: 1\nArchitecture: all\n")),
        ("architecture.deb", control("Package: x1\nVersion: 1\nArchitecture: a/b\n")),
        ("nul.deb", control("Package: x1\nVersion: 1\nArchitecture: all\nDescription: a\0b\n")),
        ("wildcard.deb", control("Package: x1\nVersion: 1\nArchitecture: linux-any\n")),
        (
            "huge.deb",
            control(&format!("Package: x1\nVersion: 1\nArchitecture: all\nX: {}\n", "x".repeat(2_000_000))),
        ),
        ("forged.deb", control("Package: x1\nVersion: 1\nArchitecture: all\nFilename: pool/evil.deb\n")),
    ];
    let before = debpoint.json(&["content", "list", "vendor"]);
    for (name, bytes) in bad {
        let file = debpoint.file(name, bytes);
        let fine = debpoint.file("other_1_all.deb", deb("other", "1"));
        let said = debpoint.refused(&["content", "add", "vendor", &fine, &file]);
        assert!(said.contains(name), "{said}");
    }
    assert_eq!(debpoint.json(&["content", "list", "vendor"]), before);
    debpoint.ok(&["verify"]);
}

#[test]
fn other_bytes_under_the_same_name_version_and_architecture_are_refused_for_ever() {
    let debpoint = Debpoint::new();
    let good = vendor(&debpoint);
    assert!(debpoint.ok(&["content", "add", "vendor", &good]).contains("all of it already"));
    let other = debpoint.file("again.deb", deb_with("hello", "1", "all", "Homepage: https://example.org\n"));
    assert!(debpoint.refused(&["content", "add", "vendor", &other]).contains("hello_1_all"));
    debpoint.ok(&["content", "remove", "vendor", "hello"]);
    assert!(debpoint.refused(&["content", "add", "vendor", &other]).contains("with other bytes"));
    debpoint.ok(&["content", "add", "vendor", &good, "--suite", "unstable"]);
    // An epoch is not part of the path in the pool, so these two would stand at the same one.
    let epoch = debpoint.file("epoch.deb", deb("hello", "1:1"));
    let said = debpoint.refused(&["content", "add", "vendor", &epoch]);
    assert!(said.contains("pool/main/h/hello/hello_1_all.deb"), "{said}");
    let (a, b) = (
        debpoint.file("a.deb", deb("twin", "1")),
        deb_with("twin", "1", "all", "Homepage: https://b.example\n"),
    );
    let b = debpoint.file("b.deb", b);
    assert!(debpoint.refused(&["content", "add", "vendor", &a, &b]).contains("given twice"));
}

#[test]
fn names_that_do_not_exist_or_cannot_be_are_refused() {
    let debpoint = Debpoint::new();
    let file = vendor(&debpoint);
    let (missing, directory) = (debpoint.path("missing.deb"), debpoint.path(""));
    let (missing, directory) = (missing.to_str().unwrap(), directory.to_str().unwrap());
    let refused: &[(&[&str], &str)] = &[
        (&["content", "add", "nobody", &file], "no repository named 'nobody'"),
        (&["content", "add", "vendor", missing], "missing.deb"),
        (&["content", "add", "vendor", directory], "not a file"),
        (&["content", "add", "vendor", &file, "--suite", "../x"], "suite"),
        (&["content", "add", "vendor", &file, "--component", "a b"], "component"),
        (&["content", "add", "vendor", &file, "--relative-path", "x"], "relative_path"),
        (&["content", "remove", "vendor", "nothing"], "nothing"),
        (&["content", "list", "nobody"], "nobody"),
        (&["publish", "nobody"], "nobody"),
        (&["publish", "vendor", "--manifest", "x"], "manifest"),
        (&["repository", "create", "vendor", "--type", "deb"], "exists already"),
        (&["repository", "create", "x", "--type", "rpm"], "there is deb, file"),
        (&["repository", "create", "x", "--type", "deb", "--set", "nonsense=1"], "nonsense"),
        (&["repository", "create", "x", "--type", "deb", "--set", "origin"], "KEY=VALUE"),
        (&["repository", "update", "vendor", "--set", "origin=a\nb"], "one line"),
        (&["repository", "update", "vendor", "--set", "suites.x=Foo,bar"], "expected a map"),
        (&["repository", "update", "vendor", "--set", "architectures=amd64,all"], "not the architecture"),
        (&["content", "add", "vendor", &file, "--component", "by-hash"], "a name of metadata"),
        (&["content", "add", "vendor", &file, "--component", "InRelease"], "a name of metadata"),
        (
            &["distribution", "create", "vendor-live", "--base-path", "x", "--repository", "vendor"],
            "exists already",
        ),
        (
            &["distribution", "create", "x", "--base-path", "vendor", "--repository", "vendor"],
            "overlaps with",
        ),
        (&["distribution", "create", "x", "--base-path", "x", "--repository", "nobody"], "nobody"),
        (&["distribution", "delete", "nobody"], "no distribution named 'nobody'"),
        (&["pin", "nobody"], "nobody"),
        (&["pin", "vendor-live"], "not been published"),
        (&["pin", "vendor-dated", "20250318T140442Z"], "at or before"),
        (&["checkpoint", "show", "vendor", "29990318T140442Z"], "future"),
        (&["key", "import", missing], "missing.deb"),
        (&["key", "import", &file], "cannot import"),
    ];
    for (args, sentence) in refused {
        let said = debpoint.refused(args);
        assert!(said.contains(sentence), "{args:?}: {said}");
    }
    let misused: &[&[&str]] = &[
        &["repository", "create", "a/b", "--type", "deb"],
        &["repository", "create", "", "--type", "deb"],
        &["repository", "create", "a\nb", "--type", "deb"],
        &["distribution", "create", "x", "--base-path", "../x", "--repository", "vendor"],
        &["distribution", "create", "x", "--base-path", "/x", "--repository", "vendor"],
        &["pin", "vendor-dated", "20259928T092752Z"],
        &["checkpoint", "diff", "vendor", "yesterday", "today"],
        &["content", "add", "vendor"],
        &["nonsense"],
    ];
    for args in misused {
        let output = debpoint.run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", text(&output.stderr));
    }
    debpoint.ok(&["verify"]);
}

#[test]
fn a_directory_without_data_is_said_to_be_one() {
    let debpoint = Debpoint::new();
    assert!(debpoint.refused(&["content", "list", "x"]).contains("there is no debpoint data in"));
    assert!(!debpoint.data().exists(), "and nothing was made");
}

#[test]
fn a_configuration_that_makes_no_sense_is_refused_with_its_line() {
    let debpoint = Debpoint::new();
    vendor(&debpoint);
    debpoint.file("data/debpoint.toml", "listen = \"127.0.0.1:0\"\nlisten_on = \"x\"\n");
    let said = debpoint.refused(&["repository", "list"]);
    assert!(said.contains("debpoint.toml: line 2: unknown field `listen_on`"), "{said}");
    debpoint.file("data/debpoint.toml", "listen = \n");
    assert!(debpoint.refused(&["repository", "list"]).contains("line 1: "));
    debpoint.file("data/debpoint.toml", "listen = \"256.0.0.1:x\"\n");
    assert!(debpoint.refused(&["serve"]).contains("cannot listen on 256.0.0.1:x"));
}

#[test]
fn a_read_only_data_directory_is_said_to_be_one() {
    if !program("setpriv") {
        return;
    }
    let debpoint = Debpoint::new();
    let file = vendor(&debpoint);
    // Somebody who may read everything and write nothing, even where this test runs as root.
    let readable = Command::new("chmod").args(["-R", "a+rX"]).arg(debpoint.path("")).status().unwrap();
    assert!(readable.success());
    // The build directory may be closed to others; a copy of the command is not.
    let command = debpoint.path("debpoint");
    std::fs::copy(env!("CARGO_BIN_EXE_debpoint"), &command).unwrap();
    let data = debpoint.data();
    let run = |args: &[&str]| {
        let mut run = Command::new("setpriv");
        run.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&command).arg("--data").arg(&data);
        run.args(args).output().unwrap()
    };
    if !checkpoint_testkit::peer("the right to become somebody else", run(&["--version"]).status.success()) {
        return;
    }
    for args in [
        &["content", "add", "vendor", &file][..],
        &["publish", "vendor"],
        &["repository", "create", "x", "--type", "deb"],
    ] {
        let output = run(args);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
        assert!(
            said.starts_with("debpoint: cannot ") && said.contains("ermission denied"),
            "{args:?}: {said}"
        );
    }
    assert_eq!(debpoint.json(&["repository", "show", "vendor"])["latest_version"], 1);
}

#[test]
fn checkpoints_are_listed_shown_and_compared() {
    let debpoint = Debpoint::new();
    vendor(&debpoint);
    let gone = debpoint.file("gone_1_all.deb", deb("gone", "1"));
    debpoint.ok(&["content", "add", "vendor", &gone]);
    let first = debpoint.publish("vendor", true);
    let new = debpoint.file("hello_2_all.deb", deb("hello", "2"));
    let other = debpoint.file("other_1_amd64.deb", deb_with("other", "1", "amd64", ""));
    debpoint.ok(&["content", "add", "vendor", &new, &other]);
    debpoint.ok(&["content", "remove", "vendor", "gone=1"]);
    let second = debpoint.publish("vendor", true);
    let listed = debpoint.json(&["checkpoint", "list", "vendor"]);
    let times: Vec<_> =
        listed.as_array().unwrap().iter().map(|checkpoint| checkpoint["time"].clone()).collect();
    assert_eq!(times, [first.as_str(), second.as_str()]);
    let diff = debpoint.json(&["checkpoint", "diff", "vendor", &first, &second]);
    let change = |index: usize, field: &str| diff["changes"][index][field].as_str().unwrap_or("-").to_owned();
    let changes: Vec<_> =
        (0..3).map(|i| ["change", "name", "variant", "from", "to"].map(|field| change(i, field))).collect();
    assert_eq!(changes[0], ["removed", "gone", "all", "1", "-"]);
    assert_eq!(changes[1], ["upgraded", "hello", "all", "1", "2"]);
    assert_eq!(changes[2], ["added", "other", "amd64", "-", "1"]);
    let back = debpoint.ok(&["checkpoint", "diff", "vendor", &second, &first]);
    assert!(back.contains("downgraded") && back.starts_with("CHANGE"), "{back}");
    let shown = debpoint.json(&["checkpoint", "show", "vendor", &second]);
    assert_eq!((shown["time"].as_str().unwrap(), shown["units"].as_u64().unwrap()), (second.as_str(), 3));
    assert!(debpoint.refused(&["checkpoint", "show", "vendor", &after(&first, -1)]).contains("at or before"));
}

#[test]
fn verify_names_what_is_missing_or_wrong() {
    let debpoint = Debpoint::new();
    let file = vendor(&debpoint);
    assert!(debpoint.ok(&["verify"]).contains("as they should be"));
    let sha256 = checkpoint_core::digest::Digests::of(&std::fs::read(&file).unwrap()).sha256.to_string();
    let stored = debpoint.data().join("store/artifact").join(&sha256[..2]).join(&sha256[2..]);
    std::fs::write(&stored, "something else").unwrap();
    let output = debpoint.run(&["verify"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains(&format!("artifact {sha256}")), "{}", text(&output.stdout));
    std::fs::remove_file(&stored).unwrap();
    let output = debpoint.run(&["verify"]);
    assert!(text(&output.stdout).contains("is missing in the store"));
    assert!(text(&output.stderr).contains("1 problem"));
}

#[test]
fn the_reference_of_commands_is_what_help_says() {
    let mut reference = String::from(
        "# The command line\n\nWhat `--help` says for each command; a test keeps this page so \
         (`UPDATE_EXPECT=1 cargo test` writes it anew).\n",
    );
    let debpoint = Debpoint::new();
    let mut pending = vec![Vec::new()];
    while let Some(path) = pending.pop() {
        let help = Command::new(env!("CARGO_BIN_EXE_debpoint")).args(&path).arg("--help").output().unwrap();
        let help = text(&help.stdout);
        let title = ["debpoint"].iter().chain(&path).copied().collect::<Vec<&str>>().join(" ");
        let help: String = help.trim_end().lines().map(|line| format!("{}\n", line.trim_end())).collect();
        reference.push_str(&format!("\n## {title}\n\n```\n{help}```\n"));
        let commands =
            help.split_once("\nCommands:\n").map_or("", |(_, rest)| rest.split("\n\n").next().unwrap());
        let names = commands.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
        let mut found: Vec<Vec<&str>> = Vec::new();
        for name in names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help") {
            let name: &str = Box::leak(name.to_owned().into_boxed_str());
            found.push([&path[..], &[name]].concat());
        }
        pending.extend(found.into_iter().rev());
    }
    drop(debpoint);
    expect_test::expect_file![project().join("docs/cli.md")].assert_eq(&reference);
}

#[test]
fn places_that_would_share_a_directory_are_not_published() {
    let debpoint = Debpoint::new();
    let file = vendor(&debpoint);
    debpoint.ok(&["content", "add", "vendor", &file, "--suite", "stable", "--component", "updates/main"]);
    debpoint.publish("vendor", false);
    debpoint.ok(&["content", "add", "vendor", &file, "--suite", "stable/updates", "--component", "main"]);
    let said = debpoint.refused(&["publish", "vendor"]);
    assert!(said.contains("'stable updates/main' and 'stable/updates main'"), "{said}");
    debpoint.ok(&["content", "remove", "vendor", "hello", "--place", "stable/updates main"]);
    debpoint.publish("vendor", false);
}

#[test]
fn a_store_that_is_gone_is_not_replaced_by_an_empty_one() {
    let debpoint = Debpoint::new();
    vendor(&debpoint);
    let (store, aside) = (debpoint.data().join("store"), debpoint.data().join("aside"));
    std::fs::rename(&store, &aside).unwrap();
    assert!(
        debpoint.refused(&["content", "list", "vendor"]).contains("is not there, although the catalog is")
    );
    std::fs::rename(&aside, &store).unwrap();
    debpoint.ok(&["verify"]);
}
