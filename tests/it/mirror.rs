//! A repository that follows an upstream archive.

mod everything;
mod filter;
mod hostile;
mod promotion;
mod reach;
mod remotes;
mod verbatim;

use std::time::{Duration, Instant};

use checkpoint_testkit::archive::Archive;
use checkpoint_testkit::debs::{deb, deb_with};
use checkpoint_testkit::program;
use checkpoint_testkit::upstream::{Fault, Upstream};
use debian_format::archive::DebBuilder;

use crate::support::apt::Apt;
use crate::support::{Debpoint, Server, upstream_archive};

/// A data directory with a repository `mirror` that follows an upstream with three packages.
struct Mirror {
    debpoint: Debpoint,
    upstream: Upstream,
    archive: Archive,
}

impl Mirror {
    fn new(flags: &[&str]) -> Mirror {
        let (debpoint, upstream, mut archive) = (Debpoint::new(), Upstream::default(), upstream_archive());
        archive.add("tool", "1.0", deb_with("tool", "1.0", "amd64", ""));
        archive.add("lib", "1:2~rc1+b1", deb_with("lib", "1:2~rc1+b1", "amd64", ""));
        archive.add("data", "1.0", deb("data", "1.0"));
        Mirror::of(archive, (debpoint, upstream), flags)
    }

    /// A mirror of an archive that is not published yet.
    fn of(archive: Archive, (debpoint, upstream): (Debpoint, Upstream), flags: &[&str]) -> Mirror {
        archive.publish(&upstream);
        let url = upstream.start();
        let key = debpoint.file("upstream.asc", archive.key());
        let create = ["remote", "create", "up", "--type", "deb", "--url", &url, "--suite", &archive.suite];
        debpoint.ok(&[&create[..], &["--keyring", &key], flags].concat());
        debpoint.repository("mirror", "deb");
        debpoint.ok(&["repository", "update", "mirror", "--remote", "up"]);
        Mirror { debpoint, upstream, archive }
    }

    /// A server that says in `pin` where it is.
    fn serve(&self) -> Server {
        let server = self.debpoint.serve();
        self.debpoint.file("data/debpoint.toml", format!("public_url = \"{}\"\n", server.url));
        server
    }

    fn sync(&self) -> serde_json::Value {
        self.debpoint.json(&["sync", "mirror"])
    }

    /// The sync is refused with these words, and nothing is changed.
    fn refused(&self, words: &str) {
        let before = self.content();
        let said = self.debpoint.refused(&["sync", "mirror"]);
        assert!(said.contains(words), "{said}");
        assert_eq!(self.content(), before);
        self.debpoint.ok(&["verify"]);
    }

    fn content(&self) -> Vec<String> {
        let list = self.debpoint.json(&["content", "list", "mirror"]);
        list.as_array().unwrap().iter().map(|entry| entry["key"].as_str().unwrap().to_owned()).collect()
    }

    /// A package's path as it is in the upstream's index.
    fn path(&self, name: &str) -> String {
        self.archive.packages.keys().find(|path| path.contains(&format!("/{name}/"))).unwrap().clone()
    }
}

#[test]
fn each_day_of_an_upstream_gets_a_date() {
    let mut mirror = Mirror::new(&[]);
    let synced = mirror.sync();
    assert_eq!(
        (synced["version"].as_i64(), synced["added"].as_i64(), synced["fetched"].as_i64()),
        (Some(1), Some(3), Some(3))
    );
    let first = mirror.debpoint.publish("mirror", true);
    mirror.upstream.asked();
    assert_eq!(mirror.sync()["unchanged"], true);
    assert_eq!(mirror.upstream.asked(), ["/dists/bookworm/InRelease"], "nothing changed costs one request");
    let gone = mirror.path("data");
    mirror.archive.packages.remove(&gone);
    mirror.archive.add("tool", "1.1", deb_with("tool", "1.1", "amd64", ""));
    let old = mirror.path("tool");
    mirror.archive.packages.remove(&old);
    mirror.archive.publish(&mirror.upstream);
    let synced = mirror.sync();
    assert_eq!(
        (synced["added"].as_i64(), synced["removed"].as_i64(), synced["fetched"].as_i64()),
        (Some(1), Some(2), Some(1))
    );
    let second = mirror.debpoint.publish("mirror", true);
    let server = mirror.debpoint.serve();
    let index = |date: &str| {
        server.get(&format!("mirror/dated/{date}/dists/bookworm/main/binary-amd64/Packages")).text()
    };
    assert!(index(&first).contains("Version: 1.0\n") && index(&first).contains("Package: data\n"));
    assert!(index(&second).contains("Version: 1.1\n") && !index(&second).contains("Package: data\n"));
    assert!(index(&first).contains("X-Unknown: kept as it is\n"), "stanzas stay as upstream wrote them");
    mirror.debpoint.ok(&["verify"]);
}

