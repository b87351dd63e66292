//! Where the values in force come from.

use super::{BROKER_KEYS, Config, Listener, broker};

/// Where a value was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Nowhere: Kafka's default, or what follows from the machine.
    Default,
    /// In this line of the file, counted from 1.
    Line(usize),
    /// By an option of the command line.
    Option(&'static str),
}

/// A key with the value that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// The key.
    pub name: &'static str,
    /// Its value.
    pub value: String,
    /// Where it was said.
    pub origin: Origin,
}

/// Older names of other keys: what they decided is told under the newer ones, unless they were given.
const OLDER: &[&str] =
    &["advertised.host.name", "advertised.port", "broker.id", "host.name", "log.dir", "port"];

impl Config {
    /// What holds for the broker: every key that has a value, by name.
    pub fn effective(&self) -> Vec<Effective> {
        let is_told = |name| self.given(name).is_some() || !OLDER.contains(&name);
        let told = BROKER_KEYS.iter().filter(|key| is_told(key.name));
        told.filter_map(|key| {
            let (value, origin) = self.decided(key.name).or_else(|| {
                let value = self.given(key.name).map(str::to_owned).or_else(|| self.in_force(key))?;
                Some((value, self.origin(&[key.name])))
            })?;
            Some(Effective { name: key.name, value, origin })
        })
        .collect()
    }

    /// Keys whose value more than one place decides.
    fn decided(&self, name: &str) -> Option<(String, Origin)> {
        const LISTENERS: &[&str] = &["listeners", "port", "host.name"];
        const ADVERTISED: &[&str] = &["advertised.listeners", "advertised.port", "advertised.host.name"];
        let by_port = self.port.map(|_| Origin::Option("--port"));
        let listeners = || by_port.unwrap_or_else(|| self.origin(LISTENERS));
        match name {
            "listeners" => Some((join(self.listeners.iter().chain(&self.controllers)), listeners())),
            "advertised.listeners" => {
                let own = self.origin(ADVERTISED);
                let origin = if own == Origin::Default { listeners() } else { own };
                Some((join(&self.advertised), origin))
            }
            "log.dirs" => {
                let dirs: Vec<_> = self.log_dirs.iter().map(|dir| dir.display().to_string()).collect();
                let by_option = self.is_ephemeral().then_some(Origin::Option("--ephemeral"));
                Some((dirs.join(","), by_option.unwrap_or_else(|| self.origin(&["log.dirs", "log.dir"]))))
            }
            "node.id" => Some((self.node_id.to_string(), self.origin(&["node.id", "broker.id"]))),
            _ => None,
        }
    }

    /// Where the first of these keys that was given stands.
    fn origin(&self, keys: &[&str]) -> Origin {
        let first = keys.iter().find(|key| broker::find(key).is_some() && self.given(key).is_some());
        first.and_then(|key| self.origins.get(*key)).copied().unwrap_or(Origin::Default)
    }
}

fn join<'a>(listeners: impl IntoIterator<Item = &'a Listener>) -> String {
    listeners.into_iter().map(Listener::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(config: &Config, name: &str) -> Option<(String, Origin)> {
        config.effective().into_iter().find(|key| key.name == name).map(|key| (key.value, key.origin))
    }

    fn is(value: &str, origin: Origin) -> Option<(String, Origin)> {
        Some((value.to_owned(), origin))
    }

    #[test]
    fn each_value_has_the_place_where_it_was_said() {
        let mut config = Config::from_properties("\nnum.partitions=3\nlog.retention.hours=1\n").unwrap();
        config.set("log.retention.hours", "2").unwrap();
        config.set_by("--data-dir", "log.dirs", "/data").unwrap();
        assert_eq!(told(&config, "num.partitions"), is("3", Origin::Line(2)));
        assert_eq!(told(&config, "log.retention.hours"), is("2", Origin::Option("--override")));
        assert_eq!(told(&config, "log.dirs"), is("/data", Origin::Option("--data-dir")));
        assert_eq!(told(&config, "message.max.bytes"), is("1048588", Origin::Default));
        assert_eq!(told(&config, "log.retention.ms"), None);
    }

    #[test]
    fn what_older_keys_decide_is_told_under_the_newer_ones() {
        let config = Config::from_properties("broker.id=7\nport=9093\nhost.name=h\nlog.dir=/a").unwrap();
        assert_eq!(told(&config, "node.id"), is("7", Origin::Line(1)));
        assert_eq!(told(&config, "listeners"), is("PLAINTEXT://h:9093", Origin::Line(2)));
        assert_eq!(told(&config, "advertised.listeners"), is("PLAINTEXT://h:9093", Origin::Line(2)));
        assert_eq!(told(&config, "log.dirs"), is("/a", Origin::Line(4)));
        assert_eq!(told(&Config::default(), "port"), None);
    }

    #[test]
    fn a_port_that_was_asked_for_is_where_it_listens() {
        let mut config = Config::from_properties("listeners=PLAINTEXT://h:9092").unwrap();
        config.set_port(9095);
        assert_eq!(told(&config, "listeners"), is("PLAINTEXT://h:9095", Origin::Option("--port")));
    }
}
