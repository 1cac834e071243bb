//! Reaching an upstream: credentials, proxies, certificates, limits, and transfers that outlive a process.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use checkpoint_testkit::program;
use checkpoint_testkit::upstream::{Fault, Upstream};
use debian_format::archive::DebBuilder;
use debian_format::compression::Compression;

use super::{Mirror, broken_transfer};
use crate::support::{Debpoint, upstream_archive};

/// A door before an upstream: it writes down the first lines and headers of requests, and lets only those pass that
/// hold `needs`.
struct Door {
    url: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Door {
    fn before(upstream: &str, needs: &'static str) -> Door {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (heads, to) =
            (Arc::new(Mutex::new(Vec::new())), upstream.strip_prefix("http://").unwrap().to_owned());
        let seen = heads.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (to, seen) = (to.clone(), seen.clone());
                std::thread::spawn(move || pass(stream.unwrap(), &to, needs, &seen));
            }
        });
        Door { url, heads }
    }
}

/// Passes one request on, and closes.
fn pass(mut stream: TcpStream, to: &str, needs: &str, seen: &Mutex<Vec<String>>) -> Option<()> {
    let mut head = String::new();
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    seen.lock().unwrap().push(head.clone());
    if !head.to_lowercase().contains(&needs.to_lowercase()) {
        let refusal = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        return stream.write_all(refusal.as_bytes()).ok();
    }
    // A proxy is asked for the whole URL.
    let head = head.replacen(&format!("GET http://{to}"), "GET ", 1);
    let mut upstream = TcpStream::connect(to).ok()?;
    upstream.write_all(head.replacen("\r\n", "\r\nConnection: close\r\n", 1).as_bytes()).ok()?;
    upstream.shutdown(std::net::Shutdown::Write).ok()?;
    std::io::copy(&mut upstream, &mut stream).ok()?;
    Some(())
}

fn set_url(mirror: &Mirror, flags: &[&str]) {
    mirror.debpoint.ok(&[&["remote", "update", "up"], flags].concat());
}

fn url_of(mirror: &Mirror) -> String {
    mirror.debpoint.json(&["remote", "show", "up"])["url"].as_str().unwrap().to_owned()
}

#[test]
fn an_upstream_asks_for_a_user_and_a_password() {
    let mirror = Mirror::new(&[]);
    // user:secret
    let door = Door::before(&url_of(&mirror), "authorization: Basic dXNlcjpzZWNyZXQ=");
    set_url(&mirror, &["--url", &door.url]);
    mirror.refused("the upstream answered 401");
    let password = mirror.debpoint.file("password", "secret\n");
    set_url(&mirror, &["--username", "user", "--password-file", &password]);
    assert_eq!(mirror.sync()["fetched"], 3);
}

#[test]
fn an_upstream_is_reached_through_a_proxy() {
    let mirror = Mirror::new(&[]);
    let door = Door::before(&url_of(&mirror), "proxy-authorization: Basic dXNlcjpzZWNyZXQ=");
    let password = mirror.debpoint.file("password", "secret\n");
    let who = ["--proxy-username", "user", "--proxy-password-file", &password];
    set_url(&mirror, &[&["--proxy-url", &door.url], &who[..]].concat());
    assert_eq!(mirror.sync()["fetched"], 3);
    let heads = door.heads.lock().unwrap();
    assert!(heads.iter().all(|head| head.starts_with("GET http://")), "{heads:?}");
}

/// An HTTPS server of a directory that believes only clients with a certificate of its own authority.
struct Secure {
    child: Child,
    url: String,
}

