//! ls, get, stat, getEphemerals, getAllChildrenNumber.

use serde_json::Value;
use zk_wire::client::ErrorCode;

use super::{Context, format};
use crate::cli::client::ClientError;
use crate::cli::failure::{AtPath, Failure};
use crate::cli::options::Parsed;
use crate::cli::stat as stat_lines;

/// Older forms end in a word that asks for a watch.
fn accept_watch_word(cx: &mut Context<'_>, parsed: &mut Parsed, new: &str) {
    if parsed.words.len() > 1 {
        let name = cx.verb.name;
        cx.out.remark(format!(
            "'{name} path [watch]' has been deprecated. Please use '{name} {new} path' instead."
        ));
        parsed.set("w", None);
    }
}

pub(super) async fn ls(cx: &mut Context<'_>, mut parsed: Parsed) -> Result<(), Failure> {
    accept_watch_word(cx, &mut parsed, "[-w]");
    let path = cx.word(&parsed, 0)?;
    let watch = parsed.has("w");
    cx.out.field("path", path);
    if parsed.has("R") {
        return subtree(cx, path, watch).await;
    }
    let (mut names, stat) = cx.client.children(path, watch).await.at(path)?;
    names.sort();
    cx.out.line(format_args!("[{}]", names.join(", ")));
    cx.out.field("children", names);
    if parsed.has("s") {
        stat_lines::print(cx.out, &stat);
    }
    Ok(())
}

/// Prints a path and all below it: the children of a node together, then what is below each.
async fn subtree(cx: &mut Context<'_>, root: &str, watch: bool) -> Result<(), Failure> {
    cx.client.get_data(root, watch).await.at(root)?;
    let mut all = vec![Value::from(root)];
    cx.out.line(root);
    let mut todo = vec![root.to_owned()];
    while let Some(path) = todo.pop() {
        let mut names = match cx.client.children(&path, watch).await {
            Ok((names, _)) => names,
            // It went while this walked.
            Err(e) if e.is(ErrorCode::NoNode) => continue,
            Err(e) => return Err(Failure::of(&e, Some(&path))),
        };
        names.sort();
        let parent = if path == "/" { "" } else { &path };
        let children: Vec<String> = names.iter().map(|n| format!("{parent}/{n}")).collect();
        for child in &children {
            cx.out.line(child);
            all.push(child.as_str().into());
        }
        todo.extend(children.into_iter().rev());
    }
    cx.out.field("paths", all);
    Ok(())
}

pub(super) async fn get(cx: &mut Context<'_>, mut parsed: Parsed) -> Result<(), Failure> {
    accept_watch_word(cx, &mut parsed, "[-s] [-w]");
    let path = cx.word(&parsed, 0)?;
    let node = cx.client.get_data(path, parsed.has("w")).await.at(path)?;
    let shown = node.data.as_deref().unwrap_or(b"null");
    cx.out.line(if parsed.has("x") {
        format::dump(shown)
    } else if parsed.has("b") {
        format::base64(shown)
    } else {
        format::plain(shown)
    });
    cx.out.field("path", path);
    format::note(cx.out, node.data.as_deref());
    if parsed.has("s") {
        stat_lines::print(cx.out, &node.stat);
    }
    Ok(())
}

pub(super) async fn stat(cx: &mut Context<'_>, mut parsed: Parsed) -> Result<(), Failure> {
    accept_watch_word(cx, &mut parsed, "[-w]");
    let path = cx.word(&parsed, 0)?;
    let stat = cx.client.exists(path, parsed.has("w")).await.at(path)?;
    cx.out.field("path", path);
    stat_lines::print(cx.out, &stat);
    Ok(())
}

pub(super) async fn ephemerals(cx: &mut Context<'_>, parsed: &Parsed) -> Result<(), Failure> {
    let path = parsed.word(0).unwrap_or("/");
    let found: Result<Vec<String>, ClientError> = cx.client.ephemerals(path).await;
    let mut found = found.at(path)?;
    found.sort();
    cx.out.line(format_args!("[{}]", found.join(", ")));
    cx.out.field("path", path);
    cx.out.field("ephemerals", found);
    Ok(())
}

pub(super) async fn all_children_number(
    cx: &mut Context<'_>,
    parsed: &Parsed,
) -> Result<(), Failure> {
    let path = cx.word(parsed, 0)?;
    let number = cx.client.all_children_number(path).await.at(path)?;
    cx.out.line(number);
    cx.out.field("path", path);
    cx.out.field("number", number);
    Ok(())
}
