//! The members as this server knows them: all that are in the config, and the learners that a leader feeds
//! beside those. How level the others are, only the leader knows.

use std::collections::BTreeSet;

use serde::Serialize;
use zk_core::Mono;
use zk_core::status::LearnerStatus;
use zk_wire::Sid;
use zk_wire::membership::{HostPort, Membership, ServerSpec};

use crate::config::Zones;

/// How a member is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Condition {
    /// This server, which serves clients.
    Serving,
    /// This server, which serves nobody.
    NotServing,
    /// It is level with the leader.
    Synced,
    /// The leader brings it level.
    Syncing,
    /// It does not follow the leader.
    Away,
    /// Only the leader knows.
    Unknown,
}

/// One member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Member {
    /// Id.
    id: i64,
    /// Where it is, if somebody wrote that down.
    zone: Option<String>,
    /// Host between servers; `None` for one that is in no config.
    host: Option<String>,
    /// Where clients connect, if its line says so.
    client: Option<String>,
    /// Whether it votes.
    voter: bool,
    /// Whether the config in force has it.
    in_config: bool,
    /// Whether it leads, as far as this server knows.
    leads: bool,
    /// Whether it is this server.
    here: bool,
    /// How it is doing.
    condition: Condition,
    /// Transactions that it is not known to have; `None`: not known here.
    lag: Option<u64>,
    /// Age of the oldest of them, ms; it may wait for an answer without lacking any.
    lag_ms: Option<u64>,
    /// `joins`, `leaves`, `getsVote` or `losesVote` by the change that is under way.
    change: Option<&'static str>,
}

/// What this server knows of the ensemble.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    /// Own id.
    pub(super) own: Sid,
    /// Whether clients are served here.
    pub(super) serving: bool,
    /// Who leads.
    pub(super) leader: Option<Sid>,
    /// As leader: the learners.
    pub(super) learners: Option<&'a [LearnerStatus]>,
    /// Time of the process.
    pub(super) now: Mono,
    /// The config in force.
    pub(super) committed: &'a Membership,
    /// The one that is proposed.
    pub(super) proposed: Option<&'a Membership>,
    /// Where members are.
    pub(super) zones: &'a Zones,
}

impl View<'_> {
    /// All members by their ids.
    pub(super) fn members(&self) -> Vec<Member> {
        let in_configs = [Some(self.committed), self.proposed].into_iter().flatten();
        let mut ids: BTreeSet<Sid> = in_configs.flat_map(|c| c.servers.keys()).copied().collect();
        ids.insert(self.own);
        ids.extend(self.learners.unwrap_or_default().iter().map(|l| l.sid));
        ids.into_iter().map(|sid| self.member(sid)).collect()
    }

    fn member(&self, sid: Sid) -> Member {
        let proposed = self.proposed.and_then(|config| config.servers.get(&sid));
        let spec = self.committed.servers.get(&sid).or(proposed);
        let learners = self.learners.unwrap_or_default();
        let learner = learners.iter().find(|l| l.sid == sid);
        let here = sid == self.own;
        Member {
            id: sid.0,
            zone: self.zones.of(sid, self.own).map(str::to_owned),
            host: spec.map(|spec| spec.host.clone()),
            client: spec.and_then(client_address),
            voter: votes(self.committed, sid),
            in_config: self.committed.servers.contains_key(&sid),
            leads: self.leader == Some(sid),
            here,
            condition: match (here, self.learners, learner) {
                (true, ..) if self.serving => Condition::Serving,
                (true, ..) => Condition::NotServing,
                (false, None, _) => Condition::Unknown,
                (false, Some(_), None) => Condition::Away,
                (false, Some(_), Some(learner)) if learner.synced => Condition::Synced,
                (false, Some(_), Some(_)) => Condition::Syncing,
            },
            lag: learner.map(|l| l.lag_txns),
            lag_ms: learner.map(|l| l.lag_ms(self.now)),
            change: self
                .proposed
                .and_then(|next| change(self.committed, next, sid)),
        }
    }
}

