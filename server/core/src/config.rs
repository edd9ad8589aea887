//! Settings of a member, already checked by the shell.

use zk_wire::Sid;
use zk_wire::membership::Membership;

use crate::bugs::Bugs;

/// Settings of one member; units are in the names.
#[derive(Debug, Clone)]
pub struct PeerConfig {
    /// Own id; 1 in standalone mode, where it only marks session ids.
    pub sid: Sid,
    /// The ensemble; `None` runs standalone.
    pub membership: Option<Membership>,
    /// `tickTime`, ms: the unit of the limits and of session buckets.
    pub tick_ms: u64,
    /// `initLimit`, ticks: connecting and synchronizing.
    pub init_limit: u64,
    /// `syncLimit`, ticks: silence between leader and learner.
    pub sync_limit: u64,
    /// `minSessionTimeout`, ms.
    pub session_timeout_min_ms: i32,
    /// `maxSessionTimeout`, ms.
    pub session_timeout_max_ms: i32,
    /// `snapCount`: about this many transactions between snapshots.
    pub snap_count: u64,
    /// Bytes of transactions between snapshots, about.
    pub snap_bytes: u64,
    /// Spreads snapshots of different members and makes the first session id unique.
    pub seed: u64,
    /// Known mistakes to make; none outside of the simulator.
    pub bugs: Bugs,
}
