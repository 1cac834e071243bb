//! Stock apt installs from dates and from live.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use checkpoint_testkit::debs::{deb, deb_with};
use checkpoint_testkit::http::Connection;
use checkpoint_testkit::{peer, program};

use crate::support::apt::{Apt, Said};
use crate::support::{Debpoint, Server, after};

/// A server whose URL the data directory knows.
fn serve_publicly(debpoint: &Debpoint) -> Server {
    std::fs::create_dir_all(debpoint.data()).unwrap();
    let server = debpoint.serve();
    debpoint.file("data/debpoint.toml", format!("public_url = \"{}\"\n", server.url));
    server
}

/// Packages of this machine's own release, which apt downloads.
fn real_packages(debpoint: &Debpoint, names: &[&str]) -> Option<Vec<String>> {
    let directory = debpoint.path("real");
    std::fs::create_dir_all(&directory).unwrap();
    let mut download = Command::new("apt-get");
    download.args(["-q", "-o", "APT::Sandbox::User=root", "download"]).args(names).current_dir(&directory);
    let downloaded = download.output().is_ok_and(|output| output.status.success());
    if !peer("an archive to download real packages from", downloaded) {
        return None;
    }
    let files = std::fs::read_dir(&directory).unwrap();
    Some(files.map(|file| file.unwrap().path().to_str().unwrap().to_owned()).collect())
}

/// Apart from InRelease, every index was asked for by its hash.
fn only_by_hash(said: &Said) {
    let requests = said.requests();
    let plain = |path: &&&str| {
        path.contains("/dists/") && !path.contains("/by-hash/SHA256/") && !path.ends_with("/InRelease")
    };
    assert!(requests.iter().any(|path| path.contains("/by-hash/SHA256/")), "{requests:?}");
    assert_eq!(requests.iter().find(plain), None, "{requests:?}");
}

/// Two checkpoints, two seconds apart; tool is upgraded between them. Real packages beside it, if there are any.
fn two_checkpoints(debpoint: &Debpoint) -> [String; 2] {
    debpoint.repository("vendor", "deb");
    let suite = ["--suite", "bookworm"];
    let old = debpoint.file("tool_1.0_amd64.deb", deb_with("tool", "1.0", "amd64", ""));
    let data = debpoint.file("tool-data_1.0_all.deb", deb("tool-data", "1.0"));
    debpoint.ok(&[&["content", "add", "vendor", &old, &data], &suite[..]].concat());
    if let Some(real) = real_packages(debpoint, &["hello", "debian-archive-keyring"]) {
        let real: Vec<&str> = real.iter().map(String::as_str).collect();
        debpoint.ok(&[&["content", "add", "vendor"], &real[..], &suite[..]].concat());
    }
    let first = debpoint.publish("vendor", true);
    std::thread::sleep(Duration::from_secs(2));
    let new = debpoint.file("tool_1.1_amd64.deb", deb_with("tool", "1.1", "amd64", "Depends: tool-data\n"));
    debpoint.ok(&[&["content", "add", "vendor", &new], &suite[..]].concat());
    [first, debpoint.publish("vendor", true)]
}

#[test]
fn apt_installs_the_version_of_each_date() {
    if !program("apt-get") {
        return;
    }
    let debpoint = Debpoint::new();
    let _server = serve_publicly(&debpoint);
    let [first, second] = two_checkpoints(&debpoint);
    let dates = [
        (Some(&first), vec!["tool_1.0_amd64.deb"]),
        (Some(&second), vec!["tool-data_1.0_all.deb", "tool_1.1_amd64.deb"]),
        (None, vec!["tool-data_1.0_all.deb", "tool_1.1_amd64.deb"]),
    ];
    for (date, expected) in dates {
        let pin = match date {
            Some(date) => debpoint.ok(&["pin", "vendor-dated", date]),
            None => debpoint.ok(&["pin", "vendor-live"]),
        };
        let apt = Apt::new(&pin);
        only_by_hash(&apt.update().clean());
        let again = apt.update().clean();
        assert!(again.text.contains("\nHit:1 ") || again.text.starts_with("Hit:1 "), "{}", again.text);
        assert_eq!(again.requests().len(), 1, "one request learns that nothing changed: {}", again.text);
        assert!(apt.names().contains(&"tool".to_owned()), "{date:?}");
        assert_eq!(apt.download("tool"), expected, "{date:?}");
    }
    real_packages_install(&debpoint, &first);
    a_date_in_between_is_the_one_before(&debpoint, &first);
    a_future_date_is_not_found(&debpoint, &first);
}

fn real_packages_install(debpoint: &Debpoint, date: &str) {
    if !debpoint.ok(&["content", "list", "vendor"]).contains("debian-archive-keyring") {
        return;
    }
    let apt = Apt::new(&debpoint.ok(&["pin", "vendor-dated", date]));
    apt.update().clean();
    let archives = apt.download("debian-archive-keyring");
    assert!(archives.iter().any(|file| file.starts_with("debian-archive-keyring_")), "{archives:?}");
    let file = apt.path("var/cache/apt/archives").join(&archives[0]);
    let checked = Command::new("dpkg-deb").arg("-I").arg(&file).output().unwrap();
    assert!(checked.status.success());
}

fn a_date_in_between_is_the_one_before(debpoint: &Debpoint, first: &str) {
    let between = after(first, 1);
    let pin = debpoint.ok(&["pin", "vendor-dated", first]).replace(first, &between);
    let apt = Apt::new(&pin);
    let said = apt.update().clean();
    assert!(said.text.contains("301 Moved Permanently"), "{}", said.text);
    assert_eq!(apt.download("tool"), ["tool_1.0_amd64.deb"]);
}

