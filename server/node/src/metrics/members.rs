//! What the member is and has, and as leader what the others have, under own names.

use std::collections::BTreeMap;

use zk_core::status::LearnerStatus;
use zk_core::{Mono, Status};
use zk_wire::Sid;
use zk_wire::election::ServerState;

use super::samples::{Sample, Series, gauge};
use super::values::ratio_text;
use super::{Metrics, Space, Validity};
use crate::monitor::{Monitor, Published};

/// Gauges of a member in any state.
pub(super) fn of_member(monitor: &Monitor) -> Vec<Sample<'static>> {
    let published = monitor.published();
    let (s, m) = (&published.status, &monitor.metrics);
    let now_ms = monitor.clock.elapsed_ms();
    let mut out = vec![
        role(s),
        info(monitor),
        gauge("zk_serving", u64::from(s.serving)),
        gauge("zk_epoch", u64::from(s.epoch.0)),
        gauge("zk_zxid_logged", s.zxid_logged.as_u64()),
        gauge("zk_zxid_committed", s.zxid_committed.as_u64()),
        gauge("zk_zxid_applied", s.zxid_applied.as_u64()),
        gauge("zk_sessions", s.sessions + s.local_sessions),
        gauge("zk_snapshot_txns_since_last", s.txns_since_snapshot),
        gauge(
            "zk_outstanding_requests_limit",
            monitor.settings.limits.outstanding_max as u64,
        ),
        Sample::Seconds("zk_leaderless_seconds_total", m.leaderless.total_ms(now_ms)),
    ];
    out.extend(disks(m));
    out.extend(certificates(m));
    let snapshot_at = Some(m.snapshot_at.value()).filter(|at| *at != 0);
    let snapshot_at = snapshot_at.map(|at| Series::new(&[], at));
    out.push(Sample::Gauges(
        "zk_snapshot_last_success_timestamp_seconds",
        snapshot_at.into_iter().collect(),
    ));
    if let Some(configs) = &s.configs {
        let version = configs.committed.version;
        out.push(Sample::Gauge("zk_config_version", version));
        out.push(gauge("zk_config_voters", monitor.voters()));
    }
    if s.state == ServerState::Leading && !s.standalone {
        out.extend(learners(&published, now_ms));
    }
    out
}

fn role(s: &Status) -> Sample<'static> {
    let role = match s.state {
        _ if s.standalone => "standalone",
        ServerState::Looking => "looking",
        ServerState::Following => "follower",
        ServerState::Leading => "leader",
        ServerState::Observing => "observer",
    };
    Sample::Gauges("zk_role", vec![Series::new(&[("role", role)], 1)])
}

fn info(monitor: &Monitor) -> Sample<'static> {
    let member = monitor.ensemble().map_or(0, |(sid, _)| sid.0).to_string();
    let labels = [
        ("member", member.as_str()),
        ("version", env!("CARGO_PKG_VERSION")),
        (
            "ensemble_id",
            monitor.settings.ensemble_id.as_deref().unwrap_or_default(),
        ),
    ];
    Sample::Gauges("zk_member_info", vec![Series::new(&labels, 1)])
}

fn disks(m: &Metrics) -> [Sample<'static>; 2] {
    let series = |value: fn(&Space) -> u64| {
        let dirs = [("data", &m.data_space), ("log", &m.log_space)].into_iter();
        dirs.filter(|(_, space)| space.size.value() != 0)
            .map(|(dir, space)| Series::new(&[("dir", dir)], value(space)))
            .collect()
    };
    [
        Sample::Gauges("zk_disk_free_bytes", series(|space| space.free.value())),
        Sample::Gauges("zk_disk_size_bytes", series(|space| space.size.value())),
    ]
}

fn certificates(m: &Metrics) -> [Sample<'static>; 2] {
    let series = |value: fn(&Validity) -> u64| {
        let listeners = [
            ("client", &m.client_certificate),
            ("quorum", &m.quorum_certificate),
        ];
        let shown = listeners.into_iter();
        shown
            .filter(|(_, validity)| validity.not_after.value() != 0)
            .map(|(listener, validity)| Series::new(&[("listener", listener)], value(validity)))
            .collect()
    };
    [
        Sample::Gauges(
            "zk_tls_certificate_not_before_seconds",
            series(|validity| validity.not_before.value()),
        ),
        Sample::Gauges(
            "zk_tls_certificate_not_after_seconds",
            series(|validity| validity.not_after.value()),
        ),
    ]
}

fn learners(published: &Published, now_ms: u64) -> Vec<Sample<'static>> {
    let s = &published.status;
    // One that connects again has two connections for a moment, and a metric has one value.
    let mut newest: BTreeMap<Sid, &LearnerStatus> = BTreeMap::new();
    for learner in &s.learners {
        let known = newest.entry(learner.sid).or_insert(learner);
        if learner.synced || !known.synced {
            *known = learner;
        }
    }
    let series = |value: &dyn Fn(&LearnerStatus) -> String| {
        let all = newest.values();
        all.map(|learner| {
            let member = learner.sid.0.to_string();
            let role = if learner.voter { "voter" } else { "observer" };
            Series::new(&[("member", &member), ("role", role)], value(learner))
        })
        .collect()
    };
    let now = Mono::from_ms(now_ms);
    let voters = newest.values().filter(|l| l.synced && l.voter).count() as u64;
    vec![
        gauge("zk_proposals_outstanding", s.proposals_outstanding),
        gauge("zk_synced_voters", voters + u64::from(s.has_vote)),
        Sample::Gauges(
            "zk_member_synced",
            series(&|l| u64::from(l.synced).to_string()),
        ),
        Sample::Gauges("zk_member_lag_txns", series(&|l| l.lag_txns.to_string())),
        Sample::Gauges(
            "zk_member_lag_seconds",
            series(&|l| ratio_text(l.lag_ms(now).saturating_mul(1000))),
        ),
    ]
}
