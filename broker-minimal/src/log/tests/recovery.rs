//! What a crash may leave behind, and what opening the log makes of it.

use super::*;
