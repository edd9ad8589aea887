//! Settings that servers take while they run: how far they are with them, and what becomes of servers that
//! take none.
//!
//! The ConfigMap is written, the kubelets bring it, and each server says which revision it has. Templates
//! of pods keep the stamp of an earlier revision, so that nothing restarts; where a server says that it
//! takes no settings, the stamp changes, and a rollout brings them.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;

use super::conditions::{Facts, Truth, Verdict, shorten};
use super::seconds_since;
use crate::crd::{condition_type, operation_type};
use crate::ensemble::build::{
    RUNTIME_KEYS, Servers, Stamps, settings_revision, template_fingerprint,
};
use crate::ensemble::observe::{Observed, ServerPod, ServerSet};
use crate::ensemble::validate::ValidatedEnsemble;
use crate::members::ReportedSettings;

/// How long servers may take, s: a kubelet brings a changed ConfigMap within two minutes.
const TAKEN_WITHIN_S: i64 = 300;

/// How far the servers are with the settings that they take while they run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Settings {
    /// All that say which ones they have have those that are wanted.
    Taken,
    /// These pods have others still, for too long where it is `late`.
    Waits { pods: Vec<String>, late: bool },
    /// These pods do not take them, in words with the reason.
    Refused(Vec<String>),
}

impl Settings {
    /// Whether servers that work would not start with what is in their file.
    pub(super) fn are_refused(&self) -> bool {
        matches!(self, Self::Refused(_))
    }
}

/// The stamps of all templates. One stays as it is where that is the only difference between the template
/// that is there and the one that is wanted, and the servers from it take settings while they run.
pub(super) fn stamps(ensemble: &ValidatedEnsemble, observed: &Observed) -> Stamps {
    let mut stamps = BTreeMap::new();
    let mut keep =
        |servers: Servers<'_>, set: Option<&ServerSet>, pods: &BTreeMap<u8, ServerPod>| {
            let kept = set.and_then(|set| kept(ensemble, servers, set, pods));
            stamps.extend(kept.map(|stamp| (servers.set_name(ensemble), stamp)));
        };
    keep(
        Servers::Voters,
        observed.voter_set.as_ref(),
        &observed.voters,
    );
    for group in &ensemble.observers.groups {
        if let Some(found) = observed.observers.get(&group.zone) {
            keep(Servers::Observers(group), found.set.as_ref(), &found.pods);
        }
    }
    Stamps(stamps)
}

/// The stamp of a template that is there, if it may stay.
fn kept(
    ensemble: &ValidatedEnsemble,
    servers: Servers<'_>,
    set: &ServerSet,
    pods: &BTreeMap<u8, ServerPod>,
) -> Option<String> {
    let stamp = set.settings_stamp.clone()?;
    let stamps = Stamps(BTreeMap::from([(
        servers.set_name(ensemble),
        stamp.clone(),
    )]));
    let same = template_fingerprint(ensemble, servers, &stamps);
    // Pods from an older template restart anyway, and read the file then.
    let mut current = pods.values().filter(|p| p.revision == set.update_revision);
    let stays = set.template_fingerprint.as_ref() == Some(&same) && current.all(takes_settings);
    stays.then_some(stamp)
}

/// Whether a server takes settings while it runs, as far as it says anything.
fn takes_settings(pod: &ServerPod) -> bool {
    let Some(report) = &pod.report else {
        return true;
    };
    let waits = |settings: &ReportedSettings| {
        let mut pending = settings.pending.iter();
        pending.any(|key| RUNTIME_KEYS.contains(&key.as_str()))
    };
    report.settings.as_ref().is_some_and(|s| !waits(s))
}

/// What a server says.
struct Said<'a> {
    pod: &'a ServerPod,
    settings: &'a ReportedSettings,
    /// Whether its pod is from the template that is there.
    current: bool,
}

