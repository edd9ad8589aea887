//! What a caller sees, one story each.

use bytes::Bytes;
use zk_wire::{Epoch, Sid, Zxid};

use super::mem_fs::{MemFs, Tearing};
use super::{Choices, History, body, config, log, start, txn, z};
use crate::{SnapshotOutcome, StdFs, Storage, StorageConfig, StorageError, TruncOutcome};

const DIR: &str = "/data/version-2";

fn started(fs: &MemFs) -> Storage<MemFs> {
    start(fs, config()).unwrap().0
}

#[test]
fn a_real_directory_is_found_again_as_it_was_left() {
    let dir = tempfile::tempdir().unwrap();
    let config = StorageConfig {
        log_dir: dir.path().join("logs"),
        ensemble_id: Some("prod-1".into()),
        server_id: Some(Sid(3)),
        ..StorageConfig::new(dir.path().join("data"))
    };
    let (mut storage, recovered, _) = start(&StdFs, config.clone()).unwrap();
    assert!(recovered.empty && recovered.trusted);
    storage.write_accepted_epoch(Epoch(1)).unwrap();
    storage.write_current_epoch(Epoch(1)).unwrap();
    log(&mut storage, &[z(1, 1), z(1, 2), z(1, 3)]);
    assert!(matches!(
        Storage::open(StdFs, config.clone()),
        Err(StorageError::Locked { .. })
    ));
    let path = config.log_dir.join("version-2/log.100000001");
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 16 + (64 << 20));
    drop(storage);

    let (storage, recovered, history) = start(&StdFs, config.clone()).unwrap();
    assert_eq!(history, [z(1, 1), z(1, 2), z(1, 3)]);
    assert_eq!(recovered.last_zxid, z(1, 3));
    assert_eq!(recovered.snapshot_zxid, Some(Zxid::ZERO));
    assert_eq!(recovered.accepted_epoch, Some(Epoch(1)));
    assert_eq!(recovered.current_epoch, Some(Epoch(1)));
    assert!(
        std::fs::metadata(&path).unwrap().len() < 1000,
        "padding is cut"
    );
    let from_2: Vec<_> = storage
        .read_txns_from(z(1, 2))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(from_2.len(), 2);
    assert_eq!(from_2[0].1, txn(z(1, 2), 20));
    let identity = std::fs::read_to_string(dir.path().join("data/quorate.identity")).unwrap();
    assert_eq!(identity, "ensemble=prod-1\nserver=3\n");
}

#[test]
fn the_first_snapshot_is_apaches_empty_tree() {
    let fs = MemFs::default();
    log(&mut started(&fs), &[z(0, 1)]);
    let snapshot = fs.get("/data/version-2/snapshot.0");
    assert_eq!(snapshot.len(), 478);
    assert_eq!(snapshot[..8], *b"ZKSN\0\0\0\x02");
    assert!(snapshot.ends_with(&[0, 0, 0, 1, b'/']));
    let log = fs.get("/data/version-2/log.1");
    assert_eq!(log[..16], *b"ZKLG\0\0\0\x02\0\0\0\x01\0\0\0\x01");
    assert_eq!(log.len(), 16 + 8192);
}

#[test]
fn a_batch_costs_one_sync() {
    let fs = MemFs::default();
    let mut storage = started(&fs);
    log(&mut storage, &[z(1, 1)]);
    let before = fs.file_syncs();
    log(&mut storage, &(2..=50).map(|n| z(1, n)).collect::<Vec<_>>());
    assert_eq!(fs.file_syncs(), before + 1);
    storage.flush().unwrap();
    assert_eq!(fs.file_syncs(), before + 1);
}

