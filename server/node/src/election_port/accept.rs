//! Accepts peers and applies the rule of ids.

use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use thiserror::Error;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};
use zk_wire::election::InitialMessage;

use super::{ElectionPort, link};
use crate::config::BindAddress;
use crate::listen::{ACCEPT_PAUSE, between_servers, listen};
use crate::tls::PeerStream;

/// Connections that have not introduced themselves yet. Servers do at once; strangers that hold
/// these places lose them after the handshake timeout.
const HANDSHAKES_MAX: usize = 256;

const BACKLOG: u32 = 128;

/// Between attempts to bind.
const BIND_PAUSE: Duration = Duration::from_secs(1);

/// The election port cannot be had.
#[derive(Debug, Error)]
#[error("election port: {0}")]
pub struct BindFailed(#[from] std::io::Error);

/// Binds, with `attempts` (`None`: for ever), and accepts until the task is ended.
///
/// # Errors
/// The address is not to be had.
pub async fn run(
    port: Arc<ElectionPort>,
    bind: BindAddress,
    attempts: Option<u32>,
) -> Result<(), BindFailed> {
    let mut failed = 0;
    let listener = loop {
        match listen(&bind, BACKLOG).await {
            Ok(listener) => break listener,
            Err(e) => {
                failed += 1;
                if attempts.is_some_and(|max| failed >= max) {
                    return Err(e.into());
                }
                warn!("election port: {e}; trying again");
                sleep(BIND_PAUSE).await;
            }
        }
    };
    accept_all(&port, listener).await;
    Ok(())
}

/// Accepts until the task is ended.
pub(super) async fn accept_all(port: &Arc<ElectionPort>, listener: TcpListener) {
    let places = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    loop {
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(e) => {
                warn!("election port: accepting: {e}");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            debug!("election port: too many strangers, {address} is refused");
            continue;
        };
        let port = port.clone();
        tokio::spawn(async move {
            if let Err(why) = introduce(&port, stream).await {
                debug!("election port: {address}: {why}");
            }
            drop(place);
        });
    }
}

async fn introduce(port: &Arc<ElectionPort>, stream: TcpStream) -> Result<(), String> {
    between_servers(&stream).map_err(|e| e.to_string())?;
    let mut stream = port.security.accepted(stream).await?;
    let hello = timeout(port.handshake_timeout, read_hello(&mut stream))
        .await
        .map_err(|_| "no initial message in time".to_owned())??;
    // Before the ids are compared: whoever is dialed back has proved who it is, too.
    let stream = port.auth.accepted(stream).await?;
    let sid = hello.sid;
    if sid == port.sid {
        return Err("it has this server's own id".into());
    }
    let Some(slot) = port.greeted(&hello) else {
        return Err(format!("server {sid} is not in the configuration"));
    };
    match sid.cmp(&port.sid) {
        Ordering::Greater => link::spawn(port, &slot, stream),
        Ordering::Less => {
            drop(stream);
            slot.ask();
            port.dial(&slot);
        }
        Ordering::Equal => {}
    }
    Ok(())
}

/// Reads the initial message and not a byte more, as messages follow it at once.
async fn read_hello(stream: &mut PeerStream) -> Result<InitialMessage, String> {
    let mut buf = BytesMut::new();
    loop {
        if let Some(hello) = InitialMessage::take(&mut buf).map_err(|e| e.to_string())? {
            return Ok(hello);
        }
        let byte = stream.read_u8().await.map_err(|e| e.to_string())?;
        buf.extend_from_slice(&[byte]);
    }
}
