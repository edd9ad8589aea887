//! The metrics of our own: what docs/metrics.md and the HELP lines say of them.

/// What a metric is, for TYPE lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Counter,
    Gauge,
    Histogram,
}

impl Type {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A metric of our own.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) name: &'static str,
    pub(super) kind: Type,
    pub(super) labels: &'static [&'static str],
    /// Empty where it is a plain number.
    pub(super) unit: &'static str,
    pub(super) help: &'static str,
}

const fn own(
    kind: Type,
    name: &'static str,
    labels: &'static [&'static str],
    unit: &'static str,
    help: &'static str,
) -> Own {
    Own {
        name,
        kind,
        labels,
        unit,
        help,
    }
}

/// What is known of a metric of this name.
pub(super) fn find(name: &str) -> Option<&'static Own> {
    OWN.iter().find(|own| own.name == name)
}

use Type::{Counter, Gauge, Histogram};

/// All, as docs/metrics.md has them.
#[rustfmt::skip]
pub(super) const OWN: &[Own] = &[
    own(Gauge, "zk_role", &["role"], "", "1 for the role of this member: leader, follower, observer, looking, or standalone"),
    own(Gauge, "zk_member_info", &["member", "version", "ensemble_id"], "", "1; who this member is"),
    own(Gauge, "zk_serving", &[], "", "1 while clients are served"),
    own(Gauge, "zk_epoch", &[], "", "currentEpoch"),
    own(Gauge, "zk_zxid_logged", &[], "", "Last transaction handed to the log"),
    own(Gauge, "zk_zxid_committed", &[], "", "Last transaction known to be committed"),
    own(Gauge, "zk_zxid_applied", &[], "", "Last transaction applied to the tree"),
    own(Gauge, "zk_config_version", &[], "", "Version of the config in force; not of a server alone"),
    own(Gauge, "zk_config_voters", &[], "", "Voters of the config in force; not of a server alone"),
    own(Gauge, "zk_synced_voters", &[], "", "Leader: voters that follow and are level with the epoch, itself included"),
    own(Gauge, "zk_member_synced", &["member", "role"], "", "Leader: 1 when this learner (voter or observer) has finished its synchronization, else 0"),
    own(Gauge, "zk_member_lag_txns", &["member", "role"], "", "Leader: transactions that this learner is not known to have"),
    own(Gauge, "zk_member_lag_seconds", &["member", "role"], "seconds", "Leader: age of the oldest that this learner is not known to have, 0 when it is level"),
    own(Gauge, "zk_proposals_outstanding", &[], "", "Leader: proposals that are not committed"),
    own(Counter, "zk_elections_total", &["cause"], "", "Elections and leads that were passed on in which this member took part: start, leader_lost, quorum_lost, hand_over, roll_over, reconfig"),
    own(Histogram, "zk_election_duration_seconds", &[], "seconds", "How long this member looked for a leader, for each of them"),
    own(Counter, "zk_leaderless_seconds_total", &[], "seconds", "Time in which this member served under no leader; it grows while that lasts"),
    own(Counter, "zk_hand_overs_total", &[], "", "Leads that this member passed on"),
    own(Counter, "zk_hand_overs_failed_total", &[], "", "Leads that it could not pass on"),
    own(Counter, "zk_held_connections_total", &[], "", "Connections that were held between two leaders and went on"),
    own(Counter, "zk_held_requests_total", &[], "", "Requests that were held between two leaders"),
    own(Counter, "zk_resubmitted_requests_total", &[], "", "Requests that the next leader was asked again"),
    own(Counter, "zk_holds_ended_time_total", &[], "", "Held connections that closed since there was no leader for too long"),
    own(Counter, "zk_holds_ended_requests_total", &[], "", "Held connections that closed for too many requests"),
    own(Counter, "zk_holds_ended_bytes_total", &[], "", "Held connections that closed for too many bytes of requests"),
    own(Counter, "zk_holds_ended_unknowable_total", &[], "", "Held connections that closed since nobody can tell what came of a request"),
    own(Counter, "zk_holds_ended_session_gone_total", &[], "", "Held connections whose session the next leader does not know"),
    own(Histogram, "zk_fsync_duration_seconds", &[], "seconds", "Flushes of the transaction log to the disk"),
    own(Counter, "zk_fsync_threshold_exceeded_total", &[], "", "Flushes that took longer than fsync.warningthresholdms"),
    own(Histogram, "zk_commit_duration_seconds", &[], "seconds", "Leader: from the proposal of a transaction to its commit"),
    own(Histogram, "zk_propagation_duration_seconds", &[], "seconds", "From the proposal of a transaction, by the leader's clock, to its being applied here"),
    own(Gauge, "zk_snapshot_last_success_timestamp_seconds", &[], "seconds since 1970", "When the last snapshot was written; absent while there is none"),
    own(Gauge, "zk_snapshot_txns_since_last", &[], "", "Transactions since a snapshot was begun, or since the start of this process"),
    own(Gauge, "zk_disk_free_bytes", &["dir"], "bytes", "Room for this process in the file systems of dataDir (data) and dataLogDir (log)"),
    own(Gauge, "zk_disk_size_bytes", &["dir"], "bytes", "Size of these file systems"),
    own(Gauge, "zk_sessions", &[], "", "Sessions that this member knows: those of the ensemble, and its own local ones"),
    own(Counter, "zk_sessions_expired_total", &[], "", "Sessions that this member ended as their time was over: as leader, and its own local ones"),
    own(Counter, "zk_limit_reached_total", &["limit"], "", "Times that a limit was reached: see below"),
    own(Gauge, "zk_outstanding_requests_limit", &[], "", "Requests of clients that this member lets under way: its share of globalOutstandingLimit"),
    own(Counter, "zk_settings_applied_total", &[], "", "Settings taken while the server ran"),
    own(Counter, "zk_settings_refused_total", &[], "", "Settings refused while the server ran"),
    own(Counter, "zk_audit_lines_total", &[], "", "Lines written to the audit log"),
    own(Counter, "zk_audit_lines_lost_total", &[], "", "Lines of the audit log that were lost since its queue was full or its file could not be written"),
    own(Counter, "zk_traced_requests_total", &[], "", "Requests whose traces went on their way"),
    own(Counter, "zk_traced_requests_lost_total", &[], "", "Requests that were chosen to be traced and are not, since the queue was full"),
    own(Counter, "zk_slow_clients_closed_total", &[], "", "Clients closed since they did not read their replies"),
    own(Gauge, "zk_tls_certificate_not_before_seconds", &["listener"], "seconds since 1970", "First second of the certificate in use for clients (client) and other servers (quorum)"),
    own(Gauge, "zk_tls_certificate_not_after_seconds", &["listener"], "seconds since 1970", "Last second of this certificate"),
    own(Counter, "zk_tls_reloads_total", &[], "", "Renewed certificates taken into use"),
    own(Counter, "zk_tls_reload_failures_total", &[], "", "Renewed certificates that could not be used"),
    own(Counter, "zk_tls_plain_refused_total", &[], "", "Plain connections refused where only TLS is spoken"),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The page that lists them.
    const PAGE: &str = include_str!("../../../../docs/metrics.md");

    #[test]
    fn the_page_says_the_same() {
        let row = |own: &Own| {
            let labels = own.labels.iter().map(|label| format!("`{label}`"));
            let labels: Vec<String> = labels.collect();
            format!(
                "| `{}` | {} | {} | {} | {} |",
                own.name,
                own.kind.name(),
                labels.join(", "),
                own.unit,
                own.help
            )
        };
        let expected: Vec<String> = OWN.iter().map(row).collect();
        let rows = PAGE.lines().filter(|line| line.starts_with("| `zk_"));
        assert_eq!(rows.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn names_tell_type_and_unit() {
        for own in OWN {
            let is_total = own.name.ends_with("_total");
            assert_eq!(is_total, own.kind == Type::Counter, "{}", own.name);
            if own.unit.starts_with("seconds") {
                assert!(own.name.contains("_seconds"), "{}", own.name);
            }
        }
    }
}
