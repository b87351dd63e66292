//! Which names a topic may have.

use std::collections::HashMap;

use super::image::Image;
use super::refusal::Refusal;
use crate::config::Quoted;

/// A directory name is 255 bytes at most; a partition's adds a dash and a number, and a deleted one's more.
const LEN_MAX: usize = 249;
/// The broker's own log lies in a directory of this name.
const METADATA_TOPIC: &str = "__cluster_metadata";

/// Topics of the protocol itself, as tools see them.
pub(crate) fn is_internal(name: &str) -> bool {
    matches!(name, "__consumer_offsets" | "__transaction_state" | "__share_group_state")
}

/// Says whether the name can be a topic's.
pub(crate) fn check(name: &str) -> Result<(), Refusal> {
    let reason = if name.is_empty() {
        "the empty string is not allowed".to_owned()
    } else if name == "." || name == ".." {
        format!("'{name}' is not allowed")
    } else if name.len() > LEN_MAX {
        format!("the length of '{}' is longer than the max allowed length {LEN_MAX}", Quoted(name))
    } else if name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')) {
        return Ok(());
    } else {
        let name = Quoted(name);
        format!("'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'")
    };
    Err(Refusal::Name(reason))
}

/// Names that differ in dots and underscores alone, which become one in metrics: Kafka allows only the first of them.
#[derive(Debug, Default)]
pub(super) struct Twins {
    /// The names by what they become. Most names cannot have a twin and are not here.
    by_folded: HashMap<String, String>,
}

impl Twins {
    /// The names that are there. Made once for a request: one look at every topic, not one for each new name.
    pub(super) fn of(image: &Image) -> Self {
        let mut twins = Self::default();
        for name in image.topics.keys() {
            twins.add(name);
        }
        twins
    }

    /// Adds the name of a new topic.
    pub(super) fn add(&mut self, name: &str) {
        if let Some(folded) = fold(name) {
            self.by_folded.entry(folded).or_insert_with(|| name.to_owned());
        }
    }

    fn find(&self, name: &str) -> Option<&String> {
        self.by_folded.get(&fold(name)?)
    }
}

/// What the name becomes in metrics; `None` when only this name does.
fn fold(name: &str) -> Option<String> {
    name.contains(['.', '_']).then(|| name.replace('.', "_"))
}

/// Says whether a topic of this name may be created beside the others.
pub(super) fn check_new(name: &str, image: &Image, twins: &Twins) -> Result<(), Refusal> {
    if name == METADATA_TOPIC {
        return Err(Refusal::Internal(METADATA_TOPIC));
    }
    check(name)?;
    if image.topic(name).is_some() {
        return Err(Refusal::Exists(name.to_owned()));
    }
    match twins.find(name) {
        Some(existing) => Err(Refusal::Collision { name: name.to_owned(), existing: existing.clone() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_names_are_told_in_kafkas_words() {
        let told = |name: &str| check(name).map_err(|e| e.to_string());
        assert_eq!(told("a.B_c-9"), Ok(()));
        assert_eq!(told(&"x".repeat(249)), Ok(()));
        assert!(told(&"x".repeat(250)).unwrap_err().ends_with("longer than the max allowed length 249"));
        assert_eq!(told(""), Err("Topic name is invalid: the empty string is not allowed".to_owned()));
        assert_eq!(told(".."), Err("Topic name is invalid: '..' is not allowed".to_owned()));
        assert_eq!(
            told("bad name!"),
            Err("Topic name is invalid: 'bad name!' contains one or more characters other than ASCII \
                 alphanumerics, '.', '_' and '-'"
                .to_owned())
        );
        assert!(told("über").is_err());
    }
}
