//! The small files beside a log.
