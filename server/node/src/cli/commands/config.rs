//! config, reconfig.

use std::fs;

use zk_wire::client::request::ReconfigRequest;

use super::{Context, format};
use crate::cli::client::NodeData;
use crate::cli::failure::{AtPath, Failure};
use crate::cli::options::Parsed;
use crate::cli::stat as stat_lines;

/// The node that a failure names.
const CONFIG_PATH: &str = "/zookeeper/config";

pub(super) async fn config(cx: &mut Context<'_>, parsed: &Parsed) -> Result<(), Failure> {
    let node = cx.client.config(parsed.has("w")).await.at(CONFIG_PATH)?;
    let text = format::plain(node.data.as_deref().unwrap_or(b"null"));
    let (version, servers) = client_servers(&text);
    if parsed.has("c") {
        cx.out.line(format_args!("{version} {}", servers.join(",")));
    } else {
        cx.out.line(&text);
    }
    cx.out.field("config", text);
    cx.out.field("version", version);
    cx.out.field("clientServers", servers);
    if parsed.has("s") {
        stat_lines::print(cx.out, &node.stat);
    }
    Ok(())
}

/// The version of a membership, and where its servers take clients, as far as it says so
/// (`ConfigUtils.getClientConfigStr`).
fn client_servers(text: &str) -> (String, Vec<String>) {
    let (mut version, mut servers) = (String::new(), Vec::new());
    for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
        if key.trim() == "version" {
            version = value.trim().to_owned();
        }
        let is_server = key.trim().starts_with("server.");
        if let Some((_, client)) = value.split_once(';').filter(|_| is_server) {
            let client = client.trim();
            servers.push(if client.contains(':') {
                client.to_owned()
            } else {
                format!("0.0.0.0:{client}")
            });
        }
    }
    (version, servers)
}

pub(super) async fn reconfig(cx: &mut Context<'_>, parsed: &Parsed) -> Result<(), Failure> {
    let text = |name| parsed.value(name).map(str::to_lowercase);
    let (file, members) = (parsed.value("file"), text("members"));
    let (joining, leaving) = (text("add"), text("remove"));
    let incremental = joining.is_some() || leaving.is_some();
    if !incremental && file.is_none() && members.is_none() {
        return Err(cx.usage());
    }
    let from_config = match parsed.value("v") {
        None => -1,
        Some(hex) => i64::from_str_radix(hex, 16)
            .map_err(|_| Failure::new("-v must be followed by a long (configuration version)"))?,
    };
    if incremental && (file.is_some() || members.is_some()) {
        return Err(Failure::new(
            "Can't use -file or -members together with -add or -remove (mixing incremental and \
             non-incremental modes is not allowed)",
        ));
    }
    let new_members = match (file, members) {
        (Some(_), Some(_)) => {
            return Err(Failure::new(
                "Can't use -file and -members together (conflicting non-incremental modes)",
            ));
        }
        (Some(file), None) => Some(read_members(file)?),
        (None, members) => members,
    };
    let change = ReconfigRequest {
        joining,
        leaving,
        new_members,
        from_config,
    };
    let NodeData { data, stat } = cx
        .client
        .reconfig(change)
        .await
        .map_err(|e| Failure::of(&e, None))?;
    let text = format::plain(&data.unwrap_or_default());
    cx.out
        .line(format_args!("Committed new configuration:\n{text}"));
    cx.out.field("config", text);
    if parsed.has("s") {
        stat_lines::print(cx.out, &stat);
    }
    Ok(())
}

/// The `server.N=..` lines of a file, separated by commas.
fn read_members(file: &str) -> Result<String, Failure> {
    let bad = |why: String| Failure::new(format!("Error processing {file}: {why}"));
    let text = fs::read_to_string(file).map_err(|e| bad(e.to_string()))?;
    let lines: Vec<String> = text
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("server."))
        .map(|line| line.split_whitespace().collect())
        .collect();
    if lines.is_empty() {
        return Err(bad("it has no line server.N=..".into()));
    }
    Ok(lines.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_clients_are_served() {
        let text = "server.1=a:1:2:participant;b:3\nserver.2=a:1:2;3\nserver.3=a:1:2\nversion=1ff";
        let (version, servers) = client_servers(text);
        assert_eq!(version, "1ff");
        assert_eq!(servers, ["b:3", "0.0.0.0:3"]);
    }
}
