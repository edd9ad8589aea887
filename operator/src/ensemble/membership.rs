//! Who votes, at which version of the config. Pure.

use std::collections::BTreeSet;

use super::validate::VOTER_ID_MAX;
use crate::crd;
use crate::members::{ConfigVersion, ReportedConfig};

/// The members that an ensemble agreed upon.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Membership {
    /// The zxid of the change that made it; 0 for the one that the ensemble began with.
    pub version: ConfigVersion,
    /// Ids of the servers that vote.
    pub voters: BTreeSet<u8>,
    /// The lines of the servers, as the ensemble has them; empty for the one that it begins with.
    pub lines: Vec<String>,
}

impl Membership {
    /// Voters that make a quorum.
    pub fn quorum(&self) -> usize {
        self.voters.len() / 2 + 1
    }

    /// The same with other voters.
    pub fn with(&self, voters: BTreeSet<u8>) -> Self {
        Self {
            version: self.version,
            voters,
            lines: Vec::new(),
        }
    }

    /// Reads what the status recorded; `None` when that is no membership.
    pub fn from_record(record: &crd::Membership) -> Option<Self> {
        let voters: BTreeSet<u8> = record.voters.iter().copied().collect();
        let usable = voters.iter().all(|id| (1..=VOTER_ID_MAX).contains(id));
        (usable && !voters.is_empty()).then_some(Self {
            version: ConfigVersion::parse(&record.version)?,
            voters,
            lines: record.lines.clone(),
        })
    }

    /// As the status records it.
    pub fn to_record(&self) -> crd::Membership {
        crd::Membership {
            version: self.version.to_string(),
            voters: self.voters.iter().copied().collect(),
            lines: self.lines.clone(),
        }
    }
}

impl From<&ReportedConfig> for Membership {
    fn from(config: &ReportedConfig) -> Self {
        Self {
            version: config.version,
            voters: config.voters.clone(),
            lines: config.members.clone(),
        }
    }
}
