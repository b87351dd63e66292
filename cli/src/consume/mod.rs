//! `kconsume`: records to stdout, as kafka-console-consumer prints them.

pub mod args;
pub mod ends;
pub mod format;
pub mod json;
pub mod pipe;
pub mod run;
pub mod value;
