//! A TCP connection to another server, given up soon where nobody answers.
//!
//! A pod that went and came back has another address, and for some seconds its name still leads to the
//! old one, where packets vanish. To look the name up again costs less than to wait there.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::listen::between_servers;

/// Bound of waiting for an address to answer: the time after which TCP itself would ask again.
pub const ANSWER_MAX: Duration = Duration::from_secs(1);

/// Connects to `address`; the error says [`io::ErrorKind::TimedOut`] where nobody answers.
///
/// # Errors
/// As the system says it.
pub async fn server(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = timeout(ANSWER_MAX, TcpStream::connect(address))
        .await
        .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "nobody answers"))??;
    between_servers(&stream)?;
    Ok(stream)
}

/// Whether a failed connection says that nobody is there at all, rather than that somebody declined.
#[must_use]
pub fn is_silence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::TimedOut
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
    )
}

#[cfg(test)]
pub(crate) mod tests {
    use socket2::{Domain, Socket, Type};

    use super::*;

    /// An address that nobody answers at, until somebody accepts: its queue is full.
    ///
    /// The second value holds the places in the queue.
    #[must_use]
    pub(crate) fn silent() -> (tokio::net::TcpListener, Vec<Socket>) {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener
            .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
            .unwrap();
        listener.listen(0).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queued = Vec::new();
        // A connection beyond the queue is not answered.
        loop {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            if socket
                .connect_timeout(&address, Duration::from_millis(100))
                .is_err()
            {
                break;
            }
            queued.push(socket);
        }
        let listener = tokio::net::TcpListener::from_std(listener.into()).unwrap();
        (listener, queued)
    }

    #[tokio::test]
    async fn silence_is_told_from_a_refusal() {
        let (listener, _queued) = silent();
        let error = server(listener.local_addr().unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(is_silence(&error));
        let refused = listener.local_addr().unwrap();
        drop(listener);
        let error = server(refused).await.unwrap_err();
        assert!(!is_silence(&error), "{error}");
    }
}
