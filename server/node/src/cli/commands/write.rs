//! create, set, delete, deleteall.

use bytes::Bytes;
use zk_wire::Acl;
use zk_wire::data::perms;

use super::{Context, acl, format};
use crate::cli::client::{CreateMode, validate};
use crate::cli::failure::{AtPath, Failure};
use crate::cli::options::Parsed;
use crate::cli::stat as stat_lines;

/// Longest time to live that fits into a node with the server's number, ms
/// (`EphemeralType.TTL.maxValue`).
const TTL_MAX_MS: i64 = 0xff_ffff_ffff;

/// Nodes that deleteall deletes at once when nothing else is said.
const BATCH_DEFAULT: usize = 1000;

fn create_mode(parsed: &Parsed) -> Result<CreateMode, Failure> {
    let (sequential, ephemeral) = (parsed.has("s"), parsed.has("e"));
    let (container, ttl) = (parsed.has("c"), parsed.value("t"));
    if container && (sequential || ephemeral) {
        return Err(Failure::new(
            "-c cannot be combined with -s or -e. Containers cannot be ephemeral or sequential.",
        ));
    }
    if let Some(text) = ttl {
        let ms: i64 = text
            .parse()
            .map_err(|_| Failure::new("-t argument must be a long value"))?;
        if ephemeral {
            return Err(Failure::new("TTLs cannot be used with Ephemeral znodes"));
        }
        if container {
            return Err(Failure::new("TTLs cannot be used with Container znodes"));
        }
        if !(1..=TTL_MAX_MS).contains(&ms) {
            return Err(Failure::new(format!(
                "ttl must be positive and cannot be larger than: {TTL_MAX_MS}"
            )));
        }
        return Ok(if sequential {
            CreateMode::TtlSequential(ms)
        } else {
            CreateMode::Ttl(ms)
        });
    }
    Ok(match (container, sequential, ephemeral) {
        (true, ..) => CreateMode::Container,
        (false, true, true) => CreateMode::EphemeralSequential,
        (false, true, false) => CreateMode::PersistentSequential,
        (false, false, true) => CreateMode::Ephemeral,
        (false, false, false) => CreateMode::Persistent,
    })
}

pub(super) async fn create(cx: &mut Context<'_>, parsed: &Parsed) -> Result<(), Failure> {
    let path = cx.word(parsed, 0)?;
    let mode = create_mode(parsed)?;
    let data = parsed.word(1).map(|text| Bytes::from(text.to_owned()));
    let acl = match parsed.word(2) {
        None => vec![Acl::world(perms::ALL)],
        Some(text) => acl::parse(cx.out, text)?,
    };
    let created = cx.client.create(path, data, acl, mode).await.at(path)?;
    cx.out.line(format_args!("Created {created}"));
    cx.out.field("path", created);
    Ok(())
}

pub(super) async fn set(cx: &mut Context<'_>, mut parsed: Parsed) -> Result<(), Failure> {
    if let Some(version) = parsed.word(2).map(str::to_owned) {
        cx.out.remark(
            "'set path data [version]' has been deprecated. Please use 'set path data [-v \
             version]' instead.",
        );
        parsed.set("v", Some(version));
    }
    let (path, text) = (cx.word(&parsed, 0)?, cx.word(&parsed, 1)?);
    let version = cx.number(&parsed, "v", -1)?;
    let data = if parsed.has("b") {
        let bytes = format::from_base64(text);
        Bytes::from(bytes.map_err(|why| Failure::new(format!("{text} is no base64: {why}")))?)
    } else {
        Bytes::from(text.to_owned())
    };
    let stat = cx.client.set_data(path, data, version).await.at(path)?;
    cx.out.field("path", path);
    cx.out.field("version", stat.version);
    if parsed.has("s") {
        stat_lines::print(cx.out, &stat);
    }
    Ok(())
}

pub(super) async fn delete(cx: &mut Context<'_>, mut parsed: Parsed) -> Result<(), Failure> {
    if let Some(version) = parsed.word(1).map(str::to_owned) {
        cx.out.remark(
            "'delete path [version]' has been deprecated. Please use 'delete [-v version] path' \
             instead.",
        );
        parsed.set("v", Some(version));
    }
    let path = cx.word(&parsed, 0)?;
    let version = cx.number(&parsed, "v", -1)?;
    cx.client.delete(path, version).await.at(path)?;
    cx.out.field("path", path);
    Ok(())
}

pub(super) async fn delete_all(cx: &mut Context<'_>, parsed: &Parsed) -> Result<(), Failure> {
    let root = cx.word(parsed, 0)?;
    let batch = match parsed.value("b") {
        None => BATCH_DEFAULT,
        Some(text) => {
            let number = text.parse().ok().filter(|n| *n > 0);
            number.ok_or_else(|| Failure::new("-b argument must be an int value"))?
        }
    };
    validate(root, false).map_err(Failure::new)?;
    // Level by level, so that from the end on every node comes before its parent.
    let mut all = vec![root.to_owned()];
    let mut next = 0;
    while let Some(path) = all.get(next).cloned() {
        let (names, _) = cx.client.children(&path, false).await.at(&path)?;
        let parent = if path == "/" { "" } else { &path };
        all.extend(names.iter().map(|name| format!("{parent}/{name}")));
        next += 1;
    }
    all.reverse();
    for part in all.chunks(batch) {
        if cx.client.delete_all(part).await.is_err() {
            cx.out
                .remark("Failed to delete some node(s) in the subtree!");
            return Err(Failure::told());
        }
    }
    cx.out.field("path", root);
    cx.out.field("deleted", all.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::options;
    use crate::cli::verbs;

    #[test]
    fn options_of_create_that_do_not_go_together() {
        let mode = |line: &str| {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            let verb = verbs::find("create").unwrap();
            create_mode(&options::parse(&words, verb.options, verb.group).unwrap())
        };
        assert_eq!(mode("/a"), Ok(CreateMode::Persistent));
        assert_eq!(mode("-s -e /a"), Ok(CreateMode::EphemeralSequential));
        assert_eq!(mode("-s -t 5 /a"), Ok(CreateMode::TtlSequential(5)));
        for bad in ["-c -e /a", "-t x /a", "-t 0 /a", "-e -t 5 /a", "-c -t 5 /a"] {
            assert!(mode(bad).is_err(), "{bad}");
        }
    }
}
