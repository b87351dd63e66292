//! Configurations of topics, brokers, groups and client metrics: read, and change entry by entry or as a whole.

mod resource;

use super::{Admin, result, unanswered};
use crate::client::Target;
use crate::protocol::ErrorCode;
use crate::protocol::messages::alter_configs;
use crate::protocol::messages::describe_configs::{
    DescribeConfigsResource, DescribeConfigsResourceResult, DescribeConfigsResult,
};
use crate::protocol::messages::incremental_alter_configs::{AlterConfigsResource, AlterableConfig};
use crate::protocol::messages::{
    AlterConfigsRequest, DescribeConfigsRequest, IncrementalAlterConfigsRequest, ListConfigResourcesRequest,
};
use crate::{PerItem, Result};

pub use resource::{ConfigKind, ConfigResource};

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConfigSource {
    /// Set for the topic.
    Topic,
    /// Set for the broker while it runs.
    DynamicBroker,
    /// Set for all brokers while they run.
    DynamicDefaultBroker,
    /// From the broker's file.
    StaticBroker,
    /// Kafka's default.
    Default,
    /// A logger's level.
    BrokerLogger,
    /// Set for the subscription of metrics.
    ClientMetrics,
    /// Set for the group.
    Group,
    /// Not said, or newer than this client.
    Unknown,
}

impl ConfigSource {
    fn from_wire(id: i8) -> Self {
        match id {
            1 => Self::Topic,
            2 => Self::DynamicBroker,
            3 => Self::DynamicDefaultBroker,
            4 => Self::StaticBroker,
            5 => Self::Default,
            6 => Self::BrokerLogger,
            7 => Self::ClientMetrics,
            8 => Self::Group,
            _ => Self::Unknown,
        }
    }
}

/// One entry of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigEntry {
    /// The key.
    pub name: String,
    /// The value; `None` when it is secret or unset.
    pub value: Option<String>,
    /// Where it comes from.
    pub source: ConfigSource,
    /// Whether it cannot be changed.
    pub read_only: bool,
    /// Whether it is secret.
    pub sensitive: bool,
    /// Where else a value is set, the one that counts first.
    pub synonyms: Vec<ConfigSynonym>,
    /// The type, as the wire has it (1 boolean, 2 string, 3 int, …); 0 when not said.
    pub config_type: i8,
    /// What the broker says about it.
    pub documentation: Option<String>,
}

impl ConfigEntry {
    /// Whether nobody has set it.
    pub fn is_default(&self) -> bool {
        self.source == ConfigSource::Default
    }
}

/// One of the places where a value is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigSynonym {
    /// The key there.
    pub name: String,
    /// The value there.
    pub value: Option<String>,
    /// Which place.
    pub source: ConfigSource,
}

/// A change of one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigChange {
    /// Gives the key this value.
    Set(String, String),
    /// Takes the value away, so that the default counts.
    Delete(String),
    /// Adds to a list.
    Append(String, String),
    /// Takes away from a list.
    Subtract(String, String),
}

impl Admin {
    /// Reads configurations, with synonyms.
    pub async fn describe_configs(
        &self,
        resources: impl IntoIterator<Item = ConfigResource>,
    ) -> Result<PerItem<ConfigResource, Vec<ConfigEntry>>> {
        self.describe(resources.into_iter().collect(), Documentation::LeftOut).await
    }

    /// As [`describe_configs`](Self::describe_configs), with what the broker says about each key: several times the
    /// bytes. Brokers before 2.6 say nothing (KIP-569).
    pub async fn describe_documented_configs(
        &self,
        resources: impl IntoIterator<Item = ConfigResource>,
    ) -> Result<PerItem<ConfigResource, Vec<ConfigEntry>>> {
        self.describe(resources.into_iter().collect(), Documentation::Included).await
    }

