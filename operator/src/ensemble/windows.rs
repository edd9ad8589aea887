//! When servers that work may be restarted: `spec.updates`, in a form that can be asked. Pure.

use std::ops::RangeInclusive;

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::validate::InvalidSpec;
use crate::crd::{Updates, Window};

const MINUTE_S: i64 = 60;
const DAY_S: i64 = 86_400;

/// Days of a week.
const WEEK: i64 = 7;

/// The day of the week on which unix time begins, from Monday on.
const FIRST_DAY: i64 = 3;

/// How long a window may be, s.
const DURATION_S: RangeInclusive<i64> = 10 * MINUTE_S..=DAY_S;

/// When servers that work may be restarted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpdateTimes {
    /// Not now, whatever the time is.
    paused: bool,
    /// Only in these; at any time if there are none.
    windows: Vec<WeeklyWindow>,
}

/// A window, in seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
struct WeeklyWindow {
    /// Days on which it begins, from Monday on; every day if empty.
    days: Vec<i64>,
    /// When, since midnight.
    start_s: i64,
    /// How long it lasts.
    duration_s: i64,
}

impl UpdateTimes {
    /// Reads the field of the spec.
    ///
    /// # Errors
    ///
    /// When a window is none.
    pub fn read(updates: Option<&Updates>) -> Result<Self, InvalidSpec> {
        let Some(updates) = updates else {
            return Ok(Self::default());
        };
        let window = |window: &Window| {
            let refused =
                || InvalidSpec::UpdateWindow(window.start.clone(), window.duration.clone());
            WeeklyWindow::read(window).ok_or_else(refused)
        };
        Ok(Self {
            paused: updates.paused,
            windows: updates
                .windows
                .iter()
                .map(window)
                .collect::<Result<_, _>>()?,
        })
    }

    /// Why no server that works is restarted now, as a reason and in words; `None` where one may be.
    pub fn hold(&self, now: Timestamp) -> Option<(&'static str, String)> {
        if self.paused {
            let why = "waits until spec.updates.paused is taken back";
            return Some(("UpdatesPaused", why.to_owned()));
        }
        let now_s = now.as_second();
        let mut next: Option<i64> = None;
        for window in &self.windows {
            for begin in window.begins(now_s) {
                if (begin..begin + window.duration_s).contains(&now_s) {
                    return None;
                }
                if begin > now_s && next.is_none_or(|next| begin < next) {
                    next = Some(begin);
                }
            }
        }
        // Every window begins within a week: where there is no next one, there are none.
        let next = Timestamp::from_second(next?).ok()?;
        let why = format!("waits for the window that begins at {next}");
        Some(("WaitingForWindow", why))
    }
}

impl WeeklyWindow {
    fn read(window: &Window) -> Option<Self> {
        let (hours, minutes) = window.start.split_once(':')?;
        let number = |text: &str, below: i64| {
            let plain = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
            let number: i64 = text.parse().ok()?;
            (plain && number < below).then_some(number)
        };
        let start_s = number(hours, 24)? * 60 * MINUTE_S + number(minutes, 60)? * MINUTE_S;
        let duration: SignedDuration = window.duration.parse().ok()?;
        let duration_s = duration.as_secs();
        DURATION_S.contains(&duration_s).then(|| Self {
            days: window
                .days
                .iter()
                .map(|day| i64::from(*day as u8))
                .collect(),
            start_s,
            duration_s,
        })
    }

    /// When it begins, unix time: from the day before to a week after it.
    fn begins(&self, now_s: i64) -> impl Iterator<Item = i64> {
        let today = now_s.div_euclid(DAY_S);
        let days = today - 1..=today + WEEK;
        let on = |day: &i64| {
            let of_week = (day + FIRST_DAY).rem_euclid(WEEK);
            self.days.is_empty() || self.days.contains(&of_week)
        };
        days.filter(on).map(|day| day * DAY_S + self.start_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crd::Day;

    fn times(windows: &[(&[Day], &str, &str)]) -> Result<UpdateTimes, InvalidSpec> {
        let window = |(days, start, duration): &(&[Day], &str, &str)| Window {
            days: days.to_vec(),
            start: (*start).to_owned(),
            duration: (*duration).to_owned(),
        };
        UpdateTimes::read(Some(&Updates {
            paused: false,
            windows: windows.iter().map(window).collect(),
        }))
    }

    fn hold(times: &UpdateTimes, now: &str) -> Option<String> {
        times.hold(now.parse().unwrap()).map(|(_, why)| why)
    }

    #[track_caller]
    fn next(times: &UpdateTimes, now: &str, expected: &str) {
        let expected = format!("waits for the window that begins at {expected}");
        assert_eq!(hold(times, now), Some(expected), "{now}");
    }

    #[test]
    fn without_windows_it_is_always_time() {
        assert_eq!(hold(&UpdateTimes::default(), "2026-11-30T16:00:00Z"), None);
        assert_eq!(hold(&times(&[]).unwrap(), "2026-11-30T16:00:00Z"), None);
        let paused = UpdateTimes {
            paused: true,
            windows: Vec::new(),
        };
        assert!(hold(&paused, "2026-11-30T16:00:00Z").is_some());
    }

    #[test]
    fn windows_begin_on_their_days_and_may_go_past_midnight() {
        // 30 November 2026 is a Monday.
        let nights = times(&[(&[Day::Sunday, Day::Wednesday], "23:00", "2h")]).unwrap();
        next(&nights, "2026-11-30T16:00:00Z", "2026-12-02T23:00:00Z");
        next(&nights, "2026-12-02T22:59:59Z", "2026-12-02T23:00:00Z");
        for open in [
            "2026-12-02T23:00:00Z",
            "2026-12-03T00:59:59Z",
            "2026-11-30T00:30:00Z",
        ] {
            assert_eq!(hold(&nights, open), None, "{open}");
        }
        next(&nights, "2026-12-03T01:00:00Z", "2026-12-06T23:00:00Z");
        let weekly = times(&[(&[Day::Monday], "10:00", "10m")]).unwrap();
        next(&weekly, "2026-11-30T10:10:00Z", "2026-12-07T10:00:00Z");
    }

    #[test]
    fn the_first_of_several_counts_and_no_day_is_every_day() {
        let two = times(&[(&[], "04:00", "1h"), (&[Day::Monday], "03:30", "24h")]).unwrap();
        next(&two, "2026-12-06T05:00:00Z", "2026-12-07T03:30:00Z");
        next(&two, "2026-12-05T05:00:00Z", "2026-12-06T04:00:00Z");
        assert_eq!(hold(&two, "2026-12-08T03:29:59Z"), None);
    }

    #[test]
    fn what_is_no_window_is_refused_with_what_to_write() {
        for (start, duration) in [
            ("24:00", "1h"),
            ("2:00", "1h"),
            ("02:60", "1h"),
            ("02:00", "9m"),
            ("02:00", "25h"),
            ("02:00", "long"),
            ("+2:00", "1h"),
            ("", "1h"),
        ] {
            let refused = times(&[(&[], start, duration)]).unwrap_err().to_string();
            assert!(refused.contains("write for example"), "{refused}");
        }
    }
}
