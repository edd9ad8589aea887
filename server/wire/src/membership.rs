//! The config text: `server.N=` lines and `version=`, as zoo.cfg, the config node, NEWLEADER and
//! notifications carry it (`QuorumPeer.QuorumServer`, `QuorumMaj`).
//!
//! With groups, a quorum is more than half of the weight in more than half of the groups
//! (`QuorumHierarchical`). Left out: several addresses per server; a text with them is refused by
//! name rather than misread.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::error::DecodeError;
use crate::ids::Sid;

/// Whether a member votes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Voter.
    Participant,
    /// Learner without a vote.
    Observer,
}

/// A host name or address and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// Name, IPv4, or IPv6 without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl std::fmt::Display for HostPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// One `server.N=` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerSpec {
    /// Host of the quorum and election ports.
    pub host: String,
    /// Leader <-> learner.
    pub quorum_port: u16,
    /// Election.
    pub election_port: u16,
    /// Voter or not.
    pub role: Role,
    /// Client address, when the line has one.
    pub client: Option<HostPort>,
}

impl ServerSpec {
    /// Reads the right side of a `server.N=` line.
    ///
    /// # Errors
    /// Text that names what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, DecodeError> {
        let bad = |why: &str| DecodeError::Invalid(format!("{text:?}: {why}"));
        if text.contains('|') {
            return Err(bad("several addresses for one server are not supported"));
        }
        let mut halves = text.split(';');
        let address = halves.next().unwrap_or_default();
        let client = halves.next().map(str::trim);
        if halves.next().is_some() {
            return Err(bad("more than one ';'"));
        }
        let parts = split_host(address.trim());
        let (host, quorum, election, role) = match parts.as_slice() {
            [host, quorum, election] => (host, quorum, election, Role::Participant),
            [host, quorum, election, role] => {
                let role = match role.to_ascii_lowercase().as_str() {
                    "participant" => Role::Participant,
                    "observer" => Role::Observer,
                    _ => return Err(bad("the role is neither participant nor observer")),
                };
                (host, quorum, election, role)
            }
            _ => {
                return Err(bad(
                    "expected host:quorumPort:electionPort[:role][;clientPort]",
                ));
            }
        };
        let port = |p: &str| p.parse::<u16>().map_err(|_| bad("a port is not a number"));
        let (quorum_port, election_port) = (port(quorum)?, port(election)?);
        if quorum_port == election_port {
            return Err(bad("quorum port and election port are the same"));
        }
        let client = match client {
            None => None,
            Some(c) => Some(match split_host(c).as_slice() {
                [p] => HostPort {
                    host: "0.0.0.0".into(),
                    port: port(p)?,
                },
                [host, p] => HostPort {
                    host: (*host).to_owned(),
                    port: port(p)?,
                },
                _ => return Err(bad("the client part is not [host:]port")),
            }),
        };
        // Brackets let anything through, and it would be read back as something else.
        let unnameable = |c: char| c.is_whitespace() || c.is_control();
        let client_host = client.as_ref().map_or("", |c| c.host.as_str());
        if [*host, client_host].iter().any(|h| h.contains(unnameable)) {
            return Err(bad("a host has blanks or control characters in it"));
        }
        Ok(Self {
            host: (*host).to_owned(),
            quorum_port,
            election_port,
            role,
            client,
        })
    }
}

/// Splits at colons outside of the brackets of an IPv6 host, whose brackets are dropped.
fn split_host(text: &str) -> Vec<&str> {
    if let Some((host, rest)) = text.strip_prefix('[').and_then(|t| t.split_once(']')) {
        let mut parts = vec![host];
        parts.extend(
            rest.strip_prefix(':')
                .into_iter()
                .flat_map(|r| r.split(':')),
        );
        return parts;
    }
    text.split(':').collect()
}

impl std::fmt::Display for ServerSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let quorum = HostPort {
            host: self.host.clone(),
            port: self.quorum_port,
        };
        let role = match self.role {
            Role::Participant => "participant",
            Role::Observer => "observer",
        };
        write!(f, "{quorum}:{}:{role}", self.election_port)?;
        match &self.client {
            Some(client) => write!(f, ";{client}"),
            None => Ok(()),
        }
    }
}

