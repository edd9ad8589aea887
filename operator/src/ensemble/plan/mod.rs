//! The safety brain: from what is wanted and what was found to what it means and at most one step.
//!
//! Pure: the same arguments give the same plan. At most one step at a time, and none that could cost
//! the quorum while there is one: `formation.rs` begins an ensemble, `scale.rs` changes its members,
//! `rollout.rs` restarts pods of voters and `observers.rs` those of observers, `volumes.rs` lets volumes
//! grow, `conditions.rs` says what all of it means.
//!
//! `settings.rs` looks at what servers take while they run. `replace.rs` says who is to vote while a voter is lost.

mod conditions;
mod formation;
mod observers;
mod quorum;
mod replace;
mod rollout;
mod safety;
mod scale;
mod settings;
mod volumes;

use std::net::IpAddr;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

pub use conditions::{Truth, Verdict};
pub(crate) use formation::Forming;
pub(crate) use observers::Observers;
pub use quorum::Quorum;
pub(crate) use rollout::Rollout;
pub(crate) use scale::Scaling;
pub(crate) use settings::Settings;
pub(crate) use volumes::Growth;

use super::build::{self, Claims, Servers, Stamps};
use super::certificates;
use super::membership::Membership;
use super::observe::{Observed, ServerPod};
use super::validate::ValidatedEnsemble;
use crate::crd::{Formation, MemberState, Operation};
use crate::members::ConfigVersion;
use crate::quantity::Size;

/// How long every voter must have been ready before the next one may go: a server that dies soon
/// after its start must be seen dying first.
const STABILIZATION_S: i64 = 10;

/// How long a pod may take to serve before a rollout counts as stalled.
const PROGRESS_DEADLINE_S: i64 = 600;

/// How long pods may take to start before their absence is called a fault.
const START_GRACE_S: i64 = 120;

/// Pace while something moves; changes of objects come as events, roles of servers do not.
const PACE_MOVING: Duration = Duration::from_secs(5);

/// Pace after a step that is over when it was taken: the next one need not wait.
const PACE_STEP: Duration = Duration::from_millis(500);

/// Pace at rest.
pub(super) const PACE_RESTING: Duration = Duration::from_secs(30);

/// What was concluded.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// One verdict for each condition.
    pub conditions: Vec<Verdict>,
    /// Id of the server that leads with a quorum.
    pub leader: Option<u8>,
    /// The members, to be recorded before anything else is done.
    pub members: Membership,
    /// How the ensemble began, to be recorded likewise.
    pub formation: Formation,
    /// Number of pods of voters.
    pub slots: u8,
    /// What the StatefulSet of the voters says about their volumes.
    pub claims: Claims,
    /// The settings in the templates of pods.
    pub stamps: Stamps,
    /// The one step to take now.
    pub step: Option<Step>,
    /// What is being done; `None` at rest.
    pub operation: Option<Operation>,
    /// When to look again at the latest.
    pub look_again: Duration,
}

/// A server that can be asked something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Id of the server.
    pub server_id: u8,
    /// Name of its pod.
    pub pod: String,
    /// Address of the pod.
    pub ip: IpAddr,
    /// The life of the process that was seen.
    pub life: String,
}

/// A step that cannot be taken back, or that could cost something at the wrong moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Tell these empty servers that their ensemble begins now.
    Form {
        /// Whom.
        servers: Vec<Place>,
    },
    /// Delete this very pod, so that it comes back from the new template.
    Restart {
        /// Id of the server.
        server_id: u8,
        /// Name of the pod.
        pod: String,
        /// Uid of the pod; another one of that name stays.
        uid: String,
        /// Why, for the log, the event and the metric.
        why: RestartReason,
    },
    /// Give a server a vote.
    AddVoter {
        /// Where it is asked for.
        via: Place,
        /// The config that is changed, and no other.
        from: ConfigVersion,
        /// Id of the server.
        server_id: u8,
        /// Name of its pod.
        pod: String,
    },
    /// Give a server the vote of another one, in one change.
    ReplaceVoter {
        /// Where it is asked for.
        via: Place,
        /// The config that is changed, and no other.
        from: ConfigVersion,
        /// Id of the server that gets the vote.
        joining: u8,
        /// Id of the one that loses it.
        leaving: u8,
        /// Names of their pods.
        pods: [String; 2],
    },
    /// Take a server out of the members.
    RemoveVoter {
        /// Where it is asked for.
        via: Place,
        /// The config that is changed, and no other.
        from: ConfigVersion,
        /// Id of the server.
        server_id: u8,
        /// Name of its pod.
        pod: String,
    },
    /// Ask for a larger volume.
    GrowVolume {
        /// Name of the claim.
        claim: String,
        /// Version of the claim; one that has changed stays.
        version: String,
        /// Name of the pod.
        pod: String,
        /// The size.
        size: Size,
    },
    /// Delete the StatefulSet of the voters and leave its pods, so that it is made anew.
    RecreateSet {
        /// Its name.
        name: String,
        /// Its uid; another one of that name stays.
        uid: String,
        /// Its version; one that has changed stays.
        version: String,
    },
}

