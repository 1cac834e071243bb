//! Tasks, what they hold, and workers.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row as _};

use super::rows::{Get as _, list, values};
use super::{Catalog, Transaction};
use crate::error::{Error, Result};
use crate::model::Id;
use crate::task::{ProgressReport, Reservation, Resource, Task, TaskState, Worker};
use crate::time::Timestamp;

const SELECT: &str = "SELECT t.id, t.name, t.operation, t.state, t.created, t.unblocked, t.started, t.finished, \
     t.worker, t.error, t.progress, t.made, t.reservations, t.created_by, t.correlation, t.measured FROM task t";

/// That no older task which is not finished holds, or waits for, something that task `t` needs for itself; or
/// holds for itself something that `t` needs.
const UNBLOCKED: &str = "NOT EXISTS (SELECT 1 FROM task_reservation mine \
     JOIN task_reservation theirs ON theirs.resource = mine.resource \
     WHERE mine.task = t.id AND theirs.task < t.id AND mine.exclusive + theirs.exclusive > 0)";

/// A task about to be recorded.
#[derive(Debug)]
pub struct NewTask<'a> {
    /// As in [`Task`].
    pub name: &'a str,
    /// As in [`Task`].
    pub operation: &'a Value,
    /// As in [`Task`].
    pub reservations: &'a [Reservation],
    /// As in [`Task`].
    pub created_by: Option<&'a str>,
    /// As in [`Task`].
    pub correlation: &'a str,
    /// As in [`Task`].
    pub measured: bool,
}

/// How a task ended.
#[derive(Debug)]
pub struct Ending<'a> {
    /// A final state.
    pub state: TaskState,
    /// Why it failed.
    pub error: Option<&'a str>,
    /// What it made.
    pub made: &'a [Resource],
    /// How far its stages came.
    pub progress: &'a [ProgressReport],
    /// What was measured of it, as JSON.
    pub profile: Option<&'a str>,
}

impl Catalog {
    /// All tasks, newest first.
    pub async fn tasks(&self) -> Result<Vec<Task>> {
        let sql = AssertSqlSafe(format!("{SELECT} ORDER BY t.id DESC"));
        let rows = sqlx::query(sql).fetch_all(&self.pool).await;
        rows.and_then(|rows| rows.iter().map(task).collect()).map_err(Error::db("list tasks"))
    }

    /// The task of that row.
    pub async fn task(&self, id: Id) -> Result<Task> {
        find(&self.pool, id).await
    }

    /// What was measured of a task that has ended, as JSON; `None` if nothing was.
    pub async fn task_profile(&self, id: Id) -> Result<Option<String>> {
        let row =
            sqlx::query("SELECT profile FROM task WHERE id = $1").bind(id).fetch_optional(&self.pool).await;
        row.and_then(|row| row.map_or(Ok(None), |row| row.try_get(0))).map_err(Error::db("look at a task"))
    }

    /// Where a task stands; `None` if there is no such task any more.
    pub async fn task_state(&self, id: Id) -> Result<Option<TaskState>> {
        let row =
            sqlx::query("SELECT state FROM task WHERE id = $1").bind(id).fetch_optional(&self.pool).await;
        row.and_then(|row| row.as_ref().map(|row| row.parsed(0)).transpose())
            .map_err(Error::db("look at a task"))
    }

    /// Whether a task waits that nothing stands in the way of.
    pub async fn has_work(&self) -> Result<bool> {
        let sql = AssertSqlSafe(format!(
            "SELECT t.id FROM task t WHERE t.state = 'waiting' AND {UNBLOCKED} LIMIT 1"
        ));
        let row = sqlx::query(sql).fetch_optional(&self.pool).await;
        row.map(|row| row.is_some()).map_err(Error::db("look for tasks"))
    }

    /// All workers by name, those that are gone too.
    pub async fn workers(&self) -> Result<Vec<Worker>> {
        let sql = "SELECT w.id, w.name, w.started, w.heartbeat, (SELECT MAX(t.id) FROM task t \
             WHERE t.worker = w.name AND t.state IN ('running', 'canceling')) FROM worker w ORDER BY w.name";
        let rows = sqlx::query(sql).fetch_all(&self.pool).await;
        let worker = |row: &AnyRow| {
            Ok(Worker {
                id: row.integer(0)?,
                name: row.text(1)?,
                started: row.time(2)?,
                heartbeat: row.time(3)?,
                task: row.try_get(4)?,
            })
        };
        rows.and_then(|rows| rows.iter().map(worker).collect()).map_err(Error::db("list workers"))
    }
}

async fn find<'e>(database: impl sqlx::Executor<'e, Database = sqlx::Any>, id: Id) -> Result<Task> {
    let sql = AssertSqlSafe(format!("{SELECT} WHERE t.id = $1"));
    let row = sqlx::query(sql).bind(id).fetch_optional(database).await;
    let read = row.and_then(|row| row.as_ref().map(task).transpose()).map_err(Error::db("find a task"))?;
    read.ok_or_else(|| Error::NotFound { what: "task", name: id.to_string() })
}