/// A whole config: the members and the version.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Membership {
    /// zxid of the reconfiguration that made it, or of the first epoch; 0 from a static file.
    pub version: i64,
    /// The members by id.
    pub servers: BTreeMap<Sid, ServerSpec>,
    /// Groups of voters by their number; empty: every voter counts the same.
    pub groups: BTreeMap<i64, BTreeSet<Sid>>,
    /// Weights that are not 1; looked at with groups only.
    pub weights: BTreeMap<Sid, i64>,
}

impl Membership {
    /// Reads the text form.
    ///
    /// # Errors
    /// The first line that is wrong, by its content.
    pub fn parse(text: &str) -> Result<Self, DecodeError> {
        let mut out = Self::default();
        for line in text.lines().map(str::trim).filter(|l| !l.is_empty()) {
            let bad = |why: &str| DecodeError::Invalid(format!("{line:?}: {why}"));
            let (key, value) = line.split_once('=').ok_or_else(|| bad("no '='"))?;
            if let Some(sid) = key.trim().strip_prefix("server.") {
                let sid = sid
                    .parse::<i64>()
                    .map_err(|_| bad("the server id is not a number"))?;
                if out
                    .servers
                    .insert(Sid(sid), ServerSpec::parse(value.trim())?)
                    .is_some()
                {
                    return Err(bad("the server id is there twice"));
                }
            } else if out
                .hierarchy_line(key.trim(), value)
                .map_err(|e| bad(&e.to_string()))?
            {
                continue;
            } else if key.trim() == "version" {
                out.version = i64::from_str_radix(value.trim(), 16)
                    .map_err(|_| bad("the version is not hexadecimal"))?;
                if out.version < 0 {
                    return Err(bad("the version is negative"));
                }
            } else {
                return Err(bad("neither server.N, group.N, weight.N nor version"));
            }
        }
        out.check_groups()?;
        Ok(out)
    }

    /// Takes a `group.N` or `weight.N` line; false for any other.
    ///
    /// # Errors
    /// Numbers that are none.
    pub fn hierarchy_line(&mut self, key: &str, value: &str) -> Result<bool, DecodeError> {
        let number = |text: &str| {
            let number = text.trim().parse::<i64>();
            number.map_err(|_| DecodeError::Invalid(format!("{text:?} is not a number")))
        };
        if let Some(group) = key.strip_prefix("group.") {
            let members = value.split(':').map(|sid| number(sid).map(Sid));
            let members = members.collect::<Result<BTreeSet<Sid>, _>>()?;
            self.groups.insert(number(group)?, members);
            return Ok(true);
        }
        if let Some(sid) = key.strip_prefix("weight.") {
            self.weights.insert(Sid(number(sid)?), number(value)?);
            return Ok(true);
        }
        Ok(false)
    }

    /// Checks that the groups, if there are any, have each voter once.
    ///
    /// # Errors
    /// A voter without a group or with two; weights without groups.
    pub fn check_groups(&self) -> Result<(), DecodeError> {
        let bad = |why: String| Err(DecodeError::Invalid(why));
        if self.groups.is_empty() {
            return if self.weights.is_empty() {
                Ok(())
            } else {
                bad("weights without groups".into())
            };
        }
        for sid in self.voters() {
            match self.groups.values().filter(|g| g.contains(&sid)).count() {
                0 => return bad(format!("server {sid} is in no group")),
                1 => {}
                _ => return bad(format!("server {sid} is in more than one group")),
            }
        }
        Ok(())
    }

    /// Weight of a voter.
    #[must_use]
    pub fn weight(&self, sid: Sid) -> i64 {
        self.weights.get(&sid).copied().unwrap_or(1)
    }

