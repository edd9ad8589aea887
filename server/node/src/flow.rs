//! Measures what passes between the core and the outside: how long it takes, and how much it is.

use std::collections::VecDeque;
use std::time::Duration;

use zk_core::status::{Phase, SyncKind};
use zk_core::{Input, PeerEvent};
use zk_wire::Zxid;
use zk_wire::client::EventKind;
use zk_wire::election::ServerState;
use zk_wire::quorum::Packet;
use zk_wire::txn::TxnHeader;

use crate::clock::Clock;
use crate::metrics::Metrics;

/// What is remembered for it, by the one thread that has the core.
#[derive(Debug)]
pub(crate) struct Flow {
    clock: Clock,
    standalone: bool,
    /// The role, once it serves.
    serves_as: Option<ServerState>,
    /// As leader: what was proposed and is not committed, and when. As much as the core has of it.
    proposed: VecDeque<(Zxid, Duration)>,
    /// As learner: when it began to be brought level.
    sync_began: Option<Duration>,
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Flow {
    /// Before the first role.
    pub(crate) fn new(clock: Clock, standalone: bool) -> Self {
        Self {
            clock,
            standalone,
            serves_as: None,
            proposed: VecDeque::new(),
            sync_began: None,
        }
    }

    /// Something comes from another server.
    pub(crate) fn peer_input(&self, m: &Metrics, input: &Input) {
        if let Input::LearnerPacket {
            packet: Packet::Revalidate { .. },
            ..
        } = input
            && self.serves_as == Some(ServerState::Leading)
        {
            m.stages.revalidations.inc();
        }
    }

    /// A transaction goes to the log.
    pub(crate) fn logged(&mut self, m: &Metrics, zxid: Zxid, raw: &[u8]) {
        match self.serves_as {
            Some(ServerState::Leading) => {
                self.proposed.push_back((zxid, self.clock.elapsed()));
                if !self.standalone {
                    m.stages.proposals.inc();
                }
            }
            Some(ServerState::Following) => {
                m.stages.learner_proposals.inc();
                if let Some(age) = TxnHeader::time_of(raw).and_then(|at| self.age(at)) {
                    m.stages.proposal_latency.observe_ms(age);
                }
            }
            Some(ServerState::Observing | ServerState::Looking) | None => {}
        }
    }

    /// The age of what the leader's clock stamped; `None` where that is ahead of this server's.
    fn age(&self, wall_ms: i64) -> Option<Duration> {
        let age = self.clock.wall_ms().checked_sub(wall_ms)?;
        u64::try_from(age).ok().map(Duration::from_millis)
    }

    /// The core reports something.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the others are not measured"
    )]
    pub(crate) fn event(&mut self, m: &Metrics, event: &PeerEvent) {
        match event {
            PeerEvent::Phase { state, phase, .. } => self.phase(m, *state, *phase),
            PeerEvent::RoleLost { .. } => self.stops_serving(m),
            PeerEvent::Applied {
                zxid,
                proposed_ms: Some(proposed_ms),
                asked_here,
                ..
            } => self.applied(m, *zxid, *proposed_ms, *asked_here),
            PeerEvent::SyncsUnderWay { kind, count } => match kind {
                SyncKind::Snap => m.stages.inflight_snap.observe(*count),
                SyncKind::Diff => m.stages.inflight_diff.observe(*count),
            },
            PeerEvent::WatchesFired { kind, count } => {
                let told = match kind {
                    EventKind::NodeCreated => &m.stages.node_created,
                    EventKind::NodeDeleted => &m.stages.node_deleted,
                    EventKind::NodeDataChanged => &m.stages.node_changed,
                    EventKind::NodeChildrenChanged => &m.stages.node_children,
                };
                told.observe(*count);
            }
            _ => {}
        }
    }

    fn stops_serving(&mut self, m: &Metrics) {
        self.serves_as = None;
        self.proposed.clear();
        self.sync_began = None;
        m.leaderless.begin(self.clock.elapsed_ms());
    }

    fn phase(&mut self, m: &Metrics, state: ServerState, phase: Phase) {
        match phase {
            Phase::Election => self.stops_serving(m),
            Phase::Discovery => {}
            Phase::Synchronization => self.sync_began = Some(self.clock.elapsed()),
            Phase::Broadcast => self.serves(m, state),
        }
    }

    fn serves(&mut self, m: &Metrics, state: ServerState) {
        self.serves_as = Some(state);
        let now = self.clock.elapsed();
        if let Some(missed_ms) = m.leaderless.end(ms(now)) {
            m.stages.unavailable.observe(missed_ms);
            if state == ServerState::Leading {
                m.stages.leader_unavailable.observe(missed_ms);
            }
        }
        let Some(began) = self.sync_began.take() else {
            return;
        };
        let took = now.saturating_sub(began);
        match state {
            ServerState::Following => m.stages.follower_sync.observe_ms(took),
            ServerState::Observing => m.stages.observer_sync.observe_ms(took),
            ServerState::Leading | ServerState::Looking => {}
        }
    }

    fn applied(&mut self, m: &Metrics, zxid: Zxid, proposed_ms: i64, asked_here: bool) {
        let Some(role) = self.serves_as else { return };
        let age = self.age(proposed_ms);
        if let Some(age) = age {
            m.stages.propagation_latency.observe_ms(age);
            m.propagation_duration.observe(age);
        }
        // A commit is applied in the step in which it is known.
        if asked_here {
            m.stages.local_write_committed.observe(0);
        } else {
            m.stages.server_write_committed.observe(0);
        }
        if role != ServerState::Leading {
            m.stages.learner_commits.inc();
            if let Some(age) = age {
                m.stages.commit_propagation_latency.observe_ms(age);
            }
            return;
        }
        if !self.standalone {
            m.stages.commits.inc();
        }
        while let Some((at, since)) = self.proposed.front().copied()
            && at <= zxid
        {
            self.proposed.pop_front();
            if at == zxid {
                let took = self.clock.elapsed().saturating_sub(since);
                m.stages.quorum_ack_latency.observe_ms(took);
                m.commit_duration.observe(took);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use zk_wire::Epoch;

    use super::*;

    fn phase(state: ServerState, phase: Phase) -> PeerEvent {
        PeerEvent::Phase {
            state,
            phase,
            leader: None,
        }
    }

    fn applied(counter: u32, proposed_ms: Option<i64>) -> PeerEvent {
        PeerEvent::Applied {
            zxid: Zxid::new(Epoch(1), counter),
            digest: 0,
            proposed_ms,
            asked_here: counter == 1,
        }
    }

    #[test]
    fn a_leader_measures_from_proposal_to_commit() {
        let (m, clock) = (Metrics::default(), Clock::start());
        let mut flow = Flow::new(clock, false);
        flow.event(&m, &phase(ServerState::Looking, Phase::Election));
        flow.event(&m, &applied(0, None));
        flow.event(&m, &phase(ServerState::Leading, Phase::Broadcast));
        assert_eq!(m.stages.leader_unavailable.count(), 1);
        for counter in [1, 2] {
            flow.logged(&m, Zxid::new(Epoch(1), counter), &[]);
            flow.event(&m, &applied(counter, Some(clock.wall_ms())));
        }
        assert_eq!(m.stages.proposals.value(), 2);
        assert_eq!(m.stages.commits.value(), 2);
        assert_eq!(m.stages.quorum_ack_latency.count(), 2);
        assert_eq!(m.commit_duration.buckets().count, 2);
        assert_eq!(m.propagation_duration.buckets().count, 2);
        assert_eq!(m.stages.local_write_committed.count(), 1);
        assert_eq!(m.stages.server_write_committed.count(), 1);
        flow.logged(&m, Zxid::new(Epoch(1), 3), &[]);
        let why = String::new();
        let state = ServerState::Leading;
        flow.event(&m, &PeerEvent::RoleLost { state, why });
        assert!(flow.proposed.is_empty());
        flow.event(&m, &applied(3, Some(0)));
        assert_eq!(m.stages.commits.value(), 2, "it does not lead any more");
    }

    #[test]
    fn a_follower_measures_what_it_hears() {
        let (m, clock) = (Metrics::default(), Clock::start());
        let mut flow = Flow::new(clock, false);
        flow.event(&m, &phase(ServerState::Looking, Phase::Election));
        flow.event(&m, &phase(ServerState::Following, Phase::Synchronization));
        flow.event(&m, &phase(ServerState::Following, Phase::Broadcast));
        assert_eq!(m.stages.follower_sync.count(), 1);
        assert_eq!(m.stages.unavailable.count(), 1);
        assert_eq!(m.stages.leader_unavailable.count(), 0);
        let mut raw = vec![0; 32];
        raw[20..28].copy_from_slice(&(clock.wall_ms() - 5000).to_be_bytes());
        flow.logged(&m, Zxid::new(Epoch(1), 1), &raw);
        assert_eq!(m.stages.learner_proposals.value(), 1);
        assert!(m.stages.proposal_latency.min() >= 5000);
        flow.event(&m, &applied(1, Some(clock.wall_ms() + 60_000)));
        assert_eq!(m.stages.learner_commits.value(), 1);
        assert_eq!(
            m.stages.propagation_latency.count(),
            0,
            "a clock that is behind the leader's measures nothing"
        );
    }
}
