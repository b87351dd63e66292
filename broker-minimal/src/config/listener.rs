//! Listeners: `NAME://host:port`, who is told which address, and Kafka's older keys for the same.

use std::collections::BTreeMap;
use std::fmt;

use super::quorum::Roles;
use super::value::{InvalidValue, list};

/// An address to listen on, or one that clients are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// The listener's name: it ties the two addresses together.
    pub name: String,
    /// A name or an IP address; empty for every interface.
    pub host: String,
    /// The port; 0 picks a free one.
    pub port: u16,
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "{}://[{}]:{}", self.name, self.host, self.port)
        } else {
            write!(f, "{}://{}:{}", self.name, self.host, self.port)
        }
    }
}

/// The keys that decide about listeners, as they were given.
#[derive(Debug, Default)]
pub(super) struct ListenerKeys<'a> {
    pub(super) listeners: Option<&'a str>,
    pub(super) advertised: Option<&'a str>,
    pub(super) protocol_map: Option<&'a str>,
    pub(super) controller_names: Option<&'a str>,
    pub(super) host: Option<&'a str>,
    pub(super) port: Option<u16>,
    pub(super) advertised_host: Option<&'a str>,
    pub(super) advertised_port: Option<u16>,
    pub(super) roles: Roles,
}

/// Whom a listener is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Clients and other brokers.
    Clients,
    /// Controllers, and brokers that need one: whoever only produces or consumes has no business there.
    Controllers,
}

pub(super) const DEFAULT_PORT: u16 = 9092;
const PLAINTEXT: &str = "PLAINTEXT";