fn a_future_date_is_not_found(debpoint: &Debpoint, first: &str) {
    let pin = debpoint.ok(&["pin", "vendor-dated", first]).replace(first, &after(first, 3600));
    let said = Apt::new(&pin).update();
    assert!(!said.ok && said.text.contains("404"), "{}", said.text);
}

#[test]
fn apt_finds_packages_of_a_suite_that_has_them_for_all_architectures_only() {
    if !program("apt-get") {
        return;
    }
    let debpoint = Debpoint::new();
    let _server = serve_publicly(&debpoint);
    debpoint.repository("keys", "deb");
    let file = debpoint.file("keys_1_all.deb", deb("keys", "1"));
    debpoint.ok(&["content", "add", "keys", &file]);
    debpoint.publish("keys", false);
    let apt = Apt::new(&debpoint.ok(&["pin", "keys-live"]));
    apt.update().clean();
    assert_eq!(apt.names(), ["keys"]);
    assert_eq!(apt.download("keys"), ["keys_1_all.deb"]);
}

#[test]
fn apt_sees_the_fields_that_an_administrator_sets() {
    if !program("apt-get") {
        return;
    }
    let debpoint = Debpoint::new();
    let server = serve_publicly(&debpoint);
    debpoint.repository("fields", "deb");
    let settings = [
        "origin=Vendor",
        "label=Vendor Tools",
        "suites.trixie.suite=testing",
        "suites.trixie.codename=trixie",
        "suites.trixie.version=13",
        "suites.trixie.not_automatic=true",
        "suites.trixie.but_automatic_upgrades=true",
        "suites.trixie.description=Tools of a vendor",
        "suites.trixie.components=main,contrib",
    ];
    let mut update = vec!["repository", "update", "fields"];
    settings.iter().for_each(|setting| update.extend(["--set", setting]));
    debpoint.ok(&update);
    let file = debpoint.file("aa.deb", deb_with("aa", "2:1~rc1+b1", "amd64", ""));
    debpoint.ok(&["content", "add", "fields", &file, "--suite", "trixie", "--component", "contrib"]);
    debpoint.publish("fields", true);
    let release = server.get("fields/live/dists/trixie/Release").text();
    let snapshots = format!("Snapshots: {}/pulp/content/fields/dated/@SNAPSHOTID@/", server.url);
    for line in [&snapshots, "Acquire-By-Hash: yes", "No-Support-for-Architecture-all: Packages"] {
        assert!(release.lines().any(|own| own == line), "{line}: {release}");
    }
    let apt = Apt::new(&debpoint.ok(&["pin", "fields-live"]));
    apt.update().clean();
    let policy = apt.run("apt-cache", &["policy"]).clean().text;
    let release = "release v=13,o=Vendor,a=testing,n=trixie,l=Vendor Tools,c=contrib,b=amd64";
    assert!(policy.contains(" 100 http://") && policy.contains(release), "{policy}");
    assert_eq!(apt.download("aa"), ["aa_2%3a1~rc1+b1_amd64.deb"]);
}

#[test]
fn an_update_that_began_before_ten_publishes_ends_after_them() {
    if !program("apt-get") {
        return;
    }
    let debpoint = Arc::new(Debpoint::new());
    let server = serve_publicly(&debpoint);
    debpoint.repository("busy", "deb");
    let file = debpoint.file("tool_1.0_amd64.deb", deb_with("tool", "1.0", "amd64", ""));
    debpoint.ok(&["content", "add", "busy", &file]);
    debpoint.publish("busy", false);
    let behind = debpoint.clone();
    let between = between(&server.url, move || {
        for number in 1..=10 {
            let version = format!("1.{number}");
            let file =
                behind.file(&format!("tool_{version}_amd64.deb"), deb_with("tool", &version, "amd64", ""));
            behind.ok(&["content", "add", "busy", &file]);
            behind.ok(&["content", "remove", "busy", &format!("tool=1.{}", number - 1)]);
            behind.publish("busy", false);
        }
    });
    let pin = debpoint.ok(&["pin", "busy-live"]).replace(&server.url, &between);
    let apt = Apt::new(&pin);
    only_by_hash(&apt.update().clean());
    assert_eq!(debpoint.json(&["publication", "list", "busy"]).as_array().unwrap().len(), 11);
    assert_eq!(apt.download("tool"), ["tool_1.0_amd64.deb"], "what the client has read holds together");
    apt.update().clean();
    assert!(apt.download("tool").contains(&"tool_1.10_amd64.deb".to_owned()));
}

/// A way to the server on which `act` happens before the first request by hash goes on.
fn between(server: &str, act: impl FnOnce() + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = server.to_owned();
    let mut act = Some(act);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            forward(stream, &server, &mut act);
        }
    });
    url
}

fn forward(stream: TcpStream, server: &str, act: &mut Option<impl FnOnce()>) {
    let mut reader = BufReader::new(stream);
    let mut connection = Connection::open(server);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        let by_hash = head.lines().next().is_some_and(|line| line.contains("/by-hash/"));
        if let Some(act) = act.take_if(|_| by_hash) {
            act();
        }
        connection.send(head.as_bytes());
        let answer = connection.answer(false);
        let headers: String =
            answer.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!("HTTP/1.1 {} as it came\r\n{headers}\r\n", answer.status);
        if reader.get_mut().write_all(&[head.as_bytes(), &answer.body].concat()).is_err() {
            return;
        }
    }
}
