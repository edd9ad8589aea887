//! What stands in a data directory.

use bytes::{Bytes, BytesMut};
use zk_core::RecoveryBuilder;
use zk_storage::{StdFs, Storage, StorageConfig};
use zk_wire::data::StatPersisted;
use zk_wire::recovery::RecoverySink;
use zk_wire::snapshot::{BodyParser, BodyWriter, Progress};
use zk_wire::txn::{CreateKind, CreateTxn, Txn, TxnBody, TxnHeader};
use zk_wire::{Epoch, SessionId, Xid, Zxid};

use super::{FIELD_LEN_MAX, joined, pieces};
use crate::Target;
use crate::dir::DataDir;

/// A transaction, as it is logged and proposed.
pub(crate) const TXN: Target = Target {
    name: "txn",
    run: txn,
    seeds: txn_seeds,
};

/// A snapshot's body, in pieces as a socket gives them.
pub(crate) const SNAPSHOT_BODY: Target = Target {
    name: "snapshot-body",
    run: snapshot_body,
    seeds: || vec![joined(&[body()])],
};

/// A file `log.1` of these bytes.
pub(crate) const LOG_FILE: Target = Target {
    name: "log-file",
    run: |data| recover(&[("log.100000001", data)]),
    seeds: log_file_seeds,
};

/// Records of these bytes, each with a good checksum.
pub(crate) const LOG_RECORDS: Target = Target {
    name: "log-records",
    run: log_records,
    seeds: || vec![joined(&txns())],
};

/// A file `snapshot.0` of these bytes.
pub(crate) const SNAPSHOT_FILE: Target = Target {
    name: "snapshot-file",
    run: |data| recover(&[("snapshot.0", data)]),
    seeds: snapshot_file_seeds,
};

fn txn(data: &[u8]) {
    if let Ok(txn) = Txn::decode(Bytes::copy_from_slice(data)) {
        // Twelve bytes behind the header of a closeSession are a digest, whatever else they could be:
        // here two ephemerals without a name.
        if let (TxnBody::CloseSession { paths: Some(paths) }, None) = (&txn.body, &txn.digest)
            && paths.len() == 2
            && paths.iter().all(String::is_empty)
        {
            return;
        }
        assert_eq!(Txn::decode(txn.encode()).map(|t| t.body), Ok(txn.body));
    }
}

fn txns() -> Vec<Bytes> {
    let create = TxnBody::Create(CreateTxn {
        path: "/a".to_owned(),
        data: Some(Bytes::from_static(b"x")),
        acl: None,
        kind: CreateKind::Persistent,
        parent_cversion: 1,
        create2: false,
    });
    let set = TxnBody::SetData {
        path: "/a".to_owned(),
        data: None,
        version: 1,
        reconfig: false,
    };
    let bodies = [
        TxnBody::CreateSession { timeout_ms: 4000 },
        create.clone(),
        TxnBody::Multi(vec![set, TxnBody::Error { code: -2 }, create]),
        TxnBody::CloseSession {
            paths: Some(vec!["/a".to_owned()]),
        },
    ];
    let numbered = (1..).zip(bodies);
    let txn = |(counter, body)| Txn {
        header: TxnHeader {
            session: SessionId(1),
            xid: Xid(1),
            zxid: Zxid::new(Epoch(1), counter),
            time_ms: 1,
        },
        body,
        digest: Some(1),
    };
    numbered.map(|pair| txn(pair).encode()).collect()
}

fn txn_seeds() -> Vec<Vec<u8>> {
    txns().iter().map(|raw| raw.to_vec()).collect()
}

fn open(dir: &DataDir) -> Option<Storage<StdFs>> {
    let config = StorageConfig {
        prealloc_bytes: 0,
        ..StorageConfig::new(dir.path())
    };
    Storage::open(StdFs, config).ok()
}

/// Recovers a directory that holds these files.
fn recover(files: &[(&str, &[u8])]) {
    let dir = DataDir::with(files);
    if let Some(mut storage) = open(&dir) {
        let mut builder = RecoveryBuilder::new();
        if storage.recover(&mut builder).is_ok() {
            drop(builder.finish(Epoch::default(), Epoch::default()));
        }
    }
}

fn log_records(data: &[u8]) {
    let dir = DataDir::with(&[]);
    let Some(mut storage) = open(&dir) else {
        return;
    };
    if storage.recover(&mut RecoveryBuilder::new()).is_err() {
        return;
    }
    for raw in pieces(data) {
        let Ok(zxid) = Txn::zxid_of(&raw) else {
            continue;
        };
        if storage.append(zxid, &raw).is_err() {
            break;
        }
    }
    if storage.flush().is_err() {
        return;
    }
    drop(storage);
    if let Some(mut storage) = open(&dir) {
        drop(storage.recover(&mut RecoveryBuilder::new()));
    }
}

fn body() -> Bytes {
    let sessions = [(SessionId(7), 4000)];
    let mut writer = BodyWriter::new(sessions.into_iter(), &[]);
    writer.node("", Some(b""), -1, &StatPersisted::default());
    writer.node("/zookeeper", Some(b""), -1, &StatPersisted::default());
    writer.node("/a", None, -1, &StatPersisted::default());
    writer.finish()
}

fn snapshot_body(data: &[u8]) {
    let mut parser = BodyParser::new(FIELD_LEN_MAX);
    let mut builder = RecoveryBuilder::new();
    builder.begin(Zxid::ZERO);
    let mut buf = BytesMut::new();
    for piece in pieces(data) {
        buf.extend_from_slice(&piece);
        loop {
            match parser.next(&mut buf) {
                Ok(Progress::Item(item)) => {
                    if builder.item(item).is_err() {
                        return;
                    }
                }
                Ok(Progress::NeedMore) => break,
                Ok(Progress::End) => {
                    drop(builder.end_snapshot(None));
                    return;
                }
                Err(_) => return,
            }
        }
    }
}

/// The bytes of the first file that a good directory has with this prefix.
fn made(prefix: &str) -> Vec<Vec<u8>> {
    let dir = DataDir::with(&[]);
    let Some(mut storage) = open(&dir) else {
        return Vec::new();
    };
    let ready = storage.recover(&mut RecoveryBuilder::new()).is_ok()
        && storage
            .install_snapshot(Zxid::ZERO, &body(), (Zxid::ZERO, 0))
            .is_ok()
        && txns()
            .iter()
            .all(|raw| Txn::zxid_of(raw).is_ok_and(|zxid| storage.append(zxid, raw).is_ok()))
        && storage.flush().is_ok();
    assert!(ready, "a directory of our own is written");
    dir.files(prefix)
}

fn log_file_seeds() -> Vec<Vec<u8>> {
    made("log.")
}

fn snapshot_file_seeds() -> Vec<Vec<u8>> {
    made("snapshot.")
}
