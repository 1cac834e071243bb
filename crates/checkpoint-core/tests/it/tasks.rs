//! Tasks: their order, their leases, and how they end.

use std::sync::Arc;
use std::time::Duration;

use checkpoint_core::Kind;
use checkpoint_core::engine::{Engine, Operation, Purge, TaskRequest, alone};
use checkpoint_core::model::Id;
use checkpoint_core::name::Name;
use checkpoint_core::task::{Reservation, Resource, TaskState};
use checkpoint_testkit::engine::{Database, TestEngine};
use tokio::sync::oneshot;

use crate::support::SteppedPlugin;

/// Longer than anything here takes; nothing waits so long.
const LONG: Duration = Duration::from_secs(60);

fn publish(repository: &Name) -> Operation {
    Operation::Publish {
        repository: repository.clone(),
        version: None,
        checkpoint: true,
        options: Default::default(),
    }
}

async fn ask(engine: &Engine, operation: Operation, reservations: Vec<Reservation>) -> Id {
    let (name, correlation) = ("test".to_owned(), "0".repeat(32));
    let request =
        TaskRequest { name, operation, reservations, created_by: None, correlation, measured: false };
    engine.create_task(request).await.unwrap()
}

/// Runs a worker until what is returned is dropped or sent to.
fn work(engine: &Engine, name: &'static str) -> (oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
    let (stop, stopped) = oneshot::channel();
    let engine = engine.clone();
    let worker = async move { engine.work(name, async { drop(stopped.await) }).await.unwrap() };
    (stop, tokio::spawn(worker))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_carried_out_and_says_what_it_made() {
    for database in Database::all() {
        let test = TestEngine::on(database, Arc::new(SteppedPlugin::default())).await;
        let name = test.repository("notes").await;
        let id = ask(&test.engine, publish(&name), Vec::new()).await;
        assert_eq!(test.engine.task(id).await.unwrap().state, TaskState::Waiting);
        let (_stop, _worker) = work(&test.engine, "one");
        let task = test.engine.wait_for_task(id, LONG).await.unwrap();
        assert_eq!((task.state, &task.error), (TaskState::Completed, &None));
        let publication = test.engine.publications(&name).await.unwrap().remove(0);
        assert!(matches!(&task.made[..], [Resource::Publication(_, _, id)] if *id == publication.id));
        assert_eq!(task.worker.as_deref(), Some("one"));
        assert!(task.started.is_some() && task.finished.is_some());
        assert!(task.progress.iter().all(|report| report.state == TaskState::Completed));
        let missing: Name = "missing".parse().unwrap();
        let id = ask(&test.engine, publish(&missing), Vec::new()).await;
        let task = test.engine.wait_for_task(id, LONG).await.unwrap();
        assert_eq!(task.state, TaskState::Failed);
        assert_eq!(task.error.unwrap(), "there is no repository named 'missing'");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_waits_for_older_ones_that_hold_what_it_needs_and_for_no_others() {
    for database in Database::all() {
        let plugin = SteppedPlugin::default();
        let test = TestEngine::on(database, Arc::new(plugin.clone())).await;
        let (busy, idle) = (test.repository("busy").await, test.repository("idle").await);
        let held = plugin.hold();
        let on = |id| alone([Resource::Repository("fake".into(), id)]);
        let shared = vec![Reservation { resource: Resource::Repository("fake".into(), 1), exclusive: false }];
        let first = ask(&test.engine, publish(&busy), on(1)).await;
        let second = ask(&test.engine, publish(&busy), shared.clone()).await;
        let third = ask(&test.engine, publish(&busy), shared).await;
        let last = ask(&test.engine, publish(&busy), on(1)).await;
        let (_stop, _worker) = work(&test.engine, "one");
        let (_stop_two, _second_worker) = work(&test.another().await, "two");
        let held = held.reached().await;
        let other = ask(&test.engine, publish(&idle), on(2)).await;
        assert_eq!(test.engine.wait_for_task(other, LONG).await.unwrap().state, TaskState::Completed);
        for id in [second, third, last] {
            assert_eq!(test.engine.task(id).await.unwrap().state, TaskState::Waiting);
        }
        held.release();
        for id in [first, second, third, last] {
            assert_eq!(test.engine.wait_for_task(id, LONG).await.unwrap().state, TaskState::Completed);
        }
        let publications = test.engine.publications(&busy).await.unwrap();
        assert_eq!(publications.len(), 4);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_canceled_whether_it_waits_or_runs() {
    for database in Database::all() {
        let plugin = SteppedPlugin::default();
        let test = TestEngine::on(database, Arc::new(plugin.clone())).await;
        let name = test.repository("notes").await;
        let waiting = ask(&test.engine, publish(&name), Vec::new()).await;
        assert_eq!(test.engine.cancel_task(waiting).await.unwrap().state, TaskState::Canceled);
        assert_eq!(test.engine.cancel_task(waiting).await.unwrap_err().kind(), Kind::Conflict);
        let held = plugin.hold();
        let running = ask(&test.engine, publish(&name), Vec::new()).await;
        let (_stop, _worker) = work(&test.engine, "one");
        let held = held.reached().await;
        assert_eq!(test.engine.cancel_task(running).await.unwrap().state, TaskState::Canceling);
        assert_eq!(test.engine.wait_for_task(running, LONG).await.unwrap().state, TaskState::Canceled);
        held.release();
        assert_eq!(test.engine.publications(&name).await.unwrap(), []);
        assert_eq!(test.engine.delete_task(waiting).await.map_err(|error| error.kind()), Ok(()));
        assert_eq!(test.engine.task(waiting).await.unwrap_err().kind(), Kind::NotFound);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_lost_worker_had_is_done_again_or_fails_with_the_reason() {
    for database in Database::all() {
        let plugin = SteppedPlugin::default();
        let test = TestEngine::on(database, Arc::new(plugin.clone())).await;
        let name = test.repository("notes").await;
        let held = plugin.hold();
        let publishing = ask(&test.engine, publish(&name), Vec::new()).await;
        let lost = test.another().await;
        let (_stop, worker) = work(&lost, "lost");
        let held = held.reached().await;
        // The process is gone without a word.
        worker.abort();
        test.clock.advance(600);
        let purge = Purge { finished_before: "20000101T000000Z".parse().unwrap(), states: Vec::new() };
        let purging = ask(&test.engine, Operation::PurgeTasks(purge), Vec::new()).await;
        let (stop, worker) = work(&test.engine, "next");
        let task = test.engine.wait_for_task(publishing, LONG).await.unwrap();
        assert_eq!(task.state, TaskState::Failed);
        assert_eq!(task.error.unwrap(), "the worker that carried it out is gone");
        assert_eq!(test.engine.wait_for_task(purging, LONG).await.unwrap().state, TaskState::Completed);
        held.release();
        stop.send(()).unwrap();
        worker.await.unwrap();
        let names: Vec<_> =
            test.engine.workers().await.unwrap().into_iter().map(|(worker, _)| worker.name).collect();
        assert_eq!(names, ["lost"], "a worker that ends says so");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_old_tasks_in_the_states_that_are_named_are_purged() {
    for database in Database::all() {
        let test = TestEngine::on(database, Arc::new(SteppedPlugin::default())).await;
        let name = test.repository("notes").await;
        let canceled = ask(&test.engine, publish(&name), Vec::new()).await;
        test.engine.cancel_task(canceled).await.unwrap();
        let waiting = ask(&test.engine, publish(&name), Vec::new()).await;
        test.clock.advance(5);
        let before = "20250318T140444Z".parse().unwrap();
        let purge = |states: &[TaskState]| Purge { finished_before: before, states: states.to_vec() };
        assert_eq!(test.engine.purge_tasks(&purge(&[TaskState::Completed])).await.unwrap(), 0);
        assert_eq!(test.engine.purge_tasks(&purge(&TaskState::ALL)).await.unwrap(), 1);
        assert_eq!(test.engine.task(waiting).await.unwrap().state, TaskState::Waiting);
    }
}
