//! `pulp deb`.

use checkpoint_testkit::debs::deb_with;
use checkpoint_testkit::program;
use serde_json::json;

use super::file::{dates, until};
use super::{Pulp, names, string};
use crate::support::apt::Apt;
use crate::support::{Debpoint, Server, after, project};

/// A small signed archive with the shape of Pulp's own fixture: suite ragnarok, components asgard and jotunheimr.
struct Archive {
    _server: Server,
    url: String,
    keys: String,
}

fn archive() -> Archive {
    let debpoint = Debpoint::new();
    let suites = r#"suites={"ragnarok":{"suite":"mythology"}}"#;
    debpoint.ok(&["repository", "create", "myths", "--type", "deb", "--set", suites]);
    for (name, architecture, component) in [
        ("frigg", "ppc64", "asgard"),
        ("odin", "ppc64", "asgard"),
        ("thor", "ppc64", "asgard"),
        ("geirrodr", "armeb", "jotunheimr"),
    ] {
        let file =
            debpoint.file(&format!("{name}_1.0_{architecture}.deb"), deb_with(name, "1.0", architecture, ""));
        debpoint.ok(&["content", "add", "myths", &file, "--suite", "ragnarok", "--component", component]);
    }
    debpoint.ok(&["distribution", "create", "myths", "--base-path", "debian", "--repository", "myths"]);
    debpoint.publish("myths", false);
    let keys = debpoint.ok(&["key", "export"]);
    let server = debpoint.serve();
    let url = server.url("debian");
    // The directory has to outlive the server.
    std::mem::forget(debpoint);
    Archive { _server: server, url, keys }
}

#[test]
fn an_archive_is_synced_published_and_dated_and_apt_installs_from_the_date() {
    let Some(pulp) = Pulp::start() else { return };
    if !program("apt-get") {
        return;
    }
    let origin = hello();
    let upstream = origin.serve();
    remote(&pulp, "hello", (&upstream.url("hello/live"), "bookworm"), &origin.ok(&["key", "export"]));
    pulp.ok("deb repository create --name hello --remote hello");
    pulp.ok("deb repository sync --name hello");
    pulp.ok("deb distribution create --name live --base-path live --repository hello");
    pulp.ok("deb distribution create --name dated --base-path dated --repository hello --checkpoint");
    let publication = pulp.ok("deb publication create --repository hello --checkpoint");
    assert_eq!((&publication["checkpoint"], &publication["structured"]), (&json!(true), &json!(true)));
    let time = string(&publication["checkpoint_time"]);
    assert_eq!(dates(&pulp.server.get("dated/").text()), [time.as_str()]);
    let stanza = pulp.debpoint.ok(&["pin", "dated", &time]);
    let apt = Apt::new(&stanza.replace(&guess(&stanza), &pulp.server.url));
    apt.run("apt-get", &["update"]).clean();
    let said = apt.run("apt-get", &["install", "--print-uris", "hello"]);
    assert!(said.text.contains(&format!("dated/{time}/pool/")), "{}", said.text);
    // What comes later does not change what the date has.
    let newer = origin.file("hello_2.0_amd64.deb", deb_with("hello", "2.0", "amd64", ""));
    origin.ok(&["content", "add", "hello", &newer, "--suite", "bookworm"]);
    origin.publish("hello", false);
    pulp.ok("deb repository sync --name hello");
    until(&after(&time, 2));
    let later = pulp.ok("deb publication create --repository hello --checkpoint");
    let later = string(&later["checkpoint_time"]);
    assert_eq!(dates(&pulp.server.get("dated/").text()), [time.as_str(), later.as_str()]);
    let listing = pulp.server.get(&format!("dated/{later}/")).text();
    assert!(listing.contains(">dists/<") && listing.contains(">pool/<"), "{listing}");
    let between = pulp.server.get(&format!("dated/{}/dists/", after(&later, -1)));
    assert_eq!((between.status, between.text().as_str()), (301, "301: Moved Permanently"));
    let target = format!("/pulp/content/dated/{time}/dists/");
    assert_eq!(between.header("location"), Some(target.as_str()));
    for (time, version) in [(&time, "1.0"), (&later, "2.0")] {
        apt.set_sources(
            &pulp.debpoint.ok(&["pin", "dated", time]).replace(&guess(&stanza), &pulp.server.url),
        );
        apt.run("apt-get", &["update"]).clean();
        installs(&apt, version);
    }
}

