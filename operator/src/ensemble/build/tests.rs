//! What must be in the objects, checked in the JSON that goes to the API server.

use serde_json::{Value, json};

use super::*;
use crate::crd::{ClientTlsMode, Listener, ListenerServers, ListenerTls, ListenerType};
use crate::ensemble::certificates::CertificateSource;
use crate::fixtures::{listener, valid, valid_with_observers, valid_with_tls};
use crate::members::ConfigVersion;

/// Value at a JSON pointer.
#[track_caller]
fn at(object: &impl serde::Serialize, pointer: &str) -> Value {
    json!(object)
        .pointer(pointer)
        .cloned()
        .unwrap_or(Value::Null)
}

/// All objects of an ensemble with that many voters, at its beginning.
fn built(replicas: i32) -> Resources {
    build_of(&valid(replicas))
}

fn build_of(ensemble: &ValidatedEnsemble) -> Resources {
    let claims = Claims::wanted(ensemble);
    build(
        ensemble,
        &ensemble.founders(),
        ensemble.replicas,
        &claims,
        &Stamps::default(),
    )
}

#[test]
fn zoo_cfg_is_as_written_here() {
    let mut ensemble = valid(3);
    ensemble
        .config
        .insert("maxClientCnxns".to_owned(), "200".to_owned());
    ensemble
        .config
        .insert("tickTime".to_owned(), "1000".to_owned());
    let expected = "\
# Written by the Quorate operator; changes here are undone.
4lw.commands.whitelist=ruok,srvr,stat,mntr,conf,isro
admin.serverPort=8080
autopurge.purgeInterval=1
autopurge.snapRetainCount=3
dataDir=/data
db.autocreate=false
electionPortBindRetry=0
initLimit=10
maxClientCnxns=200
quorate.ensembleId=uid-of-demo
quorate.members.file=/data/members
quorate.operatorDigest=DIGEST
quorate.settings.revision=REVISION
quorumListenOnAllIPs=true
reconfigEnabled=true
standaloneEnabled=false
syncLimit=5
tickTime=1000
quorate.members.version=200000007
server.1=demo-voter-0.demo-peers.default.svc.cluster.local:2888:3888:participant;0.0.0.0:2181
server.2=demo-voter-1.demo-peers.default.svc.cluster.local:2888:3888:participant;0.0.0.0:2181
server.3=demo-voter-2.demo-peers.default.svc.cluster.local:2888:3888:participant;0.0.0.0:2181
";
    let members = Membership {
        version: ConfigVersion(0x2_0000_0007),
        ..ensemble.founders()
    };
    let config = build(
        &ensemble,
        &members,
        3,
        &Claims::wanted(&ensemble),
        &Stamps::default(),
    )
    .config;
    let digest = &ensemble.operator_digest;
    let expected = expected.replace("DIGEST", digest);
    let expected = expected.replace("REVISION", &settings_revision(&ensemble));
    assert_eq!(config.data.unwrap()["zoo.cfg"], expected);
}

#[test]
fn members_and_slots_change_no_template() {
    let ensemble = valid(3);
    let members = ensemble.founders().with([1, 2, 3, 4].into());
    let before = build_of(&ensemble);
    // A StatefulSet that is there keeps the claims that it was made with.
    let claims = Claims {
        size: Quantity("512Mi".to_owned()),
        when_deleted: Retention::Delete,
    };
    let after = build(&ensemble, &members, 5, &claims, &Stamps::default());
    assert_ne!(before.config.data, after.config.data);
    assert_eq!(at(&after.voters, "/spec/replicas"), json!(5));
    let template = |resources: &Resources| at(&resources.voters, "/spec/template");
    assert_eq!(template(&before), template(&after));
    let claim = "/spec/volumeClaimTemplates/0/spec/resources/requests/storage";
    assert_eq!(at(&after.voters, claim), json!("512Mi"));
    let when_deleted = "/spec/persistentVolumeClaimRetentionPolicy/whenDeleted";
    assert_eq!(at(&after.voters, when_deleted), json!("Delete"));
    let mut restarted = valid(3);
    restarted.restarted_at = Some("now".to_owned());
    assert_ne!(template(&before), template(&build_of(&restarted)));
}

