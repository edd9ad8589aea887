//! The members, the mode that follows from them, and the own client address.
//!
//! Source: `QuorumPeerConfig` of Apache ZooKeeper 3.9. Left out: several addresses per server, which
//! are refused.

use std::path::Path;

use zk_wire::Sid;
use zk_wire::membership::{Membership, Role, ServerSpec};

use super::error::ConfigError;
use super::identity::{PodIdentity, my_id};
use super::keys::{self, Verdict};
use super::reader::Reader;
use super::settings::{BindAddress, MembersFrom, Mode, bind};
use super::{joining, members_file};

/// The members that count, and where they are.
pub(super) fn found_in(
    r: &Reader,
    dynamic: Option<&Reader>,
) -> Result<(Membership, MembersFrom), ConfigError> {
    let file = members_file::path(r)?;
    let listed = members(r, dynamic)?;
    match (file, dynamic) {
        (Some(file), _) => members_file::choose(r, file, listed),
        (None, Some(dynamic)) => Ok((listed, MembersFrom::Dynamic(dynamic.path().to_owned()))),
        (None, None) => Ok((listed, MembersFrom::Lines)),
    }
}

/// All `server.N` lines, from whichever file has them.
fn members(r: &Reader, dynamic: Option<&Reader>) -> Result<Membership, ConfigError> {
    let found = found_members(r, dynamic);
    match dynamic {
        Some(dynamic) => found.map_err(|e| of_dynamic(dynamic.path(), e)),
        None => found,
    }
}

/// Says where a good copy of a dynamic file is.
pub(super) fn of_dynamic(path: &Path, error: ConfigError) -> ConfigError {
    ConfigError::Members {
        path: path.to_owned(),
        source: Box::new(error),
    }
}

fn found_members(r: &Reader, dynamic: Option<&Reader>) -> Result<Membership, ConfigError> {
    let own = r.with_prefix("server.");
    let source = match dynamic {
        Some(_) if !own.is_empty() => {
            let why = "server lines beside dynamicConfigFile; move them into that file".into();
            return Err(ConfigError::Contradiction {
                path: r.path().to_owned(),
                why,
            });
        }
        Some(dynamic) => dynamic,
        None => r,
    };
    let mut membership = Membership::default();
    if let Some(dynamic) = dynamic {
        dynamic_keys(dynamic)?;
        let name = dynamic
            .path()
            .file_name()
            .and_then(|n| n.to_str())
            .unwrap_or_default();
        let suffix = name.rsplit_once('.').map_or("", |(_, suffix)| suffix);
        membership.version = i64::from_str_radix(suffix, 16).unwrap_or(0);
    }
    for (id, property) in source.with_prefix("server.") {
        let key = format!("server.{id}");
        let sid = id
            .parse::<i64>()
            .ok()
            .filter(|n| (0..=254).contains(n))
            .ok_or_else(|| source.bad(&key, "the id is not a number from 1 to 254"))?;
        let spec =
            ServerSpec::parse(&property.value).map_err(|e| source.bad(&key, e.to_string()))?;
        membership.servers.insert(Sid(sid), spec);
    }
    for prefix in ["group.", "weight."] {
        for (id, property) in source.with_prefix(prefix) {
            let key = format!("{prefix}{id}");
            let line = membership.hierarchy_line(&key, &property.value);
            line.map_err(|e| source.bad(&key, e.to_string()))?;
        }
    }
    if membership.servers.is_empty() && membership.version > 0 {
        // Not a server alone: a reconfiguration left this file.
        return Err(ConfigError::Contradiction {
            path: source.path().to_owned(),
            why: "no server line".into(),
        });
    }
    membership
        .check_groups()
        .map_err(|e| ConfigError::Contradiction {
            path: source.path().to_owned(),
            why: format!("{e}; each participant belongs to one group"),
        })?;
    Ok(membership)
}

/// A dynamic file tells about members and nothing else; its version is in its name.
fn dynamic_keys(dynamic: &Reader) -> Result<(), ConfigError> {
    let mut names = dynamic.names();
    let known = ["server.", "group.", "weight."];
    if let Some(name) = names.find(|name| !known.iter().any(|k| name.starts_with(k))) {
        let why = match keys::find(name).map(|key| key.verdict) {
            Some(Verdict::Guarded(why)) => why.to_owned(),
            _ => {
                "a dynamic file has server, group and weight lines only; move it to zoo.cfg".into()
            }
        };
        return Err(dynamic.bad(name, why));
    }
    Ok(())
}

