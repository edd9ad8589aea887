//! Read-only mode (`ReadOnlyZooKeeperServer`): a member that has looked for a leader for a while lets
//! clients that ask for it read its last state, which may end in transactions that never were. It
//! ends with the election. Connections that are held wait on, but for those of clients that are content
//! to read.

use super::local::Local;
use super::{Peer, Role};
use crate::io::{Output, Outputs};
use crate::status::PeerEvent;
use crate::time::{Mono, Now};

/// Shortest time to look for a leader before reads are served, ms; a longer tick counts instead.
const PATIENCE_MIN_MS: u64 = 2000;

impl Peer {
    /// When read-only mode begins, if it is to.
    pub(super) fn read_only_at(&self) -> Option<Mono> {
        let Role::Looking(looking) = &self.role else {
            return None;
        };
        let cfg = &self.local.cfg;
        let wanted = cfg.sessions.read_only_mode && !self.local.clients.is_read_only();
        wanted.then(|| looking.since.plus(cfg.tick_ms.max(PATIENCE_MIN_MS)))
    }

    pub(super) fn serve_read_only_if_due(&mut self, now: Now, out: &mut Outputs) {
        if self.read_only_at().is_some_and(|at| at <= now.mono) {
            self.local.clients.set_read_only(true);
            self.local.clients.close_those_content_to_read(out);
            out.push(Output::Event(PeerEvent::ReadOnly { serving: true }));
        }
    }
}

impl Local {
    /// Ends read-only mode, and with it the sessions that began in it.
    pub(super) fn stop_read_only(&mut self, out: &mut Outputs) {
        if !self.clients.is_read_only() {
            return;
        }
        self.clients.set_read_only(false);
        self.clients.close_visitors(out);
        self.forget_local_sessions();
        out.push(Output::Event(PeerEvent::ReadOnly { serving: false }));
    }
}
