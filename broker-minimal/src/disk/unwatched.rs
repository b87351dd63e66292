//! Outside of tests nobody records what happens to the disk, and nothing is refused but by the system.
#![expect(clippy::unnecessary_wraps, reason = "only tests refuse")]

use std::fs::File;
use std::io::{self, IoSlice};
use std::path::Path;

pub(super) enum Kind {
    Write,
    Name,
}

#[inline]
pub(super) fn allow(_: Kind) -> io::Result<()> {
    Ok(())
}

#[inline]
pub(super) fn opened(_: &Path, _: &File) {}

#[inline]
pub(super) fn wrote(_: &File, _: &[IoSlice<'_>], _: usize, _: u64) {}

#[inline]
pub(super) fn cut(_: &File, _: u64) {}

#[inline]
pub(super) fn sync(_: &File) -> Option<io::Result<()>> {
    None
}

#[inline]
pub(super) fn sync_path(_: &Path) -> Option<io::Result<()>> {
    None
}

#[inline]
pub(super) fn made_dir(_: &Path) {}

#[inline]
pub(super) fn renamed(_: &Path, _: &Path) {}

#[inline]
pub(super) fn removed(_: &Path) {}
