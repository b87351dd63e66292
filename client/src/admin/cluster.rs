//! The cluster itself: its brokers and its controller.

use super::Admin;
use crate::client::Target;
use crate::protocol::messages::{DescribeClusterRequest, MetadataRequest};
use crate::{Error, Result};

/// A cluster and its brokers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterDescription {
    /// Its id; empty from brokers older than ids.
    pub cluster_id: String,
    /// The controller's id; a KRaft cluster names any broker, which passes requests on.
    pub controller: Option<i32>,
    /// The brokers that are alive, by id.
    pub brokers: Vec<BrokerInfo>,
}

/// A broker as it advertises itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerInfo {
    /// Its id.
    pub id: i32,
    /// The host name or address.
    pub host: String,
    /// The port.
    pub port: i32,
    /// The rack, if it has one.
    pub rack: Option<String>,
}

impl Admin {
    /// The brokers, the controller and the cluster's id.
    pub async fn describe_cluster(&self) -> Result<ClusterDescription> {
        let connection = self.core.connection(&Target::Any).await?;
        let mut cluster = if connection.serves::<DescribeClusterRequest>() {
            self.describe_directly().await?
        } else {
            self.describe_by_metadata().await?
        };
        cluster.brokers.sort_by_key(|broker| broker.id);
        Ok(cluster)
    }

    async fn describe_directly(&self) -> Result<ClusterDescription> {
        let answer = self.core.request(&DescribeClusterRequest::default(), &Target::Any).await?;
        answer
            .error_code
            .ok()
            .map_err(|code| Error::broker(code, "the cluster").said(answer.error_message))?;
        let broker = |b: crate::protocol::messages::describe_cluster::DescribeClusterBroker| BrokerInfo {
            id: b.broker_id,
            host: b.host,
            port: b.port,
            rack: b.rack,
        };
        Ok(ClusterDescription {
            cluster_id: answer.cluster_id,
            controller: (answer.controller_id >= 0).then_some(answer.controller_id),
            brokers: answer.brokers.into_iter().map(broker).collect(),
        })
    }

    async fn describe_by_metadata(&self) -> Result<ClusterDescription> {
        let request = MetadataRequest { topics: Some(Vec::new()), ..Default::default() };
        let answer = self.core.request(&request, &Target::Any).await?;
        let broker = |b: crate::protocol::messages::metadata::MetadataResponseBroker| BrokerInfo {
            id: b.node_id,
            host: b.host,
            port: b.port,
            rack: b.rack,
        };
        Ok(ClusterDescription {
            cluster_id: answer.cluster_id.unwrap_or_default(),
            controller: (answer.controller_id >= 0).then_some(answer.controller_id),
            brokers: answer.brokers.into_iter().map(broker).collect(),
        })
    }
}
