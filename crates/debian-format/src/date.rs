//! Dates in the form Release files use, `Tue, 18 Mar 2025 14:04:42 UTC` (RFC 1123, RFC 2822 3.3).
//!
//! Times are seconds since 1970-01-01 00:00:00 UTC, as everywhere on Unix: no leap seconds.

use crate::error::{Error, Result, clip};

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAY: i64 = 86_400;

/// The calendar repeats itself after 400 years.
const CYCLE_YEARS: i64 = 400;
const CYCLE_DAYS: i64 = 146_097;

/// Days from 0000-03-01 to 1970-01-01.
const EPOCH: i64 = 719_468;

/// Writes a time in seconds since 1970 the way dak and apt-ftparchive do.
///
/// # Errors
/// [`Error::Date`] for a time outside of the years 0 to 9999, which the form cannot express.
pub fn format(seconds: i64) -> Result<String> {
    let days = seconds.div_euclid(DAY);
    let time = seconds.rem_euclid(DAY);
    let (year, month, day) = civil_from_days(days);
    if !(0..=9999).contains(&year) {
        let why = "is not in a year from 0 to 9999";
        return Err(Error::Date { text: seconds.to_string(), why });
    }
    // 1970-01-01 was a Thursday.
    let weekday = DAYS[(days + 3).rem_euclid(7) as usize];
    let month = MONTHS[month as usize - 1];
    let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
    Ok(format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} UTC"))
}

/// Reads a date as apt does: the day of the month with one or two digits, the zone `UTC`, `GMT`, `Z` or
/// `+0000`. The name of the weekday must be one, but, as in apt, need not be the right one.
///
/// # Errors
/// [`Error::Date`].
pub fn parse(text: &str) -> Result<i64> {
    read(text).ok_or_else(|| Error::Date {
        text: clip(text),
        why: "is not of the form \"Tue, 18 Mar 2025 14:04:42 UTC\"",
    })
}

fn read(text: &str) -> Option<i64> {
    let mut words = text.split_ascii_whitespace();
    let weekday = words.next()?.strip_suffix(',')?;
    let day = number(words.next()?, 1..=2)?;
    let month = words.next()?;
    let year = number(words.next()?, 4..=4)?;
    let mut clock = words.next()?.split(':');
    let mut unit = |below| clock.next().and_then(|digits| number(digits, 2..=2)).filter(|n| *n < below);
    let (hour, minute, second) = (unit(24)?, unit(60)?, unit(60)?);
    let zone = words.next()?;
    if clock.next().is_some() || words.next().is_some() {
        return None;
    }
    if !DAYS.contains(&weekday) || !matches!(zone, "UTC" | "GMT" | "Z" | "+0000") {
        return None;
    }
    let month = MONTHS.iter().position(|name| *name == month)? as i64 + 1;
    let days = days_from_civil(year, month, day);
    // A day the month does not have, such as 30 February, comes back as another date.
    (civil_from_days(days) == (year, month, day)).then_some(days * DAY + hour * 3600 + minute * 60 + second)
}

fn number(digits: &str, length: std::ops::RangeInclusive<usize>) -> Option<i64> {
    let plain = length.contains(&digits.len()) && digits.bytes().all(|c| c.is_ascii_digit());
    digits.parse().ok().filter(|_| plain)
}

/// Days since 1970-01-01 of a date of the Gregorian calendar. Years are counted from March, which puts
/// the leap day at their end.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month < 3 { year - 1 } else { year };
    let months_since_march = (month + 9) % 12;
    let (cycle, year) = (year.div_euclid(CYCLE_YEARS), year.rem_euclid(CYCLE_YEARS));
    // From March on, five months have 153 days, and so on again.
    let days_before_month = (153 * months_since_march + 2) / 5;
    cycle * CYCLE_DAYS + year * 365 + year / 4 - year / 100 + days_before_month + day - 1 - EPOCH
}

/// The inverse of [`days_from_civil`]: year, month and day.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + EPOCH;
    let (cycle, day) = (days.div_euclid(CYCLE_DAYS), days.rem_euclid(CYCLE_DAYS));
    // Take out the leap days before this one: the last day of each 4 years, but not of 100, but of 400.
    let year = (day - day / 1460 + day / 36_524 - day / (CYCLE_DAYS - 1)) / 365;
    let day = day - (year * 365 + year / 4 - year / 100);
    let months_since_march = (5 * day + 2) / 153;
    let month = (months_since_march + 2) % 12 + 1;
    let year = cycle * CYCLE_YEARS + year + i64::from(month < 3);
    (year, month, day - (153 * months_since_march + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_known_date_is_written_as_dak_does() {
        assert_eq!(format(1_742_306_682).unwrap(), "Tue, 18 Mar 2025 14:04:42 UTC");
        assert_eq!(format(0).unwrap(), "Thu, 01 Jan 1970 00:00:00 UTC");
        assert_eq!(format(951_782_400).unwrap(), "Tue, 29 Feb 2000 00:00:00 UTC");
        assert_eq!(format(-1).unwrap(), "Wed, 31 Dec 1969 23:59:59 UTC");
    }

    #[test]
    fn the_forms_of_apt_are_read() {
        for text in [
            "Tue, 18 Mar 2025 14:04:42 UTC",
            "Tue, 18 Mar 2025 14:04:42 GMT",
            "Tue, 18 Mar 2025 14:04:42 Z",
            "Tue, 18 Mar 2025 14:04:42 +0000",
            "Mon, 18 Mar 2025 14:04:42 UTC",
        ] {
            assert_eq!(parse(text).unwrap(), 1_742_306_682, "{text}");
        }
        assert_eq!(parse("Sat,  1 Nov 2025 00:00:00 UTC").unwrap(), 1_761_955_200);
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "2025-03-18T14:04:42Z",
            "Tue, 18 Mar 2025 14:04:42 +0100",
            "Tue, 18 Mar 2025 14:04:42",
            "Tue, 18 Mar 25 14:04:42 UTC",
            "Tue, 30 Feb 2025 14:04:42 UTC",
            "Tue, 29 Feb 2025 14:04:42 UTC",
            "Tue, 0 Mar 2025 14:04:42 UTC",
            "Tue, 18 Mar 2025 24:04:42 UTC",
            "Tue, 18 Mar 2025 14:04:60 UTC",
            "Tue, 18 Mar 2025 14:04:42:00 UTC",
            "Tue, +8 Mar 2025 14:04:42 UTC",
            "Xyz, 18 Mar 2025 14:04:42 UTC",
            "Tue, 18 Mar 2025 14:04:42 UTC UTC",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_day_of_the_years_comes_back() {
        for day in -720_000..2_940_000 {
            let (year, month, date) = civil_from_days(day);
            assert_eq!(days_from_civil(year, month, date), day);
        }
    }

    proptest! {
        #[test]
        fn a_written_date_reads_back(seconds in -62_167_219_200i64..253_402_300_800) {
            prop_assert_eq!(parse(&format(seconds).unwrap()).unwrap(), seconds);
        }

        #[test]
        fn no_time_makes_it_panic(seconds: i64, text: String) {
            let _ = format(seconds);
            let _ = parse(&text);
        }
    }
}
