//! The keys of Apache ZooKeeper 3.9 that this server does not obey, and why.
//!
//! Source: the administrator's guide and the sources of the 3.9 line.

/// What becomes of a key that nothing here reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It tunes something that exists only in the Java server.
    NoMeaning,
    /// It will mean something; until then the default behaviour applies.
    NotYet,
    /// Running without it would be less safe than what was asked for.
    Unsafe,
    /// Nobody knows it.
    Unknown,
}

const NO_MEANING: [&str; 36] = [
    "admin.httpVersion",
    "admin.idleTimeout",
    "audit.impl.class",
    "bitHashCacheSize",
    "client.portUnification",
    "commitLogCount",
    "electionAlg",
    "electionPort",
    "follower.nodelay",
    "follower.skipLearnerRequestToNextProcessor",
    "forward_learner_requests_to_commit_processor_disabled",
    "intBufferStartingSizeBytes",
    "java.security.auth.login.config",
    "leader.closeSocketAsync",
    "leader.nodelay",
    "learner.asyncSending",
    "learner.closeSocketAsync",
    "maxGetChildrenResponseCacheSize",
    "maxInProcessingDeadWatchers",
    "maxResponseCacheSize",
    "messageTracker.BufferSize",
    "messageTracker.Enabled",
    "metricsProvider.className",
    "metricsProvider.exportJvmInfo",
    "metricsProvider.maxQueueSize",
    "metricsProvider.numWorkerThreads",
    "metricsProvider.workerShutdownTimeoutMs",
    "oraclePath",
    "peerType",
    "quorum.cnxn.threads.size",
    "request_throttler.shutdownTimeout",
    "serverCnxnFactory",
    "watchManagerName",
    "watcherCleanIntervalInSeconds",
    "watcherCleanThreadsNum",
    "watcherCleanThreshold",
];

const NO_MEANING_PREFIXES: [&str; 4] = ["commitProcessor.", "nio.", "netty.", "pathStats."];

const NOT_YET: [&str; 47] = [
    "DigestAuthenticationProvider.superDigest",
    "admin.commandURL",
    "admin.restore.enabled",
    "admin.snapshot.enabled",
    "admin.rateLimiterIntervalInMS",
    "audit.enable",
    "clientTcpKeepAlive",
    "closeSessionTxn.enabled",
    "db.autocreate",
    "digest.enabled",
    "emulate353TTLNodes",
    "enableEagerACLCheck",
    "enforceQuota",
    "extendedTypesEnabled",
    "fastleader.maxNotificationInterval",
    "fastleader.minNotificationInterval",
    "flushDelay",
    "forceSnapshotSync",
    "forceSync",
    "jute.maxbuffer.extrasize",
    "largeRequestMaxBytes",
    "largeRequestThreshold",
    "leader.ackLoggingFrequency",
    "leader.maxConcurrentDiffSyncs",
    "leader.maxConcurrentSnapSyncs",
    "leader.maxTimeToWaitForEpoch",
    "leaderServes",
    "localSessionsEnabled",
    "localSessionsUpgradingEnabled",
    "maxBatchSize",
    "maxWriteQueuePollTime",
    "metricsProvider.httpHost",
    "metricsProvider.httpPort",
    "multiAddress.enabled",
    "observer.election.DelayMs",
    "observer.reconnectDelayMs",
    "observer.syncEnabled",
    "observerMasterPort",
    "readonlymode.enabled",
    "reconfigEnabled",
    "serializeLastProcessedZxid.enabled",
    "skipACL",
    "snapshot.compression.method",
    "snapshot.trust.empty",
    "snapshotSizeFactor",
    "syncEnabled",
    "throttled_op_wait_time",
];

const NOT_YET_PREFIXES: [&str; 8] = [
    "authProvider.",
    "connection_throttle_",
    "metricsProvider.",
    "multiAddress.",
    "observerMaster.",
    "request_",
    "ssl.",
    "znode.container.",
];

/// Keys that ask for protection; `true` or any other value that switches them on is refused.
const PROTECTION: [&str; 12] = [
    "admin.forceHttps",
    "admin.needClientAuth",
    "admin.portUnification",
    "enforce.auth.enabled",
    "portUnification",
    "quorum.auth.enableSasl",
    "quorum.auth.learnerRequireSasl",
    "quorum.auth.serverRequireSasl",
    "secureClientPort",
    "secureClientPortAddress",
    "sessionRequireClientSASLAuth",
    "sslQuorum",
];

/// Judges a key that nothing has read; `value` matters for those that ask for protection.
pub(super) fn judge(key: &str, value: &str) -> Verdict {
    if PROTECTION.contains(&key) {
        return if value.eq_ignore_ascii_case("false") {
            Verdict::NotYet
        } else {
            Verdict::Unsafe
        };
    }
    let begins = |prefixes: &[&str]| prefixes.iter().any(|p| key.starts_with(p));
    if NO_MEANING.contains(&key) || begins(&NO_MEANING_PREFIXES) {
        Verdict::NoMeaning
    } else if NOT_YET.contains(&key) || begins(&NOT_YET_PREFIXES) {
        Verdict::NotYet
    } else {
        Verdict::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_judged() {
        for (key, value, expected) in [
            ("commitProcessor.numWorkerThreads", "4", Verdict::NoMeaning),
            ("ssl.keyStore.location", "/x", Verdict::NotYet),
            ("sslQuorum", "true", Verdict::Unsafe),
            ("sslQuorum", "false", Verdict::NotYet),
            ("secureClientPort", "2281", Verdict::Unsafe),
            ("fooBar", "1", Verdict::Unknown),
        ] {
            assert_eq!(judge(key, value), expected, "{key}={value}");
        }
    }
}
