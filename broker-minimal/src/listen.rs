//! Turns configured listeners into sockets.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket, lookup_host};

use crate::StartError;
use crate::config::{Config, Listener};

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// One listening socket.
pub(crate) struct Bound {
    /// Which listener it belongs to.
    pub(crate) name: String,
    /// The host that was asked for; what clients are told when nothing else is advertised.
    pub(crate) host: String,
    pub(crate) addr: SocketAddr,
    pub(crate) listener: TcpListener,
}

impl Bound {
    /// The host and port that clients are told: port 0 stands for the one that was bound.
    pub(crate) fn advertised(&self, config: &Config) -> (String, u16) {
        let advertised = config.advertised.iter().find(|listener| listener.name == self.name);
        let host = advertised.map_or_else(|| self.host.clone(), |listener| listener.host.clone());
        let port = advertised.map_or(0, |listener| listener.port);
        (host, if port == 0 { self.addr.port() } else { port })
    }
}

/// Binds every address of every listener: `localhost` is 127.0.0.1 and ::1, no host is every interface.
pub(crate) async fn bind(listeners: &[Listener]) -> Result<Vec<Bound>, StartError> {
    let mut all = Vec::new();
    for listener in listeners {
        let failed =
            |source| StartError::Listen { address: format!("{}:{}", listener.host, listener.port), source };
        let addresses = addresses(listener).await.map_err(failed)?;
        let before = all.len();
        let mut port = listener.port;
        let mut refused = None;
        for mut address in addresses {
            address.set_port(port);
            match listen(address) {
                Ok(socket) => {
                    let addr = socket.local_addr().map_err(failed)?;
                    // Port 0: the other addresses of this listener get the port that the first one was given.
                    port = addr.port();
                    let (name, host) = (listener.name.clone(), listener.host.clone());
                    all.push(Bound { name, host, addr, listener: socket });
                }
                // A machine without IPv6 still has localhost; a port that is taken is never passed over.
                Err(e) if e.kind() == io::ErrorKind::AddrInUse => {
                    return Err(StartError::Listen { address: address.to_string(), source: e });
                }
                Err(e) => refused = Some(e),
            }
        }
        if all.len() == before {
            return Err(failed(refused.unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into())));
        }
    }
    Ok(all)
}

async fn addresses(listener: &Listener) -> io::Result<Vec<SocketAddr>> {
    let port = listener.port;
    match listener.host.as_str() {
        "localhost" => Ok(vec![([127, 0, 0, 1], port).into(), ([0u16, 0, 0, 0, 0, 0, 0, 1], port).into()]),
        // The IPv6 wildcard takes IPv4 connections too, where the machine has IPv6.
        "" => {
            let wildcard = SocketAddr::from(([0u16; 8], 0));
            let has_ipv6 = listen(wildcard).is_ok();
            Ok(vec![if has_ipv6 { ([0u16; 8], port).into() } else { ([0u8; 4], port).into() }])
        }
        host => Ok(lookup_host((host, port)).await?.collect()),
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restart must not wait for the last connections of the old process to time out.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
