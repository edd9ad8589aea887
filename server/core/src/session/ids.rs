//! Ids of new sessions: server id in the high byte, a clock below it, then a counter
//! (`SessionTrackerImpl.initializeNextSessionId`).

use zk_wire::{SessionId, Sid};

use crate::db::container_owner;

/// Gives out ids; no two of an ensemble are equal as long as a server makes fewer than 65,536
/// sessions per millisecond of its life.
#[derive(Debug)]
pub(crate) struct SessionIds {
    next: i64,
}

impl SessionIds {
    /// Starts from the wall clock: unlike Apache's clock since boot, it does not repeat.
    ///
    /// Of the server id only the low byte counts. The shell refuses one of 255 and above where nodes
    /// may have a time to live: those are marked by a high byte of 0xff in the place of the owner.
    pub(crate) fn new(sid: Sid, wall_ms: i64) -> Self {
        let clock = (wall_ms & 0xff_ffff_ffff) << 16;
        Self {
            next: (sid.0 << 56) | clock,
        }
    }

    /// The next id: never 0, which asks for a new session, and never the mark of a container.
    pub(crate) fn next(&mut self) -> SessionId {
        if self.next == 0 || self.next == container_owner() {
            self.next += 1;
        }
        let id = SessionId(self.next);
        self.next = self.next.wrapping_add(1);
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_high_byte_is_the_server() {
        let mut ids = SessionIds::new(Sid(3), 1_795_341_070_209);
        let (a, b) = (ids.next(), ids.next());
        assert_eq!((a.0 >> 56, a.0 & 0xffff, b.0), (3, 0, a.0 + 1));
        assert_eq!(SessionIds::new(Sid(200), 5).next().0 >> 56, 200 - 256);
    }

    #[test]
    fn no_session_is_taken_for_something_else() {
        assert_eq!(SessionIds::new(Sid(0x100), 0).next().0, 1);
        assert_eq!(SessionIds::new(Sid(0x80), 0).next().0, i64::MIN + 1);
    }
}
