//! Test tools of debpoint: packages to order, an engine with a clock that is set by hand, a fake plugin, the
//! conformance suite of the plugin seam, an HTTP client that hides nothing, and upstreams that misbehave.
//!
//! Everything here panics where something is wrong: it is for tests only.

#![allow(clippy::unwrap_used, clippy::expect_used)]

pub mod debs;
pub mod clock;
pub mod http;
pub mod upstream;
pub mod recorder;
pub mod archive;
pub mod fake;
pub mod engine;
pub mod conformance;

/// Whether a program or server that a test needs is there. If not, the test says so and ends; in CI (CI=true) a
/// peer that is missing is a failure.
pub fn peer(name: &str, is_there: bool) -> bool {
    if is_there {
        return true;
    }
    let missing = format!("skipped: {name} is not there");
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{missing}");
    eprintln!("{missing}");
    false
}

/// Whether a program is on the PATH, as [`peer`] says.
pub fn program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    peer(name, std::env::split_paths(&path).any(|directory| directory.join(name).is_file()))
}
