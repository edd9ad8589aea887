//! Stories of several faults at the right moments, which chance alone would hardly ever bring
//! together. They ask what may become of requests under way when their server loses its leader.

use crate::client::Client;
use crate::inflict::between;
use crate::net::Host;
use crate::queue::Us;
use crate::workload::Mode;
use crate::world::{Event, World};

/// How long clients go on looking after what they had asked came late.
const LOOK_US: Us = 300_000;

/// How long a story is left alone by other faults.
const STORY_US: Us = 1_400_000;

impl World {
    pub(crate) fn story(&mut self) {
        if !self.cx.faults {
            return;
        }
        let gap = self.story_dice.between(700_000, 2_500_000);
        self.cx.q.after(gap, Event::Story);
        let sids = self.sids();
        let Some(leader) = self.leader() else {
            return;
        };
        let visited = self.clients.values().filter_map(Client::server);
        let others: Vec<u8> = visited.filter(|s| *s != leader).collect();
        let Some(sid) = self.story_dice.pick(&others) else {
            return;
        };
        self.calm_until = self.cx.q.now() + STORY_US;
        self.cx.checks.counts.faults += 1;
        let left_behind = self.story_dice.percent(60);
        let now = self.cx.q.now();
        self.cx.trace.note(
            now,
            "story",
            u64::from(sid),
            &[u8::from(left_behind)],
            || format!("left behind: {left_behind}"),
        );
        if left_behind {
            self.left_behind(sid, &sids);
        } else {
            self.deaf(sid, leader);
        }
    }

    /// A server is cut off from the others while it has requests of its clients under way, and then
    /// from its clients, too; they go on elsewhere, or look there what became of it; the leader goes just when the server comes back,
    /// and what its clients still sent reaches it later, with their farewell.
    fn left_behind(&mut self, sid: u8, sids: &[u8]) {
        let dice = &mut self.story_dice;
        let looks = dice.percent(65);
        // Time enough for the clients to go elsewhere first.
        let away = dice.between(if looks { 750_000 } else { 400_000 }, 1_150_000);
        let lag = dice.between(2_000, 150_000);
        let farewell = away + dice.between(50_000, 500_000);
        let goes = away + dice.between(0, 40_000) - 10_000;
        let dies = dice.percent(50);
        self.partition(between(&[sid], sids), away);
        let clients = self.clients.keys().map(|id| Host::Client(*id));
        let ways = clients.flat_map(|client| {
            let server = Host::Server(sid);
            [(client, server), (server, client)]
        });
        let ways = ways.collect();
        let us = farewell - lag;
        if looks {
            self.cx.q.after(lag, Event::Look { at: sid });
            self.cx.q.after(farewell + LOOK_US, Event::LookedEnough);
        }
        self.cx.q.after(lag, Event::Cut { ways, us });
        self.cx.q.after(goes, Event::LeaderGoes { dies });
    }

    /// A server does not hear its leader any more, which carries out what the server's clients ask
    /// and much else; then the leader goes, and the next one sends a state in which all of that is.
    fn deaf(&mut self, sid: u8, leader: u8) {
        let dice = &mut self.story_dice;
        let goes = dice.between(350_000, 700_000);
        let away = goes + dice.between(0, 200_000);
        let dies = dice.percent(70);
        let way = (Host::Server(leader), Host::Server(sid));
        self.partition(vec![way], away);
        self.cx.q.after(goes, Event::LeaderGoes { dies });
    }

    /// The clients of a server only look from here on.
    pub(crate) fn clients_only_look(&mut self, at: u8) {
        for client in self.clients.values_mut() {
            if client.server() == Some(at) && client.workload.is_free() {
                client.workload.set_mode(Mode::Look);
            }
        }
    }

    /// Who only looked does anything again.
    pub(crate) fn looked_enough(&mut self) {
        for client in self.clients.values_mut() {
            if client.workload.mode() == Mode::Look {
                client.workload.set_mode(Mode::Random);
            }
        }
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
