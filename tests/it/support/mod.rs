//! The `debpoint` command, its server, and real apt, each in a directory of its own.

pub mod apt;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, SystemTime};

use checkpoint_testkit::archive::Archive;
use checkpoint_testkit::http::{self, Answer, Connection};
use debpoint::openpgp::{KeyAlgorithm, Keyring};
use tempfile::TempDir;

/// A data directory, and the command to work on it.
pub struct Debpoint {
    directory: TempDir,
}

impl Debpoint {
    pub fn new() -> Debpoint {
        Debpoint { directory: tempfile::tempdir().unwrap() }
    }

    /// Beside the data directory there is room for files.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// Writes a file beside the data directory.
    pub fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// The command on this data directory, with nothing of the environment that could change it.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_debpoint"));
        command.arg("--data").arg(self.data()).stdin(Stdio::null());
        for name in ["DEBPOINT_DATA", "DEBPOINT_LOG", "http_proxy"] {
            command.env_remove(name);
        }
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.command().args(args).output().unwrap()
    }

    /// Runs a command that has to work; gives what it prints.
    pub fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "debpoint {args:?} failed: {err}");
        out
    }

    /// Runs a command that has to be refused: exit code 1, nothing on standard output, one clear sentence.
    pub fn refused(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(1), "debpoint {args:?}: {out}{err}");
        assert_eq!(out, "", "debpoint {args:?}");
        let lines: Vec<_> = err.lines().collect();
        assert!(lines[0].starts_with("debpoint: "), "{err}");
        assert!(
            lines.len() == 1 || (lines.len() == 2 && lines[1].starts_with("hint: ")),
            "one sentence: {err}"
        );
        assert!(!err.contains("panicked") && !err.contains("Error {"), "{err}");
        err
    }

    pub fn json(&self, args: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.ok(&[args, &["--json"]].concat())).unwrap()
    }

    /// A repository with a live (`NAME/live`) and a dated (`NAME/dated`) distribution.
    pub fn repository(&self, name: &str, plugin: &str) {
        self.ok(&["repository", "create", name, "--type", plugin]);
        let (live, dated) = (format!("{name}-live"), format!("{name}-dated"));
        let (live_path, dated_path) = (format!("{name}/live"), format!("{name}/dated"));
        self.ok(&["distribution", "create", &live, "--base-path", &live_path, "--repository", name]);
        let create = ["distribution", "create", &dated, "--base-path", &dated_path, "--repository", name];
        self.ok(&[&create[..], &["--checkpoint"]].concat());
    }

    /// Publishes; gives the time.
    pub fn publish(&self, name: &str, checkpoint: bool) -> String {
        let flag: &[&str] = if checkpoint { &["--checkpoint"] } else { &[] };
        let publication = self.json(&[&["publish", name], flag].concat());
        publication["time"].as_str().unwrap().to_owned()
    }

    /// Starts a server on a free port.
    pub fn serve(&self) -> Server {
        let mut command = self.command();
        command.args(["serve", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("first line: {line:?}"));
        Server { url: url.to_owned(), child }
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A running `debpoint serve`. Dropping it ends it.
pub struct Server {
    /// `http://127.0.0.1:PORT`
    pub url: String,
    pub child: Child,
}

impl Server {
    /// `path` is below /pulp/content/.
    pub fn url(&self, path: &str) -> String {
        format!("{}/pulp/content/{path}", self.url)
    }

    /// One GET below /pulp/content/, redirects not followed.
    pub fn get(&self, path: &str) -> Answer {
        http::get(&self.url(path))
    }

    /// A connection for several requests.
    pub fn connect(&self) -> Connection {
        Connection::open(&self.url)
    }

    /// One request below /pulp/content/ on a connection of its own.
    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.connect().request(method, &format!("/pulp/content/{path}"), headers)
    }

    /// One GET below /pulp/content/, redirects followed.
    pub fn follow(&self, path: &str) -> Answer {
        http::follow(&self.url(path))
    }

    /// The most memory that the server ever had, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        let sent = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A time so many seconds after (or before) another, both as in URLs.
pub fn after(time: &str, seconds: i64) -> String {
    use checkpoint_core::time::Timestamp;
    let time: Timestamp = time.parse().unwrap();
    Timestamp::from_unix(time.unix() + seconds).to_string()
}

/// The time now, as in URLs.
pub fn now() -> String {
    checkpoint_core::time::Timestamp::of(SystemTime::now()).to_string()
}

/// An upstream archive with a key of its own.
pub fn upstream_archive() -> Archive {
    let directory = tempfile::tempdir().unwrap();
    let born = SystemTime::now() - Duration::from_secs(3600);
    Keyring::generate(directory.path(), KeyAlgorithm::Ed25519, "upstream", born).unwrap();
    Archive::new(Keyring::open(directory.path()).unwrap())
}

/// The repository's own directory.
pub fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
