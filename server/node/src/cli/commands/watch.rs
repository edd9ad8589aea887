//! addWatch, removewatches.

use super::Context;
use crate::cli::client::{Removal, keeper_message};
use crate::cli::failure::{AtPath, Failure};
use crate::cli::options::Parsed;

pub(super) async fn add_watch(cx: &mut Context<'_>, parsed: &Parsed) -> Result<(), Failure> {
    let path = cx.word(parsed, 0)?;
    let mode = parsed.value("m").unwrap_or("PERSISTENT_RECURSIVE");
    let recursive = match mode.to_ascii_uppercase().as_str() {
        "PERSISTENT" => false,
        "PERSISTENT_RECURSIVE" => true,
        _ => return Err(cx.usage()),
    };
    cx.client.add_watch(path, recursive).await.at(path)?;
    cx.out.field("path", path);
    cx.out.field("mode", mode.to_ascii_uppercase());
    Ok(())
}

pub(super) async fn remove_watches(cx: &mut Context<'_>, parsed: &Parsed) -> Result<(), Failure> {
    let path = cx.word(parsed, 0)?;
    let kinds = [
        ("c", Removal::Children),
        ("d", Removal::Data),
        ("p", Removal::Persistent),
        ("r", Removal::Recursive),
    ];
    let asked = kinds.iter().find(|(option, _)| parsed.has(option));
    let what = asked.map_or(Removal::Any, |(_, what)| *what);
    cx.out.field("path", path);
    let removed = cx.client.remove_watches(path, what).await;
    removed.map_err(|e| match e.code() {
        Some(code) => Failure::new(keeper_message(code, Some(path))),
        None => Failure::of(&e, Some(path)),
    })
}
