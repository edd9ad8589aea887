//! What the core reports, logged and counted.

use std::time::Duration;

use tracing::{debug, error, info, warn};
use zk_core::status::Phase;
use zk_core::{HoldEnd, PeerEvent};
use zk_wire::election::ServerState;

use crate::metrics::{Limit, Metrics};

/// Logs and counts one event.
#[expect(clippy::too_many_lines, reason = "one arm per event")]
pub fn note(metrics: &Metrics, event: &PeerEvent) {
    match event {
        PeerEvent::Phase {
            state,
            phase,
            leader,
        } => {
            if (*state, *phase) == (ServerState::Looking, Phase::Election) {
                metrics.looking.inc();
            }
            let leader = leader.map_or_else(|| "none".to_owned(), |sid| sid.to_string());
            info!("{state:?}, {}, leader {leader}", phase.name());
        }
        PeerEvent::Elected {
            leader,
            took_ms,
            cause,
        } => {
            metrics.elections.count(*cause);
            let took = Duration::from_millis(*took_ms);
            metrics.election_time.observe_ms(took);
            metrics.election_duration.observe(took);
            info!(
                "server {leader} is elected after {took_ms} ms ({})",
                cause.name()
            );
        }
        PeerEvent::ConfigInForce { version, members } => {
            info!("config {version:x} is in force: {members}");
        }
        PeerEvent::RoleLost { state, why } => warn!("no longer {state:?}: {why}"),
        PeerEvent::Synchronized { sid, how } => {
            if *how == "SNAP" {
                metrics.snap.inc();
            } else {
                metrics.diff.inc();
            }
            info!("server {sid} is synchronized by {how}");
        }
        PeerEvent::LocalSessionExpired { session } => {
            metrics.sessions_expired.inc();
            tracing::info!(%session, "local session expired");
        }
        PeerEvent::WentOn { again, held, .. } => {
            metrics.held_connections.inc();
            metrics.held_requests.add(*held);
            metrics.resubmitted_requests.add(*again);
        }
        PeerEvent::HoldEnded { why } => {
            metrics.holds_ended.count(*why);
            let limit = match why {
                HoldEnd::Time => Some(Limit::HoldTime),
                HoldEnd::Requests => Some(Limit::HoldRequests),
                HoldEnd::Bytes => Some(Limit::HoldBytes),
                HoldEnd::Unknowable | HoldEnd::SessionGone => None,
            };
            if let Some(limit) = limit {
                metrics.limits.count(limit);
            }
            debug!("a held connection closes: {}", why.reason());
        }
        PeerEvent::HandedOver { to } => {
            metrics.hand_overs.inc();
            info!("server {to} leads on");
        }
        PeerEvent::HandOverFailed { why } => {
            metrics.hand_overs_failed.inc();
            warn!("the lead is not passed on: {why}");
        }
        PeerEvent::MayLeave => info!("a quorum follows without this server"),
        PeerEvent::Formed => info!("the data directory is vouched for: this server has its vote"),
        PeerEvent::FormRefused { why } => warn!("this server cannot be vouched for: {why}"),
        PeerEvent::HandOverRefused { why } => warn!("the lead cannot be passed on: {why}"),
        PeerEvent::ReadOnly { serving: true } => {
            tracing::warn!("no leader yet: reads are served to clients that ask for it");
        }
        PeerEvent::ReadOnly { serving: false } => tracing::info!("read-only mode ended"),
        PeerEvent::SessionExpired { session } => {
            metrics.stale_sessions_expired.inc();
            metrics.sessions_expired.inc();
            info!("session {session} expired");
        }
        PeerEvent::DigestMismatch {
            zxid,
            expected,
            found,
        } => {
            metrics.digest_mismatches.inc();
            error!(
                "after {zxid} the tree has the digest {found:#x}, the leader's {expected:#x}: this \
                 server's data differs; stop it and remove its data to let it copy the leader's"
            );
        }
        // Measured elsewhere.
        PeerEvent::SyncsUnderWay { .. }
        | PeerEvent::WatchesFired { .. }
        | PeerEvent::Audited(_) => {}
        PeerEvent::Applied { zxid, .. } => debug!("applied {zxid}"),
    }
}
