//! What a session may write, as the leader sees it while it prepares a transaction
//! (`LeaderSessionTracker.checkSession`, `checkGlobalSession`; `QuorumZooKeeperServer.checkUpgradeSession`).

use zk_wire::client::{CreateOp, ErrorCode};
use zk_wire::{SessionId, Sid};

use super::{Owner, SessionTracker};

/// The leader itself, as far as local sessions go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LocalView {
    /// Who leads.
    pub(crate) me: Sid,
    /// Whether sessions may be local at all.
    pub(crate) enabled: bool,
    /// Whether the session is a local one of the leader.
    pub(crate) here: bool,
}

/// The outcome of the checks of one session.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    /// For every write but the creation of an ephemeral.
    pub(crate) write: Result<(), ErrorCode>,
    /// For an ephemeral: it needs a session that all know.
    global: Result<(), ErrorCode>,
    /// Whether the session is a local one of this server that was not upgraded.
    local_here: bool,
}

impl Standing {
    /// A session that all know, and that may act.
    pub(crate) const GOOD: Self = Self {
        write: Ok(()),
        global: Ok(()),
        local_here: false,
    };

    /// Checks `session`, which acts through `owner`.
    pub(crate) fn of(
        session: SessionId,
        owner: Owner,
        tracker: &mut SessionTracker,
        local: LocalView,
    ) -> Self {
        let known = tracker.knows(session);
        let global = tracker.check(session, owner);
        let local_here = local.here && !known && owner == Owner::Here;
        // The local session of another server is unknown here, and none of this server's own.
        let elsewhere = local.enabled
            && !known
            && !tracker.has_ended(session)
            && high_byte(session) != local.me.0 & 0xff;
        let write = if local_here || elsewhere {
            Ok(())
        } else {
            global
        };
        Self {
            write,
            global,
            local_here,
        }
    }

    /// Whether the session may create this.
    pub(crate) fn create(self, op: CreateOp, ephemeral: bool) -> Result<(), ErrorCode> {
        if !ephemeral {
            return self.write;
        }
        // Only these two try to upgrade the session, so only they say why that failed.
        let upgradeable = matches!(op, CreateOp::Create | CreateOp::Create2);
        if self.local_here && upgradeable {
            return Err(ErrorCode::EphemeralOnLocalSession);
        }
        self.global
    }
}

/// The low byte of the id of the server that made the session.
fn high_byte(session: SessionId) -> i64 {
    (session.0 >> 56) & 0xff
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::LinkId;
    use crate::time::Mono;

    const EXPIRED: Result<(), ErrorCode> = Err(ErrorCode::SessionExpired);

    fn standing(high_byte: i64, owner: Owner, enabled: bool, here: bool) -> Standing {
        let mut tracker = SessionTracker::new(std::iter::empty(), 1000, Mono::from_ms(0));
        let me = Sid(3);
        let local = LocalView { me, enabled, here };
        Standing::of(SessionId(high_byte << 56 | 7), owner, &mut tracker, local)
    }

    #[test]
    fn a_local_session_may_write_but_make_no_ephemeral() {
        let learner = Owner::Learner(LinkId(2));
        let mine = standing(3, Owner::Here, true, true);
        assert_eq!(mine.write, Ok(()));
        let refused = Err(ErrorCode::EphemeralOnLocalSession);
        assert_eq!(mine.create(CreateOp::Create2, true), refused);
        assert_eq!(mine.create(CreateOp::Container, true), EXPIRED);
        assert_eq!(mine.create(CreateOp::Create, false), Ok(()));
        let theirs = standing(1, learner, true, false);
        assert_eq!(theirs.write, Ok(()));
        assert_eq!(theirs.create(CreateOp::Create, true), EXPIRED);
    }

    #[test]
    fn an_unknown_session_may_nothing() {
        let learner = Owner::Learner(LinkId(2));
        for unknown in [
            standing(3, learner, true, false),
            standing(1, learner, false, false),
            standing(3, Owner::Here, false, false),
        ] {
            assert_eq!(unknown.write, EXPIRED);
            assert_eq!(unknown.create(CreateOp::Create, true), EXPIRED);
        }
    }
}