    async fn describe(
        &self,
        resources: Vec<ConfigResource>,
        documentation: Documentation,
    ) -> Result<PerItem<ConfigResource, Vec<ConfigEntry>>> {
        let mut out = Vec::with_capacity(resources.len());
        for (target, group) in grouped(resources) {
            let wire = |resource: &ConfigResource| {
                let (resource_type, resource_name) = resource.wire();
                DescribeConfigsResource { resource_type, resource_name, configuration_keys: None }
            };
            let version = self.core.connection(&target).await?.version::<DescribeConfigsRequest>(i16::MAX)?;
            let request = DescribeConfigsRequest {
                resources: group.iter().map(wire).collect(),
                include_synonyms: version >= 1,
                include_documentation: version >= 3 && documentation == Documentation::Included,
            };
            let mut answers = self.core.request(&request, &target).await?.results;
            out.extend(group.into_iter().map(|resource| {
                let (kind, name) = resource.wire();
                let at = answers.iter().position(|a| a.resource_type == kind && a.resource_name == name);
                let answer = at.map(|at| answers.swap_remove(at));
                let entries = answer.map_or_else(|| Err(unanswered(&resource)), |a| entries(a, &resource));
                (resource, entries)
            }));
        }
        Ok(out)
    }

    /// Changes single entries and leaves the others alone.
    pub async fn incremental_alter_configs(
        &self,
        changes: impl IntoIterator<Item = (ConfigResource, Vec<ConfigChange>)>,
    ) -> Result<PerItem<ConfigResource, ()>> {
        let mut changes: Vec<(ConfigResource, Vec<ConfigChange>)> = changes.into_iter().collect();
        let resources: Vec<ConfigResource> = changes.iter().map(|(resource, _)| resource.clone()).collect();
        let mut out = Vec::with_capacity(resources.len());
        for (target, group) in grouped(resources) {
            let mut request = IncrementalAlterConfigsRequest::default();
            for resource in &group {
                let Some(at) = changes.iter().position(|(of, _)| of == resource) else { continue };
                let (resource_type, resource_name) = resource.wire();
                let configs = changes.swap_remove(at).1.into_iter().map(alterable).collect();
                request.resources.push(AlterConfigsResource { resource_type, resource_name, configs });
            }
            let answers = self.core.request(&request, &target).await?.responses;
            let answers = answers.into_iter();
            let answers =
                answers.map(|a| (a.resource_type, a.resource_name, a.error_code, a.error_message)).collect();
            out.extend(altered(group, answers));
        }
        Ok(out)
    }

    /// Replaces whole dynamic configurations: entries that are not named are taken away, also those that somebody else
    /// sets at this moment. Brokers before 2.3 know no other way; with all others
    /// [`incremental_alter_configs`](Self::incremental_alter_configs) is the better one (KIP-339).
    pub async fn alter_configs(
        &self,
        configs: impl IntoIterator<Item = (ConfigResource, Vec<(String, String)>)>,
    ) -> Result<PerItem<ConfigResource, ()>> {
        let mut configs: Vec<(ConfigResource, Vec<(String, String)>)> = configs.into_iter().collect();
        let resources = configs.iter().map(|(resource, _)| resource.clone()).collect();
        let mut out = Vec::with_capacity(configs.len());
        for (target, group) in grouped(resources) {
            let mut request = AlterConfigsRequest::default();
            for resource in &group {
                let Some(at) = configs.iter().position(|(of, _)| of == resource) else { continue };
                let (resource_type, resource_name) = resource.wire();
                let entry = |(name, value)| alter_configs::AlterableConfig { name, value: Some(value) };
                let configs = configs.swap_remove(at).1.into_iter().map(entry).collect();
                request.resources.push(alter_configs::AlterConfigsResource {
                    resource_type,
                    resource_name,
                    configs,
                });
            }
            let answers = self.core.request(&request, &target).await?.responses.into_iter();
            let answers =
                answers.map(|a| (a.resource_type, a.resource_name, a.error_code, a.error_message)).collect();
            out.extend(altered(group, answers));
        }
        Ok(out)
    }

