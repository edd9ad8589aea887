//! What is known about one peer: its unsent and its last message, its connection.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{Notify, watch};
use zk_wire::Sid;
use zk_wire::membership::HostPort;

/// One peer.
#[derive(Debug)]
pub(super) struct Slot {
    /// Its id.
    pub(super) sid: Sid,
    /// Its election address.
    pub(super) address: HostPort,
    state: Mutex<State>,
    /// There is something to send.
    pub(super) wake: Notify,
    /// The peer is there and wants to be dialed.
    pub(super) called: Notify,
    /// Counts connections; a newer one ends the older.
    generation: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    unsent: Option<Bytes>,
    last: Option<Bytes>,
    connected: bool,
    dialing: bool,
    /// The peer asked to be dialed back.
    asked: bool,
    /// Where the peer said that it is, where that is not its place in the configuration.
    said: Option<HostPort>,
    /// The peer is not there any more: nothing is dialed or kept.
    retired: bool,
}

impl Slot {
    pub(super) fn new(sid: Sid, address: HostPort) -> Self {
        Self {
            sid,
            address,
            state: Mutex::default(),
            wake: Notify::new(),
            called: Notify::new(),
            generation: watch::Sender::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves a message in place of an unsent one; true when a connection is missing.
    pub(super) fn put(&self, message: Bytes) -> bool {
        let mut state = self.lock();
        state.unsent = Some(message);
        self.wake.notify_one();
        !state.connected
    }

    /// The unsent message, which counts as sent from now on.
    pub(super) fn take(&self) -> Option<Bytes> {
        let mut state = self.lock();
        let message = state.unsent.take()?;
        state.last = Some(message.clone());
        Some(message)
    }

    /// True once per dial: nobody else may dial until [`Slot::end_dial`].
    pub(super) fn begin_dial(&self) -> bool {
        let mut state = self.lock();
        !state.retired && !state.connected && !std::mem::replace(&mut state.dialing, true)
    }

    /// Ends a dial when there is a connection, or neither something to send nor an unmet wish to be
    /// dialed back; false: go on dialing.
    pub(super) fn end_dial(&self) -> bool {
        let mut state = self.lock();
        let asked = std::mem::take(&mut state.asked);
        state.dialing = !state.retired && !state.connected && (state.unsent.is_some() || asked);
        !state.dialing
    }

    /// A connection is there; it replaces the one before. The number names it.
    pub(super) fn connected(&self) -> u64 {
        let mut state = self.lock();
        state.connected = true;
        if state.unsent.is_none() {
            state.unsent = state.last.clone();
        }
        let mut number = 0;
        self.generation.send_modify(|n| {
            *n += 1;
            number = *n;
        });
        number
    }

    /// Connection `number` is gone; true when it was the newest and something is unsent.
    pub(super) fn disconnected(&self, number: u64) -> bool {
        let mut state = self.lock();
        if *self.generation.borrow() != number {
            return false;
        }
        state.connected = false;
        state.unsent.is_some()
    }

    /// The peer dialed to be dialed back: it has lost whatever connection there was.
    pub(super) fn ask(&self) {
        let mut state = self.lock();
        state.connected = false;
        state.asked = true;
        self.called.notify_one();
        self.generation.send_modify(|n| *n += 1);
    }

    /// Notes where the peer says that it is. It may know another configuration: it moves with the one
    /// that it has in force, and may have missed that the newer one came into force.
    pub(super) fn said(&self, address: Option<HostPort>) {
        self.lock().said = address.filter(|said| *said != self.address);
    }

    /// Where to dial it: where it said that it is, then where it should be.
    pub(super) fn places(&self) -> Vec<HostPort> {
        let said = self.lock().said.clone();
        said.into_iter().chain([self.address.clone()]).collect()
    }

    /// Ends the connection and whatever dials.
    pub(super) fn retire(&self) {
        let mut state = self.lock();
        state.retired = true;
        state.connected = false;
        self.called.notify_one();
        self.generation.send_modify(|n| *n += 1);
    }

    /// Whether there is a connection.
    pub(super) fn is_connected(&self) -> bool {
        self.lock().connected
    }

    /// Returns when connection `number` is replaced.
    pub(super) async fn replaced(&self, number: u64) {
        let mut watch = self.generation.subscribe();
        // The sender lives as long as the slot.
        if watch.wait_for(|n| *n != number).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
