//! What is warned of meanwhile, counted by message: a flood of one of them hides the others.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// How often each message was said.
pub(crate) type Counted = BTreeMap<String, u64>;

/// Hears what the clients of this process warn of.
#[derive(Clone, Default)]
pub(crate) struct Listener {
    heard: Arc<Mutex<Counted>>,
}

impl Listener {
    /// Hears everything from now on; the first of a process alone does.
    pub(crate) fn listen() -> Self {
        let listener = Self::default();
        // A second storm of the process: its warnings are counted with the first one's.
        let _is_first = tracing::subscriber::set_global_default(listener.clone());
        listener
    }

    pub(crate) fn heard(&self) -> Counted {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut message = Message::default();
        event.record(&mut message);
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        *heard.entry(message.text).or_default() += 1;
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Message {
    text: String,
}

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.text = format!("{value:?}");
        }
    }
}

/// Counts what lines of brokers' logs warn of: `… WARN kinglet_broker::meta::registration: no controller answers this broker error=…`.
pub(crate) fn count(lines: &[String], counted: &mut Counted) {
    for line in lines {
        let Some((_, said)) = line.split_once(" WARN ") else { continue };
        let message = said.split_once(": ").map_or(said, |(_, message)| message);
        let words: Vec<&str> = message.split(' ').take_while(|word| !word.contains('=')).collect();
        *counted.entry(words.join(" ")).or_default() += 1;
    }
}
