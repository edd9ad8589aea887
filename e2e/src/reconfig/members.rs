//! The members of an ensemble as its config node tells them, and how they are changed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use zk_wire::client::Request;
use zk_wire::client::request::ReconfigRequest;

use crate::faults::random::Random;
use crate::peers::{Client, Ensemble, Failure, four_letter, wait_for};

/// How long a change may take until all have it and are in their roles, on a busy machine.
pub(crate) const SETTLE: Duration = Duration::from_secs(240);

/// Session time-out and patience of the one who asks.
pub(crate) const LIMIT: Duration = Duration::from_secs(6);

/// What Apache answers when the new members have no quorum that is up to date.
pub(crate) const NO_QUORUM: i32 = -13;

/// Another change is under way.
const IN_PROGRESS: i32 = -14;

/// Refusals after which it is asked again.
const TRANSIENT: [i32; 5] = [NO_QUORUM, IN_PROGRESS, -4, -112, -118];

/// Pause before a change is asked for again.
const AGAIN: Duration = Duration::from_millis(100);

/// Where the members are told.
const CONFIG_PATH: &str = "/zookeeper/config";

/// `server.N` lines by N, roles and client addresses included.
pub(crate) type Members = BTreeMap<u8, String>;

/// What the config node says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Config {
    pub(crate) members: Members,
    pub(crate) version: i64,
}

impl Config {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let (mut members, mut version) = (Members::new(), None);
        for line in text.lines() {
            if let Some(hex) = line.strip_prefix("version=") {
                version = Some(i64::from_str_radix(hex.trim(), 16)?);
            } else if let Some(rest) = line.strip_prefix("server.") {
                let (id, _) = rest.split_once('=').context("a line without =")?;
                members.insert(id.parse()?, line.to_owned());
            }
        }
        let version = version.with_context(|| format!("no version in {text:?}"))?;
        Ok(Self { members, version })
    }

    /// Reads it from a server, as of now.
    pub(crate) fn read(client: &mut Client) -> Result<Self> {
        client.sync()?;
        let (data, _) = client.get(CONFIG_PATH, false)?;
        Self::parse(std::str::from_utf8(&data.unwrap_or_default())?)
    }
}

/// Whether the members are named one by one or all at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Who joins, changes or leaves.
    Incremental,
    /// Who is there in the end.
    Whole,
}

/// The request that makes `after` of `before`.
pub(crate) fn request(
    before: &Members,
    after: &Members,
    way: Way,
    from_config: i64,
) -> ReconfigRequest {
    let joined = |lines: Vec<&str>| (!lines.is_empty()).then(|| lines.join(","));
    if way == Way::Whole {
        return ReconfigRequest {
            joining: None,
            leaving: None,
            new_members: joined(after.values().map(String::as_str).collect()),
            from_config,
        };
    }
    let changed = after
        .iter()
        .filter(|(id, line)| before.get(id) != Some(line));
    let leaving = before.keys().filter(|id| !after.contains_key(id));
    let leaving: Vec<String> = leaving.map(u8::to_string).collect();
    ReconfigRequest {
        joining: joined(changed.map(|(_, line)| line.as_str()).collect()),
        leaving: joined(leaving.iter().map(String::as_str).collect()),
        new_members: None,
        from_config,
    }
}

/// The code of a refusal, whatever wraps it.
pub(crate) fn code(error: &anyhow::Error) -> Option<i32> {
    error.downcast_ref::<Failure>().and_then(Failure::code)
}

/// Asks a server for a change.
pub(crate) fn reconfigure(address: SocketAddr, change: ReconfigRequest) -> Result<()> {
    let mut client = Client::connect(address, LIMIT)?;
    client.call(&Request::Reconfig(change))?;
    Ok(())
}

/// Members that are to be found elsewhere, or in another role, after the change; none where that is
/// all of them.
pub(crate) fn moving(before: &Members, after: &Members) -> Vec<u8> {
    let moves = |id: &u8| {
        after
            .get(id)
            .is_some_and(|line| before.get(id) != Some(line))
    };
    let moving: Vec<u8> = before.keys().copied().filter(moves).collect();
    if moving.len() < before.len() {
        moving
    } else {
        Vec::new()
    }
}

/// Asks one member or the other until the members are those of `after`, and returns how often.
///
/// # Errors
/// When the change is refused for good, or they are neither those nor the old ones.
pub(crate) fn bring(
    ensemble: &mut Ensemble,
    before: &Members,
    after: &Members,
    way: Way,
    random: &mut Random,
) -> Result<u32> {
    let moving = moving(before, after);
    let stay = before.keys().copied().filter(|id| !moving.contains(id));
    let stay: Vec<u8> = stay.collect();
    let began = Instant::now();
    let mut asked = 0;
    let mut last = None;
    while began.elapsed() < SETTLE {
        let id = *random.choose(&stay).context("nobody to ask")?;
        let address = ensemble.server(id)?.client_address();
        match Client::connect(address, LIMIT)
            .map_err(anyhow::Error::from)
            .and_then(|mut client| Config::read(&mut client))
        {
            Ok(config) if config.members == *after => return Ok(asked),
            Ok(config) => {
                ensure!(
                    config.members == *before,
                    "neither the old nor the new members: {config:?}"
                );
                asked += 1;
                let is_conditional = asked % 2 == 1;
                let from = if is_conditional { config.version } else { -1 };
                match reconfigure(address, request(before, after, way, from)) {
                    Ok(()) => continue,
                    Err(error) => match code(&error) {
                        Some(refused) if !TRANSIENT.contains(&refused) => {
                            return Err(error).context("refused");
                        }
                        _ => last = Some(error),
                    },
                }
            }
            Err(error) => last = Some(error),
        }
        thread::sleep(AGAIN);
    }
    bail!("not in force, asked {asked} times: {last:?}")
}

/// Waits until all members tell the same and are in their roles, and returns the version.
///
/// # Errors
/// When one does not in time, or the versions differ.
pub(crate) fn settled(ensemble: &mut Ensemble, after: &Members) -> Result<i64> {
    let mut version = None;
    for (id, line) in after {
        let roles: &[&str] = if line.contains(":observer;") {
            &["observer"]
        } else {
            &["leader", "follower"]
        };
        let address = ensemble.server(*id)?.client_address();
        let config = wait_for("its role and members", SETTLE, || {
            let mode = four_letter::mode(address).map_err(|error| format!("{error:#}"))?;
            if !roles.contains(&mode.as_str()) {
                return Err(format!("it is {mode}"));
            }
            let config = Client::connect(address, LIMIT)
                .map_err(anyhow::Error::from)
                .and_then(|mut client| Config::read(&mut client))
                .map_err(|error| format!("{error:#}"))?;
            if config.members == *after {
                Ok(config)
            } else {
                Err(format!("it knows {config:?}"))
            }
        })
        .with_context(|| format!("server {id}"))?;
        let common = *version.get_or_insert(config.version);
        ensure!(
            common == config.version,
            "versions {common:x} and, of server {id}, {:x}",
            config.version
        );
    }
    version.context("no members")
}
