//! What users of other operators and charts complained of, each as a test of its name: an operator
//! that decides so makes the same mistake. (pravega/zookeeper-operator, bitnami/charts, strimzi,
//! Altinity/clickhouse-operator, etcd-io/etcd-operator; the numbers are those of their issues.)

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Affinity, LocalObjectReference, Toleration};
use k8s_openapi::api::networking::v1::NetworkPolicyPeer;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::*;
use crate::crd::condition_type::{PROGRESSING, QUORUM_AVAILABLE};
use crate::crd::{
    ClientTls, ClientTlsMode, Ephemeral, Listener, ListenerServers, ListenerTls, ListenerType,
    NetworkAccess, ObserverStorage, ObserverZone, Observers, PeerTls, PeerTlsMode, Retention,
    Spread, Storage, Template, Tls, Updates, Volumes, Voters, ZkEnsemble, ZkEnsembleSpec,
};
use crate::ensemble::build::{self, Claims, Servers};
use crate::ensemble::validate::validate;
use crate::fixtures::{defaults, ensemble, healthy, issuer, listener, now, tls, valid, voter};
use crate::members::{History, Learner};

/// The additions to pods, to be changed.
fn template(spec: &mut ZkEnsembleSpec) -> &mut Template {
    spec.voters.template.get_or_insert_default()
}

/// An ensemble that formed with so many voters, and of which `wanted` are wanted now.
fn formed(voters: i32, wanted: u8) -> ValidatedEnsemble {
    ValidatedEnsemble {
        replicas: wanted,
        ..valid(voters)
    }
}

/// Adds the pod of a server that follows `leader` without a vote and has all that it has.
fn with_joiner(mut observed: Observed, of: &ValidatedEnsemble, id: u8, leader: u8) -> Observed {
    let members = of.founders().voters;
    observed.voters.insert(id, voter(of, id, &members, leader));
    let report = observed.voter_mut(leader).report.as_mut().unwrap();
    report.learners.push(Learner {
        server_id: id,
        voter: false,
        synced: true,
        lag: 0,
    });
    let set = observed.voter_set.as_mut().unwrap();
    set.slots = set.slots.max(id);
    observed
}

fn reason_of(plan: &Plan, kind: &str) -> &'static str {
    let mut verdicts = plan.conditions.iter();
    verdicts
        .find(|verdict| verdict.kind == kind)
        .unwrap()
        .reason
}

/// bitnami/charts 32542, 1031: one became three and came up empty, since two empty servers outvoted
/// the one with data.
#[test]
fn servers_without_data_never_outvote_the_one_that_has_it() {
    let grows = formed(1, 3);
    let level = with_joiner(healthy(&grows, 1), &grows, 2, 1);
    let step = plan(&grows, &level, now()).step;
    assert!(
        matches!(&step, Some(Step::AddVoter { server_id: 2, via, .. }) if via.server_id == 1),
        "{step:?}"
    );
    let mut empty = level.clone();
    empty.voter_mut(2).report.as_mut().unwrap().history = History::Lost;
    assert_eq!(plan(&grows, &empty, now()).step, None);
    let mut behind = level.clone();
    for learner in &mut behind.voter_mut(1).report.as_mut().unwrap().learners {
        learner.lag = 1_000_000;
    }
    assert_eq!(plan(&grows, &behind, now()).step, None);
    let mut unknown = level.clone();
    unknown
        .voter_mut(1)
        .report
        .as_mut()
        .unwrap()
        .learners
        .clear();
    assert_eq!(plan(&grows, &unknown, now()).step, None);
    // Until it has its vote, no other server hears of it as a voter.
    assert_eq!(
        plan(&grows, &level, now()).members.voters,
        BTreeSet::from([1])
    );
}

