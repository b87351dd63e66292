//! What `--add-config`, `--add-config-file` and `--delete-config` change.

use kinglet::admin::ConfigChange;

use super::args::ConfigsArgs;
use crate::connect::read_file;
use crate::error::Failure;
use crate::settings::Settings;

/// All changes of the line; of a key that is named twice the last value counts.
pub fn changes(args: &ConfigsArgs) -> Result<Vec<ConfigChange>, Failure> {
    let mut set = match &args.add_config_file {
        Some(path) => Settings::parse_properties(&read_file(path)?),
        None => Settings::default(),
    };
    for (key, value) in args.add_config.as_deref().map(parse).transpose()?.unwrap_or_default() {
        set.set(&key, value);
    }
    for (key, _) in set.iter() {
        let is_key = |c: char| c.is_ascii_alphanumeric() || "$._-".contains(c);
        if !key.chars().all(is_key) {
            return Err(Failure::usage(format!("'{key}' is no key"))
                .cause(format!("Invalid character found for config key: {key}")));
        }
    }
    let deleted = args.delete_config.iter().map(|key| ConfigChange::Delete(key.trim().to_owned()));
    let set = set.iter().map(|(key, value)| ConfigChange::Set(key.to_owned(), value.to_owned()));
    Ok(deleted.chain(set).collect())
}

/// Reads `k=v,k2=[a,b]`: commas and equals signs in brackets part nothing, and the brackets go.
pub fn parse(text: &str) -> Result<Vec<(String, String)>, Failure> {
    let mut pairs = Vec::new();
    for entry in split(text, ',') {
        let [key, value] = split(entry, '=')[..] else {
            return Err(Failure::usage(format!("--add-config '{entry}' is no key=value")).cause(
                "requirement failed: Invalid entity config: all configs to be added must be in the format \"key=val\" or  \
                 \"key=[val1,val2]\" to group values which contain commas.",
            ));
        };
        let value = value.replace(['[', ']'], "");
        pairs.push((key.trim().to_owned(), value.trim().to_owned()));
    }
    Ok(pairs)
}

/// Parts at separators that are in no bracket: behind which a bracket opens before one closes, as Kafka's tool looks at it.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut begin) = (Vec::new(), 0);
    for (at, _) in text.match_indices(separator) {
        let (part, rest) = (text.get(begin..at), text.get(at + separator.len_utf8()..).unwrap_or_default());
        let is_inside = rest
            .find(['[', ']'])
            .is_some_and(|next| rest.get(next..).is_some_and(|rest| rest.starts_with(']')));
        if !is_inside {
            parts.extend(part);
            begin = at + separator.len_utf8();
        }
    }
    parts.extend(text.get(begin..));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_hold_a_value_together() {
        let pairs = |text| parse(text).expect("pairs");
        let owned = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<Vec<_>>()
        };

        assert_eq!(pairs("a=1, b = [x,y] ,c="), owned(&[("a", "1"), ("b", "x,y"), ("c", "")]));
        assert_eq!(
            pairs("match=[client_id=a.*,x=b],b=2"),
            owned(&[("match", "client_id=a.*,x=b"), ("b", "2")])
        );
    }

    #[test]
    fn what_is_no_pair_is_refused() {
        for text in ["a", "a=1,b", "a=b=c", "", "a=x,y"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
