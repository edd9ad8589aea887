//! Who may do what: the ACL check, and the fix-up of lists that clients send
//! (`PrepRequestProcessor.fixupACL`, `ZooKeeperServer.checkACL`).

use std::net::IpAddr;

use zk_wire::client::ErrorCode;
use zk_wire::{Acl, Id};

/// Whether one of `identities` may do any of `wanted` on a node with this ACL.
pub(crate) fn allowed(acl: Option<&[Acl]>, wanted: i32, identities: &[Id]) -> bool {
    let Some(acl) = acl.filter(|list| !list.is_empty()) else {
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
        .any(|entry| {
            let scheme = entry.id.scheme.as_deref();
            let id = entry.id.id.as_deref().unwrap_or_default();
            if scheme == Some("world") && id == "anyone" {
                return true;
            }
            identities
                .iter()
                .filter(|who| who.scheme.as_deref() == scheme)
                .any(|who| {
                    let name = who.id.as_deref().unwrap_or_default();
                    if scheme == Some("ip") {
                        ip_matches(name, id)
                    } else {
                        name == id
                    }
                })
        })
}

/// The list as it is stored: without exact duplicates, every entry of a known scheme.
pub(crate) fn fix_up(acl: Option<&[Acl]>) -> Result<Vec<Acl>, ErrorCode> {
    let mut out: Vec<Acl> = Vec::new();
    for entry in acl.unwrap_or_default() {
        let scheme = entry.id.scheme.as_deref().ok_or(ErrorCode::InvalidAcl)?;
        // A null name is an unexpected value to the providers, not an invalid list.
        let name = || entry.id.id.as_deref().ok_or(ErrorCode::MarshallingError);
        let valid = match scheme {
            "world" => name()? == "anyone",
            "ip" => parse_net(name()?).is_some(),
            "digest" => is_digest_id(name()?),
            // `auth` stands for the caller's authenticated identities, of which there are none.
            _ => false,
        };
        if !valid {
            return Err(ErrorCode::InvalidAcl);
        }
        if !out.contains(entry) {
            out.push(entry.clone());
        }
    }
    if out.is_empty() {
        Err(ErrorCode::InvalidAcl)
    } else {
        Ok(out)
    }
}

/// `user:hash`, exactly two parts, trailing empty ones not counted.
fn is_digest_id(id: &str) -> bool {
    let mut parts: Vec<&str> = id.split(':').collect();
    while parts.last().is_some_and(|p| p.is_empty()) {
        parts.pop();
    }
    parts.len() == 2
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

fn parse_net(text: &str) -> Option<(IpAddr, u32)> {
    let (address, bits) = match text.split_once('/') {
        None => (text, None),
        Some((address, bits)) => (address, Some(bits.parse::<u32>().ok()?)),
    };
    let address: IpAddr = address.parse().ok()?;
    let max = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.unwrap_or(max);
    (bits <= max).then_some((address, bits))
}

fn ip_matches(address: &str, net: &str) -> bool {
    let (Ok(address), Some((net, bits))) = (address.parse::<IpAddr>(), parse_net(net)) else {
        return false;
    };
    let prefix = |value: u128, len: u32| value.checked_shr(len - bits).unwrap_or(0);
    match (address, net) {
        (IpAddr::V4(a), IpAddr::V4(n)) => {
            prefix(u32::from(a).into(), 32) == prefix(u32::from(n).into(), 32)
        }
        (IpAddr::V6(a), IpAddr::V6(n)) => prefix(a.into(), 128) == prefix(n.into(), 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acl(perms: i32, scheme: &str, id: &str) -> Acl {
        Acl {
            perms,
            id: Id::new(scheme, id),
        }
    }

    #[test]
    fn who_may() {
        let me = [Id::new("ip", "10.1.2.3")];
        let check = |entry: Acl, wanted| allowed(Some(&[entry]), wanted, &me);
        assert!(allowed(None, 1, &me) && allowed(Some(&[]), 1, &me));
        assert!(check(acl(31, "world", "anyone"), 4));
        assert!(!check(acl(1, "world", "anyone"), 4));
        assert!(check(acl(31, "ip", "10.1.0.0/16"), 1));
        assert!(check(acl(31, "ip", "0.0.0.0/0"), 1));
        assert!(!check(acl(31, "ip", "10.2.0.0/16"), 1));
        assert!(!check(acl(31, "digest", "u:h"), 1));
        assert!(allowed(
            Some(&[acl(0, "world", "x")]),
            1,
            &[Id::new("super", "")]
        ));
    }

    #[test]
    fn lists_that_clients_send() {
        let ok = |entry: Acl| fix_up(Some(&[entry])).is_ok();
        assert!(ok(acl(0, "world", "anyone")) && !ok(acl(31, "world", "someone")));
        for good in ["1.2.3.4", "1.2.3.4/24", "1.2.3.4/0", "::1", "::1/128"] {
            assert!(ok(acl(1, "ip", good)), "{good}");
        }
        for bad in ["1.2.3", "1.2.3.4/33", "1.2.3.4/", "host"] {
            assert!(!ok(acl(1, "ip", bad)), "{bad}");
        }
        for (id, good) in [("a:b", true), (":b", true), ("no", false), ("a:", false)] {
            assert_eq!(ok(acl(1, "digest", id)), good, "{id}");
        }
        assert_eq!(fix_up(None), Err(ErrorCode::InvalidAcl));
        assert_eq!(fix_up(Some(&[])), Err(ErrorCode::InvalidAcl));
        assert!(!ok(acl(31, "auth", "")));
        let twice = [Acl::world(31), Acl::world(31), Acl::world(1)];
        assert_eq!(fix_up(Some(&twice)).unwrap().len(), 2);
        let hidden = redact(&[acl(1, "digest", "u:secret")]);
        assert_eq!(hidden[0].id.id.as_deref(), Some("u:x"));
    }
}
