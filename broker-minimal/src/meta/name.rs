//! Which names a topic may have.

use super::image::Image;
use super::refusal::Refusal;

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
        format!("the length of '{name}' is longer than the max allowed length {LEN_MAX}")
    } else if name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')) {
        return Ok(());
    } else {
        format!("'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'")
    };
    Err(Refusal::Name(reason))
}

/// Says whether a topic of this name may be created beside the others.
pub(super) fn check_new(name: &str, image: &Image) -> Result<(), Refusal> {
    if name == METADATA_TOPIC {
        return Err(Refusal::Internal(METADATA_TOPIC));
    }
    check(name)?;
    if image.topic(name).is_some() {
        return Err(Refusal::Exists(name.to_owned()));
    }
    // Names that differ in dots and underscores alone become one in metrics, so Kafka allows only the first.
    if name.contains(['.', '_']) {
        let folded = name.replace('.', "_");
        let twin =
            image.topics.keys().find(|other| other.len() == name.len() && other.replace('.', "_") == folded);
        if let Some(existing) = twin {
            return Err(Refusal::Collision { name: name.to_owned(), existing: existing.clone() });
        }
    }
    Ok(())
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