impl ListenerKeys<'_> {
    /// What to listen on for clients and other brokers.
    pub(super) fn listeners(&self) -> Result<Vec<Listener>, InvalidValue> {
        let Some(text) = self.listeners else { return Ok(self.lone(Purpose::Clients)) };
        let found = self.chosen(text, Purpose::Clients)?;
        match (self.roles.broker, found.is_empty()) {
            (true, true) => Err(InvalidValue::new("listeners", text, "no listener for clients is left")),
            (false, false) => {
                let reason = "The listeners config must only contain KRaft controller listeners from \
                              controller.listener.names when process.roles=controller";
                Err(InvalidValue::new("listeners", text, reason))
            }
            (true, false) | (false, true) => Ok(found),
        }
    }

    /// What to listen on for controllers alone.
    pub(super) fn controllers(&self) -> Result<Vec<Listener>, InvalidValue> {
        let Some(text) = self.listeners else { return Ok(self.lone(Purpose::Controllers)) };
        let found = self.chosen(text, Purpose::Controllers)?;
        if !self.roles.controller && !found.is_empty() {
            let reason = "controller.listener.names must not contain a value appearing in the 'listeners' \
                          configuration when running KRaft with just the broker role";
            return Err(InvalidValue::new("listeners", text, reason));
        }
        Ok(found)
    }

    /// The one listener where `listeners` is not given: everybody's, or that of a process which is a controller alone.
    fn lone(&self, purpose: Purpose) -> Vec<Listener> {
        if (purpose == Purpose::Clients) != self.roles.broker {
            return Vec::new();
        }
        // Kafka before 0.9 had two keys for the one listener; a port alone means every interface there.
        let host = match (self.host, self.port) {
            (Some(host), _) => host,
            (None, Some(_)) => "",
            (None, None) => "localhost",
        };
        let port = self.port.unwrap_or(DEFAULT_PORT);
        vec![Listener { name: PLAINTEXT.to_owned(), host: host.to_owned(), port }]
    }

    fn chosen(&self, text: &str, purpose: Purpose) -> Result<Vec<Listener>, InvalidValue> {
        let controllers: Vec<&str> = list(self.controller_names.unwrap_or("")).collect();
        // Where nothing is named, all that a mere controller listens on is for controllers.
        let are_all_for_controllers = controllers.is_empty() && !self.roles.broker;
        let map = protocols(self.protocol_map.unwrap_or(""));
        let mut found = Vec::new();
        for entry in list(text) {
            let listener = parse(entry).map_err(|reason| InvalidValue::new("listeners", text, reason))?;
            let is_for = if are_all_for_controllers || controllers.contains(&listener.name.as_str()) {
                Purpose::Controllers
            } else {
                Purpose::Clients
            };
            if is_for != purpose {
                continue;
            }
            let protocol = map.get(listener.name.as_str()).copied().unwrap_or(match purpose {
                Purpose::Clients => &listener.name,
                // As Kafka since 3.9: the controller's listener needs no entry.
                Purpose::Controllers => PLAINTEXT,
            });
            if protocol != PLAINTEXT {
                let reason =
                    format!("listener {} speaks {protocol}, only PLAINTEXT is served", listener.name);
                return Err(InvalidValue::new("listeners", text, reason));
            }
            found.push(listener);
        }
        Ok(found)
    }

    /// What others are told, in the order of `listeners`, with those for controllers behind them. `hostname` stands in for
    /// "every interface".
    pub(super) fn advertised(
        &self,
        listeners: &[Listener],
        controllers: &[Listener],
        hostname: impl Fn() -> String,
    ) -> Result<Vec<Listener>, InvalidValue> {
        const KEY: &str = "advertised.listeners";
        let text = self.advertised.unwrap_or("");
        let mut given = Vec::new();
        for entry in list(text) {
            given.push(parse(entry).map_err(|reason| InvalidValue::new(KEY, text, reason))?);
        }
        let named: Vec<&str> =
            listeners.iter().chain(controllers).map(|listener| listener.name.as_str()).collect();
        if let Some(stray) = given.iter().find(|other| !named.contains(&other.name.as_str()))
            && !list(self.controller_names.unwrap_or("")).any(|name| name == stray.name)
        {
            return Err(InvalidValue::new(KEY, text, format!("there is no listener {}", stray.name)));
        }
        let mut advertised = Vec::new();
        let purposes = [(Purpose::Clients, listeners), (Purpose::Controllers, controllers)];
        let all = purposes
            .into_iter()
            .flat_map(|(purpose, listeners)| listeners.iter().map(move |at| (purpose, at)));
        for (purpose, listener) in all {
            let stated = given.iter().find(|other| other.name == listener.name);
            let mut told = stated.unwrap_or(listener).clone();
            if stated.is_none() {
                told.host = self.advertised_host.map_or(told.host, str::to_owned);
                told.port = self.advertised_port.unwrap_or(told.port);
            }
            let is_everywhere = matches!(told.host.as_str(), "0.0.0.0" | "::");
            // A controller's listener need not be advertised in Kafka: nobody was asked for a better address.
            if told.host.is_empty() || (is_everywhere && purpose == Purpose::Controllers) {
                told.host = hostname();
            } else if is_everywhere {
                let reason = "clients cannot connect to it; name an address that they can reach";
                return Err(InvalidValue::new(KEY, &told.to_string(), reason));
            }
            advertised.push(told);
        }
        Ok(advertised)
    }
}

fn parse(entry: &str) -> Result<Listener, String> {
    let form = || format!("'{entry}' is not of the form NAME://host:port");
    let (name, address) = entry.split_once("://").ok_or_else(form)?;
    let (host, port) = address.rsplit_once(':').ok_or_else(form)?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let port = port.parse().map_err(|_| form())?;
    if name.is_empty() || host.contains(['/', ' ']) {
        return Err(form());
    }
    Ok(Listener { name: name.to_ascii_uppercase(), host: host.to_owned(), port })
}

