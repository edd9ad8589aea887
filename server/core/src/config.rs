//! Settings of a member, already checked by the shell.

use std::collections::{BTreeMap, BTreeSet};

use zk_wire::Sid;
use zk_wire::membership::{Membership, Role};

use crate::bugs::Bugs;

/// Settings of one member; units are in the names.
#[derive(Debug, Clone)]
pub struct PeerConfig {
    /// Own id; 1 in standalone mode, where it only marks session ids.
    pub sid: Sid,
    /// The ensemble; `None` runs standalone.
    pub membership: Option<Membership>,
    /// The config that was proposed last, when it was found to be newer.
    pub proposed: Option<Membership>,
    /// `membership` does not have this server: as what it comes. Who is to get a vote follows without one
    /// until a config has it, and while it may have lost its history it supports nobody, whatever others
    /// know of it; an observer observes.
    pub joining: Option<Role>,
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
    /// `commitLogCount`: how many applied transactions are kept in memory for learners.
    pub history_len: usize,
    /// Spreads snapshots of different members and makes the first session id unique.
    pub seed: u64,
    /// Who may do what.
    pub auth: AuthSettings,
    /// Local sessions and read-only mode.
    pub sessions: SessionKinds,
    /// Containers, TTL nodes, quotas.
    pub kinds: NodeKinds,
    /// Counter of the zxid from which on a new epoch is begun.
    pub roll_over_at: u32,
    /// `observerMasterPort` is set: followers serve observers, and observers follow followers.
    pub observer_masters: bool,
    /// Whether to take part in passing on the lead without an election.
    pub hand_over: bool,
    /// What clients may leave here while there is no leader.
    pub hold: HoldSettings,
    /// Changes of the membership while it runs.
    pub reconfig: ReconfigSettings,
    /// Whether [`crate::audit::Audited`] is told.
    pub audit: bool,
    /// Known mistakes to make; none outside of the simulator.
    pub bugs: Bugs,
}

/// Sessions beyond the ordinary ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SessionKinds {
    /// `localSessionsEnabled`: new sessions of an ensemble are known to their server only.
    pub local: bool,
    /// `localSessionsUpgradingEnabled`: a local session that creates an ephemeral becomes global.
    pub local_upgrading: bool,
    /// `readonlymode.enabled`: reads are served without a quorum.
    pub read_only_mode: bool,
}

/// Where a new epoch is begun: the last zxids of one are left for an attempt that fails.
pub const ROLL_OVER_AT: u32 = 0xffff_fff0;

/// Bounds of what is held for clients while there is no leader; past them a connection closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoldSettings {
    /// Longest time without a leader, ms; also at most half of the session's time-out. 0: every
    /// connection closes when a role ends, as with Apache.
    pub time_max_ms: u64,
    /// Requests of all connections together.
    pub requests_max: u64,
    /// Bytes of their bodies together.
    pub bytes_max: u64,
}

impl Default for HoldSettings {
    fn default() -> Self {
        Self {
            time_max_ms: 10_000,
            requests_max: 10_000,
            bytes_max: 64 << 20,
        }
    }
}

/// What reconfig may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReconfigSettings {
    /// `reconfigEnabled`: without it every reconfig is refused, and no config is taken from others.
    pub enabled: bool,
    /// Whether the first leader gives the config a version of its own, before any reconfig. Servers
    /// that do not know reconfigurations could not lead from then on.
    pub first_version: bool,
    /// `standaloneEnabled`: an ensemble has two voters at least, since one server is no ensemble.
    pub standalone_enabled: bool,
}

impl Default for ReconfigSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            first_version: false,
            standalone_enabled: true,
        }
    }
}

/// Nodes beyond the ordinary ones, and quotas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeKinds {
    /// `extendedTypesEnabled`: TTL nodes.
    pub extended_types: bool,
    /// `znode.container.checkIntervalMs`.
    pub container_check_interval_ms: u64,
    /// `znode.container.maxPerMinute`: pace of deleting containers and TTL nodes.
    pub containers_per_minute_max: u64,
    /// `znode.container.maxNeverUsedIntervalMs`; `None`: a container without a child ever is kept.
    pub container_never_used_max_ms: Option<u64>,
    /// `enforceQuota`: hard quotas refuse.
    pub enforce_quota: bool,
}

impl Default for NodeKinds {
    fn default() -> Self {
        Self {
            extended_types: false,
            container_check_interval_ms: 60_000,
            containers_per_minute_max: 10_000,
            container_never_used_max_ms: None,
            enforce_quota: false,
        }
    }
}

/// Hash of digest identities (`DigestAuthenticationProvider.digestAlg`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DigestAlgorithm {
    /// SHA-1, the default.
    #[default]
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// A password that no log shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(hidden)")
    }
}

/// Who clients can be, and which checks they meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthSettings {
    /// Schemes with a provider: `ip`, and those of digest, sasl, x509, ensemble that are enabled.
    pub schemes: BTreeSet<String>,
    /// `DigestAuthenticationProvider.superDigest` and `quorate.operatorDigest`: the digest identities
    /// that are super.
    pub super_digests: Vec<String>,
    /// `DigestAuthenticationProvider.digestAlg`.
    pub digest_algorithm: DigestAlgorithm,
    /// `enforce.auth.schemes`, or `sasl` for `sessionRequireClientSASLAuth`: a client without an
    /// identity of one of these gets no further; empty: nothing is enforced.
    pub enforced_schemes: BTreeSet<String>,
    /// `allowSaslFailedClients`: a failed negotiation leaves the connection open.
    pub allow_sasl_failed: bool,
    /// DIGEST-MD5 users and their passwords, from the JAAS file; `None`: SASL is not configured.
    pub sasl_users: Option<BTreeMap<String, Secret>>,
    /// `superUser` and `superUser.<suffix>`: SASL names that are super.
    pub super_users: BTreeSet<String>,
    /// `letAnySaslUserDoX`: an ACL entry of scheme sasl with this id matches every SASL user.
    pub any_sasl_user: Option<String>,
    /// `X509AuthenticationProvider.superUser`: the subject that is super.
    pub x509_super_user: Option<String>,
    /// `ensembleAuthName`: comma-separated names that scheme `ensemble` takes.
    pub ensemble_name: Option<String>,
    /// `skipACL=yes`: ACLs are not checked.
    pub skip_acl: bool,
    /// `enableEagerACLCheck`: writes are checked where they come in, before they are proposed.
    pub eager_acl_check: bool,
}

impl Default for AuthSettings {
    fn default() -> Self {
        Self {
            schemes: ["digest", "ip"].map(str::to_owned).into(),
            super_digests: Vec::new(),
            digest_algorithm: DigestAlgorithm::default(),
            enforced_schemes: BTreeSet::new(),
            allow_sasl_failed: false,
            sasl_users: None,
            super_users: BTreeSet::new(),
            any_sasl_user: None,
            x509_super_user: None,
            ensemble_name: None,
            skip_acl: false,
            eager_acl_check: false,
        }
    }
}