#[test]
fn what_somebody_has_changed_in_a_mirror_is_as_upstream_is_after_the_next_sync() {
    let mirror = Mirror::new(&[]);
    mirror.sync();
    let all = mirror.content();
    mirror.debpoint.ok(&["content", "remove", "mirror", "tool"]);
    assert_ne!(mirror.content(), all);
    mirror.debpoint.ok(&["sync", "mirror", "--additive", "--afresh"]);
    assert_eq!(mirror.content(), all, "afresh means whatever is known");
    mirror.debpoint.ok(&["content", "remove", "mirror", "tool"]);
    assert_eq!(mirror.sync()["added"], 1);
    assert_eq!(mirror.content(), all);
    mirror.upstream.asked();
    assert_eq!(mirror.sync()["unchanged"], true);
    assert_eq!(mirror.upstream.asked(), ["/dists/bookworm/InRelease"], "and then it is again");
}

#[test]
fn apt_installs_from_a_date_of_a_mirror() {
    if !program("apt-get") {
        return;
    }
    let mirror = Mirror::new(&["--policy", "on_demand"]);
    let server = mirror.debpoint.serve();
    mirror.debpoint.file("data/debpoint.toml", format!("public_url = \"{}\"\n", server.url));
    mirror.sync();
    let date = mirror.debpoint.publish("mirror", true);
    let apt = Apt::new(&mirror.debpoint.ok(&["pin", "mirror-dated", &date]));
    apt.update().clean();
    assert_eq!(apt.download("lib"), ["lib_1%3a2~rc1+b1_amd64.deb"]);
}

#[test]
fn on_demand_a_file_is_fetched_once_however_many_ask() {
    let mut mirror = Mirror::new(&["--policy", "on_demand"]);
    let content = vec![7; 3_000_000];
    let control = "Package: large\nVersion: 1\nArchitecture: amd64\nDescription: x\n";
    let large = DebBuilder::new(control).file("large", content, 0o644);
    let large = large.compression(
        debian_format::compression::Compression::Gz,
        debian_format::compression::Compression::None,
    );
    let large = large.build().unwrap();
    mirror.archive.add("large", "1", large.clone());
    mirror.archive.publish(&mirror.upstream);
    assert_eq!(mirror.sync()["fetched"], 0);
    mirror.debpoint.publish("mirror", false);
    mirror.upstream.asked();
    let server = mirror.debpoint.serve();
    let path = mirror.path("large");
    mirror.upstream.fail("large", &[Fault::Slow(Duration::from_millis(100))]);
    std::thread::scope(|scope| {
        let clients: Vec<_> =
            (0..10).map(|_| scope.spawn(|| server.get(&format!("mirror/live/{path}")))).collect();
        for client in clients {
            let answer = client.join().unwrap();
            assert!(answer.status == 200 && answer.body == large);
        }
    });
    assert_eq!(mirror.upstream.asked(), [format!("/{path}")], "ten clients cause one request");
    assert_eq!(server.get(&format!("mirror/live/{path}")).body, large);
    assert_eq!(mirror.upstream.asked(), [""; 0], "now it is held");
    mirror.debpoint.ok(&["verify"]);
}

