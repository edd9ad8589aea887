//! Why a handshake failed, in words that help whoever runs the client.

use std::io;

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage};

use super::certificate::time_text;
use super::name::for_log;
use super::verifier::Refused;

/// The reason of a failed handshake; `refused` is the certificate that was not taken.
pub(super) fn reason(error: &io::Error, refused: Option<&Refused>) -> String {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Error>());
    match inner {
        Some(tls) => of_tls(tls, refused),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            "the client closed the connection during the handshake".into()
        }
        None => error.to_string(),
    }
}

/// Whether it failed for the certificate of the client, or for its showing none.
pub(super) fn is_of_client(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|e| e.downcast_ref::<Error>());
    matches!(
        inner,
        Some(Error::NoCertificatesPresented | Error::InvalidCertificate(_))
    )
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the errors of rustls are open-ended; the rest say themselves what they are"
)]
fn of_tls(error: &Error, refused: Option<&Refused>) -> String {
    match error {
        Error::NoCertificatesPresented => {
            "the client shows no certificate, and ssl.clientAuth=need asks for one".into()
        }
        Error::InvalidCertificate(why) => of_certificate(why, refused),
        Error::AlertReceived(
            alert @ (AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnsupportedCertificate),
        ) => format!("the client does not accept this server's certificate (alert {alert:?})"),
        Error::AlertReceived(alert) => format!("the client ended the handshake (alert {alert:?})"),
        Error::PeerIncompatible(why) => {
            format!("no protocol version, cipher suite or key exchange in common ({why:?})")
        }
        Error::InvalidMessage(
            why @ (InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion),
        ) => format!("the client does not speak TLS ({why:?})"),
        other => other.to_string(),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the errors of rustls are open-ended; the rest say themselves what they are"
)]
fn of_certificate(why: &CertificateError, refused: Option<&Refused>) -> String {
    let (subject, issuer) = refused.map_or_else(Default::default, |refused| {
        (for_log(&refused.subject), for_log(&refused.issuer))
    });
    let certificate = format!("the client certificate {subject}");
    match why {
        CertificateError::ExpiredContext { not_after, .. } => {
            format!(
                "{certificate} expired at {}",
                time_text(not_after.as_secs())
            )
        }
        CertificateError::Expired => format!("{certificate} expired"),
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!(
                "{certificate} is not good before {}",
                time_text(not_before.as_secs())
            )
        }
        CertificateError::NotValidYet => format!("{certificate} is not good yet"),
        CertificateError::UnknownIssuer => {
            format!("{certificate} is issued by {issuer}, which the trust store does not know")
        }
        // Of a certificate that was taken before: it is the handshake that is signed wrongly.
        CertificateError::BadSignature if refused.is_none() => {
            "the client does not have the private key of the certificate that it shows".into()
        }
        CertificateError::BadSignature => format!(
            "{certificate} is not signed by the authority of the name {issuer} in the trust store"
        ),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            format!("{certificate} is not meant for clients (its extended key usage)")
        }
        other => format!("{certificate} is refused: {other}"),
    }
}
