//! Below the high watermark the replicas of a partition are equal, byte by byte.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use kinglet_protocol::records::Batch;

/// What has been compared so far, by partition.
#[derive(Debug, Default)]
pub(crate) struct Replicas {
    compared: Vec<i64>,
    /// Bytes that were equal.
    pub(crate) bytes: u64,
}

impl Replicas {
    /// The next comparisons begin at the beginning.
    pub(crate) fn compare_all(&mut self) {
        self.compared.clear();
    }

    /// Compares a partition's folders up to this offset, from where it stopped before.
    ///
    /// # Errors
    /// How they differ, or what cannot be read.
    pub(crate) fn compare(&mut self, partition: usize, folders: &[PathBuf], end: i64) -> Result<(), String> {
        self.compared.resize(self.compared.len().max(partition + 1), 0);
        let from = self.compared[partition];
        let mut first: Option<(Vec<u8>, &PathBuf)> = None;
        for folder in folders {
            let bytes = range(folder, from, end).map_err(|error| format!("{}: {error}", folder.display()))?;
            match &first {
                None => first = Some((bytes, folder)),
                Some((expected, at)) if *expected != bytes => {
                    let same = expected.iter().zip(&bytes).take_while(|(one, other)| one == other).count();
                    return Err(format!(
                        "replicas: {} has {} bytes from offset {from} to {end}, {} has {}; the first {same} are equal",
                        at.display(),
                        expected.len(),
                        folder.display(),
                        bytes.len()
                    ));
                }
                Some(_) => self.bytes += bytes.len() as u64,
            }
        }
        self.compared[partition] = end;
        Ok(())
    }
}

/// The batches with offsets from `from` to before `end`, one behind the other: where segments begin is each replica's own business.
fn range(folder: &Path, from: i64, end: i64) -> io::Result<Vec<u8>> {
    let mut segments: Vec<(i64, PathBuf)> = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let base = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
        if let Some(base) = base.filter(|_| path.extension().is_some_and(|extension| extension == "log")) {
            segments.push((base, path));
        }
    }
    segments.sort();
    let mut all = Vec::new();
    for (index, (base, path)) in segments.iter().enumerate() {
        let next = segments.get(index + 1).map_or(i64::MAX, |(base, _)| *base);
        if next <= from || *base >= end {
            continue;
        }
        let mut bytes = Bytes::from(fs::read(path)?);
        while !bytes.is_empty() {
            let batch = match Batch::split(&mut bytes) {
                Ok(Some(batch)) => batch,
                // What is being appended just now lies behind the end.
                Ok(None) => break,
                Err(error) => return Err(io::Error::other(format!("{}: {error}", path.display()))),
            };
            let base_offset = batch.header().base_offset;
            if base_offset >= end {
                break;
            }
            if base_offset >= from {
                all.extend_from_slice(batch.bytes());
            }
        }
    }
    Ok(all)
}
