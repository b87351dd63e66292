//! Client settings out of many spellings: which value wins when a flag, a property and a file name the same key.
//!
//! Kafka's tools let a flag that was given beat `--command-property`, that one the properties file, and all of them the tool's own
//! default. This type keeps the order; the client's configuration knows which keys exist.

use crate::error::Failure;

/// Key and value pairs in the order of their strength; a later one wins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings(Vec<(String, String)>);

impl Settings {
    /// Settings out of `key=value` words; `option` is named when one of them is malformed.
    pub fn parse(option: &str, words: &[String]) -> Result<Self, Failure> {
        let mut settings = Self::default();
        for word in words {
            let (key, value) = split_pair(option, word)?;
            settings.set(key, value);
        }
        Ok(settings)
    }

    /// Settings out of the text of a Java properties file: comments, `=` or `:` or blanks after the key, escapes, continued lines.
    pub fn parse_properties(text: &str) -> Self {
        let mut settings = Self::default();
        for (key, value) in kinglet::parse_properties(text) {
            if !key.is_empty() {
                settings.set(&key, value);
            }
        }
        settings
    }

    /// Adds the pairs of `stronger`, which win.
    pub fn merge(&mut self, stronger: Self) {
        for (key, value) in stronger.0 {
            self.set(&key, value);
        }
    }

    /// Sets a key; an earlier value of it is forgotten.
    pub fn set(&mut self, key: &str, value: impl ToString) {
        self.0.retain(|(known, _)| known != key);
        self.0.push((key.to_owned(), value.to_string()));
    }

    /// Sets a key if the flag was given.
    pub fn set_given(&mut self, key: &str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.set(key, value);
        }
    }

    /// The value of a key.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    /// All pairs.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// True for the words Java reads as true, as for Kafka's own properties of readers and formatters.
    pub fn is_true(&self, key: &str, default: bool) -> bool {
        self.value(key).map_or(default, |value| value.trim().eq_ignore_ascii_case("true"))
    }
}

/// Splits `key=value` at the first equals sign. A key alone has an empty value, as Kafka's tools accept it.
pub fn split_pair<'a>(option: &str, word: &'a str) -> Result<(&'a str, &'a str), Failure> {
    let (key, value) = word.split_once('=').unwrap_or((word, ""));
    if key.is_empty() {
        return Err(
            Failure::usage(format!("{option} '{word}' has no key")).hint(format!("write {option} key=value"))
        );
    }
    Ok((key, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn the_last_value_of_a_key_wins() {
        let mut settings = Settings::parse("--property", &words(&["a=1", "b=2", "a=3"])).expect("pairs");
        settings.set_given("b", Some(9));
        settings.set_given("c", None::<i32>);

        assert_eq!(settings.iter().collect::<Vec<_>>(), [("a", "3"), ("b", "9")]);
    }

    #[test]
    fn a_value_keeps_its_equals_signs_and_spaces() {
        let settings =
            Settings::parse("--property", &words(&["sasl.jaas.config=a b=\"c\";", "key.separator= = "]))
                .expect("pairs");

        assert_eq!(settings.value("sasl.jaas.config"), Some("a b=\"c\";"));
        assert_eq!(settings.value("key.separator"), Some(" = "));
    }

    #[test]
    fn a_word_without_a_key_is_refused() {
        assert!(Settings::parse("--property", &words(&["=x"])).is_err());
    }

    #[test]
    fn a_properties_file_is_read_as_java_reads_it() {
        let text = "# comment\n! too\n\nkey.separator = \\t\nparse.key:true\nnull.marker N\\u0041\nlong = a\\\n   b\nempty\n a\\=b = c # no comment\n";

        let settings = Settings::parse_properties(text);

        let pairs: Vec<_> = settings.iter().collect();
        assert_eq!(
            pairs,
            [
                ("key.separator", "\t"),
                ("parse.key", "true"),
                ("null.marker", "NA"),
                ("long", "ab"),
                ("empty", ""),
                ("a=b", "c # no comment")
            ]
        );
    }

    #[test]
    fn true_is_read_as_java_reads_it() {
        let settings = Settings::parse("--property", &words(&["a= TRUE ", "b=yes", "c"])).expect("pairs");

        assert!(settings.is_true("a", false));
        assert!(!settings.is_true("b", true));
        assert!(!settings.is_true("c", true));
        assert!(settings.is_true("absent", true));
    }
}
