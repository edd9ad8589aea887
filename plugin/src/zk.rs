//! `kubectl quorate zk`: the shell of `quorate cli`, on connections that are forwarded to ready pods.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kube::ResourceExt as _;
use quorate_operator::crd::{ClientTlsMode, ZkEnsemble};
use quorate_server::cli::arguments::Arguments;
use quorate_server::cli::client::TlsFiles;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::arguments::Zk;
use crate::cluster::Cluster;
use crate::failure::Failure;
use crate::forward::{self, Forwarded};
use crate::pods;

/// Port of the servers for clients without TLS.
const PLAIN_PORT: u16 = 2181;

/// Port of the servers for clients with TLS.
const TLS_PORT: u16 = 2281;

/// Connections that are forwarded at the same time: the shell has one.
const CONNECTIONS_MAX: usize = 16;

/// The way from the shell to the servers.
#[derive(Clone)]
struct Way {
    cluster: Cluster,
    ensemble: String,
    port: u16,
    /// Counts connections, so that each goes to the next pod.
    turn: Arc<AtomicUsize>,
}

/// Listens on loopback, forwards what connects to ready pods of the ensemble, and returns the words for
/// `quorate cli`.
///
/// # Errors
/// When the ensemble is not there, has no pod that is ready, needs TLS or has none, or words are in the
/// way.
pub async fn prepare(cluster: &Cluster, asked: &Zk) -> Result<Vec<String>, Failure> {
    check_words(&asked.words)?;
    let object = cluster.ensemble(&asked.name).await?;
    let port = port(&object, asked.tls_ca.is_some())?;
    let way = Way {
        cluster: cluster.clone(),
        ensemble: asked.name.clone(),
        port,
        turn: Arc::default(),
    };
    // What is not allowed should be said at once, and not by a shell that never connects.
    drop(way.connect().await?);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
    let failed = |error| Failure::System("cannot listen on 127.0.0.1", error);
    let listener = listener.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    tokio::spawn(way.serve(listener));
    Ok(words(address, port, asked))
}

