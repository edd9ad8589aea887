//! getAcl, setAcl, addauth, whoami, and how an ACL is written
//! (`org.apache.zookeeper.cli.AclParser`).

use bytes::Bytes;
use serde_json::{Value, json};
use zk_wire::{Acl, Id};

use super::Context;
use crate::cli::client::{ClientError, keeper_message};
use crate::cli::failure::{AtPath, Failure};
use crate::cli::options::Parsed;
use crate::cli::output::Output;
use crate::cli::stat as stat_lines;
use crate::permissions::{LETTERS, letters};

/// Reads `scheme:id:perms[,scheme:id:perms..]`; what is between the first colon and the last one is
/// the id.
///
/// # Errors
/// No entry that has this form.
pub(super) fn parse(out: &mut Output, text: &str) -> Result<Vec<Acl>, Failure> {
    let mut acl = Vec::new();
    for entry in text.split(',') {
        let parts = entry
            .split_once(':')
            .and_then(|(scheme, rest)| rest.rsplit_once(':').map(|(id, bits)| (scheme, id, bits)));
        let Some((scheme, id, bits)) = parts else {
            out.remark(format_args!(
                "{entry} does not have the form scheme:id:perm"
            ));
            continue;
        };
        let mut perms = 0;
        for letter in bits.chars() {
            match LETTERS.iter().find(|(known, _)| *known == letter) {
                Some((_, bit)) => perms |= bit,
                None => out.remark(format_args!("Unknown perm type: {letter}")),
            }
        }
        acl.push(Acl {
            perms,
            id: Id::new(scheme, id),
        });
    }
    if acl.is_empty() {
        return Err(Failure::of(&ClientError::Code(-114), None));
    }
    Ok(acl)
}

pub(super) async fn get_acl(cx: &mut Context<'_>, parsed: &Parsed) -> Result<(), Failure> {
    let path = cx.word(parsed, 0)?;
    let (acl, stat) = cx.client.acl(path).await.at(path)?;
    let word = |text: &Option<String>| text.clone().unwrap_or_default();
    let mut entries = Vec::new();
    for entry in &acl {
        let (scheme, id) = (word(&entry.id.scheme), word(&entry.id.id));
        cx.out.line(format_args!("'{scheme},'{id}"));
        cx.out.line(format_args!(": {}", letters(entry.perms)));
        entries.push(json!({"scheme": scheme, "id": id, "perms": letters(entry.perms)}));
    }
    cx.out.field("path", path);
    cx.out.field("acl", entries);
    if parsed.has("s") {
        stat_lines::print(cx.out, &stat);
    }
    Ok(())
}

pub(super) async fn set_acl(cx: &mut Context<'_>, parsed: &Parsed) -> Result<(), Failure> {
    let (path, text) = (cx.word(parsed, 0)?, cx.word(parsed, 1)?);
    let acl = parse(cx.out, text)?;
    let version = cx.number(parsed, "v", -1)?;
    cx.out.field("path", path);
    if parsed.has("R") {
        return set_below(cx, path, &acl, version).await;
    }
    let stat = cx.client.set_acl(path, acl, version).await.at(path)?;
    cx.out.field("aversion", stat.aversion);
    if parsed.has("s") {
        stat_lines::print(cx.out, &stat);
    }
    Ok(())
}

/// Sets the ACL of a node and of all below it, as far as it goes.
async fn set_below(
    cx: &mut Context<'_>,
    root: &str,
    acl: &[Acl],
    version: i32,
) -> Result<(), Failure> {
    cx.client.get_data(root, false).await.at(root)?;
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    let mut todo = vec![root.to_owned()];
    while let Some(path) = todo.pop() {
        match cx.client.set_acl(&path, acl.to_vec(), version).await {
            Ok(_) => done.push(Value::from(path.as_str())),
            Err(e) => {
                let code = e.code().unwrap_or(-1);
                cx.out.line(keeper_message(code, Some(&path)));
                failed.push(Value::from(path.as_str()));
            }
        }
        // What this session may not list, it may not change either.
        if let Ok((mut names, _)) = cx.client.children(&path, false).await {
            names.sort();
            let parent = if path == "/" { "" } else { &path };
            todo.extend(names.iter().rev().map(|name| format!("{parent}/{name}")));
        }
    }
    let all_done = failed.is_empty();
    cx.out.field("changed", done);
    cx.out.field("failed", failed);
    if all_done {
        Ok(())
    } else {
        Err(Failure::told())
    }
}

pub(super) async fn add_auth(cx: &mut Context<'_>, parsed: &Parsed) -> Result<(), Failure> {
    let scheme = cx.word(parsed, 0)?;
    let auth = Bytes::from(parsed.word(1).unwrap_or_default().to_owned());
    cx.out.field("scheme", scheme);
    let added = cx.client.add_auth(scheme, auth).await;
    // A refusal ends the session, and the event tells so.
    added.map_err(|e| match e.code() {
        Some(_) => Failure::new(format!("Authentication failed for scheme {scheme}")),
        None => Failure::of(&e, None),
    })
}

pub(super) async fn who_am_i(cx: &mut Context<'_>) -> Result<(), Failure> {
    let identities = cx.client.who_am_i().await;
    let identities = identities.map_err(|e| Failure::of(&e, None))?;
    cx.out.line("Auth scheme: User");
    let mut list = Vec::new();
    for identity in identities {
        cx.out
            .line(format_args!("{}: {}", identity.scheme, identity.user));
        list.push(json!({"scheme": identity.scheme, "user": identity.user}));
    }
    cx.out.field("identities", list);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::{Events, plain};

    #[test]
    fn an_acl_as_it_is_typed() {
        let mut out = Output::new(true, Events::new(plain(), true, false));
        let acl = parse(&mut out, "world:anyone:r,digest:a:b=:cdrwa,ip:::1:w").unwrap();
        let shown: Vec<(String, String)> = acl
            .iter()
            .map(|a| (a.id.id.clone().unwrap(), letters(a.perms)))
            .collect();
        let want = [("anyone", "r"), ("a:b=", "cdrwa"), ("::1", "w")];
        assert!(shown.iter().map(|(a, b)| (a.as_str(), b.as_str())).eq(want));
        assert_eq!(parse(&mut out, "x").unwrap_err().to_json()["code"], -114);
    }
}
