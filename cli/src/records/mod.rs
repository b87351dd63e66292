//! `kdelete`: deletes the oldest records of partitions.

pub mod args;
pub mod offsets;
pub mod run;
