//! An upstream that serves what a test puts into it, remembers what was asked for, and misbehaves on order.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use checkpoint_core::digest::Digests;
use checkpoint_core::signer::Signer as _;
use debian_format::compression::{Compression, encode};
use debian_format::deb822::Stanza;
use debian_format::release::{Release, ReleaseFile};
use debpoint::openpgp::{KeyAlgorithm, Keyring};

/// How an upstream misbehaves, once.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Answers with a status and further header lines, each ended by CR LF.
    Status(u16, String),
    /// Announces all and sends so many bytes.
    Truncate(usize),
    /// Closes the connection without a word.
    Reset,
    /// Waits so long before each piece of the body.
    Slow(Duration),
    /// Sends other bytes of the same length.
    Garble,
}

type Faults = Arc<Mutex<HashMap<String, VecDeque<Fault>>>>;

/// The server.
#[derive(Clone, Default)]
pub struct Upstream {
    files: Arc<Mutex<HashMap<String, Vec<u8>>>>,
    asked: Arc<Mutex<Vec<String>>>,
    faults: Faults,
}

impl Upstream {
    /// Starts it on a free port; gives its URL.
    pub fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let upstream = self.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let upstream = upstream.clone();
                std::thread::spawn(move || upstream.serve(stream.unwrap()));
            }
        });
        url
    }

    pub fn set(&self, path: &str, bytes: &[u8]) {
        self.files.lock().unwrap().insert(path.to_owned(), bytes.to_vec());
    }

    pub fn remove(&self, path: &str) {
        self.files.lock().unwrap().remove(path);
    }

    pub fn file(&self, path: &str) -> Vec<u8> {
        self.files.lock().unwrap()[path].clone()
    }

    pub fn clear(&self) {
        self.files.lock().unwrap().clear();
    }

    /// Misbehaves at the next requests for paths that contain `part`, in this order.
    pub fn fail(&self, part: &str, faults: &[Fault]) {
        self.faults.lock().unwrap().entry(part.to_owned()).or_default().extend(faults.iter().cloned());
    }

    /// The paths that were asked for since this was asked last.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream);
        loop {
            let mut head = Vec::new();
            while head.last().is_none_or(|line: &String| line != "\r\n") {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap_or(0) == 0 {
                    return;
                }
                head.push(line);
            }
            if self.answer(reader.get_mut(), &head).is_none() {
                return;
            }
        }
    }

    /// Answers one request; `None` closes the connection.
    fn answer(&self, stream: &mut TcpStream, head: &[String]) -> Option<()> {
        let path = head[0].split(' ').nth(1).unwrap();
        let path = percent_encoding::percent_decode_str(path).decode_utf8().unwrap().into_owned();
        let header = |name: &str| {
            let line = head
                .iter()
                .find_map(|line| line.split_once(':').filter(|(n, _)| n.eq_ignore_ascii_case(name)));
            line.map(|(_, value)| value.trim().to_owned())
        };
        let body = self.files.lock().unwrap().get(&path).cloned();
        self.asked.lock().unwrap().push(path.clone());
        let fault = self.next_fault(&path);
        let Some(mut body) = body else { return send(stream, "404 Not Found", "", b"") };
        let etag = format!("\"{}\"", Digests::of(&body).sha256);
        let validator = format!("ETag: {etag}\r\n");
        match fault {
            Some(Fault::Status(status, headers)) => {
                return send(stream, &format!("{status} on order"), &headers, b"");
            }
            Some(Fault::Reset) => return None,
            Some(Fault::Garble) => body.iter_mut().for_each(|byte| *byte ^= 1),
            _ => {}
        }
        if header("if-none-match").is_some_and(|tag| tag == etag) {
            return send(stream, "304 Not Modified", &validator, b"");
        }
        let from = header("range").filter(|_| header("if-range").as_ref() == Some(&etag));
        let from: usize =
            from.map_or(0, |range| range["bytes=".len()..].trim_end_matches('-').parse().unwrap());
        let (status, range) = match from {
            0 => ("200 OK", String::new()),
            _ => {
                ("206 Partial", format!("Content-Range: bytes {from}-{}/{}\r\n", body.len() - 1, body.len()))
            }
        };
        let headers = format!("{validator}{range}");
        match fault {
            Some(Fault::Truncate(count)) => {
                let announced =
                    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n", body.len() - from);
                let _ = stream.write_all(announced.as_bytes());
                let _ = stream.write_all(&body[from..body.len().min(from + count)]);
                None
            }
            Some(Fault::Slow(wait)) => {
                let announced =
                    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n", body.len() - from);
                stream.write_all(announced.as_bytes()).ok()?;
                for piece in body[from..].chunks(body.len() / 4 + 1) {
                    std::thread::sleep(wait);
                    stream.write_all(piece).ok()?;
                }
                Some(())
            }
            _ => send(stream, status, &headers, &body[from..]),
        }
    }

    fn next_fault(&self, path: &str) -> Option<Fault> {
        let mut faults = self.faults.lock().unwrap();
        let (_, due) =
            faults.iter_mut().find(|(part, due)| path.contains(part.as_str()) && !due.is_empty())?;
        due.pop_front()
    }
}

