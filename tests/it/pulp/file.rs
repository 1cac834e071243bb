//! `pulp file`.

use checkpoint_core::digest::Digests;
use checkpoint_testkit::upstream::Upstream;

use super::{Pulp, names, string};
use crate::support::{after, text};

/// An upstream of three files of 1024 bytes; gives the URL of the manifest.
fn upstream() -> (Upstream, String) {
    let upstream = Upstream::default();
    let mut manifest = String::new();
    for name in ["1.iso", "2.iso", "3.iso"] {
        let bytes = upstream_file(name);
        manifest.push_str(&format!("{name},{},1024\n", Digests::of(&bytes).sha256));
        upstream.set(&format!("/{name}"), &bytes);
    }
    upstream.set("/PULP_MANIFEST", manifest.as_bytes());
    let url = format!("{}/PULP_MANIFEST", upstream.start());
    (upstream, url)
}

/// The repository `files`, synced from such an upstream, published and served.
fn served(pulp: &Pulp) -> Upstream {
    let (upstream, url) = upstream();
    pulp.ok(&format!("file remote create --name files --url {url}"));
    pulp.ok("file repository create --name files --remote files --autopublish");
    pulp.ok("file repository sync --name files");
    pulp.ok("file distribution create --name files --base-path files --repository files");
    upstream
}

fn upstream_file(name: &str) -> Vec<u8> {
    name.repeat(205).into_bytes()[..1024].to_vec()
}

/// The dates that the page of a checkpoint distribution lists.
pub(super) fn dates(page: &str) -> Vec<String> {
    let links = page.lines().filter_map(|line| line.strip_prefix("<a href=\"./"));
    links.filter_map(|link| link.split('/').next()).map(str::to_owned).collect()
}

#[test]
fn checkpoints_are_made_listed_and_served() {
    let Some(pulp) = Pulp::start() else { return };
    let (_upstream, url) = upstream();
    pulp.ok(&format!("file remote create --name files --url {url}"));
    pulp.ok("file repository create --name files --remote files");
    pulp.ok("file distribution create --name live --base-path live --repository files");
    pulp.ok(
        "file distribution create --name dated --base-path checkpoint/files --repository files --checkpoint",
    );
    let first = pulp.ok("file publication create --repository files --checkpoint");
    assert_eq!(first["checkpoint"], true);
    let page = pulp.server.get("checkpoint/files/");
    let first_dates = dates(&page.text());
    assert_eq!((page.status, first_dates.len()), (200, 1), "{}", page.text());
    pulp.ok("file repository sync --repository files");
    // There is to be a time between the two.
    until(&after(&first_dates[0], 2));
    let second = pulp.ok("file publication create --repository files --checkpoint");
    let both = dates(&pulp.server.get("checkpoint/files/").text());
    assert_eq!(both, [first_dates[0].as_str(), second["checkpoint_time"].as_str().unwrap()]);
    let listing = pulp.server.get(&format!("checkpoint/files/{}/", both[1])).text();
    assert!(listing.contains(&format!("Index of /pulp/content/checkpoint/files/{}/", both[1])), "{listing}");
    assert_eq!(
        dates_of_files(&listing),
        ["1.iso 1.0 kB", "2.iso 1.0 kB", "3.iso 1.0 kB", "PULP_MANIFEST 228 Bytes"]
    );
    let between = after(&both[1], -1);
    assert!(between > both[0]);
    let answer = pulp.server.get(&format!("checkpoint/files/{between}/"));
    assert_eq!((answer.status, answer.text().as_str()), (301, "301: Moved Permanently"));
    let target = format!("/pulp/content/checkpoint/files/{}/", both[0]);
    assert_eq!(answer.header("location"), Some(target.as_str()));
    assert_eq!(pulp.server.get(&format!("checkpoint/files/{}/1.iso", both[0])).status, 404, "nothing leaks");
    assert_eq!(pulp.server.get("live/1.iso").body.len(), 1024);
    let distribution = pulp.ok("file distribution show --distribution dated");
    let asked = pulp.call("PATCH", &string(&distribution["pulp_href"]), &serde_json::json!({"direct": true}));
    assert_eq!(pulp.done(&asked)["state"], "completed");
    let later = after(&both[1], 1);
    until(&later);
    let answer = pulp.server.get(&format!("checkpoint/files/{later}/1.iso"));
    assert_eq!((answer.status, answer.body.len()), (200, 1024));
    assert_eq!(answer.header("x-checkpoint"), Some(both[1].as_str()));
}

