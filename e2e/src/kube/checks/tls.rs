//! An ensemble with TLS by the operator's own authority: clients that know it are served, others are not,
//! and a new certificate comes to all servers without a restart and without a closed connection.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use serde_json::{Value, json};

use super::refusals::set;
use super::{Bench, CLIENT_PORT, READY_LIMIT, manifest};
use crate::kube::reach;
use crate::kube::zke::{Zke, condition, pod_name};
use crate::peers::client::flags;
use crate::peers::{Client, wait_for};
use crate::twin;

/// Name of the ensemble; its Secret is named after it.
const ENSEMBLE: &str = "secure";

/// Secret with the certificate of the servers.
const SECRET: &str = "secure-tls";

/// Port for clients with TLS.
pub(super) const SECURE_PORT: u16 = 2281;

/// Port on which servers elect a leader.
const ELECTION_PORT: u16 = 3888;

/// Time-out of the sessions, and the longest wait for a reply.
pub(super) const SESSION: Duration = Duration::from_secs(20);

/// How long the Service may take to lead somewhere.
const CONNECT_LIMIT: Duration = Duration::from_secs(20);

/// Until all servers show a new certificate: the operator looks every half a minute, and a kubelet brings
/// what is in a Secret within some two minutes.
const RENEWED_LIMIT: Duration = Duration::from_secs(240);

/// Between two looks at what the servers show.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// A session stays open on each server while the certificate is replaced.
pub(super) fn certificates_are_renewed(bench: &Bench<'_>) -> Result<String> {
    let zke = Zke {
        name: ENSEMBLE,
        ..bench.zke.clone()
    };
    let mut wanted = manifest();
    set(&mut wanted, "/metadata/name", json!(ENSEMBLE))?;
    let tls = json!({ "client": { "mode": "Allow" }, "peer": { "mode": "Require" } });
    set(&mut wanted, "/spec/tls", tls)?;
    zke.kubectl.apply(zke.namespace, &wanted)?;
    zke.wait_ready(bench.progress, READY_LIMIT)?;
    let trusted = trust(&authorities(&zke)?)?;
    work_through_the_service(&zke, &trusted)?;
    let before = shown_by_all(&zke, &trusted)?;
    let lives = zke.lives()?;
    let mut held = hold(&zke, &trusted)?;
    let took = replace(&zke, &trusted, &before, &mut held)?;
    ensure!(
        zke.lives()? == lives,
        "servers were restarted for it: {lives:?}"
    );
    zke.wait_ready(bench.progress, READY_LIMIT)?;
    let object = zke.get()?;
    let valid = condition(&object, "CertificatesValid").context("a condition of certificates")?;
    ensure!(valid.get("status") == Some(&Value::from("True")), "{valid}");
    let sessions = held.len();
    for client in held {
        client.close()?;
    }
    zke.kubectl
        .run(&["delete", "zke", ENSEMBLE, "--namespace", zke.namespace])?;
    Ok(format!(
        "{sessions} servers took a new certificate within {:.0} s, no restart, {sessions} sessions stayed \
         on their connections",
        took.as_secs_f32()
    ))
}

/// The authorities, from where clients get them.
fn authorities(zke: &Zke<'_>) -> Result<String> {
    zke.kubectl.run(&[
        "get",
        "secret",
        SECRET,
        "--namespace",
        zke.namespace,
        "--output",
        r#"go-template={{index .data "ca.crt" | base64decode}}"#,
    ])
}

/// A client that trusts these authorities and shows no certificate.
pub(super) fn trust(pem: &str) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        roots.add(authority?)?;
    }
    ensure!(!roots.is_empty(), "no authority in {pem:?}");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Writes with TLS, reads plainly, and is refused by who does not know the authority.
fn work_through_the_service(zke: &Zke<'_>, trusted: &Arc<ClientConfig>) -> Result<()> {
    let service = format!("{ENSEMBLE}-client");
    let name = format!("{service}.{}.svc", zke.namespace);
    let address = |port| reach::service(zke.kubectl, zke.namespace, &service, port);
    let secure = address(SECURE_PORT)?;
    let mut client = wait_for("the Service", CONNECT_LIMIT, || {
        let client = Client::connect_tls(secure, SESSION, Arc::clone(trusted), &name);
        client.map_err(|error| error.to_string())
    })?;
    client.create("/tls", b"over TLS", flags::PERSISTENT)?;
    client.close()?;
    let mut plain = Client::connect(address(CLIENT_PORT)?, SESSION)?;
    plain.sync()?;
    let (data, _) = plain.get("/tls", false)?;
    ensure!(data.as_deref() == Some(b"over TLS".as_slice()), "{data:?}");
    plain.close()?;
    // It knows the authority of other tests, and not this one.
    let stranger = twin::tls::config("")?;
    match Client::connect_tls(secure, SESSION, stranger, &name) {
        Ok(_) => bail!("a client took the certificate of an authority that it does not know"),
        Err(error) => {
            let text = error.to_string();
            ensure!(text.contains("UnknownIssuer"), "{text}");
        }
    }
    Ok(())
}

