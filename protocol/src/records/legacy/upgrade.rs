//! Message sets to batches: of what old producers send, and of what old brokers answer.

use bytes::{Bytes, BytesMut};

use super::Tail;
use super::message::{Entry, Message};
use super::set::{Inside, MessageSet};
use super::writer::{Writer, append_time};
use crate::records::batch::{Batch, BatchError};
use crate::records::compression::Compression;
use crate::records::header::MAGIC_AT;

/// Makes the one batch of what a producer sent, its records numbered from 0.
///
/// All messages must have one format, and a compressed one must be alone in its set; its codec stays. The offsets that
/// the producer wrote count for nothing. Timestamps stay, -1 where there are none; whose clock they are is the topic's
/// to say, so the batch claims the producer's. `limit` bounds the decompressed bytes.
pub fn to_batch(set: &MessageSet, limit: usize) -> Result<Batch, BatchError> {
    let mut entries = set.entries();
    let first = entries.next().ok_or(BatchError::Corrupt("an empty message set"))??;
    let format = first.message.format;
    let codec = first.codec;
    let mut writer = Writer::new(0, None);
    let mut push = |message: &Message| {
        if message.format != format {
            return Err(BatchError::Corrupt("messages of two formats in one set"));
        }
        writer.push(i64::from(writer.count), message)
    };
    if codec == Compression::None {
        push(&first.message)?;
        for entry in entries {
            let entry = entry?;
            if entry.codec != Compression::None {
                return Err(NOT_ALONE);
            }
            push(&entry.message)?;
        }
    } else {
        for message in Inside::open(&first, limit)? {
            push(&message?)?;
        }
        if entries.next().transpose()?.is_some() {
            return Err(NOT_ALONE);
        }
    }
    let mut bytes = writer.seal(codec, None)?;
    Ok(Batch::split(&mut bytes)?.expect("a batch was sealed just now"))
}

const NOT_ALONE: BatchError = BatchError::Corrupt("a compressed message is not alone in its set");

/// Makes batches of what a broker answered: messages of magic 0 and 1, and batches among them, as in the log of a broker
/// that was upgraded. Batches alone come back as they are.
///
/// Offsets, timestamps and their type stay. A wrapper becomes a batch of the same codec; messages that lie beside each
/// other become one batch as far as they go together. `limit` bounds the decompressed bytes of one wrapper. The
/// checksums of messages are compared, those of batches are not.
///
/// With [`Tail::MayBeCut`] the result ends before the first message that is not whole, or is not right: who asks for
/// what follows is told then. If it is the very first, the error is the result, and
/// [`BatchError::Truncated`] says how many bytes to ask for.
pub fn to_batches(bytes: Bytes, tail: Tail, limit: usize) -> Result<Bytes, BatchError> {
    let mut rest = bytes.clone();
    let mut upgrade = Upgrade { limit, front: None, done: BytesMut::new(), run: None };
    while starts_with_batch(&rest) && matches!(Batch::split(&mut rest), Ok(Some(_))) {}
    upgrade.front = Some(bytes.slice(..bytes.len() - rest.len()));
    loop {
        let is_first = rest.len() == bytes.len();
        match upgrade.step(&mut rest) {
            Ok(true) => {}
            Err(error) if is_first || tail == Tail::Whole => return Err(error),
            Ok(false) | Err(_) => return upgrade.finish(),
        }
    }
}

fn starts_with_batch(bytes: &[u8]) -> bool {
    bytes.get(MAGIC_AT) == Some(&2)
}

struct Upgrade {
    limit: usize,
    /// The batches in front of the first old message, until they have to be copied.
    front: Option<Bytes>,
    done: BytesMut,
    /// Uncompressed messages that may still get company.
    run: Option<Writer>,
}

impl Upgrade {
    /// Takes one message or batch off `rest`; says whether there was one.
    fn step(&mut self, rest: &mut Bytes) -> Result<bool, BatchError> {
        if starts_with_batch(rest) {
            let Some(batch) = Batch::split(rest)? else { return Ok(false) };
            self.finish_run()?;
            self.put_batch(batch.bytes());
            return Ok(true);
        }
        let Some(entry) = Entry::split(rest)? else { return Ok(false) };
        if entry.codec == Compression::None {
            self.put_alone(&entry.message)?;
        } else {
            self.finish_run()?;
            self.put_wrapper(&entry)?;
        }
        Ok(true)
    }

    fn put_alone(&mut self, message: &Message) -> Result<(), BatchError> {
        if !self.run.as_ref().is_some_and(|run| run.takes(message)) {
            self.finish_run()?;
        }
        let run = self.run.get_or_insert_with(|| Writer::new(message.offset, append_time(message)));
        run.push(message.offset, message)
    }

    fn put_wrapper(&mut self, entry: &Entry) -> Result<(), BatchError> {
        let mut writer: Option<Writer> = None;
        for message in Inside::open(entry, self.limit)? {
            let message = message?;
            let writer = writer.get_or_insert_with(|| Writer::new(message.offset, append_time(&message)));
            writer.push(message.offset, &message)?;
        }
        if let Some(writer) = writer {
            // The bytes are unpacked again where they are read: here only their size counts.
            let level = entry.codec.levels().map(|levels| *levels.start());
            let batch = writer.seal(entry.codec, level)?;
            self.put_batch(&batch);
        }
        Ok(())
    }

    fn finish_run(&mut self) -> Result<(), BatchError> {
        if let Some(run) = self.run.take() {
            let batch = run.seal(Compression::None, None)?;
            self.put_batch(&batch);
        }
        Ok(())
    }

    fn put_batch(&mut self, batch: &[u8]) {
        if let Some(front) = self.front.take() {
            self.done.extend_from_slice(&front);
        }
        self.done.extend_from_slice(batch);
    }

    fn finish(mut self) -> Result<Bytes, BatchError> {
        self.finish_run()?;
        Ok(self.front.unwrap_or_else(|| self.done.freeze()))
    }
}
