//! What a server says about itself: the fields of `GET /v1/status` that the operator decides by.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::crd::MemberRole;

/// Version of a membership: the zxid of the transaction that made it; 0 for the one that an
/// ensemble began with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConfigVersion(pub u64);

impl fmt::Display for ConfigVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

impl ConfigVersion {
    /// Reads it as the servers and the status write it: hexadecimal, without a prefix.
    pub fn parse(text: &str) -> Option<Self> {
        u64::from_str_radix(text, 16).ok().map(Self)
    }
}

impl<'de> Deserialize<'de> for ConfigVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom(format!("{text:?} is no version")))
    }
}

/// What a server says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberReport {
    /// Its own id.
    pub server_id: u8,
    /// A random text that each process of it has for itself.
    #[serde(default)]
    pub life: String,
    /// What it does.
    pub role: ReportedRole,
    /// Whether it serves clients.
    pub serving: bool,
    /// The server that it takes for the leader.
    #[serde(default)]
    pub leader: Option<u8>,
    /// Its current epoch; 0 before the first election.
    #[serde(default)]
    pub epoch: u32,
    /// Whether it has all that it ever acknowledged.
    #[serde(default)]
    pub history: History,
    /// The last transaction in its log, `0x` and hexadecimal digits.
    #[serde(default)]
    pub zxid_logged: String,
    /// The members, as it knows them.
    #[serde(default)]
    pub config: ReportedConfig,
    /// Which settings are in force; `None`: it takes none while it runs.
    #[serde(default)]
    pub settings: Option<ReportedSettings>,
    /// The learners as the leader sees them; empty elsewhere.
    #[serde(default)]
    pub learners: Vec<Learner>,
}

impl MemberReport {
    /// Whether there is nothing in it that could be lost: no transaction, and no promise.
    pub fn is_blank(&self) -> bool {
        let zxid = self.zxid_logged.trim_start_matches("0x");
        self.epoch == 0 && !zxid.is_empty() && zxid.bytes().all(|b| b == b'0')
    }
}

/// The members as a server knows them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportedConfig {
    /// Version of the config in force.
    pub version: ConfigVersion,
    /// Ids of the voters.
    #[serde(default)]
    pub voters: BTreeSet<u8>,
    /// Whether another config is proposed and not in force yet.
    #[serde(default)]
    pub proposed: bool,
    /// Ids of the voters in that one.
    #[serde(default)]
    pub proposed_voters: BTreeSet<u8>,
    /// The lines of the config in force, one for each server.
    #[serde(default)]
    pub members: Vec<String>,
}

/// Which of the settings that may change while a server runs are in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportedSettings {
    /// Their revision.
    pub revision: String,
    /// Why those that the server's file has now are not taken.
    #[serde(default)]
    pub refused: Option<ReportedRefusal>,
    /// Keys whose new values wait for the next start.
    #[serde(default)]
    pub pending: Vec<String>,
}

/// Settings that a server does not take.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportedRefusal {
    /// Their revision, where it could be read.
    #[serde(default)]
    pub revision: Option<String>,
    /// What is wrong with them.
    pub error: String,
}

/// Whether a server has all that it ever acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum History {
    /// It has.
    #[default]
    Whole,
    /// Its volume is empty and nobody said that it should be; it has no vote.
    Lost,
    /// Its files are damaged; it has no vote.
    Damaged,
}

/// One learner as its leader sees it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Learner {
    /// The learner's id.
    pub server_id: u8,
    /// Whether it votes.
    pub voter: bool,
    /// Whether it is synchronized with the leader.
    pub synced: bool,
    /// Proposals that it has not acknowledged yet.
    #[serde(default)]
    pub lag: u64,
}

/// The role as the server names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReportedRole {
    /// Looks for a leader.
    Looking,
    /// Leads.
    Leader,
    /// Follows.
    Follower,
    /// Follows without a vote.
    Observer,
    /// Runs alone.
    Standalone,
}

impl From<ReportedRole> for MemberRole {
    fn from(role: ReportedRole) -> Self {
        match role {
            ReportedRole::Looking => Self::Looking,
            ReportedRole::Leader | ReportedRole::Standalone => Self::Leader,
            ReportedRole::Follower => Self::Follower,
            ReportedRole::Observer => Self::Observer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> MemberReport {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn status_of_a_leader_is_read() {
        let report = read(concat!(
            r#"{"version":"0.1.0","serverId":2,"ensembleId":"u","role":"leader","#,
            r#""phase":"broadcast","serving":true,"leader":2,"epoch":3,"#,
            r#""zxidLogged":"0x300000005","history":"whole","#,
            r#""config":{"version":"200000001","voters":[1,2,3],"observers":[],"proposed":true},"#,
            r#""settings":{"revision":"0f","refused":{"revision":"1e","error":"zoo.cfg: bad"},"#,
            r#""pending":["snapCount"]},"#,
            r#""learners":[{"serverId":1,"voter":true,"synced":true,"lag":4}],"uptimeMs":12345}"#,
        ));
        assert_eq!((report.server_id, report.role), (2, ReportedRole::Leader));
        assert_eq!(report.config.version, ConfigVersion(0x2_0000_0001));
        assert_eq!(report.config.voters, BTreeSet::from([1, 2, 3]));
        assert!(report.config.proposed && !report.is_blank());
        assert_eq!(report.learners.first().map(|l| l.lag), Some(4));
        let settings = report.settings.unwrap();
        assert_eq!(settings.revision, "0f");
        assert_eq!(settings.pending, ["snapCount"]);
        assert_eq!(settings.refused.unwrap().revision.as_deref(), Some("1e"));
    }

    #[test]
    fn blank_is_only_who_never_promised_anything() {
        let with = |epoch: u32, zxid: &str| {
            let text = format!(
                r#"{{"serverId":1,"role":"looking","serving":false,"epoch":{epoch},
                "zxidLogged":"{zxid}","history":"lost","config":{{"version":"0"}}}}"#
            );
            read(&text)
        };
        assert!(with(0, "0x0").is_blank());
        assert!(!with(1, "0x0").is_blank());
        assert!(!with(0, "0x100000001").is_blank());
        assert!(!with(0, "").is_blank(), "not told is not empty");
        assert_eq!(with(0, "0x0").history, History::Lost);
        assert_eq!(with(0, "0x0").settings, None, "it is an older server");
    }
}
