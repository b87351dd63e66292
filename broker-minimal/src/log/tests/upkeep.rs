//! Rolling, retention, truncation, flushing, deletion.

use super::*;