#[test]
fn on_demand_a_range_and_a_head_work_before_the_file_is_held() {
    let mirror = Mirror::new(&["--policy", "on_demand"]);
    mirror.sync();
    mirror.debpoint.publish("mirror", false);
    let server = mirror.debpoint.serve();
    let path = mirror.path("tool");
    let bytes = &mirror.archive.packages[&path].0;
    let target = format!("/pulp/content/mirror/live/{path}");
    let ask = |method: &str, headers: &[(&str, &str)]| {
        checkpoint_testkit::http::Connection::open(&server.url).request(method, &target, headers)
    };
    mirror.upstream.asked();
    let head = ask("HEAD", &[]);
    assert_eq!(
        (head.status, head.header("content-length").unwrap()),
        (200, bytes.len().to_string().as_str())
    );
    assert_eq!(mirror.upstream.asked(), [""; 0], "what the index says is enough for HEAD");
    let part = ask("GET", &[("Range", "bytes=10-19")]);
    assert_eq!((part.status, &part.body[..]), (206, &bytes[10..20]));
    assert_eq!(server.get(&format!("mirror/live/{path}")).body, *bytes);
}

#[test]
fn on_demand_wrong_bytes_never_reach_the_store_or_make_a_whole_file() {
    let mirror = Mirror::new(&["--policy", "on_demand"]);
    mirror.sync();
    mirror.debpoint.publish("mirror", false);
    let server = mirror.debpoint.serve();
    let path = mirror.path("tool");
    mirror.upstream.fail("tool", &[Fault::Garble]);
    assert!(broken_transfer(&server, &path), "the client sees that it broke");
    mirror.debpoint.ok(&["verify"]);
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!(
        server.get(&format!("mirror/live/{path}")).body,
        mirror.archive.packages[&path].0,
        "and can try again"
    );
    mirror.upstream.remove(&format!("/{}", mirror.path("lib")));
    let lib = mirror.path("lib");
    let gone = server.get(&format!("mirror/live/{lib}"));
    assert_eq!(gone.status, 502, "{}", gone.text());
    assert!(gone.text().contains("404"), "the reason is told: {}", gone.text());
    mirror.upstream.asked();
    assert_eq!(server.get(&format!("mirror/live/{lib}")).status, 502);
    assert_eq!(mirror.upstream.asked(), [""; 0], "for a while nobody asks again");
}

/// Whether a download ends before as many bytes came as were announced.
fn broken_transfer(server: &Server, path: &str) -> bool {
    let url = server.url(&format!("mirror/live/{path}"));
    std::panic::catch_unwind(|| checkpoint_testkit::http::get(&url)).is_err_and(|_| true)
        || server.get(&format!("mirror/live/{path}")).status == 502
}

#[test]
fn fetch_fills_in_what_is_missing() {
    let mirror = Mirror::new(&["--policy", "on_demand"]);
    mirror.sync();
    assert!(mirror.debpoint.ok(&["fetch", "mirror"]).starts_with("3 files fetched"));
    mirror.upstream.clear();
    assert!(mirror.debpoint.ok(&["fetch", "mirror"]).starts_with("0 files fetched"));
    mirror.debpoint.publish("mirror", false);
    let server = mirror.debpoint.serve();
    assert_eq!(server.get(&format!("mirror/live/{}", mirror.path("tool"))).status, 200);
}

#[test]
fn an_upstream_that_is_not_trusted_is_refused() {
    let mut mirror = Mirror::new(&[]);
    mirror.sync();
    let stranger = upstream_archive();
    let ours = std::mem::replace(&mut mirror.archive, stranger);
    mirror.archive.date = ours.date + 600;
    mirror.archive.publish(&mirror.upstream);
    mirror.refused("cannot be trusted: no signature by a key of the keyring holds");
    ours.publish(&mirror.upstream);
    mirror.upstream.set("/dists/bookworm/InRelease", b"Origin: Upstream\nSuite: bookworm\n");
    mirror.refused("it is not a signed message");
    let debpoint = &mirror.debpoint;
    debpoint.ok(&[
        "remote",
        "create",
        "bare",
        "--type",
        "deb",
        "--url",
        "http://127.0.0.1:1",
        "--suite",
        "x",
    ]);
    let said = debpoint.refused(&["sync", "mirror", "--remote", "bare"]);
    assert!(said.contains("has no keyring"), "{said}");
}

#[test]
fn release_with_a_detached_signature_will_do() {
    let mirror = Mirror::new(&[]);
    mirror.upstream.remove("/dists/bookworm/InRelease");
    assert_eq!(mirror.sync()["added"], 3);
    mirror.upstream.asked();
    assert_eq!(mirror.sync()["unchanged"], true);
    assert_eq!(mirror.upstream.asked(), ["/dists/bookworm/InRelease", "/dists/bookworm/Release"]);
}

