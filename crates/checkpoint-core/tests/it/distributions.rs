//! Where repositories are served.

use checkpoint_core::Kind;
use checkpoint_core::engine::{DistributionChange, RepositoryChange, Resolver};
use checkpoint_core::name::{BasePath, Name};
use checkpoint_testkit::engine::Database;

use crate::support::{add_notes, engine_on, names, what};

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn path(text: &str) -> BasePath {
    text.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn base_paths_that_overlap_are_refused_with_the_others_name() {
    for database in Database::all() {
        let test = engine_on(database).await;
        let r = test.repository("r").await;
        let engine = &test.engine;
        let existing = engine.create_distribution(&name("first"), &path("a/b"), &r, false).await.unwrap();
        for overlapping in ["a/b", "a", "a/b/c", "a/b/c/d"] {
            let created = engine.create_distribution(&name("second"), &path(overlapping), &r, true).await;
            let error = created.unwrap_err();
            assert_eq!(error.kind(), Kind::Conflict);
            assert!(error.to_string().contains("'first'"), "{error}");
        }
        assert_eq!(engine.distributions().await.unwrap().len(), 3);
        let second = engine.create_distribution(&name("second"), &path("a/bc"), &r, true).await.unwrap();
        let change = || DistributionChange { base_path: Some(path("a/b/c")), ..Default::default() };
        let error = engine.update_distribution(&second.name, change()).await.unwrap_err();
        assert!(error.kind() == Kind::Conflict && error.to_string().contains("'first'"));
        assert_eq!(engine.distribution(&second.name).await.unwrap(), second);
        // Its own path is not in its own way.
        let moved = engine.update_distribution(&existing.name, change()).await.unwrap();
        assert_eq!(moved.base_path, path("a/b/c"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_taken_once() {
    for database in Database::all() {
        let test = engine_on(database).await;
        let r = test.repository("r").await;
        let engine = &test.engine;
        let error =
            engine.create_distribution(&name("r-live"), &path("elsewhere"), &r, false).await.unwrap_err();
        assert_eq!(error.kind(), Kind::AlreadyExists);
        let error = engine.create_repository(&r, "fake", Default::default()).await.unwrap_err();
        assert_eq!(error.kind(), Kind::AlreadyExists);
        // A repository and a distribution may share a name.
        engine.create_distribution(&r, &path("elsewhere"), &r, false).await.unwrap();
        // A name that was given back can be taken again.
        engine.delete_distribution(&r).await.unwrap();
        engine.create_distribution(&r, &path("elsewhere"), &r, true).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_distributions_created_at_once_with_overlapping_paths_one_wins() {
    for database in Database::all() {
        let test = engine_on(database).await;
        let engines = [test.engine.clone(), test.another().await];
        let r = test.repository("r").await;
        let creating = ["a", "a/b", "a/b/c", "a", "a/b", "a/b/c/d"].into_iter().enumerate().map(
            |(number, base_path)| {
                let (engine, r) = (engines[number % 2].clone(), r.clone());
                tokio::spawn(async move {
                    let name = name(&format!("d{number}"));
                    engine.create_distribution(&name, &path(base_path), &r, false).await
                })
            },
        );
        let mut created = 0;
        for creating in creating.collect::<Vec<_>>() {
            match creating.await.unwrap() {
                Ok(_) => created += 1,
                Err(error) => assert_eq!(error.kind(), Kind::Conflict, "{error}"),
            }
        }
        assert_eq!(created, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_changes_what_it_names_and_the_next_request_to_any_server_sees_it() {
    for database in Database::all() {
        let test = engine_on(database).await;
        let engine = &test.engine;
        let (r, s) = (test.repository("r").await, test.repository("s").await);
        for repository in [&r, &s] {
            add_notes(&test, repository, &[repository.as_str()]).await;
        }
        let (r1, s1) = (test.publish(&r, true).await.time, test.publish(&s, true).await.time);
        let resolver = Resolver::new(test.another().await);
        let d = name("d");
        engine.create_distribution(&d, &path("d"), &r, false).await.unwrap();
        assert_eq!(what(&test, &resolver, "d/index").await, "file r_1\n");

        let checkpoint = DistributionChange { checkpoint: Some(true), ..Default::default() };
        let changed = engine.update_distribution(&d, checkpoint).await.unwrap();
        assert_eq!(
            (changed.checkpoint, &changed.repository, &changed.base_path),
            (true, &Some(r.clone()), &path("d"))
        );
        assert_eq!(names(&resolver, "d/").await, [format!("{r1}/")]);
        assert_eq!(what(&test, &resolver, "d/index").await, "none");
        assert_eq!(what(&test, &resolver, &format!("d/{r1}/index")).await, "file r_1\n");

        let other = DistributionChange { repository: Some(s.clone()), ..Default::default() };
        let changed = engine.update_distribution(&d, other).await.unwrap();
        assert_eq!((changed.checkpoint, &changed.repository), (true, &Some(s.clone())));
        assert_eq!(names(&resolver, "d/").await, [format!("{s1}/")]);
        assert_eq!(what(&test, &resolver, &format!("d/{r1}/index")).await, "none");

        let moved = DistributionChange {
            base_path: Some(path("e/f")),
            checkpoint: Some(false),
            ..Default::default()
        };
        engine.update_distribution(&d, moved).await.unwrap();
        assert_eq!(what(&test, &resolver, "d/").await, "none");
        assert_eq!(what(&test, &resolver, "e/f/index").await, "file s_1\n");
        let nothing = DistributionChange::default();
        let same = engine.update_distribution(&d, nothing).await.unwrap();
        assert_eq!((same.checkpoint, same.base_path), (false, path("e/f")));
        assert_eq!(names(&resolver, "e/").await, ["f/"]);

        engine.delete_distribution(&d).await.unwrap();
        assert_eq!(what(&test, &resolver, "e/f/index").await, "none");
        assert_eq!(what(&test, &resolver, "e/").await, "none");
        assert_eq!(engine.publications(&s).await.unwrap().len(), 1);
        assert_eq!(what(&test, &resolver, "s/live/index").await, "file s_1\n");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_exist_is_said_so() {
    for database in Database::all() {
        let test = engine_on(database).await;
        let engine = &test.engine;
        let (r, none) = (test.repository("r").await, name("none"));
        let change = DistributionChange { repository: Some(none.clone()), ..Default::default() };
        let errors = [
            engine.create_distribution(&none, &path("x"), &none, false).await.unwrap_err(),
            engine.update_distribution(&none, Default::default()).await.unwrap_err(),
            engine.update_distribution(&name("r-live"), change).await.unwrap_err(),
            engine.delete_distribution(&none).await.unwrap_err(),
            engine.publications(&none).await.unwrap_err(),
            engine.checkpoint_at(&r, test.clock.timestamp()).await.unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), Kind::NotFound, "{error}");
        }
        assert_eq!(engine.distributions().await.unwrap().len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_with_a_remote_that_does_not_exist_is_not_created() {
    for database in Database::all() {
        let test = engine_on(database).await;
        let change = || RepositoryChange { remotes: Some(vec![name("nowhere")]), ..Default::default() };
        for _ in 0..2 {
            let created = test.engine.create_repository(&name("r"), "fake", change()).await;
            assert_eq!(created.unwrap_err().kind(), Kind::NotFound);
            assert_eq!(test.engine.repositories().await.unwrap(), []);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn above_the_distributions_there_are_pages_that_lead_to_them() {
    for database in Database::all() {
        let test = engine_on(database).await;
        let r = test.repository("r").await;
        for base_path in ["a/b/c", "a/b-d", "a/b.e", "z"] {
            let (name, base_path) = (name(&base_path.replace('/', " ")), path(base_path));
            let created = test.engine.create_distribution(&name, &base_path, &r, true);
            created.await.unwrap();
        }
        let resolver = Resolver::new(test.engine.clone());
        assert_eq!(names(&resolver, "").await, ["a/", "r/", "z/"]);
        assert_eq!(names(&resolver, "a/").await, ["b-d/", "b.e/", "b/"]);
        assert_eq!(names(&resolver, "a/b/").await, ["c/"]);
        for (path, expected) in [
            ("a", "slash"),
            ("a/b", "slash"),
            ("z", "slash"),
            ("a/b-", "none"),
            ("a/x/", "none"),
            ("/", "none"),
            ("//a/", "none"),
        ] {
            assert_eq!(what(&test, &resolver, path).await, expected, "{path}");
        }
        assert_eq!(what(&test, &resolver, "r/live/").await, "none", "nothing is published");
        assert_eq!(names(&resolver, "r/dated/").await, [] as [&str; 0]);
    }
}
