//! The time of the clock, and how Kafka's tools print it: by the patterns of `java.text.SimpleDateFormat`.

use std::fmt::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use crate::error::Failure;

/// The time since 1970.
#[expect(clippy::disallowed_methods, reason = "a tool's time is that of the clock")]
pub fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO)
}

/// A pattern with the time zone that it is printed in.
#[derive(Clone, Debug)]
pub struct DateFormat {
    pieces: Vec<Piece>,
    zone: TimeZone,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// A letter of the pattern, and how often it stands there.
    Field(char, usize),
}

/// The letters that are known. Not those of weeks: their count depends on the country.
const LETTERS: &str = "GyMLdDEuaHkKhmsSzZX";

impl DateFormat {
    /// Reads a pattern; its times are those of this machine.
    pub fn local(pattern: &str) -> Result<Self, Failure> {
        Self::new(pattern, TimeZone::system())
    }

    fn new(pattern: &str, zone: TimeZone) -> Result<Self, Failure> {
        let mut pieces: Vec<Piece> = Vec::new();
        let mut rest = pattern.chars().peekable();
        while let Some(character) = rest.next() {
            match character {
                '\'' if rest.next_if_eq(&'\'').is_some() => add_text(&mut pieces, '\''),
                '\'' => loop {
                    match rest.next() {
                        Some('\'') if rest.next_if_eq(&'\'').is_none() => break,
                        Some(quoted) => add_text(&mut pieces, quoted),
                        None => return Err(wrong(pattern, "has a quote without an end")),
                    }
                },
                letter if LETTERS.contains(letter) => {
                    let more = std::iter::from_fn(|| rest.next_if_eq(&letter)).count();
                    pieces.push(Piece::Field(letter, more + 1));
                }
                letter if letter.is_ascii_alphabetic() => {
                    return Err(wrong(pattern, &format!("has an unknown letter '{letter}'")));
                }
                other => add_text(&mut pieces, other),
            }
        }
        Ok(Self { pieces, zone })
    }

    /// The text of a time since 1970.
    pub fn format(&self, at: Duration) -> String {
        // Beyond the year 9999 no clock is right.
        let at = i64::try_from(at.as_millis()).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
        let at = at.unwrap_or(Timestamp::MAX).to_zoned(self.zone.clone());
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(piece) => text += piece,
                Piece::Field(letter, count) => write_field(&mut text, *letter, *count, &at),
            }
        }
        text
    }
}

fn wrong(pattern: &str, what: &str) -> Failure {
    Failure::usage(format!("--date-format '{pattern}' {what}"))
        .hint(format!("letters are {LETTERS}, other text stands in 'quotes'"))
}

fn add_text(pieces: &mut Vec<Piece>, character: char) {
    match pieces.last_mut() {
        Some(Piece::Text(text)) => text.push(character),
        Some(Piece::Field(..)) | None => pieces.push(Piece::Text(character.into())),
    }
}

fn write_field(text: &mut String, letter: char, count: usize, at: &Zoned) {
    let hour12 = |hour: i8| if hour % 12 == 0 { 12 } else { hour % 12 };
    let number: i64 = match letter {
        'y' if count == 2 => i64::from(at.year()) % 100,
        'y' => i64::from(at.year()),
        'M' | 'L' if count > 2 => return write_name(text, at, "%b", "%B", count),
        'M' | 'L' => at.month().into(),
        'd' => at.day().into(),
        'D' => at.day_of_year().into(),
        'E' => return write_name(text, at, "%a", "%A", count),
        'u' => at.weekday().to_monday_one_offset().into(),
        'H' => at.hour().into(),
        'k' => if at.hour() == 0 { 24 } else { at.hour() }.into(),
        'K' => (at.hour() % 12).into(),
        'h' => hour12(at.hour()).into(),
        'm' => at.minute().into(),
        's' => at.second().into(),
        'S' => at.millisecond().into(),
        'G' => return text.push_str("AD"),
        'a' => return text.push_str(if at.hour() < 12 { "AM" } else { "PM" }),
        'z' => return add(text, at.strftime("%Z")),
        'Z' => return add(text, at.strftime("%z")),
        // X
        _ if at.offset().is_zero() => return text.push('Z'),
        _ => {
            let whole = at.strftime("%:z").to_string();
            return match count {
                1 => add(text, whole.split(':').next().unwrap_or_default()),
                2 => add(text, whole.replace(':', "")),
                _ => text.push_str(&whole),
            };
        }
    };
    add(text, format_args!("{number:0count$}"));
}

fn write_name(text: &mut String, at: &Zoned, short: &str, long: &str, count: usize) {
    add(text, at.strftime(if count < 4 { short } else { long }));
}

fn add(text: &mut String, what: impl std::fmt::Display) {
    write!(text, "{what}").expect("a String takes all text");
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Duration = Duration::from_millis(1_795_821_986_053);

    fn formatted(pattern: &str, hours_east: i8) -> String {
        let zone = TimeZone::fixed(jiff::tz::offset(hours_east));
        DateFormat::new(pattern, zone).expect("a pattern").format(AT)
    }

    #[test]
    fn times_are_printed_as_java_prints_them() {
        assert_eq!(formatted("yyyy-MM-dd HH:mm:ss:SSS", 0), "2026-11-27 23:26:26:053");
        assert_eq!(formatted("yyyy-MM-dd HH:mm:ss:SSS", 1), "2026-11-28 00:26:26:053");
        assert_eq!(formatted("yy MMM MMMM EEE EEEE D u", 0), "26 Nov November Fri Friday 331 5");
        assert_eq!(formatted("h K a k", 1), "12 0 AM 24");
        assert_eq!(formatted("Z X XX XXX", 1), "+0100 +01 +0100 +01:00");
        assert_eq!(formatted("X", 0), "Z");
        assert_eq!(formatted("'at' HH 'o''clock' ''s''", 0), "at 23 o'clock '26'");
    }

    #[test]
    fn a_pattern_that_java_would_refuse_is_refused() {
        for pattern in ["yyyy-bb", "'open", "w"] {
            assert!(DateFormat::new(pattern, TimeZone::UTC).is_err(), "{pattern}");
        }
    }
}
