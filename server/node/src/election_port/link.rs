//! An election connection that is kept: messages in both directions.

use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tracing::debug;
use zk_core::Input;
use zk_wire::election::{MESSAGE_LEN_MAX, Notification};
use zk_wire::frame::take_frame;

use super::ElectionPort;
use super::slot::Slot;
use crate::messages::PeerMessage;
use crate::tls::{PeerReader, PeerStream, PeerWriter};

const READ_CHUNK: usize = 4 * 1024;

/// Enters the connection, in place of an older one, and serves it.
pub(super) fn spawn(port: &Arc<ElectionPort>, slot: &Arc<Slot>, stream: PeerStream) {
    let number = slot.connected();
    let (task_port, slot) = (port.clone(), slot.clone());
    port.runtime.spawn(async move {
        let port = task_port;
        let (reader, writer) = stream.into_split();
        let why = tokio::select! {
            why = read(&port, &slot, reader) => why,
            why = write(&slot, writer) => why,
            () = slot.replaced(number) => "replaced by a newer connection".into(),
        };
        debug!("election connection with server {} ended: {why}", slot.sid);
        if slot.disconnected(number) {
            port.dial(&slot);
        }
    });
}

async fn read(port: &ElectionPort, slot: &Slot, mut reader: PeerReader) -> String {
    let mut buf = BytesMut::new();
    loop {
        let body = match take_frame(&mut buf, 1, MESSAGE_LEN_MAX) {
            Ok(Some(body)) => body,
            Ok(None) => {
                buf.reserve(READ_CHUNK);
                match reader.read_buf(&mut buf).await {
                    Ok(0) => return "closed by the other side".into(),
                    Ok(_) => continue,
                    Err(e) => return e.to_string(),
                }
            }
            Err(e) => return e.to_string(),
        };
        match Notification::decode(body) {
            Ok(notification) => {
                let input = Input::Notification {
                    from: slot.sid,
                    notification,
                };
                if port.to_core.send(PeerMessage::Input(input)).await.is_err() {
                    return "shutting down".into();
                }
            }
            // As Apache does: the frame was whole, so the next one can be read.
            Err(e) => debug!("a message of server {} is ignored: {e}", slot.sid),
        }
    }
}

async fn write(slot: &Slot, mut writer: PeerWriter) -> String {
    loop {
        let Some(body) = slot.take() else {
            slot.wake.notified().await;
            continue;
        };
        let Ok(len) = i32::try_from(body.len()) else {
            return "message too long".into();
        };
        let mut frame = BytesMut::with_capacity(4 + body.len());
        frame.put_i32(len);
        frame.put(body);
        let written = async {
            writer.write_all(&frame).await?;
            writer.flush().await
        };
        if let Err(e) = written.await {
            return e.to_string();
        }
    }
}
