//! The content server on the wire: what it answers to which bytes.

mod connections;
mod files;
mod names;
mod pages;

use checkpoint_testkit::debs;
use checkpoint_testkit::http::Answer;

use crate::support::{Debpoint, Server};

/// A repository called `site`, published as a checkpoint and served: live below `site/live`, dated below
/// `site/dated`.
struct Site {
    debpoint: Debpoint,
    server: Server,
    time: String,
}

impl Site {
    /// Of files by their paths.
    fn of_files(files: &[(&str, &[u8])]) -> Site {
        let debpoint = Debpoint::new();
        debpoint.repository("site", "file");
        let add = ["content", "add", "site"];
        let (deep, flat): (Vec<_>, Vec<_>) = files.iter().partition(|(path, _)| path.contains('/'));
        let flat: Vec<_> = flat.iter().map(|(path, bytes)| debpoint.file(path, bytes)).collect();
        if !flat.is_empty() {
            debpoint.ok(&[&add[..], &flat.iter().map(String::as_str).collect::<Vec<_>>()].concat());
        }
        for (path, bytes) in deep {
            let file = debpoint.file("deep", bytes);
            debpoint.ok(&[&add[..], &[&file, "--relative-path", path]].concat());
        }
        Site::serve(debpoint)
    }

    /// Of one package, `hello`, in the suite `bookworm`.
    fn of_packages() -> Site {
        let debpoint = Debpoint::new();
        debpoint.repository("site", "deb");
        let package = debpoint.file("hello_1.0_amd64.deb", debs::deb_with("hello", "1.0", "amd64", ""));
        debpoint.ok(&["content", "add", "site", &package, "--suite", "bookworm"]);
        Site::serve(debpoint)
    }

    fn serve(debpoint: Debpoint) -> Site {
        let time = debpoint.publish("site", true);
        let server = debpoint.serve();
        Site { debpoint, server, time }
    }

    /// A GET below `site/live/`.
    fn get(&self, path: &str) -> Answer {
        self.ask(path, &[])
    }

    /// A GET below `site/live/` with headers.
    fn ask(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.server.request("GET", &format!("site/live/{path}"), headers)
    }
}

/// Bytes without a pattern, so that none can stand for another.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64 ^ length as u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = (0..length.div_ceil(8)).flat_map(|_| next()).collect();
    bytes.truncate(length);
    bytes
}

/// Status, headers and body, but for the time of the answer.
fn without_date(mut answer: Answer) -> (u16, Vec<(String, String)>, Vec<u8>) {
    answer.headers.retain(|(name, _)| name != "date");
    answer.headers.sort();
    (answer.status, answer.headers, answer.body)
}