    /// What has a configuration of its own, of these kinds. Needs Kafka 4.1 (KIP-1142); brokers from 3.7 on know client
    /// metrics alone (KIP-714).
    pub async fn list_config_resources(
        &self,
        kinds: impl IntoIterator<Item = ConfigKind>,
    ) -> Result<Vec<ConfigResource>> {
        let kinds: Vec<ConfigKind> = kinds.into_iter().collect();
        let connection = self.core.connection(&Target::Any).await?;
        let version = connection.version::<ListConfigResourcesRequest>(i16::MAX)?;
        // Version 0 has no question and one answer.
        let resource_types = match (version, &*kinds) {
            (0, [ConfigKind::ClientMetrics]) => Vec::new(),
            _ => kinds.into_iter().map(ConfigKind::wire).collect(),
        };
        let answer = self.core.request(&ListConfigResourcesRequest { resource_types }, &Target::Any).await?;
        result(answer.error_code, None, "the list of configurations", ())?;
        let resources = answer.config_resources.into_iter();
        Ok(resources.filter_map(|r| ConfigResource::from_wire(r.resource_type, r.resource_name)).collect())
    }
}

/// Whether the broker is to say what keys mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Documentation {
    LeftOut,
    Included,
}

/// What became of each resource, by the kind and the name that the answers have.
fn altered(
    resources: Vec<ConfigResource>,
    answers: Vec<(i8, String, ErrorCode, Option<String>)>,
) -> impl Iterator<Item = (ConfigResource, Result<()>)> {
    resources.into_iter().map(move |resource| {
        let (kind, name) = resource.wire();
        let answer = answers.iter().find(|(of, named, ..)| (*of, named) == (kind, &name));
        let outcome = answer.map_or_else(
            || Err(unanswered(&resource)),
            |(.., code, message)| result(*code, message.clone(), &resource.to_string(), ()),
        );
        (resource, outcome)
    })
}

/// Resources by who must be asked, in the order of the question within each group.
fn grouped(resources: Vec<ConfigResource>) -> Vec<(Target, Vec<ConfigResource>)> {
    let mut groups: Vec<(Target, Vec<ConfigResource>)> = Vec::new();
    for resource in resources {
        let target = resource.target();
        match groups.iter_mut().find(|(of, _)| *of == target) {
            Some((_, group)) => group.push(resource),
            None => groups.push((target, vec![resource])),
        }
    }
    groups
}

fn entries(answer: DescribeConfigsResult, resource: &ConfigResource) -> Result<Vec<ConfigEntry>> {
    let entries = answer.configs.into_iter().map(entry).collect();
    result(answer.error_code, answer.error_message, &resource.to_string(), entries)
}

fn entry(entry: DescribeConfigsResourceResult) -> ConfigEntry {
    let synonym = |s: crate::protocol::messages::describe_configs::DescribeConfigsSynonym| ConfigSynonym {
        name: s.name,
        value: s.value,
        source: ConfigSource::from_wire(s.source),
    };
    // Version 0 knows only whether it is the default.
    let source =
        if entry.is_default { ConfigSource::Default } else { ConfigSource::from_wire(entry.config_source) };
    ConfigEntry {
        name: entry.name,
        value: entry.value,
        source,
        read_only: entry.read_only,
        sensitive: entry.is_sensitive,
        synonyms: entry.synonyms.into_iter().map(synonym).collect(),
        config_type: entry.config_type,
        documentation: entry.documentation,
    }
}

fn alterable(change: ConfigChange) -> AlterableConfig {
    let (config_operation, name, value) = match change {
        ConfigChange::Set(name, value) => (0, name, Some(value)),
        ConfigChange::Delete(name) => (1, name, None),
        ConfigChange::Append(name, value) => (2, name, Some(value)),
        ConfigChange::Subtract(name, value) => (3, name, Some(value)),
    };
    AlterableConfig { name, config_operation, value }
}
