//! Ensembles and observations for tests: a healthy one, and small changes to it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;

use crate::crd::{
    ClientTls, ClientTlsMode, Formation, IssuerRef, Listener, ListenerServers, ListenerTls,
    ListenerType, ObserverZone, Observers, PeerTls, PeerTlsMode, Spread, Storage, Tls, Voters,
    ZkEnsemble, ZkEnsembleSpec, ZkEnsembleStatus,
};
use crate::ensemble::build::{self, Servers};
use crate::ensemble::observe::{
    Observed, ObserverPods, ServerPod, ServerSet, ServerVolume, SetIdentity,
};
use crate::ensemble::observers::ObserverGroup;
use crate::ensemble::validate::{Defaults, ValidatedEnsemble, validate};
use crate::members::{
    ConfigVersion, History, Learner, MasterKey, MemberReport, ReportedConfig, ReportedRole,
    ReportedSettings,
};

/// The present of all tests; everything in the fixtures is an hour older.
pub(crate) fn now() -> Timestamp {
    seconds_ago(0)
}

pub(crate) fn seconds_ago(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 - seconds).unwrap()
}

pub(crate) fn defaults() -> Defaults {
    Defaults {
        key: MasterKey::from_bytes(&[7; 32]).unwrap(),
        server_image: "registry.example/quorate:1".to_owned(),
        cluster_domain: "cluster.local".to_owned(),
        operator_namespace: "quorate-system".to_owned(),
    }
}

/// An ensemble as the API server returns it.
pub(crate) fn ensemble(replicas: i32) -> ZkEnsemble {
    ZkEnsemble {
        metadata: ObjectMeta {
            name: Some("demo".to_owned()),
            namespace: Some("default".to_owned()),
            uid: Some("uid-of-demo".to_owned()),
            generation: Some(1),
            ..ObjectMeta::default()
        },
        spec: ZkEnsembleSpec {
            image: None,
            suspend: false,
            voters: Voters {
                replicas,
                storage: Storage {
                    size: "1Gi".to_owned(),
                    storage_class_name: None,
                },
                resources: None,
                spread: Spread::Preferred,
                replace_unavailable_after: None,
                template: None,
            },
            observers: None,
            tls: None,
            listeners: Vec::new(),
            volumes: None,
            updates: None,
            network_policy: None,
            config: std::collections::BTreeMap::new(),
        },
        status: Some(ZkEnsembleStatus {
            formation: Some(Formation {
                voters: u8::try_from(replicas).unwrap_or(0),
                complete: true,
            }),
            ..ZkEnsembleStatus::default()
        }),
    }
}

pub(crate) fn valid(replicas: i32) -> ValidatedEnsemble {
    validate(&ensemble(replicas), &defaults()).unwrap().unwrap()
}

/// The same with TLS for everybody, with the certificate of this Secret, or the operator's own.
pub(crate) fn valid_with_tls(secret_name: Option<&str>) -> ValidatedEnsemble {
    let mut object = ensemble(3);
    object.spec.tls = Some(tls(ClientTlsMode::Allow, PeerTlsMode::Require, secret_name));
    validate(&object, &defaults()).unwrap().unwrap()
}

/// TLS as a person writes it.
pub(crate) fn tls(client: ClientTlsMode, peer: PeerTlsMode, secret_name: Option<&str>) -> Tls {
    Tls {
        client: ClientTls { mode: client },
        peer: PeerTls { mode: peer },
        secret_name: secret_name.map(str::to_owned),
        issuer_ref: None,
    }
}

/// An issuer of the cluster.
pub(crate) fn issuer() -> IssuerRef {
    IssuerRef {
        name: "corp".to_owned(),
        kind: "ClusterIssuer".to_owned(),
        group: "cert-manager.io".to_owned(),
    }
}

