//! A clock that goes only when it is told to, or when somebody sleeps.

use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use checkpoint_core::time::{Clock, Timestamp};

/// The clock.
pub struct ManualClock(Mutex<SystemTime>);

impl ManualClock {
    /// At the beginning of a second.
    pub fn at(time: Timestamp) -> ManualClock {
        ManualClock(Mutex::new(time.system_time()))
    }

    /// Lets time pass.
    pub fn advance(&self, seconds: u64) {
        *self.0.lock().unwrap() += Duration::from_secs(seconds);
    }

    /// Turns the clock back, as an administrator can.
    pub fn turn_back(&self, seconds: u64) {
        *self.0.lock().unwrap() -= Duration::from_secs(seconds);
    }

    /// The second that it shows.
    pub fn timestamp(&self) -> Timestamp {
        Timestamp::of(self.now())
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> SystemTime {
        *self.0.lock().unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        *self.0.lock().unwrap() += duration;
        // Others get their turn, as they would while somebody sleeps.
        tokio::task::yield_now().await;
    }
}