#[test]
fn an_upstream_that_goes_back_in_time_expires_or_is_renamed_is_refused() {
    let mut mirror = Mirror::new(&[]);
    mirror.sync();
    mirror.archive.date -= 600;
    mirror.archive.publish(&mirror.upstream);
    mirror.refused("older than the one of");
    assert_eq!(mirror.debpoint.json(&["sync", "mirror", "--accept-change"])["added"], 0);
    mirror.archive.date += 1200;
    mirror.archive.date += 3 * 3600;
    mirror.archive.publish(&mirror.upstream);
    mirror.refused("in the future");
    mirror.archive.date -= 3 * 3600;
    mirror.archive.valid_until = Some(mirror.archive.date);
    mirror.archive.publish(&mirror.upstream);
    mirror.refused("has expired");
    mirror.archive.valid_until = None;
    mirror.archive.origin = "Somebody".into();
    mirror.archive.publish(&mirror.upstream);
    mirror.refused("has changed its Origin");
}

#[test]
fn hostile_metadata_is_refused_though_it_is_signed() {
    let mut mirror = Mirror::new(&[]);
    mirror.sync();
    let stanza = mirror.archive.packages[&mirror.path("tool")].1.clone();
    let tamper = |mirror: &mut Mirror, from: &str, to: &str| {
        let path = mirror.path("tool");
        let tampered = stanza.replace(from, to);
        assert_ne!(tampered, stanza);
        mirror.archive.packages.get_mut(&path).unwrap().1 = tampered;
        mirror.archive.date += 60;
        mirror.archive.publish(&mirror.upstream);
    };
    for (from, to, words) in [
        ("Filename: pool/", "Filename: ../../pool/", "path"),
        ("Filename: pool/", "Filename: /etc/", "path"),
        ("Filename: pool/", "Filename: http://example.org/", "path"),
        ("Package: tool", "Package: ../tool", "package name"),
        ("Version: 1.0", "Version: 1/../0", "version"),
        ("Architecture: amd64", "Architecture: amd64\nSize: x", "Size"),
        ("SHA256: ", "SHA256: 00", "SHA-256"),
        ("Filename: ", "Nofilename: ", "no Filename"),
        ("Filename: pool/main/t/tool/tool_1.0_amd64.deb", "Filename: archive-key.asc", "a place of metadata"),
        ("Filename: pool/", "Filename: dists/", "a place of metadata"),
        ("Size: ", "Size: 9999999999", "its Size"),
        ("X-Unknown: kept", "X-Unknown: a\n \t\n Package: b", "white space"),
        ("X-Unknown: kept", "X-Unknown: a\u{b}", "control character"),
    ] {
        tamper(&mut mirror, from, to);
        mirror.refused(words);
    }
    let index = |release: &mut debian_format::release::Release, size: u64| {
        release
            .files
            .iter_mut()
            .filter(|file| file.path.ends_with("amd64/Packages.xz"))
            .for_each(|file| file.size = size);
    };
    mirror.archive.publish_changed(&mirror.upstream, |release| index(release, 10));
    mirror.refused("more than the 10 bytes");
    let plain = |release: &mut debian_format::release::Release| {
        release
            .files
            .iter_mut()
            .filter(|file| file.path.ends_with("amd64/Packages"))
            .for_each(|file| file.size = 1000);
    };
    mirror.archive.publish_changed(&mirror.upstream, plain);
    mirror.refused("main/binary-amd64/Packages");
    let weak = |release: &mut debian_format::release::Release| {
        release.files.iter_mut().for_each(|file| (file.sha256, file.md5) = (None, Some([0; 16])));
    };
    mirror.archive.publish_changed(&mirror.upstream, weak);
    mirror.refused("without a SHA256");
}

#[test]
fn a_redirect_to_a_private_address_is_not_followed() {
    let mirror = Mirror::new(&[]);
    let elsewhere = Fault::Status(302, "Location: http://127.0.0.2:1/dists/bookworm/InRelease\r\n".into());
    mirror.upstream.fail("InRelease", &[elsewhere]);
    mirror.refused("redirects to a private address");
}