    /// The lines of the text form, without the version.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let servers = self.servers.iter();
        let mut lines: Vec<String> = servers
            .map(|(sid, spec)| format!("server.{sid}={spec}"))
            .collect();
        for (group, members) in &self.groups {
            let members: Vec<String> = members.iter().map(ToString::to_string).collect();
            lines.push(format!("group.{group}={}", members.join(":")));
        }
        if !self.groups.is_empty() {
            let weighed = self.groups.values().flatten();
            lines.extend(weighed.map(|sid| format!("weight.{sid}={}", self.weight(*sid))));
        }
        lines
    }

    /// The text form: one line per member, then the version without a line end.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = self.lines().join("\n");
        if !text.is_empty() {
            text.push('\n');
        }
        write!(text, "version={:x}", self.version).expect("writing to a String");
        text
    }

    /// Whether the members, their addresses, roles and weights are the same, whatever the version.
    #[must_use]
    pub fn same_members(&self, other: &Self) -> bool {
        self.servers == other.servers
            && self.groups == other.groups
            && self
                .groups
                .values()
                .flatten()
                .all(|sid| self.weight(*sid) == other.weight(*sid))
    }

    /// Whether this many votes are a quorum.
    pub fn is_quorum(&self, sids: impl IntoIterator<Item = Sid>) -> bool {
        let votes = |sid: &Sid| {
            let spec = self.servers.get(sid);
            spec.is_some_and(|s| s.role == Role::Participant)
        };
        let present: BTreeSet<Sid> = sids.into_iter().filter(votes).collect();
        if self.groups.is_empty() {
            return present.len() > self.voters().count() / 2;
        }
        let weight = |members: &mut dyn Iterator<Item = &Sid>| -> i64 {
            members
                .filter(|sid| votes(sid))
                .map(|sid| self.weight(*sid))
                .sum()
        };
        let (mut groups, mut reached) = (0, 0);
        for group in self.groups.values() {
            let all = weight(&mut group.iter());
            if all > 0 {
                groups += 1;
                let here = weight(&mut group.iter().filter(|sid| present.contains(sid)));
                reached += usize::from(here > all / 2);
            }
        }
        groups > 0 && reached > groups / 2
    }

    /// Ids of the voters.
    pub fn voters(&self) -> impl Iterator<Item = Sid> + '_ {
        self.servers
            .iter()
            .filter(|(_, s)| s.role == Role::Participant)
            .map(|(sid, _)| *sid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_survives_a_round_trip() {
        let text = "server.1=127.0.0.1:21021:21031:participant;127.0.0.1:21011\n\
                    server.2=zoo-2.zoo:2888:3888:observer\n\
                    server.3=[::1]:2888:3888:participant;[::]:2181\n\
                    version=100000028";
        let m = Membership::parse(text).unwrap();
        assert_eq!(m.to_text(), text);
        assert_eq!(m.voters().collect::<Vec<_>>(), [Sid(1), Sid(3)]);
        let short = ServerSpec::parse("zoo1:2888:3888;2181").unwrap();
        assert_eq!(short.to_string(), "zoo1:2888:3888:participant;0.0.0.0:2181");
    }

    #[test]
    fn groups_and_weights() {
        let line = |n: u8| format!("server.{n}=h{n}:1:2:participant\n");
        let servers: String = (1..=6).map(line).collect();
        let text = format!("{servers}group.1=1:2:3\ngroup.2=4:5:6\nweight.4=5\nversion=0");
        let m = Membership::parse(&text).unwrap();
        let quorum = |sids: &[i64]| m.is_quorum(sids.iter().map(|s| Sid(*s)));
        assert!(quorum(&[1, 2, 4]) && !quorum(&[1, 2, 3]) && !quorum(&[1, 2, 5, 6]));
        assert!(m.to_text().contains("weight.1=1\n") && m.to_text().contains("weight.4=5\n"));
        let again = Membership::parse(&m.to_text()).unwrap();
        assert!(again.same_members(&m) && again.to_text() == m.to_text());
    }

    #[test]
    fn bad_lines_are_refused_by_their_content() {
        for line in [
            "server.1=host:2888",
            "server.1=host:2888:2888",
            "server.1=host:2888:3888:chief",
            "server.x=host:2888:3888",
            "server.1=a:1:2|b:1:2",
            "server.1=a:1:2;3;4",
            "server.1=[\u{b}a]:1:2",
            "group.1=1:x",
            "weight.1=2",
            "server.1=a:1:2\ngroup.1=2",
            "version=xyz",
            "version=-69",
            "nonsense",
        ] {
            let error = Membership::parse(line).unwrap_err().to_string();
            assert!(error.len() > 10, "{line}: {error}");
        }
    }
}
