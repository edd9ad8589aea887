//! From objects and answers to a view.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use quorate_operator::crd::{Member as OnRecord, MemberRole, MemberState, ZkEnsemble};

use super::{Condition, Counts, Doing, Lag, Member, Role, View};
use crate::names::{Named, Names};
use crate::pods;
use crate::report::{Report, zxid};
use crate::text::clean;

/// What came of asking a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// What it said.
    Told(Box<Report>),
    /// Why it said nothing.
    Silent(String),
    /// The person may not ask it: what the operator noted has to do.
    NotAsked,
}

/// What was looked at.
#[derive(Clone, Debug)]
pub struct Looked {
    /// The ensemble.
    pub object: ZkEnsemble,
    /// Its pods.
    pub pods: Vec<Pod>,
    /// Zones of nodes.
    pub zones: BTreeMap<String, String>,
    /// What the servers said, by pod.
    pub answers: BTreeMap<String, Answer>,
    /// What could not be looked at.
    pub remarks: Vec<String>,
}

/// Makes a view of it.
#[must_use]
pub fn assemble(looked: &Looked) -> View {
    let object = &looked.object;
    let status = object.status.clone().unwrap_or_default();
    let leader = leader(looked);
    let config = leader.map(|leader| &leader.config);
    let on_record = status.membership.as_ref();
    let votes = config
        .map(|config| config.voters.clone())
        .or_else(|| Some(on_record?.voters.clone()))
        .unwrap_or_default();
    let members = members(looked, &votes, leader);
    let serving = |observer: bool| {
        let serves = |m: &&Member| m.observer == observer && m.role.takes_part();
        members.iter().filter(serves).count()
    };
    let wanted = object.spec.observers.as_ref().map(|o| o.replicas);
    let observers = wanted.map(|wanted| counts(serving(true), wanted));
    let voters = counts(serving(false), object.spec.voters.replicas);
    View {
        namespace: object.namespace().unwrap_or_default(),
        name: object.name_any(),
        suspended: object.spec.suspend,
        up_to_date: status.observed_generation.is_some()
            && status.observed_generation == object.metadata.generation,
        voters,
        observers,
        leader: leader
            .map(|leader| leader.server_id)
            .or_else(|| noted_leader(looked)),
        epoch: leader.map(|leader| leader.epoch),
        config_version: config
            .map(|config| clean(&config.version))
            .or_else(|| Some(on_record?.version.clone())),
        config_proposed: config.is_some_and(|config| config.proposed),
        config_voters: votes,
        operation: status.operation.map(|operation| Doing {
            kind: clean(&operation.kind),
            step: clean(&operation.step),
        }),
        conditions: status.conditions.iter().map(condition).collect(),
        members,
        remarks: looked.remarks.iter().map(|text| clean(text)).collect(),
    }
}

fn counts(serving: usize, wanted: i32) -> Counts {
    Counts {
        serving,
        wanted: usize::try_from(wanted).unwrap_or(0),
    }
}

fn condition(condition: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition) -> Condition {
    Condition {
        kind: clean(&condition.type_),
        status: clean(&condition.status),
        reason: clean(&condition.reason),
        message: clean(&condition.message),
    }
}

/// The server that leads; of two that say so, one was cut off and has the older epoch.
fn leader(looked: &Looked) -> Option<&Report> {
    let told = looked.answers.values().filter_map(|answer| match answer {
        Answer::Told(report) => Some(report.as_ref()),
        Answer::Silent(_) | Answer::NotAsked => None,
    });
    told.filter(|report| report.leads())
        .max_by_key(|report| report.epoch)
}

/// The leader that the operator noted, for whoever may not ask the servers.
fn noted_leader(looked: &Looked) -> Option<u8> {
    let answers = &looked.answers;
    let unasked = !answers.is_empty() && answers.values().all(|a| *a == Answer::NotAsked);
    let status = looked.object.status.as_ref().filter(|_| unasked)?;
    Some(status.leader.as_ref()?.server_id)
}

fn members(looked: &Looked, votes: &[u8], leader: Option<&Report>) -> Vec<Member> {
    let names = Names::of(&looked.object);
    let on_record = looked.object.status.as_ref();
    let on_record = on_record.map_or(&[][..], |status| &status.members);
    let mut members: Vec<Member> = Vec::new();
    for pod in &looked.pods {
        let name = pod.name_any();
        if let Some(named) = names.read(&name) {
            let noted = on_record.iter().find(|member| member.pod == name);
            members.push(member(looked, pod, named, noted, votes, leader));
        }
    }
    for noted in on_record {
        if looked.pods.iter().all(|pod| pod.name_any() != noted.pod) {
            members.push(missing(noted, votes));
        }
    }
    members.sort_by_key(|member| (member.observer, member.id, member.pod.clone()));
    members
}

