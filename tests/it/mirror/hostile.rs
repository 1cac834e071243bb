//! What an upstream, or somebody between it and us, may try: each is refused in one sentence, with nothing changed and
//! the store clean.

use std::time::Duration;

use checkpoint_testkit::debs::deb_with;
use checkpoint_testkit::upstream::Fault;
use debian_format::compression::{Compression, encode};
use debian_format::release::{Release, ReleaseFile};

use super::Mirror;

/// A mirror that gives up at once, of an archive with a state that was not synced yet.
fn changed() -> Mirror {
    let mut mirror = Mirror::new(&["--max-retries", "0"]);
    mirror.sync();
    mirror.archive.add("tool", "1.1", deb_with("tool", "1.1", "amd64", ""));
    mirror.archive.publish(&mirror.upstream);
    mirror
}

/// Everything beside the catalog and the store's named artifacts that a refused sync could leave.
fn left_over(mirror: &Mirror) -> Vec<String> {
    let staging = std::fs::read_dir(mirror.debpoint.data().join("store/staging")).unwrap().flatten();
    let names = staging.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| !name.ends_with(".lock") && name != "quarantine").collect()
}

#[test]
fn an_upstream_that_never_ends_or_says_wrong_lengths_is_refused() {
    for (part, fault, words) in [
        ("InRelease", Fault::Endless, "more than the 10000000 bytes"),
        ("by-hash", Fault::Endless, "more than the"),
        ("tool_1.1", Fault::Endless, "more than the"),
        ("tool_1.1", Fault::Announce(10), "it has 10 bytes instead of"),
        ("tool_1.1", Fault::Announce(1 << 40), "cannot fetch"),
        ("InRelease", Fault::Stray(b"\x16\x03\x01 this is no HTTP".to_vec()), "cannot fetch"),
        ("tool_1.1", Fault::Garble, "its SHA-256 is"),
        ("tool_1.1", Fault::Status(404, String::new()), "404"),
        (
            "InRelease",
            Fault::Status(301, "Location: ftp://example.org/x\r\n".into()),
            "redirects from http to ftp",
        ),
        ("InRelease", Fault::Status(302, "Location: http://[::1]:1/x\r\n".into()), "private address"),
        ("InRelease", Fault::Status(302, "Location: http://localhost:1/x\r\n".into()), "private address"),
    ] {
        let mirror = changed();
        mirror.upstream.fail(part, &[fault.clone(), fault.clone()]);
        mirror.refused(words);
        assert_eq!(left_over(&mirror), [] as [String; 0], "{fault:?}");
    }
}

#[test]
fn redirects_that_go_round_and_round_are_not_followed_for_ever() {
    let mirror = changed();
    let path = "/dists/bookworm/InRelease";
    mirror.upstream.redirect(path, path);
    mirror.refused("redirects too often");
}

#[test]
fn an_index_that_expands_without_bound_is_refused() {
    let mut mirror = changed();
    mirror.archive.plain = false;
    let bomb = encode(&vec![b'\n'; 64 << 20], Compression::Xz).unwrap();
    let put = |release: &mut Release| {
        let digests = checkpoint_core::digest::Digests::of(&bomb);
        for file in release.files.iter_mut().filter(|file| file.path == "main/binary-amd64/Packages.xz") {
            (file.size, file.sha256) = (digests.size, Some(*digests.sha256.as_bytes()));
        }
    };
    mirror.archive.publish_changed(&mirror.upstream, put);
    mirror.upstream.set("/dists/bookworm/main/binary-amd64/Packages.xz", &bomb);
    mirror.refused("main/binary-amd64/Packages");
    // The same where Release does not say how long the plain file is.
    mirror.archive.publish_changed(&mirror.upstream, |release| {
        put(release);
        release.files.retain(|file| file.path != "main/binary-amd64/Packages");
    });
    mirror.upstream.set("/dists/bookworm/main/binary-amd64/Packages.xz", &bomb);
    mirror.refused("main/binary-amd64/Packages");
}

#[test]
fn an_index_of_garbage_is_refused() {
    for garbage in [&b"\xfd7zXZ\0 not really"[..], b"", b"no: stanza\x00\n", b"just words\n"] {
        let mirror = changed();
        mirror.archive.publish_changed(&mirror.upstream, |release| {
            let digests = checkpoint_core::digest::Digests::of(garbage);
            release.files.retain(|file| !file.path.starts_with("main/binary-amd64/"));
            release.files.push(ReleaseFile {
                path: "main/binary-amd64/Packages.xz".into(),
                size: digests.size,
                sha256: Some(*digests.sha256.as_bytes()),
                ..ReleaseFile::default()
            });
        });
        mirror.upstream.set("/dists/bookworm/main/binary-amd64/Packages.xz", garbage);
        mirror.refused("main/binary-amd64/Packages");
    }
}

