//! What a client's arguments ask of it.

use clap::{Parser, ValueEnum};

use crate::{Fallible, Order, Reading};

/// The program's arguments: what is measured, and how.
#[derive(Debug, Parser)]
pub enum Task {
    /// Send records.
    Produce(Order),
    /// Receive records.
    Consume(Reading),
}

impl Task {
    /// For programs that only send.
    pub fn order(self) -> Fallible<Order> {
        match self {
            Self::Produce(order) => Ok(order),
            Self::Consume(_) => Err("it only sends".into()),
        }
    }

    /// For programs that only receive.
    pub fn reading(self) -> Fallible<Reading> {
        match self {
            Self::Consume(reading) => Ok(reading),
            Self::Produce(_) => Err("it only receives".into()),
        }
    }
}

pub(crate) fn arguments<'a>(task: &str, pairs: impl IntoIterator<Item = (&'a str, String)>) -> Vec<String> {
    pairs.into_iter().fold(vec![task.to_owned()], |mut args, (key, value)| {
        args.extend([key.to_owned(), value]);
        args
    })
}

pub(crate) fn name(value: impl ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |possible| possible.get_name().to_owned())
}
