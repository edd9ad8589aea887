//! A transaction as a line of text, close to Apache's (`TxnLogToolkit`), or as JSON.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use zk_wire::txn::{CreateKind, CreateTxn, Txn, TxnBody, kind};
use zk_wire::{Acl, Id};

/// A time as Java prints it in short form.
fn date(ms: i64, zone: &TimeZone) -> String {
    match Timestamp::from_millisecond(ms) {
        Ok(at) => at
            .to_zoned(zone.clone())
            .strftime("%-m/%-d/%y, %-I:%M:%S %p %Z")
            .to_string(),
        Err(_) => format!("{ms} ms"),
    }
}

/// The name of a type of transaction.
pub(super) fn name(body: &TxnBody) -> &'static str {
    match body.kind() {
        kind::CREATE_SESSION => "createSession",
        kind::CLOSE_SESSION => "closeSession",
        kind::CREATE => "create",
        kind::CREATE2 => "create2",
        kind::CREATE_CONTAINER => "createContainer",
        kind::CREATE_TTL => "createTTL",
        kind::DELETE => "delete",
        kind::DELETE_CONTAINER => "deleteContainer",
        kind::SET_DATA => "setData",
        kind::RECONFIG => "reconfig",
        kind::SET_ACL => "setACL",
        kind::CHECK => "check",
        kind::MULTI => "multi",
        _ => "error",
    }
}

fn id(id: &Id) -> String {
    let word = |text: &Option<String>| text.clone().unwrap_or_default();
    format!("'{},'{}", word(&id.scheme), word(&id.id))
}

fn text(data: Option<&bytes::Bytes>) -> String {
    data.map_or_else(String::new, |d| String::from_utf8_lossy(d).into_owned())
}

/// An ACL in the text of a create: each entry ends its line, as in Apache's.
fn create_acl(acl: Option<&[Acl]>) -> String {
    let entry = |a: &Acl| format!("{},s{{{}}}\n", a.perms, id(&a.id));
    let entries: Vec<String> = acl.unwrap_or_default().iter().map(entry).collect();
    format!("[{}]", entries.join(", "))
}

fn acl_record(acl: Option<&[Acl]>) -> String {
    let entry = |a: &Acl| format!("s{{{},s{{{}}}}}", a.perms, id(&a.id));
    let entries: Vec<String> = acl.unwrap_or_default().iter().map(entry).collect();
    format!("v{{{}}}", entries.join(","))
}

fn create_text(c: &CreateTxn) -> String {
    let head = format!(
        "{},{},{}",
        c.path,
        text(c.data.as_ref()),
        create_acl(c.acl.as_deref())
    );
    match c.kind {
        CreateKind::Persistent => format!("{head},false,{}", c.parent_cversion),
        CreateKind::Ephemeral => format!("{head},true,{}", c.parent_cversion),
        CreateKind::Container => format!("{head},{}", c.parent_cversion),
        CreateKind::Ttl(ms) => format!("{head},{},{ms}", c.parent_cversion),
    }
}

fn body_text(body: &TxnBody) -> String {
    match body {
        TxnBody::CreateSession { timeout_ms } => timeout_ms.to_string(),
        TxnBody::CloseSession { paths } => {
            let paths: Vec<String> = paths.iter().flatten().map(|p| format!("'{p}")).collect();
            format!("v{{{}}}", paths.join(","))
        }
        TxnBody::Error { code } => code.to_string(),
        TxnBody::Create(c) => create_text(c),
        TxnBody::Delete { path, .. } => format!("'{path}"),
        TxnBody::SetData {
            path,
            data,
            version,
            ..
        } => format!("{path},{},{version}", text(data.as_ref())),
        TxnBody::SetAcl { path, acl, version } => {
            format!("'{path},{},{version}", acl_record(acl.as_deref()))
        }
        TxnBody::Check { path, version } => format!("{path},{version}"),
        TxnBody::Multi(ops) => {
            let ops: Vec<String> = ops
                .iter()
                .map(|op| format!("{}:{}", name(op), body_text(op)))
                .collect();
            ops.join(";")
        }
    }
}

