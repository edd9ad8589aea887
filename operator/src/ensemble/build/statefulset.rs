//! The StatefulSet of a group of servers and the template of their pods.
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
    HTTPGetAction, ObjectFieldSelector, PodSecurityContext, PodSpec, PodTemplateSpec, Probe,
    SeccompProfile, SecurityContext, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::servers::{DATA_VOLUME, Servers};
use super::{Claims, TEMPLATE_ANNOTATION, config_map, fingerprint, labels, tls};
use crate::ensemble::validate::{RESTARTED_AT_ANNOTATION, ValidatedEnsemble};
use crate::members::ADMIN_PORT;

/// Where the volume is mounted.
pub(super) const DATA_DIR: &str = "/data";

/// Where the ConfigMap is mounted.
const CONF_DIR: &str = "/conf";

/// User and group of the server: `nonroot` of the usual empty base images.
const SERVER_UID: i64 = 65532;

/// Annotation that makes settings that need a restart a changed template, so that pods get restarted.
const CONFIG_ANNOTATION: &str = "quorate.dev/config-fingerprint";

/// Annotation of pods: the settings that were to be taken without a restart when the template was last
/// changed for another reason.
pub(in crate::ensemble) const SETTINGS_ANNOTATION: &str = "quorate.dev/settings-revision";

/// Returns the set with so many pods and this stamp; the claims are for those servers that have any.
pub(super) fn set(
    ensemble: &ValidatedEnsemble,
    servers: Servers<'_>,
    slots: u8,
    claims: &Claims,
    stamp: &str,
) -> StatefulSet {
    let template = pod_template(ensemble, servers, stamp);
    let claim = servers.claim(ensemble, &claims.size);
    let mut metadata = labels::metadata(ensemble, servers.set_name(ensemble));
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
            persistent_volume_claim_retention_policy: claim.is_some().then(|| {
                StatefulSetPersistentVolumeClaimRetentionPolicy {
                    when_deleted: Some(claims.when_deleted.as_str().to_owned()),
                    when_scaled: Some(ensemble.volumes.when_scaled.as_str().to_owned()),
                }
            }),
            revision_history_limit: Some(5),
            selector: LabelSelector {
                match_labels: Some(servers.selected(ensemble)),
                ..LabelSelector::default()
            },
            template,
            volume_claim_templates: claim.map(|claim| vec![claim]),
            ..StatefulSetSpec::default()
        }),
        status: None,
    }
}

/// Returns the template of the pods, with this stamp.
pub(super) fn pod_template(
    ensemble: &ValidatedEnsemble,
    servers: Servers<'_>,
    stamp: &str,
) -> PodTemplateSpec {
    let config = fingerprint::of_text(&config_map::restart_settings(ensemble));
    let additions = servers.additions(ensemble);
    let mut annotations = additions.annotations.clone();
    annotations.insert(CONFIG_ANNOTATION.to_owned(), config);
    annotations.insert(SETTINGS_ANNOTATION.to_owned(), stamp.to_owned());
    if let Some(restarted_at) = &ensemble.restarted_at {
        annotations.insert(RESTARTED_AT_ANNOTATION.to_owned(), restarted_at.clone());
    }
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels::with(&additions.labels, servers.labels(ensemble))),
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
            node_selector: filled(&servers.node_selector(ensemble), BTreeMap::is_empty),
            tolerations: filled(&additions.tolerations, Vec::is_empty),
            affinity: additions.affinity.clone(),
            priority_class_name: additions.priority_class_name.clone(),
            image_pull_secrets: filled(&additions.image_pull_secrets, Vec::is_empty),
            topology_spread_constraints: Some(servers.spread(ensemble)),
            containers: vec![server_container(ensemble, servers)],
            volumes: Some(volumes(ensemble, servers)),
            ..PodSpec::default()
        }),
    }
}

fn volumes(ensemble: &ValidatedEnsemble, servers: Servers<'_>) -> Vec<Volume> {
    let conf = Volume {
        name: "conf".to_owned(),
        config_map: Some(ConfigMapVolumeSource {
            name: ensemble.config_name(),
            default_mode: Some(0o444),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    };
    std::iter::once(conf)
        .chain(servers.ephemeral(ensemble))
        .chain(tls::volume(ensemble))
        .collect()
}

fn server_container(ensemble: &ValidatedEnsemble, servers: Servers<'_>) -> Container {
    let conf_file = format!("{CONF_DIR}/{}", config_map::FILE_NAME);
    // The image's entry point is the server; the kubelet expands $(POD_NAME), not a shell.
    let host = ensemble.host_of("$(POD_NAME)");
    let id_base = servers.id_base().to_string();
    let args = [
        "serve",
        &conf_file,
        "--pod-name",
        "$(POD_NAME)",
        "--id-base",
        &id_base,
        "--pod-host",
        &host,
    ];
    let observes = servers.observe().then_some("--observer");
    let args = args.into_iter().chain(observes).map(str::to_owned);
    Container {
        name: "quorate".to_owned(),
        image: Some(ensemble.image.clone()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        args: Some(args.collect()),
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
        ports: Some(container_ports(ensemble)),
        resources: servers.resources(ensemble),
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
        volume_mounts: Some(mounts(ensemble)),
        ..Container::default()
    }
}

/// A field of a pod; an empty one is not written, or the API server would give back another object.
fn filled<T: Clone>(value: &T, is_empty: impl Fn(&T) -> bool) -> Option<T> {
    (!is_empty(value)).then(|| value.clone())
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

fn container_ports(ensemble: &ValidatedEnsemble) -> Vec<ContainerPort> {
    let others = [
        ("quorum", 2888),
        ("election", 3888),
        ("admin", i32::from(ADMIN_PORT)),
    ];
    tls::client_ports(ensemble)
        .into_iter()
        .chain(others)
        .map(port)
        .collect()
}

fn mounts(ensemble: &ValidatedEnsemble) -> Vec<VolumeMount> {
    let with_tls = ensemble.tls.is_on();
    let always = [
        mount(DATA_VOLUME, DATA_DIR, None),
        mount("conf", CONF_DIR, Some(true)),
    ];
    let tls = with_tls.then(|| mount(tls::TLS_VOLUME, tls::TLS_DIR, Some(true)));
    always.into_iter().chain(tls).collect()
}

fn port((name, number): (&str, i32)) -> ContainerPort {
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