fn send(stream: &mut TcpStream, status: &str, headers: &str, body: &[u8]) -> Option<()> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body].concat()).ok()
}

/// A Debian archive with one suite, as its maintainers would publish it.
pub struct Archive {
    pub suite: String,
    pub origin: String,
    /// Seconds since 1970.
    pub date: i64,
    pub valid_until: Option<i64>,
    pub by_hash: bool,
    /// Packages: the bytes, and the stanza in the index.
    pub packages: BTreeMap<String, (Vec<u8>, String)>,
    /// Source packages: the files by path, and the stanza in the index.
    pub sources: Vec<(BTreeMap<String, Vec<u8>>, String)>,
    keyring: Keyring,
}

impl Archive {
    pub fn new() -> Archive {
        let directory = tempfile::tempdir().unwrap();
        let now = SystemTime::now() - Duration::from_secs(3600);
        Keyring::generate(directory.path(), KeyAlgorithm::Ed25519, "upstream", now).unwrap();
        let date = checkpoint_core::time::Timestamp::of(SystemTime::now()).unix() - 1800;
        Archive {
            suite: "bookworm".into(),
            origin: "Upstream".into(),
            date,
            valid_until: None,
            by_hash: true,
            packages: BTreeMap::new(),
            sources: Vec::new(),
            keyring: Keyring::open(directory.path()).unwrap(),
        }
    }

    /// The public key, armored.
    pub fn key(&self) -> String {
        self.keyring.export_public().unwrap()
    }

    /// Adds a package at Debian's path; a later state has a later date.
    pub fn add(&mut self, name: &str, version: &str, deb: Vec<u8>) {
        let path = format!("pool/main/{}/{name}/{name}_{version}.deb", &name[..1]);
        let control = debian_format::archive::read_deb(&deb[..]).unwrap().control;
        let digests = Digests::of(&deb);
        let stanza = format!(
            "{}\nX-Unknown: kept as it is\nFilename: {path}\nSize: {}\nSHA256: {}\n",
            String::from_utf8_lossy(control.raw()),
            digests.size,
            digests.sha256
        );
        self.packages.insert(path, (deb, stanza));
        self.date += 60;
    }

