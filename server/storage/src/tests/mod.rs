//! Stories over the whole crate, and what they share: a state that is nothing but its own history.

mod crash;
mod damage;
mod learners;
mod mem_fs;
mod stories;

use bytes::Bytes;
use zk_wire::snapshot::{ACL_OPEN_UNSAFE, BodyWriter, SnapshotItem};
use zk_wire::txn::{Txn, TxnBody, TxnHeader};
use zk_wire::{Epoch, SessionId, StatPersisted, Xid, Zxid};

use crate::{Fs, Recovered, RecoverySink, Storage, StorageConfig, StorageError};

fn z(epoch: u32, counter: u32) -> Zxid {
    Zxid::new(Epoch(epoch), counter)
}

/// The encoded transaction that these tests log under a zxid.
fn txn(zxid: Zxid, size: usize) -> Bytes {
    Txn {
        header: TxnHeader {
            session: SessionId(7),
            xid: Xid(1),
            zxid,
            time_ms: 1_700_000_000_000,
        },
        body: TxnBody::SetData {
            path: "/h".into(),
            data: Some(vec![0xa5; size].into()),
            version: 1,
            reconfig: false,
        },
        digest: Some(42),
    }
    .encode()
}

/// A snapshot body whose only payload is the list of zxids that led to it.
fn body(history: &[Zxid]) -> Bytes {
    let mut data = Vec::new();
    for zxid in history {
        data.extend_from_slice(&zxid.as_u64().to_be_bytes());
    }
    let stat = StatPersisted::default();
    let mut w = BodyWriter::new([(SessionId(7), 4000)].into_iter(), &[]);
    w.node("", Some(b""), ACL_OPEN_UNSAFE, &stat);
    w.node("/h", Some(&data), ACL_OPEN_UNSAFE, &stat);
    w.finish()
}

/// Collects the history.
#[derive(Debug, Default)]
struct History(Vec<Zxid>);

impl RecoverySink for History {
    fn begin(&mut self, _: Zxid) {
        self.0.clear();
    }

    fn item(&mut self, item: SnapshotItem) -> Result<(), String> {
        if let SnapshotItem::Node {
            data: Some(data), ..
        } = item
        {
            let zxids = data
                .chunks_exact(8)
                .map(|c| u64::from_be_bytes(c.try_into().unwrap()));
            self.0.extend(zxids.map(Zxid::from_u64));
        }
        Ok(())
    }

    fn end_snapshot(&mut self, _: Option<(Zxid, u64)>) -> Result<(), String> {
        Ok(())
    }

    fn txn(&mut self, txn: Txn, raw: Bytes) -> Result<(), String> {
        assert_eq!(Txn::decode(raw).unwrap(), txn);
        self.0.push(txn.header.zxid);
        Ok(())
    }
}

fn config() -> StorageConfig {
    StorageConfig {
        prealloc_bytes: 8192,
        snap_retain: 2,
        ..StorageConfig::new("/data")
    }
}

/// Opens and recovers: the storage, what it reported, the history.
fn start<F: Fs>(
    fs: &F,
    config: StorageConfig,
) -> Result<(Storage<F>, Recovered, Vec<Zxid>), StorageError> {
    let mut storage = Storage::open(fs.clone(), config)?;
    let mut history = History::default();
    let recovered = storage.recover(&mut history)?;
    Ok((storage, recovered, history.0))
}

/// Appends these and flushes once.
fn log<F: Fs>(storage: &mut Storage<F>, zxids: &[Zxid]) {
    for zxid in zxids {
        storage.append(*zxid, &txn(*zxid, 20)).unwrap();
    }
    storage.flush().unwrap();
}

/// A reproducible source of choices (splitmix64).
#[derive(Debug, Clone)]
struct Choices(u64);

impl Choices {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^= x >> 31;
        usize::try_from(x % n as u64).unwrap()
    }
}
