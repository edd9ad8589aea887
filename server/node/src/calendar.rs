//! Dates as `java.util.Date.toString` prints them, in UTC.

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// `Sun Nov 22 09:53:26 UTC 2026`, from ms since 1970.
#[must_use]
pub fn java_date(epoch_ms: i64) -> String {
    let (days, ms) = (epoch_ms.div_euclid(DAY_MS), epoch_ms.rem_euclid(DAY_MS));
    let (year, month, day) = civil(days);
    let pick = |names: &[&'static str], at: i64| -> &'static str {
        usize::try_from(at)
            .ok()
            .and_then(|at| names.get(at).copied())
            .unwrap_or("?")
    };
    let seconds = ms / 1000;
    format!(
        "{} {} {day:02} {:02}:{:02}:{:02} UTC {year}",
        pick(&WEEKDAYS, days.rem_euclid(7)),
        pick(&MONTHS, month - 1),
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// Year, month and day of the Gregorian calendar, from days since 1970-01-01.
///
/// Counts in eras of 400 years that begin in March, so that a leap day is the last of its year.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_java() {
        for (epoch_ms, expected) in [
            (0, "Thu Jan 01 00:00:00 UTC 1970"),
            (-1, "Wed Dec 31 23:59:59 UTC 1969"),
            (951_782_400_000, "Tue Feb 29 00:00:00 UTC 2000"),
            (1_795_341_206_000, "Sun Nov 22 09:53:26 UTC 2026"),
        ] {
            assert_eq!(java_date(epoch_ms), expected);
        }
    }
}
