//! Instants in whole seconds, and the clock.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use chrono::{DateTime, NaiveDateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Result};

/// Where the time comes from. Only the application reads the system's clock; tests hand in their own.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> SystemTime;

    /// Returns once so much time has passed.
    async fn sleep(&self, duration: Duration);
}

/// An instant in whole seconds UTC; as text `20250318T140442Z`, the form of checkpoint URLs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    const FORMAT: &'static str = "%Y%m%dT%H%M%SZ";

    /// From seconds since 1970.
    pub fn from_unix(seconds: i64) -> Timestamp {
        Timestamp(seconds)
    }

    /// Seconds since 1970.
    pub fn unix(self) -> i64 {
        self.0
    }

    /// The whole second that `time` lies in.
    pub fn of(time: SystemTime) -> Timestamp {
        Timestamp(time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64))
    }

    /// The beginning of this second.
    pub fn system_time(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.0.max(0) as u64)
    }

    /// The second after this one.
    pub fn next(self) -> Timestamp {
        Timestamp(self.0 + 1)
    }

    /// `18-Mar-2025 14:04`, the form of directory pages.
    pub fn for_listing(self) -> String {
        self.date_time().format("%d-%b-%Y %H:%M").to_string()
    }

    /// `2025-03-18 14:04:42 UTC`, for people.
    pub fn for_people(self) -> String {
        self.date_time().format("%Y-%m-%d %H:%M:%S UTC").to_string()
    }

    /// `Tue, 18 Mar 2025 14:04:42 GMT`, the form of HTTP headers (RFC 9110 section 5.6.7).
    pub fn http_date(self) -> String {
        self.date_time().format("%a, %d %b %Y %H:%M:%S GMT").to_string()
    }

    /// Reads an HTTP date; anything else is `None`, as RFC 9110 wants bad conditions ignored.
    pub fn from_http_date(text: &str) -> Option<Timestamp> {
        let parsed = NaiveDateTime::parse_from_str(text.trim(), "%a, %d %b %Y %H:%M:%S GMT").ok()?;
        Some(Timestamp(parsed.and_utc().timestamp()))
    }

    fn date_time(self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.0, 0).unwrap_or_default()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.date_time().format(Timestamp::FORMAT))
    }
}

impl FromStr for Timestamp {
    type Err = Error;

    /// Only a real date and time in the exact form: ASCII digits, no leap second.
    fn from_str(text: &str) -> Result<Timestamp> {
        let wrong = || Error::Invalid(format!("'{text}' is not a time of the form 20250318T140442Z"));
        if text.len() != 16 || !text.is_ascii() {
            return Err(wrong());
        }
        let parsed = NaiveDateTime::parse_from_str(text, Timestamp::FORMAT).map_err(|_| wrong())?;
        let time = Timestamp(parsed.and_utc().timestamp());
        // chrono takes second 60 and signs or blanks for digits; writing it back shows them.
        if time.to_string() == text { Ok(time) } else { Err(wrong()) }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_reads_back_what_it_writes() {
        let time = Timestamp::from_unix(1_742_306_682);
        assert_eq!(time.to_string(), "20250318T140442Z");
        assert_eq!("20250318T140442Z".parse::<Timestamp>().unwrap(), time);
        assert_eq!(Timestamp::from_http_date(&time.http_date()), Some(time));
        assert_eq!(time.for_listing(), "18-Mar-2025 14:04");
    }

    #[test]
    fn impossible_and_malformed_times_are_refused() {
        for text in [
            "invalid_ts",
            "20259928T092752Z",
            "99990115T181699Z",
            "20250318T140460Z",
            "20250229T000000Z",
            "20250318T140442",
            "20250318T140442ZZ",
            "2025031８T140442Z",
            "+2025318T140442Z",
            " 0250318T140442Z",
        ] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }
}