#[test]
fn a_flaky_upstream_ends_in_a_complete_mirror() {
    let mirror = Mirror::new(&[]);
    mirror.upstream.fail("InRelease", &[Fault::Reset, Fault::Status(429, "Retry-After: 1\r\n".into())]);
    mirror.upstream.fail("by-hash", &[Fault::Status(503, String::new()), Fault::Truncate(20)]);
    mirror
        .upstream
        .fail("tool", &[Fault::Truncate(100), Fault::Truncate(50), Fault::Slow(Duration::from_millis(10))]);
    let begun = Instant::now();
    assert_eq!(mirror.sync()["fetched"], 3);
    assert!(begun.elapsed() >= Duration::from_secs(1), "Retry-After is respected");
    mirror.debpoint.ok(&["verify"]);
}

#[test]
fn a_broken_file_is_reported_and_the_rest_is_kept() {
    let mirror = Mirror::new(&[]);
    let path = mirror.path("tool");
    mirror.upstream.set(&format!("/{path}"), b"something else");
    mirror.refused("tool_1.0_amd64.deb");
    mirror.upstream.asked();
    mirror.refused("1 files could not be had");
    let packages = mirror.upstream.asked().into_iter().filter(|path| path.starts_with("/pool/"));
    assert_eq!(packages.collect::<Vec<_>>(), [format!("/{path}")], "what was fetched is not fetched again");
    let output = mirror.debpoint.run(&["sync", "mirror", "--skip-broken"]);
    let said = crate::support::text(&output.stderr);
    assert!(
        output.status.success() && said.contains("left out: ") && said.contains("tool_1.0_amd64.deb"),
        "{said}"
    );
    assert_eq!(mirror.content(), ["data_1.0_all", "lib_1:2~rc1+b1_amd64"]);
}

#[test]
fn an_upstream_that_changes_meanwhile_gives_the_old_state_or_the_new() {
    let mut mirror = Mirror::new(&[]);
    mirror.archive.by_hash = false;
    mirror.archive.publish(&mirror.upstream);
    mirror.sync();
    // The index is of the new state already, InRelease still of the old one.
    let old = mirror.archive.packages.clone();
    mirror.archive.add("tool", "1.1", deb_with("tool", "1.1", "amd64", ""));
    mirror.archive.publish(&mirror.upstream);
    let index = mirror.upstream.file("/dists/bookworm/main/binary-amd64/Packages.xz");
    mirror.archive.packages = old;
    mirror.archive.add("other", "1", deb("other", "1"));
    mirror.archive.publish(&mirror.upstream);
    mirror.upstream.set("/dists/bookworm/main/binary-all/Packages.xz", &index);
    mirror.refused("cannot fetch");
    mirror.archive.publish(&mirror.upstream);
    assert_eq!(mirror.sync()["added"], 1);
}

#[test]
fn several_remotes_stand_side_by_side_in_one_repository() {
    let mut mirror = Mirror::new(&[]);
    mirror.sync();
    let security = Upstream::default();
    let mut archive = upstream_archive();
    archive.suite = "bookworm-security".into();
    archive.add("tool", "1.0+deb12u1", deb_with("tool", "1.0+deb12u1", "amd64", ""));
    archive.publish(&security);
    let url = security.start();
    let key = mirror.debpoint.file("security.asc", archive.key());
    let create = ["remote", "create", "security", "--type", "deb", "--url", &url, "--keyring", &key];
    mirror.debpoint.ok(&[&create[..], &["--suite", "bookworm-security"]].concat());
    mirror.debpoint.ok(&["repository", "update", "mirror", "--remote", "up", "--remote", "security"]);
    assert_eq!(mirror.sync()["added"], 1);
    assert_eq!(mirror.content().len(), 4);
    mirror.archive.add("more", "1", deb("more", "1"));
    mirror.archive.publish(&mirror.upstream);
    mirror.debpoint.ok(&["sync", "mirror", "--remote", "up"]);
    assert_eq!(mirror.content().len(), 5, "what one remote has is not removed by another");
    let date = mirror.debpoint.publish("mirror", true);
    let server = mirror.debpoint.serve();
    for suite in ["bookworm", "bookworm-security"] {
        assert_eq!(server.get(&format!("mirror/dated/{date}/dists/{suite}/InRelease")).status, 200);
    }
}

