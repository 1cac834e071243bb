//! The signatures hold for the verifiers that hosts have.

use std::io::Read as _;
use std::process::Command;

use checkpoint_testkit::debs::deb;
use checkpoint_testkit::program;

use crate::support::{Debpoint, text};

/// A published repository, and its signed files beside the data directory.
fn signed(debpoint: &Debpoint) {
    debpoint.repository("vendor", "deb");
    let file = debpoint.file("hello_1_all.deb", deb("hello", "1"));
    debpoint.ok(&["content", "add", "vendor", &file]);
    debpoint.publish("vendor", true);
    let server = debpoint.serve();
    for name in ["InRelease", "Release", "Release.gpg"] {
        let answer = server.get(&format!("vendor/live/dists/stable/{name}"));
        assert_eq!(answer.status, 200);
        debpoint.file(name, &answer.body);
    }
    let served = server.get("vendor/live/archive-key.asc").text();
    assert_eq!(served, debpoint.ok(&["key", "export"]), "the public keys are served beside them");
    debpoint.file("key.asc", &served);
    let mut binary = Vec::new();
    let mut reader = sequoia_openpgp::armor::Reader::from_bytes(served.as_bytes(), None);
    reader.read_to_end(&mut binary).unwrap();
    debpoint.file("key.gpg", binary);
}

fn accepts(debpoint: &Debpoint, program: &str, args: &[&str]) -> bool {
    let path = |arg: &&str| {
        if arg.starts_with('-') { (*arg).into() } else { debpoint.path(arg) }
    };
    Command::new(program).args(args.iter().map(path)).output().unwrap().status.success()
}

#[test]
fn gpgv_and_sqv_accept_every_key_and_refuse_a_changed_byte() {
    if !program("gpgv") || !program("sqv") {
        return;
    }
    let debpoint = Debpoint::new();
    debpoint.ok(&["key", "generate"]);
    debpoint.ok(&["key", "generate", "--algorithm", "rsa4096"]);
    signed(&debpoint);
    assert!(accepts(&debpoint, "gpgv", &["--keyring", "key.gpg", "InRelease"]));
    assert!(accepts(&debpoint, "gpgv", &["--keyring", "key.gpg", "Release.gpg", "Release"]));
    assert!(accepts(&debpoint, "sqv", &["--keyring", "key.asc", "Release.gpg", "Release"]));
    let release = std::fs::read_to_string(debpoint.path("Release")).unwrap();
    debpoint.file("Release", release.replace("Suite: stable", "Suite: stabel"));
    assert!(!accepts(&debpoint, "gpgv", &["--keyring", "key.gpg", "Release.gpg", "Release"]));
    assert!(!accepts(&debpoint, "sqv", &["--keyring", "key.asc", "Release.gpg", "Release"]));
    let keys = debpoint.json(&["key", "list"]);
    let algorithms: Vec<_> =
        keys.as_array().unwrap().iter().map(|key| key["algorithm"].as_str().unwrap()).collect();
    assert!(algorithms.contains(&"Ed25519") && algorithms.contains(&"RSA 4096"), "{algorithms:?}");
}

#[test]
fn the_signed_text_is_the_release_file() {
    if !program("gpgv") {
        return;
    }
    let debpoint = Debpoint::new();
    signed(&debpoint);
    assert!(accepts(&debpoint, "gpgv", &["--keyring", "key.gpg", "--output", "out", "InRelease"]));
    let read = |name: &str| std::fs::read(debpoint.path(name)).unwrap();
    assert_eq!(text(&read("out")), text(&read("Release")));
}

#[test]
fn secret_keys_are_for_their_owner_only_and_never_exported() {
    use std::os::unix::fs::PermissionsExt as _;
    let debpoint = Debpoint::new();
    let exported = debpoint.ok(&["key", "export"]);
    assert!(exported.starts_with("-----BEGIN PGP PUBLIC KEY BLOCK-----") && !exported.contains("PRIVATE"));
    let directory = debpoint.data().join("keys");
    assert_eq!(std::fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
    for entry in std::fs::read_dir(&directory).unwrap() {
        let file = entry.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
        assert!(std::fs::read_to_string(file.path()).unwrap().contains("PRIVATE KEY"));
    }
    assert_eq!(debpoint.ok(&["key", "export"]), exported, "it is the same key every time");
}
