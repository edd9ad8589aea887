//! An API server on its bad days: between the pods and the real one, it answers some requests with 409, 429
//! or 500, in part after they were carried out, and cuts some connections.
//!
//! Pods come to it without knowing: each node sends what is for the API server's Service here. It shows the
//! real one's certificate. Kubelets and the control plane are spared.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, RETRY_AFTER};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, IpAddr, PrivateKeyDer, ServerName};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::cluster::credentials::Credentials;
use crate::cluster::layout::{API_PORT, HOST_ADDRESS, Layout, Node, POD_NETWORK};
use crate::cluster::network;
use crate::faults::random::Random;

/// Where it listens.
const PORT: u16 = 6444;

/// The API server's Service: the first address of the Services' network.
const API_SERVICE: &str = "10.96.0.1";

/// Of a thousand requests, so many have each of the faults. A reconcile asks some twenty times, and has to get
/// through now and then.
const PER_MILLE: usize = 15;

type Body = Either<Incoming, Full<Bytes>>;

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Passes,
    /// Answered without being carried out.
    Refused(StatusCode),
    /// Carried out, and answered as if it were not.
    Denied,
    /// The connection ends without an answer.
    Cut,
}

/// How often which fate was dealt out.
#[derive(Debug, Default)]
pub struct Dealt {
    passed: AtomicU64,
    conflicts: AtomicU64,
    too_many: AtomicU64,
    errors: AtomicU64,
    denied: AtomicU64,
    cut: AtomicU64,
}

impl Dealt {
    fn note(&self, fate: Fate) {
        let count = match fate {
            Fate::Passes => &self.passed,
            Fate::Refused(StatusCode::CONFLICT) => &self.conflicts,
            Fate::Refused(StatusCode::TOO_MANY_REQUESTS) => &self.too_many,
            Fate::Refused(_) => &self.errors,
            Fate::Denied => &self.denied,
            Fate::Cut => &self.cut,
        };
        count.fetch_add(1, Relaxed);
    }

    /// The smallest of the faults' counts: below one, something was not tested.
    pub fn rarest(&self) -> u64 {
        let faults = [
            &self.conflicts,
            &self.too_many,
            &self.errors,
            &self.denied,
            &self.cut,
        ];
        faults
            .map(|n| n.load(Relaxed))
            .into_iter()
            .min()
            .unwrap_or(0)
    }
}

impl std::fmt::Display for Dealt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let of = |n: &AtomicU64| n.load(Relaxed);
        write!(
            f,
            "{} requests passed, {} got 409, {} got 429, {} got 500, {} got 500 and were carried out, {} \
             connections were cut",
            of(&self.passed),
            of(&self.conflicts),
            of(&self.too_many),
            of(&self.errors),
            of(&self.denied),
            of(&self.cut)
        )
    }
}

/// The proxy, as long as this is kept.
#[derive(Debug)]
pub struct BadApi {
    layout: Layout,
    dealt: Arc<Dealt>,
    // Dropped last: ends all connections.
    _runtime: Runtime,
}

impl BadApi {
    /// Stands between the pods and the API server; for a process inside of the first node's network.
    ///
    /// Connections that are open stay as they are.
    ///
    /// # Errors
    /// When it cannot listen, or a node cannot be told.
    pub fn start(layout: &Layout, seed: u64) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let dealt = Arc::new(Dealt::default());
        let proxy = Arc::new(Proxy::new(layout, seed, dealt.clone())?);
        let listener = runtime.block_on(TcpListener::bind(("0.0.0.0", PORT)))?;
        runtime.spawn(serve(proxy, listener));
        let bad = Self {
            layout: layout.clone(),
            dealt,
            _runtime: runtime,
        };
        for node in layout.nodes() {
            redirect(&bad.layout, &node, "-I")?;
        }
        Ok(bad)
    }

    /// What was dealt out.
    pub fn dealt(&self) -> &Dealt {
        &self.dealt
    }
}

impl Drop for BadApi {
    fn drop(&mut self) {
        for node in self.layout.nodes() {
            if let Err(error) = redirect(&self.layout, &node, "-D") {
                eprintln!("{} still sends pods to port {PORT}: {error:#}", node.name);
            }
        }
    }
}

