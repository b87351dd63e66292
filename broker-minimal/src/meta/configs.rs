//! Decides about changes of topics' configurations (KIP-339). A resource is changed as a whole or not at all.

use std::collections::{BTreeMap, HashSet};

use kinglet_protocol::messages::incremental_alter_configs::{AlterConfigsResource, AlterableConfig};

use super::controller::{Controller, Decision, MIN_ISR, UNCLEAN, config_record, times};
use super::image::Image;
use super::record::{Record, TOPIC_RESOURCE};
use super::refusal::Refusal;
use crate::config::{Kind, Overrides, TopicConfigError, check_topic_config, topic_default, topic_key};

/// Kafka's bound for a value: a string's length has 16 bits.
const VALUE_LEN_MAX: usize = 32_767;

impl Controller<'_> {
    /// Sets, takes back, and edits single entries.
    pub(crate) fn alter_configs<'r>(
        &self,
        resources: &'r [AlterConfigsResource],
    ) -> Decision<Result<(), Refusal>> {
        let mut records = Vec::new();
        let key =
            |resource: &'r AlterConfigsResource| (resource.resource_type, resource.resource_name.as_str());
        let times = times(resources.iter().map(key));
        let answers = resources.iter().map(|resource| {
            if times.get(&key(resource)).is_some_and(|times| *times > 1) {
                return Err(Refusal::DuplicateResource);
            }
            records.extend(self.alter_topic(resource)?);
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

    fn alter_topic(&self, resource: &AlterConfigsResource) -> Result<Vec<Record>, Refusal> {
        if resource.resource_type != TOPIC_RESOURCE {
            return Err(Refusal::Resource(resource.resource_type));
        }
        let name = &resource.resource_name;
        let topic = self.image.topic(name).ok_or_else(|| Refusal::UnknownConfigTopic(name.clone()))?;
        let mut seen = HashSet::new();
        let mut changes: BTreeMap<&str, Option<String>> = BTreeMap::new();
        for change in &resource.configs {
            if !seen.insert(&change.name) {
                return Err(Refusal::ConfigTwice(change.name.clone()));
            }
            let value = self.changed(change, &topic.configs)?;
            // What is said already needs no record.
            if value.as_ref() != topic.configs.get(&change.name) {
                changes.insert(&change.name, value);
            }
        }
        Ok(changes.into_iter().map(|(key, value)| config_record(name, key, value)).collect())
    }

    /// What the entry is after the change; `None` when the topic no longer has one.
    fn changed(&self, change: &AlterableConfig, own: &Overrides) -> Result<Option<String>, Refusal> {
        const SET: i8 = 0;
        const DELETE: i8 = 1;
        const APPEND: i8 = 2;
        const SUBTRACT: i8 = 3;
        let key = &change.name;
        let row = topic_key(key).ok_or_else(|| TopicConfigError::Unknown(key.clone()))?;
        let value = || change.value.clone().ok_or_else(|| Refusal::NullConfig(key.clone()));
        let after = match change.config_operation {
            DELETE => return Ok(None),
            SET => value()?,
            operation @ (APPEND | SUBTRACT) => {
                if !matches!(row.kind, Kind::List(_)) {
                    let operation = if operation == APPEND { "APPEND" } else { "SUBTRACT" };
                    return Err(Refusal::NotAList { operation, key: key.clone() });
                }
                let named = value()?;
                let before = own.get(key).cloned().unwrap_or_else(|| topic_default(self.config, key));
                edit(&before, &named, operation == APPEND)
            }
            operation => return Err(Refusal::Operation { operation, key: key.clone() }),
        };
        if after.len() > VALUE_LEN_MAX {
            return Err(Refusal::LargeConfig);
        }
        check_topic_config(key, &after)?;
        Ok(Some(after))
    }
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