#[test]
fn what_does_not_come_next_is_not_logged() {
    let fs = MemFs::default();
    let mut storage = Storage::open(fs.clone(), config()).unwrap();
    assert!(matches!(
        storage.append(z(1, 1), &txn(z(1, 1), 1)),
        Err(StorageError::NotRecovered)
    ));
    storage.recover(&mut History::default()).unwrap();
    log(&mut storage, &[z(1, 1), z(1, 2)]);
    for (zxid, raw) in [
        (z(1, 2), z(1, 2)),
        (z(1, 4), z(1, 4)),
        (z(0, 9), z(0, 9)),
        (z(2, 2), z(2, 2)),
        (z(1, 3), z(1, 4)),
    ] {
        let result = storage.append(zxid, &txn(raw, 1));
        assert!(
            matches!(result, Err(StorageError::OutOfOrder { .. })),
            "{zxid}"
        );
    }
    log(&mut storage, &[z(1, 3), z(4, 1)]);
    assert_eq!(storage.last_zxid().unwrap(), z(4, 1));
}

#[test]
fn another_owner_is_refused_and_nothing_is_touched() {
    let fs = MemFs::default();
    let with = |ensemble: Option<&str>, server: Option<i64>| StorageConfig {
        ensemble_id: ensemble.map(str::to_owned),
        server_id: server.map(Sid),
        ..config()
    };
    Storage::open(fs.clone(), with(Some("a"), Some(1))).unwrap();
    let before = fs.all();
    for (ensemble, server) in [(Some("b"), Some(1)), (Some("a"), Some(2)), (None, Some(2))] {
        let result = Storage::open(fs.clone(), with(ensemble, server));
        let Err(StorageError::Identity { file, .. }) = result else {
            panic!("{ensemble:?} {server:?}");
        };
        assert_eq!(file.to_str(), Some("/data/quorate.identity"));
    }
    assert!(Storage::open(fs.clone(), with(Some("a"), None)).is_ok());
    assert_eq!(fs.all(), before);
    fs.put("/data/quorate.identity", b"nonsense");
    let result = Storage::open(fs.clone(), with(Some("a"), Some(1)));
    assert!(matches!(result, Err(StorageError::Corrupt { .. })));
    let result = Storage::open(MemFs::default(), with(Some("a\nb"), None));
    assert!(matches!(result, Err(StorageError::Config(_))));
}

#[test]
fn directories_are_checked_before_use() {
    let fs = MemFs::default();
    let strict = StorageConfig {
        autocreate: false,
        ..config()
    };
    let result = Storage::open(fs.clone(), strict);
    assert!(matches!(result, Err(StorageError::Missing { .. })));
    assert_eq!(fs.calls(), 0);
    log(&mut started(&fs), &[z(1, 1)]);
    let apart = StorageConfig {
        log_dir: "/logs".into(),
        ..config()
    };
    let calls = fs.calls();
    let result = Storage::open(fs.clone(), apart);
    assert!(matches!(result, Err(StorageError::Misplaced { .. })));
    assert_eq!(fs.calls(), calls);
}

#[test]
fn an_empty_directory_is_trusted_only_on_somebodys_word() {
    let careful = StorageConfig {
        db_autocreate: false,
        ..config()
    };
    let fs = MemFs::default();
    assert!(!start(&fs, careful.clone()).unwrap().1.trusted);
    fs.put("/data/initialize", b"");
    assert!(start(&fs, careful.clone()).unwrap().1.trusted);
    let (mut storage, recovered, _) = start(&fs, careful.clone()).unwrap();
    assert!(recovered.trusted, "still nothing to lose");
    log(&mut storage, &[z(1, 1)]);
    drop(storage);
    assert!(fs.names("/data").is_empty(), "the word holds once");
    assert!(start(&fs, careful).unwrap().1.trusted);
}

#[test]
fn the_word_can_be_given_while_it_runs_and_survives_a_power_loss() {
    let careful = StorageConfig {
        db_autocreate: false,
        ..config()
    };
    let fs = MemFs::default();
    let (mut storage, found, _) = start(&fs, careful.clone()).unwrap();
    assert!(!found.trusted);
    storage.initialize().unwrap();
    drop(storage);
    fs.power_loss(&mut Choices(1), Tearing::Sectors);
    let (mut storage, found, _) = start(&fs, careful.clone()).unwrap();
    assert!(found.trusted);
    storage.initialize().unwrap();
    log(&mut storage, &[z(1, 1)]);
    assert!(fs.names("/data").is_empty(), "there is something to lose");
    storage.initialize().unwrap();
    assert!(fs.names("/data").is_empty(), "and it stays so");
}

