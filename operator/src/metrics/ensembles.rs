//! The ensembles, as their statuses say that they are: gauges that are made anew from the last status of
//! each, so that nothing stays behind of what is no longer so.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use k8s_openapi::jiff::Timestamp;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{GaugeVec, HistogramOpts, HistogramVec, Opts};

use crate::crd::{ZkEnsembleStatus, condition_type, operation_type};
use crate::ensemble::certificates::{Certificate, Seen};
use crate::ensemble::observe::Observed;
use crate::ensemble::validate::ValidatedEnsemble;

/// Bounds of how long an operation takes, s: from the restart of one server to that of an ensemble whose
/// volumes are being filled.
const OPERATION_BUCKETS_S: [f64; 12] = [
    5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0, 21600.0,
];

/// Labels that every series of an ensemble has first.
const WHOSE: [&str; 2] = ["namespace", "ensemble"];

/// One family of gauges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Family {
    Condition,
    MemberInfo,
    ReplicasWanted,
    ReplicasReady,
    OperationInProgress,
    Waiting,
    Suspended,
    CertificateNotBefore,
    CertificateNotAfter,
}

impl Family {
    const ALL: [Self; 9] = [
        Self::Condition,
        Self::MemberInfo,
        Self::ReplicasWanted,
        Self::ReplicasReady,
        Self::OperationInProgress,
        Self::Waiting,
        Self::Suspended,
        Self::CertificateNotBefore,
        Self::CertificateNotAfter,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Condition => "zke_condition",
            Self::MemberInfo => "zke_member_info",
            Self::ReplicasWanted => "zke_replicas_wanted",
            Self::ReplicasReady => "zke_replicas_ready",
            Self::OperationInProgress => "zke_operation_in_progress",
            Self::Waiting => "zke_waiting",
            Self::Suspended => "zke_suspended",
            Self::CertificateNotBefore => "zke_certificate_not_before_seconds",
            Self::CertificateNotAfter => "zke_certificate_not_after_seconds",
        }
    }

    fn help(self) -> &'static str {
        match self {
            Self::Condition => "1: the condition of this type, as the status has it",
            Self::MemberInfo => "1: a server of the ensemble, and the pod and zone that it is in",
            Self::ReplicasWanted => "Servers that the spec asks for",
            Self::ReplicasReady => "Servers of those that serve clients",
            Self::OperationInProgress => "1: what is being done",
            Self::Waiting => "1: what is awaited before the next step",
            Self::Suspended => "1 while spec.suspend is set",
            Self::CertificateNotBefore => "When the certificate of the servers begins, unix time",
            Self::CertificateNotAfter => "When the certificate of the servers ends, unix time",
        }
    }

    /// The labels after those of the ensemble.
    fn labels(self) -> &'static [&'static str] {
        match self {
            Self::Condition => &["type", "status", "reason"],
            Self::MemberInfo => &["member", "pod", "role", "zone"],
            Self::ReplicasWanted | Self::ReplicasReady => &["role", "zone"],
            Self::OperationInProgress => &["operation"],
            Self::Waiting => &["reason"],
            Self::Suspended | Self::CertificateNotBefore | Self::CertificateNotAfter => &[],
        }
    }
}

/// What is known of an ensemble beside its status.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct View<'a> {
    /// Whether a step is taken now, so that nothing is awaited.
    pub(crate) steps: bool,
    /// What was found; `None` where nobody looked, because the spec cannot be carried out.
    pub(crate) found: Option<(&'a ValidatedEnsemble, &'a Observed)>,
}

/// The series of one ensemble.
type Picture = Vec<(Family, Vec<String>, f64)>;

/// All ensembles, by namespace and name.
#[derive(Clone, Debug)]
pub(super) struct Ensembles {
    pictures: Arc<Mutex<BTreeMap<[String; 2], Picture>>>,
    gauges: BTreeMap<Family, GaugeVec>,
    durations: HistogramVec,
}

