//! A distinguished name as the text that ACLs carry.
//!
//! Source: `X500Principal.getName()` of Java, by which Apache's `X509AuthenticationProvider` makes
//! identities: RFC 2253, with Java's own choice of what is escaped. ACLs depend on every character,
//! oddities included: all strings are read as UTF-8, whatever their type says.

use super::certificate::{Element, expect, next};

const SET: u8 = 0x31;
const SEQUENCE: u8 = 0x30;
const OID: u8 = 0x06;

/// UTF8String, PrintableString, T61String, IA5String, GeneralString, BMPString.
const STRINGS: [u8; 6] = [0x0c, 0x13, 0x14, 0x16, 0x1b, 0x1e];

/// Attribute types with a keyword; all others are shown as numbers.
const KEYWORDS: [(&[u8], &str); 9] = [
    (&[0x55, 4, 3], "CN"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 9], "STREET"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (
        &[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25],
        "DC",
    ),
    (
        &[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1],
        "UID",
    ),
];

/// Characters of a name that are logged; who is refused decides how long the name is.
const LOGGED_MAX: usize = 200;

/// The name whose RDNs are `rdns`, most specific first; `None` when they are not well-formed.
pub(super) fn rfc2253(mut rdns: &[u8]) -> Option<String> {
    let mut parts = Vec::new();
    while !rdns.is_empty() {
        let (mut attributes, rest) = expect(SET, rdns)?;
        let mut values = Vec::new();
        while !attributes.is_empty() {
            let (attribute, behind) = expect(SEQUENCE, attributes)?;
            let (oid, value) = expect(OID, attribute)?;
            values.push(attribute_text(oid, next(value)?.0)?);
            attributes = behind;
        }
        parts.push(values.join("+"));
        rdns = rest;
    }
    parts.reverse();
    Some(parts.join(","))
}

/// A name in quotes, as an ACL would have it, but without what could disturb a log.
pub(super) fn for_log(name: &str) -> String {
    let mut out = String::from('"');
    for c in name.chars().take(LOGGED_MAX) {
        match c {
            '\\' | '"' | '\'' => out.push(c),
            _ => out.extend(c.escape_debug()),
        }
    }
    if name.chars().nth(LOGGED_MAX).is_some() {
        out.push_str("..");
    }
    out.push('"');
    out
}

fn attribute_text(oid: &[u8], value: Element<'_>) -> Option<String> {
    let keyword = KEYWORDS
        .iter()
        .find(|(known, _)| *known == oid)
        .map(|(_, word)| *word);
    Some(match keyword {
        Some(word) if STRINGS.contains(&value.tag) => {
            format!(
                "{word}={}",
                escaped(&String::from_utf8_lossy(value.content))
            )
        }
        Some(word) => format!("{word}=#{}", hex(value.raw)),
        None => format!("{}=#{}", dotted(oid)?, hex(value.raw)),
    })
}

fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let is_blank = |c: &char| matches!(c, ' ' | '\r');
    let leading = value.chars().take_while(is_blank).count();
    let chars = value.chars().count();
    let trailing = chars - value.chars().rev().take_while(is_blank).count();
    for (n, c) in value.chars().enumerate() {
        match c {
            '\0' => out.push_str("\\00"),
            ',' | '=' | '+' | '<' | '>' | '#' | ';' | '"' | '\\' => out.extend(['\\', c]),
            _ if n < leading || n >= trailing => out.extend(['\\', c]),
            _ => out.push(c),
        }
    }
    out
}

fn hex(raw: &[u8]) -> String {
    raw.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An object identifier in dotted form; its parts beyond 64 bits are refused.
fn dotted(oid: &[u8]) -> Option<String> {
    let mut parts = Vec::new();
    let mut part = 0_u64;
    for (n, byte) in oid.iter().enumerate() {
        part = part.checked_mul(128)? | u64::from(byte & 0x7f);
        if byte & 0x80 != 0 {
            if n + 1 == oid.len() {
                return None;
            }
            continue;
        }
        if parts.is_empty() {
            let first = (part / 40).min(2);
            parts.extend([first.to_string(), (part - first * 40).to_string()]);
        } else {
            parts.push(part.to_string());
        }
        part = 0;
    }
    Some(parts.join("."))
}

#[cfg(test)]
mod tests;
