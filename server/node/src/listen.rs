//! Listening sockets, made the same way for every port.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

use crate::config::BindAddress;
use crate::resolve;

/// Opens a listener; a host name is resolved first and its first address that binds is taken.
///
/// # Errors
/// As the system says it, with the address.
pub async fn listen(at: &BindAddress, backlog: u32) -> io::Result<TcpListener> {
    match at {
        BindAddress::All(port) => {
            // One socket for both families where the machine has IPv6, as the Java server does.
            let v6 = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), *port);
            let v4 = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), *port);
            match bind(v6, backlog) {
                Err(e) if e.kind() != io::ErrorKind::AddrInUse => bind(v4, backlog),
                other => other,
            }
        }
        BindAddress::Host(host) => {
            let found = resolve::addresses(&host.host, host.port).await;
            let mut last = io::Error::other(format!("no address for {host}"));
            for address in found.map_err(io::Error::other)? {
                match bind(address, backlog) {
                    Ok(listener) => return Ok(listener),
                    Err(e) => last = e,
                }
            }
            Err(last)
        }
    }
}

fn bind(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let named = |e: io::Error| io::Error::new(e.kind(), format!("bind {address}: {e}"));
    let open = || {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        if address.is_ipv6() {
            socket.set_only_v6(!address.ip().is_unspecified())?;
        }
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        TcpListener::from_std(socket.into())
    };
    open().map_err(named)
}

/// Options of a connection between servers: no delay, and a dead host is noticed in the end.
///
/// # Errors
/// A socket that is already gone.
pub fn between_servers(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_keepalive(true)
}

/// How long to pause after an accept that failed: descriptors may be used up, and trying at once
/// again would only burn the processor that could close some.
pub const ACCEPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(100);
