//! Groups: list, describe and delete them, read and change their committed offsets, remove members.
//!
//! Every group is asked about at its coordinator. One that has moved is found again and one that still loads is asked
//! again, until `default.api.timeout.ms` is over; groups of one coordinator share a request where the broker can.

mod coordinators;
mod describe;
mod list;
mod members;
mod offsets;
mod state;

pub use describe::{GroupDescription, GroupMember};
pub use list::{GroupFilter, GroupListing};
pub use members::MemberToRemove;
pub use offsets::GroupOffsets;
pub use state::{GroupState, GroupType};
