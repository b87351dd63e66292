//! Points in time as kafka-consumer-groups takes them: ISO dates and ISO durations.

use std::time::Duration;

const SECOND_MS: i64 = 1000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Milliseconds since 1970 of `YYYY-MM-DDThh:mm:ss[.sss]`, with `Z`, `+hh`, `+hhmm` or `+hh:mm` behind it; UTC without.
pub fn date_time(text: &str) -> Option<i64> {
    let (date, time) = text.split_once('T')?;
    let mut date = date.splitn(3, '-').map(digits);
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let zone_at = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (time, zone) = time.split_at_checked(zone_at)?;
    let mut time = time.splitn(3, ':');
    let (hour, minute) = (digits(time.next()?)?, digits(time.next()?)?);
    let seconds = time.next()?;
    let (second, ms) = match seconds.split_once('.') {
        // As Java reads it: the digits are a number of milliseconds, not a fraction.
        Some((second, ms)) if ms.len() <= 3 => (digits(second)?, digits(ms)?),
        Some(_) => return None,
        None => (digits(seconds)?, 0),
    };
    let days = days_since_1970(year, month, day)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let of_day = hour * HOUR_MS + minute * MINUTE_MS + second * SECOND_MS + ms;
    days.checked_mul(DAY_MS)?.checked_add(of_day)?.checked_sub(zone_ms(zone)?)
}

/// Milliseconds of a duration as `java.time.Duration` reads it: `PnDTnHnMn.nS`, with signs, in any case of its letters.
pub fn duration_ms(text: &str) -> Option<i64> {
    let upper = text.to_ascii_uppercase();
    let (sign, rest) = signed(&upper);
    let rest = rest.strip_prefix('P')?;
    let (days, time) = match rest.split_once('T') {
        Some((_, "")) => return None,
        Some((days, time)) => (days, time),
        None => (rest, ""),
    };
    if days.is_empty() && time.is_empty() {
        return None;
    }
    let mut total: i64 = 0;
    if !days.is_empty() {
        total = whole(days.strip_suffix('D')?)?.checked_mul(DAY_MS)?;
    }
    let mut rest = time;
    for (unit, ms) in [('H', HOUR_MS), ('M', MINUTE_MS)] {
        if let Some((number, behind)) = rest.split_once(unit) {
            total = total.checked_add(whole(number)?.checked_mul(ms)?)?;
            rest = behind;
        }
    }
    if !rest.is_empty() {
        total = total.checked_add(seconds_ms(rest.strip_suffix('S')?)?)?;
    }
    total.checked_mul(sign)
}

/// The time so long before now, in milliseconds since 1970.
pub fn before(now: Duration, ms: i64) -> Option<i64> {
    i64::try_from(now.as_millis()).ok()?.checked_sub(ms)
}

fn digits(text: &str) -> Option<i64> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

fn signed(text: &str) -> (i64, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    }
}

fn whole(text: &str) -> Option<i64> {
    let (sign, number) = signed(text);
    digits(number)?.checked_mul(sign)
}

fn seconds_ms(text: &str) -> Option<i64> {
    let (sign, number) = signed(text);
    let (seconds, fraction) = number.split_once(['.', ',']).unwrap_or((number, "0"));
    if fraction.len() > 9 {
        return None;
    }
    let thousandths = digits(format!("{fraction:0<3}").get(..3)?)?;
    digits(fraction)?;
    digits(seconds)?.checked_mul(SECOND_MS)?.checked_add(thousandths)?.checked_mul(sign)
}

fn zone_ms(zone: &str) -> Option<i64> {
    if zone.is_empty() || zone == "Z" {
        return Some(0);
    }
    let (sign, rest) = signed(zone);
    let (hours, minutes) = match rest.len() {
        2 => (rest, "00"),
        4 => rest.split_at_checked(2)?,
        5 => rest.split_once(':')?,
        _ => return None,
    };
    let (hours, minutes) = (digits(hours)?, digits(minutes)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * HOUR_MS + minutes * MINUTE_MS))
}

/// Days of the Gregorian calendar, by the count of days from the first of March of the year 0.
fn days_since_1970(year: i64, month: i64, day: i64) -> Option<i64> {
    const MARCH_0_TO_1970: i64 = 719_468;
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=length).contains(&day) || year > 9999 {
        return None;
    }
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    Some(year * 365 + leap_days + (153 * month + 2) / 5 + day - 1 - MARCH_0_TO_1970)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_utc_unless_they_say_otherwise() {
        for (text, ms) in [
            ("1970-01-01T00:00:00.000", 0),
            ("2026-11-21T06:13:00.952", 1_795_241_580_952),
            ("2026-11-21T06:13:00.952Z", 1_795_241_580_952),
            ("2026-11-21T07:13:00.952+01:00", 1_795_241_580_952),
            ("2026-11-21T01:13:00.952-05", 1_795_241_580_952),
            ("2026-11-21T07:13:00.952+0100", 1_795_241_580_952),
            ("2024-02-29T23:59:59.999", 1_709_251_199_999),
            ("2026-11-21T06:13:07", 1_795_241_587_000),
            ("1969-12-31T23:59:59.000Z", -1000),
        ] {
            assert_eq!(date_time(text), Some(ms), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "yesterday",
            "2026-11-21",
            "2026-11-21T",
            "2026-11-21T06",
            "2026-11-21T06:13",
            "2026-02-29T00:00:00.000",
            "2026-13-01T00:00:00.000",
            "2026-11-21T24:00:00.000",
            "2026-11-21T06:13:00.0000",
            "2026-11-21T06:13:00.000+1",
            "2026-11-21T06:13:00.000+25:00",
            "-1-01-01T00:00:00.000",
            "2026-11-21T06:é3:00.000",
            "99999999999999999999-01-01T00:00:00.000",
        ] {
            assert_eq!(date_time(text), None, "{text}");
        }
    }

    #[test]
    fn durations_are_those_of_java() {
        for (text, ms) in [
            ("PT0S", 0),
            ("P1D", DAY_MS),
            ("P2DT3H4M", 2 * DAY_MS + 3 * HOUR_MS + 4 * MINUTE_MS),
            ("PT20.345S", 20_345),
            ("pt15m", 15 * MINUTE_MS),
            ("PT-6H3M", -6 * HOUR_MS + 3 * MINUTE_MS),
            ("-PT6H", -6 * HOUR_MS),
            ("PT1.5S", 1500),
        ] {
            assert_eq!(duration_ms(text), Some(ms), "{text}");
        }
        for text in ["", "P", "PT", "5m", "1D", "P1DT", "P1H", "PT1D", "PT1S1M", "PT1.S", "PT.5S", "P1.5D"] {
            assert_eq!(duration_ms(text), None, "{text}");
        }
    }
}
