//! reconfig: every check that Apache makes before a membership begins to change, in its order, and
//! the transaction (`PrepRequestProcessor.pRequest2Txn`, `QuorumPeerConfig.parseDynamicConfig`).

use bytes::Bytes;
use zk_wire::Sid;
use zk_wire::client::ErrorCode;
use zk_wire::client::request::ReconfigRequest;
use zk_wire::data::perms;
use zk_wire::membership::{Membership, Role, ServerSpec};
use zk_wire::txn::TxnBody;

use super::Prep;
use crate::db::CONFIG_PATH;

impl Prep<'_> {
    /// The new config, if it may be proposed.
    pub(super) fn reconfig(&mut self, request: &ReconfigRequest) -> Result<TxnBody, ErrorCode> {
        let settings = self.asker.cfg.reconfig;
        if !settings.enabled {
            return Err(ErrorCode::ReconfigDisabled);
        }
        self.asker.standing.write?;
        if self.asker.cfg.membership.is_none() {
            return Err(ErrorCode::Unimplemented);
        }
        let ensemble = self.asker.ensemble;
        if ensemble.proposed().is_some() {
            return Err(ErrorCode::ReconfigInProgress);
        }
        let current = ensemble.committed();
        if request.from_config != -1 && request.from_config != current.version {
            return Err(ErrorCode::BadVersion);
        }
        let mut next = match &request.new_members {
            Some(text) => replacement(text, settings.standalone_enabled)?,
            None => changed(current, request)?,
        };
        let fewest = if settings.standalone_enabled { 2 } else { 1 };
        if next.voters().count() < fewest {
            return Err(ErrorCode::BadArguments);
        }
        if !next.is_quorum(self.asker.synced.iter().copied()) {
            return Err(ErrorCode::NewConfigNoQuorum);
        }
        let mut node = self.node(CONFIG_PATH)?;
        self.require(&node, perms::WRITE)?;
        let zxid = self.asker.zxid;
        next.version = zxid.to_wire();
        let data = Some(Bytes::from(next.to_text()));
        node.data.clone_from(&data);
        node.stat.version = -1;
        node.stat.mzxid = zxid.to_wire();
        node.stat.mtime = self.asker.time_ms;
        self.out.set(CONFIG_PATH, zxid, node);
        Ok(TxnBody::SetData {
            path: CONFIG_PATH.to_owned(),
            data,
            version: -1,
            reconfig: true,
        })
    }
}

/// A number where Apache lets the exception of its parser through.
fn number(text: &str) -> Result<Sid, ErrorCode> {
    let number = text.parse::<i64>();
    number.map(Sid).map_err(|_| ErrorCode::MarshallingError)
}

fn spec(text: &str) -> Result<ServerSpec, ErrorCode> {
    ServerSpec::parse(text.trim()).map_err(|_| ErrorCode::BadArguments)
}

/// The parts of a list, trimmed, without empty ones.
fn split(text: Option<&str>, separator: char) -> impl Iterator<Item = &str> {
    let parts = text.into_iter().flat_map(move |t| t.split(separator));
    parts.map(str::trim).filter(|part| !part.is_empty())
}

/// The membership without those who leave and with those who join.
fn changed(current: &Membership, request: &ReconfigRequest) -> Result<Membership, ErrorCode> {
    if !current.groups.is_empty() {
        return Err(ErrorCode::BadArguments);
    }
    let mut next = current.clone();
    for leaving in split(request.leaving.as_deref(), ',') {
        next.servers.remove(&number(leaving)?);
    }
    for joining in split(request.joining.as_deref(), ',') {
        let mut parts = split(Some(joining), '=');
        let (Some(key), Some(value), None) = (parts.next(), parts.next(), parts.next()) else {
            return Err(ErrorCode::BadArguments);
        };
        let sid = number(key.rsplit('.').next().unwrap_or_default())?;
        let server = spec(value)?;
        if server.client.is_none() {
            return Err(ErrorCode::BadArguments);
        }
        let others = next.servers.iter().filter(|(other, _)| **other != sid);
        if others
            .into_iter()
            .any(|(_, other)| share_an_address(&server, other))
        {
            return Err(ErrorCode::BadArguments);
        }
        next.servers.insert(sid, server);
    }
    Ok(next)
}

/// Whether they would listen at the same place; a wildcard is no place.
fn share_an_address(a: &ServerSpec, b: &ServerSpec) -> bool {
    let addresses = |spec: &ServerSpec| -> Vec<(String, u16)> {
        let client = spec.client.as_ref().map(|c| (c.host.clone(), c.port));
        let quorum = (spec.host.clone(), spec.quorum_port);
        let election = (spec.host.clone(), spec.election_port);
        let all = [Some(quorum), Some(election), client];
        let is_place = |(host, _): &(String, u16)| host != "0.0.0.0" && host != "::";
        all.into_iter().flatten().filter(is_place).collect()
    };
    let theirs = addresses(b);
    addresses(a).iter().any(|mine| theirs.contains(mine))
}

/// A whole new membership, in the syntax of a properties file; commas stand for line ends.
fn replacement(text: &str, standalone_enabled: bool) -> Result<Membership, ErrorCode> {
    let mut next = Membership::default();
    for line in split(Some(&text.replace(',', "\n")), '\n') {
        if line.starts_with(['#', '!']) {
            continue;
        }
        let end = line.find(|c: char| c == '=' || c == ':' || c.is_whitespace());
        let (key, rest) = line.split_at(end.unwrap_or(line.len()));
        let value = rest.trim_start();
        let value = value.strip_prefix(['=', ':']).unwrap_or(value).trim_start();
        if key == "version" {
            let version = i64::from_str_radix(value, 16);
            next.version = version.map_err(|_| ErrorCode::MarshallingError)?;
            continue;
        }
        let is_weight = next.hierarchy_line(key, value);
        if is_weight.map_err(|_| ErrorCode::MarshallingError)? {
            continue;
        }
        let sid = key.strip_prefix("server.").ok_or(ErrorCode::BadArguments)?;
        next.servers.insert(number(sid)?, spec(value)?);
    }
    next.check_groups().map_err(|_| ErrorCode::BadArguments)?;
    let voters = next.voters().count();
    let observers = next.servers.values().any(|s| s.role == Role::Observer);
    // What Apache refuses with an exception that it does not translate.
    let untranslated = match voters {
        0 => observers || !standalone_enabled,
        1 => observers && standalone_enabled,
        _ => false,
    };
    if untranslated {
        return Err(ErrorCode::MarshallingError);
    }
    Ok(next)
}

#[cfg(test)]
mod tests;
