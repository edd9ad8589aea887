//! The way of one operator to the made-up servers.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::World;
use crate::members::{Change, ConfigVersion, Credential, MemberReport, Members, Silence, Undone};

/// The servers, as one operator reaches them.
pub(super) struct Reach {
    pub(super) world: World,
    pub(super) caller: String,
}

/// The id of the server at an address of the made-up cluster.
fn id_of(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V4(ip) => ip.octets()[3],
        IpAddr::V6(_) => 0,
    }
}

fn down() -> Silence {
    Silence::Connect(std::io::ErrorKind::ConnectionRefused.into())
}

impl Members for Reach {
    async fn ask(&self, ip: IpAddr) -> Result<MemberReport, Silence> {
        self.world.cluster().report(id_of(ip)).ok_or_else(down)
    }

    async fn form(&self, ip: IpAddr, _: &Credential, _: &str, life: &str) -> Result<(), Undone> {
        let (mut cluster, id) = (self.world.cluster(), id_of(ip));
        let holder = cluster.holder();
        let what = format!("tells {id} to begin");
        cluster.witness.disruptive(&self.caller, &holder, &what);
        let report = cluster.report(id).ok_or_else(down)?;
        if report.life != life {
            return Err(Undone::Refused("another life".to_owned()));
        }
        let began = !cluster.servers.acknowledged.is_empty() || cluster.servers.lead.is_some();
        cluster.witness.told(id, life, began);
        cluster.servers.form(id, life);
        Ok(())
    }

    async fn reconfigure(&self, ip: IpAddr, _: &Credential, change: &Change) -> Result<(), Undone> {
        let mut cluster = self.world.cluster();
        let cluster = &mut *cluster;
        cluster
            .witness
            .tell(format!("{} asks for {change:?}", self.caller));
        let from = ConfigVersion::parse(&change.from_version).unwrap();
        let id = id_of(ip);
        cluster.report(id).ok_or_else(down)?;
        if cluster.servers.members().version != from {
            return Err(Undone::Refused("BadVersion".to_owned()));
        }
        let joining = change.joining.iter().filter_map(|line| {
            let (id, _) = line.strip_prefix("server.")?.split_once('=')?;
            id.parse::<u8>().ok()
        });
        let becomes = |voters: &mut BTreeSet<u8>| {
            voters.extend(joining);
            voters.retain(|id| !change.leaving.contains(id));
            true
        };
        cluster
            .servers
            .reconfigure(id, from, becomes, &mut cluster.dice);
        if cluster.servers.members().version == from {
            return Err(Undone::Refused("NewConfigNoQuorum".to_owned()));
        }
        Ok(())
    }
}
