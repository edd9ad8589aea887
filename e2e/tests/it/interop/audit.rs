//! The same requests leave the same lines in the audit logs of Apache's server and of ours.

use std::fs;

use anyhow::{Result, ensure};
use bytes::Bytes;
use quorate_e2e::peers::client::flags::{EPHEMERAL, PERSISTENT};
use quorate_e2e::peers::{Client, Ensemble, Kind, Settings, wait_for};
use zk_wire::client::request::{CreateOp, CreateRequest, NO_TTL};
use zk_wire::client::{MultiOp, Request};
use zk_wire::{Acl, Id};

use super::{LIMIT, SEQUENTIAL};
use crate::alone;

/// What Apache calls the end of an ephemeral.
const EPHEMERAL_GONE: &str = "ephemeralZNodeDeletionOnSessionCloseOrExpire";

fn create(path: &str, flags: i32, acl: Acl) -> CreateRequest {
    CreateRequest {
        path: path.to_owned(),
        data: Some(Bytes::from_static(b"x")),
        acl: Some(vec![acl]),
        flags,
        ttl_ms: NO_TTL,
    }
}

fn create_op(path: &str, flags: i32) -> MultiOp {
    MultiOp::Create {
        create: create(path, flags, Acl::world(31)),
        op: CreateOp::Create,
    }
}

fn delete_op(path: &str) -> MultiOp {
    MultiOp::Delete {
        path: path.to_owned(),
        version: -1,
    }
}

/// Writes that succeed, one after the other, and what a stranger and mistakes get.
fn ask(client: &mut Client) -> Result<()> {
    client.create("/a", b"", PERSISTENT)?;
    client.create("/a/n-", b"", SEQUENTIAL)?;
    client.create("/a/e1", b"", EPHEMERAL)?;
    client.create("/a/e2", b"", EPHEMERAL)?;
    client.create("/gone", b"", PERSISTENT)?;
    client.set("/a", b"data")?;
    client.delete("/gone")?;
    let digest = Id::new("digest", "alice:hash");
    let acl = [
        Acl {
            perms: 3,
            id: digest,
        },
        Acl::world(31),
    ];
    client.call(&Request::SetAcl {
        path: "/a".to_owned(),
        acl: Some(acl.to_vec()),
        version: -1,
    })?;
    let for_nobody = create(
        "/closed",
        0,
        Acl {
            perms: 1,
            id: Id::new("world", "anyone"),
        },
    );
    let op = CreateOp::Create2;
    client.call(&Request::Create {
        create: for_nobody,
        op,
    })?;
    let container = create("/c", 4, Acl::world(31));
    let op = CreateOp::Container;
    client.call(&Request::Create {
        create: container,
        op,
    })?;
    client.multi(vec![
        create_op("/m", 0),
        create_op("/m/n-", 2),
        MultiOp::Check {
            path: "/m".to_owned(),
            version: -1,
        },
        MultiOp::SetData {
            path: "/m".to_owned(),
            data: None,
            version: -1,
        },
        delete_op("/c"),
    ])?;
    client.multi(vec![create_op("/never", 0), delete_op("/nosuch")])?;
    for refused in [
        client.create("/a", b"", PERSISTENT).map(drop),
        client.create("/no/such", b"", PERSISTENT).map(drop),
        client.create("/closed/child", b"", PERSISTENT).map(drop),
        client.set("/closed", b"").map(drop),
        client.delete("/nosuch"),
        client.delete("/a"),
    ] {
        ensure!(refused.is_err(), "something came about that may not");
    }
    Ok(())
}

/// The lines of the audit log of a server of this kind, after all those requests and its end.
fn lines(kind: Kind) -> Result<Vec<String>> {
    let settings = Settings {
        extra: vec!["audit.enable=true".to_owned()],
        in_memory: true,
        ..Settings::default()
    };
    let mut ensemble = Ensemble::start(kind, 1, &settings)?;
    let server = ensemble.server(1)?;
    let mut client = Client::connect(server.client_address(), LIMIT)?;
    let auth = Request::Auth {
        scheme: Some("digest".to_owned()),
        auth: Some(Bytes::from_static(b"alice:secret")),
    };
    client.create("/first", b"", PERSISTENT)?;
    client.call(&auth)?;
    ask(&mut client)?;
    client.get("/a", false)?;
    client.close()?;
    let log = server.log_path();
    let all = || fs::read_to_string(&log).map_err(|e| e.to_string());
    wait_for("the end of the ephemerals", LIMIT, || {
        let told = all()?.matches(EPHEMERAL_GONE).count();
        (told == 2).then_some(()).ok_or(format!("{told} are told"))
    })?;
    server.terminate()?;
    let text = fs::read_to_string(&log)?;
    let marks = ["Slf4jAuditLogger] - ", " audit: "];
    let told = text.lines().filter_map(|line| {
        let level = ["ERROR", "INFO"]
            .into_iter()
            .find(|level| line.contains(level));
        let mark = marks.iter().find_map(|mark| line.split_once(mark))?;
        Some(format!("{} {}", level.unwrap_or_default(), plain(mark.1)))
    });
    let mut told: Vec<String> = told.collect();
    // Which of several ephemerals goes first is left to chance.
    let is_end = |line: &String| line.contains(EPHEMERAL_GONE);
    let first = told.iter().position(is_end).unwrap_or(0);
    let last = told.iter().rposition(is_end).map_or(0, |at| at + 1);
    if let Some(ends) = told.get_mut(first..last) {
        ends.sort();
    }
    Ok(told)
}

/// A line without the session, and with the names in their order.
fn plain(line: &str) -> String {
    let fields = line.split('\t').map(|field| match field.split_once('=') {
        Some(("session", _)) => "session=*".to_owned(),
        Some(("user", names)) => {
            let mut names: Vec<&str> = names.split(',').collect();
            names.sort_unstable();
            format!("user={}", names.join(","))
        }
        _ => field.to_owned(),
    });
    fields.collect::<Vec<String>>().join("\t")
}

#[test]
fn audit_lines_are_those_of_apache() -> Result<()> {
    let _alone = alone();
    let theirs = lines(Kind::Apache)?;
    let ours = lines(Kind::Quorate)?;
    let (logins, ours): (Vec<String>, Vec<String>) = ours
        .into_iter()
        .partition(|line| line.contains("operation=authenticate"));
    let login = "INFO session=*\tuser=alice\tip=127.0.0.1\toperation=authenticate\tscheme=digest\tresult=success";
    ensure!(logins == [login], "{logins:?}");
    ensure!(theirs.len() > 20, "{theirs:#?}");
    ensure!(ours == theirs, "ours: {ours:#?}\ntheirs: {theirs:#?}");
    Ok(())
}
