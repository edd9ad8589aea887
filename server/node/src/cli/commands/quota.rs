//! setquota, listquota, delquota: limits and counts are nodes below `/zookeeper/quota`
//! (`org.apache.zookeeper.Quotas`, `StatsTrack`).

use bytes::Bytes;
use serde_json::json;
use zk_wire::Acl;
use zk_wire::client::ErrorCode;
use zk_wire::data::perms;

use super::{Context, format};
use crate::cli::client::{CreateMode, validate};
use crate::cli::failure::{AtPath, Failure};
use crate::cli::options::Parsed;

const ROOT: &str = "/zookeeper/quota";

/// Stands for no limit.
const NONE: i64 = -1;

/// The content of a node of limits or of counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Track {
    count: i64,
    bytes: i64,
    count_hard: i64,
    bytes_hard: i64,
}

impl Track {
    const UNLIMITED: Self = Self {
        count: NONE,
        bytes: NONE,
        count_hard: NONE,
        bytes_hard: NONE,
    };

    /// Reads `count=N,bytes=N=;byteHardLimit=N;countHardLimit=N`, in any order; what is not there
    /// is no limit.
    fn parse(data: &[u8]) -> Self {
        let text = format::plain(data);
        let mut track = Self::UNLIMITED;
        for (key, value) in text
            .split([',', ';'])
            .filter_map(|part| part.split_once('='))
        {
            let value = value.trim_end_matches('=').trim().parse().unwrap_or(NONE);
            match key.trim() {
                "count" => track.count = value,
                "bytes" => track.bytes = value,
                "countHardLimit" => track.count_hard = value,
                "byteHardLimit" => track.bytes_hard = value,
                _ => {}
            }
        }
        track
    }

    fn field(&mut self, option: &str) -> &mut i64 {
        match option {
            "n" => &mut self.count,
            "b" => &mut self.bytes,
            "N" => &mut self.count_hard,
            _ => &mut self.bytes_hard,
        }
    }

    /// As shown and kept; counts have no hard limits and then no second part.
    fn text(&self) -> String {
        let soft = format!("count={},bytes={}", self.count, self.bytes);
        if self.count_hard == NONE && self.bytes_hard == NONE {
            return soft;
        }
        self.limits_text()
    }

    fn limits_text(&self) -> String {
        format!(
            "count={},bytes={}=;byteHardLimit={};countHardLimit={}",
            self.count, self.bytes, self.bytes_hard, self.count_hard
        )
    }
}

fn limits_at(path: &str) -> String {
    format!("{ROOT}{path}/zookeeper_limits")
}

fn counts_at(path: &str) -> String {
    format!("{ROOT}{path}/zookeeper_stats")
}

fn open_acl() -> Vec<Acl> {
    vec![Acl::world(perms::ALL)]
}

pub(super) async fn list(cx: &mut Context<'_>, parsed: &Parsed) -> Result<(), Failure> {
    let path = cx.word(parsed, 0)?;
    let at = limits_at(path);
    cx.out.line(format_args!("absolute path is {at}"));
    cx.out.field("path", path);
    let limits = match cx.client.get_data(&at, false).await {
        Ok(node) => node.data.unwrap_or_default(),
        Err(e) if e.is(ErrorCode::NoNode) => {
            cx.out
                .remark(format_args!("quota for {path} does not exist."));
            cx.out.field("quota", serde_json::Value::Null);
            return Ok(());
        }
        Err(e) => return Err(Failure::of(&e, Some(&at))),
    };
    let quota = Track::parse(&limits);
    cx.out.line(format_args!(
        "Output quota for {path} {}",
        quota.limits_text()
    ));
    cx.out.field(
        "quota",
        json!({
            "count": quota.count,
            "bytes": quota.bytes,
            "countHardLimit": quota.count_hard,
            "byteHardLimit": quota.bytes_hard,
        }),
    );
    let at = counts_at(path);
    let counts = cx.client.get_data(&at, false).await.at(&at)?;
    let used = Track::parse(&counts.data.unwrap_or_default());
    cx.out
        .line(format_args!("Output stat for {path} {}", used.text()));
    cx.out
        .field("used", json!({"count": used.count, "bytes": used.bytes}));
    Ok(())
}

pub(super) async fn set(cx: &mut Context<'_>, parsed: &Parsed) -> Result<(), Failure> {
    let path = cx.word(parsed, 0)?;
    if path.starts_with(ROOT) {
        return Err(Failure::new(format!(
            "cannot set a quota under the path: {ROOT}"
        )));
    }
    let mut wanted = Track::UNLIMITED;
    for option in ["n", "b", "N", "B"].into_iter().filter(|o| parsed.has(o)) {
        let counts_nodes = option.eq_ignore_ascii_case("n");
        let value: i64 = parsed
            .value(option)
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| {
                Failure::new("NumberFormatException happens when parsing the option value")
            })?;
        if counts_nodes && value <= 0 {
            return Err(Failure::new("the num quota must be greater than zero"));
        }
        if value < 0 {
            let why = "the bytes quota must be greater than or equal to zero";
            return Err(Failure::new(why));
        }
        *wanted.field(option) = value;
    }
    match cx.client.exists(path, false).await {
        Err(e) if e.is(ErrorCode::NoNode) => {
            return Err(Failure::new(format!("{path} does not exist.")));
        }
        other => drop(other.at(path)?),
    }
    check_below(cx, path).await?;
    check_above(cx, path).await?;
    let mut at = ROOT.to_owned();
    for name in path.split('/').filter(|name| !name.is_empty()) {
        at = format!("{at}/{name}");
        make(cx, &at, None).await?;
    }
    if path == "/" {
        validate(&limits_at(""), false).map_err(Failure::new)?;
        return Err(Failure::new("Path must not end with / character"));
    }
    write_limits(cx, path, wanted).await?;
    cx.out.field("path", path);
    Ok(())
}