#[test]
fn pods_meet_the_restricted_standard() {
    let voters = built(3).voters;
    let pod = "/spec/template/spec";
    for (pointer, expected) in [
        ("/automountServiceAccountToken", json!(false)),
        ("/securityContext/runAsNonRoot", json!(true)),
        ("/securityContext/runAsUser", json!(65532)),
        ("/securityContext/runAsGroup", json!(65532)),
        ("/securityContext/fsGroup", json!(65532)),
        (
            "/securityContext/seccompProfile",
            json!({"type": "RuntimeDefault"}),
        ),
        (
            "/containers/0/securityContext/allowPrivilegeEscalation",
            json!(false),
        ),
        (
            "/containers/0/securityContext/readOnlyRootFilesystem",
            json!(true),
        ),
        (
            "/containers/0/securityContext/capabilities",
            json!({"drop": ["ALL"]}),
        ),
        ("/terminationGracePeriodSeconds", json!(30)),
    ] {
        assert_eq!(
            at(&voters, &format!("{pod}{pointer}")),
            expected,
            "{pointer}"
        );
    }
}

#[test]
fn server_learns_its_id_from_the_name_of_its_pod() {
    let voters = built(3).voters;
    let container = "/spec/template/spec/containers/0";
    assert_eq!(
        at(&voters, &format!("{container}/args")),
        json!([
            "serve",
            "/conf/zoo.cfg",
            "--pod-name",
            "$(POD_NAME)",
            "--id-base",
            "1",
            "--pod-host",
            "$(POD_NAME).demo-peers.default.svc.cluster.local"
        ])
    );
    assert_eq!(
        at(
            &voters,
            &format!("{container}/env/0/valueFrom/fieldRef/fieldPath")
        ),
        json!("metadata.name")
    );
}

#[test]
fn voters_start_together_and_restart_only_by_the_operator() {
    let voters = built(5).voters;
    for (pointer, expected) in [
        ("/metadata/ownerReferences/0/uid", json!("uid-of-demo")),
        ("/metadata/ownerReferences/0/controller", json!(true)),
        ("/spec/replicas", json!(5)),
        ("/spec/podManagementPolicy", json!("Parallel")),
        ("/spec/updateStrategy", json!({"type": "OnDelete"})),
        ("/spec/serviceName", json!("demo-peers")),
        (
            "/spec/persistentVolumeClaimRetentionPolicy/whenDeleted",
            json!("Retain"),
        ),
        (
            "/spec/volumeClaimTemplates/0/spec/resources/requests/storage",
            json!("1Gi"),
        ),
        (
            "/spec/volumeClaimTemplates/0/spec/storageClassName",
            Value::Null,
        ),
    ] {
        assert_eq!(at(&voters, pointer), expected, "{pointer}");
    }
}

#[test]
fn services_differ_in_whom_they_show() {
    let built = built(3);
    assert_eq!(at(&built.peers, "/spec/clusterIP"), json!("None"));
    assert_eq!(
        at(&built.peers, "/spec/publishNotReadyAddresses"),
        json!(true)
    );
    assert_eq!(
        at(&built.client, "/spec/publishNotReadyAddresses"),
        Value::Null
    );
    assert_eq!(at(&built.client, "/spec/ports/0/port"), json!(2181));
    let selector = at(&built.voters, "/spec/selector/matchLabels");
    assert_eq!(at(&built.client, "/spec/selector"), selector);
    let labels = at(&built.voters, "/spec/template/metadata/labels");
    for (key, value) in selector.as_object().unwrap() {
        assert_eq!(labels.get(key), Some(value));
    }
}

#[test]
fn budget_lets_one_voter_go_and_is_left_out_for_a_single_one() {
    let budget = built(3).disruption_budget.unwrap();
    assert_eq!(at(&budget, "/spec/maxUnavailable"), json!(1));
    assert!(built(1).disruption_budget.is_none());
}

#[test]
fn observers_have_their_own_sets_zones_services_and_ids() {
    let built = build_of(&valid_with_observers(7));
    let counts = |pointer: &str| -> Vec<Value> {
        built.observers.iter().map(|set| at(set, pointer)).collect()
    };
    assert_eq!(counts("/spec/replicas"), [3, 2, 2]);
    assert_eq!(
        counts("/metadata/name"),
        ["demo-observer-a", "demo-observer-b", "demo-observer-c"]
    );
    let pod = "/spec/template/spec";
    let of_b = |pointer: &str| at(&built.observers[1], &format!("{pod}{pointer}"));
    assert_eq!(
        of_b("/nodeSelector"),
        json!({"topology.kubernetes.io/zone": "b"})
    );
    let args = of_b("/containers/0/args");
    let args: Vec<&str> = args
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert!(
        args.contains(&"--observer") && args.contains(&"64"),
        "{args:?}"
    );
    let data = of_b("/volumes/1");
    assert_eq!(data, json!({"name": "data", "emptyDir": {}}));
    assert_eq!(
        counts("/spec/volumeClaimTemplates"),
        [Value::Null, Value::Null, Value::Null]
    );
    let selector = at(&built.zones[1], "/spec/selector");
    assert_eq!(
        selector,
        json!({"quorate.dev/ensemble": "demo", "quorate.dev/role": "observer", "quorate.dev/zone": "b"})
    );
    let budget = built.observer_budget.unwrap();
    assert_eq!(at(&budget, "/spec/maxUnavailable"), json!("25%"));
    // Clients of the voters' Service are not sent to other zones' observers.
    assert_eq!(
        at(&built.client, "/spec/selector"),
        json!({"quorate.dev/ensemble": "demo", "quorate.dev/role": "voter"})
    );
    assert_eq!(
        at(&built.peers, "/spec/selector"),
        json!({"quorate.dev/ensemble": "demo"})
    );
    let voter = at(&built.voters, "/spec/template/spec/containers/0/args");
    assert!(!voter.to_string().contains("observer"));
}

