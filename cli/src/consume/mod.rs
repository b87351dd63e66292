//! `kconsume`: records to stdout, as kafka-console-consumer prints them.

pub mod args;
pub mod ends;
pub mod format;
pub mod group;
pub mod json;
mod open;
pub mod pipe;
pub mod run;
pub mod value;