/// Where a server would be that joins these members; `None` for one that is among them, or that does
/// not know where it is.
fn joining(
    r: &Reader,
    membership: &Membership,
    data_dir: &Path,
    pod: Option<&PodIdentity>,
) -> Result<Option<ServerSpec>, ConfigError> {
    let Some((pod, host)) = pod.and_then(|pod| Some((pod, pod.host.as_deref()?))) else {
        return Ok(None);
    };
    let sid = my_id(data_dir, Some(pod))?;
    if membership.servers.is_empty() || membership.servers.contains_key(&sid) {
        return Ok(None);
    }
    let role = if pod.observes {
        Role::Observer
    } else {
        Role::Participant
    };
    joining::own_line(r, host, role, membership).map(Some)
}

/// Alone or in an ensemble, and as whom; with its line, where it joins.
pub(super) fn mode(
    r: &Reader,
    (membership, from): (Membership, &MembersFrom),
    data_dir: &Path,
    pod: Option<&PodIdentity>,
    warnings: &mut Vec<String>,
) -> Result<(Mode, Option<ServerSpec>), ConfigError> {
    let source = match from {
        MembersFrom::Dynamic(file) | MembersFrom::File(file) => file,
        MembersFrom::Lines | MembersFrom::LinesBeside(_) => r.path(),
    };
    let joining = joining(r, &membership, data_dir, pod)?;
    let standalone_enabled = r.flag("standaloneEnabled", from.file().is_none())?;
    let voters = membership.voters().count();
    let others = membership.servers.len() - voters;
    if voters == 0 && others == 0 {
        return Ok((Mode::Standalone, None));
    }
    let contradiction = |why: &str| {
        Err(ConfigError::Contradiction {
            path: source.to_owned(),
            why: why.into(),
        })
    };
    if voters == 0 {
        return contradiction("no server line with a vote; at least one must be a participant");
    }
    if voters == 1 && standalone_enabled && joining.is_none() {
        if others > 0 {
            return contradiction(
                "observers need an ensemble: set standaloneEnabled=false or add participants",
            );
        }
        warnings.push("one server line only, which is ignored: running standalone".into());
        return Ok((Mode::Standalone, None));
    }
    let sid = my_id(data_dir, pod)?;
    if let Some(line) = &joining {
        let how = if line.role == Role::Observer {
            "observes"
        } else {
            "joins, without a vote until a reconfig adds it,"
        };
        warnings.push(format!(
            "no list of members has server {sid}: it {how} as {line}"
        ));
    }
    let Some(own) = membership.servers.get(&sid).or(joining.as_ref()) else {
        return Err(ConfigError::NotAMember {
            path: source.to_owned(),
            sid: sid.0,
            myid: data_dir.join("myid"),
            remedy: "add the line or correct the id",
        });
    };
    let observer = own.role == Role::Observer;
    let wanted = r.text("peerType").map(str::to_ascii_lowercase);
    match wanted.as_deref() {
        None => {}
        Some("observer") if observer => {}
        Some("participant") if !observer => {}
        Some("observer" | "participant") => {
            warnings.push("peerType contradicts the server line, which decides".into());
        }
        Some(_) => return Err(r.bad("peerType", "write participant or observer")),
    }
    if r.int("electionAlg", 3, 0..=3, "3")? != 3 {
        return Err(r.bad("electionAlg", "only 3 is there; remove the line"));
    }
    Ok((Mode::Ensemble { sid, membership }, joining))
}

/// Where clients connect: the own server line decides, then `clientPort`.
pub(super) fn client_address(
    r: &Reader,
    mode: &Mode,
    joining: Option<&ServerSpec>,
) -> Result<Option<BindAddress>, ConfigError> {
    let port = r.port("clientPort")?;
    let host = r.text("clientPortAddress");
    let own = match mode {
        Mode::Standalone => {
            // The image for Docker writes the client port of a single server into its server line.
            let mut lines = r.with_prefix("server.").into_iter();
            lines
                .next()
                .and_then(|(_, p)| ServerSpec::parse(&p.value).ok()?.client)
        }
        Mode::Ensemble { sid, membership } => membership
            .servers
            .get(sid)
            .or(joining)
            .and_then(|spec| spec.client.clone()),
    };
    if host.is_some() && port.is_none() && own.is_none() {
        return Err(r.bad(
            "clientPortAddress",
            "it needs clientPort; add clientPort=2181",
        ));
    }
    match (own, port) {
        (Some(own), Some(port)) if own.port != port => Err(r.bad(
            "clientPort",
            format!("the own server line says {}; remove one of them", own.port),
        )),
        (Some(own), _) => Ok(Some(bind(&own.host, own.port))),
        (None, Some(port)) => Ok(Some(bind(host.unwrap_or_default(), port))),
        (None, None) => Ok(None),
    }
}
