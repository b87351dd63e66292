//! What members and leader tell each other by way of the broker, which does not read it.

use std::sync::Arc;

use bytes::Bytes;

use super::Member;
use crate::protocol::messages::embedded::{
    ConsumerProtocolAssignment, ConsumerProtocolSubscription, TopicPartition as Owned,
    TopicPartitionConsumerProtocolAssignment as Assigned,
};
use crate::protocol::wire::{DecodeErrorKind, Reader, Wire, Writer};
use crate::protocol::{Data, DecodeError};
use crate::{Error, ErrorKind, Result, TopicPartition};

/// A `ConsumerProtocolSubscription` in its latest version, which older members read as far as they know it.
pub(crate) fn encode_subscription(
    topics: &[Arc<str>],
    owned: &[TopicPartition],
    generation: i32,
    rack: Option<&str>,
    user_data: Option<Bytes>,
) -> Result<Bytes> {
    let mut topics: Vec<_> = topics.iter().map(|topic| topic.to_string()).collect();
    topics.sort();
    let owned = by_topic(owned).into_iter();
    let subscription = ConsumerProtocolSubscription {
        topics,
        user_data,
        owned_partitions: owned.map(|(topic, partitions)| Owned { topic, partitions }).collect(),
        generation_id: generation,
        rack_id: rack.map(str::to_owned),
    };
    Ok(subscription.encode_versioned(ConsumerProtocolSubscription::VERSIONS.last)?)
}

/// What a member subscribes to, in any version.
///
/// # Errors
///
/// Of the kind `Protocol` when the bytes are no subscription.
pub(crate) fn decode_subscription(
    member_id: String,
    instance_id: Option<String>,
    bytes: Bytes,
) -> Result<Member> {
    let subscription: ConsumerProtocolSubscription = decode(bytes).map_err(|error| {
        Error::new(ErrorKind::Protocol, format!("the subscription of member {member_id} cannot be read"))
            .because(error.to_string())
    })?;
    let owned = subscription.owned_partitions.into_iter().map(|owned| (owned.topic, owned.partitions));
    Ok(Member {
        id: member_id,
        instance_id,
        rack: subscription.rack_id,
        topics: subscription.topics.into_iter().map(Arc::from).collect(),
        owned: flat(owned),
        // Java takes every negative number for "not said".
        generation: subscription.generation_id.max(-1),
        user_data: subscription.user_data,
    })
}

/// A `ConsumerProtocolAssignment` in its latest version.
pub(crate) fn encode_assignment(partitions: &[TopicPartition], user_data: Option<Bytes>) -> Result<Bytes> {
    let assignment = ConsumerProtocolAssignment { assigned_partitions: assigned(partitions), user_data };
    Ok(assignment.encode_versioned(ConsumerProtocolAssignment::VERSIONS.last)?)
}

/// What the leader gave this member. No bytes are no partitions: brokers answer so to members without a share.
///
/// # Errors
///
/// Of the kind `Protocol` when the bytes are no assignment.
pub(crate) fn decode_assignment(bytes: Bytes) -> Result<Vec<TopicPartition>> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let assignment: ConsumerProtocolAssignment = decode(bytes).map_err(|error| {
        Error::new(ErrorKind::Protocol, "the assignment cannot be read").because(error.to_string())
    })?;
    Ok(unassigned(assignment.assigned_partitions))
}

/// Java's `StickyAssignorUserData`, version 1: what the member was given last, and in which generation.
pub(super) fn encode_previous(owned: &[TopicPartition], generation: i32) -> Option<Bytes> {
    let mut w = Writer::new(1, false);
    // A name that is too long for the wire is no topic's name, and without user data a member is one that owns nothing.
    assigned(owned).encode(&mut w).ok()?;
    generation.encode(&mut w).ok()?;
    Some(w.into_bytes())
}

/// Reads [`encode_previous`], and version 0, which has no generation. What cannot be read is nothing, as in Java.
pub(super) fn decode_previous(bytes: &Bytes) -> (Vec<TopicPartition>, i32) {
    let mut r = Reader::new(bytes, 1, false);
    let Ok(previous) = Vec::<Assigned>::decode(&mut r) else { return (Vec::new(), -1) };
    (unassigned(previous), i32::decode(&mut r).unwrap_or(-1))
}

/// A newer version than we know begins with what we know: Kafka only appends to these messages.
fn decode<M: Data>(bytes: Bytes) -> Result<M, DecodeError> {
    let mut r = Reader::new(&bytes, 0, false);
    let version = i16::decode(&mut r).map_err(|kind| r.fail(kind))?.min(M::VERSIONS.last);
    if version < M::VERSIONS.first {
        return Err(r.fail(DecodeErrorKind::Version(version)));
    }
    let fields = r.rest();
    let mut r = Reader::new(&fields, version, version >= M::FLEXIBLE_FROM);
    M::decode(&mut r).map_err(|kind| r.fail(kind))
}

fn assigned(partitions: &[TopicPartition]) -> Vec<Assigned> {
    let topics = by_topic(partitions).into_iter();
    topics.map(|(topic, partitions)| Assigned { topic, partitions }).collect()
}

fn unassigned(topics: Vec<Assigned>) -> Vec<TopicPartition> {
    flat(topics.into_iter().map(|assigned| (assigned.topic, assigned.partitions)))
}

