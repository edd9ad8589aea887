//! What to do next when something is wrong. Pure.

use quorate_operator::crd::condition_type;

use crate::view::{Member, Role, View};

/// Members that are spoken of one by one, at most: what keeps more than these away is one thing.
const MEMBERS_MAX: usize = 3;

/// What a person may do, most urgent first; empty when nothing is wrong.
#[must_use]
pub fn next_steps(view: &View) -> Vec<String> {
    let (name, namespace) = (&view.name, &view.namespace);
    let mut steps = Vec::new();
    if view.leader.is_none() && !view.conditions.is_empty() {
        steps.push(without_a_leader(view));
    }
    let away = view.members.iter().filter(|member| needs_a_look(member));
    steps.extend(away.take(MEMBERS_MAX).map(|member| about(member, view)));
    if view.suspended {
        steps.push(format!(
            "let the operator work again: kubectl patch zke {name} -n {namespace} --type merge \
             -p '{{\"spec\":{{\"suspend\":false}}}}'"
        ));
    } else if view.conditions.is_empty() || !view.up_to_date {
        steps.push(
            "the operator has not looked at this spec yet; if that stays so: kubectl get pods -A \
             -l app.kubernetes.io/name=quorate-operator"
                .to_owned(),
        );
    }
    let degraded = view.condition(condition_type::DEGRADED);
    if degraded.is_some_and(|degraded| degraded.status == "True") {
        steps.push(format!(
            "see what was done and refused: kubectl quorate events {name} -n {namespace}"
        ));
    }
    steps
}

fn without_a_leader(view: &View) -> String {
    let (present, quorum) = (view.voters_present(), view.quorum());
    let looking = view
        .members
        .iter()
        .filter(|m| m.votes && matches!(m.role, Role::Looking | Role::Joining))
        .count();
    let here = present + looking;
    if here >= quorum {
        return format!(
            "nobody leads, and {here} voters answer, of whom {quorum} are a quorum: an election \
             takes seconds; look again"
        );
    }
    let away: Vec<&str> = view
        .members
        .iter()
        .filter(|member| !member.observer && member.role == Role::Away)
        .map(|member| member.pod.as_str())
        .collect();
    format!(
        "no quorum: {here} of the voters answer, {quorum} are needed; writes wait until {} more of {} \
         are back",
        quorum.saturating_sub(here),
        if away.is_empty() {
            "the voters".to_owned()
        } else {
            away.join(", ")
        },
    )
}

fn needs_a_look(member: &Member) -> bool {
    member.role == Role::Away && member.trouble.is_some()
}

fn about(member: &Member, view: &View) -> String {
    let (pod, namespace) = (&member.pod, &view.namespace);
    if !member.has_pod {
        let set = pod.rsplit_once('-').map_or(pod.as_str(), |(set, _)| set);
        format!("find out why {pod} is not made: kubectl describe sts {set} -n {namespace}")
    } else if member.node.is_none() {
        format!("find out why {pod} has no node: kubectl describe pod {pod} -n {namespace}")
    } else if member.restarts > 0 {
        format!("read why {pod} ended: kubectl logs {pod} -n {namespace} --previous")
    } else {
        format!("look at {pod} and its node: kubectl describe pod {pod} -n {namespace}")
    }
}
