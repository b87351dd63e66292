//! The records of `__consumer_offsets` as Kafka writes them: a key behind its type, a value behind its version.

use bytes::Bytes;
use kinglet_protocol::messages::group_records::{
    GroupMetadataKey, GroupMetadataValue, OffsetCommitKey, OffsetCommitValue,
};
use kinglet_protocol::wire::{DecodeErrorKind, Reader, Wire, Writer};
use kinglet_protocol::{DecodeError, EncodeError};

/// One change. No value takes back what the key names.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Record {
    Offset(OffsetCommitKey, Option<OffsetCommitValue>),
    Group(String, Option<GroupMetadataValue>),
}

/// A record's key and value as bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Encoded {
    pub(crate) key: Bytes,
    pub(crate) value: Option<Bytes>,
}

/// What a record of the log means here.
#[derive(Debug, PartialEq)]
pub(crate) enum Decoded {
    Known(Record),
    /// A type or version of another release, or of a protocol that is not served here: left as it is.
    Unknown {
        what: &'static str,
        number: i16,
    },
}

/// Offsets of brokers before 0.9 and of all since: the same fields.
const OFFSET_KEYS: std::ops::RangeInclusive<i16> = 0..=1;
const OFFSET_KEY: i16 = 1;
const GROUP_KEY: i16 = 2;
/// 4 has the topic's id, so that what was committed for a topic is not taken for the next one of its name. Kafka writes it from 4.1 on.
const OFFSET_VALUE: i16 = 4;
/// The only version with a time of expiry, for clients that ask for one.
const EXPIRING_OFFSET_VALUE: i16 = 1;
const GROUP_VALUE: i16 = 3;
/// The newest version of both values that is read.
const VALUES: std::ops::RangeInclusive<i16> = 0..=4;
const FLEXIBLE_FROM: i16 = 4;

impl Record {
    pub(crate) fn encode(&self) -> Result<Encoded, EncodeError> {
        let (key, value) = match self {
            Self::Offset(key, value) => (
                with_number(OFFSET_KEY, 0, key)?,
                value.as_ref().map(|value| {
                    let version =
                        if value.expire_timestamp >= 0 { EXPIRING_OFFSET_VALUE } else { OFFSET_VALUE };
                    with_number(version, version, value)
                }),
            ),
            Self::Group(group, value) => (
                with_number(GROUP_KEY, 0, &GroupMetadataKey { group: group.clone() })?,
                value.as_ref().map(|value| with_number(GROUP_VALUE, GROUP_VALUE, value)),
            ),
        };
        Ok(Encoded { key, value: value.transpose()? })
    }

    pub(crate) fn decode(key: &Bytes, value: Option<&Bytes>) -> Result<Decoded, DecodeError> {
        let (kind, key) = number(key)?;
        if !OFFSET_KEYS.contains(&kind) && kind != GROUP_KEY {
            return Ok(Decoded::Unknown { what: "key", number: kind });
        }
        let value = value.map(number).transpose()?;
        if let Some((version, _)) = value.as_ref().filter(|(version, _)| !VALUES.contains(version)) {
            return Ok(Decoded::Unknown { what: "value", number: *version });
        }
        Ok(Decoded::Known(if kind == GROUP_KEY {
            let GroupMetadataKey { group } = body(&key, 0)?;
            Self::Group(group, value.map(|(version, value)| body(&value, version)).transpose()?)
        } else {
            Self::Offset(body(&key, 0)?, value.map(|(version, value)| body(&value, version)).transpose()?)
        }))
    }
}

/// Takes the number in front.
fn number(bytes: &Bytes) -> Result<(i16, Bytes), DecodeError> {
    let mut r = Reader::new(bytes, 0, false);
    let number: Result<i16, DecodeErrorKind> = Wire::decode(&mut r);
    let number = number.map_err(|kind| r.fail(kind))?;
    Ok((number, r.rest()))
}

