//! Asks the servers themselves: `GET /v1/status` on the admin port of each pod.
//!
//! Pods are addressed by IP, never by name: the operator ships as a static binary on an empty
//! base, where there is no resolver, and an address from the API server is fresher than DNS.
//! A server that does not answer is an observation like any other and never an error.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;

use crate::crd::MemberRole;

/// Admin port of every server: probes, metrics and status.
pub const ADMIN_PORT: u16 = 8080;

/// How long one server may take to answer: far above a round trip, below the pace of reconciling.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// Longest status that is read; a real one is below 4 KiB.
const STATUS_LEN_MAX_BYTES: usize = 64 * 1024;

/// What a server says about itself; the fields of its status that the operator decides by.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberReport {
    /// Its own id.
    pub server_id: u8,
    /// What it does.
    pub role: ReportedRole,
    /// Whether it serves clients.
    pub serving: bool,
    /// The server that it takes for the leader.
    #[serde(default)]
    pub leader: Option<u8>,
    /// The learners as the leader sees them; empty elsewhere.
    #[serde(default)]
    pub learners: Vec<Learner>,
}

/// One learner as its leader sees it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Learner {
    /// The learner's id.
    pub server_id: u8,
    /// Whether it votes.
    pub voter: bool,
    /// Whether it is synchronized with the leader.
    pub synced: bool,
}

/// The role as the server names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReportedRole {
    /// Looks for a leader.
    Looking,
    /// Leads.
    Leader,
    /// Follows.
    Follower,
    /// Follows without a vote.
    Observer,
    /// Runs alone.
    Standalone,
}

impl From<ReportedRole> for MemberRole {
    fn from(role: ReportedRole) -> Self {
        match role {
            ReportedRole::Looking => Self::Looking,
            ReportedRole::Leader | ReportedRole::Standalone => Self::Leader,
            ReportedRole::Follower => Self::Follower,
            ReportedRole::Observer => Self::Observer,
        }
    }
}

/// Why a server gave no report.
#[derive(Debug, thiserror::Error)]
pub enum Silence {
    /// No answer in time.
    #[error("no answer within {} s", ANSWER_TIMEOUT.as_secs())]
    Timeout,
    /// No connection.
    #[error("cannot connect: {0}")]
    Connect(#[source] std::io::Error),
    /// The connection broke, or what came was not HTTP.
    #[error("HTTP exchange failed: {0}")]
    Http(#[source] hyper::Error),
    /// The body was cut or too long.
    #[error("cannot read the answer: {0}")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// An answer other than 200.
    #[error("answered {0}")]
    Status(StatusCode),
    /// Not a status.
    #[error("the answer is not a status: {0}")]
    Parse(#[source] serde_json::Error),
}

/// The way to the servers; the seam where tests put made-up ones.
pub trait Members: Send + Sync + 'static {
    /// Asks the server at `ip` for its status.
    fn ask(&self, ip: IpAddr) -> impl Future<Output = Result<MemberReport, Silence>> + Send;
}

/// Asks over HTTP.
#[derive(Clone, Copy, Debug, Default)]
pub struct HttpMembers;

impl Members for HttpMembers {
    async fn ask(&self, ip: IpAddr) -> Result<MemberReport, Silence> {
        let exchange = fetch_report(SocketAddr::new(ip, ADMIN_PORT));
        tokio::time::timeout(ANSWER_TIMEOUT, exchange)
            .await
            .map_err(|_| Silence::Timeout)?
    }
}

/// One connection, one request: a status is asked for every few seconds, so no pool pays off.
async fn fetch_report(address: SocketAddr) -> Result<MemberReport, Silence> {
    let stream = TcpStream::connect(address)
        .await
        .map_err(Silence::Connect)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(Silence::Http)?;
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = hyper::Uri::from_static("/v1/status");
    if let Ok(host) = address.to_string().parse() {
        request.headers_mut().insert(HOST, host);
    }
    let exchange = async {
        let response = sender.send_request(request).await.map_err(Silence::Http)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), STATUS_LEN_MAX_BYTES);
        let body = body.collect().await.map_err(Silence::Body)?.to_bytes();
        if status != StatusCode::OK {
            return Err(Silence::Status(status));
        }
        serde_json::from_slice(&body).map_err(Silence::Parse)
    };
    // The connection must be polled for the exchange to move; it ends with the exchange.
    tokio::pin!(exchange, connection);
    tokio::select! {
        biased;
        report = &mut exchange => report,
        ended = &mut connection => match ended {
            Ok(()) => exchange.await,
            Err(error) => Err(Silence::Http(error)),
        },
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    async fn answer_once(answer: &'static str) -> Result<MemberReport, Silence> {
        let listener = TcpListener::bind((IpAddr::from([127, 0, 0, 1]), 0))
            .await
            .unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let len = stream.read(&mut request).await.unwrap();
            assert!(request[..len].starts_with(b"GET /v1/status HTTP/1.1\r\n"));
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        let report = fetch_report(address).await;
        server.await.unwrap();
        report
    }

    #[tokio::test]
    async fn report_is_read_from_the_status_of_a_leader() {
        let report = answer_once(concat!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n",
            r#"{"version":"0.1.0","serverId":2,"ensembleId":"u","role":"leader","#,
            r#""phase":"broadcast","serving":true,"leader":2,"epoch":3,"zxidLogged":"0x300000005","#,
            r#""learners":[{"serverId":1,"voter":true,"synced":true,"lag":0}],"uptimeMs":12345}"#,
        ));
        let report = report.await.unwrap();
        assert_eq!(report.server_id, 2);
        assert_eq!(report.role, ReportedRole::Leader);
        assert_eq!(report.leader, Some(2));
        assert_eq!(
            report.learners,
            [Learner {
                server_id: 1,
                voter: true,
                synced: true
            }]
        );
    }

    #[tokio::test]
    async fn unusable_answers_are_silences() {
        let cut = answer_once("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{").await;
        assert!(
            matches!(cut, Err(Silence::Body(_) | Silence::Http(_))),
            "{cut:?}"
        );
        let refused =
            answer_once("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n").await;
        assert!(matches!(refused, Err(Silence::Status(_))), "{refused:?}");
        let garbage = answer_once("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n{\"a\"").await;
        assert!(matches!(garbage, Err(Silence::Parse(_))), "{garbage:?}");
    }
}
