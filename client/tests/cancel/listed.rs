//! The library's public futures, as its source has them.

use std::fs;
use std::path::{Path, PathBuf};

/// `Type::method` for each public method whose call is a future, and the name of each type that is one.
pub(crate) fn public_futures() -> Vec<String> {
    let mut files = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let mut found: Vec<String> =
        files.iter().flat_map(|file| futures_of(&fs::read_to_string(file).unwrap())).collect();
    found.sort();
    found.dedup();
    found
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// As rustfmt lays it out: an `impl` or a public trait begins at the margin, its methods four columns in.
fn futures_of(source: &str) -> Vec<String> {
    let (mut found, mut owner, mut method) = (Vec::new(), String::new(), None);
    for line in source.lines() {
        if let Some(rest) = line.strip_prefix("impl") {
            owner = owner_of(rest);
            if rest.contains("Future for ") {
                found.push(owner.clone());
            }
        } else if let Some(rest) = line.strip_prefix("pub trait ") {
            owner = word(rest);
            method = None;
        } else if let Some(rest) = line.strip_prefix("pub async fn ") {
            found.push(word(rest));
        } else if let Some(rest) = line.strip_prefix("    pub async fn ") {
            found.push(format!("{owner}::{}", word(rest)));
        } else if let Some(rest) = line.strip_prefix("    pub fn ").or(line.strip_prefix("    fn ")) {
            // A trait's methods are as public as it is; those of an `impl` say so.
            method = (line.starts_with("    pub") || source.contains(&format!("pub trait {owner}")))
                .then(|| word(rest));
        }
        if line.contains("-> impl Future") || line.contains("-> impl IntoFuture") {
            found.extend(method.take().map(|method| format!("{owner}::{method}")));
        }
    }
    found
}

/// Whose methods follow `impl`.
fn owner_of(rest: &str) -> String {
    let rest = match rest.strip_prefix('<') {
        Some(generic) => generic.split_once("> ").map_or(generic, |(_, rest)| rest),
        None => rest,
    };
    word(rest.split_once(" for ").map_or(rest, |(_, owner)| owner).trim())
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}
