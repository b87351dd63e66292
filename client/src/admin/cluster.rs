//! The cluster itself: its brokers and its controller.

use super::{Admin, result};
use crate::Result;
use crate::client::Target;
use crate::protocol::ErrorCode;
use crate::protocol::messages::describe_cluster::DescribeClusterBroker;
use crate::protocol::messages::{DescribeClusterRequest, MetadataRequest, UnregisterBrokerRequest};
use crate::protocol::releases::Origin;

/// The oldest version of DescribeCluster with fenced brokers (KIP-1073).
const KNOWS_FENCED: i16 = 2;
/// The endpoint type of controllers in DescribeCluster (KIP-919).
const CONTROLLERS: i8 = 2;

/// A cluster and its brokers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterDescription {
    /// Its id; empty from brokers older than ids.
    pub cluster_id: String,
    /// The controller's id; a KRaft cluster names any broker, which passes requests on.
    pub controller: Option<i32>,
    /// The brokers that are alive, by id; of [`describe_controllers`](Admin::describe_controllers) the controllers.
    pub brokers: Vec<BrokerInfo>,
    /// Those that are registered but not alive, by id, where they were asked for.
    pub fenced: Vec<BrokerInfo>,
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
            self.describe_directly(DescribeClusterRequest::default()).await?
        } else {
            self.describe_by_metadata().await?
        };
        cluster.brokers.sort_by_key(|broker| broker.id);
        Ok(cluster)
    }

    /// As [`describe_cluster`](Self::describe_cluster), with the brokers that are registered but fenced: away, or not
    /// ready yet. Needs Kafka 4.0 (KIP-1073).
    pub async fn describe_cluster_with_fenced(&self) -> Result<ClusterDescription> {
        let connection = self.core.connection(&Target::Any).await?;
        if connection.version::<DescribeClusterRequest>(i16::MAX)? < KNOWS_FENCED {
            return Err(connection.too_old("fenced brokers in DescribeCluster", Origin::FENCED_BROKERS));
        }
        self.describe_directly(DescribeClusterRequest { include_fenced_brokers: true, ..Default::default() })
            .await
    }

    /// The controllers and who of them is active, as `bootstrap.servers` knows them when these are controllers (KIP-919).
    /// A broker answers `MISMATCHED_ENDPOINT_TYPE`. Needs Kafka 3.7.
    pub async fn describe_controllers(&self) -> Result<ClusterDescription> {
        self.describe_directly(DescribeClusterRequest { endpoint_type: CONTROLLERS, ..Default::default() })
            .await
    }

    /// Forgets a broker of a KRaft cluster that will not come back (KIP-631). One that is alive registers again when it
    /// starts. Needs Kafka 2.8.
    ///
    /// `BROKER_ID_NOT_REGISTERED` for an id that nobody has.
    pub async fn unregister_broker(&self, id: i32) -> Result<()> {
        let request = UnregisterBrokerRequest { broker_id: id };
        let answer = self.change(&request, |r| r.error_code == ErrorCode::NOT_CONTROLLER).await?;
        result(answer.error_code, answer.error_message, &format!("broker {id}"), ())
    }

    async fn describe_directly(&self, request: DescribeClusterRequest) -> Result<ClusterDescription> {
        let answer = self.core.request(&request, &Target::Any).await?;
        result(answer.error_code, answer.error_message, "the cluster", ())?;
        let broker = |b: DescribeClusterBroker| BrokerInfo {
            id: b.broker_id,
            host: b.host,
            port: b.port,
            rack: b.rack,
        };
        let mut all = answer.brokers;
        all.sort_by_key(|broker| broker.broker_id);
        let (fenced, brokers): (Vec<_>, Vec<_>) = all.into_iter().partition(|broker| broker.is_fenced);
        Ok(ClusterDescription {
            cluster_id: answer.cluster_id,
            controller: (answer.controller_id >= 0).then_some(answer.controller_id),
            brokers: brokers.into_iter().map(broker).collect(),
            fenced: fenced.into_iter().map(broker).collect(),
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
            fenced: Vec::new(),
        })
    }
}