/// `NAME:PROTOCOL,…` by name.
fn protocols(map: &str) -> BTreeMap<&str, &str> {
    list(map).filter_map(|pair| pair.split_once(':')).map(|(n, p)| (n.trim(), p.trim())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(listeners: &[Listener]) -> Vec<String> {
        listeners.iter().map(Listener::to_string).collect()
    }

    fn both(keys: &ListenerKeys<'_>) -> Result<(Vec<String>, Vec<String>), InvalidValue> {
        let listeners = keys.listeners()?;
        let controllers = keys.controllers()?;
        let advertised = keys.advertised(&listeners, &controllers, || "me".to_owned())?;
        Ok((texts(&listeners), texts(&advertised)))
    }

    #[test]
    fn nothing_given_means_localhost() {
        let (listeners, advertised) = both(&ListenerKeys::default()).unwrap();
        assert_eq!(listeners, ["PLAINTEXT://localhost:9092"]);
        assert_eq!(advertised, listeners);
    }

    #[test]
    fn an_empty_host_is_every_interface_and_advertises_the_host_name() {
        let keys = ListenerKeys { listeners: Some("PLAINTEXT://:9093"), ..Default::default() };
        assert_eq!(both(&keys).unwrap().1, ["PLAINTEXT://me:9093"]);
    }

    #[test]
    fn old_keys_make_one_listener() {
        let keys = ListenerKeys {
            host: Some("10.0.0.1"),
            port: Some(9093),
            advertised_host: Some("kafka.example"),
            advertised_port: Some(19093),
            ..Default::default()
        };
        let (listeners, advertised) = both(&keys).unwrap();
        assert_eq!(listeners, ["PLAINTEXT://10.0.0.1:9093"]);
        assert_eq!(advertised, ["PLAINTEXT://kafka.example:19093"]);
    }

    #[test]
    fn a_controllers_listener_is_not_for_clients_and_has_a_name_that_others_reach() {
        for at in ["", "0.0.0.0", "[::]"] {
            let listeners = format!("IN://[::1]:9092, CONTROLLER://{at}:9093");
            let keys = ListenerKeys {
                listeners: Some(&listeners),
                protocol_map: Some("IN:PLAINTEXT,CONTROLLER:PLAINTEXT"),
                controller_names: Some("CONTROLLER"),
                ..Default::default()
            };
            let (listeners, advertised) = both(&keys).unwrap();
            assert_eq!(listeners, ["IN://[::1]:9092"]);
            assert_eq!(advertised, ["IN://[::1]:9092", "CONTROLLER://me:9093"]);
        }
    }

    #[test]
    fn a_mere_controller_has_no_listener_for_clients_and_a_mere_broker_none_for_controllers() {
        let roles = Roles { broker: false, controller: true };
        for (listeners, names) in [
            (None, None),
            (Some("PLAINTEXT://localhost:9092"), None),
            (Some("CONTROLLER://localhost:9092"), Some("CONTROLLER")),
        ] {
            let keys = ListenerKeys { listeners, controller_names: names, roles, ..Default::default() };
            assert_eq!(keys.listeners().unwrap(), []);
            let controllers = texts(&keys.controllers().unwrap());
            assert_eq!(controllers, [listeners.unwrap_or("PLAINTEXT://localhost:9092")]);
        }
        let both = Some("PLAINTEXT://:9092,CONTROLLER://:9093");
        let keys = ListenerKeys {
            listeners: both,
            controller_names: Some("CONTROLLER"),
            roles,
            ..Default::default()
        };
        let refused = keys.listeners().unwrap_err().to_string();
        assert!(refused.contains("must only contain KRaft controller listeners"), "{refused}");
        let keys = ListenerKeys { roles: Roles { broker: true, controller: false }, ..keys };
        let refused = keys.controllers().unwrap_err().to_string();
        assert!(refused.contains("with just the broker role"), "{refused}");
    }

    #[test]
    fn what_cannot_be_served_or_reached_is_refused() {
        let listen = |text| ListenerKeys { listeners: Some(text), ..Default::default() };
        for text in ["SSL://:9092", "localhost:9092", "PLAINTEXT://x", "PLAINTEXT://x:70000", ","] {
            assert_eq!(both(&listen(text)).unwrap_err().key, "listeners", "{text}");
        }
        let unreachable = both(&listen("PLAINTEXT://0.0.0.0:9092")).unwrap_err();
        assert_eq!(unreachable.key, "advertised.listeners");
        let stray = ListenerKeys { advertised: Some("OTHER://x:1"), ..Default::default() };
        assert!(both(&stray).unwrap_err().reason.contains("no listener OTHER"));
    }
}
