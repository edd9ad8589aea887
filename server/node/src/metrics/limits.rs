//! The limits of a server, for the counter of those that were reached.

use super::Kind;

/// A limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// `maxCnxns`: a connection is refused.
    Connections,
    /// `maxClientCnxns`: a connection is refused.
    ConnectionsPerAddress,
    /// `connection_throttle_*`: a connection is refused.
    ConnectionRate,
    /// `nio.sessionlessCnxnTimeout`: a connection asked for no session.
    SessionlessTime,
    /// `netty.server.outstandingHandshake.limit`: a TLS handshake is refused.
    Handshakes,
    /// Requests of one connection under way: it is not read for a while.
    ConnectionRequests,
    /// `globalOutstandingLimit`: a connection is not read for a while.
    OutstandingRequests,
    /// `request_throttle_max_requests`: a request waits.
    Throttle,
    /// `jute.maxbuffer`: a connection closes.
    RequestSize,
    /// `largeRequestMaxBytes`: a connection closes.
    LargeRequests,
    /// Replies that a client does not read: its connection closes.
    UnreadReplies,
    /// `quorate.hold.requestsMax`: a connection that is held closes.
    HoldRequests,
    /// `quorate.hold.bytesMax`: the same.
    HoldBytes,
    /// `quorate.hold.timeMaxMs`: the same.
    HoldTime,
}

impl Kind for Limit {
    const LABEL: &'static str = "limit";
    const ALL: &'static [Self] = &[
        Self::Connections,
        Self::ConnectionsPerAddress,
        Self::ConnectionRate,
        Self::SessionlessTime,
        Self::Handshakes,
        Self::ConnectionRequests,
        Self::OutstandingRequests,
        Self::Throttle,
        Self::RequestSize,
        Self::LargeRequests,
        Self::UnreadReplies,
        Self::HoldRequests,
        Self::HoldBytes,
        Self::HoldTime,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::ConnectionsPerAddress => "connections_per_address",
            Self::ConnectionRate => "connection_rate",
            Self::SessionlessTime => "sessionless_time",
            Self::Handshakes => "handshakes",
            Self::ConnectionRequests => "connection_requests",
            Self::OutstandingRequests => "outstanding_requests",
            Self::Throttle => "throttle",
            Self::RequestSize => "request_size",
            Self::LargeRequests => "large_requests",
            Self::UnreadReplies => "unread_replies",
            Self::HoldRequests => "hold_requests",
            Self::HoldBytes => "hold_bytes",
            Self::HoldTime => "hold_time",
        }
    }
}
