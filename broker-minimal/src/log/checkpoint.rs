//! Small files that are replaced as a whole: a reader finds the old content or the new, never a part.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use kinglet_protocol::Uuid;
use kinglet_protocol::records::files;

use super::epochs::Epochs;
use crate::disk;

/// File names are at most this long.
const NAME_MAX: usize = 255;

/// Replaces a file. After a power cut it may be old or new, or empty if it was not there before: for what can be made
/// anew, or is flushed later.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary(path);
    disk::write_all(&disk::create(&temporary)?, bytes, 0)?;
    disk::rename(&temporary, path)
}

/// Replaces a file and waits until the disk has it, name and content.
pub(super) fn replace_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary(path);
    let file = disk::create(&temporary)?;
    disk::write_all(&file, bytes, 0)?;
    disk::sync(&file)?;
    disk::rename(&temporary, path)?;
    path.parent().map_or(Ok(()), disk::sync_path)
}

/// The text of a small file; `None` if it is not there. What a power cut left of one that was not flushed need not be text: like
/// any other that makes no sense, it is then for the caller to refuse.
pub(super) fn read_text(path: &Path) -> io::Result<Option<String>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn epochs_path(dir: &Path) -> PathBuf {
    dir.join("leader-epoch-checkpoint")
}

pub(super) fn write_epochs(dir: &Path, epochs: &Epochs) -> io::Result<()> {
    replace(&epochs_path(dir), files::write_epochs(epochs.entries()).as_bytes())
}

/// `None`: the file is missing or makes no sense, and the epochs are to be read from the batches.
pub(super) fn read_epochs(dir: &Path) -> io::Result<Option<Epochs>> {
    let path = epochs_path(dir);
    let Some(text) = read_text(&path)? else { return Ok(None) };
    // A power cut may have left a part of it, and a part of its last number is a number too.
    let whole = text.ends_with('\n').then_some(text);
    let epochs = whole.and_then(|text| files::parse_epochs(&text).ok()).and_then(Epochs::from_entries);
    if epochs.is_none() {
        tracing::warn!(path = %path.display(), "epoch checkpoint unreadable, rebuilding it from the log");
    }
    Ok(epochs)
}

pub(super) fn topic_id_path(dir: &Path) -> PathBuf {
    dir.join("partition.metadata")
}

pub(super) fn write_topic_id(dir: &Path, topic_id: Uuid) -> io::Result<()> {
    replace(&topic_id_path(dir), files::write_partition_metadata(topic_id).as_bytes())
}

/// Zero when the file is missing, as in directories of Kafka before 2.8, or makes no sense.
pub(super) fn read_topic_id(dir: &Path) -> io::Result<Uuid> {
    let path = topic_id_path(dir);
    let Some(text) = read_text(&path)? else { return Ok(Uuid::ZERO) };
    files::parse_partition_metadata(&text).or_else(|error| {
        tracing::warn!(path = %path.display(), %error, "topic id unreadable");
        Ok(Uuid::ZERO)
    })
}

/// The name under which a deleted partition waits for removal: Kafka's form, unique by the topic's id.
pub(super) fn doomed_dir(dir: &Path, topic_id: Uuid) -> PathBuf {
    let id: String = topic_id.0.iter().map(|byte| format!("{byte:02x}")).collect();
    let suffix = format!(".{id}-delete");
    let mut name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
    // Topic names are ASCII, so this cuts no character in two.
    name.truncate(NAME_MAX - suffix.len());
    dir.with_file_name(name + &suffix)
}

fn temporary(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".tmp");
    name.into()
}