/// pravega/zookeeper-operator 240, 102, 132: no answer from DNS was taken for no ensemble, and a blank
/// one was begun.
#[test]
fn silence_and_empty_volumes_begin_no_second_ensemble() {
    let three = valid(3);
    let silent = healthy(&three, 1).silent(1).silent(2).silent(3);
    assert_eq!(plan(&three, &silent, now()).step, None);
    let mut empty = healthy(&three, 1).leaderless();
    for voter in empty.voters.values_mut() {
        let report = voter.report.as_mut().unwrap();
        report.history = History::Lost;
        report.epoch = 0;
        report.zxid_logged = "0x0".to_owned();
    }
    let after = plan(&three, &empty, now());
    assert_eq!(
        after.step, None,
        "all volumes of an ensemble that served are lost"
    );
    assert_eq!(reason_of(&after, QUORUM_AVAILABLE), "NoLeader");
    // The same servers at the very beginning are told that they may.
    let mut young = valid(3);
    young.formation.complete = false;
    let told = plan(&young, &empty, now()).step;
    assert!(
        matches!(&told, Some(Step::Form { servers }) if servers.len() == 3),
        "{told:?}"
    );
    // Not while one of them does not answer, or has data.
    assert_eq!(plan(&young, &empty.clone().silent(2), now()).step, None);
    empty.voter_mut(3).report.as_mut().unwrap().zxid_logged = "0x100000001".to_owned();
    assert_eq!(plan(&young, &empty, now()).step, None);
}

/// pravega/zookeeper-operator 94, 448, 315 and others: a volume of an earlier time came back with the
/// members of that time.
#[test]
fn every_pod_starts_with_the_members_of_today() {
    let mut shrunk = formed(3, 1);
    shrunk.recorded = Some(Membership {
        version: ConfigVersion(0x2_0000_0009),
        voters: BTreeSet::from([1]),
        lines: Vec::new(),
    });
    let planned = plan(&shrunk, &Observed::default(), now());
    let built = build::build(
        &shrunk,
        &planned.members,
        planned.slots,
        &planned.claims,
        &planned.stamps,
    );
    let config = built.config;
    let text = &config.data.unwrap()["zoo.cfg"];
    assert!(
        text.contains("quorate.members.version=200000009\n"),
        "{text}"
    );
    assert_eq!(text.matches("\nserver.").count(), 1, "{text}");
}

/// pravega/zookeeper-operator 92, 376, 393, 615: when all pods were gone, starting them needed a
/// reconfiguration, and that a quorum.
#[test]
fn all_pods_gone_changes_nothing() {
    let five = valid(5);
    let mut gone = healthy(&five, 1);
    gone.voters.clear();
    let planned = plan(&five, &gone, now());
    assert_eq!((planned.slots, planned.step), (5, None));
    assert_eq!(planned.members, five.founders());
}

/// etcd-io/etcd-operator 193: lost pods were read as a smaller ensemble that was wanted.
#[test]
fn lost_pods_are_not_taken_for_a_wish() {
    let five = valid(5);
    let planned = plan(&five, &healthy(&five, 1).missing(4).missing(5), now());
    assert_eq!((planned.slots, planned.step), (5, None));
}

/// pravega/zookeeper-operator 312, 314: volumes in use were deleted by an operator that read old
/// objects. This one may not delete any; of what it may delete, what voters need is never surplus.
#[test]
fn no_volume_may_be_deleted() {
    let root = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../charts/quorate-operator/templates/rbac.yaml"
    );
    let text = std::fs::read_to_string(root).unwrap();
    let rules = text.split("- apiGroups:").skip(1);
    let deletable: BTreeSet<&str> = rules
        .filter(|rule| {
            rule.lines()
                .any(|l| l.contains("verbs:") && l.contains("delete"))
        })
        .filter_map(|rule| rule.split_once("resources: ")?.1.lines().next())
        .collect();
    let expected = [
        "[networkpolicies]",
        "[pods]",
        "[poddisruptionbudgets]",
        "[services]",
        "[statefulsets]",
    ];
    assert_eq!(deletable, BTreeSet::from(expected));
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    assert!(
        !lines
            .into_iter()
            .any(|line| line.contains('*') || line.contains("nodes/"))
    );
}

/// Altinity/clickhouse-operator 1598, strimzi 1001, 7685: the next pod went before the last one was
/// back.
#[test]
fn next_pod_stays_until_the_last_one_is_back() {
    let three = valid(3);
    let begun = || healthy(&three, 2).outdated(&[1, 2]);
    for away in [
        begun().missing(3),
        begun().starting(3, 30),
        begun().silent(3),
    ] {
        assert_eq!(plan(&three, &away, now()).step, None);
    }
}

