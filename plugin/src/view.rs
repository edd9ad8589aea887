//! What is known of an ensemble, from its objects and from its servers. Pure.

mod assemble;
#[cfg(test)]
pub(crate) mod made_up;

use serde::Serialize;

pub use assemble::{Answer, Looked, assemble};

/// An ensemble.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct View {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Whether the operator is told to keep its hands off.
    pub suspended: bool,
    /// Whether the operator has looked at the spec as it is now.
    pub up_to_date: bool,
    /// Voters that serve, and that are wanted.
    pub voters: Counts,
    /// Observers that serve, and that are wanted; `None` where there are none.
    pub observers: Option<Counts>,
    /// Id of the server that leads, as it says itself.
    pub leader: Option<u8>,
    /// Its epoch.
    pub epoch: Option<u32>,
    /// Version of the config in force, hexadecimal.
    pub config_version: Option<String>,
    /// Whether a change of the members is under way.
    pub config_proposed: bool,
    /// Ids of the servers that vote.
    pub config_voters: Vec<u8>,
    /// What the operator does.
    pub operation: Option<Doing>,
    /// The conditions of its status.
    pub conditions: Vec<Condition>,
    /// Its servers: voters, then observers.
    pub members: Vec<Member>,
    /// What could not be looked at, and why.
    pub remarks: Vec<String>,
}

/// How many there are, of how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Those that serve.
    pub serving: usize,
    /// Those that are wanted.
    pub wanted: usize,
}

/// What the operator does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Doing {
    /// The operation, e.g. `RollingUpdate`.
    #[serde(rename = "type")]
    pub kind: String,
    /// How far it is, or what it waits for.
    pub step: String,
}

/// A condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// Its type, e.g. `Ready`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Why, in a word.
    pub reason: String,
    /// Why, in words.
    pub message: String,
}

/// A server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// Name of its pod.
    pub pod: String,
    /// Whether the pod is there.
    pub has_pod: bool,
    /// Its id.
    pub id: Option<u8>,
    /// Whether it is among the observers of the spec.
    pub observer: bool,
    /// Whether the ensemble counts its vote.
    pub votes: bool,
    /// The zone of its node.
    pub zone: Option<String>,
    /// Its node.
    pub node: Option<String>,
    /// What it does.
    pub role: Role,
    /// Its last transaction.
    pub zxid: Option<String>,
    /// How far it is behind the leader.
    pub lag: Option<Lag>,
    /// Whether Kubernetes calls the pod ready.
    pub ready: bool,
    /// How often its container was started again.
    pub restarts: u32,
    /// Version of the server.
    pub version: Option<String>,
    /// What is wrong with it.
    pub trouble: Option<String>,
}

/// What a server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// It leads.
    Leader,
    /// It follows and votes.
    Follower,
    /// It follows without a vote.
    Observer,
    /// It is being brought level, or has no vote yet.
    Joining,
    /// It looks for a leader.
    Looking,
    /// It did not answer.
    Away,
}

impl Role {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::Follower => "follower",
            Self::Observer => "observer",
            Self::Joining => "joining",
            Self::Looking => "looking",
            Self::Away => "away",
        }
    }

    /// Whether a server in this role takes part in the ensemble.
    #[must_use]
    pub fn takes_part(self) -> bool {
        matches!(self, Self::Leader | Self::Follower | Self::Observer)
    }
}

/// How far a server is behind the leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Lag {
    /// Transactions; `None` while it is in an older epoch.
    pub txns: Option<u64>,
    /// Time, ms, where the leader tells it.
    pub ms: Option<u64>,
}

impl View {
    /// A condition by its type.
    #[must_use]
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        self.conditions
            .iter()
            .find(|condition| condition.kind == kind)
    }

    /// Voters that the ensemble counts and that take part.
    #[must_use]
    pub fn voters_present(&self) -> usize {
        let present = |member: &&Member| member.votes && member.role.takes_part();
        self.members.iter().filter(present).count()
    }

    /// Voters that make a quorum.
    #[must_use]
    pub fn quorum(&self) -> usize {
        let voters = if self.config_voters.is_empty() {
            self.voters.wanted
        } else {
            self.config_voters.len()
        };
        voters / 2 + 1
    }
}
