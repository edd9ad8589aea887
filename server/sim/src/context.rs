//! What everything in a world shares: time, chance, the network, the invariants, the trace.

use std::collections::{BTreeMap, BTreeSet};

use crate::checks::Checks;
use crate::net::{Host, Net, StreamId};
use crate::queue::{Queue, Us};
use crate::seed::{Dice, Parameters};
use crate::trace::Trace;
use crate::world::Event;

/// The parts of a world that are not a server or a client.
#[derive(Debug)]
pub(crate) struct Context {
    pub q: Queue<Event>,
    pub dice: Dice,
    /// For what happens to disks.
    pub disk_dice: Dice,
    pub params: Parameters,
    pub net: Net,
    pub checks: Checks,
    pub trace: Trace,
    /// Servers whose process is there, paused or not.
    pub up: BTreeSet<u8>,
    /// Servers whose quorum port is open.
    pub ports: BTreeSet<u8>,
    /// Followers that accept observers.
    pub masters: BTreeSet<u8>,
    /// How much slower a disk is than usual.
    pub slow_disks: BTreeMap<u8, u64>,
    /// Whether faults happen.
    pub faults: bool,
    /// The next acknowledgement of a write is followed by a loss of power everywhere.
    pub blackout_armed: bool,
}

impl Context {
    pub(crate) fn now_ms(&self) -> u64 {
        self.q.now() / 1_000
    }

    /// ms since the start by the clock of a server, which may be too quick or too slow.
    pub(crate) fn clock_ms(&self, sid: u8) -> u64 {
        self.q.now() * self.clock_rate(sid) / 1_000_000
    }

    /// When the clock of a server shows `ms`.
    pub(crate) fn when_clock_shows(&self, sid: u8, ms: u64) -> Us {
        (ms * 1_000_000).div_ceil(self.clock_rate(sid))
    }

    /// ms of a server's clock that pass in a second.
    fn clock_rate(&self, sid: u8) -> u64 {
        self.params.clock_rates.get(&sid).copied().unwrap_or(1_000)
    }

    /// The kernel of `server` takes a connection; its process hears of it.
    pub(crate) fn accept(&mut self, server: u8, stream: StreamId, from: Host) {
        let event = Event::Accepted {
            sid: server,
            stream,
            from,
        };
        self.q.after(0, event);
    }

    /// How long a disk operation takes.
    pub(crate) fn disk_us(&mut self, sid: u8) -> Us {
        let (low, high) = self.params.disk_us;
        let factor = self.slow_disks.get(&sid).copied().unwrap_or(1);
        self.dice.between(low, high) * factor
    }
}