/// strimzi 1262, 1332: without a leader nothing was done at all, not even what brings one back.
#[test]
fn broken_pods_are_mended_without_a_leader() {
    let three = valid(3);
    let broken = healthy(&three, 2).leaderless().outdated(&[3]).crashing(3);
    let step = plan(&three, &broken, now()).step;
    assert!(
        matches!(&step, Some(Step::Restart { server_id: 3, .. })),
        "{step:?}"
    );
}

/// pravega/zookeeper-operator 493, 569, 216: a failed or overtaken change blocked everything after it.
#[test]
fn changed_minds_are_followed_from_wherever_it_stands() {
    // Three were to become five; the fourth has its vote when three are wanted again.
    let mut between = valid(3);
    between.recorded = Some(Membership {
        version: ConfigVersion(7),
        voters: BTreeSet::from([1, 2, 3, 4]),
        lines: Vec::new(),
    });
    let four = BTreeSet::from([1, 2, 3, 4]);
    let mut observed = healthy(&between, 1);
    observed.voters.insert(4, voter(&between, 4, &four, 1));
    for report in observed
        .voters
        .values_mut()
        .filter_map(|v| v.report.as_mut())
    {
        report.config.version = ConfigVersion(7);
        report.config.voters.clone_from(&four);
    }
    observed.voter_set.as_mut().unwrap().slots = 5;
    let step = plan(&between, &observed, now()).step;
    assert!(
        matches!(
            &step,
            Some(Step::RemoveVoter {
                server_id: 4,
                from: ConfigVersion(7),
                ..
            })
        ),
        "{step:?}"
    );
    assert_eq!(
        plan(&between, &observed, now()).slots,
        5,
        "its pod stays as long as it votes"
    );
    // A template that does not run is taken back: its pod goes at once, and no other.
    let three = valid(3);
    let reverted = healthy(&three, 1).outdated(&[2]).crashing(2);
    let step = plan(&three, &reverted, now()).step;
    assert!(
        matches!(&step, Some(Step::Restart { server_id: 2, .. })),
        "{step:?}"
    );
}

/// kubernetes/kubernetes 67250: a bad template went on to the next pod when that happened to be away.
#[test]
fn a_template_that_does_not_run_does_not_spread() {
    let five = valid(5);
    let failed = healthy(&five, 1).outdated(&[1, 2, 3, 4]).crashing(5);
    assert_eq!(plan(&five, &failed, now()).step, None);
    let mut one_more_away = failed.starting(4, 5);
    one_more_away.voter_mut(4).revision = Some("old".to_owned());
    let planned = plan(&five, &one_more_away, now());
    assert_eq!(planned.step, None);
    assert_eq!(reason_of(&planned, PROGRESSING), "RollingOut");
}

/// pravega/zookeeper-operator 625: a restart that was asked for was undone.
#[test]
fn restart_on_demand_is_a_rollout_of_its_own() {
    let mut object = ensemble(3);
    let template = |object: &ZkEnsemble| {
        let ensemble = validate(object, &defaults()).unwrap().unwrap();
        build::template_fingerprint(&ensemble, Servers::Voters, &build::Stamps::default())
    };
    let before = template(&object);
    let key = crate::ensemble::validate::RESTARTED_AT_ANNOTATION;
    let annotations = object.metadata.annotations.get_or_insert_default();
    annotations.insert(key.to_owned(), "2026-11-30".to_owned());
    let after = template(&object);
    assert_ne!(before, after);
    assert_eq!(template(&object), after, "once");
}

/// zalando/postgres-operator 867: a budget for a single pod blocks every drain for ever.
#[test]
fn single_voter_blocks_no_drain() {
    let budget = |ensemble: &ValidatedEnsemble| {
        let claims = Claims::wanted(ensemble);
        build::build(
            ensemble,
            &ensemble.founders(),
            ensemble.replicas,
            &claims,
            &build::Stamps::default(),
        )
        .disruption_budget
    };
    assert!(budget(&valid(1)).is_none());
    assert!(budget(&valid(3)).is_some());
}

