//! From a name and a port to an open socket: every address of the name is tried.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::{Error, ErrorKind, Result};

/// While one address is silent this long, the next one is tried beside it (RFC 8305).
const STAGGER: Duration = Duration::from_millis(250);

/// Where a broker listens, by name: it is resolved again for every connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Address {
    pub(crate) host: Arc<str>,
    pub(crate) port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Opens a connection, or says which addresses were tried and what each of them answered.
pub(crate) async fn dial(address: &Address, limit: Duration) -> Result<TcpStream> {
    let unreachable = |cause: String, tried: Vec<String>| {
        Error::new(ErrorKind::Unreachable, format!("cannot reach {address}"))
            .because(cause)
            .around(|c| (c.broker, c.addresses) = (Some(address.to_string()), tried))
    };
    let resolved = timeout(limit, lookup_host((&*address.host, address.port))).await;
    let addresses: Vec<SocketAddr> = match resolved {
        Ok(Ok(found)) => found.collect(),
        Ok(Err(e)) => {
            return Err(unreachable(format!("the name {} has no address: {e}", address.host), vec![]));
        }
        Err(_) => return Err(unreachable(format!("no answer from the resolver within {limit:?}"), vec![])),
    };
    let tried = addresses.iter().map(SocketAddr::to_string).collect();
    match race(addresses, limit).await {
        Ok(stream) => Ok(stream),
        Err(causes) if causes.is_empty() => {
            Err(unreachable(format!("the name {} has no address", address.host), tried))
        }
        Err(causes) => Err(unreachable(causes.join("; "), tried)),
    }
}

async fn race(addresses: Vec<SocketAddr>, limit: Duration) -> Result<TcpStream, Vec<String>> {
    let mut causes = Vec::new();
    let mut attempts = JoinSet::new();
    let mut addresses = addresses.into_iter();
    loop {
        let next = addresses.next();
        let more = next.is_some();
        if let Some(address) = next {
            attempts.spawn(async move { attempt(address, limit).await });
        }
        let finished =
            if more { timeout(STAGGER, attempts.join_next()).await } else { Ok(attempts.join_next().await) };
        match finished {
            Ok(Some(Ok(Ok(stream)))) => return Ok(stream),
            Ok(Some(Ok(Err(cause)))) => causes.push(cause),
            Ok(Some(Err(aborted))) => causes.push(aborted.to_string()),
            Ok(None) => return Err(causes),
            Err(_) => {}
        }
    }
}

async fn attempt(address: SocketAddr, limit: Duration) -> Result<TcpStream, String> {
    let stream = match timeout(limit, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(e)) => return Err(format!("{address}: {e}")),
        Err(_) => return Err(format!("{address}: no answer within {limit:?}")),
    };
    // Requests are written whole; waiting to join them with later ones only adds latency.
    stream.set_nodelay(true).map_err(|e| format!("{address}: {e}"))?;
    Ok(stream)
}
