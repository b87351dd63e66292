//! The keys of the metadata quorum: which parts a process plays, and where the others are. Refusals have Kafka's words.

use super::value::{InvalidValue, list};

/// What a process is in its cluster (`process.roles`); everything when nothing is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles {
    /// It keeps partitions and serves clients.
    pub broker: bool,
    /// It votes in the metadata quorum.
    pub controller: bool,
}

/// The quorum that a process belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumConfig {
    /// Where its members are: host and port, each once, in the order of the key.
    pub peers: Vec<(String, u16)>,
    /// Their node ids in the same order, if `controller.quorum.voters` says them; empty by
    /// `controller.quorum.bootstrap.servers`.
    pub voters: Vec<i32>,
}

pub(super) const ROLES: &str = "process.roles";
pub(super) const BOOTSTRAP: &str = "controller.quorum.bootstrap.servers";
pub(super) const VOTERS: &str = "controller.quorum.voters";
const ZOOKEEPER: &str = "zookeeper.connect";
/// The keys that [`check`] looks at.
pub(super) const TOGETHER: &[&str] = &[ROLES, BOOTSTRAP, VOTERS, "node.id", "broker.id"];

impl Default for Roles {
    fn default() -> Self {
        Self { broker: true, controller: true }
    }
}

impl Roles {
    /// Reads `process.roles`, whose words were checked when it was given.
    pub(super) fn parse(text: Option<&str>) -> Result<Self, InvalidValue> {
        let Some(text) = text else { return Ok(Self::default()) };
        let mut roles = Self { broker: false, controller: false };
        for word in list(text) {
            let role = if word == "broker" { &mut roles.broker } else { &mut roles.controller };
            if std::mem::replace(role, true) {
                let reason = "Duplicate role names found in `process.roles` config";
                return Err(InvalidValue::new(ROLES, text, reason));
            }
        }
        // As in Kafka before 4.0, where an empty value meant a broker of ZooKeeper's.
        Ok(if roles.broker || roles.controller { roles } else { Self::default() })
    }
}

impl QuorumConfig {
    /// Reads the two keys; voters go before bootstrap servers, as in Kafka. `None` without either.
    pub(super) fn parse(bootstrap: Option<&str>, voters: Option<&str>) -> Result<Option<Self>, InvalidValue> {
        let mut quorum = Self { peers: Vec::new(), voters: Vec::new() };
        for entry in list(bootstrap.unwrap_or("")) {
            let failed = |what| {
                let form = "Each entry should be in the form \"{host}:{port}\"";
                let reason = format!(
                    "Failed to parse host {what} from {entry} for the configuration {BOOTSTRAP}. {form}"
                );
                InvalidValue::new(BOOTSTRAP, bootstrap.unwrap_or(""), reason)
            };
            quorum
                .add(address(entry).map_err(failed)?)
                .map_err(|r| InvalidValue::new(BOOTSTRAP, entry, r))?;
        }
        let Some(text) = voters.filter(|text| list(text).next().is_some()) else {
            return Ok(Some(quorum).filter(|quorum| !quorum.peers.is_empty()));
        };
        quorum.peers.clear();
        let bad = |reason: String| InvalidValue::new(VOTERS, text, reason);
        for entry in list(text) {
            const FORM: &str = "Each entry should be in the form `{id}@{host}:{port}`.";
            let Some((id, at)) = entry.split_once('@').filter(|(_, at)| !at.contains('@')) else {
                return Err(bad(format!("Invalid configuration value for {VOTERS}. {FORM}")));
            };
            let id = id.parse::<i32>().ok().filter(|id| *id >= 0);
            let id = id.ok_or_else(|| bad(format!("Failed to parse voter ID as an integer from {entry}")))?;
            let failed = |what| {
                bad(format!(
                    "Failed to parse host {what} from entry {entry} for the configuration {VOTERS}. {FORM}"
                ))
            };
            quorum.add(address(at).map_err(failed)?).map_err(bad)?;
            if quorum.voters.contains(&id) {
                return Err(bad(format!("voter {id} is named twice")));
            }
            quorum.voters.push(id);
        }
        Ok(Some(quorum))
    }

    fn add(&mut self, (host, port): (String, u16)) -> Result<(), String> {
        if self.peers.iter().any(|(h, p)| *h == host && *p == port) {
            return Err(format!("{host}:{port} is named twice"));
        }
        self.peers.push((host, port));
        Ok(())
    }
}

