//! What TLS is in the objects: ports, settings, and the directory with the certificate.

use k8s_openapi::api::core::v1::{SecretVolumeSource, Volume};

use crate::crd::{ClientTlsMode, ListenerTls, PeerTlsMode};
use crate::ensemble::validate::ValidatedEnsemble;

/// Where the Secret is mounted: as a whole directory, for the kubelet brings no renewal to single files.
pub(super) const TLS_DIR: &str = "/tls";

/// Name of the volume with the Secret.
pub(super) const TLS_VOLUME: &str = "tls";

/// Name of the port for clients with TLS.
pub(in crate::ensemble) const SECURE_CLIENT: &str = "secure-client";

/// Where clients connect, as name and number: plain, with TLS, or both.
pub(super) fn client_ports(ensemble: &ValidatedEnsemble) -> Vec<(&'static str, i32)> {
    let (plain, secure) = (("client", 2181), (SECURE_CLIENT, 2281));
    match ensemble.tls.client {
        ClientTlsMode::Disabled => vec![plain],
        ClientTlsMode::Allow => vec![plain, secure],
        ClientTlsMode::Require => vec![secure],
    }
}

/// The same for a listener.
pub(super) fn listener_ports(
    ensemble: &ValidatedEnsemble,
    wanted: ListenerTls,
) -> impl Iterator<Item = (&'static str, i32)> {
    let ports = client_ports(ensemble).into_iter();
    ports.filter(move |(name, _)| wanted == ListenerTls::Allow || *name == SECURE_CLIENT)
}

/// A setting that a user may override: with TLS, clients need no certificates of their own.
pub(super) fn default(ensemble: &ValidatedEnsemble) -> Option<(&'static str, &'static str)> {
    (ensemble.tls.client != ClientTlsMode::Disabled).then_some(("ssl.clientAuth", "none"))
}

/// The settings of TLS; none without it, so that ensembles without it are not restarted for it.
pub(super) fn settings(ensemble: &ValidatedEnsemble) -> Vec<(&'static str, &'static str)> {
    let mut settings = Vec::new();
    if ensemble.tls.client != ClientTlsMode::Disabled {
        settings.extend([
            ("secureClientPort", "2281"),
            ("client.certReload", "true"),
            ("ssl.keyStore.location", TLS_DIR),
        ]);
    }
    if ensemble.asks_clients() {
        settings.push(("ssl.trustStore.location", TLS_DIR));
    }
    if ensemble.tls.client == ClientTlsMode::Require {
        settings.push(("quorate.plainClientPort", "false"));
    }
    if ensemble.tls.peer == PeerTlsMode::Require {
        settings.extend([
            ("sslQuorum", "true"),
            ("portUnification", "false"),
            ("sslQuorumReloadCertFiles", "true"),
            ("ssl.quorum.keyStore.location", TLS_DIR),
            ("ssl.quorum.trustStore.location", TLS_DIR),
            ("ssl.quorum.clientAuth", "need"),
            // With fips-mode, whoever has a certificate of the authority would pass for any server.
            ("fips-mode", "false"),
            ("ssl.quorum.hostnameVerification", "true"),
            // A pod's address has no name before it is ready, so that nothing could be looked up.
            ("ssl.quorum.clientHostnameVerification", "false"),
        ]);
    }
    settings
}

/// The directory with certificate, key and authorities, where there is TLS.
pub(super) fn volume(ensemble: &ValidatedEnsemble) -> Option<Volume> {
    ensemble.tls.is_on().then(|| Volume {
        name: TLS_VOLUME.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(ensemble.tls_secret_name()),
            // The group of the pod reads it, and nobody else.
            default_mode: Some(0o440),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    })
}
