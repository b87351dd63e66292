//! Ports for programs that must be told theirs before they start.

use std::io;
use std::net::{Ipv4Addr, TcpListener};

/// Ports on the loopback interface that nobody listens on now. Another program may take one before it is used: a
/// program that picks its own (port 0) is better off.
pub(crate) fn free_ports<const COUNT: usize>() -> io::Result<[u16; COUNT]> {
    // All at once, so that they differ.
    let listeners = [(); COUNT].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
    let mut ports = [0; COUNT];
    for (port, listener) in ports.iter_mut().zip(listeners) {
        *port = listener?.local_addr()?.port();
    }
    Ok(ports)
}
