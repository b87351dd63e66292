//! Requests of one's own: any message of the protocol, to whoever should get it.

use bytes::Bytes;

use crate::protocol::{ApiInfo, Request, VersionRange};
use crate::{Client, Result, Target};

impl Client {
    /// Sends any request of the protocol, in the best version that both sides know, and waits for the answer. Error
    /// codes inside the answer are the caller's.
    ///
    /// It is sent once; only finding and reaching the broker is tried again. A Produce request with `acks` 0 is never
    /// answered: that one belongs to a [`Producer`](crate::Producer). Dropped before it is ready, the request was carried
    /// out or not.
    ///
    /// ```no_run
    /// # async fn run(client: kinglet::Client) -> kinglet::Result<()> {
    /// use kinglet::Target;
    /// use kinglet::protocol::messages::{DescribeGroupsRequest, ListGroupsRequest};
    ///
    /// let groups = client.request(ListGroupsRequest::default(), Target::Broker(1)).await?.groups;
    /// for group in groups.into_iter().map(|group| group.group_id) {
    ///     let request = DescribeGroupsRequest { groups: vec![group.clone()], ..Default::default() };
    ///     let answer = client.request(request, Target::Group(group)).await?;
    ///     println!("{:?}", answer.groups);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn request<R: Request>(&self, request: R, target: Target) -> Result<R::Response> {
        self.core.within_api_timeout(R::KEY.name(), self.core.request_once(&request, &target)).await
    }

    /// As [`request`](Self::request), in this version and no other.
    pub async fn request_version<R: Request>(
        &self,
        request: R,
        version: i16,
        target: Target,
    ) -> Result<R::Response> {
        let work = async {
            let connection = self.core.connection(&target).await?;
            let version = connection.version_of(R::KEY, VersionRange::new(version, version))?;
            connection.call_version(&request, version, std::time::Duration::ZERO).await
        };
        self.core.within_api_timeout(R::KEY.name(), work).await
    }

    /// The best version of an API that both sides know, for those who encode by it.
    pub async fn version_of(&self, api: &ApiInfo, target: &Target) -> Result<i16> {
        let work = async { self.core.connection(target).await?.version_of(api.key, api.versions) };
        self.core.within_api_timeout(api.key.name(), work).await
    }

    /// Sends a body that is encoded already in this version, and gives the body of the answer: for tools that learn
    /// only at run time which message it is.
    pub async fn request_raw(
        &self,
        api: &ApiInfo,
        version: i16,
        body: Bytes,
        target: &Target,
    ) -> Result<Bytes> {
        let work = async {
            let connection = self.core.connection(target).await?;
            let version = connection.version_of(api.key, VersionRange::new(version, version))?;
            connection.call_raw(api, version, &body).await
        };
        self.core.within_api_timeout(api.key.name(), work).await
    }
}
