//! Every kind of damage and what is made of it; whatever is refused leaves the disk as it was.

use zk_wire::{Epoch, Zxid};

use super::mem_fs::MemFs;
use super::{Choices, body, config, log, start, txn, z};
use crate::StorageError;

const LOG1: &str = "/data/version-2/log.100000001";
const LOG4: &str = "/data/version-2/log.100000004";
const SNAP0: &str = "/data/version-2/snapshot.0";
const SNAP2: &str = "/data/version-2/snapshot.100000002";
/// Framing and body of one record of these tests.
const RECORD: usize = 13 + 32 + 6 + 24 + 4 + 12;

/// Records 1-3 in one file, 4-6 in the next, a snapshot of 2, no preallocation.
fn disk() -> MemFs {
    let fs = MemFs::default();
    let config = crate::StorageConfig {
        prealloc_bytes: 0,
        ..config()
    };
    let (mut storage, ..) = start(&fs, config).unwrap();
    let all: Vec<_> = (1..=6).map(|n| z(1, n)).collect();
    log(&mut storage, &all[..3]);
    storage.roll().unwrap();
    let job = storage
        .snapshot_job(z(1, 2), body(&all[..2]), (z(1, 2), 5))
        .unwrap();
    job.run().unwrap();
    log(&mut storage, &all[3..]);
    assert_eq!(fs.get(LOG4).len(), 16 + 3 * RECORD);
    fs
}