/// A listener within the cluster.
pub(crate) fn listener() -> Listener {
    Listener {
        name: "edge".to_owned(),
        kind: ListenerType::ClusterIP,
        servers: ListenerServers::Voters,
        tls: ListenerTls::Allow,
        annotations: BTreeMap::new(),
        source_ranges: Vec::new(),
        host_names: Vec::new(),
    }
}

/// The same with so many observers in the zones a, b and c.
pub(crate) fn valid_with_observers(replicas: i32) -> ValidatedEnsemble {
    let mut object = ensemble(3);
    let zone = |name: &str| ObserverZone {
        name: name.to_owned(),
        min_replicas: 0,
    };
    object.spec.observers = Some(Observers {
        replicas,
        zones: ["a", "b", "c"].map(zone).into(),
        resources: None,
        template: None,
        storage: None,
    });
    validate(&object, &defaults()).unwrap().unwrap()
}

/// An ensemble at rest: every pod from the wanted revision, `leader` leads, all others follow.
pub(crate) fn healthy(ensemble: &ValidatedEnsemble, leader: u8) -> Observed {
    let members = ensemble.founders().voters;
    let voters = members
        .iter()
        .map(|id| (*id, voter(ensemble, *id, &members, leader)));
    Observed {
        voter_set: Some(ServerSet {
            template_fingerprint: Some(build::template_fingerprint(
                ensemble,
                Servers::Voters,
                &build::Stamps::default(),
            )),
            update_revision: Some("new".to_owned()),
            created: Some(seconds_ago(3600)),
            slots: ensemble.formation.voters,
            identity: SetIdentity {
                uid: "uid-of-set".to_owned(),
                version: "7".to_owned(),
            },
            claim_size: Some(ensemble.storage_size.clone()),
            settings_stamp: Some(build::settings_revision(ensemble)),
            terminating: false,
        }),
        voters: voters.collect(),
        volumes: members
            .iter()
            .map(|id| (*id, volume(ensemble, *id)))
            .collect(),
        observers: ensemble
            .observers
            .groups
            .iter()
            .map(|group| {
                (
                    group.zone.clone(),
                    observers(ensemble, group, &members, leader),
                )
            })
            .collect(),
        certificates: None,
        services: BTreeMap::new(),
        surplus: Vec::new(),
        versions: BTreeMap::new(),
        foreign: Vec::new(),
    }
}

/// Observers that serve.
fn observers(
    ensemble: &ValidatedEnsemble,
    group: &ObserverGroup,
    members: &BTreeSet<u8>,
    leader: u8,
) -> ObserverPods {
    let servers = Servers::Observers(group);
    let pod = |id: u8| {
        let mut pod = voter(ensemble, id, members, leader);
        pod.pod = ensemble.observer_pod(group, id);
        pod.uid = format!("uid-of-{}", pod.pod);
        pod.zone = Some(group.zone.clone());
        if let Some(report) = &mut pod.report {
            report.role = ReportedRole::Observer;
        }
        pod
    };
    ObserverPods {
        set: Some(ServerSet {
            template_fingerprint: Some(build::template_fingerprint(
                ensemble,
                servers,
                &build::Stamps::default(),
            )),
            update_revision: Some("new".to_owned()),
            created: Some(seconds_ago(3600)),
            slots: group.replicas,
            identity: SetIdentity::default(),
            claim_size: None,
            settings_stamp: Some(build::settings_revision(ensemble)),
            terminating: false,
        }),
        pods: group.wanted().map(|id| (id, pod(id))).collect(),
    }
}

