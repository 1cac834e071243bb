//! Tasks: asking for one, waiting for it, stopping it, and the worker that carries them out.
//!
//! A task belongs to the worker that took it for as long as the worker prolongs its lease. When a lease has run out
//! the worker is gone: the task waits again if doing it twice does no harm, and fails with the reason if it does, or
//! if it was begun too often.

use std::collections::HashSet;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Engine;
use super::operation::Operation;
use super::profile::Profile;
use crate::catalog::{Ending, NewTask};
use crate::error::{Error, Result};
use crate::model::Id;
use crate::progress::Progress;
use crate::task::{ProgressReport, Reservation, Resource, Task, TaskState, Worker};
use crate::time::Timestamp;

/// How long a worker has a task without saying that it is still there, in seconds.
const LEASE: i64 = 60;
/// How often it says so.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// After so many seconds without a word a worker is shown as missing no more, but forgotten.
const FORGET: i64 = 24 * 3600;
/// How often a worker looks for tasks that another process asked for.
const POLL: Duration = Duration::from_millis(250);
/// How often the progress of a running task is written down, and whether it shall stop is asked.
const TICK: Duration = Duration::from_millis(500);
/// How often a task is begun before it is given up.
const ATTEMPTS: i64 = 3;
/// How long tasks may go on once their worker shall stop.
const GRACE: Duration = Duration::from_secs(10);
/// How many tasks one worker carries out at once. What stands in each other's way is kept apart by reservations.
const SLOTS: usize = 4;

/// What somebody asks to be done.
#[derive(Debug, Clone)]
pub struct TaskRequest {
    /// What it is called, in the caller's spelling.
    pub name: String,
    /// What is done.
    pub operation: Operation,
    /// What it needs meanwhile.
    pub reservations: Vec<Reservation>,
    /// Who asks, if they signed in.
    pub created_by: Option<String>,
    /// What the caller's log calls the request.
    pub correlation: String,
    /// Whether the memory of the process that carries it out is measured.
    pub measured: bool,
}

/// Which tasks `purge` deletes.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Purge {
    /// Those that were finished before.
    pub finished_before: Timestamp,
    /// Those in one of these states, which have to be final.
    pub states: Vec<TaskState>,
}

impl Engine {
    /// Asks for a task. A worker of this process takes it at once.
    pub async fn create_task(&self, request: TaskRequest) -> Result<Id> {
        let operation = serde_json::to_value(&request.operation)
            .map_err(|error| Error::Internal(format!("an operation cannot be written: {error}")))?;
        let new = NewTask {
            name: &request.name,
            operation: &operation,
            reservations: &request.reservations,
            created_by: request.created_by.as_deref(),
            correlation: &request.correlation,
            measured: request.measured,
        };
        let mut transaction = self.catalog.begin().await?;
        let id = transaction.create_task(&new, self.now()).await?;
        transaction.commit().await?;
        self.task_changes.send_replace(());
        Ok(id)
    }

    /// All tasks, newest first.
    pub async fn tasks(&self) -> Result<Vec<Task>> {
        self.catalog.tasks().await
    }

    /// A task as it stands.
    pub async fn task(&self, id: Id) -> Result<Task> {
        self.catalog.task(id).await
    }

    /// What was measured of a task that has ended, as JSON: a list of moments, each with `seconds` since it was begun and
    /// the `resident_bytes` of the process. `None` if it was not asked for.
    pub async fn task_profile(&self, id: Id) -> Result<Option<String>> {
        self.catalog.task_profile(id).await
    }

    /// A task once it is in a final state, or as it stands when `patience` has run out.
    pub async fn wait_for_task(&self, id: Id, patience: Duration) -> Result<Task> {
        let mut changes = self.task_changes.subscribe();
        let wait = async {
            loop {
                let task = self.catalog.task(id).await?;
                if task.state.is_final() {
                    return Ok(task);
                }
                // A worker of another process cannot wake us.
                let _ = tokio::time::timeout(POLL, changes.changed()).await;
            }
        };
        match tokio::time::timeout(patience, wait).await {
            Ok(task) => task,
            Err(_) => self.catalog.task(id).await,
        }
    }

    /// Has a task stopped: one that waits at once, one that runs when its worker notices. A task in a final state
    /// stays what it is, which is a conflict.
    pub async fn cancel_task(&self, id: Id) -> Result<Task> {
        let ending =
            Ending { state: TaskState::Canceled, error: None, made: &[], progress: &[], profile: None };
        let mut transaction = self.catalog.begin().await?;
        let waited = transaction.end_task(id, None, &ending, self.now()).await?;
        let stopped = waited || transaction.stop_task(id).await?;
        // What this has come to, not what the worker makes of it meanwhile.
        let task = transaction.task(id).await?;
        transaction.commit().await?;
        self.task_changes.send_replace(());
        match stopped {
            true => Ok(task),
            false => Err(Error::Conflict(format!("task {id} is {} already", task.state))),
        }
    }

