//! From bytes on a socket to a handler and back. No decision about records is taken here.

pub(crate) mod connection;
pub(crate) mod dispatch;
mod forward;
mod frames;
pub(crate) mod listener;
mod pace;
pub(crate) mod places;
mod respond;

pub(crate) use respond::Response;
