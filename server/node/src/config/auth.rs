//! Who clients can be, and what they must prove.
//!
//! Source: `ProviderRegistry`, `DigestAuthenticationProvider`, `SASLAuthenticationProvider`,
//! `X509AuthenticationProvider`, `AuthenticationHelper` of Apache ZooKeeper 3.9.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zk_core::{AuthSettings, DigestAlgorithm, Secret};

use super::error::ConfigError;
use super::jaas::{self, JAAS_LEN_MAX};
use super::reader::Reader;

const JAAS_KEY: &str = "java.security.auth.login.config";

/// Schemes by the class that `authProvider.N` names.
const PROVIDERS: [(&str, &str); 5] = [
    ("SASLAuthenticationProvider", "sasl"),
    ("X509AuthenticationProvider", "x509"),
    ("DigestAuthenticationProvider", "digest"),
    ("IPAuthenticationProvider", "ip"),
    ("EnsembleAuthenticationProvider", "ensemble"),
];

/// Where Apache keeps its providers.
const PROVIDER_PACKAGE: &str = "org.apache.zookeeper.server.auth.";

/// Reads all of it; a TLS port brings the scheme `x509` with it.
pub(super) fn read(r: &Reader, has_secure_port: bool) -> Result<AuthSettings, ConfigError> {
    let text = |key| r.text(key).map(str::to_owned);
    let schemes = schemes(r, has_secure_port)?;
    let skip_acl = match r.text("skipACL") {
        None | Some("no" | "false") => false,
        Some("yes") => true,
        Some(other) => {
            r.warn(format!("skipACL={other}: only yes skips; ACLs are checked"));
            false
        }
    };
    let users = r.with_prefix("superUser").into_iter();
    let super_users = users
        .filter(|(rest, _)| rest.is_empty() || rest.starts_with('.'))
        .map(|(_, value)| value.value.clone());
    Ok(AuthSettings {
        enforced_schemes: enforced(r, &schemes)?,
        schemes,
        super_digests: super_digests(r)?,
        digest_algorithm: digest_algorithm(r)?,
        allow_sasl_failed: r.flag("allowSaslFailedClients", false)?,
        sasl_users: sasl_users(r)?,
        super_users: super_users.collect(),
        any_sasl_user: text("letAnySaslUserDoX"),
        x509_super_user: text("X509AuthenticationProvider.superUser"),
        ensemble_name: text("ensembleAuthName"),
        skip_acl,
        eager_acl_check: r.flag("enableEagerACLCheck", false)?,
    })
}

/// Digest identities that are super: the one of the people, and the one of the operator.
fn super_digests(r: &Reader) -> Result<Vec<String>, ConfigError> {
    const OPERATOR: &str = "quorate.operatorDigest";
    let of_people = r.text("DigestAuthenticationProvider.superDigest");
    if of_people.is_some_and(|digest| !digest.contains(':')) {
        r.warn(
            "DigestAuthenticationProvider.superDigest has no colon and matches nobody; it is \
             super:<base64 of the hash of super:password>",
        );
    }
    let of_operator = r.text(OPERATOR);
    let halves = of_operator.map(|digest| digest.split_once(':').unwrap_or_default());
    if halves.is_some_and(|(user, hash)| user.is_empty() || STANDARD.decode(hash).is_err()) {
        let why = "it is USER:<base64 of the hash of USER:PASSWORD>, as superDigest";
        return Err(r.bad(OPERATOR, why));
    }
    let all = of_people.into_iter().chain(of_operator);
    Ok(all.map(str::to_owned).collect())
}

fn schemes(r: &Reader, has_secure_port: bool) -> Result<BTreeSet<String>, ConfigError> {
    let mut schemes = BTreeSet::from(["ip".to_owned()]);
    if r.flag("DigestAuthenticationProvider.enabled", true)? {
        schemes.insert("digest".into());
    }
    for (name, value) in r.with_prefix("authProvider.") {
        let class = value.value.strip_prefix(PROVIDER_PACKAGE);
        let known = PROVIDERS.iter().find(|(known, _)| Some(*known) == class);
        match known {
            Some((_, scheme)) => {
                schemes.insert((*scheme).to_owned());
            }
            None => r.warn(format!(
                "authProvider.{name}={}: no such provider, ignored; there are those of Apache for \
                 sasl, x509, digest, ip and ensemble",
                value.value
            )),
        }
    }
    if has_secure_port {
        schemes.insert("x509".into());
    }
    if let Some(scheme) = r.text("ssl.authProvider").filter(|s| *s != "x509") {
        let why = format!("{scheme} cannot judge certificates; only x509 can: remove the line");
        return Err(r.bad("ssl.authProvider", why));
    }
    Ok(schemes)
}