impl Step {
    /// The reason as a constant, for conditions, events and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Form { .. } => "Forming",
            Self::Restart { why, .. } => why.as_str(),
            Self::AddVoter { .. } => "AddingVoter",
            Self::ReplaceVoter { .. } => "ReplacingVoter",
            Self::RemoveVoter { .. } => "RemovingVoter",
            Self::GrowVolume { .. } => "GrowingVolume",
            Self::RecreateSet { .. } => "RecreatingStatefulSet",
        }
    }

    /// The same with another reason, if it is a restart.
    fn restarting_for(mut self, reason: RestartReason) -> Self {
        if let Self::Restart { why, .. } = &mut self {
            *why = reason;
        }
        self
    }

    /// A sentence for people.
    pub fn text(&self) -> String {
        match self {
            Self::Form { servers } => {
                let pods: Vec<&str> = servers.iter().map(|place| place.pod.as_str()).collect();
                format!("tells {} that the ensemble begins", pods.join(", "))
            }
            Self::Restart {
                pod,
                why: RestartReason::VolumePending,
                ..
            } => format!("restarts {pod} for the file system on its volume to grow"),
            Self::Restart { pod, .. } => format!("restarts {pod} with the new spec"),
            Self::AddVoter { pod, .. } => format!("gives {pod} a vote"),
            Self::ReplaceVoter {
                pods: [joining, leaving],
                ..
            } => format!("gives {joining} the vote of {leaving}"),
            Self::RemoveVoter { pod, .. } => format!("takes {pod} out of the members"),
            Self::GrowVolume { pod, size, .. } => {
                format!("lets the volume of {pod} grow to {size}")
            }
            Self::RecreateSet { name, .. } => {
                format!("makes StatefulSet {name} again with the new size, around its pods")
            }
        }
    }
}

/// Why a server is restarted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartReason {
    /// It takes no part and its template is outdated.
    OutdatedAndAbsent,
    /// It has no vote and its template is outdated.
    OutdatedWithoutVote,
    /// It observes and its template is outdated.
    OutdatedObserver,
    /// It follows and its template is outdated.
    OutdatedFollower,
    /// It leads, it alone is left and its template is outdated.
    OutdatedLeader,
    /// The file system on its volume does not grow in use.
    VolumePending,
}

impl RestartReason {
    /// The reason as a constant, for conditions, events and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OutdatedAndAbsent => "OutdatedAndAbsent",
            Self::OutdatedWithoutVote => "OutdatedWithoutVote",
            Self::OutdatedObserver => "OutdatedObserver",
            Self::OutdatedFollower => "OutdatedFollower",
            Self::OutdatedLeader => "OutdatedLeader",
            Self::VolumePending => "VolumePending",
        }
    }
}

/// Concludes what the observation means and what to do next.
pub fn plan(ensemble: &ValidatedEnsemble, observed: &Observed, now: Timestamp) -> Plan {
    let stamps = settings::stamps(ensemble, observed);
    let template = |servers: Servers<'_>| build::template_fingerprint(ensemble, servers, &stamps);
    let plan = plan_towards(ensemble, &template, observed, now);
    Plan { stamps, ..plan }
}