#[test]
fn epochs_heal_only_where_the_promise_allows() {
    let check = |accepted: Option<&str>, current: Option<&str>| {
        let fs = MemFs::default();
        log(&mut started(&fs), &[z(3, 1)]);
        for (name, text) in [("acceptedEpoch", accepted), ("currentEpoch", current)] {
            if let Some(text) = text {
                fs.put(&format!("{DIR}/{name}"), text.as_bytes());
            }
        }
        let before = fs.all();
        match start(&fs, config()) {
            Ok((_, r, _)) => Some((r.accepted_epoch.unwrap().0, r.current_epoch.unwrap().0)),
            Err(StorageError::Epochs { .. } | StorageError::Missing { .. }) => {
                assert_eq!(fs.all(), before);
                None
            }
            Err(e) => panic!("{e}"),
        }
    };
    assert_eq!(check(None, None), Some((3, 3)));
    assert_eq!(check(Some("5"), Some("4\n")), Some((5, 4)));
    assert_eq!(check(Some("3"), Some("2")), Some((3, 3)));
    assert_eq!(check(Some("2"), Some("2")), None);
    assert_eq!(check(Some("3"), Some("4")), None);
    assert_eq!(check(None, Some("4")), None);
    assert_eq!(check(None, Some("3")), None, "a promise may be lost");
    assert_eq!(check(Some("5"), None), Some((5, 3)));
    assert_eq!(check(Some("x"), Some("3")), None);
    assert_eq!(check(Some("3"), Some("")), None);
}

#[test]
fn a_snapshot_replaces_the_log_below_it_in_time() {
    let fs = MemFs::default();
    let mut storage = started(&fs);
    let mut history = Vec::new();
    for round in 0..5_u32 {
        let zxids = [z(1, 2 * round + 1), z(1, 2 * round + 2)];
        log(&mut storage, &zxids);
        history.extend(zxids);
        storage.roll().unwrap();
        let zxid = zxids[1];
        let job = storage
            .snapshot_job(zxid, body(&history), (zxid, 9))
            .unwrap();
        assert!(matches!(
            job.run().unwrap(),
            SnapshotOutcome::Written { .. }
        ));
    }
    assert_eq!(
        fs.names(DIR),
        [
            "log.100000007",
            "log.100000009",
            "snapshot.100000008",
            "snapshot.10000000a"
        ]
    );
    drop(storage);
    fs.put("/data/version-2/snapshot.10000000a", b"rotten");
    assert_eq!(start(&fs, config()).unwrap().2, history);
}

#[test]
fn a_snapshot_made_before_a_cut_does_not_come_back() {
    let fs = MemFs::default();
    let mut storage = started(&fs);
    let all = [z(1, 1), z(1, 2), z(1, 3)];
    log(&mut storage, &all);
    let job = storage
        .snapshot_job(z(1, 3), body(&all), (z(1, 3), 9))
        .unwrap();
    storage.truncate_log(z(1, 1)).unwrap();
    assert_eq!(job.run().unwrap(), SnapshotOutcome::Superseded);
    let mut sink = History::default();
    storage.recover(&mut sink).unwrap();
    assert_eq!(sink.0, all[..1]);
    assert_eq!(fs.names(DIR), ["log.100000001", "snapshot.0"]);
}

