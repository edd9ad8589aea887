//! Where the members are, as somebody wrote it down: the page of the admin port shows it.

use std::collections::BTreeMap;

use zk_wire::Sid;

use super::error::ConfigError;
use super::reader::Reader;

/// Longest name, characters: what Kubernetes allows in a label.
const NAME_LEN_MAX: usize = 63;

const OWN: &str = "quorate.zone";
const OF_ONE: &str = "quorate.zone.";

/// Names of zones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Zones {
    /// `quorate.zone`.
    own: Option<String>,
    /// `quorate.zone.N`.
    by_id: BTreeMap<Sid, String>,
}

impl Zones {
    /// Reads the keys.
    ///
    /// # Errors
    /// A name that is none, or an id that is none.
    pub(super) fn read(r: &Reader) -> Result<Self, ConfigError> {
        let own = r.text(OWN).map(|name| checked(r, OWN, name)).transpose()?;
        let mut by_id = BTreeMap::new();
        for (id, property) in r.with_prefix(OF_ONE) {
            let key = format!("{OF_ONE}{id}");
            let sid = id.parse::<i64>().ok().filter(|n| (0..=254).contains(n));
            let sid = sid.ok_or_else(|| r.bad(&key, "the id is not a number from 1 to 254"))?;
            by_id.insert(Sid(sid), checked(r, &key, &property.value)?);
        }
        Ok(Self { own, by_id })
    }

    /// The zone of server `sid`, as server `own` knows it.
    #[must_use]
    pub fn of(&self, sid: Sid, own: Sid) -> Option<&str> {
        let here = self.own.as_ref().filter(|_| sid == own);
        here.or_else(|| self.by_id.get(&sid)).map(String::as_str)
    }
}

fn checked(r: &Reader, key: &str, name: &str) -> Result<String, ConfigError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.len() > NAME_LEN_MAX || !name.chars().all(plain) {
        let why = "not the name of a zone; write letters, digits, -, _ and . such as eu-west-1a, at most 63";
        return Err(r.bad(key, why));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Flags;

    fn zones(text: &str) -> Result<Zones, ConfigError> {
        Zones::read(&Reader::new(Path::new("zoo.cfg"), text, &Flags::default()))
    }

    #[test]
    fn the_own_word_counts_for_the_own_server_only() {
        let zones = zones("quorate.zone=a\nquorate.zone.1=x\nquorate.zone.2=b\n").unwrap();
        let of = |sid, own| zones.of(Sid(sid), Sid(own));
        assert_eq!((of(1, 1), of(2, 1), of(3, 1)), (Some("a"), Some("b"), None));
        assert_eq!((of(1, 2), of(2, 2)), (Some("x"), Some("a")));
    }

    #[test]
    fn what_is_no_zone_is_refused_by_its_key() {
        let long = format!("quorate.zone={}", "z".repeat(64));
        for (text, key) in [
            ("quorate.zone=<b>", "quorate.zone"),
            ("quorate.zone=a b", "quorate.zone"),
            (long.as_str(), "at most 63"),
            ("quorate.zone.2=", "quorate.zone.2"),
            ("quorate.zone.x=a", "quorate.zone.x"),
            ("quorate.zone.255=a", "quorate.zone.255"),
        ] {
            let said = zones(text).unwrap_err().to_string();
            assert!(said.contains(key), "{text}: {said}");
        }
    }
}
