//! Stories of several faults at the right moments, which chance alone would hardly ever bring
//! together.
//!
//! The one that is told here: a server is cut off from the others while it has requests of its clients
//! under way, and then from its clients, too; they go on elsewhere; the leader goes just when the
//! server comes back, and the farewells of its clients reach it only later. Whether it may go on with
//! what they had asked is what the rule about moved clients decides.

use crate::inflict::between;
use crate::net::Host;
use crate::world::{Event, World};

impl World {
    pub(crate) fn story(&mut self) {
        if !self.cx.faults {
            return;
        }
        let gap = self.story_dice.between(1_000_000, 3_500_000);
        self.cx.q.after(gap, Event::Story);
        let leader = self.leader();
        let sids = self.sids();
        let others: Vec<u8> = sids
            .iter()
            .copied()
            .filter(|s| Some(*s) != leader)
            .collect();
        let Some(sid) = self.story_dice.pick(&others) else {
            return;
        };
        self.cx.checks.counts.faults += 1;
        let now = self.cx.q.now();
        self.cx.trace.note(now, "story", u64::from(sid), &[], || {
            "a server is left behind".to_owned()
        });
        let dice = &mut self.story_dice;
        let away = dice.between(450_000, 1_100_000);
        let lag = dice.between(2_000, 150_000);
        let farewell = away + dice.between(50_000, 500_000);
        let goes = away - dice.between(0, 150_000);
        let dies = dice.percent(50);
        self.partition(between(&[sid], &sids), away);
        let clients = self.clients.keys().map(|id| Host::Client(*id));
        let ways = clients.flat_map(|client| {
            let server = Host::Server(sid);
            [(client, server), (server, client)]
        });
        let ways = ways.collect();
        let us = farewell - lag;
        self.cx.q.after(lag, Event::Cut { ways, us });
        self.cx.q.after(goes, Event::LeaderGoes { dies });
    }

    /// Whoever leads by now dies or passes on the lead.
    pub(crate) fn leader_goes(&mut self, dies: bool) {
        let Some(sid) = self.leader().filter(|_| self.cx.faults) else {
            return;
        };
        let event = if dies {
            Event::Kill { sid }
        } else {
            Event::HandOver {
                sid,
                to: None,
                patience_ms: 100,
            }
        };
        self.cx.q.after(0, event);
    }
}
