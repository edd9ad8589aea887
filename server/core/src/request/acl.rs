//! Who may do what: the ACL check, and the fix-up of lists that clients send
//! (`PrepRequestProcessor.fixupACL`, `ZooKeeperServer.checkACL`, the providers of
//! `org.apache.zookeeper.server.auth`).

mod names;

use zk_wire::client::ErrorCode;
use zk_wire::{Acl, Id};

use crate::config::AuthSettings;

/// Schemes whose identities are more than an address, and stand in for `auth`.
const AUTHENTICATING: [&str; 3] = ["digest", "x509", "sasl"];

/// Whether one of `identities` may do any of `wanted` on a node with this ACL.
pub(crate) fn permits(
    acl: Option<&[Acl]>,
    wanted: i32,
    identities: &[Id],
    settings: &AuthSettings,
) -> bool {
    let Some(acl) = acl.filter(|list| !list.is_empty() && !settings.skip_acl) else {
        return true;
    };
    if identities
        .iter()
        .any(|id| id.scheme.as_deref() == Some("super"))
    {
        return true;
    }
    acl.iter()
        .filter(|entry| entry.perms & wanted != 0)
        .any(|entry| is_anyone(&entry.id) || matches(&entry.id, identities, settings))
}

fn is_anyone(id: &Id) -> bool {
    id.scheme.as_deref() == Some("world") && id.id.as_deref() == Some("anyone")
}

/// Whether an entry means one of `identities`; the provider of its scheme says so, if there is one.
fn matches(entry: &Id, identities: &[Id], settings: &AuthSettings) -> bool {
    let (Some(scheme), Some(wanted)) = (entry.scheme.as_deref(), entry.id.as_deref()) else {
        return false;
    };
    settings.schemes.contains(scheme)
        && identities
            .iter()
            .filter(|who| who.scheme.as_deref() == Some(scheme))
            .filter_map(|who| who.id.as_deref())
            .any(|name| match scheme {
                "ip" => names::address_matches(name, wanted),
                "x509" => name == wanted || settings.x509_super_user.as_deref() == Some(name),
                "sasl" => {
                    name == wanted
                        || name == "super"
                        || settings.any_sasl_user.as_deref() == Some(wanted)
                }
                "ensemble" => false,
                _ => name == wanted,
            })
}

/// The list as it is stored: without exact duplicates, `auth` replaced by the caller's identities,
/// every other entry of an enabled scheme and with a name that the scheme can have.
pub(crate) fn fix_up(
    acl: Option<&[Acl]>,
    identities: &[Id],
    settings: &AuthSettings,
) -> Result<Vec<Acl>, ErrorCode> {
    let unique = without_duplicates(acl.unwrap_or_default())?;
    let mut out = Vec::with_capacity(unique.len());
    for entry in unique {
        let scheme = entry.id.scheme.as_deref().ok_or(ErrorCode::InvalidAcl)?;
        match scheme {
            "auth" => {
                let before = out.len();
                out.extend(authenticated(identities, settings).map(|id| Acl {
                    perms: entry.perms,
                    id: id.clone(),
                }));
                if out.len() == before {
                    return Err(ErrorCode::InvalidAcl);
                }
            }
            // A null name is an unexpected value to those who look at it, not an invalid list.
            "world" => {
                if entry.id.id.as_deref().ok_or(ErrorCode::MarshallingError)? != "anyone" {
                    return Err(ErrorCode::InvalidAcl);
                }
                out.push(entry.clone());
            }
            _ if !settings.schemes.contains(scheme) => return Err(ErrorCode::InvalidAcl),
            _ => {
                let name = entry.id.id.as_deref().ok_or(ErrorCode::MarshallingError)?;
                if !names::is_valid(scheme, name) {
                    return Err(ErrorCode::InvalidAcl);
                }
                out.push(entry.clone());
            }
        }
    }
    if out.is_empty() {
        Err(ErrorCode::InvalidAcl)
    } else {
        Ok(out)
    }
}

/// Identities of enabled schemes that prove something.
fn authenticated<'a>(
    identities: &'a [Id],
    settings: &'a AuthSettings,
) -> impl Iterator<Item = &'a Id> {
    identities.iter().filter(|id| {
        id.scheme
            .as_deref()
            .is_some_and(|s| AUTHENTICATING.contains(&s) && settings.schemes.contains(s))
    })
}

/// The first of each set of equal entries. Apache's comparison of two entries falls over a null
/// scheme or name of the later one, once all before it is equal.
fn without_duplicates(acl: &[Acl]) -> Result<Vec<&Acl>, ErrorCode> {
    let mut unique: Vec<&Acl> = Vec::new();
    for entry in acl {
        let mut seen = false;
        for kept in &unique {
            if entry.perms != kept.perms {
                continue;
            }
            let scheme = entry
                .id
                .scheme
                .as_ref()
                .ok_or(ErrorCode::MarshallingError)?;
            if Some(scheme) != kept.id.scheme.as_ref() {
                continue;
            }
            let name = entry.id.id.as_ref().ok_or(ErrorCode::MarshallingError)?;
            if Some(name) == kept.id.id.as_ref() {
                seen = true;
                break;
            }
        }
        if !seen {
            unique.push(entry);
        }
    }
    Ok(unique)
}

/// The list for a caller without ADMIN: the hash of digest entries is hidden.
pub(crate) fn redact(acl: &[Acl]) -> Vec<Acl> {
    let hide = |entry: &Acl| {
        let mut entry = entry.clone();
        if entry.id.scheme.as_deref() == Some("digest")
            && let Some((user, _)) = entry.id.id.as_deref().and_then(|id| id.split_once(':'))
        {
            entry.id.id = Some(format!("{user}:x"));
        }
        entry
    };
    acl.iter().map(hide).collect()
}

#[cfg(test)]
mod tests;
