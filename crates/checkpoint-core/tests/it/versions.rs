//! What each version holds, and that the store holds it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use checkpoint_core::digest::Digests;
use checkpoint_core::engine::{Difference, DifferenceKind, Resolver};
use checkpoint_core::name::Name;
use checkpoint_core::progress::Silent;
use checkpoint_core::time::Timestamp;
use checkpoint_core::{Error, Kind};
use checkpoint_testkit::engine::{Database, TestEngine};
use checkpoint_testkit::fake::note;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::{add_notes, add_through, engine_on, names, publish, what};

/// A note: its name and its version.
type Note = (&'static str, u32);
/// Names of which one begins like another, and of which an upper case one comes first byte by byte.
const NAMES: [&str; 5] = ["B", "a", "a-b", "ab", "a.b"];

#[derive(Debug, Clone)]
enum Change {
    Add(Vec<Note>),
    /// By name, by name and version, or by key.
    RemoveName(&'static str),
    RemoveVersion(Note),
    RemoveKeys(Vec<Note>),
}

fn any_note() -> impl Strategy<Value = Note> {
    (prop::sample::select(&NAMES[..]), 1..4u32)
}

fn any_change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => prop::collection::vec(any_note(), 1..6).prop_map(Change::Add),
        1 => prop::sample::select(&NAMES[..]).prop_map(Change::RemoveName),
        1 => any_note().prop_map(Change::RemoveVersion),
        1 => prop::collection::vec(any_note(), 1..3).prop_map(Change::RemoveKeys),
    ]
}

fn key((name, version): &Note) -> String {
    format!("{name}_{version}")
}

/// What the set becomes; `None` if something that shall go is not there.
fn apply(notes: &BTreeSet<Note>, change: &Change) -> Option<BTreeSet<Note>> {
    let mut after = notes.clone();
    match change {
        Change::Add(added) => after.extend(added),
        Change::RemoveName(name) => after.retain(|(other, _)| other != name),
        Change::RemoveVersion(note) => after.retain(|other| other != note),
        Change::RemoveKeys(gone) => {
            if !gone.iter().all(|note| notes.contains(note)) {
                return None;
            }
            after.retain(|note| !gone.contains(note));
        }
    }
    let removed = !matches!(change, Change::Add(_));
    (!removed || after != *notes).then_some(after)
}

async fn carry_out(test: &TestEngine, name: &Name, change: &Change) -> checkpoint_core::Result<i64> {
    let selectors = match change {
        Change::Add(added) => {
            let notes: Vec<_> = added.iter().map(|(name, version)| note(name, *version)).collect();
            let files: Vec<String> = (0..notes.len()).map(|number| number.to_string()).collect();
            let pairs = files.iter().zip(&notes);
            let files: Vec<(&str, &[u8])> = pairs.map(|(file, note)| (file.as_str(), &note[..])).collect();
            return Ok(test.add(name, &files, &[]).await?.version);
        }
        Change::RemoveName(name) => vec![(*name).to_owned()],
        Change::RemoveVersion((name, version)) => vec![format!("{name}={version}")],
        Change::RemoveKeys(notes) => notes.iter().map(key).collect(),
    };
    Ok(test.engine.remove_content(name, &selectors, None).await?.version)
}

/// What differs between two sets: for each name, its newest version.
fn differences(before: &BTreeSet<Note>, after: &BTreeSet<Note>) -> Vec<Difference> {
    let newest = |notes: &BTreeSet<Note>| notes.iter().copied().collect::<BTreeMap<_, _>>();
    let (before, after) = (newest(before), newest(after));
    let names: BTreeSet<_> = before.keys().chain(after.keys()).copied().collect();
    let difference = |name: &str| {
        let (from, to) = (before.get(name), after.get(name));
        let change = match (from, to) {
            (None, _) => DifferenceKind::Added,
            (_, None) => DifferenceKind::Removed,
            (Some(from), Some(to)) if from < to => DifferenceKind::Upgraded,
            (Some(from), Some(to)) if from > to => DifferenceKind::Downgraded,
            _ => return None,
        };
        Some(Difference {
            place: String::new(),
            name: name.into(),
            variant: String::new(),
            change,
            from: from.map(u32::to_string),
            to: to.map(u32::to_string),
        })
    };
    names.into_iter().filter_map(difference).collect()
}

