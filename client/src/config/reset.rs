//! `auto.offset.reset`: where to begin without a committed offset, or after one that is gone.

use std::time::Duration;

/// What the key says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reset {
    Earliest,
    Latest,
    None,
    /// With the records of the time before now (KIP-1106).
    Back(Duration),
}

/// `earliest`, `latest`, `none`, or `by_duration:` and a duration of ISO 8601, which is not negative.
pub(crate) fn parse(text: &str) -> Option<Reset> {
    match text {
        "earliest" => Some(Reset::Earliest),
        "latest" => Some(Reset::Latest),
        "none" => Some(Reset::None),
        _ => duration(text.strip_prefix("by_duration:")?).map(Reset::Back),
    }
}

/// `PnDTnHnMn.nS`, of which parts may be left out, but not all.
fn duration(text: &str) -> Option<Duration> {
    let text = text.to_ascii_uppercase();
    let (days, time) = match text.strip_prefix('P')?.split_once('T') {
        Some((days, time)) if !time.is_empty() => (days, time),
        Some(_) => return None,
        None => (text.strip_prefix('P')?, ""),
    };
    if days.is_empty() && time.is_empty() {
        return None;
    }
    Some(parts(days, &[('D', 86_400)])? + parts(time, &[('H', 3600), ('M', 60), ('S', 1)])?)
}

fn parts(mut text: &str, units: &[(char, u32)]) -> Option<Duration> {
    let mut sum = Duration::ZERO;
    for (unit, seconds) in units {
        let Some((number, rest)) = text.split_once(*unit) else { continue };
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let (whole, fraction) = match number.split_once('.') {
            Some((whole, fraction)) if *unit == 'S' && is_number(fraction) => (whole, fraction),
            Some(_) => return None,
            None => (number, "0"),
        };
        if !is_number(whole) {
            return None;
        }
        let whole = Duration::from_secs(whole.parse::<u32>().ok()?.into()).checked_mul(*seconds)?;
        let nanos: String = format!("{fraction:0<9}").chars().take(9).collect();
        sum = sum.checked_add(whole)?.checked_add(Duration::from_nanos(nanos.parse().ok()?))?;
        text = rest;
    }
    text.is_empty().then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_that_java_reads() {
        let secs = |secs| Some(Reset::Back(Duration::from_secs(secs)));
        assert_eq!(parse("by_duration:PT1H30M"), secs(5400));
        assert_eq!(parse("by_duration:P2DT3S"), secs(2 * 86_400 + 3));
        assert_eq!(parse("by_duration:pt0.5s"), Some(Reset::Back(Duration::from_millis(500))));
        assert_eq!(parse("earliest"), Some(Reset::Earliest));
        for bad in [
            "",
            "by_duration:",
            "by_duration:P",
            "by_duration:PT",
            "by_duration:PT-1H",
            "by_duration:PT1M1H",
            "1h",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
