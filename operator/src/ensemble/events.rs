//! Tells people what was done and what was not, as events beside the ensemble. Kubernetes counts
//! repeated ones together. That an event cannot be written stops nothing.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Resource;
use kube::runtime::events::{Event, EventType, Recorder};

use super::carry_out::Outcome;
use super::certificates::Due;
use super::plan::Step;
use crate::crd::ZkEnsemble;

/// Longest note that the API server takes, bytes.
const NOTE_LEN_MAX: usize = 1024;

/// Writes that a step was taken, or why it was not; nothing when it was overtaken.
pub(super) async fn stepped(
    recorder: &Recorder,
    object: &ZkEnsemble,
    step: &Step,
    outcome: &Outcome,
) {
    let (type_, note) = match outcome {
        Outcome::Done => (EventType::Normal, step.text()),
        Outcome::Refused(why) => (EventType::Warning, format!("{}: {why}", step.text())),
        Outcome::Overtaken => return,
    };
    publish(recorder, object, type_, step.reason(), action(step), note).await;
}

/// Writes that something was made of the certificates.
pub(super) async fn issued(recorder: &Recorder, object: &ZkEnsemble, due: Due) {
    let type_ = EventType::Normal;
    publish(recorder, object, type_, due.reason(), "Issue", due.text()).await;
}

/// Writes that the ensemble is left as it is, and why.
pub(super) async fn refused(
    recorder: &Recorder,
    object: &ZkEnsemble,
    reason: &'static str,
    message: &str,
) {
    let note = message.to_owned();
    publish(recorder, object, EventType::Warning, reason, "Refuse", note).await;
}

/// What was done, in the API's words.
fn action(step: &Step) -> &'static str {
    match step {
        Step::Form { .. } => "Form",
        Step::Restart { .. } => "Restart",
        Step::AddVoter { .. } | Step::ReplaceVoter { .. } | Step::RemoveVoter { .. } => {
            "Reconfigure"
        }
        Step::GrowVolume { .. } => "Grow",
        Step::RecreateSet { .. } => "Recreate",
    }
}

async fn publish(
    recorder: &Recorder,
    object: &ZkEnsemble,
    type_: EventType,
    reason: &'static str,
    action: &'static str,
    mut note: String,
) {
    let end = (0..=NOTE_LEN_MAX.min(note.len()))
        .rev()
        .find(|at| note.is_char_boundary(*at));
    note.truncate(end.unwrap_or(0));
    let event = Event {
        type_,
        reason: reason.to_owned(),
        note: Some(note),
        action: action.to_owned(),
        secondary: None,
    };
    let about: ObjectReference = object.object_ref(&());
    if let Err(error) = recorder.publish(&event, &about).await {
        tracing::warn!(reason, %error, "cannot write an event");
    }
}