/// A port that is open on all addresses is reached at the host that the others use.
fn client_address(spec: &ServerSpec) -> Option<String> {
    let client = spec.client.as_ref()?;
    let host = match client.host.as_str() {
        "0.0.0.0" | "::" => &spec.host,
        host => host,
    };
    let reached = HostPort {
        host: host.to_owned(),
        port: client.port,
    };
    Some(reached.to_string())
}

fn votes(config: &Membership, sid: Sid) -> bool {
    config.voters().any(|voter| voter == sid)
}

fn change(now: &Membership, next: &Membership, sid: Sid) -> Option<&'static str> {
    let (is, will_be) = (
        now.servers.contains_key(&sid),
        next.servers.contains_key(&sid),
    );
    match (is, will_be, votes(now, sid), votes(next, sid)) {
        (false, true, ..) => Some("joins"),
        (true, false, ..) => Some("leaves"),
        (true, true, false, true) => Some("getsVote"),
        (true, true, true, false) => Some("losesVote"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str =
        "server.1=a:1:2;10.0.0.1:2181\nserver.2=b:1:2;0.0.0.0:2182\nserver.3=c:1:2:observer\n";
    const NEXT: &str = "server.1=a:1:2\nserver.3=c:1:2\nserver.4=d:1:2\n";

    fn membership(text: &str) -> Membership {
        Membership::parse(&format!("{text}version=1")).unwrap()
    }

    fn learner(sid: i64, voter: bool, synced: bool, lag: u64) -> LearnerStatus {
        LearnerStatus {
            sid: Sid(sid),
            voter,
            synced,
            lag,
            lag_txns: lag,
            late_ms: 0,
            waits_since: (lag > 0).then_some(Mono::from_ms(40)),
        }
    }

    fn view<'a>(committed: &'a Membership, zones: &'a Zones) -> View<'a> {
        View {
            own: Sid(1),
            serving: true,
            leader: Some(Sid(1)),
            learners: None,
            now: Mono::from_ms(100),
            committed,
            proposed: None,
            zones,
        }
    }

    fn conditions(view: View) -> Vec<(i64, Condition, Option<u64>)> {
        let members = view.members();
        members.iter().map(|m| (m.id, m.condition, m.lag)).collect()
    }

    #[test]
    fn a_leader_knows_its_learners_and_who_is_away() {
        let (now, zones) = (membership(NOW), Zones::default());
        let learners = [learner(3, false, true, 0), learner(9, true, false, 7)];
        let view = View {
            learners: Some(&learners),
            ..view(&now, &zones)
        };
        assert_eq!(
            conditions(view),
            [
                (1, Condition::Serving, None),
                (2, Condition::Away, None),
                (3, Condition::Synced, Some(0)),
                (9, Condition::Syncing, Some(7)),
            ]
        );
        let members = view.members();
        assert!(members[0].leads && members[0].here && members[0].voter);
        assert_eq!(members[0].client.as_deref(), Some("10.0.0.1:2181"));
        assert_eq!(members[1].client.as_deref(), Some("b:2182"));
        assert_eq!((members[2].lag_ms, members[3].lag_ms), (Some(0), Some(60)));
        assert!(!members[3].in_config && members[3].host.is_none());
    }

    #[test]
    fn a_follower_invents_nothing_about_others() {
        let (now, zones) = (membership(NOW), Zones::default());
        let view = View {
            serving: false,
            leader: Some(Sid(2)),
            ..view(&now, &zones)
        };
        assert_eq!(
            conditions(view),
            [
                (1, Condition::NotServing, None),
                (2, Condition::Unknown, None),
                (3, Condition::Unknown, None),
            ]
        );
        assert!(view.members()[1].leads);
    }

    #[test]
    fn a_change_under_way_is_told_of_each_member() {
        let (now, next, zones) = (membership(NOW), membership(NEXT), Zones::default());
        let view = View {
            proposed: Some(&next),
            ..view(&now, &zones)
        };
        let members = view.members();
        let changes: Vec<_> = members.iter().map(|m| (m.id, m.change)).collect();
        let expected = [
            (1, None),
            (2, Some("leaves")),
            (3, Some("getsVote")),
            (4, Some("joins")),
        ];
        assert_eq!(changes, expected);
        assert!(!members[3].in_config && members[3].host.is_some());
    }
}
