//! Where the members are, and what follows from it for this server's ports.

use zk_core::Configs;
use zk_wire::Sid;
use zk_wire::membership::{HostPort, Membership, Role, ServerSpec};

use crate::config::{BindAddress, Mode, Settings, bind};
use crate::election_port::Addresses;

/// The configs at the start; `None` without an ensemble.
#[must_use]
pub fn at_start(settings: &Settings) -> Option<(Sid, Configs)> {
    let Mode::Ensemble { sid, membership } = &settings.mode else {
        return None;
    };
    let configs = Configs {
        committed: membership.clone(),
        proposed: settings.proposed.clone(),
    };
    Some((*sid, configs))
}

fn at(spec: &ServerSpec, port: u16) -> HostPort {
    HostPort {
        host: spec.host.clone(),
        port,
    }
}

/// Everybody's place on the election port: of the members in force, and of those to come. `joining` is
/// the own line of a server that is none of them.
#[must_use]
pub fn election_addresses(sid: Sid, configs: &Configs, joining: Option<&ServerSpec>) -> Addresses {
    let members = |m: &Membership| -> Vec<(Sid, HostPort)> {
        let servers = m.servers.iter();
        servers
            .map(|(sid, spec)| (*sid, at(spec, spec.election_port)))
            .collect()
    };
    let mut all = members(&configs.committed);
    all.extend(configs.proposed.iter().flat_map(members));
    let mut addresses = Addresses::default();
    addresses.others.extend(all);
    // Its own place changes only with the config in force.
    let own = configs.committed.servers.get(&sid).or(joining);
    addresses.own = own.map(|spec| at(spec, spec.election_port));
    addresses.others.remove(&sid);
    addresses
}

/// Where this server listens for its peers; `None` when it is no member.
#[must_use]
pub fn own_bind(
    sid: Sid,
    config: &Membership,
    listen_all: bool,
    port: impl Fn(&ServerSpec) -> u16,
) -> Option<BindAddress> {
    let own = config.servers.get(&sid)?;
    Some(bind_of(own, listen_all, port))
}

/// The same for a server with this line.
#[must_use]
pub fn bind_of(
    own: &ServerSpec,
    listen_all: bool,
    port: impl Fn(&ServerSpec) -> u16,
) -> BindAddress {
    let port = port(own);
    if listen_all {
        return BindAddress::All(port);
    }
    bind(&own.host, port)
}

/// Where clients connect, when the members say so.
#[must_use]
pub fn client_bind(sid: Sid, config: &Membership) -> Option<BindAddress> {
    let client = config.servers.get(&sid)?.client.as_ref()?;
    Some(bind(&client.host, client.port))
}

/// Where a leader may be followed: it moves when it commits what was proposed, and whether it did may
/// not be known here yet.
#[must_use]
pub fn quorum_addresses(configs: &Configs, sid: Sid) -> Vec<HostPort> {
    let proposed = configs.proposed.as_ref();
    let newer_first = proposed.into_iter().chain([&configs.committed]);
    let specs = newer_first.filter_map(|config| config.servers.get(&sid));
    let mut addresses: Vec<HostPort> = specs.map(|spec| at(spec, spec.quorum_port)).collect();
    addresses.dedup();
    addresses
}

/// Where an observer may follow a follower; nowhere if server `sid` is no observer.
#[must_use]
pub fn master_addresses(configs: &Configs, sid: Sid, port: u16) -> Vec<HostPort> {
    let members = &configs.committed;
    let observes = |spec: &ServerSpec| spec.role == Role::Observer;
    if !members.servers.get(&sid).is_some_and(observes) {
        return Vec::new();
    }
    let voters = members.servers.values().filter(|spec| !observes(spec));
    voters.map(|spec| at(spec, port)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_to_come_can_be_reached_and_the_own_place_waits_for_the_commit() {
        let parse = |text: &str| Membership::parse(text).unwrap();
        let configs = Configs {
            committed: parse("server.1=a:1:2;0.0.0.0:3\nserver.2=b:1:2\nversion=1"),
            proposed: Some(parse("server.1=a:4:5;h:6\nserver.3=c:1:2\nversion=2")),
        };
        let addresses = election_addresses(Sid(1), &configs, None);
        assert_eq!(addresses.own.unwrap().port, 2);
        let others: Vec<i64> = addresses.others.keys().map(|sid| sid.0).collect();
        assert_eq!(others, [2, 3]);
        let quorum = |sid| -> Vec<String> {
            let addresses = quorum_addresses(&configs, Sid(sid));
            addresses.iter().map(ToString::to_string).collect()
        };
        assert_eq!(quorum(1), ["a:4", "a:1"]);
        assert_eq!(
            (quorum(2), quorum(3)),
            (vec!["b:1".into()], vec!["c:1".into()])
        );
        assert!(quorum(4).is_empty());
        assert_eq!(
            client_bind(Sid(1), &configs.committed),
            Some(BindAddress::All(3))
        );
        let observed = Configs {
            committed: parse("server.1=a:1:2\nserver.2=b:1:2:observer\nserver.3=c:1:2\nversion=1"),
            proposed: None,
        };
        let masters = |sid| -> Vec<String> {
            let addresses = master_addresses(&observed, Sid(sid), 7);
            addresses.iter().map(ToString::to_string).collect()
        };
        assert_eq!(masters(2), ["a:7", "c:7"]);
        assert!(masters(1).is_empty(), "followers follow the leader");
        let bind = |all| own_bind(Sid(1), &configs.committed, all, |spec| spec.quorum_port);
        assert_eq!(bind(true), Some(BindAddress::All(1)));
        assert_eq!(bind(false).unwrap().to_string(), "a:1");
    }
}
