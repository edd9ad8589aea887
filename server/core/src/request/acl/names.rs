//! Names that an ACL entry can have in each scheme (`AuthenticationProvider.isValid`), and
//! networks of addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether `name` can stand in an ACL under `scheme`, which is enabled.
pub(super) fn is_valid(scheme: &str, name: &str) -> bool {
    match scheme {
        "ip" => parse_net(name).is_some(),
        "digest" => is_digest_id(name),
        "x509" => dn::is_valid(name),
        "sasl" => is_kerberos_name(name),
        // `ensemble` names no client.
        _ => false,
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

/// Anything without `@`, or `name@realm` or `name/host@realm`.
fn is_kerberos_name(name: &str) -> bool {
    let Some((principal, realm)) = name.split_once('@') else {
        return true;
    };
    !realm.contains(['/', '@']) && principal.matches('/').count() <= 1
}

/// An address and how many bits of it count.
fn parse_net(text: &str) -> Option<(IpAddr, u32)> {
    let (address, bits) = match text.split_once('/') {
        None => (text, None),
        Some((address, bits)) => (address, Some(bits)),
    };
    let address = parse_address(address)?;
    let max = if address.is_ipv4() { 32 } else { 128 };
    let bits = match bits {
        // A sign is fine with Java's parser, and so are leading zeros.
        Some(bits) => u32::try_from(bits.parse::<i32>().ok()?).ok()?,
        None => max,
    };
    (bits <= max).then_some((address, bits))
}

fn parse_address(text: &str) -> Option<IpAddr> {
    if text.contains(':') {
        // Without the form that ends in an IPv4 address.
        let address = Some(text).filter(|t| !t.contains('.'))?;
        return address.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    }
    let mut octets = [0_u8; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        *octet = u8::try_from(parts.next()?.parse::<i32>().ok()?).ok()?;
    }
    parts
        .next()
        .is_none()
        .then_some(IpAddr::V4(Ipv4Addr::from(octets)))
}

/// Whether `address` lies in `net`.
pub(super) fn address_matches(address: &str, net: &str) -> bool {
    let (Some(address), Some((net, bits))) = (parse_address(address), parse_net(net)) else {
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

/// Distinguished names as `X500Principal` reads them: RFC 2253 with the liberties of RFC 1779.
mod dn {
    /// Short names of attribute types that need no number.
    const KEYWORDS: [&str; 20] = [
        "CN",
        "C",
        "L",
        "S",
        "ST",
        "O",
        "OU",
        "T",
        "IP",
        "STREET",
        "DC",
        "DNQUALIFIER",
        "DNQ",
        "SURNAME",
        "GIVENNAME",
        "INITIALS",
        "GENERATION",
        "EMAILADDRESS",
        "UID",
        "SERIALNUMBER",
    ];

    /// Whether the text is a name; the empty one is.
    pub(super) fn is_valid(text: &str) -> bool {
        text.is_empty()
            || split(text, &[',', ';'])
                .and_then(|rdns| {
                    rdns.into_iter()
                        .map(|rdn| split(rdn, &['+']))
                        .collect::<Option<Vec<_>>>()
                })
                .is_some_and(|rdns| rdns.into_iter().flatten().all(is_attribute))
    }

    /// Splits at separators outside of quotes and escapes; `None` when a quote stays open.
    fn split<'a>(text: &'a str, separators: &[char]) -> Option<Vec<&'a str>> {
        let (mut parts, mut start) = (Vec::new(), 0);
        let (mut quoted, mut escaped) = (false, false);
        for (at, c) in text.char_indices() {
            if escaped {
                escaped = false;
            } else if c == '\\' {
                escaped = true;
            } else if c == '"' {
                quoted = !quoted;
            } else if !quoted && separators.contains(&c) {
                parts.push(text.get(start..at)?);
                start = at + c.len_utf8();
            }
        }
        parts.push(text.get(start..)?);
        (!quoted && !escaped).then_some(parts)
    }

    fn is_attribute(text: &str) -> bool {
        let Some((keyword, value)) = text.split_once('=') else {
            return false;
        };
        let keyword = keyword.trim();
        let number = keyword
            .get(..4)
            .filter(|p| p.eq_ignore_ascii_case("OID."))
            .map_or(keyword, |_| keyword.get(4..).unwrap_or_default());
        let known = KEYWORDS.iter().any(|k| k.eq_ignore_ascii_case(keyword));
        (known || is_oid(number)) && is_value(value.trim())
    }

    fn is_oid(text: &str) -> bool {
        let mut parts = text.split('.');
        let is_number = |p: &str| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit());
        let first = parts.next().is_some_and(|p| ["0", "1", "2"].contains(&p));
        first && parts.clone().next().is_some() && parts.all(is_number)
    }

    /// `#` and pairs of hex digits, something in quotes, or plain text in which specials are escaped.
    fn is_value(text: &str) -> bool {
        if let Some(hex) = text.strip_prefix('#') {
            return !hex.is_empty()
                && hex.len().is_multiple_of(2)
                && hex.bytes().all(|b| b.is_ascii_hexdigit());
        }
        if let Some(rest) = text.strip_prefix('"') {
            let mut escaped = false;
            let end = rest.char_indices().find(|(_, c)| {
                let ends = !escaped && *c == '"';
                escaped = !escaped && *c == '\\';
                ends
            });
            return end.is_some_and(|(at, _)| at + 1 == rest.len());
        }
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                '\\' => {
                    let Some(c) = chars.next() else { return false };
                    let special = ",=+<>#;\\\" ".contains(c);
                    let hex = c.is_ascii_hexdigit()
                        && chars.next().is_some_and(|c| c.is_ascii_hexdigit());
                    if !special && !hex {
                        return false;
                    }
                }
                '<' | '>' | ';' | '"' => return false,
                _ => {}
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(scheme: &str, good: &[&str], bad: &[&str]) {
        for name in good {
            assert!(is_valid(scheme, name), "{name}");
        }
        for name in bad {
            assert!(!is_valid(scheme, name), "{name}");
        }
    }

    #[test]
    fn names_of_each_scheme() {
        check(
            "ip",
            &[
                "1.2.3.4",
                "01.2.3.+4",
                "1.2.3.4/24",
                "1.2.3.4/0",
                "::1",
                "::1/128",
                "fe80::A",
            ],
            &[
                "1.2.3",
                "1.2.3.4/33",
                "1.2.3.4/",
                "host",
                "",
                "::ffff:1.2.3.4",
                "1::2::3",
                "::1%e",
            ],
        );
        check("digest", &["a:b", ":b"], &["no", "a:", "a:b:c", ""]);
        check(
            "sasl",
            &["bob", "", "a/b", "a@R", "a/h@R", "@"],
            &["a@b@c", "a/b/c@R", "a@b/c"],
        );
        check(
            "x509",
            &[
                "",
                "CN=alice,OU=Dev,O=Acme\\, Inc,C=US",
                "cn=a + o=b; c=d",
                "OID.1.2.3=x",
                "2.5.4.3=x",
                "CN=",
                "CN=\"a,b\"",
                "CN=#04",
                "CN=\\C4\\8D",
            ],
            &[
                "alice", "XX=a", "CN=a,", "CN=\"a", "CN=a<b", "CN=#0", "3.1=a", "CN=a\\",
            ],
        );
        check("ensemble", &[], &["a"]);
    }

    #[test]
    fn networks() {
        assert!(address_matches("10.1.2.3", "10.1.0.0/16"));
        assert!(address_matches("10.1.2.3", "10.1.9.9/16"));
        assert!(!address_matches("10.1.2.3", "10.2.0.0/16"));
        assert!(address_matches("fe80::1", "fe80::/10"));
        assert!(!address_matches("fe80::1", "0.0.0.0/0"));
        assert!(address_matches("1.2.3.4", "0.0.0.0/0"));
    }
}