impl Way {
    async fn serve(self, listener: TcpListener) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        while let Ok(place) = Arc::clone(&places).acquire_owned().await {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    eprintln!("no more connections to {}: {error}", self.ensemble);
                    return;
                }
            };
            let way = self.clone();
            tokio::spawn(async move {
                way.carry(stream).await;
                drop(place);
            });
        }
    }

    async fn carry(&self, mut stream: TcpStream) {
        match self.connect().await {
            // The shell tells that a connection broke, and connects again.
            Ok(mut forwarded) => {
                let ended = copy_bidirectional(&mut stream, &mut forwarded.stream).await;
                drop(ended);
            }
            Err(failure) => eprintln!("{failure}"),
        }
    }

    /// Connects to the next pod that is ready, and to another one if that fails.
    async fn connect(&self) -> Result<Forwarded, Failure> {
        let namespace = &self.cluster.namespace;
        let pods = self.cluster.pods(namespace, &self.ensemble).await?;
        let ready: Vec<String> = pods
            .iter()
            .filter(|pod| pods::is_ready(pod))
            .map(kube::ResourceExt::name_any)
            .collect();
        let from = self.turn.fetch_add(1, Ordering::Relaxed);
        let from = from.checked_rem(ready.len()).unwrap_or(0);
        let mut failure = Failure::NoPod {
            name: self.ensemble.clone(),
            namespace: namespace.clone(),
        };
        for pod in ready.iter().cycle().skip(from).take(ready.len()) {
            match forward::connect(&self.cluster.client, namespace, pod, self.port).await {
                Ok(forwarded) => return Ok(forwarded),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }
}

/// Refuses options of the shell that say where to connect, and such as it does not know.
fn check_words(words: &[String]) -> Result<(), Failure> {
    const UNSET: &str = "unset";
    let parsed = Arguments::parse(words.to_vec(), Some(UNSET.to_owned()));
    let parsed = parsed.map_err(|error| Failure::Word(error.to_string()))?;
    if parsed.server != UNSET {
        return Err(Failure::Taken("-server"));
    }
    if parsed.tls != TlsFiles::default() {
        return Err(Failure::Taken(
            "--tls-ca, --tls-cert or --tls-key behind --",
        ));
    }
    Ok(())
}

/// The port for a client with TLS, or without.
fn port(object: &ZkEnsemble, tls: bool) -> Result<u16, Failure> {
    let settings = object.spec.tls.as_ref();
    let mode = settings.map_or(ClientTlsMode::Disabled, |settings| settings.client.mode);
    let name = object.name_any();
    match (mode, tls) {
        (ClientTlsMode::Disabled, true) => Err(Failure::Tls(format!(
            "{name} has no TLS for clients (spec.tls.client.mode): leave out --tls-ca"
        ))),
        (ClientTlsMode::Require, false) => {
            let given = settings.and_then(|settings| settings.secret_name.clone());
            let secret = given.unwrap_or_else(|| format!("{name}-tls"));
            let namespace = object.namespace().unwrap_or_default();
            Err(Failure::Tls(format!(
                "{name} takes clients with TLS only: give the authorities of its certificate with \
                 --tls-ca FILE, which come from\n  kubectl get secret {secret} -n {namespace} -o \
                 go-template='{{{{index .data \"ca.crt\" | base64decode}}}}' > ca.pem"
            )))
        }
        (_, true) => Ok(TLS_PORT),
        (_, false) => Ok(PLAIN_PORT),
    }
}

/// The words for `quorate cli`.
fn words(address: SocketAddr, port: u16, asked: &Zk) -> Vec<String> {
    // The certificate of the servers is for localhost, too.
    let server = if port == TLS_PORT {
        format!("localhost:{}", address.port())
    } else {
        address.to_string()
    };
    let mut words = vec!["-server".to_owned(), server];
    let mut file = |option: &str, path: Option<&Path>| {
        if let Some(path) = path {
            words.extend([option.to_owned(), path.to_string_lossy().into_owned()]);
        }
    };
    file("--tls-ca", asked.tls_ca.as_deref());
    file("--tls-cert", asked.tls_cert.as_deref());
    file("--tls-key", asked.tls_key.as_deref());
    words.extend(asked.words.iter().cloned());
    words
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ensemble(tls: serde_json::Value) -> ZkEnsemble {
        serde_json::from_value(json!({
            "apiVersion": "quorate.dev/v1alpha1",
            "kind": "ZkEnsemble",
            "metadata": { "name": "orders", "namespace": "shop" },
            "spec": { "voters": { "storage": { "size": "1Gi" } }, "tls": tls },
        }))
        .unwrap()
    }

    fn zk(words: &[&str]) -> Zk {
        Zk {
            name: "orders".into(),
            tls_ca: Some("ca.pem".into()),
            tls_cert: None,
            tls_key: None,
            words: words.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn the_port_follows_from_the_mode_and_from_the_options() {
        let allow = ensemble(json!({ "client": { "mode": "Allow" } }));
        assert_eq!(port(&allow, false).unwrap(), PLAIN_PORT);
        assert_eq!(port(&allow, true).unwrap(), TLS_PORT);
        let require = json!({ "client": { "mode": "Require" }, "secretName": "mine" });
        let require = ensemble(require);
        assert_eq!(port(&require, true).unwrap(), TLS_PORT);
        let text = port(&require, false).unwrap_err().to_string();
        assert!(text.contains("kubectl get secret mine -n shop"), "{text}");
        assert!(
            text.contains("{{index .data \"ca.crt\" | base64decode}}"),
            "{text}"
        );
        let text = port(&ensemble(json!({})), true).unwrap_err().to_string();
        assert!(text.contains("leave out --tls-ca"), "{text}");
    }

    #[test]
    fn words_say_where_and_how_to_connect_and_then_what_was_given() {
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, 4000));
        let asked = zk(&["--json", "ls", "/"]);
        assert_eq!(
            words(at, TLS_PORT, &asked),
            [
                "-server",
                "localhost:4000",
                "--tls-ca",
                "ca.pem",
                "--json",
                "ls",
                "/"
            ]
        );
        let plain = words(at, PLAIN_PORT, &asked);
        assert_eq!(plain[1], "127.0.0.1:4000");
    }

    #[test]
    fn words_that_are_in_the_way_are_refused() {
        let check =
            |line: &str| check_words(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        check("-timeout 5000 create /a -server").unwrap();
        assert!(matches!(
            check("-server a:1 ls /"),
            Err(Failure::Taken("-server"))
        ));
        assert!(matches!(check("--tls-ca x ls /"), Err(Failure::Taken(_))));
        assert!(matches!(check("-x ls /"), Err(Failure::Word(_))));
    }
}
