//! Brokers for measurements, and what is done to all of a cluster at once.

use std::time::Duration;

use super::{BROKERS, Brokers, BrokersError, Member, common};
use crate::binaries::Binaries;
use crate::ports::free_ports;
use crate::process::Daemon;

impl Brokers {
    /// Three brokers with the defaults of `kbroker`, its log included: for measurements.
    ///
    /// # Errors
    /// As [`Brokers::start`].
    pub fn start_as_shipped(binaries: &Binaries) -> Result<Self, BrokersError> {
        Self::start_logging(binaries, &[], None)
    }

    /// The three of [`Brokers::start_as_shipped`], none of them started yet: for who measures how they start.
    ///
    /// # Errors
    /// When no ports or no folder can be had.
    pub fn as_shipped(binaries: &Binaries) -> Result<Self, BrokersError> {
        let ports: [u16; BROKERS] = free_ports()?;
        let options = common(&ports, &[]);
        let members = (1..).zip(ports).map(|(id, port)| Member::new(id, port, &options, &[]));
        Self::of(binaries, members.collect(), None)
    }

    /// Stops in order (SIGTERM) all that run, at the same time.
    ///
    /// # Errors
    /// When one of them still runs after that time; then it is killed.
    pub fn stop_all(&mut self, limit: Duration) -> Result<(), BrokersError> {
        let running: Vec<(&mut Member, Daemon)> = self
            .members
            .iter_mut()
            .filter_map(|member| member.daemon.take().map(|daemon| (member, daemon)))
            .collect();
        let (members, daemons): (Vec<_>, Vec<_>) = running.into_iter().unzip();
        let mut result = Ok(());
        for (member, (status, said)) in members.into_iter().zip(Daemon::terminate_all(daemons, limit)) {
            member.said.extend(said);
            let id = member.id;
            result = result.and(status.map(drop).map_err(|source| BrokersError::Daemon { id, source }));
        }
        result
    }
}
