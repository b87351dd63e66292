//! Runs `kconfigs`: asks who has a configuration, reads or changes it, prints.

use kinglet::admin::{ConfigChange, ConfigEntry, ConfigKind, ConfigResource, ConfigSource, GroupFilter};
use kinglet::{Admin, ErrorKind};

use super::args::{Action, ConfigsArgs};
use super::changes::changes;
use super::entity::{Entity, Kind};
use super::explain::explain;
use super::render::{self, Shown};
use crate::connect::failure_of;
use crate::error::{Exit, Failure, Manner, nearest};
use crate::java::{CAPACITY, in_map_order, string_hash};
use crate::output::{Shape, print};
use crate::session::Session;

/// Does what the line says.
pub fn run(args: &ConfigsArgs) -> Result<Exit, Failure> {
    let action = args.action()?;
    let shape = args.common.shape();
    if let Action::Explain(key) = action {
        print(&explain(key, shape)?)?;
        return Ok(Exit::Done);
    }
    let session = Session { common: &args.common, controllers: None, timeout_ms: args.timeout };
    session.run(async |connected| {
        let configs = Configs { args, admin: connected.admin, shape };
        match action {
            Action::Describe(kind, entity) => configs.describe(kind, entity).await,
            Action::Alter(kind, entity) => configs.alter(kind, &entity).await,
            Action::Explain(_) => Ok(Exit::Done),
        }
    })
}

/// What there is of a kind.
struct Names {
    names: Vec<String>,
    /// Whether there are no others, as far as the cluster can say.
    are_all: bool,
}

struct Configs<'a> {
    args: &'a ConfigsArgs,
    admin: Admin,
    shape: Shape,
}