/// One change of each field.
const CHANGES: [fn(&mut ZkEnsembleSpec); 37] = [
    |spec| spec.image = Some("other".to_owned()),
    |spec| spec.voters.replicas = 5,
    |spec| spec.voters.storage.size = "2Gi".to_owned(),
    |spec| spec.voters.storage.storage_class_name = Some("fast".to_owned()),
    |spec| spec.voters.resources = Some(crate::crd::Resources::default()),
    |spec| drop(spec.config.insert("snapCount".to_owned(), "7".to_owned())),
    |spec| spec.voters.spread = Spread::Required,
    |spec| {
        spec.volumes = Some(Volumes {
            when_deleted: Retention::Delete,
            ..Volumes::default()
        });
    },
    |spec| {
        spec.volumes = Some(Volumes {
            when_scaled: Retention::Delete,
            ..Volumes::default()
        });
    },
    |spec| {
        drop(
            template(spec)
                .labels
                .insert("team".to_owned(), "a".to_owned()),
        )
    },
    |spec| {
        drop(
            template(spec)
                .annotations
                .insert("team".to_owned(), "a".to_owned()),
        )
    },
    |spec| {
        drop(
            template(spec)
                .node_selector
                .insert("disk".to_owned(), "fast".to_owned()),
        )
    },
    |spec| template(spec).tolerations.push(Toleration::default()),
    |spec| template(spec).affinity = Some(Affinity::default()),
    |spec| template(spec).priority_class_name = Some("high".to_owned()),
    |spec| {
        let secret = LocalObjectReference::default();
        template(spec).image_pull_secrets.push(secret);
    },
    |spec| access(spec).enabled = true,
    |spec| access(spec).client_from.push(NetworkPolicyPeer::default()),
    |spec| access(spec).metrics_from.push(NetworkPolicyPeer::default()),
    |spec| observers(spec).replicas = 2,
    |spec| zone(spec).name = "b".to_owned(),
    |spec| zone(spec).min_replicas = 1,
    |spec| observers(spec).resources = Some(crate::crd::Resources::default()),
    |spec| {
        let priority_class_name = Some("low".to_owned());
        observers(spec).template = Some(Template {
            priority_class_name,
            ..Template::default()
        });
    },
    |spec| {
        let size_limit = Some(Quantity("8Gi".to_owned()));
        observers(spec).storage = Some(ObserverStorage {
            ephemeral: Ephemeral { size_limit },
        });
    },
    |spec| spec.tls = Some(tls(ClientTlsMode::Allow, PeerTlsMode::Disabled, None)),
    |spec| spec.tls = Some(tls(ClientTlsMode::Require, PeerTlsMode::Disabled, None)),
    |spec| spec.tls = Some(tls(ClientTlsMode::Disabled, PeerTlsMode::Require, None)),
    |spec| {
        spec.tls = Some(tls(
            ClientTlsMode::Allow,
            PeerTlsMode::Disabled,
            Some("given"),
        ))
    },
    |spec| {
        let own = tls(ClientTlsMode::Allow, PeerTlsMode::Disabled, None);
        spec.tls = Some(Tls {
            issuer_ref: Some(issuer()),
            ..own
        });
    },
    |spec| spec.listeners = vec![listener()],
    |spec| listened(spec, |one| one.name = "other".to_owned()),
    |spec| listened(spec, |one| one.kind = ListenerType::NodePort),
    |spec| listened(spec, |one| one.servers = ListenerServers::All),
    |spec| listened(spec, |one| one.source_ranges.push("10.0.0.0/8".to_owned())),
    |spec| {
        listened(spec, |one| {
            drop(one.annotations.insert("a".to_owned(), String::new()))
        })
    },
    |spec| {
        spec.tls = Some(tls(ClientTlsMode::Allow, PeerTlsMode::Disabled, None));
        listened(spec, |one| one.tls = ListenerTls::Require);
    },
];

/// One listener, changed.
fn listened(spec: &mut ZkEnsembleSpec, change: impl FnOnce(&mut Listener)) {
    let mut one = listener();
    change(&mut one);
    spec.listeners = vec![one];
}

