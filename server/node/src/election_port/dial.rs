//! Dials one peer until there is a connection or nothing to say.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::{sleep, timeout};
use tracing::debug;
use zk_wire::membership::HostPort;

use super::ElectionPort;
use super::link;
use super::slot::Slot;
use crate::reach;
use crate::resolve;
use crate::tls::PeerStream;

/// Pause after the first failure; it doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(50);

/// Longest pause: a peer that comes back is found within this.
const PAUSE_MAX: Duration = Duration::from_secs(1);

pub(super) async fn run(port: Arc<ElectionPort>, slot: Arc<Slot>) {
    let mut pause = PAUSE_MIN;
    let mut failures = 0_u64;
    while !slot.end_dial() {
        match attempt(&port, &slot).await {
            Ok(Some(stream)) => {
                link::spawn(&port, &slot, stream);
                // The link is entered by now; end_dial sees it.
                continue;
            }
            // Said hello to a larger id. Another hello would make it drop the connection that it is
            // about to make.
            Ok(None) => pause = PAUSE_MAX,
            Err(why) => debug!("election port of server {}: {why}", slot.sid),
        }
        failures += 1;
        let rest = pause + jitter(port.sid.0.unsigned_abs(), failures);
        pause = (pause * 2).min(PAUSE_MAX);
        tokio::select! {
            () = sleep(rest) => {}
            // It has just come up: an election may be over before the pause is.
            () = slot.called.notified() => pause = PAUSE_MIN,
        }
    }
}

/// Spreads servers that lost the same peer at the same moment.
fn jitter(sid: u64, failures: u64) -> Duration {
    let mixed = (sid.wrapping_mul(0x9e37_79b9).wrapping_add(failures)).wrapping_mul(0x85eb_ca6b);
    Duration::from_millis(mixed >> 8 & 0x1f)
}

/// One attempt; `None`: said hello to a larger id, which dials back.
async fn attempt(port: &ElectionPort, slot: &Slot) -> Result<Option<PeerStream>, String> {
    let mut last = String::new();
    for place in slot.places() {
        match connect(port, slot, &place).await {
            Ok(reached) => return Ok(reached),
            Err(why) => last = why,
        }
    }
    Err(last)
}

async fn connect(
    port: &ElectionPort,
    slot: &Slot,
    place: &HostPort,
) -> Result<Option<PeerStream>, String> {
    let addresses = resolve::addresses(&place.host, place.port).await;
    let mut last = String::new();
    for address in addresses.map_err(|e| e.to_string())? {
        let connected = async {
            let stream = reach::server(address).await.map_err(|e| e.to_string())?;
            let mut stream = port.security.dialed(stream, &place.host).await?;
            // In one write: Apache takes an address that comes in two pieces for a bad one.
            let hello = port.initial_message().encode();
            let said = async {
                stream.write_all(&hello).await?;
                stream.flush().await
            };
            said.await.map_err(|e| e.to_string())?;
            port.auth.dialed(stream).await
        };
        match timeout(port.connect_timeout, connected).await {
            Ok(Ok(stream)) if port.sid > slot.sid => return Ok(Some(stream)),
            Ok(Ok(mut stream)) => {
                return stream
                    .shutdown()
                    .await
                    .map(|()| None)
                    .map_err(|e| e.to_string());
            }
            Ok(Err(e)) => last = format!("{place} ({address}): {e}"),
            Err(_) => last = format!("{place} ({address}): no connection in time"),
        }
    }
    Err(last)
}