/// Returns once this time has begun.
pub(super) fn until(time: &str) {
    while crate::support::now().as_str() < time {
        std::thread::yield_now();
    }
}

/// Names and sizes of a directory page.
fn dates_of_files(page: &str) -> Vec<String> {
    let lines = page.lines().filter(|line| line.starts_with("<a href=\"./"));
    let entry = |line: &str| {
        let (name, rest) = line.split_once("\">").unwrap().1.split_once("</a>").unwrap();
        let size: Vec<&str> = rest.split_whitespace().skip(2).collect();
        format!("{name} {}", size.join(" "))
    };
    lines.map(entry).collect()
}

#[test]
fn syncs_make_versions_only_of_what_is_new() {
    let Some(pulp) = Pulp::start() else { return };
    let (_upstream, url) = upstream();
    pulp.ok("file repository create --name files");
    assert!(pulp.refused("file repository sync --repository files").contains("remote"));
    pulp.ok(&format!("file remote create --name files --url {url}"));
    pulp.ok("file repository sync --repository files --remote files");
    pulp.ok("file repository update --repository files --remote files");
    pulp.ok("file repository sync --repository files");
    pulp.ok("file repository sync --repository files");
    let versions = pulp.ok("file repository version list --repository files");
    assert_eq!(versions.as_array().unwrap().len(), 2);
    assert_eq!(versions[0]["content_summary"]["present"]["file.file"]["count"], 3);
    assert_eq!(versions[0]["content_summary"]["added"]["file.file"]["count"], 3);
    pulp.ok("file repository version repair --repository files");
    pulp.ok("file repository version destroy --repository files --version 1");
    let versions = pulp.ok("file repository version list --repository files");
    assert_eq!(versions.as_array().unwrap().len(), 1);
    pulp.ok("file repository update --repository files --autopublish");
    pulp.ok("file repository sync --repository files");
    let tasks = pulp.ok("task list --name pulp_file.app.tasks.synchronizing.synchronize --limit 1");
    let made = names_of(&tasks[0]["created_resources"]);
    assert!(
        made[0].contains("/versions/2/"),
        "the numbers of deleted versions are not given again: {made:?}"
    );
    assert!(made[1].contains("/publications/file/file/"), "{made:?}");
    pulp.ok("file repository update --repository files --retain-repo-versions 1");
    let versions = pulp.ok("file repository version list --repository files");
    assert_eq!(versions.as_array().unwrap().len(), 1);
}

fn names_of(list: &serde_json::Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(string).collect()
}