    /// Adds a source package of a .dsc and a tarball.
    pub fn add_source(&mut self, name: &str, version: &str) {
        let directory = format!("pool/main/{}/{name}", &name[..1]);
        let tarball =
            (format!("{name}_{version}.tar.gz"), format!("the source of {name} {version}").into_bytes());
        let line = |(file, bytes): &(String, Vec<u8>)| {
            let digests = Digests::of(bytes);
            (
                format!("\n {} {} {file}", digests.md5, digests.size),
                format!("\n {} {} {file}", digests.sha256, digests.size),
            )
        };
        let (md5, sha256) = line(&tarball);
        let dsc = format!(
            "Format: 3.0 (native)\nSource: {name}\nBinary: {name}\nArchitecture: any\nVersion: {version}\n\
             Maintainer: nobody <nobody@example.org>\nChecksums-Sha256:{sha256}\nFiles:{md5}\n"
        );
        let dsc = (format!("{name}_{version}.dsc"), dsc.into_bytes());
        let (dsc_md5, dsc_sha256) = line(&dsc);
        let stanza = format!(
            "Package: {name}\nBinary: {name}\nVersion: {version}\nMaintainer: nobody <nobody@example.org>\n\
             Architecture: any\nFormat: 3.0 (native)\nDirectory: {directory}\nFiles:{dsc_md5}{md5}\n\
             Checksums-Sha256:{dsc_sha256}{sha256}\n"
        );
        let files = [dsc, tarball].map(|(file, bytes)| (format!("{directory}/{file}"), bytes));
        self.sources.push((BTreeMap::from(files), stanza));
    }

    /// Puts all of it onto the upstream, replacing what was there.
    pub fn publish(&self, upstream: &Upstream) {
        self.publish_changed(upstream, |_| {});
    }

    /// As [`Self::publish`], with a Release that somebody who has the key has changed.
    pub fn publish_changed(&self, upstream: &Upstream, change: impl FnOnce(&mut Release)) {
        let mut release = Release {
            origin: Some(self.origin.clone()),
            suite: Some(self.suite.clone()),
            codename: Some(self.suite.clone()),
            date: self.date,
            valid_until: self.valid_until,
            acquire_by_hash: self.by_hash,
            architectures: vec!["all".into(), "amd64".into()],
            components: vec!["main".into()],
            ..Release::default()
        };
        let mut files = Vec::new();
        for architecture in ["all", "amd64"] {
            let index: String = self.stanzas(architecture);
            let path = format!("main/binary-{architecture}/Packages");
            let compressed = encode(index.as_bytes(), Compression::Xz).unwrap();
            files.push((path.clone(), index.into_bytes()));
            files.push((format!("{path}.xz"), compressed));
        }
        if !self.sources.is_empty() {
            let index: String = self.sources.iter().map(|(_, stanza)| format!("{stanza}\n")).collect();
            let compressed = encode(index.as_bytes(), Compression::Gz).unwrap();
            files.push(("main/source/Sources".into(), index.into_bytes()));
            files.push(("main/source/Sources.gz".into(), compressed));
        }
        for (path, bytes) in &files {
            let digests = Digests::of(bytes);
            release.files.push(ReleaseFile {
                path: path.clone(),
                size: digests.size,
                md5: None,
                sha1: None,
                sha256: Some(*digests.sha256.as_bytes()),
                sha512: None,
            });
        }
        change(&mut release);
        let text = release.write().unwrap();
        let now = SystemTime::now();
        let root = format!("/dists/{}", self.suite);
        upstream.clear();
        upstream.set(&format!("{root}/InRelease"), &self.keyring.clearsign(&text, now).unwrap());
        upstream.set(&format!("{root}/Release.gpg"), &self.keyring.detach(&text, now).unwrap());
        upstream.set(&format!("{root}/Release"), &text);
        for (path, bytes) in files {
            let sha256 = Digests::of(&bytes).sha256;
            let directory = path.rsplit_once('/').unwrap().0;
            upstream.set(&format!("{root}/{directory}/by-hash/SHA256/{sha256}"), &bytes);
            upstream.set(&format!("{root}/{path}"), &bytes);
        }
        for (path, (deb, _)) in &self.packages {
            upstream.set(&format!("/{path}"), deb);
        }
        for (path, bytes) in self.sources.iter().flat_map(|(files, _)| files) {
            upstream.set(&format!("/{path}"), bytes);
        }
    }

    fn stanzas(&self, architecture: &str) -> String {
        let of =
            |stanza: &&String| Stanza::new(stanza.as_bytes()).get_str("Architecture") == Some(architecture);
        let stanzas = self.packages.values().map(|(_, stanza)| stanza).filter(of);
        stanzas.map(|stanza| format!("{stanza}\n")).collect()
    }
}