/// Creates a remote of one suite that is believed by these keys.
fn remote(pulp: &Pulp, name: &str, (url, suite): (&str, &str), keys: &str) {
    let keys = pulp.debpoint.file("keys.asc", keys);
    pulp.ok(&format!("deb remote create --name {name} --url {url} --distribution {suite} --gpgkey @{keys}"));
}

/// An archive with one package.
fn hello() -> Debpoint {
    let origin = Debpoint::new();
    origin.repository("hello", "deb");
    let file = origin.file("hello_1.0_amd64.deb", deb_with("hello", "1.0", "amd64", ""));
    origin.ok(&["content", "add", "hello", &file, "--suite", "bookworm"]);
    origin.publish("hello", false);
    origin
}

#[test]
fn a_script_for_a_day_on_pulp_runs_unchanged() {
    let Some(pulp) = Pulp::start() else { return };
    if !program("jq") || !program("curl") {
        return;
    }
    let origin = hello();
    let upstream = origin.serve();
    let keys = pulp.debpoint.file("keys.asc", origin.ok(&["key", "export"]));
    let config = format!(
        "[cli]\nbase_url = \"{}\"\nusername = \"admin\"\npassword = \"correct horse\"\n",
        pulp.server.url
    );
    let directory = pulp.debpoint.path("config/pulp");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("cli.toml"), config).unwrap();
    let directory = std::path::Path::new(&pulp.program).parent().unwrap().display();
    let path = format!("{directory}:{}", std::env::var("PATH").unwrap());
    let run = |words: &[&str]| {
        let mut command = std::process::Command::new(project().join("benches/pulp-day.sh"));
        command.args(words).env("PATH", &path).env("XDG_CONFIG_HOME", pulp.debpoint.path("config"));
        command.env("XDG_CACHE_HOME", pulp.debpoint.path("cache")).env("PYTHONWARNINGS", "ignore");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", crate::support::text(&output.stderr));
        crate::support::text(&output.stdout)
    };
    run(&["setup", &upstream.url("hello/live"), "bookworm", &keys]);
    for version in ["1.0", "2.0"] {
        let file =
            origin.file(&format!("hello_{version}_amd64.deb"), deb_with("hello", version, "amd64", ""));
        origin.ok(&["content", "add", "hello", &file, "--suite", "bookworm"]);
        origin.publish("hello", false);
        let said = run(&["day"]);
        let steps: Vec<&str> = said.lines().map(|line| line.split(' ').next().unwrap()).collect();
        assert_eq!(steps, ["sync", "checkpoint", "promote", "list", "prune"]);
        let index = "debian/production/dists/bookworm/main/binary-amd64/Packages";
        let newest = pulp.server.get(index).text();
        assert!(newest.contains(&format!("Version: {version}\n")), "{newest}");
    }
    let publications = pulp.ok("deb publication list");
    assert_eq!(publications.as_array().unwrap().len(), 2, "both dates are kept");
}

