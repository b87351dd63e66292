//! Types of configuration values: what text is valid, and Kafka's words when it is not.

use std::fmt;

/// What a key's value must look like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// `true` or `false`, in any case.
    Boolean,
    /// A 32-bit number within bounds.
    Int(i64, i64),
    /// A 64-bit number within bounds.
    Long(i64, i64),
    /// A fraction within bounds.
    Double(f64, f64),
    /// One of these words; any text when there are none.
    Text(&'static [&'static str]),
    /// Words with commas between them, each one of these; any words when there are none.
    List(&'static [&'static str]),
    /// Replicas as `partition:broker` with commas between them, or `*` for all of them.
    Replicas,
    /// A number for each of some hosts, as `host:number` with commas between them.
    PerHost,
}

/// A number for a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PerHost {
    /// Its name or address.
    pub host: String,
    /// The number.
    pub count: usize,
}

/// A value that its key cannot have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Invalid value {} for configuration {}: {reason}", Quoted(value), Quoted(key))]
pub struct InvalidValue {
    /// The key.
    pub key: String,
    /// The value as it was given.
    pub value: String,
    /// What is wrong with it, in Kafka's words where it has some.
    pub reason: String,
}

/// Somebody else's text inside a message. A long one is cut: the message goes into an answer, where a string has 32,767
/// bytes at most, and beside many others.
#[derive(Debug)]
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

/// Bytes that are quoted at most: far above every valid name, and enough to tell what was meant.
const QUOTE_LEN_MAX: usize = 500;

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(text) = *self;
        if text.len() <= QUOTE_LEN_MAX {
            return f.write_str(text);
        }
        let end = (0..=QUOTE_LEN_MAX).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
        write!(f, "{}...", text.get(..end).unwrap_or_default())
    }
}

impl InvalidValue {
    /// The value and why the key cannot have it.
    pub(crate) fn new(key: &str, value: &str, reason: impl fmt::Display) -> Self {
        Self { key: key.to_owned(), value: value.to_owned(), reason: reason.to_string() }
    }
}

impl Kind {
    /// Any 32-bit number from `min` on.
    pub(crate) const fn int(min: i64) -> Self {
        Self::Int(min, i32::MAX as i64)
    }

    /// Any 64-bit number from `min` on.
    pub(crate) const fn long(min: i64) -> Self {
        Self::Long(min, i64::MAX)
    }

    /// The number that DescribeConfigs has for the type.
    pub(crate) const fn wire_type(self) -> i8 {
        match self {
            Self::Boolean => 1,
            Self::Text(_) | Self::PerHost => 2,
            Self::Int(..) => 3,
            Self::Long(..) => 5,
            Self::Double(..) => 6,
            Self::List(_) | Self::Replicas => 7,
        }
    }

    /// Whether values are lists, to which words can be added.
    pub(crate) const fn is_list(self) -> bool {
        matches!(self, Self::List(_) | Self::Replicas)
    }

    /// Says whether `value` can be the value of `key`.
    pub(crate) fn check(self, key: &str, value: &str) -> Result<(), InvalidValue> {
        let bad = |reason: &dyn fmt::Display| Err(InvalidValue::new(key, value, reason));
        match self {
            Self::Boolean => match parse_bool(value) {
                Some(_) => Ok(()),
                None => bad(&"Expected value to be either true or false"),
            },
            Self::Int(min, max) => match value.parse::<i32>() {
                Err(_) => bad(&"Not a number of type INT"),
                Ok(n) => in_bounds(i64::from(n), min, max).or_else(|reason| bad(&reason)),
            },
            Self::Long(min, max) => match value.parse::<i64>() {
                Err(_) => bad(&"Not a number of type LONG"),
                Ok(n) => in_bounds(n, min, max).or_else(|reason| bad(&reason)),
            },
            Self::Double(min, max) => match value.parse::<f64>() {
                Err(_) => bad(&"Not a number of type DOUBLE"),
                Ok(n) => in_bounds(n, min, max).or_else(|reason| bad(&reason)),
            },
            Self::Text(words) => {
                if words.is_empty() || words.contains(&value) {
                    Ok(())
                } else {
                    bad(&format_args!("String must be one of: {}", words.join(", ")))
                }
            }
            Self::Replicas => {
                if value.trim() == "*" || list(value).all(|word| replica(word).is_some()) {
                    Ok(())
                } else {
                    let words: Vec<&str> = list(value).collect();
                    let reason = format_args!(
                        "{key} must be the literal '*' or a list of replicas in the following format: \
                         [partitionId]:[brokerId],[partitionId]:[brokerId],..."
                    );
                    Err(InvalidValue::new(key, &format!("[{}]", words.join(", ")), reason))
                }
            }
            Self::PerHost => {
                if list(value).all(|word| per_host(word).is_some()) {
                    Ok(())
                } else {
                    bad(&"must be hosts with numbers, as host:number with commas between")
                }
            }
            Self::List(words) => {
                if words.is_empty() || list(value).all(|word| words.contains(&word)) {
                    Ok(())
                } else {
                    bad(&format_args!("String must be one of: {}", words.join(", ")))
                }
            }
        }
    }
}