    /// Deletes a task that is in a final state.
    pub async fn delete_task(&self, id: Id) -> Result<()> {
        let task = self.catalog.task(id).await?;
        if self.delete_tasks(&[id]).await? == 0 {
            return Err(Error::Conflict(format!("task {id} is {}: cancel it first", task.state)));
        }
        Ok(())
    }

    /// Deletes old tasks; gives how many.
    pub async fn purge_tasks(&self, purge: &Purge) -> Result<u64> {
        let old = |task: &Task| {
            let finished = task.finished.is_some_and(|finished| finished < purge.finished_before);
            finished && purge.states.contains(&task.state)
        };
        let tasks = self.catalog.tasks().await?;
        let ids: Vec<Id> = tasks.iter().filter(|task| old(task)).map(|task| task.id).collect();
        self.delete_tasks(&ids).await
    }

    /// So many days before now.
    pub fn days_ago(&self, days: i64) -> Timestamp {
        Timestamp::from_unix(self.now().unix() - days * 24 * 3600)
    }

    async fn delete_tasks(&self, ids: &[Id]) -> Result<u64> {
        let mut transaction = self.catalog.begin().await?;
        let deleted = transaction.delete_tasks(ids).await?;
        transaction.commit().await?;
        Ok(deleted)
    }

    /// All workers by name, and whether each was heard of lately.
    pub async fn workers(&self) -> Result<Vec<(Worker, bool)>> {
        let now = self.now().unix();
        let workers = self.catalog.workers().await?.into_iter();
        Ok(workers
            .map(|worker| (worker.heartbeat.unix() + LEASE >= now, worker))
            .map(|(on, w)| (w, on))
            .collect())
    }

    /// Carries out tasks under this name, which must be nobody else's, until `stop` is done; then gives those that
    /// run a moment to finish.
    pub async fn work(&self, name: &str, stop: impl Future<Output = ()>) -> Result<()> {
        let mut changes = self.task_changes.subscribe();
        let mut heartbeat = tokio::time::interval(HEARTBEAT);
        let mut running = JoinSet::new();
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                _ = heartbeat.tick() => report(self.beat(name).await),
                _ = changes.changed() => {}
                Some(_) = running.join_next() => {}
                () = tokio::time::sleep(POLL), if running.len() < SLOTS => {}
            }
            while running.len() < SLOTS {
                match self.claim(name).await {
                    Ok(Some(id)) => {
                        let (engine, name) = (self.clone(), name.to_owned());
                        running.spawn(async move { engine.run_task(&name, id).await });
                    }
                    Ok(None) => break,
                    Err(error) => {
                        report(Err(error));
                        break;
                    }
                }
            }
        }
        let _ = tokio::time::timeout(GRACE, async { while running.join_next().await.is_some() {} }).await;
        running.shutdown().await;
        self.leave(name).await
    }

    async fn claim(&self, worker: &str) -> Result<Option<Id>> {
        if !self.catalog.has_work().await? {
            return Ok(None);
        }
        let now = self.now();
        let mut transaction = self.catalog.begin().await?;
        let claimed = transaction.claim_task(worker, now, lease(now)).await?;
        transaction.commit().await?;
        Ok(claimed)
    }

    /// Says that a worker is there, and takes care of what those left behind that are not.
    async fn beat(&self, worker: &str) -> Result<()> {
        let now = self.now();
        let mut transaction = self.catalog.begin().await?;
        transaction.heartbeat(worker, now, lease(now)).await?;
        transaction.forget_workers(Timestamp::from_unix(now.unix() - FORGET)).await?;
        transaction.commit().await?;
        self.take_back(now, |_| true).await
    }

    /// Ends a worker; what it still has is as if its lease had run out.
    async fn leave(&self, worker: &str) -> Result<()> {
        let long_after = Timestamp::from_unix(self.now().unix() + 2 * LEASE);
        self.take_back(long_after, |task| task.worker.as_deref() == Some(worker)).await?;
        let mut transaction = self.catalog.begin().await?;
        transaction.delete_worker(worker).await?;
        transaction.commit().await
    }

    /// Has tasks whose lease has run out by `time` wait again, or fail.
    async fn take_back(&self, time: Timestamp, which: impl Fn(&Task) -> bool) -> Result<()> {
        let mut transaction = self.catalog.begin().await?;
        for (task, attempts) in transaction.abandoned_tasks(time).await? {
            if !which(&task) {
                continue;
            }
            let operation = read_operation(&task.operation);
            let again = attempts < ATTEMPTS && operation.is_ok_and(|operation| operation.may_be_repeated());
            if again && task.state == TaskState::Running {
                transaction.requeue_task(task.id).await?;
                continue;
            }
            let (state, error) = match task.state {
                TaskState::Canceling => (TaskState::Canceled, None),
                _ => (TaskState::Failed, Some("the worker that carried it out is gone")),
            };
            let ending = Ending { state, error, made: &[], progress: &task.progress, profile: None };
            transaction.end_task(task.id, task.worker.as_deref(), &ending, self.now()).await?;
        }
        transaction.commit().await?;
        self.task_changes.send_replace(());
        Ok(())
    }

    /// Carries out a task that `worker` has taken.
    async fn run_task(&self, worker: &str, id: Id) {
        let task = self.catalog.task(id).await;
        let mut profile = task.as_ref().is_ok_and(|task| task.measured).then(Profile::begin);
        let operation = task.and_then(|task| read_operation(&task.operation));
        let progress = Arc::new(TaskProgress::default());
        // A task of its own, so that a panic in it is a failure of the operation and not of the worker. The set has
        // it stopped when the worker is.
        let mut job = JoinSet::new();
        let abort = {
            let (engine, progress) = (self.clone(), progress.clone());
            job.spawn(async move { engine.carry_out(operation?, &*progress).await })
        };
        let mut changes = self.task_changes.subscribe();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut written = Vec::new();
        let done = loop {
            tokio::select! {
                Some(done) = job.join_next() => break done,
                _ = changes.changed() => {}
                _ = tick.tick() => {
                    profile.iter_mut().for_each(Profile::sample);
                    let reports = progress.reports(TaskState::Running);
                    if reports != written {
                        report(self.write_progress(id, &reports).await);
                        written = reports;
                    }
                }
            }
            // A catalog that is out of reach for a moment is asked again at the next tick.
            match self.catalog.task_state(id).await {
                Ok(Some(TaskState::Canceling)) => abort.abort(),
                Ok(_) => {}
                Err(error) => report(Err(error)),
            }
        };
        let (state, error, made) = match done {
            Ok(Ok(made)) => (TaskState::Completed, None, made),
            Ok(Err(error)) => (TaskState::Failed, Some(sentence(&error)), Vec::new()),
            Err(stopped) if stopped.is_cancelled() => (TaskState::Canceled, None, Vec::new()),
            Err(_) => {
                (TaskState::Failed, Some("internal error: the operation panicked".to_owned()), Vec::new())
            }
        };
        let reports = progress.reports(state);
        let profile = profile.and_then(|profile| profile.finish().ok());
        let (error, profile) = (error.as_deref(), profile.as_deref());
        let ending = Ending { state, error, made: &made, progress: &reports, profile };
        // What was done has to be told, or the task would seem to run for as long as this worker does.
        while let Err(error) = self.end_task(worker, id, &ending).await {
            report(Err(error));
            tokio::time::sleep(TICK).await;
        }
        self.task_changes.send_replace(());
    }

    async fn end_task(&self, worker: &str, id: Id, ending: &Ending<'_>) -> Result<()> {
        let mut transaction = self.catalog.begin().await?;
        transaction.end_task(id, Some(worker), ending, self.now()).await?;
        transaction.commit().await
    }

    async fn write_progress(&self, id: Id, reports: &[ProgressReport]) -> Result<()> {
        let mut transaction = self.catalog.begin().await?;
        transaction.set_progress(id, reports).await?;
        transaction.commit().await
    }
}

