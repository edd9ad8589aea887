//! The members of an ensemble as its config node tells them, and the request that changes them.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use zk_wire::client::request::ReconfigRequest;

use crate::peers::{Client, Failure};

/// Where the members are told.
const CONFIG_PATH: &str = "/zookeeper/config";

/// `server.N` lines by N, roles and client addresses included.
pub(super) type Members = BTreeMap<u8, String>;

/// What the config node says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Config {
    pub(super) members: Members,
    pub(super) version: i64,
}

impl Config {
    pub(super) fn parse(text: &str) -> Result<Self> {
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
    pub(super) fn read(client: &mut Client) -> Result<Self> {
        client.sync()?;
        let (data, _) = client.get(CONFIG_PATH, false)?;
        Self::parse(std::str::from_utf8(&data.unwrap_or_default())?)
    }
}

/// Whether the members are named one by one or all at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Who joins, changes or leaves.
    Incremental,
    /// Who is there in the end.
    Whole,
}

/// The request that makes `after` of `before`.
pub(super) fn request(
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
pub(super) fn code(error: &anyhow::Error) -> Option<i32> {
    error.downcast_ref::<Failure>().and_then(Failure::code)
}