fn enforced(r: &Reader, schemes: &BTreeSet<String>) -> Result<BTreeSet<String>, ConfigError> {
    let sasl_required = r.flag("sessionRequireClientSASLAuth", false)?;
    let enabled = r.flag("enforce.auth.enabled", false)?;
    let listed = r.text("enforce.auth.schemes").unwrap_or_default();
    let (out, blamed) = if sasl_required {
        let sasl = BTreeSet::from(["sasl".to_owned()]);
        (sasl, "sessionRequireClientSASLAuth")
    } else if enabled {
        let names = listed.split(',').map(str::trim).filter(|s| !s.is_empty());
        (names.map(str::to_owned).collect(), "enforce.auth.schemes")
    } else {
        return Ok(BTreeSet::new());
    };
    if out.is_empty() {
        let why = "nothing is enforced without schemes; add enforce.auth.schemes=sasl";
        return Err(r.bad("enforce.auth.enabled", why));
    }
    match out.iter().find(|s| !schemes.contains(*s)) {
        None => Ok(out),
        Some(unknown) => {
            let why = format!(
                "there is no provider for {unknown}; register it, for example \
                 authProvider.sasl={PROVIDER_PACKAGE}SASLAuthenticationProvider"
            );
            Err(r.bad(blamed, why))
        }
    }
}

fn digest_algorithm(r: &Reader) -> Result<DigestAlgorithm, ConfigError> {
    let key = "DigestAuthenticationProvider.digestAlg";
    match r.text(key).map(str::to_ascii_uppercase).as_deref() {
        None | Some("SHA1" | "SHA-1" | "SHA") => Ok(DigestAlgorithm::Sha1),
        Some("SHA-256") => Ok(DigestAlgorithm::Sha256),
        Some("SHA-384") => Ok(DigestAlgorithm::Sha384),
        Some("SHA-512") => Ok(DigestAlgorithm::Sha512),
        Some(_) => Err(r.bad(key, "write SHA1, SHA-256, SHA-384 or SHA-512")),
    }
}

/// How servers prove to each other who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerAuthSettings {
    /// `quorum.auth.learnerRequireSasl`: the name and password of this server when it dials.
    pub dialing: Option<(String, Secret)>,
    /// `quorum.auth.serverRequireSasl`: who connects must prove who it is.
    pub required: bool,
    /// Names and passwords of those who connect.
    pub users: BTreeMap<String, Secret>,
}

/// Reads it; `None` without `quorum.auth.enableSasl`.
pub(super) fn read_peers(r: &Reader) -> Result<Option<PeerAuthSettings>, ConfigError> {
    const ENABLE: &str = "quorum.auth.enableSasl";
    const LEARNER: &str = "quorum.auth.learnerRequireSasl";
    const SERVER: &str = "quorum.auth.serverRequireSasl";
    let enabled = r.flag(ENABLE, false)?;
    let (learner, server) = (r.flag(LEARNER, false)?, r.flag(SERVER, false)?);
    if server && !learner {
        return Err(r.bad(SERVER, "it needs quorum.auth.learnerRequireSasl=true"));
    }
    if learner && !enabled {
        return Err(r.bad(LEARNER, "it needs quorum.auth.enableSasl=true"));
    }
    if !enabled {
        return Ok(None);
    }
    let Some((path, text)) = jaas_text(r)? else {
        let why = "it needs users; add java.security.auth.login.config=<JAAS file>";
        return Err(r.bad(ENABLE, why));
    };
    let wrong = |e: jaas::JaasError| ConfigError::Jaas {
        path: path.clone(),
        line: e.line,
        why: e.why,
    };
    let key = "quorum.auth.server.saslLoginContext";
    let section = r.text(key).unwrap_or("QuorumServer");
    let Some(users) = jaas::users(&text, section).map_err(wrong)? else {
        let why = format!("{} has no section {section}", path.display());
        return Err(r.bad(ENABLE, why));
    };
    let key = "quorum.auth.learner.saslLoginContext";
    let section = r.text(key).unwrap_or("QuorumLearner");
    let login = jaas::login(&text, section).map_err(wrong)?;
    if learner && login.is_none() {
        let why = format!(
            "section {section} of {} has no username and password",
            path.display()
        );
        return Err(r.bad(LEARNER, why));
    }
    Ok(Some(PeerAuthSettings {
        dialing: login.filter(|_| learner),
        required: server,
        users,
    }))
}

/// The JAAS file and its text; `None` when none is named.
fn jaas_text(r: &Reader) -> Result<Option<(PathBuf, String)>, ConfigError> {
    let Some(file) = r.text(JAAS_KEY) else {
        return Ok(None);
    };
    let path = r.path().parent().unwrap_or(Path::new("")).join(file);
    let mut text = String::new();
    std::fs::File::open(&path)
        .and_then(|f| f.take(JAAS_LEN_MAX).read_to_string(&mut text))
        .map_err(|source| ConfigError::Io {
            path: path.clone(),
            op: "read the file that java.security.auth.login.config names",
            source,
        })?;
    Ok(Some((path, text)))
}

/// The users of the JAAS file; `None`: SASL is not configured.
fn sasl_users(r: &Reader) -> Result<Option<BTreeMap<String, Secret>>, ConfigError> {
    let section = r.text("sasl.serverconfig").unwrap_or("Server").to_owned();
    let super_password = r.text("SASLAuthenticationProvider.superPassword");
    let Some((path, text)) = jaas_text(r)? else {
        return Ok(None);
    };
    let users = jaas::users(&text, &section).map_err(|e| ConfigError::Jaas {
        path: path.clone(),
        line: e.line,
        why: e.why,
    })?;
    let Some(mut users) = users else {
        r.warn(format!(
            "{} has no section {section}: clients cannot use SASL",
            path.display()
        ));
        return Ok(None);
    };
    if let Some(password) = super_password {
        users.insert("super".into(), Secret(password.to_owned()));
    }
    Ok(Some(users))
}
