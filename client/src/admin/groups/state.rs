//! What groups are and what they are doing, in the brokers' words.

use std::fmt;
use std::str::FromStr;

use crate::{Error, ErrorKind};

macro_rules! names {
    ($(#[$doc:meta])* $kind:ident, $what:literal: $( $(#[$vdoc:meta])* $variant:ident $name:literal; )*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum $kind {
            /// The broker did not say, or said what this client does not know.
            #[default]
            Unknown,
            $( $(#[$vdoc])* $variant, )*
        }

        impl $kind {
            /// All that this client knows.
            pub const ALL: &[Self] = &[$( Self::$variant, )*];

            /// The brokers' word for it.
            pub fn name(self) -> &'static str {
                match self {
                    Self::Unknown => "Unknown",
                    $( Self::$variant => $name, )*
                }
            }

            pub(super) fn of_broker(name: &str) -> Self {
                name.parse().unwrap_or_default()
            }
        }

        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }

        impl FromStr for $kind {
            type Err = Error;

            /// Reads the brokers' word, in any case of its letters.
            fn from_str(name: &str) -> Result<Self, Error> {
                let known = Self::ALL.iter().find(|known| known.name().eq_ignore_ascii_case(name));
                known.copied().ok_or_else(|| {
                    Error::new(ErrorKind::Config, format!(concat!("'{}' is no ", $what), name))
                })
            }
        }
    };
}

names! {
    /// What a group is doing.
    GroupState, "state of a group":
    /// It waits for its members to join.
    PreparingRebalance "PreparingRebalance";
    /// Its members have joined, and wait for what they get.
    CompletingRebalance "CompletingRebalance";
    /// Every member has its partitions.
    Stable "Stable";
    /// It is gone. Brokers before 4.0 say so of every group that they do not know, too.
    Dead "Dead";
    /// It has no members, but committed offsets.
    Empty "Empty";
    /// The broker works out who gets what (KIP-848).
    Assigning "Assigning";
    /// Members give up and take over partitions (KIP-848).
    Reconciling "Reconciling";
    /// A streams group lacks a topic (KIP-1071).
    NotReady "NotReady";
}

names! {
    /// By which protocol the members of a group come together.
    GroupType, "type of group":
    /// JoinGroup and SyncGroup: the members share out partitions among themselves.
    Classic "Classic";
    /// ConsumerGroupHeartbeat: the broker does (KIP-848).
    Consumer "Consumer";
    /// Share groups (KIP-932).
    Share "Share";
    /// Streams groups (KIP-1071).
    Streams "Streams";
}
