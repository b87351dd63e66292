//! The client's warnings as lines on stderr: a person who waits is to know that a broker is gone, but not ten times a second.
//!
//! Not a logger: `-v` and `KAFKA_LOG` bring the whole log instead.

#![expect(
    clippy::disallowed_methods,
    reason = "how often a warning is repeated is measured in the terminal's time"
)]

use std::collections::HashMap;
use std::fmt::{self, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber, callsite};

use crate::tool::warn;

/// A warning of one kind is not said again sooner.
const SAID_AGAIN_AFTER: Duration = Duration::from_secs(30);

/// Takes what the client logs as warnings and errors.
#[derive(Debug, Default)]
pub struct Warnings {
    said: Mutex<Said>,
}

impl Warnings {
    /// Shows the client's warnings from now on, in the whole process.
    pub fn install() {
        // Somebody who embeds the tools may log already; then there is nothing to do here.
        let _ = tracing::subscriber::set_global_default(Self::default());
    }
}

impl Subscriber for Warnings {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.enabled(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= Level::WARN
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::WARN)
    }

    fn event(&self, event: &Event<'_>) {
        let now = Instant::now();
        let due = self.said.lock().is_ok_and(|mut said| said.is_due(event.metadata().callsite(), now));
        if due {
            let mut text = Text::default();
            event.record(&mut text);
            warn(&(text.message + &text.facts));
        }
    }

    // Spans carry nothing that a warning needs.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// When each warning was said last. There are as many as places in the code that warn.
#[derive(Debug, Default)]
struct Said(HashMap<callsite::Identifier, Instant>);

impl Said {
    fn is_due(&mut self, warning: callsite::Identifier, now: Instant) -> bool {
        let due = self.0.get(&warning).is_none_or(|last| now.duration_since(*last) >= SAID_AGAIN_AFTER);
        if due {
            self.0.insert(warning, now);
        }
        due
    }
}

/// The message, and the other fields as `, name value`.
#[derive(Debug, Default)]
struct Text {
    message: String,
    facts: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let written = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            write!(self.facts, ", {} {value:?}", field.name())
        };
        written.expect("a String takes all text");
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

#[cfg(test)]
mod tests {
    use tracing::Callsite;

    use super::*;

    #[test]
    fn a_warning_is_said_again_only_after_a_while() {
        let said = Mutex::new(Said::default());
        let begin = Instant::now();
        let due = |after| {
            let warning = tracing::callsite!(name: "w", kind: tracing::metadata::Kind::EVENT, fields: error)
                .metadata()
                .callsite();
            said.lock().expect("one thread").is_due(warning, begin + after)
        };

        assert_eq!(
            [0, 1, 29, 30, 31].map(|seconds| due(Duration::from_secs(seconds))),
            [true, false, false, true, false]
        );
    }

    #[test]
    fn facts_stand_behind_the_message() {
        struct Capture(Mutex<String>);
        impl Subscriber for Capture {
            fn enabled(&self, _: &Metadata<'_>) -> bool {
                true
            }
            fn event(&self, event: &Event<'_>) {
                let mut text = Text::default();
                event.record(&mut text);
                *self.0.lock().expect("one thread") = text.message + &text.facts;
            }
            fn new_span(&self, _: &Attributes<'_>) -> Id {
                Id::from_u64(1)
            }
            fn record(&self, _: &Id, _: &Record<'_>) {}
            fn record_follows_from(&self, _: &Id, _: &Id) {}
            fn enter(&self, _: &Id) {}
            fn exit(&self, _: &Id) {}
        }
        let captured = std::sync::Arc::new(Capture(Mutex::new(String::new())));

        tracing::subscriber::with_default(
            captured.clone(),
            || tracing::warn!(broker = 1, error = %"refused", "cannot connect"),
        );

        assert_eq!(*captured.0.lock().expect("one thread"), "cannot connect, broker 1, error refused");
    }
}