#[test]
fn content_is_uploaded_added_and_removed() {
    let Some(pulp) = Pulp::start() else { return };
    let small = pulp.debpoint.file("small", [7; 64]);
    let large = pulp.debpoint.file("large", vec![9; 2 << 20]);
    pulp.ok("file repository create --name files");
    let first = pulp.ok(&format!("file content upload --file {small} --relative-path a/small.txt"));
    assert_eq!(first["relative_path"], "a/small.txt");
    let same = pulp.ok(&format!("file content upload --file {small} --relative-path a/small.txt"));
    assert_eq!(same["pulp_href"], first["pulp_href"], "the same content is one unit");
    let second = pulp.ok(&format!(
        "file content upload --repository files --chunk-size 700000 --file {large} --relative-path large.txt"
    ));
    assert_eq!(second["sha256"], Digests::of(&vec![9; 2 << 20]).sha256.to_string().as_str());
    let artifact = string(&first["artifact"]);
    let found = pulp.ok(&format!("artifact show --href {artifact}"));
    assert_eq!(found["size"], 64);
    let added = pulp.ok(&format!("file content list --sha256 {}", string(&first["sha256"])));
    assert_eq!(names(&added, "relative_path"), ["a/small.txt"]);
    pulp.ok(&format!(
        "file repository content add --repository files --sha256 {} --relative-path a/small.txt",
        string(&first["sha256"])
    ));
    assert_eq!(
        names(&pulp.ok("file repository content list --repository files"), "relative_path"),
        ["a/small.txt", "large.txt"]
    );
    let two = pulp.ok("file repository version show --repository files --version 2");
    let version = string(&two["pulp_href"]);
    let added = pulp.ok(&format!("file content list --repository-version {version}"));
    assert_eq!(added.as_array().unwrap().len(), 2);
    let sha256 = string(&second["sha256"]);
    pulp.ok(&format!(
        "file repository content remove --repository files --sha256 {sha256} --relative-path large.txt"
    ));
    let (_, removed) = pulp.call(
        "GET",
        &format!(
            "/pulp/api/v3/content/file/files/?repository_version_removed={}",
            version.replace("/2/", "/3/")
        ),
        &serde_json::Value::Null,
    );
    assert_eq!(names(&removed["results"], "relative_path"), ["large.txt"]);
    pulp.ok(&format!(
        "file repository content modify --repository files --base-version 0 --add-content [{{\"sha256\":\"{}\",\"relative_path\":\"large.txt\"}}]",
        string(&second["sha256"])
    ));
    assert_eq!(
        names(&pulp.ok("file repository content list --repository files"), "relative_path"),
        ["large.txt"]
    );
    let versions = pulp.ok_of(&[
        "repository",
        "version",
        "list",
        "--content",
        &format!("[\"{}\"]", string(&first["pulp_href"])),
    ]);
    assert_eq!(versions.as_array().unwrap().len(), 2, "versions 2 and 3 hold it");
}

#[test]
fn repositories_are_changed_labeled_and_found_by_href_prn_and_name() {
    let Some(pulp) = Pulp::start() else { return };
    pulp.ok("file remote create --name one --url http://localhost/PULP_MANIFEST");
    let repository = pulp.ok_of(&[
        "file",
        "repository",
        "create",
        "--name",
        "files",
        "--description",
        "a b",
        "--remote",
        "one",
    ]);
    assert_eq!(
        (&repository["description"], &repository["manifest"]),
        (&"a b".into(), &"PULP_MANIFEST".into())
    );
    let remote = pulp.ok("file remote show --name one");
    assert_eq!(repository["remote"], remote["pulp_href"]);
    assert!(pulp.refused("file repository create --name files").contains("unique"));
    for (option, field, value) in [
        ("--description", "description", "new"),
        ("--description", "description", ""),
        ("--retain-repo-versions", "retain_repo_versions", "2"),
        ("--retain-repo-versions", "retain_repo_versions", ""),
        ("--remote", "remote", ""),
        ("--manifest", "manifest", "MANIFEST"),
    ] {
        pulp.ok_of(&["file", "repository", "update", "--repository", "files", option, value]);
        let shown = pulp.ok("file repository show --repository files");
        let expected = if value.is_empty() {
            serde_json::Value::Null
        } else {
            value.parse().unwrap_or_else(|_| value.into())
        };
        assert_eq!(shown[field], expected, "{option} {value}");
    }
    let (href, prn) = (string(&repository["pulp_href"]), string(&repository["prn"]));
    let tasks = pulp.ok(&format!("task list --reserved-resource {href}"));
    assert_eq!(
        tasks.as_array().unwrap().len(),
        6,
        "each change is a task that has the repository for itself"
    );
    assert_eq!(pulp.ok(&format!("show --href {href}"))["name"], "files");
    assert_eq!(pulp.ok(&format!("file repository show --repository {prn}"))["pulp_href"], href.as_str());
    pulp.ok("file repository label set --repository files --key stage --value test");
    pulp.ok("file repository label set --repository files --key other --value x");
    for (select, count) in
        [("stage=test", 1), ("stage!=test", 0), ("stage,other", 1), ("!stage", 0), ("stage~es", 1)]
    {
        let found = pulp.ok_of(&["file", "repository", "list", "--label-select", select]);
        assert_eq!(found.as_array().unwrap().len(), count, "{select}");
    }
    pulp.ok("file repository label unset --repository files --key other");
    let stage = pulp.run("file repository label show --repository files --key stage");
    assert_eq!(text(&stage.stdout).trim(), "test");
    pulp.ok("file repository create --name more");
    let ordered = pulp.ok("repository list --ordering -name --field name");
    assert_eq!(ordered, serde_json::json!([{"name": "more"}, {"name": "files"}]));
    let some = pulp.ok("file repository list --name-startswith fi --exclude-field prn");
    assert!(some[0]["prn"].is_null() && some[0]["name"] == "files");
    pulp.ok("file repository destroy --repository files");
    assert!(pulp.refused("file repository show --repository files").contains("Could not find"));
}