async fn compare_with_plain_sets(test: &TestEngine, changes: &[Change]) {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = format!("sets{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let name = test.repository(&name).await;
    let mut versions = vec![BTreeSet::new()];
    let mut checkpoints: Vec<(Timestamp, usize)> = Vec::new();
    for change in changes {
        let newest = versions.last().unwrap();
        match (carry_out(test, &name, change).await, apply(newest, change)) {
            (Ok(version), Some(after)) => {
                if after != *newest {
                    versions.push(after);
                }
                assert_eq!(version as usize, versions.len() - 1, "no change, no version");
            }
            (Err(Error::NotFound { .. }), None) => {}
            (outcome, expected) => panic!("{change:?} gave {outcome:?}, but should {expected:?}"),
        }
        let published = publish(&test.engine, &name, true).await.unwrap();
        assert_eq!(published.version as usize, versions.len() - 1);
        checkpoints.push((published.time, versions.len() - 1));
    }
    let kept = test.engine.versions(&name).await.unwrap();
    assert!(kept.iter().map(|version| version.number).eq(0..versions.len() as i64));
    let resolver = Resolver::new(test.engine.clone());
    let keys = |notes: &BTreeSet<Note>| notes.iter().map(key).collect::<BTreeSet<_>>();
    for &(time, version) in &checkpoints {
        let expected = keys(&versions[version]);
        let root = format!("{name}/dated/{time}");
        let index: String = expected.iter().map(|key| format!("{key}\n")).collect();
        assert_eq!(what(test, &resolver, &format!("{root}/index")).await, format!("file {index}"));
        let held = test.engine.checkpoint(&name, time).await.unwrap();
        assert_eq!((held.version as usize, held.units), (version, expected.len()));
        if !expected.is_empty() {
            let page = names(&resolver, &format!("{root}/notes/")).await;
            assert_eq!(page.into_iter().collect::<BTreeSet<_>>(), expected);
        }
        for note in NAMES.iter().flat_map(|name| (1..4).map(move |version| (*name, version))) {
            let found = what(test, &resolver, &format!("{root}/notes/{}", key(&note))).await;
            assert_eq!(found.starts_with("file"), expected.contains(&key(&note)), "{note:?}");
        }
    }
    for (from, before) in checkpoints.iter().step_by(2) {
        for (to, after) in &checkpoints {
            let diff = test.engine.diff(&name, *from, *to).await.unwrap();
            assert_eq!(diff.changes, differences(&versions[*before], &versions[*after]));
        }
    }
    let content = test.engine.content(&name).await.unwrap();
    assert!(content.into_iter().map(|entry| entry.key).eq(keys(versions.last().unwrap())));
}

#[test]
fn every_version_holds_what_plain_sets_say() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for database in Database::all() {
        let test = runtime.block_on(engine_on(database));
        let config =
            Config { cases: 12, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
        let histories = prop::collection::vec(any_change(), 1..14);
        let outcome = TestRunner::new(config).run(&histories, |changes| {
            runtime.block_on(compare_with_plain_sets(&test, &changes));
            Ok(())
        });
        outcome.unwrap_or_else(|error| panic!("{database:?}: {error}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_files_added_together_all_come_or_none() {
    for database in Database::all() {
        let test = engine_on(database).await;
        let name = test.repository("r").await;
        add_notes(&test, &name, &["a"]).await;
        let good = note("good", 1);
        for (bad, kind) in [
            (&b"a \t 1"[..], Kind::Conflict),
            (b"no note at all", Kind::Invalid),
            (b"good   1", Kind::Conflict),
        ] {
            let error = test.add(&name, &[("good", &good), ("bad", bad)], &[]).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            assert_eq!(test.engine.repository(&name).await.unwrap().latest_version, 1);
            let content = test.engine.content(&name).await.unwrap();
            assert!(content.into_iter().map(|entry| entry.key).eq(["a_1"]));
        }
        // What was refused left nothing that stands in the way.
        let added = test.add(&name, &[("good", &good)], &[]).await.unwrap();
        assert_eq!((added.version, added.added), (2, 1));
        let published = test.publish(&name, true).await;
        let resolver = Resolver::new(test.engine.clone());
        let index = what(&test, &resolver, &format!("r/dated/{}/index", published.time)).await;
        assert_eq!(index, "file a_1\ngood_1\n");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_bytes_under_a_known_key_are_refused_even_after_it_was_removed() {
    for database in Database::all() {
        let test = engine_on(database).await;
        let name = test.repository("r").await;
        add_notes(&test, &name, &["a"]).await;
        let first = test.publish(&name, true).await.time;
        let other = b"a    1\n";
        for _ in 0..2 {
            let error = test.add(&name, &[("a", other)], &[]).await.unwrap_err();
            assert_eq!(error.kind(), Kind::Conflict);
            assert!(error.to_string().contains("a_1"), "{error}");
            let engine = &test.engine;
            let _ = engine.remove_content(&name, &["a".into()], None).await;
        }
        // Another repository has a history of its own, and the bytes that were there may come back.
        let elsewhere = test.repository("elsewhere").await;
        test.add(&elsewhere, &[("a", other)], &[]).await.unwrap();
        test.publish(&elsewhere, true).await;
        let again = add_notes(&test, &name, &["a"]).await;
        assert_eq!((again.version, again.added), (3, 1));
        test.publish(&name, true).await;
        let resolver = Resolver::new(test.engine.clone());
        for (path, expected) in [
            (format!("r/dated/{first}/notes/a_1"), "file a 1\n"),
            ("r/live/notes/a_1".into(), "file a 1\n"),
            ("elsewhere/live/notes/a_1".into(), "file a    1\n"),
        ] {
            assert_eq!(what(&test, &resolver, &path).await, expected, "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_matches_nothing_is_refused_and_nothing_is_removed() {
    for database in Database::all() {
        let test = engine_on(database).await;
        let name = test.repository("r").await;
        add_notes(&test, &name, &["a", "b"]).await;
        let selectors = ["a".to_owned(), "c".to_owned()];
        let error = test.engine.remove_content(&name, &selectors, None).await.unwrap_err();
        assert_eq!((error.kind(), error.to_string().contains("'c'")), (Kind::NotFound, true));
        assert_eq!(test.engine.content(&name).await.unwrap().len(), 2);
        let error = test.engine.remove_content(&name, &["a".into()], Some("elsewhere")).await.unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound);
        assert_eq!(test.engine.repository(&name).await.unwrap().latest_version, 1);
    }
}

/// Where the store keeps bytes.
fn artifact(test: &TestEngine, bytes: &[u8]) -> PathBuf {
    let hex = Digests::of(bytes).sha256.to_string();
    test.store().join("artifact").join(&hex[..2]).join(&hex[2..])
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_finds_what_is_deleted_cut_short_or_changed() {
    for database in Database::all() {
        let test = engine_on(database).await;
        let name = test.repository("r").await;
        add_notes(&test, &name, &["deleted", "short", "changed", "whole"]).await;
        test.publish(&name, true).await;
        let clean = test.engine.verify(&Silent).await.unwrap();
        assert_eq!(clean.problems, [] as [String; 0]);
        // Four notes, the index, its other form, and the time.
        assert_eq!(clean.artifacts, 7);
        let [deleted, short, changed] = ["deleted", "short", "changed"].map(|name| note(name, 1));
        std::fs::remove_file(artifact(&test, &deleted)).unwrap();
        std::fs::write(artifact(&test, &short), &short[..3]).unwrap();
        std::fs::write(artifact(&test, &changed), b"Changed 1\n").unwrap();
        let found = test.engine.verify(&Silent).await.unwrap();
        assert_eq!((found.artifacts, found.problems.len()), (7, 3), "{found:?}");
        for (bytes, how) in
            [(&deleted, "is missing"), (&short, "holds 3 bytes"), (&changed, "holds 10 bytes")]
        {
            let sha256 = Digests::of(bytes).sha256.to_string();
            let told = |problem: &&String| problem.contains(&sha256) && problem.contains(how);
            assert!(found.problems.iter().any(|problem| told(&problem)), "{how}: {found:?}");
        }
        std::fs::write(artifact(&test, &deleted), &deleted).unwrap();
        std::fs::write(artifact(&test, &short), &short).unwrap();
        std::fs::write(artifact(&test, &changed), &changed).unwrap();
        let mended = test.engine.verify(&Silent).await.unwrap();
        assert_eq!(mended.problems, [] as [String; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bytes_are_stored_once() {
    for database in Database::all() {
        let test = engine_on(database).await;
        let repositories = [test.repository("r").await, test.repository("s").await];
        for name in &repositories {
            add_through(&test.engine, name, "a").await;
        }
        assert!(artifact(&test, &note("a", 1)).is_file());
        let [first, _] =
            [test.publish(&repositories[0], true).await, test.publish(&repositories[1], true).await];
        // The note, its index and the index in upper case are the same in both; the times are not.
        let verified = test.engine.verify(&Silent).await.unwrap();
        assert_eq!(verified.artifacts, 5);
        test.publish(&repositories[0], true).await;
        assert_eq!(test.engine.verify(&Silent).await.unwrap().artifacts, 6);
        let held = test.engine.checkpoint(&repositories[0], first.time).await.unwrap();
        assert_eq!(held.files.len(), 3);
    }
}
