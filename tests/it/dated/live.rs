//! What clients see while others publish, and afterwards.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use checkpoint_core::digest::Digests;
use checkpoint_core::time::Timestamp;
use checkpoint_testkit::http::Answer;

use super::kinds::{KINDS, Kind, fetch_all, repositories, resolve, times_on};
use crate::support::{Debpoint, Server, now};

/// Set once nobody needs to go on, even if that is because of a failure.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn clients_see_complete_states_only_while_others_publish() {
    let debpoint = repositories();
    let server = debpoint.serve();
    let publish = |kind: &Kind, n| {
        kind.add(&debpoint, n);
        let time = debpoint.publish(kind.plugin, true);
        let mut connection = server.connect();
        assert_eq!(fetch_all(kind, &mut connection, &kind.live("")), n as usize + 1);
        assert_eq!(resolve(kind, &mut connection, &now()), time, "the very next request sees it");
        assert_eq!(times_on(&server.get(&kind.root())).last(), Some(&time));
    };
    KINDS.iter().for_each(|kind| publish(kind, 0));
    let done = AtomicBool::new(false);
    let answered = Mutex::new(BTreeMap::new());
    let live = |kind: &Kind| {
        let (mut connection, mut before, mut rounds) = (server.connect(), 0, 0);
        while !done.load(Ordering::SeqCst) {
            let count = fetch_all(kind, &mut connection, &kind.live(""));
            assert!(count >= before, "back in time from {before} to {count}");
            (before, rounds) = (count, rounds + 1);
        }
        rounds
    };
    let dated = |kind: &Kind| {
        let (mut connection, mut rounds) = (server.connect(), 0);
        while !done.load(Ordering::SeqCst) {
            let asked = now();
            let checkpoint = resolve(kind, &mut connection, &asked);
            let mut answered = answered.lock().unwrap();
            let first = answered.entry((kind.plugin, asked)).or_insert(checkpoint.clone());
            assert_eq!(*first, checkpoint, "another answer for the same time");
            drop(answered);
            let listed = times_on(&server.get(&kind.root()));
            for time in [&checkpoint, listed.last().unwrap()] {
                fetch_all(kind, &mut connection, &kind.dated(time, ""));
            }
            rounds += 1;
        }
        rounds
    };
    thread::scope(|scope| {
        let clients = KINDS.each_ref().map(|kind| [scope.spawn(|| live(kind)), scope.spawn(|| dated(kind))]);
        let done = Done(&done);
        for n in 1..5 {
            KINDS.iter().for_each(|kind| publish(kind, n));
        }
        drop(done);
        for client in clients.into_iter().flatten() {
            assert!(client.join().unwrap() > 2, "a client hardly came to anything");
        }
    });
    for ((plugin, time), checkpoint) in answered.into_inner().unwrap() {
        let kind = KINDS.iter().find(|kind| kind.plugin == plugin).unwrap();
        assert_eq!(
            resolve(kind, &mut server.connect(), &time),
            checkpoint,
            "{time} was answered differently"
        );
    }
}

#[test]
fn what_was_published_stays_within_reach() {
    let debpoint = repositories();
    let server = debpoint.serve();
    let mut times = Vec::new();
    for kind in &KINDS {
        kind.add(&debpoint, 0);
        kind.add(&debpoint, 1);
        times.push(debpoint.publish(kind.plugin, true));
        debpoint.ok(&["content", "remove", kind.plugin, &(kind.item)(1).name]);
    }
    let mut indices: Vec<Vec<Answer>> = vec![Vec::new(), Vec::new()];
    for n in 10..20 {
        for (kind, indices) in KINDS.iter().zip(&mut indices) {
            indices.push(server.get(&kind.live(kind.index)));
            kind.add(&debpoint, n);
            debpoint.publish(kind.plugin, false);
        }
    }
    for ((kind, time), indices) in KINDS.iter().zip(&times).zip(&indices) {
        let removed = (kind.item)(1);
        let dated = server.get(&kind.dated(time, &removed.path));
        assert_eq!(
            (dated.status, &dated.body),
            (200, &removed.bytes),
            "removed later, but not from that date"
        );
        let newest = server.get(&kind.live(kind.index));
        assert!(!newest.text().contains(&removed.path));
        let retained = server.get(&kind.live(&removed.path));
        let (directory, _) = removed.path.rsplit_once('/').unwrap_or_default();
        let page = server.get(&kind.live(directory));
        if kind.plugin == "deb" {
            // Whoever has read an earlier index may still fetch what it lists.
            assert_eq!((retained.status, &retained.body), (200, &removed.bytes));
            assert_eq!(page.status, 404, "but it is not listed");
        } else {
            assert_eq!(retained.status, 404);
            assert!(page.status == 200 && !page.text().contains(&removed.path));
        }
        let mut before = None;
        for index in indices {
            let digests = Digests::of(&index.body);
            let paths = [("SHA256", digests.sha256.to_string()), ("MD5Sum", digests.md5.to_string())];
            for (algorithm, hex) in paths {
                let path = kind.by_hash(algorithm, &hex);
                assert_eq!(server.get(&kind.live(&path)).body, index.body, "{path}");
            }
            let modified = index.header("last-modified").and_then(Timestamp::from_http_date);
            assert!(modified > before, "other bytes, so another time");
            before = modified;
        }
        fetch_all(kind, &mut server.connect(), &kind.dated(time, ""));
    }
}

