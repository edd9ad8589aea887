//! The StatefulSet of the voters and the template of their pods.
//!
//! `Parallel`, because voters need each other to become ready. `OnDelete`, because the operator
//! restarts pods itself: a StatefulSet cannot know the leader and cannot undo a bad rollout.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{
    StatefulSet, StatefulSetPersistentVolumeClaimRetentionPolicy, StatefulSetSpec,
    StatefulSetUpdateStrategy,
};
use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMapVolumeSource, Container, ContainerPort, EnvVar, EnvVarSource,
    HTTPGetAction, ObjectFieldSelector, PersistentVolumeClaim, PersistentVolumeClaimSpec,
    PodSecurityContext, PodSpec, PodTemplateSpec, Probe, SeccompProfile, SecurityContext,
    TopologySpreadConstraint, Volume, VolumeMount, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{TEMPLATE_ANNOTATION, config_map, fingerprint, labels};
use crate::crd::Spread;
use crate::ensemble::validate::{RESTARTED_AT_ANNOTATION, ValidatedEnsemble};
use crate::members::ADMIN_PORT;

/// Where the volume is mounted.
pub(super) const DATA_DIR: &str = "/data";

/// Where the ConfigMap is mounted.
const CONF_DIR: &str = "/conf";

/// User and group of the server: `nonroot` of the usual empty base images.
const SERVER_UID: i64 = 65532;

/// Zones and nodes that are needed at least where the spread is required.
const DOMAINS_MIN: i32 = 3;

/// Annotation that makes a changed configuration a changed template, so that pods get restarted.
const CONFIG_ANNOTATION: &str = "quorate.dev/config-fingerprint";

pub(super) fn voters(ensemble: &ValidatedEnsemble, slots: u8) -> StatefulSet {
    let template = pod_template(ensemble);
    let mut metadata = labels::metadata(ensemble, ensemble.voter_set_name());
    metadata.annotations = Some(BTreeMap::from([(
        TEMPLATE_ANNOTATION.to_owned(),
        fingerprint::of_json(&template),
    )]));
    StatefulSet {
        metadata,
        spec: Some(StatefulSetSpec {
            service_name: Some(ensemble.peers_name()),
            replicas: Some(i32::from(slots)),
            pod_management_policy: Some("Parallel".to_owned()),
            update_strategy: Some(StatefulSetUpdateStrategy {
                type_: Some("OnDelete".to_owned()),
                ..StatefulSetUpdateStrategy::default()
            }),
            persistent_volume_claim_retention_policy: Some(
                StatefulSetPersistentVolumeClaimRetentionPolicy {
                    when_deleted: Some(ensemble.volumes.when_deleted.as_str().to_owned()),
                    when_scaled: Some(ensemble.volumes.when_scaled.as_str().to_owned()),
                },
            ),
            revision_history_limit: Some(5),
            selector: LabelSelector {
                match_labels: Some(labels::voter_match(ensemble)),
                ..LabelSelector::default()
            },
            template,
            volume_claim_templates: Some(vec![data_claim(ensemble)]),
            ..StatefulSetSpec::default()
        }),
        status: None,
    }
}

/// Returns the template of a voter's pod.
pub(super) fn pod_template(ensemble: &ValidatedEnsemble) -> PodTemplateSpec {
    let config = fingerprint::of_text(&config_map::settings(ensemble));
    let additions = &ensemble.template;
    let mut annotations = additions.annotations.clone();
    annotations.insert(CONFIG_ANNOTATION.to_owned(), config);
    if let Some(restarted_at) = &ensemble.restarted_at {
        annotations.insert(RESTARTED_AT_ANNOTATION.to_owned(), restarted_at.clone());
    }
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels::with(&additions.labels, labels::voter(ensemble))),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        }),
        spec: Some(PodSpec {
            // The server never talks to Kubernetes.
            automount_service_account_token: Some(false),
            enable_service_links: Some(false),
            security_context: Some(PodSecurityContext {
                run_as_non_root: Some(true),
                run_as_user: Some(SERVER_UID),
                run_as_group: Some(SERVER_UID),
                fs_group: Some(SERVER_UID),
                // Changing the owner of a large volume file by file would delay each start.
                fs_group_change_policy: Some("OnRootMismatch".to_owned()),
                seccomp_profile: Some(SeccompProfile {
                    type_: "RuntimeDefault".to_owned(),
                    ..SeccompProfile::default()
                }),
                ..PodSecurityContext::default()
            }),
            // SIGTERM ends a server in order within 5 s; the rest is for a slow disk.
            termination_grace_period_seconds: Some(30),
            node_selector: filled(&additions.node_selector, BTreeMap::is_empty),
            tolerations: filled(&additions.tolerations, Vec::is_empty),
            affinity: additions.affinity.clone(),
            priority_class_name: additions.priority_class_name.clone(),
            image_pull_secrets: filled(&additions.image_pull_secrets, Vec::is_empty),
            topology_spread_constraints: Some(vec![
                spread(ensemble, "topology.kubernetes.io/zone"),
                spread(ensemble, "kubernetes.io/hostname"),
            ]),
            containers: vec![server_container(ensemble)],
            volumes: Some(vec![Volume {
                name: "conf".to_owned(),
                config_map: Some(ConfigMapVolumeSource {
                    name: ensemble.config_name(),
                    default_mode: Some(0o444),
                    ..ConfigMapVolumeSource::default()
                }),
                ..Volume::default()
            }]),
            ..PodSpec::default()
        }),
    }
}