/// The certificate that a server shows where it is dialed by this name.
fn shown(address: SocketAddr, name: &str, trusted: &Arc<ClientConfig>) -> Result<Vec<u8>> {
    let name = ServerName::try_from(name.to_owned())?;
    let mut tls = ClientConnection::new(Arc::clone(trusted), name)?;
    let mut socket = TcpStream::connect_timeout(&address, SESSION)?;
    socket.set_read_timeout(Some(SESSION))?;
    socket.set_write_timeout(Some(SESSION))?;
    while tls.is_handshaking() {
        tls.complete_io(&mut socket)?;
    }
    let chain = tls.peer_certificates().unwrap_or_default();
    let own = chain.first().context("the server showed no certificate")?;
    Ok(own.to_vec())
}

/// What every server shows, to clients and to other servers: the same.
fn shown_by_all(zke: &Zke<'_>, trusted: &Arc<ClientConfig>) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    for pod in zke.pods()? {
        for port in [SECURE_PORT, ELECTION_PORT] {
            let address = reach::pod(&pod, port)?;
            let shown = shown(address, &host(zke, &pod), trusted);
            all.push(shown.with_context(|| format!("{} on port {port}", pod_name(&pod)))?);
        }
    }
    let first = all.first().cloned().context("no pods")?;
    ensure!(
        all.iter().all(|other| *other == first),
        "the servers show different certificates"
    );
    Ok(first)
}

/// The name of a pod in the certificate.
fn host(zke: &Zke<'_>, pod: &Value) -> String {
    format!("{}.{ENSEMBLE}-peers.{}.svc", pod_name(pod), zke.namespace)
}

/// Opens a session with each server.
fn hold(zke: &Zke<'_>, trusted: &Arc<ClientConfig>) -> Result<Vec<Client>> {
    let open = |pod: &Value| -> Result<Client> {
        let address = reach::pod(pod, SECURE_PORT)?;
        let name = host(zke, pod);
        let client = Client::connect_tls(address, SESSION, Arc::clone(trusted), &name);
        client.with_context(|| pod_name(pod))
    };
    zke.pods()?.iter().map(open).collect()
}

/// Deletes the Secret and waits until every server shows the certificate of the new one; the sessions work
/// all the time. A client here never connects again by itself.
fn replace(
    zke: &Zke<'_>,
    trusted: &Arc<ClientConfig>,
    before: &[u8],
    held: &mut [Client],
) -> Result<Duration> {
    let began = Instant::now();
    zke.kubectl
        .run(&["delete", "secret", SECRET, "--namespace", zke.namespace])?;
    wait_for("a new certificate on all servers", RENEWED_LIMIT, || {
        std::thread::sleep(LOOK_PAUSE);
        for client in held.iter_mut() {
            let read = client.get("/tls", false);
            read.map_err(|error| format!("a session broke: {error}"))?;
        }
        match shown_by_all(zke, trusted) {
            Ok(shown) if shown != before => Ok(()),
            Ok(_) => Err("they show the old one".to_owned()),
            Err(error) => Err(format!("{error:#}")),
        }
    })?;
    let took = began.elapsed();
    for client in held.iter_mut() {
        client
            .set("/tls", b"over TLS, still")
            .context("a session")?;
    }
    let known = authorities(zke)?;
    let mut again = Client::connect_tls(
        reach::service(
            zke.kubectl,
            zke.namespace,
            &format!("{ENSEMBLE}-client"),
            SECURE_PORT,
        )?,
        SESSION,
        trust(&known)?,
        &format!("{ENSEMBLE}-client.{}.svc", zke.namespace),
    )?;
    again.sync()?;
    let (data, _) = again.get("/tls", false)?;
    ensure!(
        data.as_deref() == Some(b"over TLS, still".as_slice()),
        "{data:?}"
    );
    again.close()?;
    Ok(took)
}
