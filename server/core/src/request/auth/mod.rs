//! Who a client is: the identities that its transport, auth packets and SASL prove (client.md
//! sections 13.3, 13.5, 13.7 and 20; the providers of `org.apache.zookeeper.server.auth`).
//!
//! Identities accumulate on a connection, go with it, and are never replicated.

mod digest;
mod digest_md5;
pub(crate) mod eager;

use zk_wire::Id;
use zk_wire::client::ClientInfo;

use crate::config::AuthSettings;

pub use digest_md5::{Client, DigestMd5, NONCE_LEN, NotProven, Service, Step};

/// The scheme that passes every check.
const SUPER: &str = "super";

/// Why an auth packet ends the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The client is told that it failed.
    Told,
    /// The connection closes without a word, so that the client tries another server.
    Untold,
}

/// The identities that a connection starts with: its address, and what the transport proved.
pub(crate) fn at_connect(settings: &AuthSettings, ip: &str, proven: Vec<Id>) -> Vec<Id> {
    let mut ids = vec![Id::new("ip", ip)];
    for id in proven {
        let is_super = id.scheme.as_deref() == Some("x509")
            && id.id.is_some()
            && id.id == settings.x509_super_user;
        if is_super {
            ids.push(Id::new(SUPER, id.id.as_deref().unwrap_or_default()));
        }
        ids.push(id);
    }
    ids
}

/// What an auth packet proves, to someone who is `identities` so far.
pub(crate) fn add(
    settings: &AuthSettings,
    scheme: Option<&str>,
    data: Option<&[u8]>,
    identities: &[Id],
) -> Result<Vec<Id>, Refused> {
    let scheme = scheme
        .filter(|scheme| settings.schemes.contains(*scheme))
        .ok_or(Refused::Told)?;
    match scheme {
        "digest" => {
            let identity = digest::identity(data.ok_or(Refused::Told)?, settings.digest_algorithm);
            let is_super = settings.super_digests.contains(&identity);
            let super_id = is_super.then(|| Id::new(SUPER, ""));
            Ok(super_id
                .into_iter()
                .chain([Id::new("digest", &identity)])
                .collect())
        }
        // Both are there since the connection began, if they are there at all.
        "ip" | "x509" => {
            let has = identities
                .iter()
                .any(|id| id.scheme.as_deref() == Some(scheme));
            if has {
                Ok(Vec::new())
            } else {
                Err(Refused::Told)
            }
        }
        "ensemble" => {
            let (Some(names), Some(name)) = (
                settings.ensemble_name.as_deref(),
                data.filter(|data| !data.is_empty()),
            ) else {
                return Ok(Vec::new());
            };
            if names
                .split(',')
                .any(|known| known.trim().as_bytes() == name)
            {
                Ok(Vec::new())
            } else {
                Err(Refused::Untold)
            }
        }
        // `sasl` has an operation of its own.
        _ => Err(Refused::Told),
    }
}

/// The identities of a user that SASL proved.
pub(crate) fn of_sasl_user(settings: &AuthSettings, user: &str) -> Vec<Id> {
    let is_super = settings.super_users.contains(user);
    let super_id = is_super.then(|| Id::new(SUPER, ""));
    [Id::new("sasl", user)]
        .into_iter()
        .chain(super_id)
        .collect()
}

/// Whether the client has an identity of a scheme that is required, if any is.
pub(crate) fn is_enough(settings: &AuthSettings, identities: &[Id]) -> bool {
    let required = &settings.enforced_schemes;
    let counts = |id: &Id| id.scheme.as_ref().is_some_and(|s| required.contains(s));
    required.is_empty() || identities.iter().any(counts)
}

/// Identities as whoAmI shows them: without what proves them, and of schemes without a provider
/// without the name.
pub(crate) fn shown(settings: &AuthSettings, identities: &[Id]) -> Vec<ClientInfo> {
    let show = |id: &Id| {
        let scheme = id.scheme.clone().unwrap_or_default();
        let name = id.id.as_deref().unwrap_or_default();
        let user = match scheme.as_str() {
            _ if !settings.schemes.contains(&scheme) => "",
            "digest" => name.split(':').next().unwrap_or_default(),
            _ => name,
        };
        let user = user.to_owned();
        ClientInfo { scheme, user }
    };
    identities.iter().map(show).collect()
}

#[cfg(test)]
mod tests;
