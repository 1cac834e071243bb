//! What is under a date, and what is live.

use checkpoint_core::Kind;
use checkpoint_core::digest::Digests;
use checkpoint_core::engine::{Freshness, Resolution, Resolver};
use checkpoint_core::name::Name;
use checkpoint_core::time::Timestamp;
use checkpoint_testkit::engine::{Database, TestEngine};

use crate::support::{add_notes, after, engine_on, names, publish, stepped, what};

/// Repository `r` with five publications, the second and the fourth of them checkpoints. Each has a note more than
/// the one before: `n0` to `n4`.
struct Five {
    test: TestEngine,
    resolver: Resolver,
    name: Name,
    times: [Timestamp; 5],
}

async fn five(database: Database) -> Five {
    let test = engine_on(database).await;
    let name = test.repository("r").await;
    let mut times = [Timestamp::from_unix(0); 5];
    for (number, time) in times.iter_mut().enumerate() {
        add_notes(&test, &name, &[&format!("n{number}")]).await;
        *time = test.publish(&name, number % 2 == 1).await.time;
    }
    let resolver = Resolver::new(test.engine.clone());
    Five { test, resolver, name, times }
}

impl Five {
    /// What is at a path below a date.
    async fn at(&self, date: impl std::fmt::Display, rest: &str) -> String {
        what(&self.test, &self.resolver, &format!("r/dated/{date}{rest}")).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_root_lists_the_checkpoints_and_nothing_else() {
    for database in Database::all() {
        let five = five(database).await;
        let [_, c1, _, c3, _] = five.times;
        assert_eq!(names(&five.resolver, "r/dated/").await, [format!("{c1}/"), format!("{c3}/")]);
        assert_eq!(what(&five.test, &five.resolver, "r/dated").await, "slash");
        let listed = five.test.engine.checkpoints(&five.name).await.unwrap();
        let listed: Vec<_> = listed.iter().map(|checkpoint| checkpoint.time).collect();
        assert_eq!(listed, [c1, c3]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exact_time_of_a_checkpoint_serves_it() {
    for database in Database::all() {
        let five = five(database).await;
        let [_, c1, _, c3, _] = five.times;
        assert_eq!(five.at(c1, "/index").await, "file n0_1\nn1_1\n");
        assert_eq!(five.at(c1, "/index.upper").await, "file N0_1\nN1_1\n");
        assert_eq!(five.at(c1, "/time").await, format!("file {c1}"));
        assert_eq!(five.at(c1, "/notes/n0_1").await, "file n0 1\n");
        assert_eq!(five.at(c1, "/").await, "dir index index.upper notes/ time");
        assert_eq!(five.at(c1, "/notes/").await, "dir n0_1 n1_1");
        assert_eq!(five.at(c1, "/notes").await, "slash");
        assert_eq!(five.at(c1, "").await, "slash");
        assert_eq!(five.at(c3, "/index").await, "file n0_1\nn1_1\nn2_1\nn3_1\n");
        let Resolution::File(file) = five.resolver.resolve(&format!("r/dated/{c1}/index")).await.unwrap()
        else {
            panic!("the index is a file");
        };
        assert_eq!((file.freshness, file.modified), (Freshness::Immutable, c1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_between_leads_to_the_checkpoint_before_it_with_the_rest_of_the_path() {
    for database in Database::all() {
        let five = five(database).await;
        let [_, c1, n2, c3, n4] = five.times;
        let now = five.test.clock.timestamp();
        for (time, checkpoint) in
            [(after(c1, 1), c1), (n2, c1), (after(c3, -1), c1), (after(c3, 1), c3), (n4, c3), (now, c3)]
        {
            for (rest, kept) in [
                ("", "/"),
                ("/", "/"),
                ("/index", "/index"),
                ("/notes/", "/notes/"),
                ("/no/such/thing+%41 ü", "/no/such/thing+%41 ü"),
            ] {
                assert_eq!(five.at(time, rest).await, format!("to r/dated/{checkpoint}{kept}"));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn times_before_the_first_checkpoint_in_the_future_or_malformed_are_not_found() {
    for database in Database::all() {
        let five = five(database).await;
        let [n0, c1, ..] = five.times;
        let now = five.test.clock.timestamp();
        let mut dates: Vec<String> =
            ["", "x", "latest", "20250230T000000Z", "20250318T140460Z", "2025-03-18"]
                .map(str::to_owned)
                .to_vec();
        dates.extend(["19700101T000000Z".into(), "99991231T235959Z".into()]);
        dates.extend([n0, after(c1, -1), after(now, 1), after(now, 86_400)].map(|time| time.to_string()));
        dates.extend([c1.to_string().to_lowercase(), format!("{c1}Z"), format!(" {c1}")]);
        for date in dates {
            for rest in ["/", "/index"] {
                assert_eq!(five.at(&date, rest).await, "none", "{date}{rest}");
            }
        }
        assert_eq!(five.at(after(now, 1), "").await, "none");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_current_second_can_be_asked_for() {
    for database in Database::all() {
        let five = five(database).await;
        let [.., c3, n4] = five.times;
        assert_eq!(n4, five.test.clock.timestamp());
        assert_eq!(five.at(n4, "/index").await, format!("to r/dated/{c3}/index"));
        let c5 = five.test.publish(&five.name, true).await.time;
        assert_eq!(c5, five.test.clock.timestamp());
        assert_eq!(five.at(c5, "/time").await, format!("file {c5}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn publications_of_one_second_get_a_second_each_and_are_visible_from_then_on() {
    for database in Database::all() {
        let test = engine_on(database).await;
        let name = test.repository("r").await;
        let resolver = Resolver::new(test.another().await);
        let start = test.clock.timestamp();
        let mut times = Vec::new();
        for number in 0..3 {
            add_notes(&test, &name, &[&format!("n{number}")]).await;
            let time = publish(&test.engine, &name, true).await.unwrap().time;
            // Visible when publish returns.
            let exact = what(&test, &resolver, &format!("r/dated/{time}/time")).await;
            assert_eq!(exact, format!("file {time}"));
            assert_eq!(what(&test, &resolver, "r/live/time").await, format!("file {time}"));
            times.push(time);
        }
        assert_eq!(times, [start, after(start, 1), after(start, 2)]);
        // Seen from the second before, the last one is not there yet, though it is committed.
        for shown in (1..3).rev() {
            test.clock.turn_back(1);
            let list: Vec<_> = times[..shown].iter().map(|time| format!("{time}/")).collect();
            assert_eq!(names(&resolver, "r/dated/").await, list);
            let early = format!("r/dated/{}/time", times[shown]);
            assert_eq!(what(&test, &resolver, &early).await, "none");
            let live = what(&test, &resolver, "r/live/time").await;
            assert_eq!(live, format!("file {}", times[shown - 1]));
            let listed = test.engine.checkpoints(&name).await.unwrap();
            assert_eq!(listed.len(), shown);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publication_in_progress_is_invisible() {
    for database in Database::all() {
        let (test, plugin) = stepped(database).await;
        let name = test.repository("r").await;
        add_notes(&test, &name, &["old"]).await;
        let first = test.publish(&name, true).await.time;
        add_notes(&test, &name, &["new"]).await;
        test.clock.advance(5);
        let held = [plugin.hold(), plugin.hold_sealing()];
        let publishing = tokio::spawn({
            let (engine, name) = (test.engine.clone(), name.clone());
            async move { publish(&engine, &name, true).await.unwrap() }
        });
        let resolver = Resolver::new(test.another().await);
        let now = test.clock.timestamp();
        for (stage, held) in held.into_iter().enumerate() {
            let held = held.reached().await;
            assert_eq!(names(&resolver, "r/dated/").await, [format!("{first}/")]);
            assert_eq!(what(&test, &resolver, "r/live/index").await, "file old_1\n");
            assert_eq!(what(&test, &resolver, "r/live/notes/new_1").await, "none");
            let hash = Digests::of(b"new_1\nold_1\n").sha256;
            let by_hash = format!("r/live/by-hash/SHA256/{hash}");
            assert_eq!(what(&test, &resolver, &by_hash).await, "none");
            if stage == 0 {
                let redirect = what(&test, &resolver, &format!("r/dated/{now}/index")).await;
                assert_eq!(redirect, format!("to r/dated/{first}/index"));
            }
            held.release();
        }
        let second = publishing.await.unwrap().time;
        assert!(second > now, "that second was answered for");
        assert_eq!(what(&test, &resolver, "r/live/index").await, "file new_1\nold_1\n");
        assert_eq!(names(&resolver, "r/dated/").await, [format!("{first}/"), format!("{second}/")]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publication_that_fails_leaves_nothing_and_can_be_repeated() {
    for database in Database::all() {
        let (test, plugin) = stepped(database).await;
        let name = test.repository("r").await;
        add_notes(&test, &name, &["old"]).await;
        let first = test.publish(&name, true).await;
        add_notes(&test, &name, &["new"]).await;
        let resolver = Resolver::new(test.another().await);
        let fail = || Err(checkpoint_core::Error::Signing("no key today".into()));
        for sealing in [false, true] {
            match sealing {
                false => plugin.on_publishing(fail),
                true => plugin.on_sealing(fail),
            }
            test.clock.advance(5);
            let error = publish(&test.engine, &name, true).await.unwrap_err();
            assert_eq!(error.to_string(), "no key today");
            assert_eq!(test.engine.publications(&name).await.unwrap(), std::slice::from_ref(&first));
            assert_eq!(names(&resolver, "r/dated/").await, [format!("{}/", first.time)]);
            assert_eq!(what(&test, &resolver, "r/live/index").await, "file old_1\n");
            let staged = std::fs::read_dir(test.store().join("staging")).unwrap().count();
            assert_eq!(staged, 0, "nothing stays behind");
        }
        let second = test.publish(&name, true).await;
        assert_eq!(test.engine.publications(&name).await.unwrap(), [first, second.clone()]);
        let index = what(&test, &resolver, &format!("r/dated/{}/index", second.time)).await;
        assert_eq!(index, "file new_1\nold_1\n");
        let verified = test.engine.verify(&checkpoint_core::progress::Silent).await.unwrap();
        assert_eq!(verified.problems, [] as [String; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_later_is_not_in_an_earlier_checkpoint() {
    for database in Database::all() {
        let five = five(database).await;
        let [_, c1, _, c3, _] = five.times;
        // Asked for under the later names first, so that whatever is remembered has its chance to leak.
        assert_eq!(what(&five.test, &five.resolver, "r/live/notes/n3_1").await, "file n3 1\n");
        assert_eq!(five.at(c3, "/notes/n3_1").await, "file n3 1\n");
        for path in ["/notes/n3_1", "/notes/n2_1", "/notes/n4_1"] {
            assert_eq!(five.at(c1, path).await, "none");
        }
        assert_eq!(five.at(c3, "/notes/n4_1").await, "none");
        // What is gone from the newest version stays in the checkpoints that have it.
        let engine = &five.test.engine;
        engine.remove_content(&five.name, &["n0".into()], None).await.unwrap();
        let c5 = five.test.publish(&five.name, true).await.time;
        assert_eq!(five.at(c5, "/notes/n0_1").await, "none");
        assert_eq!(five.at(c1, "/notes/n0_1").await, "file n0 1\n");
        assert_eq!(five.at(c3, "/notes/").await, "dir n0_1 n1_1 n2_1 n3_1");
    }
}

/// The names by hash of a file in the root directory.
fn by_hash(bytes: &[u8]) -> [String; 2] {
    let digests = Digests::of(bytes);
    [format!("by-hash/SHA256/{}", digests.sha256), format!("by-hash/MD5Sum/{}", digests.md5)]
}

#[tokio::test(flavor = "multi_thread")]
async fn under_a_date_the_files_of_that_checkpoint_answer_by_hash_and_no_others() {
    for database in Database::all() {
        let five = five(database).await;
        let [_, c1, _, c3, _] = five.times;
        let (early, late) = ("n0_1\nn1_1\n", "n0_1\nn1_1\nn2_1\nn3_1\n");
        for (name, other) in by_hash(early.as_bytes()).iter().zip(by_hash(late.as_bytes())) {
            assert_eq!(five.at(c1, &format!("/{name}")).await, format!("file {early}"));
            assert_eq!(five.at(c3, &format!("/{other}")).await, format!("file {late}"));
            assert_eq!(five.at(c1, &format!("/{other}")).await, "none");
            assert_eq!(five.at(c3, &format!("/{name}")).await, "none");
            assert_eq!(five.at(c1, &format!("/notes/{name}")).await, "none", "another directory");
            let path = format!("r/dated/{c1}/{name}");
            let Resolution::File(file) = five.resolver.resolve(&path).await.unwrap() else {
                panic!("{path} is a file");
            };
            assert_eq!(file.freshness, Freshness::Immutable);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn live_answers_by_hash_for_every_publication_however_many_came_since() {
    for database in Database::all() {
        let five = five(database).await;
        for number in 0..10 {
            add_notes(&five.test, &five.name, &[&format!("o{number}")]).await;
            five.test.publish(&five.name, number % 3 == 0).await;
        }
        let mut index = String::new();
        for number in 0..5 {
            index.push_str(&format!("n{number}_1\n"));
            let time = five.times[number].to_string();
            for bytes in [&index, &time] {
                for name in by_hash(bytes.as_bytes()) {
                    let path = format!("r/live/{name}");
                    assert_eq!(what(&five.test, &five.resolver, &path).await, format!("file {bytes}"));
                    let Resolution::File(file) = five.resolver.resolve(&path).await.unwrap() else {
                        panic!("{path} is a file");
                    };
                    assert_eq!(file.freshness, Freshness::Immutable);
                }
            }
        }
        let other = five.test.repository("other").await;
        five.test.publish(&other, true).await;
        for name in by_hash(index.as_bytes()) {
            let path = format!("other/live/{name}");
            assert_eq!(what(&five.test, &five.resolver, &path).await, "none", "another repository");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_turned_back_a_little_does_not_break_the_order() {
    for database in Database::all() {
        let test = engine_on(database).await;
        let name = test.repository("r").await;
        let first = test.publish(&name, true).await.time;
        test.clock.turn_back(60);
        let second = publish(&test.engine, &name, true).await.unwrap().time;
        assert_eq!(second, after(first, 1));
        assert!(test.clock.timestamp() >= second, "publish waits until it is visible");
        let resolver = Resolver::new(test.engine.clone());
        assert_eq!(what(&test, &resolver, "r/live/time").await, format!("file {second}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_turned_back_by_hours_is_refused_with_a_sentence() {
    for database in Database::all() {
        let test = engine_on(database).await;
        let name = test.repository("r").await;
        let first = test.publish(&name, true).await;
        test.clock.turn_back(3 * 3600);
        let error = publish(&test.engine, &name, true).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Conflict);
        assert!(
            error.to_string().contains("'r' is dated 10801 seconds ahead of this machine's clock"),
            "{error}"
        );
        assert_eq!(test.engine.publications(&name).await.unwrap(), [first]);
        test.clock.advance(3 * 3600);
        publish(&test.engine, &name, true).await.unwrap();
    }
}
