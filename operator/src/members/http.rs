//! One HTTP exchange with a server: a connection, a request, an answer that is bounded in time and
//! length. A status is asked for every few seconds, so no pool pays off.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::Silence;

/// Longest answer that is read; a real one is below 4 KiB.
const ANSWER_LEN_MAX_BYTES: usize = 64 * 1024;

/// What is asked.
pub(super) struct Question {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) authorization: Option<HeaderValue>,
    pub(super) body: Bytes,
    /// How long the answer may take.
    pub(super) within: Duration,
}

impl Question {
    pub(super) fn get(path: &str, within: Duration) -> Self {
        Self {
            method: Method::GET,
            path: path.to_owned(),
            authorization: None,
            body: Bytes::new(),
            within,
        }
    }
}

/// Asks, and returns the answer whatever its status is.
pub(super) async fn exchange(
    address: SocketAddr,
    question: Question,
) -> Result<(StatusCode, Bytes), Silence> {
    let within = question.within;
    tokio::time::timeout(within, exchange_in_time(address, question))
        .await
        .map_err(|_| Silence::Timeout(within))?
}

async fn exchange_in_time(
    address: SocketAddr,
    question: Question,
) -> Result<(StatusCode, Bytes), Silence> {
    let stream = TcpStream::connect(address)
        .await
        .map_err(Silence::Connect)?;
    let mut request = Request::new(Full::new(question.body));
    *request.method_mut() = question.method;
    *request.uri_mut() = question
        .path
        .parse::<Uri>()
        .map_err(|error| Silence::Unaskable(error.to_string()))?;
    let headers = request.headers_mut();
    if let Ok(host) = address.to_string().parse() {
        headers.insert(HOST, host);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(authorization) = question.authorization {
        headers.insert(AUTHORIZATION, authorization);
    }
    over(stream, request, ANSWER_LEN_MAX_BYTES).await
}

/// One exchange over a connection, whatever it is carried by; at most `len_max` bytes of an answer are read.
///
/// # Errors
///
/// When the connection ends before the answer, or that is longer.
pub async fn over<S>(
    stream: S,
    request: Request<Full<Bytes>>,
    len_max: usize,
) -> Result<(StatusCode, Bytes), Silence>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(Silence::Http)?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(Silence::Http)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), len_max);
        let body = body.collect().await.map_err(Silence::Body)?.to_bytes();
        Ok((status, body))
    };
    // The connection must be polled for the exchange to move; it ends with the exchange.
    tokio::pin!(exchange, connection);
    tokio::select! {
        biased;
        answer = &mut exchange => answer,
        ended = &mut connection => match ended {
            Ok(()) => exchange.await,
            Err(error) => Err(Silence::Http(error)),
        },
    }
}
