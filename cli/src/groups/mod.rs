//! `kgroups`: consumer groups, their members and committed offsets.

pub mod args;
pub mod check;
mod collect;
pub mod plan;
pub mod regex;
pub mod render;
mod report;
mod reset;
pub mod run;
pub mod times;
