use longhaul_core::TimeMs;

const DAY_MS: u64 = 86_400_000;
/// The longest month, in days.
const MONTH_DAYS_MAX: u64 = 31;

/// A time as ISO 8601 with milliseconds, in UTC.
pub(crate) fn iso8601(at: TimeMs) -> String {
    let (year, month, day) = civil(at / DAY_MS);
    let ms = at % DAY_MS;
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
    let ms = ms % 1_000;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

/// The first millisecond of the next month in UTC.
pub(crate) fn next_month(now: TimeMs) -> TimeMs {
    let first_day = |days: u64| {
        let (_, _, day) = civil(days);
        days + 1 - day
    };
    first_day(first_day(now / DAY_MS) + MONTH_DAYS_MAX) * DAY_MS
}

/// Year, month and day of a day since 1970-01-01. In the count that begins with a March the leap day is a year's last
/// day, and months have 153 days in five.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let (month, later) = if march_month < 10 { (march_month + 3, 0) } else { (march_month - 9, 1) };
    (era * 400 + year + later, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times_are_written_as_they_are_known() {
        let table = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_234_567_890_123, "2009-02-13T23:31:30.123Z"),
            (1_800_000_000_007, "2027-01-15T08:00:00.007Z"),
            (4_107_542_399_000, "2100-02-28T23:59:59.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ];
        for (at, text) in table {
            assert_eq!(iso8601(at), text);
        }
    }

    /// Three years around a leap year: each day follows the one before.
    #[test]
    fn no_day_is_left_out() {
        let (mut year, mut month, mut day) = (2027, 1_usize, 1);
        for days in 20_819..20_819 + 3 * 365 {
            assert_eq!(civil(days), (year, u64::try_from(month).unwrap(), day));
            let february = if year == 2028 { 29 } else { 28 };
            let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
            day += 1;
            if day > lengths[month - 1] {
                (month, day) = (month + 1, 1);
            }
            if month > 12 {
                (year, month) = (year + 1, 1);
            }
        }
    }

    #[test]
    fn the_next_month_begins_at_its_first_midnight() {
        let table = [
            (1_800_000_000_007, "2027-02-01T00:00:00.000Z"),
            (1_801_439_999_999, "2027-02-01T00:00:00.000Z"),
            (1_801_440_000_000, "2027-03-01T00:00:00.000Z"),
            (951_782_399_999, "2000-03-01T00:00:00.000Z"),
            (946_684_799_999, "2000-01-01T00:00:00.000Z"),
            (946_684_800_000, "2000-02-01T00:00:00.000Z"),
        ];
        for (now, text) in table {
            assert_eq!(iso8601(next_month(now)), text, "{}", iso8601(now));
        }
    }
}
