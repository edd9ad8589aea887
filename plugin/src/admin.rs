//! The admin port of a server: its status, and the request to pass on the lead. What comes through a
//! port-forward comes from loopback inside of the pod, and so the server does what it says.

use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::HOST;
use hyper::{Method, Request, StatusCode};
use quorate_operator::members::{ADMIN_PORT, http};
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::cluster::Cluster;
use crate::failure::Failure;
use crate::forward;
use crate::report::Report;
use crate::text::clean;

/// How long one server may take to tell its status, the way to it included.
const STATUS_WITHIN: Duration = Duration::from_secs(4);

/// How long a hand-over may take beyond its deadline.
const TRANSFER_MARGIN: Duration = Duration::from_secs(5);

/// Longest answer that is taken, bytes.
const ANSWER_LEN_MAX: usize = 1024 * 1024;

/// Asks the server in a pod for its status; why it gave none otherwise.
///
/// # Errors
/// In words, to be shown beside the pod: one that does not answer is an observation.
pub async fn status(cluster: &Cluster, namespace: &str, pod: &str) -> Result<Report, String> {
    let exchange = async {
        let mut forwarded = forward::connect(&cluster.client, namespace, pod, ADMIN_PORT)
            .await
            .map_err(|failure| failure.to_string())?;
        ask(&mut forwarded.stream, Method::GET, "/v1/status").await
    };
    let (status, body) = tokio::time::timeout(STATUS_WITHIN, exchange)
        .await
        .map_err(|_| format!("no answer within {} s", STATUS_WITHIN.as_secs()))??;
    read_status(status, &body)
}

fn read_status(status: StatusCode, body: &[u8]) -> Result<Report, String> {
    if status != StatusCode::OK {
        return Err(format!("its admin port answered {status}"));
    }
    serde_json::from_slice(body).map_err(|error| format!("its answer cannot be read: {error}"))
}

/// Has the leader in a pod pass on the lead; returns who leads then.
///
/// # Errors
/// When it refuses, with its reason, or does not answer.
pub async fn transfer(
    cluster: &Cluster,
    namespace: &str,
    pod: &str,
    target: Option<u8>,
    deadline_ms: u64,
) -> Result<u8, Failure> {
    let mut path = format!("/v1/leader/transfer?deadlineMs={deadline_ms}");
    if let Some(target) = target {
        path = format!("{path}&target={target}");
    }
    let mut forwarded = forward::connect(&cluster.client, namespace, pod, ADMIN_PORT).await?;
    let silent = |why| Failure::Silent {
        pod: pod.to_owned(),
        why,
    };
    let within = Duration::from_millis(deadline_ms) + TRANSFER_MARGIN;
    let exchange = ask(&mut forwarded.stream, Method::POST, &path);
    let (status, body) = tokio::time::timeout(within, exchange)
        .await
        .map_err(|_| silent(format!("no answer within {} s", within.as_secs())))?
        .map_err(silent)?;
    read_transfer(status, &body).map_err(|why| Failure::Refused {
        pod: pod.to_owned(),
        why,
    })
}

fn read_transfer(status: StatusCode, body: &[u8]) -> Result<u8, String> {
    #[derive(Deserialize)]
    struct Outcome {
        leader: Option<u8>,
        error: Option<String>,
    }
    let outcome: Option<Outcome> = serde_json::from_slice(body).ok();
    match outcome {
        Some(Outcome {
            leader: Some(leader),
            ..
        }) if status == StatusCode::OK => Ok(leader),
        Some(Outcome {
            error: Some(error), ..
        }) => Err(clean(&error)),
        _ => Err(format!(
            "{status}: {}",
            clean(String::from_utf8_lossy(body).trim())
        )),
    }
}

/// One HTTP exchange over a connection; what went wrong in words.
async fn ask<S>(stream: S, method: Method, path: &str) -> Result<(StatusCode, Bytes), String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, "localhost")
        .body(Full::new(Bytes::new()))
        .map_err(|error| format!("cannot ask: {error}"))?;
    http::over(stream, request, ANSWER_LEN_MAX)
        .await
        .map_err(|silence| silence.to_string())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// What a server hears, and what comes of its answer.
    async fn answered(
        answer: &str,
        method: Method,
        path: &str,
    ) -> (String, Result<(StatusCode, Bytes), String>) {
        let (ours, mut theirs) = tokio::io::duplex(4096);
        let serve = async {
            let mut asked = [0; 1024];
            let len = theirs.read(&mut asked).await.unwrap();
            theirs.write_all(answer.as_bytes()).await.unwrap();
            drop(theirs);
            String::from_utf8_lossy(&asked[..len]).into_owned()
        };
        tokio::join!(serve, ask(ours, method, path))
    }

    #[tokio::test]
    async fn a_new_leader_and_a_refusal_are_read() {
        let ok = "HTTP/1.1 200 OK\r\ncontent-length: 25\r\n\r\n{\"leader\":3,\"error\":null}";
        let (asked, answer) = answered(ok, Method::POST, "/v1/leader/transfer?target=3").await;
        assert!(
            asked.starts_with("POST /v1/leader/transfer?target=3 HTTP/1.1\r\n"),
            "{asked}"
        );
        let (status, body) = answer.unwrap();
        assert_eq!(read_transfer(status, &body), Ok(3));
        let refused = br#"{"leader":null,"error":"3 is not in sync"}"#;
        assert_eq!(
            read_transfer(StatusCode::CONFLICT, refused),
            Err("3 is not in sync".to_owned())
        );
        let other = read_transfer(StatusCode::BAD_REQUEST, b"no\x1b[2J");
        assert_eq!(other, Err("400 Bad Request: no [2J".to_owned()));
    }

    #[tokio::test]
    async fn a_connection_that_ends_is_no_answer() {
        let (_, answer) = answered("", Method::GET, "/v1/status").await;
        assert!(answer.unwrap_err().starts_with("HTTP exchange failed"));
        let cut = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{";
        let (_, answer) = answered(cut, Method::GET, "/v1/status").await;
        assert!(answer.is_err());
        assert!(read_status(StatusCode::OK, b"{}").is_err());
    }
}
