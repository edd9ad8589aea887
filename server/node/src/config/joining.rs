//! Where a server is that no list of the members has: one that is to become a member, or that
//! observes (`--pod-host`, `--observer`).
//!
//! Apache's servers join with a list of the members and themselves in it, which is a list that nobody
//! else has under its version. Here the list stays as it is, and the own line is known to this server
//! alone: it has no vote, unless the members change.

use std::net::Ipv6Addr;

use zk_wire::membership::{HostPort, Membership, Role, ServerSpec};

use super::error::ConfigError;
use super::reader::Reader;

/// Quorum and election port where the members do not have the same.
const PEER_PORTS: (u16, u16) = (2888, 3888);

/// Client port where the members do not have the same.
const CLIENT_PORT: u16 = 2181;

/// Longest host name (RFC 1035), bytes.
const HOST_LEN_MAX: usize = 253;

/// The value that all have, if they do.
fn common<T: PartialEq>(mut values: impl Iterator<Item = T>) -> Option<T> {
    let first = values.next()?;
    values.all(|value| value == first).then_some(first)
}

/// The line of a server at `host` beside these members.
pub(super) fn own_line(
    r: &Reader,
    host: &str,
    role: Role,
    members: &Membership,
) -> Result<ServerSpec, ConfigError> {
    check(host)?;
    let lines = || members.servers.values();
    let peers = common(lines().map(|line| (line.quorum_port, line.election_port)));
    let (quorum_port, election_port) = peers.unwrap_or(PEER_PORTS);
    let client = if r.port("clientPort")?.is_some() {
        None
    } else {
        let ports = lines().map(|line| line.client.as_ref().map(|client| client.port));
        common(ports).unwrap_or(Some(CLIENT_PORT))
    };
    Ok(ServerSpec {
        host: host.to_owned(),
        quorum_port,
        election_port,
        role,
        client: client.map(|port| HostPort {
            host: "0.0.0.0".into(),
            port,
        }),
    })
}

/// Only what can be a name or an address: it goes to the other servers.
fn check(host: &str) -> Result<(), ConfigError> {
    let of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_name = !host.is_empty() && host.len() <= HOST_LEN_MAX && host.chars().all(of_name);
    if is_name || host.parse::<Ipv6Addr>().is_ok() {
        return Ok(());
    }
    Err(ConfigError::PodHost {
        host: host.chars().take(HOST_LEN_MAX).collect(),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Flags;

    fn line(config: &str, host: &str, members: &str) -> Result<String, ConfigError> {
        let r = Reader::new(Path::new("zoo.cfg"), config, &Flags::default());
        let members = Membership::parse(members).unwrap();
        own_line(&r, host, Role::Participant, &members).map(|line| line.to_string())
    }

    #[test]
    fn ports_are_those_of_the_members_where_they_agree() {
        let line = |config, members| line(config, "h", members).unwrap();
        let same = "server.1=a:1:2;3\nserver.2=b:1:2;b:3";
        assert_eq!(line("", same), "h:1:2:participant;0.0.0.0:3");
        assert_eq!(line("clientPort=7", same), "h:1:2:participant");
        let other = "server.1=a:1:2;3\nserver.2=b:1:4;b:5";
        assert_eq!(line("", other), "h:2888:3888:participant;0.0.0.0:2181");
        assert_eq!(line("", "server.1=a:1:2"), "h:1:2:participant");
    }

    #[test]
    fn a_host_is_a_name_or_an_address() {
        let members = "server.1=a:1:2;3";
        for good in ["zoo-3.zoo.ns.svc.cluster.local", "10.0.0.1", "fd00::1"] {
            assert!(line("", good, members).is_ok(), "{good}");
        }
        let long = "a".repeat(254);
        for bad in ["", "a b", "a:1", "a;b", "a,b", "a\n", "ä", long.as_str()] {
            let said = line("", bad, members).unwrap_err().to_string();
            assert!(said.contains("--pod-host"), "{said}");
        }
    }
}
