//! The transport of votes: one connection per pair of servers.
//!
//! Of the two connections that a pair could have, the one dialed by the larger id is kept: the
//! smaller dials only to be dialed back. Only the newest unsent message per peer matters, so the
//! queue is one message; a new connection repeats the last one, because it may have been lost with
//! the old connection. A peer that misbehaves costs its own connection; a stranger gets none.
//!
//! A server that is in no configuration, since it is to join or was removed, is heard as well: it is
//! dialed back where it says that it is. So is a member, before it is dialed where it should be: it may
//! have missed the change that moved it.
//!
//! Source: `QuorumCnxManager` of Apache ZooKeeper 3.9. Left out: several addresses per server.

mod accept;
mod dial;
mod link;
mod slot;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use zk_wire::Sid;
use zk_wire::election::{InitialMessage, Notification};
use zk_wire::membership::HostPort;

use crate::messages::PeerMessage;
use crate::peer_auth::PeerAuth;
use crate::tls::PeerSecurity;

pub use accept::{BindFailed, run};
use slot::Slot;

/// Servers that are in no configuration and may be heard at the same time.
const STRANGERS_MAX: usize = 32;

/// Who is where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Addresses {
    /// Own address, for others to dial back; `None` when this server is no member.
    pub own: Option<HostPort>,
    /// The other members.
    pub others: BTreeMap<Sid, HostPort>,
}

/// What the transport is told.
#[derive(Debug, Clone)]
pub struct ElectionSettings {
    /// Own id.
    pub sid: Sid,
    /// Everyone.
    pub addresses: Addresses,
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
    connect_timeout: Duration,
    handshake_timeout: Duration,
    security: PeerSecurity,
    auth: PeerAuth,
    known: Mutex<Known>,
    to_core: mpsc::Sender<PeerMessage>,
}

#[derive(Debug)]
struct Known {
    own: HostPort,
    members: BTreeMap<Sid, Arc<Slot>>,
    strangers: BTreeMap<Sid, Arc<Slot>>,
}

impl ElectionPort {
    /// Makes the transport; nothing is dialed before there is something to say.
    #[must_use]
    pub fn new(
        runtime: Handle,
        settings: ElectionSettings,
        to_core: mpsc::Sender<PeerMessage>,
    ) -> Arc<Self> {
        let own = HostPort {
            host: "localhost".into(),
            port: 0,
        };
        let port = Arc::new(Self {
            runtime,
            sid: settings.sid,
            connect_timeout: settings.connect_timeout,
            handshake_timeout: settings.handshake_timeout,
            security: settings.security,
            auth: settings.auth,
            known: Mutex::new(Known {
                own,
                members: BTreeMap::new(),
                strangers: BTreeMap::new(),
            }),
            to_core,
        });
        port.set_addresses(settings.addresses);
        port
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The members are these from here on: connections to those who left, or moved, end.
    pub fn set_addresses(&self, addresses: Addresses) {
        let mut known = self.known();
        if let Some(own) = addresses.own {
            known.own = own;
        }
        let mut before = std::mem::take(&mut known.members);
        for (sid, address) in addresses.others {
            let slot = before.remove(&sid).or_else(|| known.strangers.remove(&sid));
            let same = slot.clone().filter(|slot| slot.address == address);
            if let Some(moved) = slot.filter(|_| same.is_none()) {
                moved.retire();
            }
            let slot = same.unwrap_or_else(|| Arc::new(Slot::new(sid, address)));
            known.members.insert(sid, slot);
        }
        before.values().for_each(|gone| gone.retire());
    }

    fn slot(&self, sid: Sid) -> Option<Arc<Slot>> {
        let known = self.known();
        let slot = known.members.get(&sid);
        slot.or_else(|| known.strangers.get(&sid)).cloned()
    }

    /// The place of a server that introduced itself; `None`: a stranger that cannot be dialed back, or
    /// one too many.
    fn greeted(&self, hello: &InitialMessage) -> Option<Arc<Slot>> {
        let mut known = self.known();
        let said = said_address(hello);
        if let Some(slot) = known.members.get(&hello.sid) {
            slot.said(said);
            return Some(slot.clone());
        }
        let address = said?;
        if let Some(slot) = known.strangers.get(&hello.sid) {
            if slot.address == address {
                return Some(slot.clone());
            }
            slot.retire();
            known.strangers.remove(&hello.sid);
        }
        if known.strangers.len() >= STRANGERS_MAX {
            known.strangers.retain(|_, slot| slot.is_connected());
        }
        if known.strangers.len() >= STRANGERS_MAX {
            return None;
        }
        let slot = Arc::new(Slot::new(hello.sid, address));
        known.strangers.insert(hello.sid, slot.clone());
        Some(slot)
    }

    /// Sends a message to `to`, now or when there is a connection; replaces an unsent one.
    pub fn notify(self: &Arc<Self>, to: Sid, notification: &Notification) {
        if let Some(slot) = self.slot(to)
            && slot.put(notification.encode())
        {
            self.dial(&slot);
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
            addresses: vec![self.known().own.to_string()],
        }
    }
}

/// Where a server says that it is, unless that is everywhere.
fn said_address(hello: &InitialMessage) -> Option<HostPort> {
    let (host, port) = hello.addresses.first()?.rsplit_once(':')?;
    let host = host.trim_matches(['[', ']']);
    let is_everywhere = host
        .parse::<IpAddr>()
        .is_ok_and(|address| address.is_unspecified());
    let port = port.parse().ok().filter(|port| *port != 0)?;
    (!is_everywhere).then(|| HostPort {
        host: host.to_owned(),
        port,
    })
}

#[cfg(test)]
mod tests;
