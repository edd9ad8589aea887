//! Session order: one client sees its requests answered in order and the tree never go back.
//!
//! ZooKeeper (ATC 2010), "FIFO client order": all requests of a client take effect in the order in
//! which they were sent, also when it moves to another server.

use zk_wire::{Xid, Zxid};

use super::{Verdict, ensure};

const NAME: &str = "session order";

/// What one session has seen.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SessionOrder {
    last_seen: Zxid,
}

impl SessionOrder {
    /// The newest state seen, which the client tells when it reconnects.
    pub(crate) fn last_seen(&self) -> Zxid {
        self.last_seen
    }

    /// A reply came; `expected` is the oldest request without an answer.
    pub(crate) fn replied(
        &mut self,
        client: u8,
        xid: Xid,
        expected: Option<Xid>,
        zxid: Option<Zxid>,
    ) -> Verdict {
        ensure(Some(xid) == expected, NAME, || {
            format!("client {client} gets an answer to {xid}, but waits for {expected:?}")
        })?;
        let Some(zxid) = zxid else { return Ok(()) };
        let seen = self.last_seen;
        ensure(zxid >= seen, NAME, || {
            format!("client {client} sees {zxid} in answer to {xid}, after {seen}")
        })?;
        self.last_seen = zxid;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overtaking_and_going_back_are_found() {
        let z = Zxid::from_u64;
        let mut order = SessionOrder::default();
        order.replied(1, Xid(1), Some(Xid(1)), Some(z(5))).unwrap();
        order.replied(1, Xid(2), Some(Xid(2)), Some(z(5))).unwrap();
        assert!(order.replied(1, Xid(4), Some(Xid(3)), Some(z(6))).is_err());
        assert!(order.replied(1, Xid(3), Some(Xid(3)), Some(z(4))).is_err());
        assert!(order.replied(1, Xid(3), None, None).is_err());
    }
}
