//! Real clients of a mirror that follows an archive: each finds every file that it asks for, at a date, at a time between
//! two, and where the upstream's own signature is published.

mod bootstraps;
mod caches;
mod mirrors;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use checkpoint_core::digest::{Digests, Sha256};
use checkpoint_testkit::archive::{Archive, Extra};
use checkpoint_testkit::debs::{deb, deb_with};
use checkpoint_testkit::http;
use checkpoint_testkit::recorder::{Recorded, Recorder};
use checkpoint_testkit::upstream::Upstream;
use debian_format::compression::Compression;
use debian_format::release::Release;
use sequoia_openpgp::armor;

use crate::support::{Debpoint, Server, after, text, upstream_archive};

/// Files by digest: some clients give them names of their own.
type Files = BTreeMap<Sha256, String>;

/// What is known of a client beforehand.
struct Habits<'a> {
    /// What the names of the files of packages end in that it gets.
    gets: &'a [&'a str],
    /// What it asks for beside Release and indices of packages, below `dists/bookworm/`: by that name, by another form's,
    /// or by a hash.
    asks: &'a [&'a str],
    /// What it tries whether Release lists it or not, below `dists/bookworm/`.
    probes: &'a [&'a str],
}

/// A moment of the mirror.
struct Moment {
    /// What is asked for, and the date that answers.
    asked: String,
    date: String,
    /// The file with the key that signed, not armored, as all clients take it.
    keyring: PathBuf,
    /// What clients for amd64 are to find.
    files: Files,
}

/// A mirror behind a recorder. `tool` was upgraded between its dates.
struct Mirror {
    debpoint: Debpoint,
    upstream: Upstream,
    archive: Archive,
    recorder: Recorder,
    /// The distribution that clients are pointed at: `dated`, or `direct`, which answers times in between at once.
    base: &'static str,
    _server: Server,
}

impl Mirror {
    fn new() -> Mirror {
        let (debpoint, upstream, mut archive) = (Debpoint::new(), Upstream::default(), upstream_archive());
        archive.plain = false;
        archive.all_in_each = true;
        archive.compressions = vec![Compression::Xz, Compression::Gz];
        archive.extras.extend(Extra::ALL);
        archive.add("apt", "2.6.1", deb_with("apt", "2.6.1", "amd64", "Depends: lib\n"));
        archive.add("usr-is-merged", "1", deb("usr-is-merged", "1"));
        archive.add("lib", "1:2~rc1+b1", deb_with("lib", "1:2~rc1+b1", "amd64", ""));
        archive.add_to("contrib", "data", "1.0", deb("data", "1.0"));
        archive.add("tool", "0.9", deb_with("tool", "0.9", "arm64", ""));
        archive.add_udeb("base-installer", "1", deb_with("base-installer", "1", "amd64", ""));
        archive.publish(&upstream);
        let url = upstream.start();
        let key = debpoint.file("upstream.asc", archive.key());
        let create = ["remote", "create", "up", "--type", "deb", "--url", &url, "--suite", "bookworm"];
        let all = ["--sources", "--udebs", "--installer", "--all-indices", "--verbatim", "--keyring", &key];
        debpoint.ok(&[&create[..], &all].concat());
        debpoint.repository("mirror", "deb");
        debpoint.ok(&["repository", "update", "mirror", "--remote", "up"]);
        let server = debpoint.serve();
        let recorder = Recorder::start(&server.url);
        Mirror { debpoint, upstream, archive, recorder, base: "dated", _server: server }
    }

    /// A mirror that does not redirect.
    fn direct() -> Mirror {
        let mirror = Mirror { base: "direct", ..Mirror::new() };
        let create = ["distribution", "create", "direct", "--base-path", "mirror/direct"];
        mirror.debpoint.ok(&[&create[..], &["--repository", "mirror", "--checkpoint", "--direct"]].concat());
        mirror
    }

    /// The upstream gets a version of `tool`, and the mirror follows.
    fn upgrade(&mut self, version: &str) {
        self.archive.packages.retain(|path, _| !path.ends_with("/tool_1.0_amd64.deb"));
        self.archive.sources.clear();
        self.archive.add("tool", version, deb_with("tool", version, "amd64", ""));
        self.archive.add_source("tool", version);
        self.archive.publish(&self.upstream);
        self.debpoint.ok(&["sync", "mirror"]);
    }

    /// Makes a checkpoint of what there is now.
    fn checkpoint(&self, kind: &str) -> Moment {
        let publication = self.debpoint.json(&["publish", "mirror", "--checkpoint", "--kind", kind]);
        let date = publication["time"].as_str().unwrap().to_owned();
        let armored = match kind {
            "verbatim" => self.archive.key(),
            _ => self.debpoint.ok(&["key", "export"]),
        };
        let mut key = Vec::new();
        armor::Reader::from_bytes(armored.as_bytes(), None).read_to_end(&mut key).unwrap();
        let keyring = PathBuf::from(self.debpoint.file(&format!("{kind}.gpg"), key));
        Moment { asked: date.clone(), date, keyring, files: files_of(&self.archive) }
    }

