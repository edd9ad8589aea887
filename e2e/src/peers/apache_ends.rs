//! How servers of Apache end by defects of their own, read from what they said.
//!
//! Only what is proven to be theirs is told apart; every other end stays a failure.

use std::net::SocketAddr;

/// What a server found when the transactions after its newest whole snapshot did not follow on it.
const HOLE: &str = "Committed proposal cached out of order";

/// Where the transactions were read that had the hole, when a running learner does.
const WHILE_FOLLOWING: &str = "ZKDatabase.fastForwardDataBase";

/// Why a server of Apache ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// A learner whose leader is gone brings its database up to its log while its commit processor
    /// still applies to it, and takes the hole that it sees for damage. Started again, it is well.
    ReadWhileApplied,
    /// A learner that got a snapshot from this leader was killed while it wrote that to its disk, and
    /// had logged behind it already. At its start the snapshot is cut, and its log has a hole where the
    /// snapshot was: it never starts again, unless it is emptied.
    LoggedBeforeSnapshot(SocketAddr),
}

/// Reads why a server ended: `said` by the process that ended, `before` by it and those before it.
/// `None` where it is none of the known defects.
#[must_use]
pub fn why(said: &str, before: &str) -> Option<End> {
    let (_, hole) = said.split_once(HOLE)?;
    if said.contains(WHILE_FOLLOWING) {
        return Some(End::ReadWhileApplied);
    }
    let mut hole = hole.lines().next()?.split("0x").skip(1).map(hex);
    let (next, last) = (hole.next()??, hole.next()??);
    let covers = |cut: u64| last < cut && next <= cut.saturating_add(1);
    if !cut_snapshots(said).any(covers) {
        return None;
    }
    let mut leader = None;
    let mut snapshot_from = None;
    for line in before.lines() {
        if let Some((_, address)) = line.split_once("connected to leader, using address: ") {
            leader = address.rsplit('/').next()?.trim().parse().ok();
        } else if line.contains("Getting a snapshot from leader") {
            snapshot_from = leader;
        }
    }
    snapshot_from.map(End::LoggedBeforeSnapshot)
}

/// zxids in the names of the snapshots that were not whole.
fn cut_snapshots(said: &str) -> impl Iterator<Item = u64> {
    let invalid = said
        .lines()
        .filter_map(|line| line.split_once("Invalid snapshot "));
    invalid.filter_map(|(_, rest)| hex(rest.split_once("snapshot.")?.1))
}

/// The number that a text begins with.
fn hex(text: &str) -> Option<u64> {
    let end = text
        .find(|c: char| !c.is_ascii_hexdigit())
        .unwrap_or(text.len());
    u64::from_str_radix(text.get(..end)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOINED: &str = "\
        INFO [Learner] - Successfully connected to leader, using address: /10.0.0.5:2888\n\
        INFO [Learner] - Getting a snapshot from leader 0x8000017d9\n\
        INFO [Learner] - Successfully connected to leader, using address: /10.0.0.2:2888\n";
    const ENDED: &str = "\
        INFO [SnapStream] - Invalid snapshot /data/version-2/snapshot.8000017d9. len = 8192, byte = 3\n\
        ERROR [main] - Committed proposal cached out of order: 0x8000017da is not the next proposal \
        of 0x800000e8f\n";

    #[test]
    fn a_hole_where_a_cut_snapshot_was_names_the_leader_that_sent_it() {
        let leader = "10.0.0.5:2888".parse().ok();
        assert_eq!(why(ENDED, JOINED), leader.map(End::LoggedBeforeSnapshot));
    }

    #[test]
    fn a_hole_that_no_cut_snapshot_explains_is_a_failure() {
        assert_eq!(why(&ENDED.replace("Invalid", "Reading"), JOINED), None);
        let earlier = ENDED.replace("snapshot.8000017d9", "snapshot.800000e8f");
        assert_eq!(why(&earlier, JOINED), None);
        assert_eq!(why(ENDED, "INFO - nothing of a leader"), None);
    }

    #[test]
    fn a_hole_that_a_learner_read_while_it_followed_goes_away() {
        let said = format!("{ENDED}\tat org.apache.zookeeper.server.{WHILE_FOLLOWING}(x)\n");
        assert_eq!(why(&said, ""), Some(End::ReadWhileApplied));
    }
}
