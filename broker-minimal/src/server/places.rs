//! Places for connections: how many there are at a time, in all and of one address, counted over all listeners.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};

use super::pace::Pace;
use crate::config::{Config, PerHost};
use crate::{memory, stopped};

/// So many connections have a few megabytes.
const CROWD: usize = 1000;
/// Whoever leaves last leaves a moment after the first.
const LEAVING: Duration = Duration::from_secs(1);

/// All of a broker's.
#[derive(Debug)]
pub(crate) struct Places {
    taken: Mutex<Taken>,
    changed: Notify,
    crowd_left: Notify,
    pace: Mutex<Pace>,
    /// `max.connections.per.ip.overrides` by address, as far as the hosts' names are resolved.
    overrides: Mutex<HashMap<IpAddr, usize>>,
}

/// One that is taken, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    of: Arc<Places>,
    ip: IpAddr,
}

/// Why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoPlace {
    /// There are as many as there may be: one will come free.
    Full {
        /// So many.
        max: usize,
    },
    /// There are as many of this address as there may be: it has them.
    TooManyOfOne {
        /// So many.
        max: usize,
    },
}

/// What holds at the moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// For all; `None` for who must come in whatever happens.
    pub(crate) max: Option<usize>,
    /// For each address that has no bound of its own.
    pub(crate) per_ip: usize,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    /// So many there were since memory was given back.
    most: usize,
    by_ip: HashMap<IpAddr, usize>,
}

impl Places {
    pub(crate) fn new() -> Arc<Self> {
        let (taken, pace, overrides) = (Mutex::default(), Mutex::default(), Mutex::default());
        Arc::new(Self { taken, changed: Notify::new(), crowd_left: Notify::new(), pace, overrides })
    }

    /// Takes a place. The total goes first: whoever waits for it is not refused for what others of its address do meanwhile.
    pub(crate) fn take(self: &Arc<Self>, ip: IpAddr, bounds: Bounds) -> Result<Place, NoPlace> {
        // An address of IPv4 is the same one to a listener for both.
        let ip = ip.to_canonical();
        let per_ip = lock(&self.overrides).get(&ip).copied().unwrap_or(bounds.per_ip);
        let mut taken = lock(&self.taken);
        if let Some(max) = bounds.max.filter(|max| taken.all >= *max) {
            return Err(NoPlace::Full { max });
        }
        let of_ip = taken.by_ip.get(&ip).copied().unwrap_or_default();
        if of_ip >= per_ip {
            return Err(NoPlace::TooManyOfOne { max: per_ip });
        }
        taken.by_ip.insert(ip, of_ip + 1);
        taken.all += 1;
        taken.most = taken.most.max(taken.all);
        Ok(Place { of: Arc::clone(self), ip })
    }

    /// How long a new connection has to wait where so many a second may come.
    pub(crate) fn pace(&self, now: Instant, per_second: u32) -> Duration {
        lock(&self.pace).one(now, per_second)
    }

    /// Resolves when a place was given back, or the bounds are others, since this was called. Cancel safe.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Gives the memory of crowds that have left back to the system, until the broker stops.
    pub(crate) async fn clear_up(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let crowds = async {
            loop {
                self.crowd_left.notified().await;
                tokio::time::sleep(LEAVING).await;
                // It cannot fail, and a panic would be as good as nothing done.
                let _panicked = tokio::task::spawn_blocking(memory::give_back).await;
            }
        };
        tokio::select! {
            () = crowds => {}
            () = stopped(&mut stop) => {}
        }
    }

    /// Keeps up with the configuration until the broker stops.
    pub(crate) async fn follow(
        self: Arc<Self>,
        mut config: watch::Receiver<Arc<Config>>,
        mut stop: watch::Receiver<bool>,
    ) {
        loop {
            let hosts = config.borrow_and_update().max_connections_per_ip_overrides.clone();
            let overrides = resolve(&hosts).await;
            *lock(&self.overrides) = overrides;
            self.changed.notify_waiters();
            tokio::select! {
                Ok(()) = config.changed() => {}
                () = stopped(&mut stop) => return,
            }
        }
    }
}