/// The same, for pods of the templates with these fingerprints.
fn plan_towards(
    ensemble: &ValidatedEnsemble,
    template: &dyn Fn(Servers<'_>) -> String,
    observed: &Observed,
    now: Timestamp,
) -> Plan {
    let quorum = Quorum::read(ensemble, observed);
    let (forming, form) = formation::plan(ensemble, observed, &quorum);
    let (observers, observer_restart) = observers::plan(ensemble, template, observed, &quorum, now);
    let (rollout, restart) = rollout::plan(
        ensemble,
        &template(Servers::Voters),
        observed,
        &quorum,
        &observers,
        now,
    );
    // A voter that takes no part goes first, and an observer before one that does.
    let restart = restart.or(observer_restart);
    let lost = replace::lost(ensemble, observed, &quorum, now);
    let scale = scale::plan(ensemble, observed, &quorum, &lost, now);
    let others = volumes::Others {
        quorum: &quorum,
        observers: &observers,
        rollout: &rollout,
        scaling: &scale.state,
    };
    let volumes = volumes::plan(ensemble, observed, others, now);
    let settings = settings::plan(ensemble, observed, now);
    let hold = hold(ensemble, &settings, now);
    let startable = certificates::usable(ensemble, observed.certificates.as_ref());
    let step = if ensemble.suspend || !startable {
        None
    } else {
        // Nobody waits for a volume.
        let step = choose_step(form, restart, &rollout, &scale).or(volumes.step);
        step.filter(|step| !is_held(step, &settings, hold.is_some()))
    };
    let facts = conditions::Facts {
        ensemble,
        observed,
        quorum: &quorum,
        forming: &forming,
        rollout: &rollout,
        observers: &observers,
        scaling: &scale.state,
        lost: &lost,
        growth: &volumes.state,
        settings: &settings,
        hold: hold.as_ref(),
        now,
    };
    let conditions = facts.verdicts(step.as_ref());
    let look_again = pace(step.as_ref(), conditions::at_rest(&conditions));
    Plan {
        operation: facts.operation(step.as_ref()),
        conditions,
        leader: quorum.leader,
        formation: Formation {
            voters: ensemble.formation.voters,
            complete: forming == Forming::Complete,
        },
        members: quorum.members,
        slots: scale.slots,
        claims: volumes.claims,
        stamps: Stamps::default(),
        step,
        look_again,
    }
}

/// Why no server that works is restarted now, whatever its template, as a reason and in words.
fn hold(
    ensemble: &ValidatedEnsemble,
    settings: &Settings,
    now: Timestamp,
) -> Option<(&'static str, String)> {
    if settings.are_refused() {
        let why = "waits until no server refuses its settings";
        return Some(("SettingsRefused", why.to_owned()));
    }
    ensemble.updates.hold(now)
}

/// Whether a step waits while rollouts are held. Who takes no part loses nothing, and a volume that grows is
/// no rollout; but whoever is restarted has to start again.
fn is_held(step: &Step, settings: &Settings, rollouts: bool) -> bool {
    let Step::Restart { why, .. } = step else {
        return false;
    };
    match why {
        RestartReason::OutdatedAndAbsent => false,
        RestartReason::VolumePending => settings.are_refused(),
        RestartReason::OutdatedWithoutVote
        | RestartReason::OutdatedObserver
        | RestartReason::OutdatedFollower
        | RestartReason::OutdatedLeader => rollouts,
    }
}

/// When to look again at the latest.
fn pace(step: Option<&Step>, resting: bool) -> Duration {
    match step {
        Some(Step::Restart { .. } | Step::GrowVolume { .. }) => PACE_MOVING,
        Some(_) => PACE_STEP,
        None if resting => PACE_RESTING,
        None => PACE_MOVING,
    }
}

/// One at a time. Who is to go, or to be replaced, need not be restarted first; who is to come waits until
/// nothing else is in motion.
fn choose_step(
    form: Option<Step>,
    restart: Option<Step>,
    rollout: &Rollout,
    scale: &scale::Scale,
) -> Option<Step> {
    let change = scale.step.clone();
    let removal = change
        .clone()
        .filter(|step| !matches!(step, Step::AddVoter { .. }));
    let addition = change.filter(|_| *rollout == Rollout::Done);
    form.or(removal).or(restart).or(addition)
}

/// Says what is still missing before `voter` counts as stable.
fn wait_for_voter(voter: Option<&ServerPod>, pod: &str, now: Timestamp) -> Result<(), String> {
    let Some(voter) = voter else {
        return Err(format!("waits for {pod} to be created"));
    };
    if voter.terminating {
        return Err(format!("waits until {pod} has ended"));
    }
    let Some(since) = voter.ready_since else {
        return Err(format!("waits for {pod} to become ready"));
    };
    if !serves(voter) {
        return Err(format!("waits until {pod} says that it serves"));
    }
    if seconds_since(since, now) < STABILIZATION_S {
        return Err(format!(
            "waits until {pod} has been ready for {STABILIZATION_S} s"
        ));
    }
    Ok(())
}

fn serves(voter: &ServerPod) -> bool {
    voter.report.as_ref().is_some_and(|report| report.serving)
}

fn seconds_since(then: Timestamp, now: Timestamp) -> i64 {
    now.as_second() - then.as_second()
}

/// Tells how far a voter has come.
pub fn member_state(voter: Option<&ServerPod>) -> MemberState {
    match voter {
        None => MemberState::Missing,
        Some(voter) if voter.crashing => MemberState::Crashing,
        Some(voter) if voter.ip.is_none() => MemberState::Pending,
        Some(voter) => match &voter.report {
            None => MemberState::Unreachable,
            Some(report) if report.serving => MemberState::Serving,
            Some(_) => MemberState::Joining,
        },
    }
}

#[cfg(test)]
mod complaints;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(in crate::ensemble) mod walks;
