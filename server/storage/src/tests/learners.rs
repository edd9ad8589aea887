//! What a server without a whole history does, and what one with it gives to learners.

use zk_wire::Zxid;

use super::mem_fs::MemFs;
use super::{body, config, log, start, z};
use crate::{Storage, StorageConfig, StorageError};

const LOG: &str = "/data/version-2/log.100000001";

fn started(fs: &MemFs) -> Storage<MemFs> {
    start(fs, config()).unwrap().0
}

fn three() -> Vec<Zxid> {
    (1..=3).map(|n| z(1, n)).collect()
}

#[test]
fn damage_stays_until_a_leaders_state_replaces_it() {
    let fs = MemFs::default();
    log(&mut started(&fs), &three());
    let mut raw = fs.get(LOG);
    raw[40] ^= 1;
    fs.put(LOG, &raw);
    let before = fs.get(LOG);

    let mut storage = Storage::open(fs.clone(), config()).unwrap();
    let damage = storage.recover(&mut super::History::default()).unwrap_err();
    assert!(damage.is_damage(), "{damage}");
    let found = storage.go_on_without().unwrap();
    assert!(!found.trusted && found.last_zxid == Zxid::ZERO);
    assert_eq!(fs.get(LOG), before, "nothing is touched yet");
    let refused = storage.append(z(1, 4), &super::txn(z(1, 4), 6));
    assert!(matches!(refused, Err(StorageError::NotRecovered)));

    let history = [three(), vec![z(2, 1)]].concat();
    storage
        .install_snapshot(z(2, 1), &body(&history), (z(2, 1), 7))
        .unwrap();
    log(&mut storage, &[z(2, 2)]);
    drop(storage);
    let aside = format!("/data/version-2/quorate-set-aside.{:x}", z(2, 1).as_u64());
    assert_eq!(fs.get(&format!("{aside}/log.100000001")), before);
    let (_, found, recovered) = start(&fs, config()).unwrap();
    assert!(found.trusted);
    assert_eq!(recovered, [history, vec![z(2, 2)]].concat());
}

fn asked(storage: &mut Storage<MemFs>, zxid: Zxid) -> Option<Vec<Zxid>> {
    let found = storage.log_after(zxid).unwrap();
    found.map(|all| all.iter().map(|(txn, _)| txn.header.zxid).collect())
}

#[test]
fn a_learner_gets_what_is_behind_its_last_transaction() {
    let fs = MemFs::default();
    let config = |factor| StorageConfig {
        diff_factor: factor,
        ..config()
    };
    let (mut storage, ..) = start(&fs, config(Some(1.0))).unwrap();
    log(&mut storage, &three());
    log(&mut storage, &[z(2, 1)]);
    assert_eq!(asked(&mut storage, z(1, 2)), Some(vec![z(1, 3), z(2, 1)]));
    assert_eq!(asked(&mut storage, z(2, 0)), Some(vec![z(2, 1)]));
    assert_eq!(asked(&mut storage, z(1, 9)), None, "nobody knows it");
    drop(storage);
    let (mut off, ..) = start(&fs, config(None)).unwrap();
    assert_eq!(asked(&mut off, z(1, 2)), None);
    drop(off);
    let (mut little, ..) = start(&fs, config(Some(0.0))).unwrap();
    assert_eq!(asked(&mut little, z(1, 2)), None, "a snapshot is less");
}

#[test]
fn behind_the_start_of_an_epoch_nothing_is_given_when_old_files_went() {
    let fs = MemFs::default();
    let config = StorageConfig {
        diff_factor: Some(9.0),
        ..config()
    };
    let (mut storage, ..) = start(&fs, config).unwrap();
    log(&mut storage, &three());
    storage.roll().unwrap();
    log(&mut storage, &[z(3, 1), z(3, 2)]);
    storage.roll().unwrap();
    log(&mut storage, &[z(3, 3)]);
    let all = [z(3, 1), z(3, 2), z(3, 3)];
    assert_eq!(asked(&mut storage, z(2, 0)), Some(all.to_vec()));
    for old in [LOG, "/data/version-2/log.300000001"] {
        fs.delete(old);
    }
    assert_eq!(
        asked(&mut storage, z(2, 0)),
        None,
        "3:1 and 3:2 are missing"
    );
    assert_eq!(asked(&mut storage, z(3, 0)), None);
    assert_eq!(asked(&mut storage, z(3, 3)), Some(vec![]));
}

#[test]
fn nothing_from_before_an_installed_snapshot_is_given() {
    let fs = MemFs::default();
    let mut storage = started(&fs);
    log(&mut storage, &three());
    let history = [three(), vec![z(2, 5)]].concat();
    storage
        .install_snapshot(z(2, 5), &body(&history), (z(2, 5), 7))
        .unwrap();
    log(&mut storage, &[z(2, 6)]);
    assert_eq!(asked(&mut storage, z(1, 3)), None);
}