#[test]
fn every_server_shows_a_publication_with_the_next_request() {
    let debpoint = repositories();
    let servers = [debpoint.serve(), debpoint.serve()];
    for server in &servers {
        for kind in &KINDS {
            assert_eq!(server.get(&kind.live(kind.index)).status, 404);
            assert!(times_on(&server.get(&kind.root())).is_empty());
        }
    }
    let mut times = vec![Vec::new(), Vec::new()];
    for n in 0..3 {
        for (kind, times) in KINDS.iter().zip(&mut times) {
            kind.add(&debpoint, n);
            times.push(debpoint.publish(kind.plugin, true));
            for server in &servers {
                let mut connection = server.connect();
                assert_eq!(fetch_all(kind, &mut connection, &kind.live("")), n as usize + 1);
                let newest = kind.dated(times.last().unwrap(), "");
                assert_eq!(fetch_all(kind, &mut connection, &newest), n as usize + 1);
                assert_eq!(times_on(&server.get(&kind.root())), *times);
            }
        }
    }
}

#[test]
fn publications_at_once_get_times_of_their_own_and_a_failed_one_leaves_nothing() {
    let debpoint = repositories();
    let (kind, server) = (&KINDS[0], debpoint.serve());
    kind.add(&debpoint, 1);
    let publish = || {
        thread::scope(|scope| {
            let publishing: Vec<_> = (0..3).map(|_| scope.spawn(|| debpoint.publish("file", true))).collect();
            publishing.into_iter().map(|publishing| publishing.join().unwrap()).collect::<Vec<_>>()
        })
    };
    let mut times = publish();
    times.sort();
    times.dedup();
    assert_eq!(times.len(), 3, "{times:?}");
    assert_eq!(times_on(&server.get(&kind.root())), times);
    let state = || {
        let pages = [kind.root(), kind.live(""), kind.live(kind.index), kind.dated(&now(), "")];
        let answers = pages.map(|page| server.follow(&page)).map(|answer| (answer.status, answer.body));
        (answers, debpoint.ok(&["publication", "list", "file"]))
    };
    let before = state();
    let manifest = debpoint.file("PULP_MANIFEST", "not the manifest");
    debpoint.ok(&["content", "add", "file", &manifest]);
    assert!(debpoint.refused(&["publish", "file", "--checkpoint"]).contains("PULP_MANIFEST"));
    assert_eq!(state(), before);
}

/// What a distribution of a file repository serves.
fn check_served(server: &Server, (base, repository, checkpoint): (&str, &str, bool), times: &[String]) {
    let (root, manifest) = (server.get(&format!("{base}/")), server.get(&format!("{base}/PULP_MANIFEST")));
    if checkpoint {
        assert_eq!(times_on(&root), times);
        assert_eq!(manifest.status, 404);
        let dated = server.get(&format!("{base}/{}/PULP_MANIFEST", times[0]));
        assert!(dated.text().starts_with(repository), "{}", dated.text());
    } else {
        assert!(times_on(&root).is_empty());
        assert!(manifest.text().starts_with(repository), "{}", manifest.text());
        assert_eq!(server.get(&format!("{base}/{}/", times[0])).status, 404);
    }
}

/// Changes of a distribution, one after the other, and what it serves then: where, of which repository, and whether
/// by date.
type Change = (&'static [&'static str], (&'static str, &'static str, bool));

const CHANGES: [Change; 9] = [
    (&["--checkpoint"], ("one/live", "one", true)),
    (&["--checkpoint"], ("one/live", "one", true)),
    (&["--repository", "two"], ("one/live", "two", true)),
    (&["--not-checkpoint"], ("one/live", "two", false)),
    (&["--repository", "one", "--checkpoint"], ("one/live", "one", true)),
    (&["--base-path", "other/place"], ("other/place", "one", true)),
    (&["--not-checkpoint", "--repository", "two"], ("other/place", "two", false)),
    (&["--base-path", "one/live", "--checkpoint"], ("one/live", "two", true)),
    (&["--repository", "one", "--not-checkpoint"], ("one/live", "one", false)),
];

#[test]
fn a_distribution_can_be_told_to_serve_something_else() {
    let debpoint = Debpoint::new();
    let times = ["one", "two"].map(|name| {
        debpoint.repository(name, "file");
        debpoint.ok(&["content", "add", name, &debpoint.file(name, name)]);
        [debpoint.publish(name, true)]
    });
    let servers = [debpoint.serve(), debpoint.serve()];
    let check = |expected: (&str, &str, bool)| {
        let times = &times[usize::from(expected.1 == "two")];
        servers.iter().for_each(|server| check_served(server, expected, times));
        let listed = debpoint.json(&["distribution", "list"]);
        let listed = listed.as_array().unwrap().iter().find(|d| d["name"] == "one-live").unwrap().clone();
        assert_eq!(listed["base_path"], expected.0);
        assert_eq!((&listed["repository"], &listed["checkpoint"]), (&expected.1.into(), &expected.2.into()));
    };
    let mut before = ("one/live", "one", false);
    for (change, expected) in CHANGES {
        debpoint.ok(&[&["distribution", "update", "one-live"], change].concat());
        check(expected);
        if before.0 != expected.0 {
            servers.iter().for_each(|server| assert_eq!(server.get(before.0).status, 404, "{}", before.0));
        }
        before = expected;
    }
    for wrong in [["--base-path", "two/live"], ["--base-path", "two"], ["--repository", "none"]] {
        debpoint.refused(&[&["distribution", "update", "one-live", "--checkpoint"], &wrong[..]].concat());
        check(before);
    }
    let both = debpoint.run(&["distribution", "update", "one-live", "--checkpoint", "--not-checkpoint"]);
    assert_eq!(both.status.code(), Some(2));
    check(before);
}
