//! A TCP proxy in front of a broker that does to connections what networks do, by a seeded plan ([`Plan`]).
//!
//! It passes whole frames and changes no byte of them. Faults meet Produce requests only, one a connection; each is
//! counted when it has bitten. Not for `acks=0`: there requests have no answers, and it counts on one each.
//!
//! The broker must advertise the proxy's port, or clients walk around it: see [`Kbroker::start_behind`] and
//! [`Kafka::start_behind`].
//!
//! [`Kbroker::start_behind`]: crate::binaries::Kbroker::start_behind
//! [`Kafka::start_behind`]: crate::kafka::Kafka::start_behind

mod fault;
mod ledger;
mod relay;

pub use fault::{Fault, Plan};

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use ledger::Ledger;
use relay::relay;

/// A port of the proxy; bound before the broker starts, because the broker must advertise it.
#[derive(Debug)]
pub struct ProxyPort {
    listener: StdListener,
    port: u16,
}

/// A running proxy. All its connections end when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    port: u16,
    task: JoinHandle<()>,
}

/// What happened since [`Proxy::begin`].
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// How often each fault bit, in the order of [`Fault::ALL`].
    pub bites: [u64; Fault::ALL.len()],
    /// Batches that the broker took for what it had already.
    pub duplicates: u64,
    /// Batches that the broker has acked at two places: each is a broken promise.
    pub doubled: Vec<String>,
    /// Errors that the broker answered, by name.
    pub refusals: BTreeMap<&'static str, u64>,
}

/// The proxy and its connections hold it.
#[derive(Debug)]
struct Shared {
    plan: Mutex<Plan>,
    bites: [AtomicU64; Fault::ALL.len()],
    ledger: Mutex<Ledger>,
    /// No faults: everything passes.
    calm: watch::Sender<bool>,
    /// Connections that are open.
    open: watch::Sender<usize>,
}

impl ProxyPort {
    /// A free port on the loopback interface.
    ///
    /// # Errors
    /// When there is none.
    pub fn bind() -> io::Result<Self> {
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        Ok(Self { listener, port })
    }

    /// What the broker is to advertise.
    pub fn number(&self) -> u16 {
        self.port
    }
}

impl Proxy {
    /// Begins to pass connections on to the broker, as yet without faults. Must be called within a runtime.
    ///
    /// # Errors
    /// When the runtime does not take the socket.
    pub fn start(port: ProxyPort, broker: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::from_std(port.listener)?;
        let shared = Arc::new(Shared {
            plan: Mutex::new(Plan::new(0, 0, Duration::ZERO)),
            bites: Default::default(),
            ledger: Mutex::new(Ledger::new()),
            calm: watch::Sender::new(true),
            open: watch::Sender::new(0),
        });
        let task = tokio::spawn(accept(shared.clone(), listener, broker));
        Ok(Self { shared, port: port.port, task })
    }

    /// Where clients connect: `127.0.0.1:<port>`.
    pub fn bootstrap(&self) -> String {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)).to_string()
    }

    /// Faults happen by this plan from now on, and are counted from zero.
    pub fn begin(&self, plan: Plan) {
        *self.shared.plan() = plan;
        *self.shared.ledger() = Ledger::new();
        self.shared.bites.iter().for_each(|bites| bites.store(0, Ordering::Relaxed));
        self.shared.calm.send_replace(false);
    }

    /// No more faults: delays end, and connections that were half-open are closed.
    pub fn heal(&self) {
        self.shared.calm.send_replace(true);
    }

    /// Waits until all connections have ended, so that nothing is on its way to the broker; true if they have.
    pub async fn settled(&self, limit: Duration) -> bool {
        let mut open = self.shared.open.subscribe();
        timeout(limit, open.wait_for(|open| *open == 0)).await.is_ok()
    }

    /// What happened since the last [`Proxy::begin`].
    pub fn tally(&self) -> Tally {
        let ledger = self.shared.ledger();
        Tally {
            bites: self.shared.bites.each_ref().map(|bites| bites.load(Ordering::Relaxed)),
            duplicates: ledger.duplicates,
            doubled: ledger.doubled.clone(),
            refusals: ledger.refusals.clone(),
        }
    }

    /// What happened to every batch since the last [`Proxy::begin`], in words.
    pub fn journal(&self) -> Vec<String> {
        self.shared.ledger().journal.clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Tally {
    /// How often that fault bit.
    pub fn bites_of(&self, fault: Fault) -> u64 {
        Fault::ALL.iter().zip(self.bites).find(|(of, _)| **of == fault).map_or(0, |(_, bites)| bites)
    }
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.bites.iter_mut().zip(other.bites).for_each(|(sum, bites)| *sum += bites);
        self.duplicates += other.duplicates;
        self.doubled.extend(other.doubled);
        for (name, count) in other.refusals {
            *self.refusals.entry(name).or_default() += count;
        }
    }
}

impl Shared {
    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bit(&self, fault: Fault) {
        if let Some((_, bites)) = Fault::ALL.iter().zip(&self.bites).find(|(of, _)| **of == fault) {
            bites.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn is_calm(&self) -> bool {
        *self.calm.borrow()
    }

    /// Waits for the end of all faults.
    async fn calm(&self) {
        // The sender is ours: it is not closed.
        drop(self.calm.subscribe().wait_for(|calm| *calm).await);
    }
}

/// Takes connections until the proxy is dropped, and all of them go with it.
async fn accept(shared: Arc<Shared>, listener: TcpListener, broker: SocketAddr) {
    let mut connections = JoinSet::new();
    let mut number = 0;
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // A client that has gone before it was accepted, and nothing else, is an error here.
                let Ok((client, _)) = accepted else { continue };
                number += 1;
                let shared = shared.clone();
                shared.open.send_modify(|open| *open += 1);
                connections.spawn(async move {
                    // Without a broker the client is closed at once, as it would be without the proxy.
                    if let Ok(broker) = TcpStream::connect(broker).await {
                        let (first, second) = (client.set_nodelay(true), broker.set_nodelay(true));
                        if first.and(second).is_ok() {
                            relay(&shared, number, client, broker).await;
                        }
                    }
                    shared.open.send_modify(|open| *open -= 1);
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}