/// All pods, each with whether it is from the template that is there, as far as that is known.
fn servers(observed: &Observed) -> impl Iterator<Item = (&ServerPod, bool)> {
    let voters = (observed.voter_set.as_ref(), &observed.voters);
    let observers = observed.observers.values();
    let observers = observers.map(|group| (group.set.as_ref(), &group.pods));
    let groups = std::iter::once(voters).chain(observers);
    groups.flat_map(|(set, pods)| {
        let revision = set.and_then(|set| set.update_revision.as_ref());
        let current =
            move |pod: &ServerPod| revision.is_none_or(|r| pod.revision.as_ref() == Some(r));
        pods.values().map(move |pod| (pod, current(pod)))
    })
}

/// Looks at what the servers say.
pub(super) fn plan(ensemble: &ValidatedEnsemble, observed: &Observed, now: Timestamp) -> Settings {
    let said: Vec<Said<'_>> = servers(observed)
        .filter(|(pod, _)| !pod.terminating && takes_settings(pod))
        .filter_map(|(pod, current)| {
            Some(Said {
                pod,
                settings: pod.report.as_ref()?.settings.as_ref()?,
                current,
            })
        })
        .collect();
    if said.is_empty() {
        return Settings::Taken;
    }
    let wanted = settings_revision(ensemble);
    let others = || said.iter().filter(|said| said.settings.revision != wanted);
    // A pod from an older template may lack what the settings name, such as a certificate: it restarts anyway,
    // and if they are bad in truth, that is seen at the first one.
    let refused = others().filter(|said| said.current).filter_map(|said| {
        // What an earlier file had wrong does not matter any more.
        let refusal = said.settings.refused.as_ref();
        let refusal = refusal.filter(|refusal| refusal.revision.as_ref() == Some(&wanted))?;
        Some(format!(
            "{} refuses its settings: {}",
            said.pod.pod, refusal.error
        ))
    });
    let refused: Vec<String> = refused.collect();
    if !refused.is_empty() {
        return Settings::Refused(refused);
    }
    let pods: Vec<String> = others().map(|said| said.pod.pod.clone()).collect();
    if pods.is_empty() {
        return Settings::Taken;
    }
    let late = !ensemble.suspend
        && began(ensemble).is_some_and(|began| seconds_since(began, now) > TAKEN_WITHIN_S);
    Settings::Waits { pods, late }
}

/// Since when nothing but this has been awaited.
fn began(ensemble: &ValidatedEnsemble) -> Option<Timestamp> {
    let operation = ensemble.operation.as_ref();
    let operation = operation.filter(|o| o.kind == operation_type::CHANGING_SETTINGS);
    operation
        .and_then(|o| o.started_at.as_ref())
        .map(|time| time.0)
}

impl Facts<'_> {
    /// What the settings mean for a condition; `None` when they are as wanted, or do not matter to it.
    pub(super) fn settings(&self, kind: &'static str) -> Option<Verdict> {
        let truth = |holds: &str| match kind == holds {
            true => Truth::True,
            false => Truth::False,
        };
        match self.settings {
            Settings::Taken => None,
            Settings::Refused(who) => {
                let message = format!(
                    "{}; the settings before stay in force, and servers that work are not restarted; \
                     correct spec.config",
                    shorten(who.clone())
                );
                let truth = truth(condition_type::DEGRADED);
                Some(Verdict::new(kind, truth, "SettingsRefused", message))
            }
            Settings::Waits { pods, late: false } => {
                let message = format!("waits for {} to take its settings", list(pods));
                let truth = truth(condition_type::PROGRESSING);
                let holds = kind != condition_type::DEGRADED;
                holds.then(|| Verdict::new(kind, truth, "ChangingSettings", message))
            }
            Settings::Waits { pods, late: true } => {
                let message = format!(
                    "{} has not taken its settings within {} min; see whether the kubelet of its node \
                     works, and restart it otherwise",
                    list(pods),
                    TAKEN_WITHIN_S / 60
                );
                let truth = truth(condition_type::DEGRADED);
                Some(Verdict::new(kind, truth, "SettingsNotTaken", message))
            }
        }
    }
}

/// The pods in words, the first of them at least.
fn list(pods: &[String]) -> String {
    shorten(pods.to_vec()).replace("; ", ", ")
}

#[cfg(test)]
mod tests;