/// Creates a node that may be there already.
async fn make(cx: &mut Context<'_>, path: &str, data: Option<String>) -> Result<bool, Failure> {
    let data = data.map(Bytes::from);
    let mode = CreateMode::Persistent;
    match cx.client.create(path, data, open_acl(), mode).await {
        Ok(_) => Ok(true),
        Err(e) if e.is(ErrorCode::NodeExists) => Ok(false),
        Err(e) => Err(Failure::of(&e, Some(path))),
    }
}

async fn write_limits(cx: &mut Context<'_>, path: &str, wanted: Track) -> Result<(), Failure> {
    let (at, counts) = (limits_at(path), counts_at(path));
    if make(cx, &at, Some(wanted.limits_text())).await? {
        make(cx, &counts, Some("count=0,bytes=0".to_owned())).await?;
    } else {
        let node = cx.client.get_data(&at, false).await.at(&at)?;
        let mut limits = Track::parse(&node.data.unwrap_or_default());
        for option in ["n", "b", "N", "B"] {
            let value = *wanted.clone().field(option);
            if value > 0 {
                *limits.field(option) = value;
            }
        }
        let data = Bytes::from(limits.limits_text());
        cx.client.set_data(&at, data, -1).await.at(&at)?;
    }
    let node = cx.client.get_data(&counts, false).await.at(&counts)?;
    let used = Track::parse(&node.data.unwrap_or_default());
    let over = |limit: i64, used: i64| limit > 0 && limit < used;
    for (what, limits, used) in [
        ("count", [wanted.count, wanted.count_hard], used.count),
        ("bytes", [wanted.bytes, wanted.bytes_hard], used.bytes),
    ] {
        if limits.iter().any(|limit| over(*limit, used)) {
            cx.out.line(format_args!(
                "[Warning]: the {what} quota you create is less than the existing {what}:{used}"
            ));
        }
    }
    Ok(())
}

/// No node below may have a quota.
async fn check_below(cx: &mut Context<'_>, path: &str) -> Result<(), Failure> {
    let own = limits_at(path);
    let mut todo = vec![format!("{ROOT}{}", path.trim_end_matches('/'))];
    while let Some(at) = todo.pop() {
        let Ok((names, _)) = cx.client.children(&at, false).await else {
            continue;
        };
        for name in names {
            let child = format!("{at}/{name}");
            if name == "zookeeper_limits" && child != own {
                let holder = at.strip_prefix(ROOT).unwrap_or(&at);
                return Err(Failure::new(format!(
                    "{path} has a child {holder} which has a quota"
                )));
            }
            todo.push(child);
        }
    }
    Ok(())
}

/// No node above may have a quota.
async fn check_above(cx: &mut Context<'_>, path: &str) -> Result<(), Failure> {
    let mut above = path;
    while let Some((parent, _)) = above
        .rsplit_once('/')
        .filter(|(parent, _)| !parent.is_empty())
    {
        above = parent;
        if cx.client.exists(&limits_at(above), false).await.is_ok() {
            return Err(Failure::new(format!(
                "{path} has a parent {above} which has a quota"
            )));
        }
    }
    Ok(())
}

pub(super) async fn delete(cx: &mut Context<'_>, parsed: &Parsed) -> Result<(), Failure> {
    let path = cx.word(parsed, 0)?;
    cx.out.field("path", path);
    let at = limits_at(path);
    let node = match cx.client.get_data(&at, false).await {
        Ok(node) => node,
        Err(e) if e.is(ErrorCode::NoNode) => {
            cx.out.line(format_args!("Quota does not exist for {path}"));
            return Ok(());
        }
        Err(e) => return Err(Failure::of(&e, Some(&at))),
    };
    let chosen: Vec<&str> = ["n", "b", "N", "B"]
        .into_iter()
        .filter(|option| parsed.has(option))
        .collect();
    if !chosen.is_empty() {
        let mut limits = Track::parse(&node.data.unwrap_or_default());
        for option in chosen {
            *limits.field(option) = NONE;
        }
        let data = Bytes::from(limits.limits_text());
        cx.client.set_data(&at, data, -1).await.at(&at)?;
        return Ok(());
    }
    let mut holder = format!("{ROOT}{path}");
    let (names, _) = cx.client.children(&holder, false).await.at(&holder)?;
    for name in names.iter().filter(|n| n.starts_with("zookeeper_")) {
        let child = format!("{holder}/{name}");
        cx.client.delete(&child, -1).await.at(&child)?;
    }
    // What is left above without a use goes, too.
    while holder != ROOT {
        let (names, _) = cx.client.children(&holder, false).await.at(&holder)?;
        if !names.is_empty() {
            break;
        }
        cx.client.delete(&holder, -1).await.at(&holder)?;
        holder = holder
            .rsplit_once('/')
            .map_or(ROOT.to_owned(), |(parent, _)| parent.to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_read_as_apache_writes_them() {
        let text = "count=5,bytes=100=;byteHardLimit=10;countHardLimit=2";
        let track = Track::parse(text.as_bytes());
        let want = Track {
            count: 5,
            bytes: 100,
            count_hard: 2,
            bytes_hard: 10,
        };
        assert_eq!(track, want);
        assert_eq!(track.limits_text(), text);
        assert_eq!(Track::parse(b"count=1,bytes=1").text(), "count=1,bytes=1");
    }
}