/// Sorted by topic and partition.
fn by_topic(partitions: &[TopicPartition]) -> Vec<(String, Vec<i32>)> {
    let mut sorted: Vec<_> = partitions.iter().collect();
    sorted.sort();
    let topics = sorted.chunk_by(|one, other| one.topic == other.topic);
    topics
        .filter_map(|list| {
            let topic = list.first()?.topic.to_string();
            Some((topic, list.iter().map(|partition| partition.partition).collect()))
        })
        .collect()
}

fn flat(topics: impl Iterator<Item = (String, Vec<i32>)>) -> Vec<TopicPartition> {
    let each = |(topic, partitions): (String, Vec<i32>)| {
        let topic: Arc<str> = topic.into();
        partitions.into_iter().map(move |partition| TopicPartition { topic: Arc::clone(&topic), partition })
    };
    topics.flat_map(each).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Kafka 4.3.1 writes for topics "b" and "a", user data 00000007, owned b-1, a-2 and a-0, generation 7, rack "r1".
    const SUBSCRIPTIONS: [&str; 4] = [
        "0000000000020001610001620000000400000007",
        "0001000000020001610001620000000400000007000000020001610000000200000000000000020001620000000100000001",
        "000200000002000161000162000000040000000700000002000161000000020000000000000002000162000000010000000100000007",
        "00030000000200016100016200000004000000070000000200016100000002000000000000000200016200000001000000010000000700027231",
    ];
    const ASSIGNMENT: &str = "0003000000020001610000000200000000000000020001620000000100000001ffffffff";
    const PREVIOUS: &str = "0000000100016100000002000000000000000200000007";

    fn bytes(hex: &str) -> Bytes {
        let digits = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        (0..hex.len()).step_by(2).map(digits).collect()
    }

    fn at(list: &[(&str, i32)]) -> Vec<TopicPartition> {
        list.iter().map(|(topic, partition)| TopicPartition::new(*topic, *partition)).collect()
    }

    fn read(data: Bytes) -> Result<Member> {
        decode_subscription("m".into(), Some("i".into()), data)
    }

    #[test]
    fn subscriptions_are_written_as_java_writes_them() {
        let owned = at(&[("b", 1), ("a", 2), ("a", 0)]);
        let data = Some(bytes("00000007"));
        let written = encode_subscription(&["b".into(), "a".into()], &owned, 7, Some("r1"), data).unwrap();
        assert_eq!(written, bytes(SUBSCRIPTIONS[3]));
        let least = encode_subscription(&["a".into()], &[], -1, None, None).unwrap();
        assert_eq!(least, bytes("000300000001000161ffffffff00000000ffffffffffff"));
    }

    #[test]
    fn subscriptions_of_every_version_are_read() {
        for (version, hex) in SUBSCRIPTIONS.iter().enumerate() {
            let member = read(bytes(hex)).unwrap();
            assert_eq!((&*member.id, member.instance_id.as_deref()), ("m", Some("i")));
            assert_eq!(member.topics, ["a", "b"].map(Arc::from));
            assert_eq!(member.user_data, Some(bytes("00000007")));
            let owned = if version >= 1 { at(&[("a", 0), ("a", 2), ("b", 1)]) } else { Vec::new() };
            assert_eq!(member.owned, owned, "version {version}");
            assert_eq!(member.generation, if version >= 2 { 7 } else { -1 });
            assert_eq!(member.rack.as_deref(), (version >= 3).then_some("r1"));
        }
        let newer = ["0009", &SUBSCRIPTIONS[3][4..], "0badc0de"].concat();
        assert_eq!(read(bytes(&newer)).unwrap().rack.as_deref(), Some("r1"));
    }

    #[test]
    fn assignments_are_those_of_java() {
        let list = at(&[("a", 0), ("a", 2), ("b", 1)]);
        assert_eq!(encode_assignment(&list, None).unwrap(), bytes(ASSIGNMENT));
        assert_eq!(decode_assignment(bytes(ASSIGNMENT)).unwrap(), list);
        assert_eq!(decode_assignment(Bytes::new()).unwrap(), []);
        let newer = ["0004", &ASSIGNMENT[4..], "00"].concat();
        assert_eq!(decode_assignment(bytes(&newer)).unwrap(), list);
    }

    #[test]
    fn the_user_data_of_sticky_members_are_those_of_java() {
        let list = at(&[("a", 0), ("a", 2)]);
        assert_eq!(encode_previous(&list, 7), Some(bytes(PREVIOUS)));
        assert_eq!(decode_previous(&bytes(PREVIOUS)), (list.clone(), 7));
        let version_0 = &PREVIOUS[..PREVIOUS.len() - 8];
        assert_eq!(decode_previous(&bytes(version_0)), (list, -1));
        assert_eq!(decode_previous(&bytes("0000000100")), (Vec::new(), -1));
    }

    #[test]
    fn what_cannot_be_read_is_an_error_and_never_a_panic() {
        for hex in SUBSCRIPTIONS {
            let whole = bytes(hex);
            for len in 0..whole.len() {
                let error = read(whole.slice(..len)).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
            }
        }
        let whole = bytes(ASSIGNMENT);
        for len in 1..whole.len() {
            assert_eq!(decode_assignment(whole.slice(..len)).unwrap_err().kind(), ErrorKind::Protocol);
        }
        for hex in ["ffff00000000ffffffff", "00037fffffff", "0003ffffffff", "000000000001ffff"] {
            assert!(read(bytes(hex)).is_err(), "{hex}");
            assert!(decode_assignment(bytes(hex)).is_err(), "{hex}");
        }
    }
}