fn server_container(ensemble: &ValidatedEnsemble) -> Container {
    let conf_file = format!("{CONF_DIR}/{}", config_map::FILE_NAME);
    // The image's entry point is the server; the kubelet expands $(POD_NAME), not a shell.
    let host = ensemble.host_of("$(POD_NAME)");
    let args = [
        "serve",
        &conf_file,
        "--pod-name",
        "$(POD_NAME)",
        "--id-base",
        "1",
        "--pod-host",
        &host,
    ];
    Container {
        name: "quorate".to_owned(),
        image: Some(ensemble.image.clone()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        args: Some(args.map(str::to_owned).to_vec()),
        env: Some(vec![EnvVar {
            name: "POD_NAME".to_owned(),
            value_from: Some(EnvVarSource {
                field_ref: Some(ObjectFieldSelector {
                    api_version: Some("v1".to_owned()),
                    field_path: "metadata.name".to_owned(),
                }),
                ..EnvVarSource::default()
            }),
            ..EnvVar::default()
        }]),
        ports: Some(vec![
            port("client", 2181),
            port("quorum", 2888),
            port("election", 3888),
            port("admin", i32::from(ADMIN_PORT)),
        ]),
        resources: ensemble.resources.clone(),
        // Replaying a long log may take minutes: up to 10 of them before the kubelet gives up.
        startup_probe: Some(probe("/livez", 2, 300)),
        liveness_probe: Some(probe("/livez", 10, 3)),
        // The server bridges an election itself (10 s), so one failure is a real one.
        readiness_probe: Some(probe("/readyz", 2, 1)),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            run_as_non_root: Some(true),
            capabilities: Some(Capabilities {
                drop: Some(vec!["ALL".to_owned()]),
                ..Capabilities::default()
            }),
            ..SecurityContext::default()
        }),
        // The last words of a server that refuses to start reach the status of the ensemble.
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: Some(vec![
            mount("data", DATA_DIR, None),
            mount("conf", CONF_DIR, Some(true)),
        ]),
        ..Container::default()
    }
}

fn data_claim(ensemble: &ValidatedEnsemble) -> PersistentVolumeClaim {
    PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some("data".to_owned()),
            labels: Some(labels::voter_match(ensemble)),
            ..ObjectMeta::default()
        },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
            storage_class_name: ensemble.storage_class.clone(),
            resources: Some(VolumeResourceRequirements {
                requests: Some(BTreeMap::from([(
                    "storage".to_owned(),
                    ensemble.storage_size.clone(),
                )])),
                ..VolumeResourceRequirements::default()
            }),
            ..PersistentVolumeClaimSpec::default()
        }),
        status: None,
    }
}

/// A field of a pod; an empty one is not written, or the API server would give back another object.
fn filled<T: Clone>(value: &T, is_empty: impl Fn(&T) -> bool) -> Option<T> {
    (!is_empty(value)).then(|| value.clone())
}

/// Spreads voters as evenly as the cluster allows; where that is not required, an ensemble starts on a
/// cluster of one node or one zone, and its status says where its voters are.
fn spread(ensemble: &ValidatedEnsemble, topology_key: &str) -> TopologySpreadConstraint {
    let (when_uneven, min_domains) = match ensemble.spread {
        Spread::Preferred => ("ScheduleAnyway", None),
        // Without it, a cluster of one zone would count as evenly spread.
        Spread::Required => ("DoNotSchedule", Some(DOMAINS_MIN)),
    };
    TopologySpreadConstraint {
        topology_key: topology_key.to_owned(),
        max_skew: 1,
        min_domains,
        when_unsatisfiable: when_uneven.to_owned(),
        label_selector: Some(LabelSelector {
            match_labels: Some(labels::voter_match(ensemble)),
            ..LabelSelector::default()
        }),
        ..TopologySpreadConstraint::default()
    }
}

fn probe(path: &str, period_s: i32, failures: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String("admin".to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period_s),
        timeout_seconds: Some(2),
        failure_threshold: Some(failures),
        ..Probe::default()
    }
}

fn port(name: &str, number: i32) -> ContainerPort {
    ContainerPort {
        name: Some(name.to_owned()),
        container_port: number,
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    }
}

fn mount(name: &str, path: &str, read_only: Option<bool>) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only,
        ..VolumeMount::default()
    }
}