impl Drop for Secure {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const SECURE: &str = r#"
import http.server, ssl, sys
class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("server.pem", "server.key")
context.load_verify_locations("ca.pem")
context.verify_mode = ssl.CERT_REQUIRED
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
"#;

const CERTIFICATES: &str = r#"
set -e
req() { openssl req -newkey rsa:2048 -nodes -keyout "$1.key" -subj "/CN=$1" "${@:2}" 2>/dev/null; }
req ca -x509 -days 2 -out ca.pem -addext basicConstraints=critical,CA:TRUE
for name in server client; do
    req $name -out $name.csr
    echo "subjectAltName=IP:127.0.0.1" >$name.ext
    openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile $name.ext -out $name.pem 2>/dev/null
done
"#;

fn secure(directory: &std::path::Path) -> Secure {
    let made = Command::new("bash").args(["-c", CERTIFICATES]).current_dir(directory).status().unwrap();
    assert!(made.success());
    let mut server = Command::new("python3");
    server.args(["-c", SECURE]).current_dir(directory).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = server.spawn().unwrap();
    let mut port = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
    Secure { child, url: format!("https://127.0.0.1:{}", port.trim()) }
}

#[test]
fn an_upstream_shows_its_certificate_and_asks_for_ours() {
    if !program("openssl") || !program("python3") || !program("bash") {
        return;
    }
    let mirror = Mirror::new(&[]);
    let directory = mirror.debpoint.path("www");
    for path in mirror.upstream.paths() {
        let file = directory.join(&path[1..]);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, mirror.upstream.file(&path)).unwrap();
    }
    let server = secure(&directory);
    let file = |name: &str| directory.join(name).to_str().unwrap().to_owned();
    set_url(&mirror, &["--url", &server.url, "--max-retries", "0"]);
    mirror.refused("certificate");
    set_url(&mirror, &["--ca-cert", &file("ca.pem")]);
    let said = mirror.debpoint.refused(&["sync", "mirror"]);
    assert!(said.contains("cannot fetch https://"), "it wants to know who we are: {said}");
    set_url(&mirror, &["--client-cert", &file("client.pem"), "--client-key", &file("client.key")]);
    assert_eq!(mirror.sync()["fetched"], 3);
    let nonsense = mirror.debpoint.file("nonsense", "nothing of the kind");
    let said = mirror.debpoint.refused(&["remote", "update", "up", "--ca-cert", &nonsense]);
    assert!(said.contains("the CA certificate cannot be used"), "{said}");
}

#[test]
fn limits_are_kept() {
    let mirror = Mirror::new(&["--rate-limit", "5"]);
    let begun = Instant::now();
    mirror.sync();
    let asked = mirror.upstream.asked().len();
    assert!(asked >= 5, "{asked}");
    let least = Duration::from_millis(200 * (asked as u64 - 1));
    assert!(begun.elapsed() >= least, "{asked} requests in {:?}", begun.elapsed());
}

#[test]
fn bandwidth_is_limited() {
    let mut archive = upstream_archive();
    archive.add("large", "1", large(300_000));
    let mirror =
        Mirror::of(archive, (Debpoint::new(), Upstream::default()), &["--bandwidth-limit", "100000"]);
    let begun = Instant::now();
    mirror.sync();
    assert!(begun.elapsed() >= Duration::from_secs(2), "{:?}", begun.elapsed());
}

/// A package of that many bytes, and some.
fn large(bytes: usize) -> Vec<u8> {
    let control = "Package: large\nVersion: 1\nArchitecture: amd64\nDescription: x\n";
    let content: Vec<u8> = (0..bytes).map(|index| (index % 251) as u8).collect();
    let large = DebBuilder::new(control).file("large", content, 0o644);
    large.compression(Compression::Gz, Compression::None).build().unwrap()
}

