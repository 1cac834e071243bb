//! Real clients of a mirror that follows an archive: each finds every file that it asks for, at a date and at a time
//! between two.

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
use checkpoint_testkit::recorder::{Recorded, Recorder};
use checkpoint_testkit::upstream::Upstream;
use debian_format::release::Release;
use sequoia_openpgp::armor;

use crate::support::{Debpoint, Server, after, text, upstream_archive};

/// What the files of packages end in, and what a client gets that takes source packages, too.
const PACKAGES: &[&str] = &[".deb"];
const PACKAGES_AND_SOURCES: &[&str] = &[".deb", ".dsc", ".tar.gz"];

/// Files by digest: some clients give them names of their own.
type Files = BTreeMap<Sha256, String>;

/// A mirror with two dates, between which `tool` was upgraded, behind a recorder.
struct Mirror {
    _upstream: Upstream,
    _server: Server,
    recorder: Recorder,
    debpoint: Debpoint,
    /// Dates, and what clients for amd64 are to find there.
    dates: [(String, Files); 2],
}

impl Mirror {
    fn new() -> Mirror {
        let (debpoint, upstream, mut archive) = (Debpoint::new(), Upstream::default(), upstream_archive());
        archive.plain = false;
        archive.extras.extend(Extra::ALL);
        archive.add("apt", "2.6.1", deb_with("apt", "2.6.1", "amd64", "Depends: lib\n"));
        archive.add("usr-is-merged", "1", deb("usr-is-merged", "1"));
        archive.add("lib", "1:2~rc1+b1", deb_with("lib", "1:2~rc1+b1", "amd64", ""));
        archive.add("tool", "1.0", deb_with("tool", "1.0", "amd64", ""));
        archive.add_to("contrib", "data", "1.0", deb("data", "1.0"));
        archive.add("tool", "1.0", deb_with("tool", "1.0", "arm64", ""));
        archive.add_udeb("base-installer", "1.213", deb_with("base-installer", "1.213", "amd64", ""));
        archive.add_source("tool", "1.0");
        archive.publish(&upstream);
        let url = upstream.start();
        let key = debpoint.file("upstream.asc", archive.key());
        let create = ["remote", "create", "up", "--type", "deb", "--url", &url, "--suite", "bookworm"];
        debpoint.ok(&[&create[..], &["--sources", "--keyring", &key]].concat());
        debpoint.repository("mirror", "deb");
        debpoint.ok(&["repository", "update", "mirror", "--remote", "up"]);
        let date = |archive: &Archive| {
            archive.publish(&upstream);
            debpoint.ok(&["sync", "mirror"]);
            (debpoint.publish("mirror", true), files_of(archive))
        };
        let first = date(&archive);
        // It takes a second of its own, so that there is one between the dates.
        debpoint.publish("mirror", false);
        archive.packages.retain(|path, _| !path.ends_with("/tool_1.0_amd64.deb"));
        archive.sources.clear();
        archive.add("tool", "1.1", deb_with("tool", "1.1", "amd64", ""));
        archive.add_source("tool", "1.1");
        let second = date(&archive);
        let server = debpoint.serve();
        let recorder = Recorder::start(&server.url);
        Mirror { _upstream: upstream, _server: server, recorder, debpoint, dates: [first, second] }
    }

    /// The file with the public key, not armored, as all clients take it.
    fn keyring(&self) -> PathBuf {
        let armored = self.debpoint.ok(&["key", "export"]);
        let mut key = Vec::new();
        armor::Reader::from_bytes(armored.as_bytes(), None).read_to_end(&mut key).unwrap();
        PathBuf::from(self.debpoint.file("debpoint.gpg", key))
    }

    /// Points a client at the second date, and at a time between both, which is the first one. It has to get all files
    /// for amd64 that end so, and nothing else. `client` is given a URL, the suite and the keyring; `probes` are
    /// what it tries beside Release, whether that lists it or not.
    fn serves(&self, endings: &[&str], probes: &[&str], client: impl Fn(&str, &str, &Path) -> Vec<Sha256>) {
        self.serves_at("dated", endings, probes, client);
    }