impl Configs<'_> {
    async fn describe(&self, kind: Kind, entity: Option<Entity>) -> Result<Exit, Failure> {
        let which = if self.args.all { Shown::All } else { Shown::Own };
        let entities = match entity {
            Some(entity) => {
                if which == Shown::Own && !entity.name.is_empty() {
                    let Names { names, are_all } = self.names(kind).await?;
                    if are_all && !names.contains(&entity.name) {
                        return self.missing(kind, &entity.name, &names);
                    }
                }
                vec![entity]
            }
            None => {
                let names = self.names(kind).await?.names;
                names.iter().map(|name| Entity::new(kind, name)).collect::<Result<_, _>>()?
            }
        };
        let resources = entities.iter().map(|entity| entity.resource.clone());
        let described = self.admin.describe_configs(resources).await;
        let described = described.map_err(|error| failure_of(&error, "cannot read configurations"))?;
        let mut things = Vec::new();
        for (entity, (resource, entries)) in entities.into_iter().zip(described) {
            let what = || format!("cannot read the configuration of {resource}");
            match entries {
                Ok(entries) => {
                    let entries = render::shown(kind, &entity, entries, which);
                    things.push((entity, entries));
                }
                Err(error) => {
                    // Kafka's tool has printed what went before by then, and whose turn it is.
                    if self.shape == Shape::Kafka {
                        things.push((entity, Vec::new()));
                        print(&render::describe(kind, &things, which, self.shape))?;
                    }
                    return Err(failure_of(&error, what()));
                }
            }
        }
        print(&render::describe(kind, &things, which, self.shape))?;
        Ok(Exit::Done)
    }

    /// Kafka's tool says on stdout that there is no such thing, and is content with that.
    fn missing(&self, kind: Kind, name: &str, names: &[String]) -> Result<Exit, Failure> {
        let kind = kind.singular();
        if self.shape == Shape::Kafka {
            print(&format!("The {kind} '{name}' doesn't exist and doesn't have dynamic config.\n"))?;
        }
        if self.args.common.manner() == Manner::Kafka {
            return Ok(Exit::Done);
        }
        let failure = Failure::new(Exit::NotFound, format!("unknown {kind} '{name}'"));
        Err(match nearest(name, names.iter().map(String::as_str)) {
            Some(near) => failure.hint(format!("did you mean '{near}'?")),
            None => failure,
        })
    }

    /// What there is of a kind, in the order of Kafka's tool; the brokers' default is the empty name.
    async fn names(&self, kind: Kind) -> Result<Names, Failure> {
        let failed =
            |error: kinglet::Error| failure_of(&error, format!("cannot ask for the {}", kind.name()));
        let mut are_all = true;
        let names = match kind {
            Kind::Topics => {
                let names =
                    self.admin.list_topics().await.map_err(failed)?.into_iter().map(|topic| topic.name);
                in_map_order(names.collect(), CAPACITY, |name: &String| string_hash(name))
            }
            Kind::Brokers | Kind::BrokerLoggers => {
                let brokers = self.admin.describe_cluster().await.map_err(failed)?.brokers;
                let default = (kind == Kind::Brokers).then(String::new);
                brokers.iter().map(|broker| broker.id.to_string()).chain(default).collect()
            }
            Kind::ClientMetrics => self.configured(ConfigKind::ClientMetrics).await.map_err(failed)?,
            Kind::Groups => {
                let groups = self.admin.list_groups(GroupFilter::all()).await.map_err(failed)?;
                let mut names: Vec<String> = groups.into_iter().map(|group| group.id).collect();
                let configured = match self.configured(ConfigKind::Group).await {
                    // Brokers before 4.1 do not tell which groups have a configuration.
                    Err(error) if error.kind() == ErrorKind::UnsupportedVersion => {
                        are_all = false;
                        Vec::new()
                    }
                    configured => configured.map_err(failed)?,
                };
                for name in configured {
                    if !names.contains(&name) {
                        names.push(name);
                    }
                }
                names
            }
        };
        Ok(Names { names, are_all })
    }

    async fn configured(&self, kind: ConfigKind) -> kinglet::Result<Vec<String>> {
        let resources = self.admin.list_config_resources([kind]).await?.into_iter();
        let name = |resource| match resource {
            ConfigResource::Group(name) | ConfigResource::ClientMetrics(name) => Some(name),
            _ => None,
        };
        Ok(resources.filter_map(name).collect())
    }

    async fn alter(&self, kind: Kind, entity: &Entity) -> Result<Exit, Failure> {
        let changes = changes(self.args)?;
        let resource = &entity.resource;
        let failed = |error: kinglet::Error| {
            failure_of(&error, format!("cannot alter the configuration of {resource}"))
        };
        let altered = self.admin.incremental_alter_configs([(resource.clone(), changes.clone())]).await;
        let altered = match altered {
            Err(error) if error.kind() == ErrorKind::UnsupportedVersion => {
                let configs = self.replaced(resource, changes).await?;
                self.admin.alter_configs([(resource.clone(), configs)]).await
            }
            altered => altered,
        };
        for (_, result) in altered.map_err(failed)? {
            result.map_err(failed)?;
        }
        print(&render::altered(kind, entity, self.shape))?;
        Ok(Exit::Done)
    }

    /// The whole configuration after the changes, for brokers before 2.3, which know no single ones (KIP-339).
    async fn replaced(
        &self,
        resource: &ConfigResource,
        changes: Vec<ConfigChange>,
    ) -> Result<Vec<(String, String)>, Failure> {
        let failed = |error: kinglet::Error| {
            failure_of(&error, format!("cannot read the configuration of {resource}"))
        };
        let mut configs: Vec<(String, String)> = Vec::new();
        for (_, entries) in self.admin.describe_configs([resource.clone()]).await.map_err(failed)? {
            for entry in entries.map_err(failed)?.into_iter().filter(is_dynamic) {
                if changes.iter().any(|change| key_of(change) == entry.name) {
                    continue;
                }
                match entry.value {
                    Some(value) => configs.push((entry.name, value)),
                    None => {
                        let what = format!(
                            "{} is secret, and this broker takes only whole configurations",
                            entry.name
                        );
                        return Err(Failure::new(Exit::Failed, what).hint(format!("name {} too", entry.name)));
                    }
                }
            }
        }
        let set = |change| match change {
            ConfigChange::Set(key, value) => Some((key, value)),
            _ => None,
        };
        configs.extend(changes.into_iter().filter_map(set));
        Ok(configs)
    }
}

/// Set while brokers run; the oldest brokers do not say where a value comes from, only that it is no default.
fn is_dynamic(entry: &ConfigEntry) -> bool {
    match entry.source {
        ConfigSource::Topic | ConfigSource::DynamicBroker | ConfigSource::DynamicDefaultBroker => true,
        ConfigSource::Unknown => !entry.read_only,
        _ => false,
    }
}

fn key_of(change: &ConfigChange) -> &str {
    match change {
        ConfigChange::Set(key, _) | ConfigChange::Delete(key) => key,
        ConfigChange::Append(key, _) | ConfigChange::Subtract(key, _) => key,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_oldest_brokers_what_can_be_changed_and_is_no_default_was_set() {
        let entry = |source, read_only| ConfigEntry {
            name: "k".to_owned(),
            value: None,
            source,
            read_only,
            sensitive: false,
            synonyms: Vec::new(),
            config_type: 0,
            documentation: None,
        };

        for (source, read_only, dynamic) in [
            (ConfigSource::Unknown, false, true),
            (ConfigSource::Unknown, true, false),
            (ConfigSource::Topic, false, true),
            (ConfigSource::StaticBroker, false, false),
            (ConfigSource::Default, false, false),
        ] {
            assert_eq!(is_dynamic(&entry(source, read_only)), dynamic, "{source:?}");
        }
    }
}
