//! The tree digest (`DigestCalculator`, `AdHash`): a 64-bit wrapping sum of CRC-32 values, one per
//! node, over path, data and stat.

use bytes::Bytes;
use zk_wire::StatPersisted;

/// CRC-32 of one node; 0 for the nodes below `/zookeeper`, which servers change on their own.
pub(crate) fn node_digest(path: &str, data: Option<&Bytes>, stat: &StatPersisted) -> u32 {
    if path.starts_with("/zookeeper/") {
        return 0;
    }
    let mut fields = [0_u8; StatPersisted::LEN];
    let longs = [stat.czxid, stat.mzxid, stat.pzxid, stat.ctime, stat.mtime];
    let ints = [stat.version, stat.cversion, stat.aversion];
    let bytes = longs
        .iter()
        .flat_map(|v| v.to_be_bytes())
        .chain(ints.iter().flat_map(|v| v.to_be_bytes()))
        .chain(stat.ephemeral_owner.to_be_bytes());
    for (to, from) in fields.iter_mut().zip(bytes) {
        *to = from;
    }
    let mut crc = crc32fast::Hasher::new();
    crc.update(if path == "/" { b"" } else { path.as_bytes() });
    crc.update(data.map_or(&[], |d| d.as_ref()));
    crc.update(&fields);
    crc.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::Database;

    #[test]
    fn the_values_that_apache_computes() {
        let zero = StatPersisted::default();
        let empty = Bytes::new();
        assert_eq!(node_digest("/", Some(&empty), &zero), 68_323_592);
        assert_eq!(
            node_digest("/zookeeper", Some(&empty), &zero),
            1_303_661_912
        );
        assert_eq!(Database::new().digest(), 1_371_985_504);
        let stat = StatPersisted {
            czxid: 2,
            mzxid: 2,
            pzxid: 2,
            ctime: 1_795_341_070_209,
            mtime: 1_795_341_070_209,
            ..zero
        };
        let hello = Bytes::from_static(b"hello");
        assert_eq!(node_digest("/a", Some(&hello), &stat), 2_141_363_417);
        let root = StatPersisted {
            cversion: 1,
            pzxid: 2,
            ..zero
        };
        assert_eq!(node_digest("", Some(&empty), &root), 51_738_866);
    }
}