/// Host and port; the error says which of them is missing.
fn address(text: &str) -> Result<(String, u16), &'static str> {
    let (host, port) = text.rsplit_once(':').ok_or("name")?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let is_of_host = |c: char| c.is_ascii_alphanumeric() || "-._%:".contains(c);
    if host.is_empty() || !host.chars().all(is_of_host) || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("name");
    }
    match port.parse() {
        Ok(0) | Err(_) => Err("port"),
        Ok(port) => Ok((host.to_owned(), port)),
    }
}

/// What one key allows and another forbids; to be checked when all of them are known.
pub(super) fn check(
    (roles, roles_text): (Roles, Option<&str>),
    quorum: Option<&QuorumConfig>,
    node_id: i32,
    voters_text: Option<&str>,
) -> Result<(), InvalidValue> {
    let bad =
        |reason: String| Err(InvalidValue::new(ROLES, roles_text.unwrap_or("broker,controller"), reason));
    match quorum {
        None if roles == Roles::default() => Ok(()),
        None => bad(format!(
            "If using {ROLES}, either {BOOTSTRAP} must contain the set of bootstrap controllers or {VOTERS} must contain a \
             parseable set of controllers."
        )),
        Some(quorum) if quorum.voters.is_empty() || roles.controller == quorum.voters.contains(&node_id) => {
            Ok(())
        }
        Some(_) => {
            let (which, must) = if roles.controller {
                ("contains the 'controller' role", "must be")
            } else {
                ("contains just the 'broker' role", "must not be")
            };
            let voters = voters_text.unwrap_or("");
            bad(format!(
                "If {ROLES} {which}, the node id {node_id} {must} included in the set of voters {VOTERS}={voters}"
            ))
        }
    }
}

/// What `zookeeper.connect` says about a cluster: several hosts mean one, and then somebody has to say where its brokers are.
pub(super) fn check_zookeeper(text: &str, port: u16) -> Result<(), InvalidValue> {
    let hosts = zookeeper_hosts(text);
    if hosts.len() < 2 {
        return Ok(());
    }
    // Several servers on one machine: so are the brokers, on ports of their own.
    let mut servers: Vec<String> = Vec::new();
    for (index, host) in hosts.iter().enumerate() {
        let before = hosts.iter().take(index).filter(|other| *other == host).count();
        let port = port.saturating_add(u16::try_from(before).unwrap_or(u16::MAX));
        let host = if host.contains(':') { format!("[{host}]") } else { (*host).to_owned() };
        servers.push(format!("{host}:{port}"));
    }
    let reason = format!(
        "it names {} hosts, so this broker is one of a cluster, but there is no ZooKeeper that could tell where the others are: \
         add a line with the addresses of all brokers to the file of each, such as {BOOTSTRAP}={}",
        hosts.len(),
        servers.join(",")
    );
    Err(InvalidValue::new(ZOOKEEPER, text, reason))
}

/// What is said at start about a key that needs no ZooKeeper.
pub(super) fn zookeeper_notice(quorum: Option<&QuorumConfig>, own: &str) -> String {
    match quorum {
        Some(_) => format!("{ZOOKEEPER}: no ZooKeeper is needed, the brokers keep their metadata themselves"),
        None => format!(
            "{ZOOKEEPER}: no ZooKeeper is needed, the broker keeps its metadata itself, alone; brokers are a cluster by a line \
             with the addresses of all in the file of each: {BOOTSTRAP}={own},HOST:PORT,..."
        ),
    }
}