#[test]
fn the_number_of_observers_changes_no_template() {
    let template = |replicas: i32| {
        let sets = build_of(&valid_with_observers(replicas)).observers;
        sets.iter()
            .map(|set| at(set, "/spec/template"))
            .collect::<Vec<_>>()
    };
    assert_eq!(template(3), template(30));
}

#[test]
fn template_changes_with_settings_that_need_a_restart_and_not_by_itself() {
    let ensemble = valid(3);
    let fingerprint = |ensemble: &ValidatedEnsemble, stamps: &Stamps| {
        template_fingerprint(ensemble, Servers::Voters, stamps)
    };
    let wanted = Stamps::default();
    let before = fingerprint(&ensemble, &wanted);
    assert_eq!(before, fingerprint(&valid(3), &wanted));
    let with = |key: &str| {
        let mut other = valid(3);
        other.config.insert(key.to_owned(), "200".to_owned());
        other
    };
    assert_ne!(fingerprint(&with("snapCount"), &wanted), before);
    let noted = at(
        &build_of(&with("snapCount")).voters,
        "/metadata/annotations",
    );
    let expected = fingerprint(&with("snapCount"), &wanted);
    assert_eq!(noted[TEMPLATE_ANNOTATION], json!(expected));
    // The others are in the file, and the template has what it had.
    let stamp = settings_revision(&ensemble);
    let kept = Stamps(BTreeMap::from([("demo-voter".to_owned(), stamp)]));
    for key in ["maxClientCnxns", "zookeeper.maxCnxns"] {
        assert_eq!(fingerprint(&with(key), &kept), before, "{key}");
        assert_ne!(settings_revision(&with(key)), settings_revision(&ensemble));
    }
    assert_ne!(fingerprint(&with("maxCnxns"), &wanted), before);
}

#[test]
fn longest_name_fits_into_dns_labels() {
    let mut ensemble = valid(7);
    ensemble.name = "a".repeat(30);
    for pod in ensemble.wanted().into_iter().map(|id| ensemble.pod_of(id)) {
        assert!(pod.len() <= 63, "{pod}");
    }
    for name in [
        ensemble.peers_name(),
        ensemble.client_name(),
        ensemble.voter_set_name(),
        ensemble.observer_set_name(&"z".repeat(12)),
    ] {
        // The controller appends a hash of 10 characters and a hyphen to the name of a revision,
        // which becomes a label of the pod.
        assert!(name.len() + 11 <= 63, "{name}");
    }
}

/// The settings of `zoo.cfg` that speak of TLS.
fn tls_settings(ensemble: &ValidatedEnsemble) -> Vec<String> {
    let data = build_of(ensemble).config.data.unwrap();
    let of_tls = |line: &&str| {
        [
            "ssl",
            "secure",
            "fips",
            "portUni",
            "client.",
            "quorate.plain",
        ]
        .iter()
        .any(|start| line.starts_with(start))
    };
    let lines = data["zoo.cfg"].lines().filter(of_tls);
    lines.map(str::to_owned).collect()
}