#[test]
fn sources_that_lead_elsewhere_are_refused() {
    for (from, to) in [
        ("Directory: pool/", "Directory: ../../"),
        ("Directory: pool/", "Directory: /etc/"),
        ("Directory: pool/main/t/tool", "Directory: dists/bookworm"),
        (".dsc\n", "/../../x.dsc\n"),
        ("Package: tool", "Package: ../tool"),
    ] {
        let mut mirror = Mirror::new(&["--sources", "--max-retries", "0"]);
        mirror.archive.add_source("tool", "1.0");
        let stanza = mirror.archive.sources[0].1.clone();
        assert!(stanza.contains(from), "{stanza}");
        mirror.archive.sources[0].1 = stanza.replace(from, to);
        mirror.archive.publish(&mirror.upstream);
        mirror.refused("upstream's 'main/source/Sources'");
    }
}

#[test]
fn a_release_that_lists_hostile_names_is_refused() {
    for path in ["../../etc/passwd", "/etc/passwd", "main/binary-amd64/../../../x"] {
        let mirror = changed();
        let text = mirror.upstream.file("/dists/bookworm/Release");
        let text = String::from_utf8(text).unwrap().replace("main/binary-amd64/Packages.xz", path);
        mirror.upstream.set("/dists/bookworm/Release", text.as_bytes());
        mirror.upstream.remove("/dists/bookworm/InRelease");
        mirror.debpoint.ok(&["remote", "update", "up", "--keyring", "", "--allow-unsigned"]);
        mirror.refused("path");
    }
}

#[test]
fn an_upstream_whose_signature_is_of_another_file_is_refused() {
    let mirror = changed();
    let old = mirror.upstream.file("/dists/bookworm/Release.gpg");
    let mut archive = mirror.archive;
    archive.date += 60;
    archive.publish(&mirror.upstream);
    mirror.upstream.remove("/dists/bookworm/InRelease");
    mirror.upstream.set("/dists/bookworm/Release.gpg", &old);
    let said = mirror.debpoint.refused(&["sync", "mirror"]);
    assert!(said.contains("cannot be trusted"), "{said}");
}

#[test]
fn text_around_what_is_signed_is_refused() {
    for (before, after) in [("Origin: Evil\n", ""), ("", "Origin: Evil\n")] {
        let mirror = changed();
        let signed = mirror.upstream.file("/dists/bookworm/InRelease");
        let text = [before.as_bytes(), &signed, after.as_bytes()].concat();
        mirror.upstream.set("/dists/bookworm/InRelease", &text);
        mirror.refused("cannot be trusted");
    }
}

#[test]
fn an_upstream_that_stands_still_in_time_is_noticed_by_its_expiry() {
    let mut mirror = Mirror::new(&[]);
    mirror.archive.valid_until = Some(mirror.archive.date + 1);
    mirror.archive.publish(&mirror.upstream);
    mirror.refused("has expired");
}

#[test]
fn a_flaky_upstream_of_every_kind_ends_in_a_complete_mirror_without_beginning_anew() {
    let mut mirror = Mirror::new(&[]);
    for number in 0..20 {
        let name = format!("many{number}");
        mirror.archive.add(&name, "1", deb_with(&name, "1", "amd64", ""));
    }
    mirror.archive.publish(&mirror.upstream);
    mirror.upstream.fail("InRelease", &[Fault::Reset, Fault::Status(503, String::new())]);
    mirror.upstream.fail("by-hash", &[Fault::Truncate(20), Fault::Slow(Duration::from_millis(10))]);
    for number in (0..20).step_by(4) {
        let fault = |number: i32| match number % 5 {
            0 => Fault::Status(429, "Retry-After: 1\r\n".into()),
            1 => Fault::Truncate(100),
            2 => Fault::Reset,
            3 => Fault::Drip(Duration::from_micros(100)),
            _ => Fault::Stray(b"garbage".to_vec()),
        };
        mirror.upstream.fail(&format!("many{number}_"), &[fault(number), fault(number + 1)]);
    }
    mirror.upstream.asked();
    assert_eq!(mirror.sync()["fetched"], 23);
    let asked = mirror.upstream.asked();
    let whole = asked.iter().filter(|path| path.ends_with(".deb")).count();
    assert!(whole <= 23 + 10, "only what broke was asked for again: {whole}");
    mirror.debpoint.ok(&["verify"]);
    assert_eq!(mirror.sync()["unchanged"], true);
}