#[test]
fn distributions_serve_a_publication_or_a_repository_or_nothing() {
    let Some(pulp) = Pulp::start() else { return };
    pulp.ok("file repository create --name files");
    let zero = pulp.ok("file publication create --repository files --version 0");
    let publication = string(&zero["pulp_href"]);
    pulp.ok(&format!("file distribution create --name d --base-path a/b --publication {publication}"));
    assert_eq!(pulp.server.get("a/b/PULP_MANIFEST").status, 200);
    let shown = pulp.ok("file distribution show --distribution d");
    assert_eq!((&shown["publication"], &shown["repository"]), (&zero["pulp_href"], &serde_json::Value::Null));
    assert!(
        pulp.refused("file distribution create --name e --base-path a --repository files")
            .contains("Overlaps with existing distribution 'd'")
    );
    assert!(pulp.refused(&format!("file publication destroy --href {publication}")).contains("serves"));
    pulp.ok_of(&["file", "distribution", "update", "--distribution", "d", "--publication", ""]);
    assert_eq!(pulp.server.get("a/b/PULP_MANIFEST").status, 404);
    pulp.ok("file distribution update --distribution d --repository files");
    assert_eq!(pulp.server.get("a/b/PULP_MANIFEST").status, 200);
    assert_eq!(pulp.ok("file distribution list --base-path a/b").as_array().unwrap().len(), 1);
    pulp.ok("file distribution update --distribution d --base-path c");
    assert_eq!(pulp.server.get("c/PULP_MANIFEST").status, 200);
    pulp.ok("file publication create --repository files");
    assert_eq!(pulp.ok("file publication list --repository files").as_array().unwrap().len(), 2);
    pulp.ok("file distribution destroy --distribution d");
    pulp.ok(&format!("file publication destroy --href {publication}"));
    assert_eq!(pulp.server.get("c/PULP_MANIFEST").status, 404);
}

