//! `kproduce`: every line of stdin becomes a record, byte for byte.

pub mod args;
pub mod feed;
pub mod lines;
pub mod parser;
pub mod progress;
pub mod run;
