//! What a request has to pass before the core sees it.
//!
//! Source: `ZooKeeperServer.shouldThrottle` and `RequestThrottler` of Apache ZooKeeper 3.9. Apache's
//! throttle looks every `request_throttle_stall_time` whether there is room; here the next in line is
//! woken when there is.

use std::time::Duration;

use tokio::io::AsyncRead;
use tokio::time::sleep;
use zk_core::ClientFrame;
use zk_wire::client::Request;

use crate::client_port::connection::Client;
use crate::client_port::frames::Frames;
use crate::client_port::large::Large;
use crate::metrics::Limit;

/// How a request got through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passed {
    /// To be carried out.
    InTime,
    /// It waited for longer than `throttled_op_wait_time`.
    Late,
}

/// Waits until a request may go on; says why it is dropped, and its connection with it.
pub(super) async fn admit<R: AsyncRead + Unpin>(
    frames: &mut Frames<'_, R>,
    client: &Client,
    large: Option<Large>,
) -> Result<Passed, String> {
    let monitor = &frames.port.monitor;
    let (clock, metrics) = (monitor.clock, &monitor.metrics);
    let rules = &monitor.settings.limits.requests;
    let came = clock.elapsed();
    client.gate.admit(came, large, &metrics.limits).await;
    if !client.gate.is_throttled() {
        return Ok(Passed::InTime);
    }
    metrics.request_throttle_wait_count.inc();
    metrics.limits.count(Limit::Throttle);
    let began = clock.elapsed();
    let too_old = client
        .session_timeout
        .saturating_sub(began.saturating_sub(came));
    let stale = tokio::select! {
        () = client.gate.pass_throttle() => None,
        why = frames.gone(), if rules.drop_stale && rules.stale_by_connection => Some(why),
        () = sleep(too_old), if rules.drop_stale && rules.stale_by_latency => {
            Some("a request waited for longer than the session's time-out".to_owned())
        }
    };
    if let Some(why) = stale {
        metrics.stale_requests_dropped.inc();
        return Err(why);
    }
    let now = clock.elapsed();
    if rules.stale_by_latency && now.saturating_sub(came) > client.session_timeout {
        metrics.stale_requests.inc();
    }
    let waited = now.saturating_sub(began);
    metrics.request_throttle_queue_time.observe_ms(waited);
    Ok(judge(waited, rules.throttled_op_wait))
}

fn judge(waited: Duration, max: Option<Duration>) -> Passed {
    if max.is_some_and(|max| waited > max) {
        Passed::Late
    } else {
        Passed::InTime
    }
}

/// What the core is told instead of a request that is late; pings and the end of a session are
/// carried out however late they are.
pub(super) fn late(frame: ClientFrame) -> ClientFrame {
    match frame {
        ClientFrame::Request {
            xid,
            request,
            body: _,
        } if !matches!(request, Request::Ping | Request::CloseSession) => {
            ClientFrame::Throttled { xid }
        }
        other @ (ClientFrame::Request { .. }
        | ClientFrame::Undecodable { .. }
        | ClientFrame::WritesInMultiRead { .. }
        | ClientFrame::Unimplemented { .. }
        | ClientFrame::Throttled { .. }) => other,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use zk_wire::Xid;

    use super::*;

    #[test]
    fn who_waits_too_long_is_late() {
        let ms = Duration::from_millis;
        assert_eq!(judge(ms(10), None), Passed::InTime);
        assert_eq!(judge(ms(10), Some(ms(10))), Passed::InTime);
        assert_eq!(judge(ms(11), Some(ms(10))), Passed::Late);
    }

    #[test]
    fn pings_and_closes_are_never_late() {
        let frame = |request| ClientFrame::Request {
            xid: Xid(7),
            request,
            body: Bytes::new(),
        };
        for request in [Request::Ping, Request::CloseSession] {
            assert_eq!(late(frame(request.clone())), frame(request));
        }
        let sync = Request::Sync { path: None };
        assert_eq!(late(frame(sync)), ClientFrame::Throttled { xid: Xid(7) });
    }
}