#[test]
fn what_contradicts_itself_is_refused_in_pulps_words() {
    let Some(pulp) = Pulp::start() else { return };
    let repository = pulp.ok("file repository create --name files");
    let version = &repository["latest_version_href"];
    let publication = pulp.ok("file publication create --repository files");
    let (publications, distributions) =
        ("/pulp/api/v3/publications/file/file/", "/pulp/api/v3/distributions/file/file/");
    let repository = &repository["pulp_href"];
    let neither = "Either the 'repository' or 'repository_version' need to be specified";
    let dated = "The 'checkpoint' attribute may only be used with the 'repository' attribute.";
    let pair = |one: &str, two: &str| {
        format!("Only one of the attributes '{one}' and '{two}' may be used simultaneously.")
    };
    for (path, body, why) in [
        (publications, serde_json::json!({}), neither.to_owned()),
        (
            publications,
            serde_json::json!({"repository": repository, "repository_version": version}),
            format!("{neither} but not both."),
        ),
        (
            publications,
            serde_json::json!({"repository_version": version, "checkpoint": true}),
            "'checkpoint' may only be used with 'repository'".into(),
        ),
        (distributions, serde_json::json!({"name": "d", "base_path": "d", "checkpoint": true}), dated.into()),
        (
            distributions,
            serde_json::json!({"name": "d", "base_path": "d", "checkpoint": true, "repository_version": version}),
            dated.into(),
        ),
        (
            distributions,
            serde_json::json!({"name": "d", "base_path": "d", "repository": repository, "publication": publication["pulp_href"]}),
            pair("repository", "publication"),
        ),
        (
            distributions,
            serde_json::json!({"name": "d", "base_path": "d", "repository": repository, "repository_version": version}),
            pair("repository", "repository_version"),
        ),
    ] {
        let (status, answer) = pulp.call("POST", path, &body);
        assert_eq!((status, &answer), (400, &serde_json::json!({"non_field_errors": [why]})), "{body}");
    }
    let (status, answer) = pulp.call("POST", distributions, &serde_json::json!({"name": "", "x": 1}));
    assert_eq!(status, 400);
    assert_eq!(
        answer,
        serde_json::json!({"name": ["This field may not be blank."], "x": ["Unexpected field"], "base_path": ["This field is required."]})
    );
    let (status, answer) = pulp.call("GET", &format!("{distributions}?x=1"), &serde_json::Value::Null);
    assert_eq!((status, answer), (400, serde_json::json!({"errors": ["Invalid Filter: 'x'"]})));
}

#[test]
fn a_remote_keeps_certificates_and_shows_no_key() {
    let Some(pulp) = Pulp::start() else { return };
    let pem = |kind: &str| format!("-----BEGIN {kind}-----\nTUlJQg==\n-----END {kind}-----\n");
    let certificate = pulp.debpoint.file("cert.pem", pem("CERTIFICATE"));
    let key = pulp.debpoint.file("key.pem", pem("PRIVATE KEY"));
    pulp.ok(&format!(
        "file remote create --name r --url https://localhost/PULP_MANIFEST --client-cert @{certificate}"
    ));
    let shown = pulp.ok("file remote show --name r");
    let lines = |value: &serde_json::Value| string(value).trim().to_owned();
    assert_eq!(lines(&shown["client_cert"]), pem("CERTIFICATE").trim());
    assert!(pulp.refused("file remote update --name r --ca-cert nonsense").contains("CA certificate"));
    pulp.ok("file repository create --name r --remote r");
    assert!(pulp.refused("file repository sync --name r").contains("needs its key"));
    // Not a certificate after all, which is said as soon as both are there.
    let why = pulp.refused(&format!("file remote update --name r --client-key @{key}"));
    assert!(why.contains("private key"), "{why}");
    let [certificate, key] = self_signed(&pulp);
    pulp.ok(&format!("file remote update --name r --client-cert @{certificate} --client-key @{key}"));
    pulp.ok(&format!("file remote update --name r --ca-cert @{certificate}"));
    let shown = pulp.ok("file remote show --name r");
    let pem = std::fs::read_to_string(&certificate).unwrap();
    assert_eq!(lines(&shown["client_cert"]), pem.trim());
    assert_eq!(lines(&shown["ca_cert"]), pem.trim());
    assert!(!shown.to_string().contains("PRIVATE KEY"), "{shown}");
    let hidden = shown["hidden_fields"].as_array().unwrap();
    assert!(hidden.contains(&serde_json::json!({"name": "client_key", "is_set": true})), "{shown}");
    for option in ["--client-cert", "--client-key", "--ca-cert"] {
        pulp.ok_of(&["file", "remote", "update", "--name", "r", option, ""]);
    }
    let shown = pulp.ok("file remote show --name r");
    assert_eq!(
        (&shown["client_cert"], &shown["ca_cert"]),
        (&serde_json::Value::Null, &serde_json::Value::Null)
    );
}

