use longhaul_core::TimeMs;

const DAY_MS: u64 = 86_400_000;
/// The longest month, in days.
const MONTH_DAYS_MAX: u64 = 31;

/// A time as ISO 8601 with milliseconds, in UTC.
pub fn iso8601(at: TimeMs) -> String {
    let (year, month, day) = civil(at / DAY_MS);
    let ms = at % DAY_MS;
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
    let ms = ms % 1_000;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

/// The time that a text names as ISO 8601 has it: a date, which is its first moment in UTC, or a date and a time of day
/// with its distance from UTC. Years from 1970 to 9999.
pub(crate) fn parse_iso8601(text: &str) -> Option<TimeMs> {
    let (date, time) = text.split_once('T').map_or((text, None), |(date, time)| (date, Some(time)));
    let [year, month, day] = numbers(date, '-')?;
    // A month's length is not asked for: what is no date is another one when it is written.
    let days = days_of(year, month, day).filter(|days| civil(*days) == (year, month, day))?;
    let midnight = days * DAY_MS;
    let Some(time) = time else { return Some(midnight) };
    // A `+` of a query string that was not escaped is a space.
    let (time, zone) = time.split_at(time.find(['Z', '+', '-', ' '])?);
    let (time, fraction) = time.split_once('.').map_or((time, "0"), |(time, fraction)| (time, fraction));
    let [hour, minute, second] =
        numbers(time, ':').or_else(|| numbers(time, ':').map(|[hour, minute]| [hour, minute, 0]))?;
    let is_fraction = (1..=9).contains(&fraction.len()) && fraction.bytes().all(|byte| byte.is_ascii_digit());
    if hour > 23 || minute > 59 || second > 59 || !is_fraction {
        return None;
    }
    let ms: u64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let at = midnight + ((hour * 60 + minute) * 60 + second) * 1_000 + ms;
    if zone == "Z" {
        return Some(at);
    }
    let [hours, minutes] =
        numbers(zone.get(1..)?, ':').filter(|[hours, minutes]| *hours < 24 && *minutes < 60)?;
    let away = (hours * 60 + minutes) * 60_000;
    if zone.starts_with('-') { Some(at + away) } else { at.checked_sub(away) }
}

/// Numbers of two digits, or of four in a first place that a dash ends.
fn numbers<const N: usize>(text: &str, separator: char) -> Option<[u64; N]> {
    let mut parts = text.split(separator);
    let mut numbers = [0; N];
    for (at, number) in numbers.iter_mut().enumerate() {
        let part = parts.next()?;
        let len = if at == 0 && separator == '-' { 4 } else { 2 };
        let is_number = part.len() == len && part.bytes().all(|byte| byte.is_ascii_digit());
        *number = part.parse().ok().filter(|_| is_number)?;
    }
    parts.next().is_none().then_some(numbers)
}

/// Days since 1970-01-01, in the count of [`civil`]; `None` before.
fn days_of(year: u64, month: u64, day: u64) -> Option<u64> {
    let (march_year, march_month) =
        if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let days = march_year * 365 + march_year / 4 - march_year / 100 + march_year / 400;
    (days + (153 * march_month + 2) / 5 + day).checked_sub(719_468 + 1)
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

    #[test]
    fn what_is_written_is_read() {
        for at in (0..253_402_300_800_000).step_by(86_399_999 * 97) {
            assert_eq!(parse_iso8601(&iso8601(at)), Some(at));
        }
        let table = [
            ("2027-01-15", 1_799_971_200_000),
            ("2027-01-15T08:00Z", 1_800_000_000_000),
            ("2027-01-15T08:00:00Z", 1_800_000_000_000),
            ("2027-01-15T08:00:00.0071234Z", 1_800_000_000_007),
            ("2027-01-15T08:00:00.5Z", 1_800_000_000_500),
            ("2027-01-15T10:00:00+02:00", 1_800_000_000_000),
            ("2027-01-15T10:00:00 02:00", 1_800_000_000_000),
            ("2027-01-14T22:30-09:30", 1_800_000_000_000),
            ("2000-02-29", 951_782_400_000),
        ];
        for (text, at) in table {
            assert_eq!(parse_iso8601(text), Some(at), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "T",
            "2027",
            "2027-1-15",
            "2027-13-01",
            "2027-00-01",
            "2027-02-29",
            "2100-02-29",
            "2027-04-31",
            "2027-01-00",
            "2027-01-15T",
            "2027-01-15T08:00",
            "2027-01-15T24:00Z",
            "2027-01-15T08:60Z",
            "2027-01-15T08:00:60Z",
            "2027-01-15T08:00:00.Z",
            "2027-01-15T08:00:00.1234567890Z",
            "2027-01-15T08Z",
            "2027-01-15T08:00Zulu",
            "2027-01-15T08:00+2",
            "2027-01-15T08:00+24:00",
            "1969-12-31",
            "0000-01-01",
            "1970-01-01T00:00+00:01",
            "+027-01-15",
            "é027-01-15",
            "2027-01-15-01",
            "2027-01-15T08:00é",
        ] {
            assert_eq!(parse_iso8601(text), None, "{text:?}");
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
