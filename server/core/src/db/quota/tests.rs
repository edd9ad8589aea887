//! The text of limits and usage, and how usage follows the tree.

use zk_wire::recovery::RecoverySink;
use zk_wire::txn::{CreateKind, CreateTxn, Txn, TxnBody, TxnHeader};
use zk_wire::{Acl, SessionId, Xid, Zxid};

use super::*;
use crate::db::RecoveryBuilder;

#[track_caller]
fn parsed(text: &str, expected: Option<&str>) {
    let found = Figures::parse(Some(text.as_bytes())).map(|f| f.to_text());
    assert_eq!(found.as_deref(), expected, "{text:?}");
}

#[test]
fn figures_as_apache_reads_and_writes_them() {
    parsed("", Some("count=-1,bytes=-1"));
    parsed("count=3,bytes=10", Some("count=3,bytes=10"));
    let long = "count=3,bytes=10=;byteHardLimit=20;countHardLimit=4";
    parsed(long, Some(long));
    parsed("bytes=5;;count=+2,", Some("count=2,bytes=5"));
    parsed("count==", None);
    parsed("count==1", Some("count=-1,bytes=-1"));
    parsed("count=", None);
    parsed("count", None);
    parsed(",count=1", None);
    parsed("count=x", None);
    parsed("count=1 ", None);
    parsed(",", Some("count=-1,bytes=-1"));
    assert_eq!(Figures::parse(None), None);
    let figures = Figures::parse(Some(long.as_bytes())).unwrap();
    assert_eq!((figures.count_hard(), figures.bytes_hard()), (4, 20));
}

struct Bench {
    db: Database,
    zxid: u64,
}

impl Bench {
    fn new() -> Self {
        let db = Database::new();
        Self { db, zxid: 0 }
    }

    fn apply(&mut self, body: TxnBody) {
        self.zxid += 1;
        let header = TxnHeader {
            session: SessionId(1),
            xid: Xid(0),
            zxid: Zxid::from_u64(self.zxid),
            time_ms: 1,
        };
        let txn = Txn {
            header,
            body,
            digest: None,
        };
        self.db.apply(&txn, &mut Vec::new());
    }

    fn create(&mut self, path: &str, data: &'static str) {
        self.apply(TxnBody::Create(CreateTxn {
            path: path.into(),
            data: Some(Bytes::from_static(data.as_bytes())),
            acl: Some(vec![Acl::world(31)]),
            kind: CreateKind::Persistent,
            parent_cversion: -1,
            create2: false,
        }));
    }

    fn set(&mut self, path: &str, data: Option<&'static str>) {
        self.apply(TxnBody::SetData {
            path: path.into(),
            data: data.map(|d| Bytes::from_static(d.as_bytes())),
            version: 1,
            reconfig: false,
        });
    }

    fn delete(&mut self, path: &str) {
        self.apply(TxnBody::Delete {
            path: path.into(),
            container: false,
        });
    }

    fn text(&self, path: &str) -> String {
        let data = self.db.node(path).and_then(|n| n.data.clone());
        String::from_utf8(data.unwrap().to_vec()).unwrap()
    }
}

#[test]
fn usage_follows_the_tree_in_place() {
    let mut b = Bench::new();
    b.create("/a", "12345");
    b.create("/ab", "12345");
    b.create("/zookeeper/quota/a", "");
    b.create("/zookeeper/quota/a/zookeeper_limits", "count=10,bytes=-1");
    b.create("/a/early", "1");
    b.create("/zookeeper/quota/a/zookeeper_stats", "count=0,bytes=0");
    let usage = "/zookeeper/quota/a/zookeeper_stats";
    assert_eq!(b.text(usage), "count=2,bytes=6");
    let before = b.db.node(usage).unwrap().stat();
    let digest = b.db.digest();
    b.create("/a/b", "12");
    b.create("/ab/c", "12");
    assert_eq!(b.text(usage), "count=3,bytes=8");
    b.set("/a/b", None);
    assert_eq!(b.text(usage), "count=3,bytes=6");
    b.set("/a", Some("123456"));
    b.delete("/a/b");
    assert_eq!(b.text(usage), "count=2,bytes=7");
    let after = b.db.node(usage).unwrap().stat();
    assert_eq!((after.version, after.mzxid), (before.version, before.mzxid));
    assert_ne!(b.db.digest(), digest);

    let mut builder = RecoveryBuilder::new();
    let body = b.db.to_snapshot_body();
    let mut buf = bytes::BytesMut::from(body.as_ref());
    let mut parser = zk_wire::snapshot::BodyParser::new(1 << 20);
    builder.begin(b.db.last_applied());
    while let zk_wire::snapshot::Progress::Item(item) = parser.next(&mut buf).unwrap() {
        builder.item(item).unwrap();
    }
    builder.end_snapshot(None).unwrap();
    let mut loaded = Bench {
        db: *builder.into_database().unwrap(),
        zxid: b.zxid,
    };
    assert_eq!(loaded.db.to_snapshot_body(), body);
    loaded.create("/a/new", "");
    assert_eq!(loaded.text(usage), "count=3,bytes=7");

    b.set(usage, Some("rubbish"));
    b.create("/a/x", "");
    assert_eq!(b.text(usage), "rubbish");
    b.set(usage, Some("count=1,bytes=1=;extra=9"));
    b.create("/a/y", "1");
    assert_eq!(b.text(usage), "count=2,bytes=2=;extra=9");
    b.delete("/zookeeper/quota/a/zookeeper_limits");
    b.create("/a/z", "1");
    assert_eq!(b.text(usage), "count=2,bytes=2=;extra=9");
}

#[test]
fn the_deepest_quota_counts_and_the_root_has_none() {
    let mut b = Bench::new();
    for path in ["/a", "/a/b", "/zookeeper/quota/a", "/zookeeper/quota/a/b"] {
        b.create(path, "");
    }
    for path in [
        "/zookeeper/quota",
        "/zookeeper/quota/a",
        "/zookeeper/quota/a/b",
    ] {
        b.create(&format!("{path}/zookeeper_limits"), "count=1,bytes=1");
        b.create(&format!("{path}/zookeeper_stats"), "");
    }
    b.create("/a/b/c", "123");
    b.create("/a/c", "1");
    assert_eq!(
        b.text("/zookeeper/quota/a/b/zookeeper_stats"),
        "count=2,bytes=3"
    );
    assert_eq!(
        b.text("/zookeeper/quota/a/zookeeper_stats"),
        "count=3,bytes=1"
    );
    b.create("/elsewhere", "1");
    assert!(b.db.quota("/elsewhere").is_none());
    assert!(b.db.quota("/a/b/c/d").is_some());
}