#[test]
fn a_timer_syncs_all_and_keeps_what_is_new_under_its_date() {
    let mut mirror = Mirror::new(&[]);
    let sync = ["sync", "--all", "--checkpoint"];
    let reports = mirror.debpoint.json(&sync);
    assert_eq!((&reports[0]["repository"], &reports[0]["added"]), (&"mirror".into(), &3.into()));
    let checkpoints =
        |mirror: &Mirror| mirror.debpoint.json(&["checkpoint", "list", "mirror"]).as_array().unwrap().len();
    assert_eq!(checkpoints(&mirror), 1);
    mirror.debpoint.ok(&sync);
    assert_eq!(checkpoints(&mirror), 1, "what is not new needs no date");
    mirror.archive.add("more", "1", deb("more", "1"));
    mirror.archive.publish(&mirror.upstream);
    let (one, two) = std::thread::scope(|scope| {
        let run = || scope.spawn(|| mirror.debpoint.ok(&sync));
        let (one, two) = (run(), run());
        (one.join().unwrap(), two.join().unwrap())
    });
    assert!(one.contains("1 added") ^ two.contains("1 added"), "two runs queue: {one}{two}");
    assert_eq!(checkpoints(&mirror), 2);
    // One that fails does not keep the others.
    let key = mirror.debpoint.path("upstream.asc");
    let gone = ["remote", "create", "gone", "--type", "deb", "--url", "http://127.0.0.1:1", "--suite", "x"];
    mirror.debpoint.ok(&[&gone[..], &["--keyring", key.to_str().unwrap()]].concat());
    mirror.debpoint.ok(&["repository", "create", "broken", "--type", "deb", "--remote", "gone"]);
    mirror.archive.add("last", "1", deb("last", "1"));
    mirror.archive.publish(&mirror.upstream);
    let output = mirror.debpoint.run(&sync);
    let said = crate::support::text(&output.stderr);
    assert!(!output.status.success() && said.contains("repository 'broken': cannot fetch"), "{said}");
    assert!(mirror.content().contains(&"last_1_all".to_owned()));
}

#[test]
fn apt_gets_the_sources_of_a_date() {
    if !program("apt-get") {
        return;
    }
    for policy in ["immediate", "on_demand"] {
        let mut mirror = Mirror::new(&["--sources", "--policy", policy]);
        let server = mirror.debpoint.serve();
        mirror.debpoint.file("data/debpoint.toml", format!("public_url = \"{}\"\n", server.url));
        mirror.archive.add_source("tool", "1.0");
        mirror.archive.publish(&mirror.upstream);
        assert_eq!(mirror.sync()["added"], 4);
        let first = mirror.debpoint.publish("mirror", true);
        // What upstream drops before anybody has asked for it would be gone.
        mirror.debpoint.ok(&["fetch", "mirror"]);
        mirror.archive.sources.clear();
        mirror.archive.add_source("tool", "1.1");
        mirror.archive.publish(&mirror.upstream);
        mirror.sync();
        let second = mirror.debpoint.publish("mirror", true);
        for (date, version) in [(first, "1.0"), (second, "1.1")] {
            let pin = mirror.debpoint.ok(&["pin", "mirror-dated", &date]);
            assert!(pin.contains("Types: deb deb-src\n"), "{pin}");
            let apt = Apt::new(&pin);
            apt.update().clean();
            let directory = apt.path("sources");
            std::fs::create_dir(&directory).unwrap();
            let said = apt.run_in(&directory, "apt-get", &["-q", "source", "--download-only", "tool"]);
            assert!(said.ok, "{}", said.text);
            for ending in ["dsc", "tar.gz"] {
                assert!(directory.join(format!("tool_{version}.{ending}")).exists(), "{}", said.text);
            }
        }
        mirror.debpoint.ok(&["verify"]);
    }
}