/// A server whose pod is not there.
fn missing(noted: &OnRecord, votes: &[u8]) -> Member {
    Member {
        pod: noted.pod.clone(),
        has_pod: false,
        id: Some(noted.server_id),
        observer: false,
        votes: votes.contains(&noted.server_id),
        zone: noted.zone.clone(),
        node: None,
        role: Role::Away,
        zxid: None,
        lag: None,
        ready: false,
        restarts: 0,
        version: None,
        trouble: Some("it has no pod".to_owned()),
    }
}

fn member(
    looked: &Looked,
    pod: &Pod,
    named: Named,
    noted: Option<&OnRecord>,
    votes: &[u8],
    leader: Option<&Report>,
) -> Member {
    let name = pod.name_any();
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
    let zone = node
        .as_ref()
        .and_then(|node| looked.zones.get(node))
        .cloned();
    let noted_zone = noted.and_then(|noted| noted.zone.clone());
    let observer = named.zone.is_some();
    let answer = looked.answers.get(&name);
    let told = match answer {
        Some(Answer::Told(report)) => Some(report.as_ref()),
        _ => None,
    };
    let silence = match answer {
        Some(Answer::Silent(why)) => Some(clean(why)),
        _ => None,
    };
    let role = match (told, answer) {
        (Some(report), _) => role(report, leader),
        (None, Some(Answer::NotAsked)) => noted_role(noted, observer && pods::is_ready(pod)),
        (None, _) => Role::Away,
    };
    Member {
        has_pod: true,
        id: named.id.or(told.map(|report| report.server_id)),
        observer,
        votes: named.id.is_some_and(|id| votes.contains(&id)),
        zone: zone.or(named.zone).or(noted_zone),
        node,
        role,
        zxid: told.map(|report| clean(&report.zxid_applied)),
        lag: told.and_then(|report| lag(report, leader?)),
        ready: pods::is_ready(pod),
        restarts: pods::restarts(pod),
        version: told.map(|report| clean(&report.version)),
        trouble: pods::trouble(pod)
            .or_else(|| told.and_then(history))
            .or(silence),
        pod: name,
    }
}

fn role(report: &Report, leader: Option<&Report>) -> Role {
    match report.role.as_str() {
        "looking" => Role::Looking,
        // One that was cut off says for a while that it leads.
        _ if report.leads() && leader.is_some_and(|l| l.server_id != report.server_id) => {
            Role::Looking
        }
        _ if report.joining || !report.serving => Role::Joining,
        "leader" | "standalone" => Role::Leader,
        "observer" => Role::Observer,
        _ => Role::Follower,
    }
}

/// What the operator noted of a voter; of observers it notes counts only.
fn noted_role(noted: Option<&OnRecord>, observes: bool) -> Role {
    let Some(noted) = noted else {
        return if observes { Role::Observer } else { Role::Away };
    };
    match (noted.state, noted.role) {
        (MemberState::Joining, MemberRole::Looking) => Role::Looking,
        (MemberState::Joining, _) => Role::Joining,
        (MemberState::Serving, MemberRole::Leader) => Role::Leader,
        (MemberState::Serving, MemberRole::Observer) => Role::Observer,
        (MemberState::Serving, _) => Role::Follower,
        _ => Role::Away,
    }
}

/// What is wrong with its disk.
fn history(report: &Report) -> Option<String> {
    match report.history.as_str() {
        "lost" => {
            Some("its volume is empty; it has no vote until a leader brought it level".into())
        }
        "damaged" => {
            Some("its files are damaged; it has no vote until a leader brought it level".into())
        }
        _ => None,
    }
}

/// How far it is behind the leader: as the leader says, or by the zxids, which count within an epoch.
fn lag(report: &Report, leader: &Report) -> Option<Lag> {
    if report.server_id == leader.server_id {
        return None;
    }
    let learner = leader
        .learners
        .iter()
        .find(|learner| learner.server_id == report.server_id);
    let ms = learner.and_then(|learner| learner.lag_ms);
    if let Some(txns) = learner.and_then(|learner| learner.lag_txns) {
        return Some(Lag {
            txns: Some(txns),
            ms,
        });
    }
    let (here, there) = (zxid(&report.zxid_applied)?, zxid(&leader.zxid_applied)?);
    let txns = (here >> 32 == there >> 32).then(|| there.saturating_sub(here));
    Some(Lag { txns, ms })
}
