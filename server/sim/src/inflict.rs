//! Carries out the faults: crashes with their restarts, partitions with their healing.

use crate::disk::Crash;
use crate::faults::{Fault, absence_us, partition_us};
use crate::net::Host;
use crate::queue::Us;
use crate::world::{Event, World};

/// All ways between two groups of servers, in both directions.
pub(crate) fn between(some: &[u8], others: &[u8]) -> Vec<(Host, Host)> {
    let mut ways = Vec::new();
    for a in some {
        for b in others.iter().filter(|b| *b != a) {
            ways.push((Host::Server(*a), Host::Server(*b)));
            ways.push((Host::Server(*b), Host::Server(*a)));
        }
    }
    ways
}

impl World {
    pub(crate) fn crash(&mut self, sid: u8, crash: Crash, away: Option<Us>) {
        let away = away.unwrap_or_else(|| absence_us(&mut self.cx.dice));
        if let Some(server) = self.servers.get_mut(&sid) {
            server.crash(&mut self.cx, crash);
            self.cx.q.after(away, Event::Start { sid });
        }
    }

    fn any_crash(&mut self) -> Crash {
        if self.cx.dice.percent(50) {
            Crash::Process
        } else {
            Crash::Power
        }
    }

    pub(crate) fn blackout(&mut self) {
        if !self.cx.faults {
            return;
        }
        for sid in self.sids() {
            self.crash(sid, Crash::Power, None);
        }
    }

    /// Cuts ways for a while.
    pub(crate) fn partition(&mut self, ways: Vec<(Host, Host)>, us: Us) {
        for (from, to) in &ways {
            self.cx.net.block(*from, *to);
        }
        self.partitions.push(ways.clone());
        self.cx.q.after(us, Event::Heal { ways });
    }

    pub(crate) fn unblock(&mut self, ways: &[(Host, Host)]) {
        let cx = &mut self.cx;
        for (from, to) in ways {
            cx.net.unblock(&mut cx.q, &mut cx.dice, *from, *to);
        }
    }

    pub(crate) fn leader(&self) -> Option<u8> {
        self.cx.ports.last().copied()
    }

    pub(crate) fn fault(&mut self) {
        if !self.cx.faults {
            return;
        }
        let (low, high) = self.cx.params.fault_gap_us;
        let gap = self.cx.dice.between(low, high);
        self.cx.q.after(gap, Event::Fault);
        if self.cx.q.now() < self.calm_until {
            return;
        }
        self.cx.checks.counts.faults += 1;
        let fault = Fault::draw(&mut self.cx.dice, &self.cx.params.fault_weights);
        let now = self.cx.q.now();
        let sids = self.sids();
        let Some(sid) = self.cx.dice.pick(&sids) else {
            return;
        };
        self.cx
            .trace
            .note(now, "fault", u64::from(sid), &[], || format!("{fault:?}"));
        self.inflict(fault, sid, &sids);
    }

    /// A disk is replaced by an empty one, or a file on it is damaged while the machine is down; at
    /// most a minority of disks at a time, which is what an ensemble survives.
    pub(crate) fn disk_fault(&mut self) {
        if !self.cx.faults {
            return;
        }
        let gap = self.cx.disk_dice.between(500_000, 4_000_000);
        self.cx.q.after(gap, Event::DiskFault);
        if self.cx.q.now() < self.calm_until {
            return;
        }
        // An observer's disk holds nothing that counts.
        let voters = self.cx.params.servers;
        let sids: Vec<u8> = (1..=voters).collect();
        let Some(sid) = self.cx.disk_dice.pick(&sids) else {
            return;
        };
        let away = self.cx.disk_dice.between(10_000, 1_500_000);
        self.lose_disk(sid, away);
    }

    /// The disk of a server that was just elected is lost, and it is back while the others still look
    /// for it.
    pub(crate) fn disk_fault_of(&mut self, sid: u8) {
        if self.cx.faults && self.cx.q.now() >= self.calm_until && sid <= self.cx.params.servers {
            let away = self.cx.disk_dice.between(10_000, 120_000);
            self.lose_disk(sid, away);
        }
    }

    fn lose_disk(&mut self, sid: u8, away: Us) {
        let sids: Vec<u8> = (1..=self.cx.params.servers).collect();
        let lost = self.cx.checks.durability.lost();
        if lost.contains(&sid) || lost.len() + 1 > (sids.len() - 1) / 2 {
            return;
        }
        self.cx.checks.counts.faults += 1;
        self.crash(sid, Crash::Power, Some(away));
        let empty = self.cx.disk_dice.percent(60);
        let Some(server) = self.servers.get(&sid) else {
            return;
        };
        let now = self.cx.q.now();
        let what = match empty {
            true => {
                server.fs.wipe();
                self.cx.checks.durability.forget(sid);
                self.cx.checks.epochs.forget(sid);
                Some("emptied".to_owned())
            }
            false => server.fs.damage(&mut self.cx.disk_dice),
        };
        let Some(what) = what else { return };
        self.cx.checks.durability.disk_lost(sid);
        self.cx
            .trace
            .note(now, "disk", u64::from(sid), &[], || what);
    }