#[test]
fn what_is_streamed_is_never_stored() {
    let mirror = Mirror::new(&["--policy", "streamed"]);
    mirror.sync();
    mirror.debpoint.publish("mirror", false);
    mirror.upstream.asked();
    let server = mirror.debpoint.serve();
    let path = mirror.path("tool");
    for _ in 0..2 {
        assert_eq!(server.get(&format!("mirror/live/{path}")).body, mirror.archive.packages[&path].0);
        assert_eq!(mirror.upstream.asked(), [format!("/{path}")]);
    }
    let part = server.request("GET", &format!("mirror/live/{path}"), &[("Range", "bytes=10-19")]);
    assert_eq!((part.status, &part.body[..]), (206, &mirror.archive.packages[&path].0[10..20]));
    assert!(mirror.debpoint.ok(&["fetch", "mirror"]).starts_with("0 files fetched"));
    mirror.upstream.fail("tool", &[Fault::Garble]);
    assert!(broken_transfer(&server, &path), "wrong bytes are a broken transfer here, too");
    let digest = checkpoint_core::digest::Digests::of(&mirror.archive.packages[&path].0).sha256.to_string();
    let pattern = format!("*{digest}*");
    let mut find = Command::new("find");
    let found = find.arg(mirror.debpoint.data()).args(["-name", &pattern]).output().unwrap();
    assert_eq!(crate::support::text(&found.stdout), "", "nothing of it is kept");
}

#[test]
fn a_large_file_goes_on_where_a_killed_sync_was_interrupted() {
    let mut archive = upstream_archive();
    let bytes = large(4_000_000);
    archive.add("large", "1", bytes.clone());
    let mirror = Mirror::of(archive, (Debpoint::new(), Upstream::default()), &[]);
    mirror.upstream.fail("large", &[Fault::Slow(Duration::from_millis(1500))]);
    let mut sync = mirror.debpoint.command();
    let mut child = sync.args(["sync", "mirror"]).stdout(Stdio::null()).spawn().unwrap();
    let staging = mirror.debpoint.data().join("store/staging");
    let arrived = || {
        let files = std::fs::read_dir(&staging).into_iter().flatten().flatten();
        let partial = files.filter(|file| file.file_name().to_string_lossy().starts_with("partial-"));
        partial.filter_map(|file| Some(file.metadata().ok()?.len())).max().unwrap_or(0)
    };
    while arrived() < 900_000 {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be killed");
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let before = arrived();
    let door = Door::before(&url_of(&mirror), "GET ");
    set_url(&mirror, &["--url", &door.url]);
    assert_eq!(mirror.sync()["fetched"], 1);
    let heads = door.heads.lock().unwrap();
    let range =
        heads.iter().find_map(|head| head.lines().find(|line| line.to_lowercase().starts_with("range:")));
    let from: u64 = range.unwrap().split("bytes=").nth(1).unwrap().trim_end_matches('-').parse().unwrap();
    assert!(from > 0 && from <= before, "{from} of {before}");
    mirror.debpoint.ok(&["verify"]);
}

#[test]
fn what_an_interrupted_sync_left_of_another_file_does_no_harm() {
    let mut archive = upstream_archive();
    let bytes = large(2_000_000);
    archive.add("large", "1", bytes.clone());
    let mirror = Mirror::of(archive, (Debpoint::new(), Upstream::default()), &[]);
    let digest = checkpoint_core::digest::Digests::of(&bytes).sha256;
    mirror.debpoint.file(&format!("data/store/staging/partial-{digest}"), vec![7; 1_000_000]);
    assert_eq!(mirror.sync()["fetched"], 1);
    mirror.debpoint.ok(&["verify"]);
}

#[test]
fn wrong_bytes_are_kept_for_the_administrator_to_look_at() {
    let mirror = Mirror::new(&[]);
    let path = mirror.path("tool");
    let mut wrong = mirror.upstream.file(&format!("/{path}"));
    wrong[100] ^= 1;
    mirror.upstream.set(&format!("/{path}"), &wrong);
    let said = mirror.debpoint.refused(&["sync", "mirror"]);
    assert!(said.contains(&format!("/{path}: its SHA-256 is")), "{said}");
    let kept = said.split("what came is in ").nth(1).unwrap().trim();
    let mut bytes = Vec::new();
    std::fs::File::open(kept).unwrap().read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, wrong);
}
