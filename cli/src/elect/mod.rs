//! `kelect`: elects leaders, the preferred ones or, where nobody is left in sync, any.

pub mod args;
pub mod file;
pub mod render;
pub mod run;
