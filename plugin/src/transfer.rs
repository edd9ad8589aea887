//! `kubectl quorate transfer`: has the leader pass on the lead.

use quorate_operator::crd::ZkEnsemble;

use crate::admin;
use crate::arguments::Transfer;
use crate::cluster::Cluster;
use crate::failure::Failure;
use crate::status::look;
use crate::view::{Member, Role, View, assemble};

/// Passes on the lead and tells who leads; returns the exit code.
///
/// # Errors
/// When nobody leads, the wanted leader is no voter, or the leader refuses.
pub async fn run(cluster: &Cluster, asked: &Transfer) -> Result<u8, Failure> {
    let object: ZkEnsemble = cluster.ensemble(&asked.name).await?;
    let view = assemble(&look(cluster, object).await?);
    let target = asked.to.as_deref().map(|to| target(&view, to));
    let target = target.transpose()?;
    let leader = leader(&view)?;
    if target.is_some() && target == leader.id {
        anstream::println!("{} leads already", leader.pod);
        return Ok(0);
    }
    let (namespace, pod) = (&view.namespace, &leader.pod);
    let now = admin::transfer(cluster, namespace, pod, target, asked.deadline_ms).await?;
    anstream::println!("{} leads, before it was {pod}", called(&view, now));
    Ok(0)
}

/// The member that leads and answers.
fn leader(view: &View) -> Result<&Member, Failure> {
    let leads = |member: &&Member| member.role == Role::Leader && member.zxid.is_some();
    view.members.iter().find(leads).ok_or_else(|| {
        let answers = view.members.iter().filter(|member| member.zxid.is_some());
        let silent = view
            .members
            .iter()
            .find_map(|member| member.trouble.clone());
        let why = match (answers.count(), view.remarks.first().cloned().or(silent)) {
            (0, Some(why)) => format!("no server answers: {why}"),
            (0, None) => "no server answers".to_owned(),
            (count, _) => format!("{count} servers answer, and none leads"),
        };
        Failure::NoLeader {
            name: view.name.clone(),
            namespace: view.namespace.clone(),
            why,
        }
    })
}

/// The id of the voter that is meant by its id or by its pod's name.
fn target(view: &View, to: &str) -> Result<u8, Failure> {
    let voters = view.members.iter().filter(|member| member.votes);
    let meant =
        |member: &&Member| member.pod == to || member.id.is_some_and(|id| id.to_string() == to);
    let found = voters.clone().find(meant).and_then(|member| member.id);
    found.ok_or_else(|| {
        let names = voters.filter_map(|member| Some(format!("{} ({})", member.pod, member.id?)));
        let names: Vec<String> = names.collect();
        Failure::NoVoter {
            to: to.to_owned(),
            name: view.name.clone(),
            voters: if names.is_empty() {
                "its voters, when there are some".to_owned()
            } else {
                names.join(", ")
            },
        }
    })
}

fn called(view: &View, id: u8) -> String {
    let member = view.members.iter().find(|member| member.id == Some(id));
    member.map_or_else(|| format!("server {id}"), |member| member.pod.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::made_up;

    #[test]
    fn a_voter_is_meant_by_its_id_or_its_pod() {
        let view = made_up::healthy().view();
        assert_eq!(target(&view, "3").unwrap(), 3);
        assert_eq!(target(&view, "orders-voter-2").unwrap(), 3);
        assert_eq!(leader(&view).unwrap().pod, "orders-voter-1");
    }

    #[test]
    fn who_is_no_voter_cannot_lead() {
        let view = made_up::healthy().observers().view();
        for to in ["9", "64", "orders-observer-a-0", "orders-voter-3", "03", ""] {
            let text = target(&view, to).unwrap_err().to_string();
            assert!(
                text.ends_with("orders-voter-1 (2), orders-voter-2 (3)"),
                "{text}"
            );
        }
    }

    #[test]
    fn without_a_leader_it_says_what_the_servers_say() {
        let looking = made_up::healthy().looking(&[1, 2, 3]).view();
        let text = leader(&looking).unwrap_err().to_string();
        assert!(text.contains("3 servers answer, and none leads"), "{text}");
        let silent = made_up::healthy().silent(&[1, 2, 3]).view();
        let text = leader(&silent).unwrap_err().to_string();
        assert!(
            text.contains("no server answers: no answer within 4 s"),
            "{text}"
        );
    }
}