#[test]
fn what_is_said_of_a_remote_is_shown_and_can_be_set_back() {
    let Some(pulp) = Pulp::start() else { return };
    pulp.ok(
        "file remote create --name a:b:c --url http://localhost/PULP_MANIFEST --proxy-url http://proxy.example.org \
         --proxy-username user --proxy-password pass --max-retries 5 --total-timeout 32 --sock-read-timeout 1.5",
    );
    let options = ["proxy_url", "proxy_username", "max_retries", "total_timeout", "sock_read_timeout"];
    let shown = pulp.ok("file remote show --name a:b:c");
    let values: Vec<_> = options.map(|option| shown[option].clone()).to_vec();
    assert_eq!(
        serde_json::json!(values),
        serde_json::json!(["http://proxy.example.org", "user", 5, 32.0, 1.5])
    );
    for option in options.into_iter().chain(["proxy_password"]).rev() {
        let option = format!("--{}", option.replace('_', "-"));
        pulp.ok_of(&["file", "remote", "update", "--name", "a:b:c", &option, ""]);
    }
    let shown = pulp.ok("file remote list --name-contains b:")[0].clone();
    assert!(options.iter().all(|option| shown[option].is_null()), "{shown}");
    pulp.ok("file repository create --name r --remote file::a:b:c");
    assert!(pulp.refused("file remote update --name a:b:c --total-timeout 0").contains("timeout"));
}

/// A certificate and its key, as files.
fn self_signed(pulp: &Pulp) -> [String; 2] {
    let names = ["own.pem", "own-key.pem"].map(|name| pulp.debpoint.path(name).display().to_string());
    let made = std::process::Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "9",
        ])
        .args(["-subj", "/CN=localhost", "-out", &names[0], "-keyout", &names[1]])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", text(&made.stderr));
    names
}

#[test]
fn space_is_reclaimed_but_for_versions_to_keep_and_files_come_back_when_somebody_asks() {
    let Some(pulp) = Pulp::start() else { return };
    let _upstream = served(&pulp);
    let artifacts = || {
        let list = pulp.ok("file repository content list --repository files --version 1");
        list.as_array().unwrap().iter().filter(|one| one["artifact"].is_string()).count()
    };
    assert_eq!(artifacts(), 3);
    pulp.ok_of(&[
        "repository",
        "reclaim",
        "--repository",
        "file:file:files",
        "--keep-version",
        "file:file:files",
        "1",
    ]);
    assert_eq!(artifacts(), 3);
    pulp.ok("repository reclaim --repository file:file:files");
    assert_eq!(artifacts(), 0);
    assert!(pulp.server.get("files/1.iso").body == upstream_file("1.iso"));
    assert_eq!(artifacts(), 1);
    pulp.ok("repository reclaim --repository file:file:files");
    assert_eq!(artifacts(), 0);
    assert!(pulp.server.get("files/1.iso").body == upstream_file("1.iso"), "once more");
    pulp.ok("file publication create --repository files --checkpoint");
    pulp.ok("repository reclaim --repository file:file:files");
    assert_eq!(artifacts(), 1, "what a date has is kept");
    pulp.debpoint.ok(&["verify"]);
}

#[test]
fn a_damaged_file_is_found_by_repair_and_fetched_again() {
    let Some(pulp) = Pulp::start() else { return };
    let _upstream = served(&pulp);
    let sha256 = Digests::of(&upstream_file("2.iso")).sha256.to_string();
    let stored = stored(&pulp.debpoint.data().join("store"), &sha256).unwrap();
    std::fs::write(&stored, vec![0; 1024]).unwrap();
    assert_eq!(pulp.server.get("files/2.iso").status, 500, "wrong bytes are not served");
    let repaired = pulp.ok("file repository version repair --repository files");
    let reports = repaired["progress_reports"].as_array().cloned().unwrap_or_default();
    assert!(reports.iter().any(|report| report["done"] != 0), "{repaired}");
    assert!(pulp.server.get("files/2.iso").body == upstream_file("2.iso"));
    pulp.debpoint.ok(&["verify"]);
}

/// The file in the store whose name ends with these digits.
fn stored(directory: &std::path::Path, sha256: &str) -> Option<std::path::PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.into_iter().find_map(|path| match path.is_dir() {
        true => stored(&path, sha256),
        false => sha256.ends_with(path.file_name()?.to_str()?).then_some(path),
    })
}

