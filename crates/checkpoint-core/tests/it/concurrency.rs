//! Several engines on one catalog at the same time.

use std::collections::BTreeSet;
use std::sync::Arc;

use checkpoint_core::engine::{Engine, RemoteChange, RepositoryChange, Resolver};
use checkpoint_core::model::Publication;
use checkpoint_core::name::Name;
use checkpoint_core::progress::Silent;
use checkpoint_testkit::clock::ManualClock;
use checkpoint_testkit::engine::{Database, TestEngine};

use crate::support::{Fresh, add_notes, add_through, engine_on, names, publish, stepped, what};

/// The publications, which must follow each other in time and in what they show.
async fn in_order(engine: &Engine, name: &Name) -> Vec<Publication> {
    let publications = engine.publications(name).await.unwrap();
    for pair in publications.windows(2) {
        assert!(pair[0].time < pair[1].time, "{pair:?}");
        assert!(pair[0].version <= pair[1].version, "{pair:?} goes back to older content");
    }
    publications
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_publisher_shows_the_newest_version_and_not_the_one_it_began_with() {
    for database in Database::all() {
        let (test, plugin) = stepped(database).await;
        let name = test.repository("r").await;
        add_notes(&test, &name, &["old"]).await;
        test.clock.advance(5);
        let held = plugin.hold();
        let slow = tokio::spawn({
            let (engine, name) = (test.engine.clone(), name.clone());
            async move { publish(&engine, &name, true).await.unwrap() }
        });
        let held = held.reached().await;
        add_notes(&test, &name, &["new"]).await;
        let other = test.another().await;
        let quick = publish(&other, &name, true).await.unwrap();
        held.release();
        let slow = slow.await.unwrap();
        assert_eq!((quick.version, slow.version), (2, 2));
        assert_eq!(in_order(&test.engine, &name).await, [quick.clone(), slow.clone()]);
        let resolver = Resolver::new(other);
        for path in [
            "r/live/index".to_owned(),
            format!("r/dated/{}/index", slow.time),
            format!("r/dated/{}/index", quick.time),
        ] {
            assert_eq!(what(&test, &resolver, &path).await, "file new_1\nold_1\n", "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_publishers_that_finish_together_never_show_older_content_after_newer() {
    for database in Database::all() {
        let (test, plugin) = stepped(database).await;
        let engines = [test.engine.clone(), test.another().await];
        let name = test.repository("r").await;
        for round in 0..10 {
            let mut publishing = Vec::new();
            let mut held = Vec::new();
            for (number, engine) in engines.iter().enumerate() {
                add_notes(&test, &name, &[&format!("n{round}-{number}")]).await;
                let hold = plugin.hold();
                let (engine, name) = (engine.clone(), name.clone());
                publishing.push(tokio::spawn(async move { publish(&engine, &name, true).await.unwrap() }));
                held.push(hold.reached().await);
            }
            // The newer one first: the older one arrives while it commits.
            held.into_iter().rev().for_each(|held| held.release());
            for publishing in publishing {
                publishing.await.unwrap();
            }
            in_order(&test.engine, &name).await;
        }
        assert_eq!(in_order(&test.engine, &name).await.len(), 20);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn publishers_of_one_second_get_different_times() {
    for database in Database::all() {
        let test = engine_on(database).await;
        let engines = [test.engine.clone(), test.another().await];
        let name = test.repository("r").await;
        let publishing = (0..6).map(|number| {
            let (engine, name) = (engines[number % 2].clone(), name.clone());
            tokio::spawn(async move { publish(&engine, &name, true).await.unwrap().time })
        });
        let mut times = BTreeSet::new();
        for publishing in publishing.collect::<Vec<_>>() {
            times.insert(publishing.await.unwrap());
        }
        let listed = in_order(&test.engine, &name).await;
        let listed: BTreeSet<_> = listed.iter().map(|publication| publication.time).collect();
        assert_eq!((times.len(), times), (6, listed));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_ten_writers_on_two_engines_nothing_is_lost() {
    const EACH: usize = 4;
    for database in Database::all() {
        let test = engine_on(database).await;
        let engines = [test.engine.clone(), test.another().await];
        let name = test.repository("r").await;
        let mut writing = Vec::new();
        for writer in 0..10 {
            let (engine, name) = (engines[writer % 2].clone(), name.clone());
            writing.push(tokio::spawn(async move {
                for number in 0..EACH {
                    let added = add_through(&engine, &name, &format!("n{writer}-{number}")).await;
                    assert_eq!((added.added, added.removed), (1, 0));
                }
            }));
        }
        let publishing = (0..6).map(|number| {
            let (engine, name) = (engines[number % 2].clone(), name.clone());
            tokio::spawn(async move { publish(&engine, &name, true).await.unwrap() })
        });
        for publishing in publishing.collect::<Vec<_>>() {
            publishing.await.unwrap();
        }
        for writing in writing {
            writing.await.unwrap();
        }
        publish(&engines[1], &name, true).await.unwrap();
        let keys: BTreeSet<String> =
            (0..10).flat_map(|writer| (0..EACH).map(move |number| format!("n{writer}-{number}_1"))).collect();
        let content = test.engine.content(&name).await.unwrap();
        assert_eq!(content.into_iter().map(|entry| entry.key).collect::<BTreeSet<_>>(), keys);
        // Each write made one version, and each publication shows exactly the version it says it does.
        assert_eq!(test.engine.versions(&name).await.unwrap().len(), 10 * EACH + 1);
        let resolver = Resolver::new(test.engine.clone());
        for publication in in_order(&test.engine, &name).await {
            let index = what(&test, &resolver, &format!("r/dated/{}/index", publication.time)).await;
            let shown = index.strip_prefix("file ").unwrap().lines().count();
            assert_eq!(shown as i64, publication.version);
        }
        assert_eq!(names(&resolver, "r/live/notes/").await.len(), 10 * EACH);
        let verified = test.engine.verify(&Silent).await.unwrap();
        assert_eq!(verified.problems, [] as [String; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn repositories_can_be_changed_by_many_at_once_and_keep_what_nobody_named() {
    for database in Database::all() {
        let (test, _) = stepped(database).await;
        let remote: Name = "upstream".parse().unwrap();
        let url = "http://upstream.example.org/";
        let engine = &test.engine;
        let change = RemoteChange { url: Some(url.into()), ..RemoteChange::default() };
        engine.create_remote(&remote, "fake", change).await.unwrap();
        let name: Name = "r".parse().unwrap();
        let with_remote = RepositoryChange { remotes: Some(vec![remote.clone()]), ..Default::default() };
        let created = engine.create_repository(&name, "fake", with_remote).await;
        assert_eq!(created.unwrap().remotes, std::slice::from_ref(&remote));
        // More of them than the pool has connections.
        let changing = (0..24).map(|_| {
            let (engine, name) = (test.engine.clone(), name.clone());
            tokio::spawn(async move { engine.update_repository(&name, Default::default()).await })
        });
        for changing in changing.collect::<Vec<_>>() {
            let changed = changing.await.unwrap().unwrap();
            assert_eq!(changed.remotes, std::slice::from_ref(&remote));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_engine_publishes_the_next_request_to_another_sees() {
    for database in Database::all() {
        let test = engine_on(database).await;
        let resolvers = [Resolver::new(test.engine.clone()), Resolver::new(test.another().await)];
        let name = test.repository("r").await;
        for number in 0..5 {
            add_notes(&test, &name, &[&format!("n{number}")]).await;
            let time = test.publish(&name, true).await.time;
            for resolver in &resolvers {
                let path = format!("r/dated/{time}/time");
                assert_eq!(what(&test, resolver, &path).await, format!("file {time}"));
                assert_eq!(what(&test, resolver, "r/live/time").await, format!("file {time}"));
                assert_eq!(names(resolver, "r/dated/").await.len(), number + 1);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_engines_can_create_the_catalog_at_once() {
    for database in Database::all() {
        for _ in 0..3 {
            let fresh = Arc::new(Fresh::new(database));
            let clock = Arc::new(ManualClock::at("20250318T140442Z".parse().unwrap()));
            let opening = (0..6).map(|number| {
                let (fresh, clock) = (fresh.clone(), clock.clone());
                tokio::spawn(async move {
                    let engine = fresh.open(clock).await.unwrap();
                    let name: Name = format!("r{number}").parse().unwrap();
                    engine.create_repository(&name, "fake", Default::default()).await.unwrap();
                    engine
                })
            });
            for opening in opening.collect::<Vec<_>>() {
                opening.await.unwrap().close().await;
            }
            let engine = fresh.open(clock).await.unwrap();
            assert_eq!(engine.repositories().await.unwrap().len(), 6);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_is_opened_later_sees_all_of_it() {
    for database in Database::all() {
        let test = engine_on(database).await;
        let name = test.repository("r").await;
        add_notes(&test, &name, &["a", "b"]).await;
        test.publish(&name, true).await;
        test.engine.remove_content(&name, &["a".into()], None).await.unwrap();
        test.publish(&name, false).await;
        let before = all_of(&test, &test.engine, &name).await;
        test.engine.close().await;
        let other = test.another().await;
        assert_eq!(all_of(&test, &other, &name).await, before);
        // And goes on from there.
        add_through(&other, &name, "c").await;
        publish(&other, &name, true).await.unwrap();
        let resolver = Resolver::new(other);
        assert_eq!(what(&test, &resolver, "r/live/index").await, "file b_1\nc_1\n");
    }
}

/// All that an engine tells about a repository.
async fn all_of(test: &TestEngine, engine: &Engine, name: &Name) -> String {
    let resolver = Resolver::new(engine.clone());
    let publications = engine.publications(name).await.unwrap();
    let mut all = format!(
        "{:?} {:?} {:?} {:?} {publications:?}",
        engine.repositories().await.unwrap(),
        engine.distributions().await.unwrap(),
        engine.versions(name).await.unwrap(),
        engine.content(name).await.unwrap()
    );
    for publication in publications {
        for path in ["", "index", "time", "notes/", "notes/a_1", "notes/b_1"] {
            let path = format!("{name}/dated/{}/{path}", publication.time);
            all.push_str(&what(test, &resolver, &path).await);
        }
    }
    all
}
