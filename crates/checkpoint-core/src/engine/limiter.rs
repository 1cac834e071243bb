//! Keeping below a rate that the maintainer of an upstream asks for.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::time::Clock;

/// Lets so many units (requests, bytes) pass in a second, however many ask at once.
pub(super) struct Limiter {
    rate: f64,
    /// When the next one may pass.
    next: Mutex<SystemTime>,
}

impl Limiter {
    /// `rate` units in a second; it has to be positive.
    pub(super) fn new(rate: f64) -> Limiter {
        Limiter { rate, next: Mutex::new(SystemTime::UNIX_EPOCH) }
    }

    /// Returns once `units` may pass.
    pub(super) async fn pass(&self, units: f64, clock: &dyn Clock) {
        let wait = self.reserve(units, clock.now());
        if !wait.is_zero() {
            clock.sleep(wait).await;
        }
    }

    /// Takes the next free time for `units`; says how far it is away.
    fn reserve(&self, units: f64, now: SystemTime) -> Duration {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = (*next).max(now);
        *next = begin + Duration::from_secs_f64(units / self.rate);
        begin.duration_since(now).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_in_a_second_is_the_rate() {
        let (limiter, now) = (Limiter::new(10.0), SystemTime::UNIX_EPOCH + Duration::from_secs(1000));
        let waits: Vec<Duration> = (0..21).map(|_| limiter.reserve(1.0, now)).collect();
        assert_eq!(
            (waits[0], waits[10], waits[20]),
            (Duration::ZERO, Duration::from_secs(1), Duration::from_secs(2))
        );
        assert_eq!(
            limiter.reserve(1.0, now + Duration::from_secs(60)),
            Duration::ZERO,
            "rest is not saved up"
        );
        assert_eq!(limiter.reserve(1.0, now + Duration::from_secs(60)), Duration::from_millis(100));
    }
}
