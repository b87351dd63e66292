//! Those who only come: to stay and be silent, or to leave at once.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use peers_kit::Fallible;
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::figures::Latency;

/// ApiVersions, version 0, of a client without a name.
const HELLO: [u8; 14] = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff];
/// So many come at once when a crowd gathers.
const ABREAST: usize = 64;
/// So many passers-by may be under way; a broker that lags behind gets no more than that.
const UNDER_WAY: usize = 4000;
/// A port is not free again for a minute after its connection was closed, and an address has less than 30,000.
const ADDRESSES: u32 = 32;
const LIMIT: Duration = Duration::from_secs(30);
/// How many of a crowd are asked whether they are still served.
const ASKED: usize = 200;

/// Connections that said hello, and nothing since.
pub(super) struct Crowd(Vec<TcpStream>);

/// What became of those who came and went.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Passers {
    pub(super) opened: u64,
    pub(super) answered: u64,
    /// Those who left without a word, half of them by a reset.
    pub(super) silent: u64,
    pub(super) failed: Vec<String>,
    pub(super) per_second: f64,
    /// From the first packet to the answer.
    pub(super) hello: Latency,
}

/// How somebody leaves.
#[derive(Debug, Clone, Copy)]
enum Manner {
    Answered,
    Silent,
    Reset,
}

impl Crowd {
    pub(super) async fn gather(broker: SocketAddr, count: u32) -> Fallible<Self> {
        let room = Arc::new(Semaphore::new(ABREAST));
        let mut coming = JoinSet::new();
        for number in 0..count {
            let place = Arc::clone(&room).acquire_owned().await?;
            coming.spawn(async move {
                let _place = place;
                let come = async {
                    let mut stream = connect(broker, number).await?;
                    hello(&mut stream).await?;
                    io::Result::Ok(stream)
                };
                timeout(LIMIT, come).await?
            });
        }
        let mut all = Vec::new();
        while let Some(come) = coming.join_next().await {
            all.push(come?.map_err(|error| format!("connection {} of {count}: {error}", all.len() + 1))?);
        }
        Ok(Self(all))
    }

    /// Some of them speak again.
    pub(super) async fn ask_again(&mut self) -> Fallible<()> {
        let step = (self.0.len() / ASKED).max(1);
        for stream in self.0.iter_mut().step_by(step) {
            let asked = timeout(LIMIT, hello(stream)).await?;
            asked.map_err(|error| format!("a connection that was idle: {error}"))?;
        }
        Ok(())
    }
}

impl Passers {
    /// So many a second come, and leave at once: most after an answer to their hello, a tenth without a word, and a tenth by a reset.
    pub(super) async fn pass(broker: SocketAddr, per_second: u32, time: Duration) -> Fallible<Self> {
        let room = Arc::new(Semaphore::new(UNDER_WAY));
        let began = Instant::now();
        let mut pace = interval(Duration::from_secs(1) / per_second);
        pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut passing: JoinSet<io::Result<Option<Duration>>> = JoinSet::new();
        let (mut opened, mut results) = (0_u32, Vec::new());
        while began.elapsed() < time {
            pace.tick().await;
            let place = Arc::clone(&room).acquire_owned().await?;
            let (number, manner) = (opened, Manner::of(opened));
            opened += 1;
            passing.spawn(async move {
                let _place = place;
                timeout(LIMIT, pass(broker, number, manner)).await?
            });
            while let Some(passed) = passing.try_join_next() {
                results.push(passed?);
            }
        }
        let seconds = began.elapsed().as_secs_f64();
        while let Some(passed) = passing.join_next().await {
            results.push(passed?);
        }
        let mut passers = Self {
            opened: u64::from(opened),
            answered: 0,
            silent: 0,
            failed: Vec::new(),
            per_second: f64::from(opened) / seconds,
            hello: Latency::default(),
        };
        let mut latencies = Vec::new();
        for result in results {
            match result {
                Ok(Some(latency)) => {
                    passers.answered += 1;
                    latencies.push(latency);
                }
                Ok(None) => passers.silent += 1,
                Err(error) => passers.failed.push(error.to_string()),
            }
        }
        passers.hello = Latency::of(latencies);
        Ok(passers)
    }
}

impl Manner {
    fn of(number: u32) -> Self {
        match number % 10 {
            8 => Self::Silent,
            9 => Self::Reset,
            _ => Self::Answered,
        }
    }
}

async fn pass(broker: SocketAddr, number: u32, manner: Manner) -> io::Result<Option<Duration>> {
    let began = Instant::now();
    let mut stream = connect(broker, number).await?;
    match manner {
        Manner::Answered => {
            hello(&mut stream).await?;
            Ok(Some(began.elapsed()))
        }
        Manner::Silent => Ok(None),
        Manner::Reset => {
            stream.set_zero_linger()?;
            Ok(None)
        }
    }
}

/// From one address after the other: ports are few.
async fn connect(broker: SocketAddr, number: u32) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    let own = Ipv4Addr::from_bits(Ipv4Addr::new(127, 0, 0, 2).to_bits() + number % ADDRESSES);
    socket.bind(SocketAddr::from((own, 0)))?;
    socket.connect(broker).await
}

/// Asks what everybody asks first, and takes the answer.
async fn hello(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(&HELLO).await?;
    let len = stream.read_u32().await?;
    let mut answer = vec![0; usize::try_from(len).unwrap_or(usize::MAX).min(64 * 1024)];
    stream.read_exact(&mut answer).await?;
    // The number that was asked with, and no error.
    match answer.get(..6) {
        Some([0, 0, 0, 7, 0, 0]) => Ok(()),
        _ => Err(io::Error::other(format!("an odd answer: {:?}", answer.get(..6)))),
    }
}