    /// As [`Mirror::serves`], where times in between are answered at once rather than redirected.
    fn serves_directly(&self, endings: &[&str], client: impl Fn(&str, &str, &Path) -> Vec<Sha256>) {
        let create =
            ["distribution", "create", "direct", "--base-path", "mirror/direct", "--repository", "mirror"];
        self.debpoint.ok(&[&create[..], &["--checkpoint", "--direct"]].concat());
        self.serves_at("direct", endings, &[], client);
    }

    fn serves_at(
        &self,
        base: &str,
        endings: &[&str],
        probes: &[&str],
        client: impl Fn(&str, &str, &Path) -> Vec<Sha256>,
    ) {
        let keyring = self.keyring();
        let [(first, old), (second, new)] = &self.dates;
        let between = after(first, 1);
        for (asked, answered, files) in [(second, second, new), (&between, first, old)] {
            self.recorder.take();
            let url = format!("{}/pulp/content/mirror/{base}/{asked}", self.recorder.url);
            let got = client(&url, "bookworm", &keyring);
            let requests = self.recorder.take();
            let name = |sha256| files.get(sha256).map_or("something else", String::as_str);
            let got: BTreeSet<&str> = got.iter().map(name).collect();
            let is_wanted = |name: &&str| endings.iter().any(|ending| name.ends_with(ending));
            let wanted = files.values().map(String::as_str).filter(is_wanted).collect();
            assert_eq!(got, wanted);
            let answered = if base == "direct" { asked } else { answered };
            let root = |date: &str| format!("/pulp/content/mirror/{base}/{date}/");
            self.found_every_file(&requests, [root(asked), root(answered)], probes);
        }
    }

    /// Whatever was asked for at a date was answered, by way of the date that is meant, but for what is not there.
    fn found_every_file(&self, requests: &[Recorded], [asked, answered]: [String; 2], probes: &[&str]) {
        let listed = self.listed(&answered);
        assert!(requests.iter().any(|request| request.path.ends_with("Release")), "{requests:?}");
        for request in requests {
            let path = request.path.strip_prefix(&answered);
            match (request.status, path) {
                (301, None) if asked != answered => assert!(request.path.starts_with(&asked), "{request:?}"),
                (200 | 206 | 304, Some(_)) => {}
                (404, Some(path)) => {
                    assert!(!listed.contains(path), "Release lists {path}, and it is not there");
                    let probed =
                        path.strip_prefix("dists/bookworm/").is_some_and(|path| probes.contains(&path));
                    assert!(probed, "{path} is not there");
                }
                _ => panic!("{request:?} of {requests:#?}"),
            }
        }
    }

    /// What Release lists, and where that is by its hash. It lists plain forms of upstream's files, too, of which upstream
    /// has compressed ones only.
    fn listed(&self, root: &str) -> BTreeSet<String> {
        let release =
            checkpoint_testkit::http::get(&format!("{}{root}dists/bookworm/Release", self.recorder.url));
        let release = Release::parse(&release.body).unwrap();
        let mut listed = BTreeSet::new();
        let forms: Vec<String> = release.files.iter().map(|file| file.path.clone()).collect();
        let only_compressed = |path: &str| {
            let ours = ["Packages", "Sources", "Release"].iter().any(|name| path.ends_with(name));
            !ours && ["gz", "xz"].iter().any(|form| forms.contains(&format!("{path}.{form}")))
        };
        for file in release.files {
            if only_compressed(&file.path) {
                continue;
            }
            let directory = file.path.rsplit_once('/').map_or("", |(directory, _)| directory);
            let sha256 = Sha256::from(file.sha256.unwrap());
            listed.insert(format!("dists/bookworm/{directory}/by-hash/SHA256/{sha256}"));
            listed.insert(format!("dists/bookworm/{}", file.path));
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
        // Icons come as a tarball, too.
        if name == "dep11" {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            found.extend(files_below(&entry.path()));
        } else if [".deb", ".udeb", ".dsc", ".tar.gz"].iter().any(|ending| name.ends_with(ending)) {
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
