//! The servers themselves: what they say (`GET /v1/status` on the admin port of each pod), and what
//! they are asked to do.
//!
//! Pods are addressed by IP, never by name: the operator ships as a static binary on an empty
//! base, where there is no resolver, and an address from the API server is fresher than DNS.
//! A server that does not answer is an observation like any other and never an error.

mod credential;
/// One HTTP exchange.
pub mod http;
mod report;

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hyper::body::Bytes;
use hyper::{Method, StatusCode};
use serde::{Deserialize, Serialize};

use self::http::{Question, exchange};

pub use credential::{Credential, KEY_LEN, MasterKey};
pub use report::{
    ConfigVersion, History, Learner, MemberReport, ReportedConfig, ReportedRefusal, ReportedRole,
    ReportedSettings,
};

/// Admin port of every server: probes, metrics and status.
pub const ADMIN_PORT: u16 = 8080;

/// How long one server may take to tell its status: far above a round trip, below the pace of
/// reconciling.
const STATUS_WITHIN: Duration = Duration::from_secs(2);

/// How long a change of the members may take; the server's own bound is shorter.
const CHANGE_WITHIN: Duration = Duration::from_secs(35);

/// How long a server may take to note that it may vote: less than another operator waits for the
/// Lease, for this must not be said late.
const FORM_WITHIN: Duration = Duration::from_secs(5);

/// Longest piece of a refusal that is shown to people.
const WORDS_LEN_MAX: usize = 300;

/// Why a server gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum Silence {
    /// No answer in time.
    #[error("no answer within {} s", .0.as_secs())]
    Timeout(Duration),
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
    /// Not what was asked for.
    #[error("the answer cannot be read: {0}")]
    Parse(#[source] serde_json::Error),
    /// What was to be asked is no request.
    #[error("cannot ask: {0}")]
    Unaskable(String),
}

/// Why something was not done, or may not have been done.
#[derive(Debug, thiserror::Error)]
pub enum Undone {
    /// The server said no, and why.
    #[error("refused: {0}")]
    Refused(String),
    /// It is not known whether it was done: the next look at the servers tells.
    #[error(transparent)]
    Unknown(#[from] Silence),
}

/// A change of the members, only from a certain config on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Version of the config that is to be changed, hexadecimal.
    pub from_version: String,
    /// Lines `server.N=..` of members that come, or come in another role.
    pub joining: Vec<String>,
    /// Ids of members that go.
    pub leaving: Vec<u8>,
}

/// The way to the servers; the seam where tests put made-up ones.
pub trait Members: Send + Sync + 'static {
    /// Asks the server at `ip` for its status.
    fn ask(&self, ip: IpAddr) -> impl Future<Output = Result<MemberReport, Silence>> + Send;

    /// Tells the empty server at `ip` that its ensemble begins now, so that it may vote; in this
    /// life of its process only, for it may be another volume that is empty in the next one.
    fn form(
        &self,
        ip: IpAddr,
        credential: &Credential,
        ensemble_id: &str,
        life: &str,
    ) -> impl Future<Output = Result<(), Undone>> + Send;

    /// Has the server at `ip` change the members.
    fn reconfigure(
        &self,
        ip: IpAddr,
        credential: &Credential,
        change: &Change,
    ) -> impl Future<Output = Result<(), Undone>> + Send;
}

/// Asks over HTTP.
#[derive(Clone, Copy, Debug, Default)]
pub struct HttpMembers;

impl Members for HttpMembers {
    async fn ask(&self, ip: IpAddr) -> Result<MemberReport, Silence> {
        report_of(SocketAddr::new(ip, ADMIN_PORT)).await
    }

    async fn form(
        &self,
        ip: IpAddr,
        credential: &Credential,
        ensemble_id: &str,
        life: &str,
    ) -> Result<(), Undone> {
        let path = format!("/v1/form?ensembleId={ensemble_id}&life={life}");
        let at = SocketAddr::new(ip, ADMIN_PORT);
        deed(at, path, credential, Bytes::new(), FORM_WITHIN).await
    }

    async fn reconfigure(
        &self,
        ip: IpAddr,
        credential: &Credential,
        change: &Change,
    ) -> Result<(), Undone> {
        let body = serde_json::to_vec(change).map_err(Silence::Parse)?;
        let path = "/v1/reconfig".to_owned();
        let at = SocketAddr::new(ip, ADMIN_PORT);
        deed(at, path, credential, body.into(), CHANGE_WITHIN).await
    }
}