#[test]
fn tls_is_in_the_settings_of_those_that_asked_for_it() {
    assert!(tls_settings(&valid(3)).is_empty());
    let mut ensemble = valid_with_tls(None);
    assert_eq!(
        tls_settings(&ensemble),
        [
            "client.certReload=true",
            "fips-mode=false",
            "portUnification=false",
            "secureClientPort=2281",
            "ssl.clientAuth=none",
            "ssl.keyStore.location=/tls",
            "ssl.quorum.clientAuth=need",
            "ssl.quorum.clientHostnameVerification=false",
            "ssl.quorum.hostnameVerification=true",
            "ssl.quorum.keyStore.location=/tls",
            "ssl.quorum.trustStore.location=/tls",
            "sslQuorum=true",
            "sslQuorumReloadCertFiles=true",
        ]
    );
    ensemble.tls.peer = crate::crd::PeerTlsMode::Disabled;
    ensemble.tls.client = ClientTlsMode::Require;
    let asked = ("ssl.clientAuth".to_owned(), "want".to_owned());
    ensemble.config.extend([asked]);
    assert_eq!(
        tls_settings(&ensemble),
        [
            "client.certReload=true",
            "quorate.plainClientPort=false",
            "secureClientPort=2281",
            "ssl.clientAuth=want",
            "ssl.keyStore.location=/tls",
            "ssl.trustStore.location=/tls",
        ]
    );
}

#[test]
fn ports_are_those_of_the_mode() {
    let numbers = |mode: ClientTlsMode| {
        let mut ensemble = valid_with_observers(3);
        ensemble.tls.client = mode;
        let built = build_of(&ensemble);
        let of = |ports: Value, field: &str| -> Vec<i64> {
            let ports = ports.as_array().cloned().unwrap_or_default();
            ports
                .iter()
                .filter_map(|port| port[field].as_i64())
                .collect()
        };
        let clients = of(at(&built.client, "/spec/ports"), "port");
        assert_eq!(of(at(&built.zones[0], "/spec/ports"), "port"), clients);
        let container = "/spec/template/spec/containers/0/ports";
        let all = of(at(&built.voters, container), "containerPort");
        assert_eq!(all, [clients.as_slice(), &[2888, 3888, 8080]].concat());
        let peers = of(at(&built.peers, "/spec/ports"), "port");
        assert_eq!(peers, [clients.as_slice(), &[2888, 3888]].concat());
        clients
    };
    assert_eq!(numbers(ClientTlsMode::Disabled), [2181]);
    assert_eq!(numbers(ClientTlsMode::Allow), [2181, 2281]);
    assert_eq!(numbers(ClientTlsMode::Require), [2281]);
}

/// apache/pulsar-helm-chart 359: a new certificate was there, and the servers kept the old one. The kubelet
/// brings nothing new to single files (subPath), and restarts for a renewal cost leaders.
#[test]
fn certificate_is_a_directory_that_no_template_depends_on() {
    let mut ensemble = valid_with_tls(None);
    let pod = "/spec/template/spec";
    let built = build_of(&ensemble);
    assert_eq!(
        at(&built.voters, &format!("{pod}/volumes/1")),
        json!({"name": "tls", "secret": {"secretName": "demo-tls", "defaultMode": 0o440}})
    );
    assert_eq!(
        at(&built.voters, &format!("{pod}/containers/0/volumeMounts/2")),
        json!({"name": "tls", "mountPath": "/tls", "readOnly": true})
    );
    let template = at(&built.voters, "/spec/template").to_string();
    assert!(!template.contains("demo-ca"), "servers have no use for it");
    // Which Secret it is, a restart has to bring; what is in it, none.
    let before = template_fingerprint(&ensemble, Servers::Voters, &Stamps::default());
    ensemble.tls.source = CertificateSource::Secret("from-elsewhere".to_owned());
    assert_ne!(
        template_fingerprint(&ensemble, Servers::Voters, &Stamps::default()),
        before
    );
    let plain = at(&build_of(&valid(3)).voters, pod).to_string();
    assert!(!plain.contains("tls"), "{plain}");
}

#[test]
fn listeners_are_services_of_their_own() {
    let mut ensemble = valid_with_observers(3);
    ensemble.tls.client = ClientTlsMode::Allow;
    ensemble.listeners = vec![Listener {
        kind: ListenerType::LoadBalancer,
        servers: ListenerServers::Observers,
        tls: ListenerTls::Require,
        annotations: [("example.com/scheme".to_owned(), "internal".to_owned())].into(),
        source_ranges: vec!["10.0.0.0/8".to_owned()],
        ..listener()
    }];
    let built = json!(build_of(&ensemble).listeners);
    let service = &built[0];
    assert_eq!(service["metadata"]["name"], "demo-listener-edge");
    assert_eq!(
        service["metadata"]["annotations"],
        json!({"example.com/scheme": "internal"})
    );
    assert_eq!(
        service["spec"],
        json!({
            "type": "LoadBalancer",
            "selector": {"quorate.dev/ensemble": "demo", "quorate.dev/role": "observer"},
            "ports": [{
                "name": "secure-client", "port": 2281, "protocol": "TCP",
                "targetPort": "secure-client",
            }],
            "loadBalancerSourceRanges": ["10.0.0.0/8"],
        })
    );
}
