//! `kquorum`: describes the metadata quorum.

pub mod args;
pub mod render;
pub mod run;