/// A boolean as Kafka reads it.
pub(crate) fn parse_bool(value: &str) -> Option<bool> {
    if value.eq_ignore_ascii_case("true") {
        Some(true)
    } else if value.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// The partition and the broker of a `partition:broker`.
pub(crate) fn replica(text: &str) -> Option<(i32, i32)> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (partition, broker) = text.split_once(':').filter(|(a, b)| is_number(a) && is_number(b))?;
    Some((partition.parse().ok()?, broker.parse().ok()?))
}

/// The host and the number of a `host:number`. The host may be an address of IPv6.
pub(super) fn per_host(text: &str) -> Option<PerHost> {
    let (host, count) = text.rsplit_once(':')?;
    let host = host.trim().trim_start_matches('[').trim_end_matches(']');
    let is_host = |character: char| character.is_ascii_alphanumeric() || "-._:%".contains(character);
    let is_valid = !host.is_empty() && host.chars().all(is_host);
    let count = count.trim().parse::<u32>().ok().filter(|count| i32::try_from(*count).is_ok())?;
    is_valid.then(|| PerHost { host: host.to_owned(), count: usize::try_from(count).unwrap_or(usize::MAX) })
}

/// The words of a list.
pub(crate) fn list(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|word| !word.is_empty())
}

fn in_bounds<N: PartialOrd + fmt::Display>(n: N, min: N, max: N) -> Result<(), String> {
    if n < min {
        Err(format!("Value must be at least {min}"))
    } else if n > max {
        Err(format!("Value must be no more than {max}"))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_use_kafkas_words() {
        let words = |kind: Kind, value| kind.check("k", value).map_err(|e| e.to_string());
        assert_eq!(
            words(Kind::long(-1), "abc"),
            Err("Invalid value abc for configuration k: Not a number of type LONG".to_owned())
        );
        assert_eq!(
            words(Kind::int(1), "0"),
            Err("Invalid value 0 for configuration k: Value must be at least 1".to_owned())
        );
        assert_eq!(
            words(Kind::List(&["compact", "delete"]), "delete,drop"),
            Err("Invalid value delete,drop for configuration k: String must be one of: compact, delete"
                .to_owned())
        );
        assert!(Kind::Boolean.check("k", "yes").is_err());
        assert!(["0:1,x", "*,0:1", "0", "0:-1"].iter().all(|list| Kind::Replicas.check("k", list).is_err()));
        assert!(
            ["a", "a:", ":1", "a:-1", "a b:1"].iter().all(|list| Kind::PerHost.check("k", list).is_err())
        );
        assert!(Kind::Double(0.0, 1.0).check("k", "1.5").is_err());
    }

    #[test]
    fn long_text_is_quoted_up_to_a_whole_character() {
        assert_eq!(Quoted(&"x".repeat(500)).to_string(), "x".repeat(500));
        let odd = format!("x{}", "ü".repeat(16_000));
        assert_eq!(Quoted(&odd).to_string(), format!("x{}...", "ü".repeat(249)));
    }

    #[test]
    fn valid_values_pass() {
        for (kind, value) in [
            (Kind::Boolean, "TRUE"),
            (Kind::int(0), "2147483647"),
            (Kind::long(-1), "-1"),
            (Kind::Double(0.0, 1.0), "0.5"),
            (Kind::Text(&[]), "anything at all"),
            (Kind::List(&["compact", "delete"]), "compact, delete"),
            (Kind::Replicas, ""),
            (Kind::Replicas, "*"),
            (Kind::Replicas, "0:1, 12:2"),
            (Kind::PerHost, ""),
            (Kind::PerHost, "127.0.0.1:5, some-host.example:0,[::1]:7"),
        ] {
            assert_eq!(kind.check("k", value), Ok(()), "{value}");
        }
    }
}