#[derive(Debug, PartialEq, Eq)]
enum Expect {
    /// So many of the six records, and whether something was torn.
    Good(usize, bool),
    CorruptIn(&'static str),
    Missing,
}
use Expect::{CorruptIn, Good, Missing};

#[track_caller]
fn check(name: &str, damage: impl FnOnce(&MemFs), expect: Expect) {
    let fs = disk();
    damage(&fs);
    let before = fs.all();
    let found = match start(&fs, config()) {
        Ok((_, recovered, history)) => {
            let all: Vec<_> = (1..=6).map(|n| z(1, n)).collect();
            assert_eq!(history, all[..history.len()], "{name}");
            Good(history.len(), recovered.torn_tail.is_some())
        }
        Err(error) => {
            assert_eq!(fs.all(), before, "{name}: a refusal changed the disk");
            match (error, &expect) {
                (StorageError::Corrupt { file, .. }, CorruptIn(want)) => {
                    assert_eq!(file.to_str().unwrap(), *want, "{name}");
                    CorruptIn(want)
                }
                (StorageError::Missing { .. }, _) => Missing,
                (error, _) => panic!("{name}: {error}"),
            }
        }
    };
    assert_eq!(found, expect, "{name}");
    if let Good(..) = found {
        let (mut storage, _, history) = start(&fs, config()).unwrap();
        let next = history.last().unwrap().next().unwrap();
        log(&mut storage, &[next]);
        drop(storage);
        let (_, recovered, longer) = start(&fs, config()).unwrap();
        assert_eq!(longer.len(), history.len() + 1, "{name}");
        assert_eq!(recovered.torn_tail, None, "{name}");
    }
}

fn edit(path: &'static str, f: impl FnOnce(&mut Vec<u8>)) -> impl FnOnce(&MemFs) {
    move |fs| {
        let mut data = fs.get(path);
        f(&mut data);
        fs.put(path, &data);
    }
}

const fn record(n: usize) -> usize {
    16 + n * RECORD
}

#[test]
fn ends_of_the_log() {
    check("as written", |_| {}, Good(6, false));
    check("padding", edit(LOG4, |d| d.resize(9000, 0)), Good(6, false));
    for cut in 1..RECORD {
        let to = record(3) - cut;
        // A checksum begins with zeros, which could as well be padding.
        let torn = to > record(2) + 4;
        check("cut", edit(LOG4, |d| d.truncate(to)), Good(5, torn));
        let zeros = edit(LOG4, |d| d[to..].fill(0));
        check("cut, then zeros", zeros, Good(5, torn));
    }
    check(
        "last checksum",
        edit(LOG4, |d| d[record(2) + 40] ^= 1),
        Good(5, true),
    );
    check(
        "last is zeros",
        edit(LOG4, |d| d[record(2)..].fill(0)),
        Good(5, false),
    );
    check(
        "last end mark",
        edit(LOG4, |d| *d.last_mut().unwrap() = b'C'),
        CorruptIn(LOG4),
    );
    check("empty last file", edit(LOG4, Vec::clear), Good(3, true));
    check(
        "part of a header",
        edit(LOG4, |d| d.truncate(7)),
        Good(3, true),
    );
    check("zeros", edit(LOG4, |d| d.fill(0)), Good(3, true));
    check(
        "header only",
        edit(LOG4, |d| d.truncate(16)),
        Good(3, false),
    );
    check(
        "header and padding",
        edit(LOG4, |d| d[16..].fill(0)),
        Good(3, false),
    );
    check("no last file", |fs| fs.delete(LOG4), Good(3, false));
}

#[test]
fn damage_before_the_end_is_refused() {
    check(
        "middle checksum",
        edit(LOG4, |d| d[record(1) + 40] ^= 1),
        CorruptIn(LOG4),
    );
    check(
        "middle length up",
        edit(LOG4, |d| d[record(1) + 11] ^= 0x80),
        CorruptIn(LOG4),
    );
    check(
        "middle length huge",
        edit(LOG4, |d| d[record(1) + 8] = 0x7f),
        CorruptIn(LOG4),
    );
    check(
        "middle length past the end",
        edit(LOG4, |d| d[record(0) + 9] = 1),
        CorruptIn(LOG4),
    );
    check(
        "middle length -1",
        edit(LOG4, |d| d[record(1) + 8..][..4].fill(0xff)),
        CorruptIn(LOG4),
    );
    check(
        "middle zeros",
        edit(LOG4, |d| d[record(1)..record(2)].fill(0)),
        CorruptIn(LOG4),
    );
    check(
        "middle end mark",
        edit(LOG4, |d| d[record(1) - 1] = 0),
        CorruptIn(LOG4),
    );
    check(
        "header zeros",
        edit(LOG4, |d| d[..16].fill(0)),
        CorruptIn(LOG4),
    );
    check("magic", edit(LOG4, |d| d[0] = b'X'), CorruptIn(LOG4));
}

#[test]
fn a_log_with_a_hole_is_refused() {
    check(
        "end of an earlier file",
        edit(LOG1, |d| d.truncate(record(3) - 5)),
        CorruptIn(LOG1),
    );
    check(
        "earlier file empty",
        edit(LOG1, Vec::clear),
        CorruptIn(LOG1),
    );
    check(
        "earlier file short by one",
        edit(LOG1, |d| d.truncate(record(2))),
        CorruptIn(LOG4),
    );
    check("earlier file gone", |fs| fs.delete(LOG1), CorruptIn(LOG4));
    let gap = edit(LOG4, |d| {
        d.drain(record(1)..record(2));
    });
    check("a record is missing", gap, CorruptIn(LOG4));
    let unknown = edit(LOG4, |d| {
        let body = record(1) + 12;
        d[body + 28..body + 32].copy_from_slice(&99_i32.to_be_bytes());
        let sum = simd_adler32::adler32(&&d[body..body + RECORD - 13]);
        d[record(1)..body - 4].copy_from_slice(&u64::from(sum).to_be_bytes());
    });
    check("unknown type", unknown, CorruptIn(LOG4));
    let renamed = |fs: &MemFs| {
        fs.put("/data/version-2/log.100000005", &fs.get(LOG4));
        fs.delete(LOG4);
    };
    check(
        "wrong name",
        renamed,
        CorruptIn("/data/version-2/log.100000005"),
    );
}

#[test]
fn a_write_torn_in_an_earlier_file_is_harmless_when_it_was_repeated() {
    let repeat = |fs: &MemFs| {
        let mut data = fs.get(LOG1);
        data.extend_from_slice(&fs.get(LOG4)[16..60]);
        fs.put(LOG1, &data);
    };
    check("half of 4, then 4", repeat, Good(6, false));
}

#[test]
fn header_fields_that_apache_ignores_are_ignored() {
    check(
        "version and dbid",
        edit(LOG4, |d| d[7..16].fill(9)),
        Good(6, false),
    );
    let digest = edit(LOG4, |d| {
        let body = record(1) + 12;
        d[body + RECORD - 14] ^= 1;
        let sum = simd_adler32::adler32(&&d[body..body + RECORD - 13]);
        d[record(1)..body - 4].copy_from_slice(&u64::from(sum).to_be_bytes());
    });
    check("digest", digest, Good(6, false));
}

#[test]
fn snapshots() {
    check(
        "newest cut, log covers it",
        edit(SNAP2, |d| d.truncate(60)),
        Good(6, false),
    );
    check(
        "newest empty, log covers it",
        edit(SNAP2, Vec::clear),
        Good(6, false),
    );
    let both = |fs: &MemFs| {
        fs.put(SNAP2, b"x");
        fs.put(SNAP0, b"x");
    };
    check("all bad", both, CorruptIn(SNAP2));
    let uncovered = |fs: &MemFs| fs.put("/data/version-2/snapshot.100000009", b"ZKSN");
    check(
        "log ends before it",
        uncovered,
        CorruptIn("/data/version-2/snapshot.100000009"),
    );
    let epoch = |fs: &MemFs| fs.put("/data/version-2/snapshot.200000000", b"");
    check(
        "a later epoch",
        epoch,
        CorruptIn("/data/version-2/snapshot.200000000"),
    );
    let packed = |fs: &MemFs| fs.put("/data/version-2/snapshot.100000009.gz", b"\x1f\x8b");
    check(
        "compressed",
        packed,
        CorruptIn("/data/version-2/snapshot.100000009.gz"),
    );
    let none = |fs: &MemFs| {
        fs.delete(SNAP2);
        fs.delete(SNAP0);
    };
    check("none", none, Missing);
    let tmp = |fs: &MemFs| fs.put("/data/version-2/snapshot.100000009.tmp", b"ZKSN");
    check("temporary", tmp, Good(6, false));
}

#[test]
fn any_flipped_bit_of_a_snapshot_is_noticed() {
    let good = disk().get(SNAP2);
    for at in 0..good.len() {
        let bit = 1 << (at % 8);
        // Version and dbid are covered by the seals. Without its last bytes the file looks like one
        // that was never finished, and the log covers it.
        let expect = if at + 5 < good.len() {
            CorruptIn(SNAP2)
        } else {
            Good(6, false)
        };
        check("bit", edit(SNAP2, |d| d[at] ^= bit), expect);
    }
}

/// Starts after a change of one file: no panic, no other history than a beginning of the true one, of
/// which only the last record may be missing where it could as well have been torn; a refusal names the
/// file.
#[track_caller]
fn harmless(name: &str, path: &'static str, change: impl FnOnce(&mut Vec<u8>), least: usize) {
    let fs = disk();
    edit(path, change)(&fs);
    let before = fs.all();
    match start(&fs, config()) {
        Ok((.., history)) => {
            let all: Vec<_> = (1..=6).map(|n| z(1, n)).collect();
            assert_eq!(history, all[..history.len()], "{path}: {name}");
            assert!(history.len() >= least, "{path}: {name}: {history:?}");
        }
        Err(StorageError::Corrupt { file, .. }) => {
            // A cut of the earlier log shows as a hole before the next one.
            let named = file.to_str() == Some(path) || path == LOG1;
            assert!(named, "{path}: {name}: {}", file.display());
            assert_eq!(
                fs.all(),
                before,
                "{path}: {name}: a refusal changed the disk"
            );
        }
        Err(e) => panic!("{path}: {name}: {e}"),
    }
}

#[test]
fn any_flipped_bit_and_any_cut_of_any_file() {
    for (path, least) in [(LOG1, 6), (LOG4, 5), (SNAP2, 6), (SNAP0, 6)] {
        let len = disk().get(path).len();
        for at in 0..len {
            harmless(
                &format!("bit of byte {at}"),
                path,
                |d| d[at] ^= 1 << (at % 8),
                least,
            );
            // What a cut of the last log takes is as if it had never been written.
            let least = if path == LOG4 { 3 } else { least };
            harmless(&format!("cut to {at}"), path, |d| d.truncate(at), least);
        }
    }
}

#[test]
fn any_flipped_bit_and_any_cut_of_the_small_files() {
    const IDENTITY: &str = "/data/quorate.identity";
    const ACCEPTED: &str = "/data/version-2/acceptedEpoch";
    const CURRENT: &str = "/data/version-2/currentEpoch";
    let with_id = || crate::StorageConfig {
        ensemble_id: Some("one".to_owned()),
        server_id: Some(zk_wire::Sid(2)),
        ..config()
    };
    let fresh = || {
        let fs = MemFs::default();
        let (mut storage, ..) = start(&fs, with_id()).unwrap();
        storage.write_accepted_epoch(Epoch(12)).unwrap();
        log(&mut storage, &[z(12, 1)]);
        storage.write_current_epoch(Epoch(12)).unwrap();
        drop(storage);
        fs
    };
    for path in [IDENTITY, ACCEPTED, CURRENT] {
        let good = fresh().get(path);
        let flips = (0..good.len()).flat_map(|at| (0..8).map(move |bit| (at, Some(bit))));
        for (at, bit) in flips.chain((0..good.len()).map(|at| (at, None))) {
            let fs = fresh();
            let mut data = good.clone();
            match bit {
                Some(bit) => data[at] ^= 1 << bit,
                None => data.truncate(at),
            }
            fs.put(path, &data);
            let text = String::from_utf8_lossy(&data).into_owned();
            match start(&fs, with_id()) {
                Ok((_, found, history)) => {
                    assert_eq!(history, [z(12, 1)], "{path}: {text:?}");
                    assert_eq!(found.current_epoch, Some(Epoch(12)), "{path}: {text:?}");
                    let accepted = found.accepted_epoch;
                    assert!(accepted >= Some(Epoch(12)), "{path}: {text:?}");
                }
                // The two epochs are judged together: either may be the one that is named.
                Err(error) => {
                    let said = error.to_string();
                    let named = said.contains(path) || path == CURRENT && said.contains(ACCEPTED);
                    assert!(named, "{path}: {text:?}: {said}");
                }
            }
        }
    }
}

#[test]
fn random_damage_never_panics_and_never_gives_another_history() {
    for seed in 0..4000 {
        let mut chance = Choices(seed);
        let fs = disk();
        let path = [LOG1, LOG4, SNAP2, SNAP0][chance.below(4)];
        let mut data = fs.get(path);
        for _ in 0..=chance.below(4) {
            let at = chance.below(data.len());
            match chance.below(4) {
                0 => data[at] = u8::try_from(chance.below(256)).unwrap(),
                1 => data[at] ^= 1 << chance.below(8),
                2 => data[at..].iter_mut().take(12).for_each(|b| *b = 0),
                _ => data.truncate(at + 1),
            }
        }
        fs.put(path, &data);
        if let Ok((.., history)) = start(&fs, config()) {
            let all: Vec<_> = (1..=6).map(|n| z(1, n)).collect();
            assert_eq!(history, all[..history.len()], "seed {seed}");
            let least = if path == LOG4 { 3 } else { 6 };
            assert!(history.len() >= least, "seed {seed}: {history:?}");
        }
    }
}

#[test]
fn a_lone_epoch_change_needs_its_first_transaction() {
    let fs = disk();
    let mut log = fs.get(LOG4)[..16].to_vec();
    let raw = txn(z(2, 2), 20);
    crate::txnlog::format::encode_record(&raw, &mut log);
    fs.put("/data/version-2/log.200000002", &log);
    assert!(matches!(
        start(&fs, config()),
        Err(StorageError::Corrupt { .. })
    ));
    assert_eq!(Zxid::from_u64(0x2_0000_0002), z(2, 2));
}

#[test]
fn a_lost_sector_is_a_torn_write_only_where_the_last_ones_were() {
    let fs = MemFs::default();
    let (mut storage, ..) = start(&fs, config()).unwrap();
    for n in 1..=400 {
        storage.append(z(1, n), &txn(z(1, n), 2000)).unwrap();
        storage.flush().unwrap();
    }
    drop(storage);
    let good = fs.get(LOG1);
    let end = good.iter().rposition(|b| *b != 0).unwrap() / 512;
    for (sector, torn) in [(1, false), (600, false), (end - 20, true), (end - 1, true)] {
        let mut data = good.clone();
        data[sector * 512..][..512].fill(0);
        fs.put(LOG1, &data);
        match start(&fs.copy(), config()) {
            Ok((_, recovered, history)) => {
                assert!(torn && recovered.torn_tail.is_some(), "{sector}");
                assert_eq!(
                    history.len(),
                    (sector * 512 - 16) / (2000 + RECORD - 20),
                    "{sector}"
                );
            }
            Err(StorageError::Corrupt { .. }) => assert!(!torn, "{sector}"),
            Err(e) => panic!("{sector}: {e}"),
        }
        // A wrong bit is damage everywhere but in the last record.
        if sector + 8 > end {
            continue;
        }
        let mut data = good.clone();
        data[(sector - 1) * 512 + 100] ^= 1;
        fs.put(LOG1, &data);
        let result = start(&fs.copy(), config());
        assert!(
            matches!(result, Err(StorageError::Corrupt { .. })),
            "{sector}"
        );
    }
}