    fn inflict(&mut self, fault: Fault, sid: u8, sids: &[u8]) {
        let others: Vec<u8> = sids.iter().copied().filter(|s| *s != sid).collect();
        match fault {
            Fault::Kill => self.crash(sid, Crash::Process, None),
            Fault::PowerLoss => self.crash(sid, Crash::Power, None),
            Fault::LeaderLoss => {
                let crash = self.any_crash();
                let sid = self.leader().unwrap_or(sid);
                self.crash(sid, crash, None);
            }
            Fault::Blackout => self.blackout(),
            Fault::BlackoutAfterAck => self.cx.blackout_armed = true,
            Fault::KillAll => {
                for sid in sids {
                    self.crash(*sid, Crash::Process, None);
                }
            }
            Fault::Pause => self.pause(sid),
            Fault::SlowDisk => {
                let factor = self.cx.dice.between(5, 60);
                self.cx.slow_disks.insert(sid, factor);
                let us = partition_us(&mut self.cx.dice);
                self.cx.q.after(us, Event::QuickDisk { sid });
            }
            Fault::LagThenBlackout => self.lag_then_blackout(sid, &others),
            Fault::HandOver => self.hand_over(sid),
            Fault::BrokenHandOver => {
                self.hand_over(sid);
                let pause = self.cx.dice.between(100, 20_000);
                let which = if self.cx.dice.percent(50) {
                    self.leader().unwrap_or(sid)
                } else {
                    sid
                };
                self.cx.q.after(pause, Event::Kill { sid: which });
            }
            Fault::CutStream => {
                let cx = &mut self.cx;
                cx.net.cut_one(&mut cx.q, &mut cx.dice);
            }
            Fault::Isolate
            | Fault::IsolateLeader
            | Fault::Split
            | Fault::OneWay
            | Fault::CutClient
            | Fault::LongElection => self.cut_ways(fault, sid, sids, &others),
        }
    }

    /// Tells whoever leads to pass on the lead; half of the time to `sid`.
    fn hand_over(&mut self, sid: u8) {
        let Some(leader) = self.leader() else {
            return;
        };
        let to = self.cx.dice.percent(50).then_some(sid);
        let patience_ms = self.cx.dice.between(5, 400);
        let event = Event::HandOver {
            sid: leader,
            to,
            patience_ms,
        };
        self.cx.q.after(0, event);
    }

    fn pause(&mut self, sid: u8) {
        if let Some(server) = self.servers.get_mut(&sid)
            && server.process.is_some()
        {
            server.paused = true;
            let us = absence_us(&mut self.cx.dice);
            self.cx.q.after(us, Event::Resume { sid });
        }
    }

    /// The faults that are partitions of some kind.
    fn cut_ways(&mut self, fault: Fault, sid: u8, sids: &[u8], others: &[u8]) {
        let mut us = partition_us(&mut self.cx.dice);
        let ways = match fault {
            Fault::IsolateLeader => between(&[self.leader().unwrap_or(sid)], sids),
            Fault::Split => {
                let dice = &mut self.cx.dice;
                let (some, rest): (Vec<u8>, Vec<u8>) = sids.iter().partition(|_| dice.percent(50));
                between(&some, &rest)
            }
            Fault::OneWay => match self.cx.dice.pick(others) {
                Some(other) => vec![(Host::Server(sid), Host::Server(other))],
                None => return,
            },
            Fault::CutClient => {
                let ids: Vec<u8> = self.clients.keys().copied().collect();
                match self.cx.dice.pick(&ids) {
                    Some(id) => {
                        let (a, b) = (Host::Client(id), Host::Server(sid));
                        vec![(a, b), (b, a)]
                    }
                    None => return,
                }
            }
            Fault::LongElection => {
                us = self.cx.dice.between(600_000, 2_500_000);
                between(sids, sids)
            }
            Fault::Isolate
            | Fault::Kill
            | Fault::PowerLoss
            | Fault::LeaderLoss
            | Fault::Blackout
            | Fault::BlackoutAfterAck
            | Fault::KillAll
            | Fault::Pause
            | Fault::CutStream
            | Fault::HandOver
            | Fault::BrokenHandOver
            | Fault::SlowDisk
            | Fault::LagThenBlackout => between(&[sid], others),
        };
        self.partition(ways, us);
    }

    /// A server misses writes; then power fails everywhere, and it is back before one of the others.
    fn lag_then_blackout(&mut self, sid: u8, others: &[u8]) {
        let lag = self.cx.dice.between(200_000, 900_000);
        self.crash(sid, Crash::Process, Some(lag + 20_000));
        let late = self.cx.dice.pick(others);
        self.cx.q.after(lag, Event::Blackout);
        // Starts are idempotent: this one is simply the earliest for most.
        for other in others.iter().filter(|s| Some(**s) != late) {
            let pause = lag + self.cx.dice.between(1_000, 30_000);
            self.cx.q.after(pause, Event::Start { sid: *other });
        }
    }
}