/// The hosts before the path.
fn zookeeper_hosts(text: &str) -> Vec<&str> {
    let servers = text.split_once('/').map_or(text, |(servers, _)| servers);
    let host = |server| {
        let (host, _) = str::rsplit_once(server, ':')
            .filter(|(_, port)| port.parse::<u16>().is_ok())
            .unwrap_or((server, ""));
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    };
    list(servers).map(host).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    fn refusal(file: &str) -> String {
        match Config::from_properties(file).and_then(|config| config.check()) {
            Ok(()) => panic!("accepted: {file}"),
            Err(error) => error.to_string(),
        }
    }

    fn accepted(file: &str) -> Config {
        let config = Config::from_properties(file).unwrap();
        config.check().unwrap();
        config
    }

    #[test]
    fn nothing_given_is_a_quorum_of_ones_own() {
        for file in ["", "process.roles=broker,controller", "process.roles=", "controller.quorum.voters=\n"] {
            let config = accepted(file);
            assert_eq!((config.roles, &config.quorum), (Roles::default(), &None), "{file}");
        }
    }

    #[test]
    fn peers_are_those_of_the_key_in_its_order() {
        let config = accepted("controller.quorum.bootstrap.servers=b:9092, a.example:9093,[::1]:9094");
        let peers =
            [("b", 9092), ("a.example", 9093), ("::1", 9094)].map(|(host, port)| (host.to_owned(), port));
        assert_eq!(config.quorum, Some(QuorumConfig { peers: peers.to_vec(), voters: Vec::new() }));
    }

    #[test]
    fn voters_have_ids_and_go_before_bootstrap_servers() {
        let config = accepted(
            "node.id=2\ncontroller.quorum.bootstrap.servers=x:1\ncontroller.quorum.voters=1@a:9093,2@b:9093",
        );
        let peers = vec![("a".to_owned(), 9093), ("b".to_owned(), 9093)];
        assert_eq!(config.quorum, Some(QuorumConfig { peers, voters: vec![1, 2] }));
        let broker = accepted("node.id=3\nprocess.roles=broker\ncontroller.quorum.voters=1@a:9093,2@b:9093");
        assert_eq!(broker.roles, Roles { broker: true, controller: false });
    }

    #[test]
    fn addresses_and_voters_that_are_none_are_refused_in_kafkas_words() {
        for (value, said) in [
            ("localhost", "Failed to parse host name from localhost for the configuration"),
            ("a:9092,:9093", "Failed to parse host name from :9093 for"),
            ("a:70000", "Failed to parse host port from a:70000 for"),
            ("a:0", "Failed to parse host port from a:0 for"),
            ("a:1,a:1", "a:1 is named twice"),
        ] {
            let refused = refusal(&format!("\ncontroller.quorum.bootstrap.servers={value}"));
            assert!(
                refused.starts_with("line 2: Invalid value ") && refused.contains(said),
                "{value}: {refused}"
            );
        }
        for (value, said) in [
            ("a:9093", "Each entry should be in the form `{id}@{host}:{port}`."),
            ("x@a:9093", "Failed to parse voter ID as an integer from x@a:9093"),
            ("1@a", "Failed to parse host name from entry 1@a for the configuration"),
            ("1@a:1,1@b:1", "voter 1 is named twice"),
            ("1@a:1,2@a:1", "a:1 is named twice"),
        ] {
            let refused = refusal(&format!("controller.quorum.voters={value}"));
            assert!(refused.contains(said), "{value}: {refused}");
        }
        assert!(refusal("process.roles=voter").contains("String must be one of: broker, controller"));
        assert!(refusal("process.roles=broker,broker").contains("Duplicate role names found"));
    }

    #[test]
    fn roles_and_voters_have_to_fit() {
        for alone in ["process.roles=broker", "process.roles=controller"] {
            assert!(refusal(alone).contains("must contain the set of bootstrap controllers"), "{alone}");
        }
        let voters = "controller.quorum.voters=1@a:1,2@b:1";
        assert!(refusal(&format!("node.id=3\n{voters}")).ends_with(&format!(
            "If process.roles contains the 'controller' role, the node id 3 must be included in the set of voters {voters}"
        )));
        assert!(
            refusal(&format!("node.id=1\nprocess.roles=broker\n{voters}"))
                .contains("node id 1 must not be included")
        );
    }

    #[test]
    fn several_hosts_of_zookeeper_stop_the_start_and_the_line_to_add_is_said() {
        for (zookeeper, servers) in [
            ("zk1:2181,zk2:2181,zk3:2181/kafka", "zk1:9093,zk2:9093,zk3:9093"),
            ("localhost:2181, localhost:2182", "localhost:9093,localhost:9094"),
            ("[::1]:2181,b", "[::1]:9093,b:9093"),
        ] {
            let file = format!("port=9093\nzookeeper.connect={zookeeper}");
            let refused = refusal(&file);
            assert!(
                refused.ends_with(&format!("controller.quorum.bootstrap.servers={servers}")),
                "{refused}"
            );
            accepted(&format!("{file}\ncontroller.quorum.bootstrap.servers={servers}"));
        }
    }

    #[test]
    fn one_host_of_zookeeper_is_a_notice_with_the_line_that_makes_a_cluster() {
        let config = accepted("broker.id=2\nlisteners=PLAINTEXT://b2:9094\nzookeeper.connect=localhost:2181");
        let notices = config.notices().join("\n");
        assert!(notices.contains("controller.quorum.bootstrap.servers=b2:9094,HOST:PORT"), "{notices}");
    }
}
