//! The first promise: an answer for a past instant never changes.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use checkpoint_core::engine::{Engine, Resolution, Resolver};
use checkpoint_core::name::Name;
use checkpoint_core::time::{Clock, Timestamp};
use checkpoint_testkit::clock::ManualClock;
use checkpoint_testkit::engine::{Database, TestEngine};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::{
    Fresh, Held, Step, add_notes, add_through, after, engine_on, names, publish, stepped, what,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_second_that_was_answered_for_gets_no_checkpoint_any_more() {
    for database in Database::all() {
        let test = engine_on(database).await;
        let other = test.another().await;
        let (here, there) = (Resolver::new(test.engine.clone()), Resolver::new(other.clone()));
        let name = test.repository("r").await;
        let first = test.publish(&name, true).await.time;
        test.clock.advance(5);
        let asked = test.clock.timestamp();
        let path = format!("r/dated/{asked}/time");
        let answer = format!("to r/dated/{first}/time");
        assert_eq!(what(&test, &here, &path).await, answer);
        // Neither the engine that answered nor one that knows nothing of it may use that second.
        let mut newest = asked;
        for engine in [&other, &test.engine] {
            test.clock.turn_back(newest.unix().abs_diff(asked.unix()));
            let time = publish(engine, &name, true).await.unwrap().time;
            assert!(time > newest);
            newest = time;
            for resolver in [&here, &there, &Resolver::new(test.another().await)] {
                assert_eq!(what(&test, resolver, &path).await, answer);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_for_which_there_was_nothing_stays_empty() {
    for database in Database::all() {
        let test = engine_on(database).await;
        let name = test.repository("r").await;
        let resolver = Resolver::new(test.another().await);
        let asked = test.clock.timestamp();
        let path = format!("r/dated/{asked}/time");
        assert_eq!(what(&test, &resolver, &path).await, "none");
        let first = publish(&test.engine, &name, true).await.unwrap().time;
        assert!(first > asked);
        for resolver in [resolver, Resolver::new(test.another().await)] {
            assert_eq!(what(&test, &resolver, &path).await, "none");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_holds_when_the_clock_is_turned_back_after_it() {
    for database in Database::all() {
        let test = engine_on(database).await;
        let name = test.repository("r").await;
        let resolver = Resolver::new(test.another().await);
        let first = test.publish(&name, true).await.time;
        test.clock.advance(30);
        let asked = test.clock.timestamp();
        let path = format!("r/dated/{asked}/time");
        let answer = what(&test, &resolver, &path).await;
        assert_eq!(answer, format!("to r/dated/{first}/time"));
        test.clock.turn_back(20);
        assert!(publish(&test.engine, &name, true).await.unwrap().time > asked);
        assert_eq!(what(&test, &resolver, &path).await, answer);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_that_take_a_time_keep_the_promise_too() {
    for database in Database::all() {
        let test = engine_on(database).await;
        let name = test.repository("r").await;
        let first = test.publish(&name, true).await.time;
        test.clock.advance(5);
        let asked = test.clock.timestamp();
        let engine = &test.engine;
        assert_eq!(engine.checkpoint_at(&name, asked).await.unwrap().time, first);
        publish(&test.another().await, &name, true).await.unwrap();
        assert_eq!(engine.checkpoint_at(&name, asked).await.unwrap().time, first);
        assert_eq!(engine.checkpoint(&name, asked).await.unwrap().time, first);
        assert_eq!(engine.diff(&name, first, asked).await.unwrap().to, first);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_during_the_commit_of_a_checkpoint_of_that_second_sees_it() {
    for database in Database::all() {
        let (test, plugin) = stepped(database).await;
        let name = test.repository("r").await;
        test.publish(&name, true).await;
        test.clock.advance(5);
        let asked = test.clock.timestamp();
        let held = plugin.hold_sealing();
        let publishing = tokio::spawn({
            let (engine, name) = (test.engine.clone(), name.clone());
            async move { publish(&engine, &name, true).await.unwrap() }
        });
        let held = held.reached().await;
        // The time is given, but not committed: an answer that leaves it out would have to change.
        let resolver = Arc::new(Resolver::new(test.another().await));
        let path = format!("r/dated/{asked}/");
        let asking = tokio::spawn({
            let (resolver, path) = (resolver.clone(), path.clone());
            async move { format!("{:?}", resolver.resolve(&path).await.unwrap()) }
        });
        // Whichever of the two is first now, both must give the same.
        tokio::task::yield_now().await;
        held.release();
        assert_eq!(publishing.await.unwrap().time, asked);
        let answer = asking.await.unwrap();
        assert!(answer.starts_with("Directory"), "{answer}");
        assert_eq!(format!("{:?}", resolver.resolve(&path).await.unwrap()), answer);
    }
}

/// A clock that can hold whoever looks at it.
struct HoldingClock {
    clock: Arc<ManualClock>,
    hold: Mutex<Option<Step>>,
}

#[async_trait]
impl Clock for HoldingClock {
    fn now(&self) -> SystemTime {
        let hold = self.hold.lock().unwrap().take();
        if let Some(hold) = hold {
            tokio::task::block_in_place(hold).unwrap();
        }
        self.clock.now()
    }

    async fn sleep(&self, duration: Duration) {
        self.clock.sleep(duration).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_overtaken_does_not_answer_with_what_it_saw_before() {
    for database in Database::all() {
        let fresh = Fresh::new(database);
        let clock = Arc::new(ManualClock::at("20250318T140442Z".parse().unwrap()));
        let holding = Arc::new(HoldingClock { clock: clock.clone(), hold: Mutex::default() });
        let publisher = fresh.open(clock.clone()).await.unwrap();
        let server = fresh.open(holding.clone()).await.unwrap();
        let (name, path) = ("r".parse().unwrap(), "r".parse().unwrap());
        publisher.create_repository(&name, "fake", Default::default()).await.unwrap();
        publisher.create_distribution(&name, &path, &name, true).await.unwrap();
        let first = publish(&publisher, &name, true).await.unwrap().time;
        let resolver = Arc::new(Resolver::new(server));
        assert_eq!(kind(&resolver, format!("r/{first}/")).await, "directory");
        clock.advance(5);
        // This request has seen what is published, and then takes its time.
        let asked = clock.timestamp();
        let (step, held) = Held::pair();
        *holding.hold.lock().unwrap() = Some(Box::new(step));
        let slow = tokio::spawn({
            let resolver = resolver.clone();
            async move { kind(&resolver, format!("r/{asked}/")).await }
        });
        let held = held.reached().await;
        // Meanwhile there is a checkpoint of just that second, and somebody asks for a later one.
        assert_eq!(publish(&publisher, &name, true).await.unwrap().time, asked);
        clock.advance(1);
        let later = kind(&resolver, format!("r/{}/", after(asked, 1))).await;
        assert_eq!(later, format!("moved to r/{asked}/"));
        assert_eq!(kind(&resolver, format!("r/{asked}/")).await, "directory");
        held.release();
        assert_eq!(slow.await.unwrap(), "directory");
    }
}

async fn kind(resolver: &Resolver, path: String) -> String {
    match resolver.resolve(&path).await.unwrap() {
        Resolution::Directory(_) => "directory".into(),
        Resolution::Moved(path) => format!("moved to {path}"),
        other => format!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn answers_hold_while_many_ask_and_publish_at_once() {
    for database in Database::all() {
        let test = Arc::new(engine_on(database).await);
        let name = test.repository("r").await;
        publish(&test.engine, &name, true).await.unwrap();
        let engines = [test.engine.clone(), test.another().await];
        let resolvers: Vec<_> =
            engines.iter().map(|engine| Arc::new(Resolver::new(engine.clone()))).collect();
        let answers: Arc<Mutex<HashMap<Timestamp, String>>> = Arc::default();
        let over = Arc::new(AtomicBool::new(false));
        let mut asking = Vec::new();
        for resolver in resolvers.iter().cycle().take(6) {
            let (test, resolver) = (test.clone(), resolver.clone());
            let (answers, over) = (answers.clone(), over.clone());
            asking.push(tokio::spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    let time = test.clock.timestamp();
                    let answer = what(&test, &resolver, &format!("r/dated/{time}/time")).await;
                    let first = answers.lock().unwrap().entry(time).or_insert_with(|| answer.clone()).clone();
                    assert_eq!(answer, first, "the answer for {time} changed");
                }
            }));
        }
        let ticking = tokio::spawn({
            let (test, over) = (test.clone(), over.clone());
            async move {
                while !over.load(Ordering::Relaxed) {
                    test.clock.advance(1);
                    // As long as a look at the database takes.
                    test.engine.distributions().await.unwrap();
                }
            }
        });
        for number in 0..40 {
            let checkpoint = number % 4 != 0;
            let published = publish(&engines[number % 2], &name, checkpoint).await.unwrap();
            assert!(published.time <= test.clock.timestamp());
        }
        over.store(true, Ordering::Relaxed);
        ticking.await.unwrap();
        for task in asking {
            task.await.unwrap();
        }
        let answers = answers.lock().unwrap().clone();
        assert!(!answers.is_empty());
        let fresh = Resolver::new(test.another().await);
        for (time, answer) in answers {
            let later = what(&test, &fresh, &format!("r/dated/{time}/time")).await;
            assert_eq!(later, answer, "the answer for {time} changed");
        }
    }
}

/// A step of a random walk.
#[derive(Debug, Clone)]
enum Move {
    Add,
    Publish {
        engine: usize,
        checkpoint: bool,
    },
    Advance(u64),
    /// Asks for a time so many seconds ago; one in the future is -1.
    Resolve {
        engine: usize,
        ago: i64,
    },
}

fn any_move() -> impl Strategy<Value = Move> {
    prop_oneof![
        2 => Just(Move::Add),
        3 => (0..2usize, any::<bool>()).prop_map(|(engine, checkpoint)| Move::Publish { engine, checkpoint }),
        3 => (0..=3u64).prop_map(Move::Advance),
        6 => (0..2usize, -1..12i64).prop_map(|(engine, ago)| Move::Resolve { engine, ago }),
    ]
}

/// What must be true, in the plainest form.
#[derive(Default)]
struct Model {
    notes: usize,
    /// By time: whether it is a checkpoint, and its index.
    publications: BTreeMap<Timestamp, (bool, String)>,
    answers: BTreeMap<Timestamp, String>,
}

impl Model {
    fn index(&self) -> String {
        (0..self.notes).map(|number| format!("n{number:03}_1\n")).collect()
    }

    fn answer(&self, name: &Name, time: Timestamp) -> String {
        let mut before = self.publications.range(..=time).rev();
        match before.find(|(_, (checkpoint, _))| *checkpoint) {
            Some((exact, (_, index))) if *exact == time => format!("file {index}"),
            Some((newest, _)) => format!("to {name}/dated/{newest}/index"),
            None => "none".into(),
        }
    }
}

async fn walk(test: &TestEngine, engines: &[Engine; 2], moves: &[Move]) {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = format!("walk{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let name = test.repository(&name).await;
    let resolvers = engines.each_ref().map(|engine| Resolver::new(engine.clone()));
    let mut model = Model::default();
    for step in moves {
        match *step {
            Move::Add => {
                add_through(&test.engine, &name, &format!("n{:03}", model.notes)).await;
                model.notes += 1;
            }
            Move::Publish { engine, checkpoint } => {
                let published = publish(&engines[engine], &name, checkpoint).await.unwrap();
                let time = published.time;
                assert!(time <= test.clock.timestamp(), "visible when publish returns");
                let newest = model.publications.keys().chain(model.answers.keys()).max();
                assert!(newest.is_none_or(|newest| *newest < time), "{time} was taken");
                model.publications.insert(time, (checkpoint, model.index()));
            }
            Move::Advance(seconds) => test.clock.advance(seconds),
            Move::Resolve { engine, ago } => {
                let time = after(test.clock.timestamp(), -ago);
                let path = format!("{name}/dated/{time}/index");
                let answer = what(test, &resolvers[engine], &path).await;
                if ago < 0 {
                    assert_eq!(answer, "none", "{time} is in the future");
                    continue;
                }
                assert_eq!(answer, model.answer(&name, time), "for {time}");
                // An exact time is a publication's own; that it is answered for takes it from nobody.
                if !model.publications.contains_key(&time) {
                    model.answers.insert(time, answer);
                }
            }
        }
    }
    let checkpoints = model.publications.iter().filter(|(_, (checkpoint, _))| *checkpoint);
    let list: Vec<_> = checkpoints.map(|(time, _)| format!("{time}/")).collect();
    let fresh = Resolver::new(test.engine.clone());
    for resolver in resolvers.iter().chain([&fresh]) {
        assert_eq!(names(resolver, &format!("{name}/dated/")).await, list);
        for (time, answer) in &model.answers {
            let later = what(test, resolver, &format!("{name}/dated/{time}/index")).await;
            assert_eq!(later, *answer, "the answer for {time} changed");
        }
    }
}

#[test]
fn whatever_happens_an_answer_is_the_newest_checkpoint_of_its_time_and_stays() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for database in Database::all() {
        let test = runtime.block_on(engine_on(database));
        let engines = [test.engine.clone(), runtime.block_on(test.another())];
        let config =
            Config { cases: 16, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
        let walks = prop::collection::vec(any_move(), 1..60);
        let outcome = TestRunner::new(config).run(&walks, |moves| {
            runtime.block_on(walk(&test, &engines, &moves));
            Ok(())
        });
        outcome.unwrap_or_else(|error| panic!("{database:?}: {error}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_checkpoint_holds_outlives_everything_that_happens_to_its_repository() {
    for database in Database::all() {
        let test = engine_on(database).await;
        let name = test.repository("r").await;
        add_notes(&test, &name, &["a", "b"]).await;
        let first = test.publish(&name, true).await.time;
        let resolver = Resolver::new(test.engine.clone());
        test.engine.remove_content(&name, &["a".into()], None).await.unwrap();
        add_notes(&test, &name, &["c"]).await;
        test.publish(&name, false).await;
        add_notes(&test, &name, &["a"]).await;
        test.publish(&name, true).await;
        for resolver in [resolver, Resolver::new(test.another().await)] {
            for (path, expected) in [
                ("", "dir index index.upper notes/ time"),
                ("index", "file a_1\nb_1\n"),
                ("notes/", "dir a_1 b_1"),
                ("notes/a_1", "file a 1\n"),
                ("notes/c_1", "none"),
            ] {
                let path = format!("r/dated/{first}/{path}");
                assert_eq!(what(&test, &resolver, &path).await, expected, "{path}");
            }
        }
    }
}
