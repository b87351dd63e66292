//! The metadata log's records in Kafka's framing (KIP-631): frame version, type, version, body.

use bytes::Bytes;
use kinglet_protocol::messages::metadata_records::{
    BrokerRegistrationChangeRecord, ConfigRecord, FeatureLevelRecord, NoOpRecord, PartitionChangeRecord,
    PartitionRecord, ProducerIdsRecord, RegisterBrokerRecord, RemoveTopicRecord, TopicRecord,
    UnregisterBrokerRecord,
};
use kinglet_protocol::wire::{DecodeErrorKind, Reader, Wire, Writer};
use kinglet_protocol::{DecodeError, EncodeError};

/// One change of the metadata.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Record {
    Topic(TopicRecord),
    Partition(PartitionRecord),
    Config(ConfigRecord),
    RemoveTopic(RemoveTopicRecord),
    FeatureLevel(FeatureLevelRecord),
    ProducerIds(ProducerIdsRecord),
    PartitionChange(PartitionChangeRecord),
    RegisterBroker(RegisterBrokerRecord),
    BrokerChange(BrokerRegistrationChangeRecord),
    UnregisterBroker(UnregisterBrokerRecord),
    NoOp(NoOpRecord),
}

/// `resource_type` of a topic's configuration.
pub(crate) const TOPIC_RESOURCE: i8 = 2;
/// `resource_type` of the configuration of a broker, or without a name of all of them.
pub(crate) const BROKER_RESOURCE: i8 = 4;

const FRAME_VERSION: u32 = 1;

/// A record of the metadata log that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordError {
    #[error("metadata record: {0}")]
    Decode(#[from] DecodeError),
    #[error("metadata frame version {0}, only {FRAME_VERSION} is known")]
    Frame(u32),
    #[error(
        "metadata record of type {kind}, version {version}: not one of this broker's; was the directory Apache Kafka's?"
    )]
    Unknown { kind: u32, version: u32 },
}

impl Record {
    /// Kafka's number for the type.
    const fn kind(&self) -> u32 {
        match self {
            Self::Topic(_) => 2,
            Self::Partition(_) => 3,
            Self::Config(_) => 4,
            Self::RemoveTopic(_) => 9,
            Self::FeatureLevel(_) => 12,
            Self::ProducerIds(_) => 15,
            Self::PartitionChange(_) => 5,
            Self::RegisterBroker(_) => 0,
            Self::BrokerChange(_) => 17,
            Self::UnregisterBroker(_) => 1,
            Self::NoOp(_) => 20,
        }
    }

    /// The oldest version that has what is in it: a lone broker's log stays readable to Kafka's tools of old.
    const fn version(&self) -> i16 {
        match self {
            // 1 has the directories, 2 the eligible leader replicas.
            Self::Partition(record) => {
                if record.eligible_leader_replicas.is_some() || record.last_known_elr.is_some() {
                    2
                } else {
                    1
                }
            }
            Self::PartitionChange(record) => {
                if record.eligible_leader_replicas.is_some() || record.last_known_elr.is_some() {
                    2
                } else {
                    1
                }
            }
            Self::RegisterBroker(_) => 3,
            Self::BrokerChange(_) => 2,
            _ => 0,
        }
    }

    /// The value of the record in the log.
    pub(crate) fn encode(&self) -> Result<Bytes, EncodeError> {
        let version = self.version();
        let mut w = Writer::new(version, true);
        w.uvarint(FRAME_VERSION);
        w.uvarint(self.kind());
        w.uvarint(u32::from(version.unsigned_abs()));
        match self {
            Self::Topic(record) => record.encode(&mut w),
            Self::Partition(record) => record.encode(&mut w),
            Self::Config(record) => record.encode(&mut w),
            Self::RemoveTopic(record) => record.encode(&mut w),
            Self::FeatureLevel(record) => record.encode(&mut w),
            Self::ProducerIds(record) => record.encode(&mut w),
            Self::PartitionChange(record) => record.encode(&mut w),
            Self::RegisterBroker(record) => record.encode(&mut w),
            Self::BrokerChange(record) => record.encode(&mut w),
            Self::UnregisterBroker(record) => record.encode(&mut w),
            Self::NoOp(record) => record.encode(&mut w),
        }
        .map_err(|kind| w.fail(kind))?;
        Ok(w.into_bytes())
    }

