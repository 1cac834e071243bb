//! How much memory a process has while it carries out a task, for those who ask for it with the task.

use std::time::Instant;

use serde::Serialize;

/// What was measured so far.
pub(super) struct Profile {
    begun: Instant,
    samples: Vec<Sample>,
}

/// The process at one moment. What other tasks of it take is counted, too.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct Sample {
    /// Since the task was begun.
    seconds: f64,
    /// What of the process is in memory.
    resident_bytes: u64,
}

impl Profile {
    pub(super) fn begin() -> Profile {
        let mut profile = Profile { begun: Instant::now(), samples: Vec::new() };
        profile.sample();
        profile
    }

    /// Looks once more. Where the system does not say, nothing is noted.
    pub(super) fn sample(&mut self) {
        let seconds = self.begun.elapsed().as_secs_f64();
        let sample = |resident_bytes| Sample { seconds, resident_bytes };
        self.samples.extend(resident_bytes().map(sample));
    }

    /// All samples, as JSON.
    pub(super) fn finish(mut self) -> serde_json::Result<String> {
        self.sample();
        serde_json::to_string(&self.samples)
    }
}

/// proc_pid_statm(5): the second number counts the pages that are in memory.
fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}
