//! Hard quotas at work: whether a create or setData would exceed one (`ZooKeeperServer.checkQuota`).
//!
//! Compared is with the usage as it is committed, so that writes on their way at the same time can
//! overshoot together. Soft limits, which only warn, are not looked at.

use bytes::Bytes;
use zk_wire::client::ErrorCode;

use crate::db::{Database, Figures};

/// Whether a node with `data` may be created at `path`.
pub(super) fn check_create(
    db: &Database,
    path: &str,
    data: Option<&Bytes>,
) -> Result<(), ErrorCode> {
    check(db, path, 1, len(data))
}

/// Whether the data of `path` may change from `before` to `after`.
pub(super) fn check_set(
    db: &Database,
    path: &str,
    before: Option<&Bytes>,
    after: Option<&Bytes>,
) -> Result<(), ErrorCode> {
    check(db, path, 0, len(after) - len(before))
}

fn len(data: Option<&Bytes>) -> i64 {
    data.map_or(0, |d| i64::try_from(d.len()).unwrap_or(i64::MAX))
}

fn check(db: &Database, path: &str, count: i64, bytes: i64) -> Result<(), ErrorCode> {
    let Some((limits, usage)) = db.quota(path) else {
        return Ok(());
    };
    // Text that is no list of numbers is an unexpected value, for every write below.
    let parse = |data: Option<&Bytes>| {
        Figures::parse(data.map(AsRef::as_ref)).ok_or(ErrorCode::MarshallingError)
    };
    let limits = parse(limits)?;
    let counts = count != 0 && limits.count().max(limits.count_hard()) > -1;
    let measures = bytes != 0 && limits.bytes().max(limits.bytes_hard()) > -1;
    let Some(usage) = usage.filter(|_| counts || measures) else {
        return Ok(());
    };
    let usage = parse(usage.data.as_ref())?;
    let exceeds = |used: i64, more: i64, hard: i64| hard > -1 && used.wrapping_add(more) > hard;
    if (counts && exceeds(usage.count(), count, limits.count_hard()))
        || (measures && exceeds(usage.bytes(), bytes, limits.bytes_hard()))
    {
        return Err(ErrorCode::QuotaExceeded);
    }
    Ok(())
}
