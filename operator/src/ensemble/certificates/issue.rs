//! Makes authorities and certificates: ECDSA P-256. This is where randomness comes in.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};

use super::read::end_of;
use crate::ensemble::validate::ValidatedEnsemble;

/// Life of an authority: ten years. Seconds.
const AUTHORITY_LIFE_S: i64 = 10 * 365 * 86_400;

/// Life of a certificate of the servers: ninety days. Seconds.
const LEAF_LIFE_S: i64 = 90 * 86_400;

/// How far clocks of servers and clients may be behind the operator's. Seconds.
const CLOCK_SKEW_S: i64 = 300;

/// Authorities that are trusted at the same time at most.
const TRUSTED_MAX: usize = 3;

/// Last line of a certificate in PEM form.
const PEM_END: &str = "-----END CERTIFICATE-----";

/// A certificate could not be made.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The library refused, or the system gave no random bytes.
    #[error("cannot make a certificate: {0}")]
    Rcgen(#[from] rcgen::Error),
    /// The Secret of the authority is of no use, although it just was.
    #[error("cannot sign: {0}")]
    Authority(String),
}

/// A certificate and its private key, PEM. It is not to be printed.
pub(super) struct Pair {
    pub(super) certificate: String,
    pub(super) key: String,
}

/// Makes an authority.
pub(super) fn authority(
    ensemble: &ValidatedEnsemble,
    now: Timestamp,
) -> Result<Pair, rcgen::Error> {
    let mut params = authority_params(ensemble);
    let seconds = now.as_second();
    set_life(&mut params, seconds, seconds + AUTHORITY_LIFE_S);
    let key = KeyPair::generate()?;
    Ok(Pair {
        certificate: params.self_signed(&key)?.pem(),
        key: key.serialize_pem(),
    })
}

/// What every authority of the ensemble is called and may do.
fn authority_params(ensemble: &ValidatedEnsemble) -> CertificateParams {
    let mut params = CertificateParams::default();
    // The name of a certificate may not be that of its authority.
    params.distinguished_name = subject(ensemble, &format!("{} authority", ensemble.name));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// Makes a certificate of the servers, for both ends of a connection, that ends with its authority at the
/// latest.
pub(super) fn leaf(
    ensemble: &ValidatedEnsemble,
    names: BTreeSet<String>,
    authority_key: &str,
    authority_ends: Timestamp,
    now: Timestamp,
) -> Result<Pair, rcgen::Error> {
    let issuer = Issuer::new(
        authority_params(ensemble),
        KeyPair::from_pem(authority_key)?,
    );
    let mut params = CertificateParams::new(names.into_iter().collect::<Vec<_>>())?;
    params.distinguished_name = subject(ensemble, &ensemble.name);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    params.use_authority_key_identifier_extension = true;
    let seconds = now.as_second();
    let ends = (seconds + LEAF_LIFE_S).min(authority_ends.as_second());
    set_life(&mut params, seconds, ends);
    let key = KeyPair::generate()?;
    Ok(Pair {
        certificate: params.signed_by(&key, &issuer)?.pem(),
        key: key.serialize_pem(),
    })
}

/// Returns the authorities that are trusted: the present one, and those of `former` that have not ended.
pub(super) fn trusted(present: &str, former: &str, now: Timestamp) -> String {
    let mut all = with_end(present);
    let lasting = former
        .split_inclusive(PEM_END)
        .map(str::trim_start)
        .filter(|pem| outlives(pem, now) && pem.trim_end() != present.trim_end());
    for pem in lasting.take(TRUSTED_MAX - 1) {
        all.push_str(&with_end(pem));
    }
    all
}

fn with_end(pem: &str) -> String {
    format!("{}\n", pem.trim_end())
}

fn outlives(pem: &str, now: Timestamp) -> bool {
    end_of(pem).is_some_and(|end| end > now)
}

/// Whose certificate it is. A common name has 64 characters at most, and so has a namespace.
fn subject(ensemble: &ValidatedEnsemble, common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "Quorate");
    name.push(DnType::OrganizationalUnitName, ensemble.namespace.as_str());
    name.push(DnType::CommonName, common_name);
    name
}

/// Sets the first and the last second, both since 1970.
fn set_life(params: &mut CertificateParams, from: i64, to: i64) {
    let time = |seconds: i64| {
        let since_1970 = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
        date_time_ymd(1970, 1, 1) + since_1970
    };
    params.not_before = time(from - CLOCK_SKEW_S);
    params.not_after = time(to);
}