async fn report_of(address: SocketAddr) -> Result<MemberReport, Silence> {
    let (status, body) = exchange(address, Question::get("/v1/status", STATUS_WITHIN)).await?;
    if status != StatusCode::OK {
        return Err(Silence::Status(status));
    }
    serde_json::from_slice(&body).map_err(Silence::Parse)
}

async fn deed(
    address: SocketAddr,
    path: String,
    credential: &Credential,
    body: Bytes,
    within: Duration,
) -> Result<(), Undone> {
    let question = Question {
        method: Method::POST,
        path,
        authorization: Some(credential.header()),
        body,
        within,
    };
    let (status, body) = exchange(address, question).await?;
    match status {
        StatusCode::OK => Ok(()),
        // Nobody knows what became of it.
        StatusCode::GATEWAY_TIMEOUT => Err(Silence::Status(status).into()),
        _ => Err(Undone::Refused(words(status, &body))),
    }
}

/// What a refusal says, in the field of its JSON or as text.
fn words(status: StatusCode, body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        error: String,
    }
    let text = serde_json::from_slice::<Refusal>(body).map_or_else(
        |_| String::from_utf8_lossy(body).trim().to_owned(),
        |refusal| refusal.error,
    );
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(WORDS_LEN_MAX)
        .collect();
    if text.is_empty() {
        status.to_string()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// A server that answers one request; returns what it was asked beside the outcome.
    async fn answering<T>(
        answer: &'static str,
        ask: impl AsyncFnOnce(SocketAddr) -> T,
    ) -> (String, T) {
        let listener = TcpListener::bind((IpAddr::from([127, 0, 0, 1]), 0))
            .await
            .unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let len = stream.read(&mut request).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8_lossy(&request[..len]).into_owned()
        });
        let outcome = ask(address).await;
        (server.await.unwrap(), outcome)
    }

    #[tokio::test]
    async fn report_is_read_from_the_status() {
        let answer = concat!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n",
            r#"{"serverId":2,"role":"leader","serving":true,"leader":2}"#,
        );
        let (asked, report) = answering(answer, report_of).await;
        assert!(asked.starts_with("GET /v1/status HTTP/1.1\r\n"));
        assert_eq!(report.unwrap().leader, Some(2));
    }

    #[tokio::test]
    async fn unusable_answers_are_silences() {
        let (_, cut) =
            answering("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{", report_of).await;
        assert!(
            matches!(cut, Err(Silence::Body(_) | Silence::Http(_))),
            "{cut:?}"
        );
        let refused = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
        let (_, refused) = answering(refused, report_of).await;
        assert!(matches!(refused, Err(Silence::Status(_))), "{refused:?}");
        let garbage = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n{\"a\"";
        let (_, garbage) = answering(garbage, report_of).await;
        assert!(matches!(garbage, Err(Silence::Parse(_))), "{garbage:?}");
    }

    #[tokio::test]
    async fn deeds_carry_the_credential_and_refusals_their_words() {
        let key = MasterKey::from_bytes(&[7; 32]).unwrap();
        let credential = key.credential("uid");
        let answer = concat!(
            "HTTP/1.1 409 Conflict\r\ncontent-length: 28\r\n\r\n",
            "{\"error\":\"BadVersion: no\\n\"}"
        );
        let body = Bytes::from_static(b"{}");
        let (asked, outcome) = answering(answer, async |address| {
            let path = "/v1/reconfig".to_owned();
            deed(address, path, &credential, body, CHANGE_WITHIN).await
        })
        .await;
        assert!(
            asked.starts_with("POST /v1/reconfig HTTP/1.1\r\n"),
            "{asked}"
        );
        assert!(
            asked.contains("authorization: digest quorate-operator:"),
            "{asked}"
        );
        assert!(
            matches!(&outcome, Err(Undone::Refused(why)) if why == "BadVersion: no "),
            "{outcome:?}"
        );
        let late = "HTTP/1.1 504 Gateway Timeout\r\ncontent-length: 0\r\n\r\n";
        let (_, outcome) = answering(late, async |address| {
            let path = "/v1/form".to_owned();
            deed(address, path, &credential, Bytes::new(), FORM_WITHIN).await
        })
        .await;
        assert!(matches!(outcome, Err(Undone::Unknown(_))), "{outcome:?}");
    }
}