/// apt fetches the package and dpkg unpacks and configures it, where this machine has one.
fn installs(apt: &Apt, version: &str) {
    let name = format!("hello_{version}_amd64.deb");
    assert!(apt.download("hello").contains(&name));
    if !program("dpkg") {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let (deb, admin) = (apt.path("var/cache/apt/archives").join(name), root.path().join("var/lib/dpkg"));
    std::fs::create_dir_all(admin.join("updates")).unwrap();
    std::fs::create_dir_all(admin.join("info")).unwrap();
    std::fs::write(admin.join("status"), "").unwrap();
    let mut command = std::process::Command::new("dpkg");
    command
        .arg(format!("--root={}", root.path().display()))
        .args(["--force-not-root", "--force-architecture"]);
    command.arg("--log=/dev/null").arg("-i").arg(deb);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", crate::support::text(&output.stderr));
    let status = std::fs::read_to_string(admin.join("status")).unwrap();
    assert!(status.contains("Status: install ok installed"), "{status}");
    assert!(status.contains(&format!("Version: {version}")), "{status}");
}

/// The address that `pin` takes for the server's.
fn guess(stanza: &str) -> String {
    let line = stanza.lines().find(|line| line.starts_with("URIs: ")).unwrap();
    let url = line.trim_start_matches("URIs: ");
    url[..url.find("/pulp/").unwrap()].to_owned()
}

#[test]
fn a_sync_finds_what_pulp_finds() {
    let Some(pulp) = Pulp::start() else { return };
    let archive = archive();
    remote(&pulp, "myths", (&archive.url, "ragnarok"), &archive.keys);
    pulp.ok("deb repository create --name myths --remote myths");
    pulp.ok("deb repository sync --name myths");
    let version = string(&pulp.ok("deb repository show --name myths")["latest_version_href"]);
    let count = |kind: &str| {
        let list = pulp.ok(&format!("deb content --type {kind} list --repository-version {version}"));
        list.as_array().unwrap().len()
    };
    for (kind, expected) in [
        ("package", 4),
        ("package_release_component", 4),
        ("release_architecture", 2),
        ("release_component", 2),
        ("release", 1),
        ("release_file", 1),
        ("generic_content", 0),
        ("installer_package", 0),
        ("installer_file_index", 0),
    ] {
        assert_eq!(count(kind), expected, "{kind}");
    }
    let release =
        &pulp.ok(&format!("deb content --type release_file list --repository-version {version}"))[0];
    assert_eq!((&release["distribution"], &release["suite"]), (&json!("ragnarok"), &json!("mythology")));
    let artifacts = release["artifacts"].as_object().unwrap();
    let forms: Vec<&str> = artifacts.keys().map(String::as_str).collect();
    assert_eq!(forms, ["dists/ragnarok/InRelease", "dists/ragnarok/Release", "dists/ragnarok/Release.gpg"]);
    for kind in ["release", "release_component", "release_architecture", "package_release_component"] {
        let list = pulp.ok(&format!("deb content --type {kind} list --repository-version {version}"));
        let shown =
            pulp.ok(&format!("deb content --type {kind} show --href {}", string(&list[0]["pulp_href"])));
        assert_eq!(shown, list[0]);
    }
    let version = pulp.ok("deb repository version show --repository myths");
    assert_eq!(version["number"], 1);
    pulp.ok("deb repository sync --name myths --no-optimize");
    pulp.ok("deb repository sync --name myths --optimize");
    assert_eq!(
        pulp.ok("deb repository version list --repository myths").as_array().unwrap().len(),
        2,
        "nothing was new"
    );
    let verbatim = pulp.ok("deb publication --type verbatim create --repository myths");
    pulp.ok(&format!(
        "deb distribution create --name verbatim --base-path verbatim --publication {}",
        string(&verbatim["pulp_href"])
    ));
    let signed = checkpoint_testkit::http::get(&format!("{}/dists/ragnarok/InRelease", archive.url));
    assert_eq!(
        pulp.server.get("verbatim/dists/ragnarok/InRelease").body,
        signed.body,
        "upstream's own signature"
    );
    let simple = pulp.ok("deb publication create --repository myths --simple");
    pulp.ok(&format!(
        "deb distribution create --name simple --base-path simple --publication {}",
        string(&simple["pulp_href"])
    ));
    let index = pulp.server.get("simple/dists/default/all/binary-ppc64/Packages").text();
    assert_eq!(index.matches("Package: ").count(), 3, "{index}");
    pulp.ok("deb distribution destroy --name simple");
    pulp.ok(&format!("deb publication destroy --href {}", string(&simple["pulp_href"])));
    pulp.ok("deb repository destroy --name myths");
    pulp.ok("deb remote destroy --name myths");
}

#[test]
fn an_upstream_that_nobody_trusts_or_that_is_not_there_is_said_in_the_task() {
    let Some(pulp) = Pulp::start() else { return };
    let archive = archive();
    let other = Debpoint::new();
    other.ok(&["repository", "create", "x", "--type", "deb"]);
    other.ok(&["key", "generate"]);
    remote(&pulp, "myths", (&archive.url, "ragnarok"), &other.ok(&["key", "export"]));
    pulp.ok("deb repository create --name myths --remote myths");
    assert!(pulp.refused("deb repository sync --name myths").contains("failed"));
    assert_eq!(pulp.ok("deb repository version list --repository myths").as_array().unwrap().len(), 1);
}

#[test]
fn remotes_are_created_changed_and_shown_without_their_secrets() {
    let Some(pulp) = Pulp::start() else { return };
    for line in [
        "deb remote create --name a --url http://localhost --distribution  ",
        "deb remote create --url http://localhost --distribution x",
    ] {
        assert!(!pulp.run(line).status.success(), "{line}");
    }
    for (name, url, distribution) in
        [("", "http://localhost", "x"), ("a", "", "x"), ("a", "http://localhost", "")]
    {
        let words = ["deb", "remote", "create", "--name", name, "--url", url, "--distribution", distribution];
        assert!(!pulp.command_of(&words).output().unwrap().status.success(), "{words:?}");
    }
    // Pulp takes what is no URL; nothing is fetched from there.
    pulp.ok("deb remote create --name no-url --url foo --distribution foo");
    pulp.ok("deb repository create --name no-url --remote no-url");
    assert!(pulp.refused("deb repository sync --name no-url").contains("'foo' is not a URL"));
    let made = pulp.ok("deb remote create --name a --url http://localhost/x --distribution x --distribution y --component main --architecture amd64 --architecture all --policy on_demand");
    assert_eq!(made["distributions"], "x y");
    assert_eq!(
        (&made["components"], &made["architectures"], &made["policy"]),
        (&json!("main"), &json!("amd64"), &json!("on_demand"))
    );
    pulp.ok("deb remote update --name a --distribution z --policy immediate");
    let shown = pulp.ok("deb remote show --name a");
    assert_eq!(
        (&shown["distributions"], &shown["components"], &shown["policy"]),
        (&json!("z"), &json!("main"), &json!("immediate"))
    );
    for option in ["--component", "--architecture"] {
        pulp.ok_of(&["deb", "remote", "update", "--name", "a", option, "bar", option, ""]);
        let field = format!("{}s", option.trim_start_matches('-'));
        assert_eq!(pulp.ok("deb remote show --name a")[&field], "bar");
        pulp.ok_of(&["deb", "remote", "update", "--name", "a", option, ""]);
        assert_eq!(pulp.ok("deb remote show --name a")[&field], json!(null));
    }
    let (status, _) = pulp.call(
        "PATCH",
        made["pulp_href"].as_str().unwrap(),
        &json!({"username": "u", "password": "secret"}),
    );
    assert_eq!(status, 202);
    let shown = pulp.ok("deb remote show --name a");
    assert!(!shown.to_string().contains("secret"), "{shown}");
    assert!(
        shown["hidden_fields"].as_array().unwrap().contains(&json!({"name": "password", "is_set": true})),
        "{shown}"
    );
}

#[test]
fn packages_are_uploaded_added_and_removed() {
    let Some(pulp) = Pulp::start() else { return };
    let file = pulp.debpoint.file("thor_1.0_ppc64.deb", deb_with("thor", "1.0", "ppc64", ""));
    let package = pulp.ok(&format!("deb content upload --file {file}"));
    assert_eq!((&package["package"], &package["architecture"]), (&json!("thor"), &json!("ppc64")));
    let same = pulp.ok(&format!("deb content upload --file {file}"));
    assert_eq!(same["pulp_href"], package["pulp_href"]);
    pulp.ok("deb repository create --name r");
    let href = string(&package["pulp_href"]);
    pulp.ok(&format!("deb repository content add --repository r --package-href {href}"));
    assert_eq!(names(&pulp.ok("deb repository content list --repository r"), "package"), ["thor"]);
    pulp.ok(&format!("deb repository content remove --repository r --package-href {href}"));
    assert_eq!(pulp.ok("deb repository content list --repository r"), json!([]));
    let units = json!([{"pulp_href": href}]).to_string();
    for (option, expected) in [("--add-content", vec!["thor"]), ("--remove-content", vec![])] {
        pulp.ok_of(&["deb", "repository", "content", "modify", "--repository", "r", option, &units]);
        assert_eq!(names(&pulp.ok("deb repository content list --repository r"), "package"), expected);
    }
    pulp.ok(&format!(
        "deb content upload --file {file} --repository r --distribution my-dist --component my-comp"
    ));
    let version = string(&pulp.ok("deb repository show --name r")["latest_version_href"]);
    let components =
        pulp.ok(&format!("deb content --type release_component list --repository-version {version}"));
    assert_eq!(
        (&components[0]["distribution"], &components[0]["component"]),
        (&json!("my-dist"), &json!("my-comp"))
    );
    assert!(
        pulp.refused(&format!("deb content upload --file {}", pulp.debpoint.file("x.deb", "no package")))
            .contains("failed")
    );
}

#[test]
fn components_are_made_by_themselves_and_published_empty() {
    let Some(pulp) = Pulp::start() else { return };
    let create = "deb content --type release_component create --distribution foo --component";
    let made = pulp.ok(&format!("{create} bar"));
    assert_eq!((&made["distribution"], &made["component"]), (&json!("foo"), &json!("bar")));
    let href = string(&made["pulp_href"]);
    assert_eq!(pulp.ok(&format!("{create} bar")), made, "it is there already");
    assert_eq!(pulp.ok(&format!("deb content --type release_component show --href {href}")), made);
    let repository = pulp.ok("deb repository create --name r");
    let add = json!({"add_content_units": [href]});
    let modified =
        pulp.done(&pulp.call("POST", &format!("{}modify/", string(&repository["pulp_href"])), &add));
    assert_eq!(modified["state"], "completed", "{modified}");
    let list = |version: u32| {
        let version = format!("{}{version}/", string(&repository["versions_href"]));
        names(
            &pulp.ok(&format!("deb content --type release_component list --repository-version {version}")),
            "component",
        )
    };
    assert_eq!((list(0), list(1)), (vec![], vec!["bar".to_owned()]));
    let body = json!({"distribution": "foo", "component": "more", "repository": repository["pulp_href"]});
    let (status, _) = pulp.call("POST", "/pulp/api/v3/content/deb/release_components/", &body);
    assert_eq!((status, list(2)), (201, vec!["bar".to_owned(), "more".to_owned()]));
    pulp.ok("deb publication create --repository r");
    pulp.ok("deb distribution create --name r --base-path r --repository r");
    let release = pulp.server.get("r/dists/foo/Release").text();
    assert!(release.contains("\nComponents: bar more\n"), "{release}");
    assert_eq!(pulp.server.get("r/dists/foo/bar/binary-amd64/Packages").text(), "");
    pulp.ok(&format!("{create} lonely"));
    pulp.ok("orphan cleanup --protection-time 0");
    let left = names(&pulp.ok("deb content --type release_component list"), "component");
    assert_eq!(left, ["bar", "more"]);
    let other = pulp.ok("file repository create --name other");
    for body in [
        json!({"distribution": "x", "component": "main", "repository": other["pulp_href"]}),
        json!({"distribution": "../x", "component": "main"}),
        json!({"distribution": "x", "component": "by-hash"}),
        json!({"distribution": "x"}),
    ] {
        let (status, answer) = pulp.call("POST", "/pulp/api/v3/content/deb/release_components/", &body);
        assert_eq!(status, 400, "{body}: {answer}");
    }
}

#[test]
fn content_is_copied_from_one_repository_to_another() {
    let Some(pulp) = Pulp::start() else { return };
    let file = pulp.debpoint.file("thor_1.0_ppc64.deb", deb_with("thor", "1.0", "ppc64", ""));
    let source = pulp.ok("deb repository create --name source");
    let target = pulp.ok("deb repository create --name target");
    pulp.ok(&format!("deb content upload --file {file} --repository source --distribution d --component c"));
    let version = format!("{}1/", string(&source["versions_href"]));
    let config = json!([{"source_repo_version": version, "dest_repo": target["pulp_href"]}]);
    let task = pulp.done(&pulp.call("POST", "/pulp/api/v3/deb/copy/", &json!({"config": config})));
    assert_eq!(task["state"], "completed", "{task}");
    let version = string(&pulp.ok("deb repository show --name target")["latest_version_href"]);
    let components =
        pulp.ok(&format!("deb content --type release_component list --repository-version {version}"));
    assert_eq!((&components[0]["distribution"], &components[0]["component"]), (&json!("d"), &json!("c")));
}

#[test]
fn packages_are_copied_with_what_they_need() {
    let Some(pulp) = Pulp::start() else { return };
    let source = pulp.ok("deb repository create --name source");
    for (name, needs) in [("app", "Depends: lib (>= 1)\n"), ("lib", ""), ("other", "")] {
        let file = pulp.debpoint.file(&format!("{name}.deb"), deb_with(name, "1.0", "amd64", needs));
        pulp.ok(&format!(
            "deb content upload --file {file} --repository source --distribution d --component c"
        ));
    }
    let target = pulp.ok("deb repository create --name target");
    let newest = string(&pulp.ok("deb repository show --name source")["latest_version_href"]);
    let copy = |config: serde_json::Value, more: serde_json::Value| {
        let mut config = config;
        config["source_repo_version"] = newest.clone().into();
        config["dest_repo"] = target["pulp_href"].clone();
        let mut body = json!({"config": [config]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        pulp.call("POST", "/pulp/api/v3/deb/copy/", &body)
    };
    let there = || names(&pulp.ok("deb repository content list --repository target"), "package");
    let app = &pulp.ok(&format!("deb content list --repository-version {newest} --package app"))[0];
    let only = copy(json!({"content": [app["pulp_href"]]}), json!({}));
    assert_eq!((pulp.done(&only)["state"].clone(), there()), (json!("completed"), vec!["app".to_owned()]));
    let all = copy(json!({"pattern": "?exact-name(app)"}), json!({"dependency_solving": true}));
    assert_eq!(pulp.done(&all)["state"], "completed");
    assert_eq!(there(), ["app", "lib"]);
    assert_eq!(copy(json!({}), json!({"dependency_solving": true})).0, 400, "of what?");
    assert_eq!(copy(json!({"pattern": "app", "content": []}), json!({})).0, 400);
    let wrong = pulp.done(&copy(json!({"pattern": "?nonsense"}), json!({})));
    assert_eq!(wrong["state"], "failed", "{wrong} {source}");
}

#[test]
fn an_earlier_version_is_had_again_with_the_indices_that_it_had() {
    let Some(pulp) = Pulp::start() else { return };
    let origin = hello();
    let upstream = origin.serve();
    remote(&pulp, "hello", (&upstream.url("hello/live"), "bookworm"), &origin.ok(&["key", "export"]));
    let repository = pulp.ok("deb repository create --name hello --remote hello");
    pulp.ok("deb repository sync --name hello --mirror");
    let newer = origin.file("hello_2.0_amd64.deb", deb_with("hello", "2.0", "amd64", ""));
    origin.ok(&["content", "add", "hello", &newer, "--suite", "bookworm"]);
    origin.publish("hello", false);
    pulp.ok("deb repository sync --name hello --mirror");
    let versions = string(&repository["versions_href"]);
    let modify = json!({"base_version": format!("{versions}1/")});
    let task =
        pulp.done(&pulp.call("POST", &format!("{}modify/", string(&repository["pulp_href"])), &modify));
    assert_eq!(task["state"], "completed", "{task}");
    assert_eq!(names(&pulp.ok("deb repository content list --repository hello"), "version"), ["1.0"]);
    pulp.ok("deb repository sync --name hello --mirror --no-optimize");
    assert_eq!(names(&pulp.ok("deb repository content list --repository hello"), "version"), ["1.0", "2.0"]);
}

#[test]
fn a_distribution_is_moved_back_to_a_date_and_hosts_take_it() {
    let Some(pulp) = Pulp::start() else { return };
    if !program("apt-get") {
        return;
    }
    let repository = pulp.ok("deb repository create --name r");
    let made = pulp.ok("deb distribution create --name live --base-path live --repository r");
    pulp.ok("deb distribution create --name dated --base-path dated --repository r --checkpoint");
    let distribution = string(&made["pulp_href"]);
    let mut dates = Vec::new();
    for version in ["1.0", "2.0"] {
        let file = pulp.debpoint.file(&format!("{version}.deb"), deb_with("hello", version, "amd64", ""));
        pulp.ok(&format!("deb content upload --file {file} --repository r --distribution d --component c"));
        let remove = names(&pulp.ok("deb content list --package hello --version 1.0"), "pulp_href");
        if version == "2.0" {
            pulp.ok(&format!("deb repository content remove --repository r --package-href {}", remove[0]));
        }
        let publication = pulp.ok("deb publication create --repository r --checkpoint");
        dates.push(string(&publication["checkpoint_time"]));
    }
    let (_, pinned) = pulp.call("GET", &format!("{distribution}pin/"), &json!(null));
    // The request says that it came to localhost.
    let stanza =
        pinned["text"].as_str().unwrap().replace("http://localhost/", &format!("{}/", pulp.server.url));
    let apt = Apt::new(&stanza);
    let candidate = || {
        apt.run("apt-get", &["update"]).clean();
        let said = apt.run("apt-cache", &["policy", "hello"]).text;
        said.lines().find_map(|line| Some(line.trim().strip_prefix("Candidate: ")?.to_owned())).unwrap()
    };
    assert_eq!(candidate(), "2.0");
    let to = |checkpoint: serde_json::Value| {
        let task = pulp.done(&pulp.call(
            "POST",
            &format!("{distribution}move/"),
            &json!({"checkpoint": checkpoint}),
        ));
        assert_eq!(task["state"], "completed", "{task}");
        assert!(task["created_resources"][0].as_str().unwrap().contains("/publications/deb/apt/"), "{task}");
    };
    to(json!(dates[0]));
    assert_eq!(candidate(), "1.0", "though apt has seen a later Release");
    to(json!(null));
    assert_eq!(candidate(), "2.0");
    let (status, answer) = pulp.call("GET", &format!("{distribution}pin/?time={}", dates[0]), &json!(null));
    assert!(status == 200 && answer["text"].as_str().unwrap().contains(&format!("/dated/{}/", dates[0])));
    assert_eq!(pulp.call("GET", &format!("{distribution}pin/?time=yesterday"), &json!(null)).0, 400);
    let wrong = json!({"checkpoint": "yesterday"});
    assert_eq!(pulp.call("POST", &format!("{distribution}move/"), &wrong).0, 400, "{repository}");
}

#[test]
fn what_was_not_fetched_is_fetched_for_whoever_says_so() {
    let Some(pulp) = Pulp::start() else { return };
    let archive = archive();
    remote(&pulp, "myths", (&archive.url, "ragnarok"), &archive.keys);
    pulp.ok("deb remote update --name myths --policy on_demand");
    let repository = pulp.ok("deb repository create --name myths --remote myths");
    let repository = string(&repository["pulp_href"]);
    let asked = pulp.call("POST", &format!("{repository}sync/"), &json!({"accept_change": true}));
    assert_eq!(pulp.done(&asked)["state"], "completed");
    let held = || {
        let list = pulp.ok("deb repository content list --repository myths");
        list.as_array().unwrap().iter().filter(|one| one["artifact"].is_string()).count()
    };
    assert_eq!(held(), 0);
    let asked = pulp.call("POST", &format!("{repository}fetch/"), &json!(null));
    assert_eq!((pulp.done(&asked)["state"].clone(), held()), (json!("completed"), 4));
}

#[test]
fn keys_are_shown_as_signing_services_and_a_script_may_name_one() {
    let Some(pulp) = Pulp::start() else { return };
    assert_eq!(pulp.ok("signing-service list"), json!([]));
    pulp.debpoint.ok(&["key", "generate", "--user-id", "sign_deb_release"]);
    let service = pulp.ok("signing-service show --name sign_deb_release");
    assert_eq!(service["public_key"].as_str().unwrap(), pulp.debpoint.ok(&["key", "export"]));
    pulp.ok("deb repository create --name r");
    pulp.ok("deb publication create --repository r --signing-service sign_deb_release");
    pulp.ok("deb distribution create --name r --base-path r --repository r");
    assert_eq!(pulp.server.get("r/dists/default/InRelease").status, 404, "an empty repository has no suite");
    assert!(!pulp.run("deb publication create --repository r --signing-service other").status.success());
    let (_, list) = pulp.call("GET", "/pulp/api/v3/repositories/deb/apt/", &json!(null));
    let body =
        json!({"repository": list["results"][0]["pulp_href"], "signing_service": "/pulp/api/v3/nothing/"});
    assert_eq!(pulp.call("POST", "/pulp/api/v3/publications/deb/apt/", &body).0, 400);
}