    /// Reads the value of a record in the log.
    pub(crate) fn decode(value: Bytes) -> Result<Self, RecordError> {
        let mut head = Reader::new(&value, 0, true);
        let (frame, kind, version) = Self::head(&mut head).map_err(|kind| head.fail(kind))?;
        if frame != FRAME_VERSION {
            return Err(RecordError::Frame(frame));
        }
        let unknown = || RecordError::Unknown { kind, version };
        let newest = match kind {
            0 => 4,
            3 | 5 => 2,
            17 => 3,
            _ => 0,
        };
        let body_version =
            i16::try_from(version).ok().filter(|version| *version <= newest).ok_or_else(unknown)?;
        let body = head.rest();
        let mut r = Reader::new(&body, body_version, true);
        let record = match kind {
            2 => Wire::decode(&mut r).map(Self::Topic),
            3 => Wire::decode(&mut r).map(Self::Partition),
            4 => Wire::decode(&mut r).map(Self::Config),
            9 => Wire::decode(&mut r).map(Self::RemoveTopic),
            12 => Wire::decode(&mut r).map(Self::FeatureLevel),
            15 => Wire::decode(&mut r).map(Self::ProducerIds),
            5 => Wire::decode(&mut r).map(Self::PartitionChange),
            0 => Wire::decode(&mut r).map(Self::RegisterBroker),
            17 => Wire::decode(&mut r).map(Self::BrokerChange),
            1 => Wire::decode(&mut r).map(Self::UnregisterBroker),
            20 => Wire::decode(&mut r).map(Self::NoOp),
            _ => return Err(unknown()),
        };
        let whole = record.and_then(|record| r.end().map(|()| record));
        Ok(whole.map_err(|kind| r.fail(kind))?)
    }

    fn head(r: &mut Reader) -> Result<(u32, u32, u32), DecodeErrorKind> {
        Ok((r.uvarint()?, r.uvarint()?, r.uvarint()?))
    }
}

#[cfg(test)]
mod tests {
    use kinglet_protocol::Uuid;

    use super::*;

    #[test]
    fn every_type_comes_back() {
        let topic_id = Uuid([7; 16]);
        let partition = PartitionRecord {
            partition_id: 3,
            topic_id,
            replicas: vec![1],
            isr: vec![1],
            leader: 1,
            leader_epoch: 0,
            partition_epoch: 0,
            directories: vec![Uuid([9; 16])],
            ..Default::default()
        };
        let entry = |value| ConfigRecord {
            resource_type: TOPIC_RESOURCE,
            resource_name: "t".to_owned(),
            name: "retention.ms".to_owned(),
            value,
        };
        for record in [
            Record::Topic(TopicRecord { name: "t".to_owned(), topic_id }),
            Record::Partition(partition),
            Record::Config(entry(Some("1".to_owned()))),
            Record::Config(entry(None)),
            Record::RemoveTopic(RemoveTopicRecord { topic_id }),
            Record::FeatureLevel(FeatureLevelRecord {
                name: "metadata.version".to_owned(),
                feature_level: 25,
            }),
            Record::ProducerIds(ProducerIdsRecord { broker_id: 1, broker_epoch: 0, next_producer_id: 1000 }),
        ] {
            assert_eq!(Record::decode(record.encode().unwrap()).unwrap(), record);
        }
    }

    #[test]
    fn bytes_are_kafkas() {
        let record = Record::Topic(TopicRecord { name: "ab".to_owned(), topic_id: Uuid([5; 16]) });
        let mut expected = vec![1, 2, 0, 3, b'a', b'b'];
        expected.extend([5; 16]);
        expected.push(0);
        assert_eq!(record.encode().unwrap(), expected);
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        let unknown = Record::decode(Bytes::from_static(&[1, 6, 3, 0]));
        assert!(matches!(unknown, Err(RecordError::Unknown { kind: 6, version: 3 })));
        assert!(matches!(Record::decode(Bytes::from_static(&[2, 2, 0])), Err(RecordError::Frame(2))));
        assert!(matches!(Record::decode(Bytes::from_static(&[1, 2])), Err(RecordError::Decode(_))));
    }
}
