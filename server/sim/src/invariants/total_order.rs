//! Total order: a server applies the one history, each transaction once, none left out.
//!
//! Zab, "total order" and "local primary order" (DSN 2011, section 3).

use std::collections::BTreeMap;

use zk_wire::Zxid;

use super::agreement::History;
use super::{Verdict, ensure};

const NAME: &str = "total order";

/// What each server has applied.
#[derive(Debug, Default)]
pub(crate) struct TotalOrder {
    applied: BTreeMap<u8, Zxid>,
}

impl TotalOrder {
    /// A server's tree was replaced: restart, truncation, snapshot.
    pub(crate) fn starts_at(&mut self, sid: u8, zxid: Zxid) {
        self.applied.insert(sid, zxid);
    }

    /// A server applied a transaction.
    pub(crate) fn applied(&mut self, sid: u8, zxid: Zxid, history: &History) -> Verdict {
        let last = self.applied.insert(sid, zxid).unwrap_or(Zxid::ZERO);
        let last = history.real(last);
        let expected = history.before(zxid);
        ensure(expected == Some(last), NAME, || {
            format!("server {sid} applies {zxid} after {last}, but before it comes {expected:?}")
        })
    }
}

#[cfg(test)]
mod tests {
    use zk_wire::Epoch;

    use super::*;
    use crate::invariants::agreement::tests::history;

    #[test]
    fn a_skipped_or_repeated_transaction_is_found() {
        let history = history(4);
        let z = |counter| Zxid::new(Epoch(1), counter);
        let mut order = TotalOrder::default();
        order.applied(1, z(1), &history).unwrap();
        order.applied(1, z(2), &history).unwrap();
        assert!(order.applied(1, z(2), &history).is_err());
        assert!(order.applied(1, z(4), &history).is_err());
        order.starts_at(2, z(3));
        assert!(order.applied(2, z(4), &history).is_ok());
    }
}