#[test]
fn every_version_becomes_a_checkpoint_and_times_are_compared() {
    let Some(pulp) = Pulp::start() else { return };
    let (files, url) = upstream();
    pulp.ok(&format!("file remote create --name files --url {url}"));
    let repository = pulp.ok("file repository create --name files --remote files");
    let repository = string(&repository["pulp_href"]);
    let change = serde_json::json!({"autopublish_checkpoint": true});
    assert_eq!(pulp.done(&pulp.call("PATCH", &repository, &change))["state"], "completed");
    pulp.ok("file repository sync --name files");
    let more = Digests::of(b"more");
    files.set("/more", b"more");
    let manifest = String::from_utf8(files.file("/PULP_MANIFEST")).unwrap();
    files.set("/PULP_MANIFEST", format!("{manifest}more,{},4\n", more.sha256).as_bytes());
    pulp.ok("file repository sync --name files");
    let get = |path: &str| {
        let (status, answer) = pulp.call("GET", &format!("{repository}{path}"), &serde_json::Value::Null);
        assert_eq!(status, 200, "{answer}");
        answer
    };
    let times = get("checkpoints/")["checkpoints"].clone();
    let times = times.as_array().unwrap();
    assert_eq!(times.len(), 2, "{times:?}");
    let (first, second) = (string(&times[0]["time"]), string(&times[1]["time"]));
    assert_eq!(pulp.ok("file publication list --repository files").as_array().unwrap().len(), 2);
    let diff = get(&format!("diff/?from={first}&to={second}"));
    assert_eq!(diff["changes"].as_array().unwrap().len(), 1, "{diff}");
    assert_eq!(
        (&diff["changes"][0]["name"], &diff["changes"][0]["change"]),
        (&"more".into(), &"added".into())
    );
    let plan = get("retention/?retain_checkpoints=1");
    assert!(plan.to_string().contains(&first) && !plan.to_string().contains(&second), "{plan}");
    assert_eq!(get("checkpoints/")["checkpoints"].as_array().unwrap().len(), 2, "nothing was deleted");
    for (path, status) in [
        ("diff/?from=yesterday&to=today".to_owned(), 400),
        ("diff/".to_owned(), 400),
        ("diff/?from=19990101T000000Z&to=19990101T000001Z".to_owned(), 404),
        ("retention/?retain_checkpoints=0".to_owned(), 400),
    ] {
        let answer = pulp.call("GET", &format!("{repository}{path}"), &serde_json::Value::Null);
        assert_eq!(answer.0, status, "{path}: {}", answer.1);
    }
}

#[test]
fn retention_keeps_what_is_served() {
    let Some(pulp) = Pulp::start() else { return };
    pulp.ok("file repository create --name r --retain-repo-versions 1");
    let count = || pulp.ok("file repository version list --repository r").as_array().unwrap().len();
    let mut number = 0;
    let mut change = |pulp: &Pulp| {
        number += 1;
        let file = pulp.debpoint.file(&format!("{number}"), format!("{number}"));
        pulp.ok(&format!("file content upload --repository r --file {file} --relative-path {number}"));
    };
    let first = pulp.ok("file publication create --repository r --version 0");
    pulp.ok(&format!(
        "file distribution create --name one --base-path one --publication {}",
        string(&first["pulp_href"])
    ));
    change(&pulp);
    assert_eq!(count(), 2);
    pulp.ok("file distribution create --name live --base-path live --repository r");
    let second = pulp.ok("file publication create --repository r");
    pulp.ok(&format!(
        "file distribution create --name two --base-path two --publication {}",
        string(&second["pulp_href"])
    ));
    change(&pulp);
    assert_eq!(count(), 3);
    change(&pulp);
    assert_eq!(count(), 3, "version 2 is gone");
    pulp.ok("file publication create --repository r --checkpoint");
    change(&pulp);
    assert_eq!(count(), 4, "a checkpoint is kept though nobody serves it");
    assert!(
        pulp.refused("file repository version destroy --repository r --version 3")
            .contains("currently being used")
    );
}
