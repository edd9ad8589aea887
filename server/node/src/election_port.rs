//! The transport of votes: one connection per pair of servers.
//!
//! Of the two connections that a pair could have, the one dialed by the larger id is kept: the
//! smaller dials only to be dialed back. Only the newest unsent message per peer matters, so the
//! queue is one message; a new connection repeats the last one, because it may have been lost with
//! the old connection. A peer that misbehaves costs its own connection; a stranger gets none.
//!
//! Source: `QuorumCnxManager` of Apache ZooKeeper 3.9. Left out: ids that are in no configuration,
//! several addresses per server.

mod accept;
mod dial;
mod link;
mod slot;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use zk_wire::Sid;
use zk_wire::election::{InitialMessage, Notification};
use zk_wire::membership::{HostPort, Membership};

use crate::messages::PeerMessage;
use crate::peer_auth::PeerAuth;
use crate::tls::PeerSecurity;

pub use accept::{BindFailed, run};
use slot::Slot;

/// What the transport is told.
#[derive(Debug, Clone)]
pub struct ElectionSettings {
    /// Own id.
    pub sid: Sid,
    /// Everyone.
    pub membership: Membership,
    /// Bound of a connection attempt.
    pub connect_timeout: Duration,
    /// Bound of waiting for the initial message.
    pub handshake_timeout: Duration,
    /// Whether and how connections are secured.
    pub security: PeerSecurity,
    /// Whether and how servers prove who they are.
    pub auth: PeerAuth,
}

/// The transport.
#[derive(Debug)]
pub struct ElectionPort {
    runtime: Handle,
    sid: Sid,
    own_address: HostPort,
    connect_timeout: Duration,
    handshake_timeout: Duration,
    security: PeerSecurity,
    auth: PeerAuth,
    slots: BTreeMap<Sid, Arc<Slot>>,
    to_core: mpsc::Sender<PeerMessage>,
}

impl ElectionPort {
    /// Makes the transport; nothing is dialed before there is something to say.
    #[must_use]
    pub fn new(
        runtime: Handle,
        settings: ElectionSettings,
        to_core: mpsc::Sender<PeerMessage>,
    ) -> Arc<Self> {
        let address = |sid: &Sid| {
            let spec = settings.membership.servers.get(sid);
            spec.map(|s| HostPort {
                host: s.host.clone(),
                port: s.election_port,
            })
        };
        let others = settings
            .membership
            .servers
            .keys()
            .filter(|sid| **sid != settings.sid);
        let slots = others
            .filter_map(|sid| Some((*sid, Arc::new(Slot::new(*sid, address(sid)?)))))
            .collect();
        let own_address = address(&settings.sid).unwrap_or(HostPort {
            host: "localhost".into(),
            port: 0,
        });
        Arc::new(Self {
            runtime,
            sid: settings.sid,
            own_address,
            connect_timeout: settings.connect_timeout,
            handshake_timeout: settings.handshake_timeout,
            security: settings.security,
            auth: settings.auth,
            slots,
            to_core,
        })
    }

    /// Sends a message to `to`, now or when there is a connection; replaces an unsent one.
    pub fn notify(self: &Arc<Self>, to: Sid, notification: &Notification) {
        if let Some(slot) = self.slots.get(&to)
            && slot.put(notification.encode())
        {
            self.dial(slot);
        }
    }

    /// Begins to dial unless a dial is under way or there is a connection.
    fn dial(self: &Arc<Self>, slot: &Arc<Slot>) {
        if slot.begin_dial() {
            self.runtime.spawn(dial::run(self.clone(), slot.clone()));
        }
    }

    fn initial_message(&self) -> InitialMessage {
        InitialMessage {
            sid: self.sid,
            addresses: vec![self.own_address.to_string()],
        }
    }
}

#[cfg(test)]
mod tests;