/// The policy, to be changed.
fn access(spec: &mut ZkEnsembleSpec) -> &mut NetworkAccess {
    spec.network_policy.get_or_insert(NetworkAccess {
        enabled: true,
        client_from: Vec::new(),
        metrics_from: Vec::new(),
    })
}

/// The observers, to be changed: one, in the first of two zones.
fn observers(spec: &mut ZkEnsembleSpec) -> &mut Observers {
    let zone = |name: &str| ObserverZone {
        name: name.to_owned(),
        min_replicas: 0,
    };
    spec.observers.get_or_insert_with(|| Observers {
        replicas: 1,
        zones: ["a", "z"].map(zone).into(),
        resources: None,
        template: None,
        storage: None,
    })
}

/// The zone without one.
fn zone(spec: &mut ZkEnsembleSpec) -> &mut ObserverZone {
    observers(spec).zones.last_mut().unwrap()
}

/// As the test below, for the parts of the spec about how clients and servers connect.
fn name_fields_of_connections() {
    let Tls {
        client: ClientTls { mode: _ },
        peer: PeerTls { mode: _ },
        secret_name: _,
        issuer_ref: _,
    } = Tls::default();
    // The names of hosts are in the certificate: see its tests.
    let Listener {
        name: _,
        kind: _,
        servers: _,
        tls: _,
        annotations: _,
        source_ranges: _,
        host_names: _,
    } = listener();
}

/// pravega/zookeeper-operator 517, 540: fields that nothing came of. Each field of the spec is named
/// here, so that a new one does not compile without a word about what it does.
#[test]
fn every_field_of_the_spec_has_an_effect() {
    let mut object = ensemble(3);
    observers(&mut object.spec);
    name_fields_of_connections();
    let ZkEnsembleSpec {
        image: _,
        suspend: _,
        voters:
            Voters {
                replicas: _,
                storage:
                    Storage {
                        size: _,
                        storage_class_name: _,
                    },
                resources: _,
                spread: _,
                replace_unavailable_after: _,
                template: _,
            },
        observers: Some(of_observers),
        tls: _,
        listeners: _,
        volumes: _,
        updates: _,
        network_policy: None,
        config: _,
    } = object.spec.clone()
    else {
        panic!("there are observers and no policy");
    };
    let NetworkAccess {
        enabled: _,
        client_from: _,
        metrics_from: _,
    } = access(&mut object.spec.clone());
    let Observers {
        replicas: _,
        zones: _,
        resources: _,
        template: _,
        storage:
            Some(ObserverStorage {
                ephemeral: Ephemeral { size_limit: _ },
            })
            | None,
    } = of_observers;
    let objects = |spec: &ZkEnsembleSpec| {
        let mut changed = object.clone();
        changed.spec = spec.clone();
        let ensemble = validate(&changed, &defaults()).unwrap().unwrap();
        let (founders, claims) = (ensemble.founders(), Claims::wanted(&ensemble));
        let built = build::build(
            &ensemble,
            &founders,
            ensemble.replicas,
            &claims,
            &build::Stamps::default(),
        );
        format!("{built:?}")
    };
    let before = objects(&object.spec);
    for (at, change) in CHANGES.iter().enumerate() {
        let mut spec = object.spec.clone();
        change(&mut spec);
        assert_ne!(objects(&spec), before, "change {at}");
    }
}

#[test]
fn fields_that_change_no_object_have_an_effect_too() {
    let mut suspended = valid(3);
    suspended.suspend = true;
    let outdated = healthy(&suspended, 2).outdated(&[1]);
    assert_eq!(plan(&suspended, &outdated, now()).step, None);
    let mut paused = ensemble(3);
    let updates = Updates {
        paused: true,
        windows: Vec::new(),
    };
    paused.spec.updates = Some(updates);
    let paused = validate(&paused, &defaults()).unwrap().unwrap();
    let outdated = healthy(&paused, 2).outdated(&[1]);
    assert_eq!(plan(&paused, &outdated, now()).step, None);
    // This one makes another pod when a voter is away.
    let mut replacing = valid(3);
    let away = healthy(&replacing, 2).starting(1, 100);
    assert_eq!(plan(&replacing, &away, now()).slots, 3);
    replacing.replace_after_s = Some(60);
    assert_eq!(plan(&replacing, &away, now()).slots, 4);
}