fn task(row: &AnyRow) -> sqlx::Result<Task> {
    let time =
        |column| Ok::<_, sqlx::Error>(row.try_get::<Option<i64>, _>(column)?.map(Timestamp::from_unix));
    Ok(Task {
        id: row.integer(0)?,
        name: row.text(1)?,
        operation: row.json(2)?,
        state: row.parsed(3)?,
        created: row.time(4)?,
        unblocked: time(5)?,
        started: time(6)?,
        finished: time(7)?,
        worker: row.try_get(8)?,
        error: row.try_get(9)?,
        progress: decoded(row, 10)?,
        made: decoded(row, 11)?,
        reservations: decoded(row, 12)?,
        created_by: row.try_get(13)?,
        correlation: row.text(14)?,
        measured: row.flag(15)?,
    })
}

fn decoded<T: DeserializeOwned>(row: &AnyRow, column: usize) -> sqlx::Result<T> {
    serde_json::from_value(row.json(column)?).map_err(|error| sqlx::Error::Decode(error.into()))
}

fn encoded(value: &(impl Serialize + ?Sized)) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| Error::Internal(format!("a task cannot be written: {error}")))
}

impl Transaction {
    /// The task of that row, as it is once this is committed.
    pub async fn task(&mut self, id: Id) -> Result<Task> {
        find(self.connection(), id).await
    }

    /// Records a task that waits.
    pub async fn create_task(&mut self, new: &NewTask<'_>, now: Timestamp) -> Result<Id> {
        let doing = "record a task";
        let sql = "INSERT INTO task (name, operation, state, created, attempts, progress, made, reservations, \
             created_by, correlation, measured) VALUES ($1, $2, 'waiting', $3, 0, '[]', '[]', $4, $5, $6, $7) RETURNING id";
        let query =
            sqlx::query(sql).bind(new.name.to_owned()).bind(new.operation.to_string()).bind(now.unix());
        let query = query.bind(encoded(new.reservations)?).bind(new.created_by.map(str::to_owned));
        let query = query.bind(new.correlation.to_owned()).bind(i64::from(new.measured));
        let row = query.fetch_one(self.connection()).await;
        let id = row.and_then(|row| row.integer(0)).map_err(Error::db(doing))?;
        let mut locks: Vec<(String, bool)> =
            new.reservations.iter().map(|wanted| (wanted.resource.lock(), wanted.exclusive)).collect();
        // The exclusive one of two for the same resource comes first and stays.
        locks.sort_by(|left, right| (&left.0, !left.1).cmp(&(&right.0, !right.1)));
        locks.dedup_by(|later, first| later.0 == first.0);
        if !locks.is_empty() {
            let head = "INSERT INTO task_reservation (task, resource, exclusive)";
            let mut query = sqlx::query(values(head, locks.len(), 3, ""));
            for (resource, exclusive) in locks {
                query = query.bind(id).bind(resource).bind(i64::from(exclusive));
            }
            query.execute(self.connection()).await.map_err(Error::db(doing))?;
        }
        Ok(id)
    }

    /// Gives the oldest task that nothing stands in the way of to a worker, for as long as the lease runs.
    pub async fn claim_task(&mut self, worker: &str, now: Timestamp, lease: Timestamp) -> Result<Option<Id>> {
        // Between the two another worker may take it; then this one looks again when it is told to.
        let sql = AssertSqlSafe(format!(
            "UPDATE task SET state = 'running', worker = $1, unblocked = $2, started = $2, lease = $3, \
             attempts = attempts + 1 WHERE state = 'waiting' AND id = \
             (SELECT MIN(t.id) FROM task t WHERE t.state = 'waiting' AND {UNBLOCKED}) RETURNING id"
        ));
        let query = sqlx::query(sql).bind(worker.to_owned()).bind(now.unix()).bind(lease.unix());
        let row = query.fetch_optional(self.connection()).await;
        row.and_then(|row| row.map(|row| row.integer(0)).transpose()).map_err(Error::db("take a task"))
    }

    /// Says that a worker is there, and prolongs the leases of its tasks.
    pub async fn heartbeat(&mut self, worker: &str, now: Timestamp, lease: Timestamp) -> Result<()> {
        let doing = "say that a worker is there";
        let sql = "INSERT INTO worker (name, started, heartbeat) VALUES ($1, $2, $2) \
             ON CONFLICT (name) DO UPDATE SET heartbeat = $2";
        let query = sqlx::query(sql).bind(worker.to_owned()).bind(now.unix());
        query.execute(self.connection()).await.map_err(Error::db(doing))?;
        let sql = "UPDATE task SET lease = $1 WHERE worker = $2 AND state IN ('running', 'canceling')";
        let query = sqlx::query(sql).bind(lease.unix()).bind(worker.to_owned());
        query.execute(self.connection()).await.map(drop).map_err(Error::db(doing))
    }