impl Ensembles {
    /// Without any.
    ///
    /// # Errors
    ///
    /// When a family is not well made, which would be a defect of this file.
    pub(super) fn new() -> Result<Self, prometheus::Error> {
        let gauge = |family: Family| {
            let labels = [&WHOSE[..], family.labels()].concat();
            let gauge = GaugeVec::new(Opts::new(family.name(), family.help()), &labels)?;
            Ok((family, gauge))
        };
        let durations = HistogramOpts::new(
            "zke_operation_duration_seconds",
            "How long operations took that ended",
        );
        Ok(Self {
            pictures: Arc::default(),
            gauges: Family::ALL
                .into_iter()
                .map(gauge)
                .collect::<Result<_, prometheus::Error>>()?,
            durations: HistogramVec::new(
                durations.buckets(OPERATION_BUCKETS_S.into()),
                &[&WHOSE[..], &["operation"]].concat(),
            )?,
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<[String; 2], Picture>> {
        // A map of pictures is whole after any panic.
        self.pictures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows an ensemble so from now on.
    pub(super) fn show(
        &self,
        namespace: &str,
        name: &str,
        suspended: bool,
        status: &ZkEnsembleStatus,
        view: &View<'_>,
    ) {
        let picture = picture(suspended, status, view);
        self.lock()
            .insert([namespace.to_owned(), name.to_owned()], picture);
    }

    /// An operation ended after so many seconds.
    pub(super) fn ended(&self, namespace: &str, name: &str, operation: &'static str, seconds: f64) {
        self.durations
            .with_label_values(&[namespace, name, operation])
            .observe(seconds);
    }

    /// Drops what there is of an ensemble.
    pub(super) fn forget(&self, namespace: &str, name: &str) {
        self.lock().remove(&[namespace.to_owned(), name.to_owned()]);
        for operation in operation_type::ALL {
            // There is nothing of operations that it never had.
            drop(
                self.durations
                    .remove_label_values(&[namespace, name, operation]),
            );
        }
    }

    /// Drops what there is of all ensembles.
    pub(super) fn forget_all(&self) {
        self.lock().clear();
        self.durations.reset();
    }
}

impl Collector for Ensembles {
    fn desc(&self) -> Vec<&Desc> {
        let gauges = self.gauges.values().flat_map(Collector::desc);
        gauges.chain(self.durations.desc()).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        // Held to the end: two scrapes fill the same gauges.
        let pictures = self.lock();
        for gauge in self.gauges.values() {
            gauge.reset();
        }
        for ([namespace, name], picture) in pictures.iter() {
            for (family, labels, value) in picture {
                let whose = [namespace.as_str(), name.as_str()];
                let labels: Vec<&str> = whose
                    .into_iter()
                    .chain(labels.iter().map(String::as_str))
                    .collect();
                if let Some(gauge) = self.gauges.get(family) {
                    gauge.with_label_values(&labels).set(*value);
                }
            }
        }
        let gauges = self.gauges.values().flat_map(Collector::collect);
        // A family without a series is no family.
        gauges
            .chain(self.durations.collect())
            .filter(|family| !family.get_metric().is_empty())
            .collect()
    }
}

/// What a status says, as series.
fn picture(suspended: bool, status: &ZkEnsembleStatus, view: &View<'_>) -> Picture {
    let mut picture: Picture = Vec::new();
    let mut add = |family, labels: &[&str], value: f64| {
        let labels = labels.iter().map(|&label| label.to_owned()).collect();
        picture.push((family, labels, value));
    };
    for c in &status.conditions {
        add(Family::Condition, &[&c.type_, &c.status, &c.reason], 1.0);
    }
    if let Some(reason) = awaited(status).filter(|_| !view.steps) {
        add(Family::Waiting, &[reason], 1.0);
    }
    add(Family::Suspended, &[], f64::from(u8::from(suspended)));
    if let Some(operation) = &status.operation {
        add(Family::OperationInProgress, &[&operation.kind], 1.0);
    }
    if let Some(voters) = &status.voters {
        let of_voters = ["voter", ""];
        add(
            Family::ReplicasWanted,
            &of_voters,
            f64::from(voters.desired),
        );
        add(Family::ReplicasReady, &of_voters, f64::from(voters.ready));
    }
    for zone in status.observers.iter().flat_map(|counts| &counts.zones) {
        let of_zone = ["observer", &zone.name];
        add(Family::ReplicasWanted, &of_zone, f64::from(zone.desired));
        add(Family::ReplicasReady, &of_zone, f64::from(zone.ready));
    }
    for member in &status.members {
        let role = if member.votes { "voter" } else { "observer" };
        let (id, zone) = (member.server_id.to_string(), member.zone.as_deref());
        let labels = [&id, &member.pod, role, zone.unwrap_or_default()];
        add(Family::MemberInfo, &labels, 1.0);
    }
    if let Some((ensemble, observed)) = view.found {
        for group in &ensemble.observers.groups {
            let found = observed.observers.get(&group.zone);
            for (id, server) in found.iter().flat_map(|found| &found.pods) {
                let labels = [&id.to_string(), &server.pod, "observer", &group.zone];
                add(Family::MemberInfo, &labels, 1.0);
            }
        }
        if let Some(certificate) = certificate(observed) {
            let (from, until) = (certificate.not_before, certificate.not_after);
            add(Family::CertificateNotBefore, &[], unix_s(from));
            add(Family::CertificateNotAfter, &[], unix_s(until));
        }
    }
    picture
}

/// What Progressing says that is awaited: there is something to do and it goes on, or it went on for too
/// long.
fn awaited(status: &ZkEnsembleStatus) -> Option<&str> {
    let mut conditions = status.conditions.iter();
    let progressing = conditions.find(|c| c.type_ == condition_type::PROGRESSING)?;
    let too_long = ["DeadlineExceeded", "SettingsNotTaken"];
    let waits = progressing.status == "True" || too_long.contains(&progressing.reason.as_str());
    waits.then_some(progressing.reason.as_str())
}

/// The certificate of the servers, where there is one.
fn certificate(observed: &Observed) -> Option<&Certificate> {
    match &observed.certificates.as_ref()?.leaf {
        Seen::Usable(leaf) => Some(&leaf.certificate),
        Seen::Absent | Seen::Unusable(_) => None,
    }
}

/// Seconds since 1970; exact for as long as anybody is going to ask.
#[expect(
    clippy::cast_precision_loss,
    reason = "seconds of our time fit exactly"
)]
fn unix_s(time: Timestamp) -> f64 {
    time.as_second() as f64
}