#[test]
fn the_real_archive_of_this_machine_verifies_and_syncs() {
    let keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
    let lists = std::path::Path::new("/var/lib/apt/lists");
    let ending = "_debian_dists_bookworm_InRelease";
    let names = std::fs::read_dir(lists).into_iter().flatten().flatten().map(|entry| entry.path());
    let release = names.into_iter().find(|path| path.to_str().is_some_and(|path| path.ends_with(ending)));
    let release = release.filter(|_| std::path::Path::new(keyring).exists() && program("apt-get"));
    // It is there on Debian 12 only.
    let Some(release) = release else { return eprintln!("skipped: apt has no InRelease of bookworm") };
    let targets = ["indextargets", "--format", "$(FILENAME)", "Created-By: Packages"];
    let targets = std::process::Command::new("apt-get").args(targets).output().unwrap();
    let targets = crate::support::text(&targets.stdout);
    let file = targets.lines().find(|file| file.contains("_dists_bookworm_main_binary-amd64_"));
    let index = Apt::new("").run("/usr/lib/apt/apt-helper", &["cat-file", file.unwrap_or("/missing")]);
    if !checkpoint_testkit::peer("the real index", index.ok) {
        return;
    }
    let (debpoint, upstream) = (Debpoint::new(), Upstream::default());
    upstream.set("/dists/bookworm/InRelease", &std::fs::read(release).unwrap());
    upstream.set("/dists/bookworm/main/binary-amd64/Packages", index.text.as_bytes());
    let url = upstream.start();
    let create = ["remote", "create", "debian", "--type", "deb", "--url", &url, "--suite", "bookworm"];
    let what = ["--component", "main", "--architecture", "amd64", "--policy", "on_demand", "--verbatim"];
    debpoint.ok(&[&create[..], &what, &["--keyring", keyring]].concat());
    debpoint.repository("debian", "deb");
    debpoint.ok(&["repository", "update", "debian", "--remote", "debian", "--set", "publication=verbatim"]);
    debpoint.ok(&["sync", "debian"]);
    let packages = debpoint.json(&["content", "list", "debian"]).as_array().unwrap().len();
    assert_eq!(packages, index.text.matches("\nPackage: ").count() + 1);
    let asked = upstream.asked();
    assert!(
        asked.contains(&"/dists/bookworm/main/binary-amd64/Packages".to_owned()),
        "the last of all compressions: {asked:?}"
    );
    let server = debpoint.serve();
    debpoint.file("data/debpoint.toml", format!("public_url = \"{}\"\n", server.url));
    let date = debpoint.publish("debian", true);
    let pin = debpoint.ok(&["pin", "debian-dated", &date]);
    assert!(pin.contains("Override::Label::Debian "), "{pin}");
    let apt = Apt::new(&pin);
    apt.update().clean();
    assert!(apt.run("apt-cache", &["pkgnames"]).text.lines().count() > 60_000, "as many as Debian has");
}

#[test]
fn a_remote_that_lies_does_not_keep_others_from_their_files() {
    let mirror = Mirror::new(&["--policy", "on_demand"]);
    let (liar, mut archive) = (Upstream::default(), upstream_archive());
    archive.add("tool", "1.0", deb_with("tool", "1.0", "amd64", ""));
    archive.publish(&liar);
    let path = archive.packages.keys().next().unwrap().clone();
    liar.set(&format!("/{path}"), b"something else");
    let url = liar.start();
    let key = mirror.debpoint.file("liar.asc", archive.key());
    let create = [
        "remote",
        "create",
        "liar",
        "--type",
        "deb",
        "--url",
        &url,
        "--keyring",
        &key,
        "--policy",
        "on_demand",
    ];
    // The liar comes first.
    mirror.debpoint.ok(&[&create[..], &["--suite", "bookworm"]].concat());
    mirror.debpoint.ok(&["repository", "create", "other", "--type", "deb", "--remote", "liar"]);
    mirror.debpoint.ok(&["sync", "other"]);
    mirror.sync();
    assert!(mirror.debpoint.ok(&["fetch", "mirror"]).starts_with("3 files fetched"));
    mirror.debpoint.ok(&["verify"]);
}

#[test]
fn a_release_that_differs_in_its_date_only_is_remembered_too() {
    let mut mirror = Mirror::new(&[]);
    mirror.sync();
    mirror.archive.date += 600;
    mirror.archive.publish(&mirror.upstream);
    let synced = mirror.sync();
    assert_eq!((synced["version"].as_i64(), synced["added"].as_i64()), (Some(1), Some(0)));
    mirror.archive.date -= 300;
    mirror.archive.publish(&mirror.upstream);
    mirror.refused("older than the one of");
}