impl Taken {
    /// Whether so many have left since this was last said that their memory is worth to be given back.
    fn has_crowd_left(&mut self) -> bool {
        let has_left = self.most - self.all >= CROWD && self.all <= self.most / 2;
        if has_left {
            self.most = self.all;
        }
        has_left
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = lock(&self.of.taken);
        taken.all = taken.all.saturating_sub(1);
        match taken.by_ip.get_mut(&self.ip) {
            Some(count) if *count > 1 => *count -= 1,
            // Addresses come and go: none is kept for nothing.
            Some(_) | None => drop(taken.by_ip.remove(&self.ip)),
        }
        if taken.has_crowd_left() {
            self.of.crowd_left.notify_one();
        }
        drop(taken);
        self.of.changed.notify_waiters();
    }
}

async fn resolve(hosts: &[PerHost]) -> HashMap<IpAddr, usize> {
    let mut overrides = HashMap::new();
    for PerHost { host, count } in hosts {
        if let Ok(ip) = host.parse::<IpAddr>() {
            overrides.insert(ip.to_canonical(), *count);
            continue;
        }
        match tokio::net::lookup_host((host.as_str(), 0)).await {
            Ok(found) => overrides.extend(found.map(|at| (at.ip().to_canonical(), *count))),
            Err(error) => {
                tracing::warn!(host, %error, "no such host, its connections have the bound of all");
            }
        }
    }
    overrides
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Counts are changed in one go: there is no state that a panic elsewhere could leave half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

    #[test]
    fn places_are_counted_in_all_and_by_address_and_come_back() {
        let places = Places::new();
        let bounds = Bounds { max: Some(3), per_ip: 2 };
        let first = places.take(ONE, bounds).unwrap();
        let _second = places.take(ONE, bounds).unwrap();
        assert_eq!(places.take(ONE, bounds).unwrap_err(), NoPlace::TooManyOfOne { max: 2 });
        let _third = places.take(OTHER, bounds).unwrap();
        assert_eq!(places.take(OTHER, bounds).unwrap_err(), NoPlace::Full { max: 3 });
        let _privileged = places.take(OTHER, Bounds { max: None, ..bounds }).unwrap();
        drop(first);
        assert_eq!(places.take(ONE, bounds).unwrap_err(), NoPlace::Full { max: 3 });
        assert_eq!(lock(&places.taken).by_ip.get(&ONE), Some(&1));
    }

    #[test]
    fn a_crowd_has_left_when_it_has_halved() {
        let mut taken = Taken { all: 3 * CROWD, most: 3 * CROWD, ..Default::default() };
        let mut left = Vec::new();
        while taken.all > 0 {
            taken.all -= 1;
            if taken.has_crowd_left() {
                left.push(taken.all);
            }
        }
        assert_eq!(left, [3 * CROWD / 2, CROWD / 2]);
        // A few that come and go are none.
        (taken.all, taken.most) = (0, CROWD - 1);
        assert!(!taken.has_crowd_left());
    }

    #[test]
    fn an_address_is_the_same_to_both_kinds_of_listeners() {
        let places = Places::new();
        let bounds = Bounds { max: None, per_ip: 1 };
        let mapped: IpAddr = "::ffff:10.0.0.1".parse().unwrap();
        let _first = places.take(mapped, bounds).unwrap();
        assert!(places.take(ONE, bounds).is_err());
    }

    #[tokio::test]
    async fn hosts_are_named_by_address_or_name() {
        let host = |host: &str, count| PerHost { host: host.to_owned(), count };
        let hosts = [host("10.0.0.1", 7), host("::1", 8), host("localhost", 9)];
        let overrides = resolve(&hosts).await;
        assert_eq!(overrides.get(&ONE), Some(&7));
        assert_eq!(overrides.get(&IpAddr::from([127, 0, 0, 1])), Some(&9));
    }
}
