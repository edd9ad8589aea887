//! Ids of new sessions: server id in the high byte, a clock below it, then a counter.

use zk_wire::{SessionId, Sid};

/// Gives out ids; no two of an ensemble are equal as long as a server makes fewer than 65,536
/// sessions per millisecond of its life.
#[derive(Debug)]
pub(crate) struct SessionIds {
    next: i64,
}

impl SessionIds {
    /// Starts from the wall clock: unlike Apache's clock since boot, it does not repeat.
    pub(crate) fn new(sid: Sid, wall_ms: i64) -> Self {
        let clock = (wall_ms & 0xff_ffff_ffff) << 16;
        Self {
            next: (sid.0 << 56) | clock,
        }
    }

    /// The next id.
    pub(crate) fn next(&mut self) -> SessionId {
        self.next = self.next.wrapping_add(1);
        SessionId(self.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_high_byte_is_the_server() {
        let mut ids = SessionIds::new(Sid(3), 1_795_341_070_209);
        let (a, b) = (ids.next(), ids.next());
        assert_eq!(a.0 >> 56, 3);
        assert_ne!(a, b);
    }
}
