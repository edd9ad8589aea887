//! Passing on the lead: on request of an operator, and before a leader stops.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use tracing::{info, warn};
use zk_core::{ElectionCause, Input};
use zk_wire::Sid;
use zk_wire::election::ServerState;

use crate::monitor::{HandOver, Monitor};

/// Patience of a leader that is to stop.
const BEFORE_STOP: Duration = Duration::from_secs(2);

/// What the core and its timer may take beyond the patience of a hand-over.
const MARGIN: Duration = Duration::from_secs(1);

/// Bound of the wait for the successor to serve.
const SETTLE_MAX: Duration = Duration::from_secs(2);

/// Passes on the lead to `to`, or to whichever voter has most.
///
/// # Errors
/// Why this server leads on, or that it is not known who does.
pub async fn pass_on(monitor: &Monitor, to: Option<Sid>, patience: Duration) -> HandOver {
    let mut outcomes = monitor.hand_overs.subscribe();
    outcomes.mark_unchanged();
    let patience_ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
    let cause = ElectionCause::HandOver;
    let input = Input::HandOver {
        to,
        patience_ms,
        cause,
    };
    if !monitor.queries.tell(input).await {
        return Err("the server is going down".into());
    }
    match timeout(patience + MARGIN, outcomes.changed()).await {
        Ok(Ok(())) => outcomes
            .borrow()
            .clone()
            .unwrap_or_else(|| Err("no outcome".into())),
        Ok(Err(_)) => Err("the server is going down".into()),
        Err(_) => Err("this server lost the lead in the meantime".into()),
    }
}

/// Bound of the wait for a quorum without this server. A server of Apache's hears of the end of the
/// lead from its socket and takes part in an election of its own first.
const LEAVE_MAX: Duration = Duration::from_secs(5);

/// A leader that is told to stop passes on the lead first, and goes when its successor serves with
/// a quorum of others: by then everybody has heard, and nothing depends on this server.
pub async fn before_stop(monitor: &Monitor) {
    if !monitor.settings.hand_over {
        return;
    }
    let status = &monitor.published().status;
    if status.state != ServerState::Leading || status.standalone || status.learners.is_empty() {
        return;
    }
    match pass_on(monitor, None, BEFORE_STOP).await {
        Ok(to) => info!("server {to} takes over"),
        Err(why) => {
            warn!("stopping without passing on the lead: {why}");
            return;
        }
    }
    let settled = async {
        loop {
            let status = &monitor.published().status;
            if status.state != ServerState::Leading && status.serving {
                return;
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    if timeout(SETTLE_MAX, settled).await.is_err() {
        warn!("the successor does not serve yet");
        return;
    }
    let mut may_leave = monitor.may_leave.subscribe();
    if !monitor.queries.tell(Input::Leave).await {
        return;
    }
    if timeout(LEAVE_MAX, may_leave.wait_for(|may| *may))
        .await
        .is_err()
    {
        warn!("it is not known that a quorum follows the successor without this server");
    }
}
