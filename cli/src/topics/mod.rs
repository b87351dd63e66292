//! `ktopics`: create, list, describe, alter and delete topics, with kafka-topics' options and output.

pub mod args;
pub mod filter;
pub mod render;
pub mod run;
