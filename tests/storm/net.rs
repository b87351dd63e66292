//! The network: every connection to a broker passes here, a client's and another broker's, and who it is shows in the client id of its first
//! request. Each direction between two has its weather.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::Fallible;

/// Length, API key, version, correlation id and the length of the client id.
const HEAD: usize = 4 + 2 + 2 + 4 + 2;
/// Nobody's client id is longer.
const CLIENT_ID_MAX: usize = 256;
const CHUNK: usize = 64 * 1024;
const BACKLOG: u32 = 1024;

/// An end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    Broker(i32),
    Client,
}

/// What happens to bytes on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weather {
    /// They are held until it clears.
    Silent,
    /// They arrive later.
    Slow(Duration),
    /// A part of them arrives, then the connection is reset.
    Torn,
}

/// By sender and receiver; where nothing is said it is clear.
type Map = BTreeMap<(Who, Who), Weather>;

#[derive(Debug)]
struct Shared {
    weather: watch::Sender<Map>,
    /// Pieces that met another weather than a clear one.
    bites: AtomicU64,
}

/// The way to all brokers.
#[derive(Debug)]
pub(crate) struct Net {
    shared: Arc<Shared>,
    gates: BTreeMap<i32, Gate>,
}

#[derive(Debug)]
struct Gate {
    port: u16,
    behind: SocketAddr,
    task: Option<JoinHandle<()>>,
    /// Bound, and never listening: while nobody listens there, no connection gets one of its ports as its own.
    _reserved: [TcpSocket; 2],
}

impl Net {
    /// `(broker, the port that others are told, its own port)`; all gates are closed at first.
    pub(crate) fn new(brokers: impl IntoIterator<Item = (i32, u16, u16)>) -> Fallible<Self> {
        let mut gates = BTreeMap::new();
        for (id, port, behind) in brokers {
            let reserved = [bound(port)?, bound(behind)?];
            let behind = SocketAddr::from((Ipv4Addr::LOCALHOST, behind));
            gates.insert(id, Gate { port, behind, task: None, _reserved: reserved });
        }
        let shared = Shared { weather: watch::Sender::new(Map::new()), bites: AtomicU64::new(0) };
        Ok(Self { shared: Arc::new(shared), gates })
    }

    /// Connections to it are taken from now on. Within a runtime.
    pub(crate) async fn open(&mut self, id: i32) -> Fallible<()> {
        let gate = self.gates.get_mut(&id).ok_or("no such broker")?;
        if let Some(closed) = gate.task.take() {
            // It was aborted; its port is free when it has ended.
            let _aborted = closed.await;
        }
        let listener = bound(gate.port)?.listen(BACKLOG)?;
        gate.task =
            Some(tokio::spawn(accept(Arc::clone(&self.shared), listener, Who::Broker(id), gate.behind)));
        Ok(())
    }

    /// Its process is dead: connections to it are refused, as they are without a network between.
    pub(crate) fn close(&self, id: i32) {
        if let Some(task) = self.gates.get(&id).and_then(|gate| gate.task.as_ref()) {
            task.abort();
        }
    }

    /// Changes the weather in these directions.
    pub(crate) fn set(&self, directions: impl IntoIterator<Item = (Who, Who)>, weather: Weather) {
        self.shared.weather.send_modify(|map| map.extend(directions.into_iter().map(|way| (way, weather))));
    }

    /// It is clear everywhere.
    pub(crate) fn clear(&self) {
        self.shared.weather.send_modify(Map::clear);
    }

    /// How many pieces have met a weather so far.
    pub(crate) fn bites(&self) -> u64 {
        self.shared.bites.load(Ordering::Relaxed)
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        self.gates.keys().for_each(|id| self.close(*id));
    }
}

fn bound(port: u16) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    Ok(socket)
}

async fn accept(shared: Arc<Shared>, listener: TcpListener, to: Who, behind: SocketAddr) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(relay(Arc::clone(&shared), stream, to, behind));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// What ends it is the business of both ends.
async fn relay(shared: Arc<Shared>, mut near: TcpStream, to: Who, behind: SocketAddr) {
    let Ok((from, first)) = introduce(&mut near).await else { return };
    let Ok(far) = TcpStream::connect(behind).await else { return };
    if near.set_nodelay(true).and(far.set_nodelay(true)).is_err() {
        return;
    }
    let (near, far) = (near.into_split(), far.into_split());
    let up = Way { shared: &shared, from, to };
    let down = Way { shared: &shared, from: to, to: from };
    let ending = tokio::select! {
        ending = up.pass(first, near.0, far.1) => ending,
        ending = down.pass(Vec::new(), far.0, near.1) => ending,
    };
    drop(ending);
}

/// Reads until the client id is known.
async fn introduce(stream: &mut TcpStream) -> io::Result<(Who, Vec<u8>)> {
    let mut first = vec![0; HEAD];
    stream.read_exact(&mut first).await?;
    let length = i16::from_be_bytes([first[HEAD - 2], first[HEAD - 1]]);
    let length = usize::try_from(length).unwrap_or(0).min(CLIENT_ID_MAX);
    first.resize(HEAD + length, 0);
    stream.read_exact(&mut first[HEAD..]).await?;
    let id = str::from_utf8(&first[HEAD..]).ok().and_then(|text| text.strip_prefix("broker-")?.parse().ok());
    Ok((id.map_or(Who::Client, Who::Broker), first))
}

/// One direction of a connection.
struct Way<'a> {
    shared: &'a Shared,
    from: Who,
    to: Who,
}

impl Way<'_> {
    async fn pass(
        &self,
        first: Vec<u8>,
        mut reader: OwnedReadHalf,
        mut writer: OwnedWriteHalf,
    ) -> io::Result<()> {
        self.deliver(&first, &mut writer).await?;
        let mut chunk = vec![0; CHUNK];
        loop {
            let count = reader.read(&mut chunk).await?;
            if count == 0 {
                return Ok(());
            }
            self.deliver(&chunk[..count], &mut writer).await?;
        }
    }

    async fn deliver(&self, bytes: &[u8], writer: &mut OwnedWriteHalf) -> io::Result<()> {
        let mut weather = self.shared.weather.subscribe();
        loop {
            let now = weather.borrow_and_update().get(&(self.from, self.to)).copied();
            if now.is_some() && !bytes.is_empty() {
                self.shared.bites.fetch_add(1, Ordering::Relaxed);
            }
            match now {
                None => break,
                // The sender is ours: it is not closed.
                Some(Weather::Silent) => drop(weather.changed().await),
                Some(Weather::Slow(by)) => {
                    tokio::time::sleep(by).await;
                    break;
                }
                Some(Weather::Torn) => {
                    writer.write_all(&bytes[..bytes.len() / 2]).await?;
                    // Its end will be an RST. A socket that has ended already needs none.
                    drop(writer.as_ref().set_zero_linger());
                    return Err(io::ErrorKind::ConnectionReset.into());
                }
            }
        }
        writer.write_all(bytes).await
    }
}
