//! Decides about changes of the configurations of topics and brokers (KIP-226, KIP-339). A resource is changed as a whole or not at all.

use std::collections::{BTreeMap, HashSet};

use kinglet_protocol::messages::alter_configs::AlterConfigsResource as WholeResource;
use kinglet_protocol::messages::incremental_alter_configs::{AlterConfigsResource, AlterableConfig};

use super::controller::{Controller, Decision, MIN_ISR, UNCLEAN, config_record, times};
use super::image::Image;
use super::record::{BROKER_RESOURCE, Record, TOPIC_RESOURCE};
use super::refusal::Refusal;
use crate::config::{
    Overrides, Scope, TopicConfigError, broker_default, check_broker_configs, check_topic_config,
    is_broker_list, topic_default, topic_key,
};

/// Kafka's bound for a value, and here for a key too: a string's length has 16 bits.
const VALUE_LEN_MAX: usize = 32_767;

pub(crate) const SET: i8 = 0;
pub(crate) const DELETE: i8 = 1;
pub(crate) const APPEND: i8 = 2;
pub(crate) const SUBTRACT: i8 = 3;

/// What is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Resource {
    Topic,
    Broker,
}

impl Controller<'_> {
    /// Sets, takes back, and edits single entries.
    pub(crate) fn alter_configs<'r>(
        &self,
        resources: &'r [AlterConfigsResource],
    ) -> Decision<Result<(), Refusal>> {
        let key =
            |resource: &'r AlterConfigsResource| (resource.resource_type, resource.resource_name.as_str());
        self.alter_each(resources, key, |resource| self.alter_resource(key(resource), &resource.configs))
    }

    /// Puts whole configurations in the place of what was set before (KIP-133).
    pub(crate) fn replace_configs<'r>(
        &self,
        resources: &'r [WholeResource],
    ) -> Decision<Result<(), Refusal>> {
        let key = |resource: &'r WholeResource| (resource.resource_type, resource.resource_name.as_str());
        self.alter_each(resources, key, |resource| {
            let set = |config: &kinglet_protocol::messages::alter_configs::AlterableConfig| AlterableConfig {
                name: config.name.clone(),
                config_operation: SET,
                value: config.value.clone(),
            };
            let mut changes: Vec<AlterableConfig> = resource.configs.iter().map(set).collect();
            let named: HashSet<&str> = resource.configs.iter().map(|config| config.name.as_str()).collect();
            let gone = self.entries_of(key(resource)).keys().filter(|name| !named.contains(name.as_str()));
            changes.extend(gone.map(|name| AlterableConfig {
                name: name.clone(),
                config_operation: DELETE,
                value: None,
            }));
            self.alter_resource(key(resource), &changes)
        })
    }

    fn alter_each<'r, R>(
        &self,
        resources: &'r [R],
        key: impl Fn(&'r R) -> (i8, &'r str),
        decide: impl Fn(&'r R) -> Result<Vec<Record>, Refusal>,
    ) -> Decision<Result<(), Refusal>> {
        let mut records = Vec::new();
        let times = times(resources.iter().map(&key));
        let answers = resources.iter().map(|resource| {
            if times.get(&key(resource)).is_some_and(|times| *times > 1) {
                return Err(Refusal::DuplicateResource);
            }
            records.extend(decide(resource)?);
            Ok(())
        });
        let answers = answers.collect();
        records.extend(self.after_configs(&records));
        (records, answers)
    }

    /// What changed entries do to the partitions of their topics.
    fn after_configs(&self, changes: &[Record]) -> Vec<Record> {
        let is = |record: &Record, key: &str| matches!(record, Record::Config(config) if config.name == key);
        let mut image = self.image.clone();
        let keep = |image: &mut Image, records: &[Record]| {
            for record in records {
                image.replay(record).expect("the record was decided on this image");
            }
        };
        keep(&mut image, changes);
        let mut records = Vec::new();
        if changes.iter().any(|record| is(record, MIN_ISR)) {
            records = self.forget_eligible(&Controller { image: &image, ..*self });
            keep(&mut image, &records);
        }
        // What has no leader may find one now.
        if changes.iter().any(|record| is(record, UNCLEAN)) {
            records.extend(Controller { image: &image, ..*self }.elect_offline(None));
        }
        records
    }

    /// What a resource carries of its own; nothing if there is no such resource.
    fn entries_of(&self, (resource_type, name): (i8, &str)) -> &Overrides {
        static NONE: Overrides = Overrides::new();
        match resource_type {
            TOPIC_RESOURCE => self.image.topic(name).map_or(&NONE, |topic| &topic.configs),
            BROKER_RESOURCE => self.image.broker_configs.get(name).unwrap_or(&NONE),
            _ => &NONE,
        }
    }

    fn alter_resource(&self, key: (i8, &str), changes: &[AlterableConfig]) -> Result<Vec<Record>, Refusal> {
        let (resource_type, name) = key;
        let mut seen = HashSet::new();
        if !changes.iter().all(|change| seen.insert(change.name.as_str())) {
            return Err(Refusal::ConfigTwice);
        }
        let is_null = |change: &&AlterableConfig| change.config_operation != DELETE && change.value.is_none();
        let nulls: Vec<&str> = changes.iter().filter(is_null).map(|change| change.name.as_str()).collect();
        if !nulls.is_empty() {
            return Err(Refusal::NullUpdate(nulls.join(", ")));
        }
        let resource = match resource_type {
            TOPIC_RESOURCE => Resource::Topic,
            BROKER_RESOURCE => Resource::Broker,
            other => return Err(Refusal::Resource(other)),
        };
        match resource {
            Resource::Topic if name.is_empty() => return Err(Refusal::DefaultTopic),
            Resource::Topic if self.image.topic(name).is_none() => {
                return Err(Refusal::UnknownConfigTopic(name.to_owned()));
            }
            Resource::Topic => {}
            Resource::Broker => self.check_broker(name)?,
        }
        let own = self.entries_of(key);
        let mut after: BTreeMap<&str, Option<String>> = BTreeMap::new();
        for change in changes {
            let value = self.changed(resource, change, own)?;
            // What is said already needs no record.
            if value.as_ref() != own.get(&change.name) {
                after.insert(&change.name, value);
            }
        }
        if resource == Resource::Broker {
            check_for_brokers(name, &after)?;
        }
        Ok(after.into_iter().map(|(entry, value)| config_record(key, entry, value)).collect())
    }

    /// Whether there is a broker of this name; none stands for all of them.
    fn check_broker(&self, name: &str) -> Result<(), Refusal> {
        if name.is_empty() {
            return Ok(());
        }
        let id: i32 = name.parse().map_err(|_| Refusal::BrokerName(name.to_owned()))?;
        match self.image.broker(id) {
            // As it is written here, the broker finds it again.
            Some(_) if id.to_string() == name => Ok(()),
            Some(_) => Err(Refusal::BrokerName(name.to_owned())),
            None => Err(Refusal::NoNode(id)),
        }
    }

    /// What the entry is after the change; `None` when the resource no longer has one.
    fn changed(
        &self,
        resource: Resource,
        change: &AlterableConfig,
        own: &Overrides,
    ) -> Result<Option<String>, Refusal> {
        let key = &change.name;
        let value = || change.value.clone().unwrap_or_default();
        // Kafka looks at what is left: what nobody knows may be taken back.
        if change.config_operation == DELETE {
            return Ok(None);
        }
        if resource == Resource::Topic && topic_key(key).is_none() {
            return Err(TopicConfigError::Unknown(key.clone()).into());
        }
        let after = match change.config_operation {
            SET => value(),
            operation @ (APPEND | SUBTRACT) => {
                let default = self.list_default(resource, operation, key)?;
                let before = own.get(key).cloned().unwrap_or(default);
                edit(&before, &value(), operation == APPEND)
            }
            operation => return Err(Refusal::Operation(operation)),
        };
        if after.len().max(key.len()) > VALUE_LEN_MAX {
            return Err(Refusal::LargeConfig);
        }
        if resource == Resource::Topic {
            check_topic_config(key, &after)?;
        }
        Ok(Some(after))
    }

    /// What words are added to, or taken from, where the resource has no entry of its own.
    fn list_default(&self, resource: Resource, operation: i8, key: &str) -> Result<String, Refusal> {
        let (upper, lower) =
            if operation == APPEND { ("APPEND", "append") } else { ("SUBTRACT", "subtract") };
        let named = || key.to_owned();
        match resource {
            Resource::Topic if topic_key(key).is_some_and(|row| row.kind.is_list()) => {
                Ok(topic_default(self.config, key))
            }
            Resource::Topic => Err(Refusal::NotAList { operation: upper, key: named() }),
            Resource::Broker => match is_broker_list(key) {
                Some(true) => Ok(broker_default(self.config, key)),
                Some(false) => Err(Refusal::NoBrokerList { operation: lower, key: named() }),
                None => Err(Refusal::UnknownBrokerKey(named())),
            },
        }
    }
}

/// Whether brokers may be told this at run time.
fn check_for_brokers(name: &str, after: &BTreeMap<&str, Option<String>>) -> Result<(), Refusal> {
    let set = after.iter().filter_map(|(key, value)| Some(((*key).to_owned(), value.clone()?)));
    let scope = if name.is_empty() { Scope::All } else { Scope::One };
    check_broker_configs(&set.collect(), scope)?;
    // Who is eligible (KIP-966) is decided by one number for all of them.
    if !name.is_empty() && after.contains_key(MIN_ISR) {
        return Err(Refusal::OwnMinIsr);
    }
    Ok(())
}

/// The list with the named words added, or without them.
fn edit(before: &str, named: &str, add: bool) -> String {
    fn words(text: &str) -> impl Iterator<Item = &str> {
        text.split(',').map(str::trim).filter(|word| !word.is_empty())
    }
    let list: Vec<&str> = if add {
        let mut there: HashSet<&str> = words(before).collect();
        let new = words(named).filter(|word| there.insert(word));
        words(before).chain(new).collect()
    } else {
        let named: HashSet<&str> = words(named).collect();
        words(before).filter(|word| !named.contains(word)).collect()
    };
    list.join(",")
}