fn body<T: Wire>(bytes: &Bytes, version: i16) -> Result<T, DecodeError> {
    let mut r = Reader::new(bytes, version, version >= FLEXIBLE_FROM);
    let whole = T::decode(&mut r).and_then(|value| r.end().map(|()| value));
    whole.map_err(|kind| r.fail(kind))
}

fn with_number<T: Wire>(number: i16, version: i16, value: &T) -> Result<Bytes, EncodeError> {
    let mut w = Writer::new(version, version >= FLEXIBLE_FROM);
    w.put(&number.to_be_bytes());
    value.encode(&mut w).map_err(|kind| w.fail(kind))?;
    Ok(w.into_bytes())
}

#[cfg(test)]
mod tests {
    use kinglet_protocol::Uuid;
    use kinglet_protocol::messages::group_records::MemberMetadata;

    use super::*;

    fn offset_key() -> OffsetCommitKey {
        OffsetCommitKey { group: "g".to_owned(), topic: "t".to_owned(), partition: 3 }
    }

    fn comes_back(record: Record) -> Encoded {
        let encoded = record.encode().unwrap();
        let decoded = Record::decode(&encoded.key, encoded.value.as_ref()).unwrap();
        assert_eq!(decoded, Decoded::Known(record));
        encoded
    }

    #[test]
    fn every_kind_comes_back() {
        let value = OffsetCommitValue {
            offset: 7,
            leader_epoch: 5,
            metadata: "note".to_owned(),
            commit_timestamp: 11,
            topic_id: Uuid([6; 16]),
            ..Default::default()
        };
        comes_back(Record::Offset(offset_key(), Some(value)));
        comes_back(Record::Offset(offset_key(), None));
        let member = MemberMetadata {
            member_id: "m".to_owned(),
            group_instance_id: Some("i".to_owned()),
            subscription: Bytes::from_static(b"s"),
            ..Default::default()
        };
        let group = GroupMetadataValue {
            protocol_type: "consumer".to_owned(),
            generation: 2,
            protocol: Some("range".to_owned()),
            leader: Some("m".to_owned()),
            current_state_timestamp: 9,
            members: vec![member],
        };
        comes_back(Record::Group("g".to_owned(), Some(group)));
        comes_back(Record::Group("g".to_owned(), None));
    }

    #[test]
    fn bytes_are_kafkas() {
        let value = OffsetCommitValue { offset: 1, commit_timestamp: 2, ..Default::default() };
        let encoded = Record::Offset(offset_key(), Some(value)).encode().unwrap();
        assert_eq!(&encoded.key[..], b"\0\x01\0\x01g\0\x01t\0\0\0\x03");
        let mut expected = vec![0, 4];
        expected.extend(1_i64.to_be_bytes());
        expected.extend((-1_i32).to_be_bytes());
        expected.push(1);
        expected.extend(2_i64.to_be_bytes());
        expected.push(0);
        assert_eq!(encoded.value.unwrap(), expected);
    }

    #[test]
    fn an_offset_with_a_time_of_expiry_keeps_it() {
        let value = OffsetCommitValue { offset: 1, expire_timestamp: 99, ..Default::default() };
        let encoded = comes_back(Record::Offset(offset_key(), Some(value)));
        assert_eq!(&encoded.value.unwrap()[..2], [0, 1]);
    }

    #[test]
    fn what_another_release_wrote_is_not_taken_for_damage() {
        let unknown = |key: &[u8], value: &'static [u8]| {
            Record::decode(&Bytes::copy_from_slice(key), Some(&Bytes::from_static(value))).unwrap()
        };
        assert_eq!(unknown(&[0, 3, 9, 9], b""), Decoded::Unknown { what: "key", number: 3 });
        let key = comes_back(Record::Offset(offset_key(), None)).key;
        assert_eq!(unknown(&key, &[0, 5, 1]), Decoded::Unknown { what: "value", number: 5 });
        assert!(Record::decode(&key.slice(..4), None).is_err());
        assert!(Record::decode(&key, Some(&Bytes::from_static(&[0, 3, 1]))).is_err());
    }
}
