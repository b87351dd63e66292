//! `kconsume`: records to stdout, as kafka-console-consumer prints them.

pub mod args;
pub mod ends;
pub mod format;
pub mod group;
pub mod json;
pub(crate) mod open;
pub mod pipe;
pub mod run;
pub mod trouble;
pub mod value;
