//! What the proxy saw of idempotent batches: which were sent, and where the broker said that they are.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use bytes::Bytes;
use kinglet_protocol::frame::PREFIX_LEN;
use kinglet_protocol::messages::ProduceRequest;
use kinglet_protocol::records::BatchHeader;
use kinglet_protocol::{ApiKey, ErrorCode, RequestHead, decode_response};
use tokio::time::Instant;

use super::Fault;

/// A request on its way.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) produce: Option<Produce>,
}

/// What is remembered of a Produce request until it is answered.
#[derive(Debug)]
pub(super) struct Produce {
    version: i16,
    batches: Vec<(Place, Option<Number>)>,
}

/// Topic and partition.
type Place = (String, i32);

/// By which a broker knows an idempotent batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Number {
    producer_id: i64,
    epoch: i16,
    base_sequence: i32,
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "producer {} epoch {} sequence {}", self.producer_id, self.epoch, self.base_sequence)
    }
}

impl Request {
    /// Reads a whole request frame; what cannot be read is passed on like any other.
    pub(super) fn of(frame: &Bytes) -> Self {
        let head = frame.get(PREFIX_LEN..).and_then(|_| RequestHead::decode(frame.slice(PREFIX_LEN..)).ok());
        let head = head.filter(|head| head.header.key == ApiKey::PRODUCE);
        let produce = head.and_then(|head| head.body::<ProduceRequest>().ok());
        Self { produce: produce.map(|(header, body)| Produce::of(header.version, body)) }
    }
}

impl Produce {
    fn of(version: i16, body: ProduceRequest) -> Self {
        let mut batches = Vec::new();
        for topic in body.topic_data {
            for partition in topic.partition_data {
                let records = partition.records.unwrap_or_default().into_bytes();
                let header = BatchHeader::parse(&records).ok().filter(BatchHeader::has_producer_id);
                let number = header.map(|header| Number {
                    producer_id: header.producer_id,
                    epoch: header.producer_epoch,
                    base_sequence: header.base_sequence,
                });
                batches.push(((topic.name.clone(), partition.index), number));
            }
        }
        Self { version, batches }
    }
}

/// What brokers answered.
#[derive(Debug)]
pub(super) struct Ledger {
    begun: Instant,
    /// What happened to Produce requests, a line a batch: a seed alone does not bring a failure back.
    pub(super) journal: Vec<String>,
    acked: HashMap<(Place, Number), i64>,
    pub(super) duplicates: u64,
    pub(super) doubled: Vec<String>,
    pub(super) refusals: BTreeMap<&'static str, u64>,
}

impl Ledger {
    pub(super) fn new() -> Self {
        Self {
            begun: Instant::now(),
            journal: Vec::new(),
            acked: HashMap::new(),
            duplicates: 0,
            doubled: Vec::new(),
            refusals: BTreeMap::new(),
        }
    }

    /// A Produce request has come, and this will happen to it.
    pub(super) fn came(&mut self, connection: u64, request: &Produce, fault: Option<Fault>) {
        let what = fault.map_or("nothing".to_owned(), |fault| format!("{fault:?}"));
        for (place, number) in &request.batches {
            self.write(connection, place, *number, format_args!("came, meets {what}"));
        }
    }

    /// It has passed to the broker, all of it.
    pub(super) fn passed(&mut self, connection: u64, request: &Produce) {
        for (place, number) in &request.batches {
            self.write(connection, place, *number, format_args!("passed"));
        }
    }

    fn write(&mut self, connection: u64, place: &Place, number: Option<Number>, what: fmt::Arguments<'_>) {
        let (ms, (topic, partition)) = (self.begun.elapsed().as_millis(), place);
        let number = number.map_or(String::new(), |number| number.to_string());
        self.journal.push(format!("{ms} ms, connection {connection}, {topic}-{partition} {number}: {what}"));
    }

    /// A whole response frame to a Produce request, whether or not it is passed on.
    pub(super) fn answer(&mut self, connection: u64, request: Produce, frame: &Bytes) {
        let body = frame.get(PREFIX_LEN..).map(|_| frame.slice(PREFIX_LEN..)).unwrap_or_default();
        let Ok((_, response)) = decode_response::<ProduceRequest>(body, request.version) else { return };
        for (place, number) in request.batches {
            let topic = response.responses.iter().find(|topic| topic.name == place.0);
            let answer = topic.and_then(|t| t.partition_responses.iter().find(|p| p.index == place.1));
            if let Some(answer) = answer {
                let (code, offset) = (answer.error_code.name(), answer.base_offset);
                self.write(connection, &place, number, format_args!("answered {code}, offset {offset}"));
                self.note(place, number, answer.error_code, answer.base_offset);
            }
        }
    }

    fn note(&mut self, place: Place, number: Option<Number>, code: ErrorCode, base_offset: i64) {
        if code != ErrorCode::NONE {
            *self.refusals.entry(code.name()).or_default() += 1;
            self.duplicates += u64::from(code == ErrorCode::DUPLICATE_SEQUENCE_NUMBER);
            return;
        }
        let Some(number) = number else { return };
        match self.acked.insert((place.clone(), number), base_offset) {
            // The broker says where it has the batch already.
            Some(before) if before == base_offset => self.duplicates += 1,
            Some(before) => {
                let (topic, partition) = place;
                self.doubled.push(format!("{topic}-{partition} {number}: at {before} and {base_offset}"));
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBER: Option<Number> = Some(Number { producer_id: 1, epoch: 0, base_sequence: 5 });

    fn note(ledger: &mut Ledger, number: Option<Number>, code: ErrorCode, base_offset: i64) {
        ledger.note(("topic".to_owned(), 0), number, code, base_offset);
    }

    #[test]
    fn a_batch_that_is_acked_again_at_its_place_was_a_duplicate() {
        let mut ledger = Ledger::new();
        for _ in 0..3 {
            note(&mut ledger, NUMBER, ErrorCode::NONE, 10);
        }
        note(&mut ledger, NUMBER, ErrorCode::DUPLICATE_SEQUENCE_NUMBER, -1);
        assert_eq!((ledger.duplicates, ledger.doubled.len()), (3, 0));
    }

    #[test]
    fn a_batch_that_is_acked_at_two_places_is_doubled() {
        let mut ledger = Ledger::new();
        note(&mut ledger, NUMBER, ErrorCode::NONE, 10);
        note(&mut ledger, NUMBER, ErrorCode::NONE, 12);
        assert_eq!((ledger.duplicates, ledger.doubled.len()), (0, 1));
    }

    #[test]
    fn batches_without_a_number_say_nothing() {
        let mut ledger = Ledger::new();
        note(&mut ledger, None, ErrorCode::NONE, 10);
        note(&mut ledger, None, ErrorCode::NONE, 12);
        assert_eq!((ledger.duplicates, ledger.doubled.len()), (0, 0));
    }
}