/// Adds or removes a node's rule.
fn redirect(layout: &Layout, node: &Node, action: &str) -> Result<()> {
    let to = format!("{}:{PORT}", layout.node(1)?.address());
    let rule = [
        "iptables",
        "-w",
        "-t",
        "nat",
        action,
        "PREROUTING",
        "-s",
        POD_NETWORK,
        "-d",
        API_SERVICE,
        "-p",
        "tcp",
        "--dport",
        "443",
        "-j",
        "DNAT",
        "--to-destination",
        &to,
    ];
    network::inside(node, &rule)
}

#[derive(Debug)]
struct Proxy {
    random: Mutex<Random>,
    dealt: Arc<Dealt>,
    server: Arc<rustls::ServerConfig>,
    client: Arc<rustls::ClientConfig>,
}

impl Proxy {
    fn new(layout: &Layout, seed: u64, dealt: Arc<Dealt>) -> Result<Self> {
        let (chain, key) = Credentials::of_api_server(layout);
        let chain = certificates(&chain)?;
        let key = PrivateKeyDer::from_pem_file(&key).context("the API server's key")?;
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(chain.clone());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let client = rustls::ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let server = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        Ok(Self {
            random: Mutex::new(Random::new(seed)),
            dealt,
            server: Arc::new(server),
            client: Arc::new(client),
        })
    }

    fn fate(&self, method: &Method) -> Fate {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        let writes = !matches!(*method, Method::GET | Method::HEAD);
        let fate = match random.below(1000) / PER_MILLE {
            // A conflict is the answer to a write.
            0 if writes => Fate::Refused(StatusCode::CONFLICT),
            1 => Fate::Refused(StatusCode::TOO_MANY_REQUESTS),
            2 => Fate::Refused(StatusCode::INTERNAL_SERVER_ERROR),
            3 if writes => Fate::Denied,
            4 => Fate::Cut,
            _ => Fate::Passes,
        };
        self.dealt.note(fate);
        fate
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>> {
        match self.fate(request.method()) {
            Fate::Passes => Ok(self.pass(request).await?.map(Either::Left)),
            Fate::Refused(status) => refusal(status),
            Fate::Denied => {
                self.pass(request).await?.into_body().collect().await?;
                refusal(StatusCode::INTERNAL_SERVER_ERROR)
            }
            Fate::Cut => anyhow::bail!("cut"),
        }
    }

    async fn pass(&self, request: Request<Incoming>) -> Result<Response<Incoming>> {
        let address: SocketAddr = format!("{HOST_ADDRESS}:{API_PORT}").parse()?;
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::IpAddress(IpAddr::from(address.ip()));
        let stream = TlsConnector::from(self.client.clone())
            .connect(name, stream)
            .await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // Ends with the answer's body, and its error is that of whoever reads it.
        tokio::spawn(connection);
        Ok(sender.send_request(request).await?)
    }
}

async fn serve(proxy: Arc<Proxy>, listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        let proxy = proxy.clone();
        tokio::spawn(async move {
            let acceptor = TlsAcceptor::from(proxy.server.clone());
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let service = service_fn(|request| {
                let proxy = proxy.clone();
                async move { proxy.answer(request).await }
            });
            // An error is either a connection that was to be cut or one that its client has closed.
            let served = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
            drop(served);
        });
    }
}

/// What the API server says, as its clients understand it.
fn refusal(status: StatusCode) -> Result<Response<Body>> {
    let reason = match status {
        StatusCode::CONFLICT => "Conflict",
        StatusCode::TOO_MANY_REQUESTS => "TooManyRequests",
        _ => "InternalError",
    };
    let body = serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "it is a bad day", "reason": reason, "code": status.as_u16(),
    });
    let body = Full::new(Bytes::from(body.to_string()));
    let response = Response::builder()
        .status(status)
        .header(CONTENT_TYPE, "application/json")
        .header(RETRY_AFTER, "1");
    Ok(response.body(Either::Right(body))?)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    Ok(found?)
}