    /// Forgets workers that were not heard of since `before`.
    pub async fn forget_workers(&mut self, before: Timestamp) -> Result<()> {
        let query = sqlx::query("DELETE FROM worker WHERE heartbeat < $1").bind(before.unix());
        query.execute(self.connection()).await.map(drop).map_err(Error::db("forget workers"))
    }

    /// Forgets a worker that has ended.
    pub async fn delete_worker(&mut self, name: &str) -> Result<()> {
        let query = sqlx::query("DELETE FROM worker WHERE name = $1").bind(name.to_owned());
        query.execute(self.connection()).await.map(drop).map_err(Error::db("forget a worker"))
    }

    /// The tasks whose lease has run out, each with how often it was begun.
    pub async fn abandoned_tasks(&mut self, now: Timestamp) -> Result<Vec<(Task, i64)>> {
        let sql = AssertSqlSafe(
            format!("{SELECT} WHERE t.state IN ('running', 'canceling') AND t.lease < $1 ORDER BY t.id")
                .replacen(" FROM task t", ", t.attempts FROM task t", 1),
        );
        let rows = sqlx::query(sql).bind(now.unix()).fetch_all(self.connection()).await;
        let pair = |row: &AnyRow| Ok((task(row)?, row.integer(15)?));
        rows.and_then(|rows| rows.iter().map(pair).collect()).map_err(Error::db("look for abandoned tasks"))
    }

    /// Has a task that was begun wait again.
    pub async fn requeue_task(&mut self, id: Id) -> Result<()> {
        let sql = "UPDATE task SET state = 'waiting', worker = NULL, started = NULL WHERE id = $1";
        let done = sqlx::query(sql).bind(id).execute(self.connection()).await;
        done.map(drop).map_err(Error::db("put a task back"))
    }

    /// Records how far a task is.
    pub async fn set_progress(&mut self, id: Id, progress: &[ProgressReport]) -> Result<()> {
        let query =
            sqlx::query("UPDATE task SET progress = $1 WHERE id = $2").bind(encoded(progress)?).bind(id);
        query.execute(self.connection()).await.map(drop).map_err(Error::db("record progress"))
    }

    /// Puts a task that `worker` has, or that waits where no worker is named, into its final state, and sets free
    /// what it held. Gives whether it did.
    pub async fn end_task(
        &mut self,
        id: Id,
        worker: Option<&str>,
        ending: &Ending<'_>,
        now: Timestamp,
    ) -> Result<bool> {
        let doing = "end a task";
        let condition = match worker {
            Some(_) => "worker = $7 AND state IN ('running', 'canceling')",
            None => "worker IS NULL AND state = 'waiting' AND $7 = ''",
        };
        let sql = AssertSqlSafe(format!(
            "UPDATE task SET state = $1, error = $2, made = $3, progress = $4, finished = $5, profile = $8 \
             WHERE id = $6 AND {condition}"
        ));
        let query = sqlx::query(sql).bind(ending.state.as_str().to_owned());
        let query = query.bind(ending.error.map(str::to_owned)).bind(encoded(ending.made)?);
        let query = query.bind(encoded(ending.progress)?).bind(now.unix()).bind(id);
        let query = query.bind(worker.unwrap_or_default().to_owned()).bind(ending.profile.map(str::to_owned));
        let done = query.execute(self.connection()).await;
        if done.map_err(Error::db(doing))?.rows_affected() == 0 {
            return Ok(false);
        }
        let query = sqlx::query("DELETE FROM task_reservation WHERE task = $1").bind(id);
        query.execute(self.connection()).await.map_err(Error::db(doing))?;
        Ok(true)
    }

    /// Asks the worker of a running task to stop; gives whether it runs.
    pub async fn stop_task(&mut self, id: Id) -> Result<bool> {
        let sql = "UPDATE task SET state = 'canceling' WHERE id = $1 AND state IN ('running', 'canceling')";
        let done = sqlx::query(sql).bind(id).execute(self.connection()).await;
        done.map(|done| done.rows_affected() > 0).map_err(Error::db("stop a task"))
    }

    /// Deletes tasks in a final state; gives how many there were.
    pub async fn delete_tasks(&mut self, ids: &[Id]) -> Result<u64> {
        let mut deleted = 0;
        for some in ids.chunks(super::rows::batch(1)) {
            let tail = "AND state IN ('completed', 'failed', 'canceled')";
            let sql = list("DELETE FROM task WHERE id IN", 1, some.len(), tail);
            let query = some.iter().fold(sqlx::query(sql), |query, id| query.bind(*id));
            let done = query.execute(self.connection()).await.map_err(Error::db("delete tasks"))?;
            deleted += done.rows_affected();
        }
        Ok(deleted)
    }
}
