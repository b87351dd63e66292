//! Starts the broker.
fn main() {}