/// A voter that takes part.
pub(crate) fn voter(
    ensemble: &ValidatedEnsemble,
    id: u8,
    members: &BTreeSet<u8>,
    leader: u8,
) -> ServerPod {
    let pod = ensemble.pod_of(id);
    let learners = members
        .iter()
        .copied()
        .filter(|other| id == leader && *other != id);
    ServerPod {
        uid: format!("uid-of-{pod}"),
        pod,
        node: Some(format!("node{id}")),
        zone: Some(format!("zone-{id}")),
        revision: Some("new".to_owned()),
        created: Some(seconds_ago(3600)),
        ready_since: Some(seconds_ago(3590)),
        unready_since: None,
        terminating: false,
        ip: Some(IpAddr::V4(Ipv4Addr::new(10, 244, id, 2))),
        crashing: false,
        trouble: None,
        report: Some(MemberReport {
            server_id: id,
            life: "first".to_owned(),
            role: if id == leader {
                ReportedRole::Leader
            } else {
                ReportedRole::Follower
            },
            serving: true,
            leader: Some(leader),
            epoch: 1,
            history: History::Whole,
            zxid_logged: "0x100000005".to_owned(),
            config: ReportedConfig {
                version: ConfigVersion::default(),
                voters: members.clone(),
                ..ReportedConfig::default()
            },
            settings: Some(ReportedSettings {
                revision: build::settings_revision(ensemble),
                ..ReportedSettings::default()
            }),
            learners: learners
                .map(|server_id| Learner {
                    server_id,
                    voter: true,
                    synced: true,
                    lag: 0,
                })
                .collect(),
        }),
    }
}

/// A volume that is as wanted, of a class that lets it grow.
pub(crate) fn volume(ensemble: &ValidatedEnsemble, id: u8) -> ServerVolume {
    ServerVolume {
        claim: ensemble.claim_of(id),
        version: "5".to_owned(),
        requested: ensemble.storage_size.clone(),
        capacity: Some(ensemble.storage_size.clone()),
        class: Some("fast".to_owned()),
        expandable: Some(true),
        pending_since: None,
        trouble: None,
        owned: false,
    }
}

impl Observed {
    /// These voters run an older revision.
    pub(crate) fn outdated(mut self, ids: &[u8]) -> Self {
        for id in ids {
            self.voter_mut(*id).revision = Some("old".to_owned());
        }
        self
    }

    /// This voter was started `seconds` ago and has neither become ready nor answered.
    pub(crate) fn starting(mut self, id: u8, seconds: i64) -> Self {
        let voter = self.voter_mut(id);
        voter.created = Some(seconds_ago(seconds));
        voter.ready_since = None;
        voter.unready_since = voter.created;
        voter.report = None;
        self.leader_forgets(id)
    }

    /// This voter's container ends again and again.
    pub(crate) fn crashing(self, id: u8) -> Self {
        let mut observed = self.starting(id, 300);
        let voter = observed.voter_mut(id);
        voter.crashing = true;
        voter.trouble = Some("ended with code 1: zoo.cfg: tickTime: not a number".to_owned());
        observed
    }

    /// The pod of this voter is gone.
    pub(crate) fn missing(mut self, id: u8) -> Self {
        self.voters.remove(&id);
        self.leader_forgets(id)
    }

    /// This voter does not answer the operator; nothing else is wrong with it.
    pub(crate) fn silent(mut self, id: u8) -> Self {
        self.voter_mut(id).report = None;
        self
    }

    /// This voter became unready `seconds` ago, while its server goes on.
    pub(crate) fn unready(mut self, id: u8, seconds: i64) -> Self {
        let voter = self.voter_mut(id);
        voter.ready_since = None;
        voter.unready_since = Some(seconds_ago(seconds));
        self
    }

    /// No voter leads: all that answer look for a leader.
    pub(crate) fn leaderless(mut self) -> Self {
        for report in self
            .voters
            .values_mut()
            .filter_map(|voter| voter.report.as_mut())
        {
            report.role = ReportedRole::Looking;
            report.serving = false;
            report.leader = None;
            report.learners.clear();
        }
        self
    }

    pub(crate) fn voter_mut(&mut self, id: u8) -> &mut ServerPod {
        self.voters.get_mut(&id).unwrap()
    }

    fn leader_forgets(mut self, id: u8) -> Self {
        for report in self
            .voters
            .values_mut()
            .filter_map(|voter| voter.report.as_mut())
        {
            report.learners.retain(|learner| learner.server_id != id);
        }
        self
    }
}