    /// Points a client at a date that we have signed, at a time between two, and at a date that upstream has signed. It is
    /// given a URL, the suite and the keyring.
    fn serves(mut self, habits: &Habits<'_>, client: impl Fn(&str, &str, &Path) -> Vec<Sha256>) {
        self.upgrade("1.0");
        let mut old = self.checkpoint("apt");
        // It takes a second of its own, so that there is one between the dates.
        self.debpoint.publish("mirror", false);
        old.asked = after(&old.date, 1);
        self.upgrade("1.1");
        for moment in [self.checkpoint("apt"), old, self.checkpoint("verbatim")] {
            self.recorder.take();
            let url = format!("{}/pulp/content/mirror/{}/{}", self.recorder.url, self.base, moment.asked);
            let got = client(&url, "bookworm", &moment.keyring);
            let requests = self.recorder.take();
            let name = |sha256| moment.files.get(sha256).map_or("something else", String::as_str);
            let got: BTreeSet<&str> = got.iter().map(name).collect();
            let is_wanted = |name: &&str| habits.gets.iter().any(|ending| name.ends_with(ending));
            let wanted = moment.files.values().map(String::as_str).filter(is_wanted).collect();
            assert_eq!(got, wanted, "at {}", moment.asked);
            self.found_every_file(&requests, &moment, habits);
        }
    }

    /// Whatever was asked for was answered by the date that is meant, but for what is not there.
    fn found_every_file(&self, requests: &[Recorded], moment: &Moment, habits: &Habits<'_>) {
        let root = |date: &str| format!("/pulp/content/mirror/{}/{date}/", self.base);
        let date = if self.base == "direct" { &moment.asked } else { &moment.date };
        let (asked, answered) = (root(&moment.asked), root(date));
        let listed = self.listed(&answered);
        let mut found = BTreeSet::new();
        for request in requests {
            let path = request.path.strip_prefix(&answered);
            match (request.status, path) {
                (301, None) if asked != answered => assert!(request.path.starts_with(&asked), "{request:?}"),
                (200 | 206 | 304, Some(path)) => {
                    let path = path.trim_start_matches("dists/bookworm/");
                    found.insert(listed.get(path).map_or(path, String::as_str));
                }
                (404, Some(path)) => {
                    let path = path.trim_start_matches("dists/bookworm/");
                    // Debian, too, lists plain forms that it does not have.
                    let is_plain =
                        [".xz", ".gz"].iter().any(|end| listed.contains_key(&format!("{path}{end}")));
                    assert!(
                        is_plain || !listed.contains_key(path),
                        "Release lists {path}, and it is not there"
                    );
                    assert!(habits.probes.contains(&path), "{path} is not there");
                }
                _ => panic!("{request:?} of {requests:#?}"),
            }
        }
        for name in habits.asks {
            let asked =
                found.iter().any(|path| path.strip_prefix(name).is_some_and(|rest| !rest.contains('/')));
            assert!(asked, "nobody asked for {name}: {found:?}");
        }
    }

    /// What Release lists, by its path and by that of its hash, below the suite's directory.
    fn listed(&self, root: &str) -> BTreeMap<String, String> {
        let release = http::get(&format!("{}{root}dists/bookworm/Release", self.recorder.url));
        let mut listed = BTreeMap::new();
        for file in Release::parse(&release.body).unwrap().files {
            let directory = file.path.rsplit_once('/').map_or("", |(directory, _)| directory);
            let sha256 = Sha256::from(file.sha256.unwrap());
            listed.insert(format!("{directory}/by-hash/SHA256/{sha256}"), file.path.clone());
            listed.insert(file.path.clone(), file.path);
        }
        listed
    }
}

/// The files of an archive's packages that a client for amd64 may get.
fn files_of(archive: &Archive) -> Files {
    let packages = archive.packages.iter().map(|(path, (bytes, _))| (path, bytes));
    let sources = archive.sources.iter().flat_map(|(files, _)| files);
    let files = packages.filter(|(path, _)| !path.contains("_arm64.")).chain(sources);
    let name = |path: &str| path.rsplit('/').next().unwrap().to_owned();
    files.map(|(path, bytes)| (Digests::of(bytes).sha256, name(path))).collect()
}

/// The digests of all packages and files of source packages below a directory.
fn files_below(directory: &Path) -> Vec<Sha256> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files_below(&entry.path()));
        } else if name.contains('_')
            && [".deb", ".udeb", ".dsc", ".tar.gz"].iter().any(|end| name.ends_with(end))
        {
            found.push(Digests::of(&std::fs::read(entry.path()).unwrap()).sha256);
        }
    }
    found
}

/// A client with nothing of the environment that could change what it does, and with a proxy that is not there between
/// it and all but this machine.
fn client(program: &str, home: &Path) -> Command {
    let mut command = Command::new(program);
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path).env("HOME", home).env("LC_ALL", "C");
    for proxy in ["http_proxy", "https_proxy", "ftp_proxy"] {
        command.env(proxy, "http://127.0.0.1:1");
    }
    command.env("no_proxy", "127.0.0.1").current_dir(home).stdin(Stdio::null());
    command
}

/// Runs a client, which has to end well; gives what it said.
fn run(client: &mut Command) -> String {
    let output = client.output().unwrap();
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success(), "{client:?} ended with {}: {said}", output.status);
    said
}