#[test]
fn a_cut_removes_newer_snapshots_and_logs() {
    let fs = MemFs::default();
    let mut storage = started(&fs);
    let all: Vec<_> = (1..=9).map(|n| z(1, n)).collect();
    for part in all.chunks(3) {
        log(&mut storage, part);
        storage.roll().unwrap();
    }
    let job = storage
        .snapshot_job(z(1, 6), body(&all[..6]), (z(1, 6), 9))
        .unwrap();
    job.run().unwrap();
    let outcome = storage.truncate_log(z(1, 5)).unwrap();
    assert_eq!(outcome, TruncOutcome::Truncated { last_zxid: z(1, 5) });
    let result = storage.append(z(1, 6), &txn(z(1, 6), 1));
    assert!(matches!(result, Err(StorageError::NotRecovered)));
    assert_eq!(
        fs.names(DIR),
        ["log.100000001", "log.100000004", "snapshot.0"]
    );
    let mut sink = History::default();
    storage.recover(&mut sink).unwrap();
    assert_eq!(sink.0, all[..5]);
    log(&mut storage, &[z(2, 1)]);
    drop(storage);
    assert_eq!(start(&fs, config()).unwrap().1.last_zxid, z(2, 1));
}

#[test]
fn a_cut_below_the_oldest_snapshot_asks_for_one() {
    let fs = MemFs::default();
    let mut storage = started(&fs);
    let all: Vec<_> = (1..=9).map(|n| z(1, n)).collect();
    storage
        .install_snapshot(z(1, 9), &body(&all), (z(1, 9), 9))
        .unwrap();
    log(&mut storage, &[z(1, 10)]);
    storage.roll().unwrap();
    let before = fs.all();
    let outcome = storage.truncate_log(z(1, 8)).unwrap();
    assert!(matches!(outcome, TruncOutcome::NeedSnapshot { .. }));
    assert_eq!(fs.all(), before);
    log(&mut storage, &[z(1, 11)]);
}

#[test]
fn a_fuzzy_snapshot_does_not_survive_a_cut_inside_of_it() {
    let fs = MemFs::default();
    let mut storage = started(&fs);
    let all = [z(1, 1), z(1, 2), z(1, 3)];
    log(&mut storage, &all);
    // Named after 2, and its end says that 3 went into it while it was written.
    let job = storage
        .snapshot_job(z(1, 2), body(&all), (z(1, 3), 9))
        .unwrap();
    job.run().unwrap();
    storage.truncate_log(z(1, 2)).unwrap();
    let mut sink = History::default();
    storage.recover(&mut sink).unwrap();
    assert_eq!(sink.0, all[..2]);
}

#[test]
fn an_installed_snapshot_is_all_that_is_left() {
    let fs = MemFs::default();
    let mut storage = started(&fs);
    log(&mut storage, &[z(1, 1), z(2, 1), z(2, 2)]);
    storage.append(z(2, 3), &txn(z(2, 3), 1)).unwrap();
    let branch = [z(1, 1), z(1, 2)];
    storage
        .install_snapshot(z(1, 2), &body(&branch), (z(1, 2), 9))
        .unwrap();
    assert_eq!(fs.names(DIR), ["snapshot.100000002"]);
    log(&mut storage, &[z(1, 3)]);
    drop(storage);
    let history = start(&fs, config()).unwrap().2;
    assert_eq!(history, [z(1, 1), z(1, 2), z(1, 3)]);
}

#[test]
fn a_failed_sync_ends_everything() {
    let fs = MemFs::default();
    let mut storage = started(&fs);
    log(&mut storage, &[z(1, 1)]);
    storage.append(z(1, 2), &txn(z(1, 2), 1)).unwrap();
    fs.stop_after(1);
    let Err(StorageError::Io { op, path, .. }) = storage.flush() else {
        panic!("the disk had stopped");
    };
    assert_eq!(
        (op, path.to_str()),
        ("sync", Some("/data/version-2/log.100000001"))
    );
    fs.revive();
    let poisoned = |r: Result<(), StorageError>| matches!(r, Err(StorageError::Poisoned));
    assert!(poisoned(storage.flush()));
    assert!(poisoned(storage.append(z(1, 3), &txn(z(1, 3), 1))));
    assert!(poisoned(storage.write_current_epoch(Epoch(1))));
    assert!(poisoned(storage.truncate_log(z(1, 1)).map(|_| ())));
    assert!(poisoned(
        storage.recover(&mut History::default()).map(|_| ())
    ));
    assert!(poisoned(
        storage
            .snapshot_job(z(1, 1), Bytes::new(), (z(1, 1), 0))
            .map(|_| ())
    ));
}