fn lease(now: Timestamp) -> Timestamp {
    Timestamp::from_unix(now.unix() + LEASE)
}

fn read_operation(operation: &Value) -> Result<Operation> {
    serde_json::from_value(operation.clone())
        .map_err(|error| Error::Internal(format!("a task's operation cannot be read: {error}")))
}

/// The message and its causes.
fn sentence(error: &Error) -> String {
    let mut sentence = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        sentence.push_str(&format!(": {error}"));
        cause = error.source();
    }
    sentence
}

/// A worker's own trouble is not its tasks'.
fn report(done: Result<()>) {
    if let Err(error) = done {
        tracing::error!("a worker could not go on: {}", sentence(&error));
    }
}

/// Collects what an operation says about its progress.
#[derive(Default)]
pub(super) struct TaskProgress {
    reports: Mutex<Vec<ProgressReport>>,
}

impl TaskProgress {
    /// The stages, the last of which is in this state.
    fn reports(&self, state: TaskState) -> Vec<ProgressReport> {
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(last) = reports.last_mut() {
            last.state = state;
        }
        reports
    }
}

impl Progress for TaskProgress {
    fn begin(&self, stage: &str, steps: Option<u64>) {
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = reports.last_mut() {
            last.state = TaskState::Completed;
        }
        reports.push(ProgressReport {
            message: stage.to_owned(),
            code: stage.replace(' ', "."),
            state: TaskState::Running,
            total: steps,
            done: 0,
            suffix: None,
        });
    }

    fn begin_bytes(&self, stage: &str, bytes: u64) {
        self.begin(stage, Some(bytes));
    }

    fn advance(&self, steps: u64) {
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = reports.last_mut() {
            last.done += steps;
        }
    }

    fn remark(&self, sentence: &str) {
        self.begin(sentence, None);
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = reports.last_mut() {
            last.code = "remark".to_owned();
        }
    }
}

/// Each resource once, for a task alone where any of the reservations says so.
pub fn alone(resources: impl IntoIterator<Item = Resource>) -> Vec<Reservation> {
    let distinct: HashSet<Resource> = resources.into_iter().collect();
    distinct.into_iter().map(|resource| Reservation { resource, exclusive: true }).collect()
}

/// What wakes those in this process who wait for something to happen to a task.
pub(super) fn changes() -> watch::Sender<()> {
    watch::Sender::new(())
}