/// The line.
pub(super) fn line(txn: &Txn, zone: &TimeZone) -> String {
    let header = &txn.header;
    format!(
        "{} session {:#x} cxid {:#x} zxid {:#x} {} {}",
        date(header.time_ms, zone),
        header.session.0,
        header.xid.0,
        header.zxid.as_u64(),
        name(&txn.body),
        body_text(&txn.body)
    )
}

fn body_json(body: &TxnBody) -> Value {
    let data = |data: &Option<bytes::Bytes>| match data {
        None => Value::Null,
        Some(d) => crate::cli::commands::base64(d).into(),
    };
    let mut value = match body {
        TxnBody::CreateSession { timeout_ms } => json!({"timeoutMs": timeout_ms}),
        TxnBody::CloseSession { paths } => json!({"paths": paths}),
        TxnBody::Error { code } => json!({"code": code}),
        TxnBody::Create(c) => json!({
            "path": c.path,
            "base64": data(&c.data),
            "acl": acl_record(c.acl.as_deref()),
            "ephemeral": c.kind == CreateKind::Ephemeral,
            "ttlMs": if let CreateKind::Ttl(ms) = c.kind { Some(ms) } else { None },
            "parentCversion": c.parent_cversion,
        }),
        TxnBody::Delete { path, .. } => json!({"path": path}),
        TxnBody::SetData {
            path,
            data: d,
            version,
            ..
        } => json!({"path": path, "base64": data(d), "version": version}),
        TxnBody::SetAcl { path, acl, version } => {
            json!({"path": path, "acl": acl_record(acl.as_deref()), "version": version})
        }
        TxnBody::Check { path, version } => json!({"path": path, "version": version}),
        TxnBody::Multi(ops) => {
            json!({"operations": ops.iter().map(body_json).collect::<Vec<_>>()})
        }
    };
    if let Some(object) = value.as_object_mut() {
        object.insert("type".into(), name(body).into());
    }
    value
}

/// The object.
pub(super) fn to_json(txn: &Txn, offset: u64, intact: bool) -> Value {
    json!({
        "offset": offset,
        "crc": if intact { "ok" } else { "wrong" },
        "time": txn.header.time_ms,
        "session": format!("{:#x}", txn.header.session.0),
        "cxid": txn.header.xid.0,
        "zxid": txn.header.zxid.to_string(),
        "txn": body_json(&txn.body),
        "digest": txn.digest.map(|d| format!("{d:#x}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use zk_wire::txn::TxnHeader;
    use zk_wire::{SessionId, Xid, Zxid};

    #[test]
    fn lines_are_those_of_apache() {
        let check = |body: TxnBody, want: &str| {
            let txn = Txn {
                header: TxnHeader {
                    session: SessionId(0x100_00bf_4659_0000),
                    xid: Xid(11),
                    zxid: Zxid::from_u64(2),
                    time_ms: 1_795_549_149_000,
                },
                body,
                digest: None,
            };
            let line = line(&txn, &TimeZone::UTC);
            let head = "11/24/26, 7:39:09 PM UTC session 0x10000bf46590000 cxid 0xb zxid 0x2 ";
            assert_eq!(line.strip_prefix(head), Some(want));
        };
        let create = TxnBody::Create(CreateTxn {
            path: "/a".into(),
            data: None,
            acl: Some(vec![Acl::world(31)]),
            kind: CreateKind::Persistent,
            parent_cversion: 1,
            create2: false,
        });
        check(create, "create /a,,[31,s{'world,'anyone}\n],false,1");
        check(TxnBody::Error { code: -110 }, "error -110");
        let paths = Some(vec!["/x".into(), "/y".into()]);
        check(TxnBody::CloseSession { paths }, "closeSession v{'/x,'/y}");
        let delete = || TxnBody::Delete {
            path: "/m".into(),
            container: false,
        };
        check(delete(), "delete '/m");
        let both = vec![delete(), TxnBody::Error { code: -2 }];
        check(TxnBody::Multi(both), "multi delete:'/m;error:-2");
    }
}
