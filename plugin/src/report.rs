//! What a server says about itself: the fields of `GET /v1/status` that are shown.

use serde::Deserialize;

/// What a server says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Its own id.
    pub server_id: u8,
    /// Version of the software.
    #[serde(default)]
    pub version: String,
    /// leader, follower, observer, looking or standalone.
    pub role: String,
    /// Whether it serves clients.
    #[serde(default)]
    pub serving: bool,
    /// Whether it follows without a vote, in no config yet.
    #[serde(default)]
    pub joining: bool,
    /// whole, lost or damaged.
    #[serde(default)]
    pub history: String,
    /// Its current epoch.
    #[serde(default)]
    pub epoch: u32,
    /// The last transaction in its tree: `0x` and hexadecimal digits.
    #[serde(default)]
    pub zxid_applied: String,
    /// The members, as it knows them.
    #[serde(default)]
    pub config: Config,
    /// The learners as the leader sees them.
    #[serde(default)]
    pub learners: Vec<Learner>,
}

/// The members as a server knows them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    /// Version of the config in force, hexadecimal.
    #[serde(default)]
    pub version: String,
    /// Ids of the voters.
    #[serde(default)]
    pub voters: Vec<u8>,
    /// Whether another config is proposed and not in force yet.
    #[serde(default)]
    pub proposed: bool,
}

/// One learner as its leader sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Learner {
    /// The learner's id.
    pub server_id: u8,
    /// Whether it finished synchronization.
    #[serde(default)]
    pub synced: bool,
    /// Transactions that it has not applied; not told by every version.
    #[serde(default)]
    pub lag_txns: Option<u64>,
    /// For how long, ms; not told by every version.
    #[serde(default)]
    pub lag_ms: Option<u64>,
}

impl Report {
    /// Whether it leads and serves.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.serving && matches!(self.role.as_str(), "leader" | "standalone")
    }
}

/// Reads a zxid: `0x` and hexadecimal digits.
#[must_use]
pub fn zxid(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_with_and_without_lag_is_read() {
        let text = r#"{"version":"0.1.0","serverId":2,"life":"x","role":"leader","serving":true,
            "epoch":3,"zxidApplied":"0x300000005","history":"whole",
            "config":{"version":"200000001","voters":[1,2,3],"proposed":false},
            "learners":[{"serverId":1,"voter":true,"synced":true,"lag":4},
                        {"serverId":3,"voter":true,"synced":true,"lag":0,"lagTxns":7,"lagMs":90}]}"#;
        let report: Report = serde_json::from_str(text).unwrap();
        assert!(report.leads());
        let lags: Vec<_> = report
            .learners
            .iter()
            .map(|l| (l.lag_txns, l.lag_ms))
            .collect();
        assert_eq!(lags, [(None, None), (Some(7), Some(90))]);
        assert_eq!(zxid(&report.zxid_applied), Some(0x3_0000_0005));
        assert_eq!(zxid("5"), None);
    }
}
