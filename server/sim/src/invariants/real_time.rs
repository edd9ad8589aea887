//! Real time: a write comes behind every write that was acknowledged before it was sent, and a sync
//! shows all of them.
//!
//! ZooKeeper (ATC 2010): writes are linearizable; sync makes the reads that follow it as new as the
//! writes before it. A sync answered by a leader that was deposed without knowing proves nothing, in
//! ZooKeeper as here, so that one is exempt.

use zk_wire::Zxid;

use super::{Verdict, ensure};

const NAME: &str = "real time";

/// The newest acknowledged write.
#[derive(Debug, Default)]
pub(crate) struct RealTime {
    acked: Zxid,
}

impl RealTime {
    /// What a request that is sent now must come behind.
    pub(crate) fn floor(&self) -> Zxid {
        self.acked
    }

    /// A write is acknowledged; `floor` is from when it was sent.
    pub(crate) fn written(&mut self, zxid: Zxid, floor: Zxid) -> Verdict {
        self.acked = self.acked.max(zxid);
        ensure(zxid > floor, NAME, || {
            format!("a write is {zxid}, but {floor} was acknowledged before it was sent")
        })
    }

    /// A sync is answered by a server whose leader was the newest.
    pub(crate) fn synced(zxid: Zxid, floor: Zxid) -> Verdict {
        ensure(zxid >= floor, NAME, || {
            format!("a sync shows {zxid}, but {floor} was acknowledged before it was sent")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_before_an_older_one_is_found() {
        let z = Zxid::from_u64;
        let mut time = RealTime::default();
        let early = time.floor();
        time.written(z(7), early).unwrap();
        assert_eq!(time.floor(), z(7));
        assert!(time.written(z(6), early).is_ok());
        assert!(time.written(z(6), z(7)).is_err());
        assert!(RealTime::synced(z(6), z(7)).is_err());
        assert!(RealTime::synced(z(7), z(7)).is_ok());
    }
}
