//! What the leader was asked about sessions that came back, until it answered.
//!
//! Answers name the session only, and come in the order of the questions. A client may be back for
//! the second time before the first answer is here, and the answers may differ: each is for the
//! connection that it was asked for.

use std::collections::VecDeque;

use zk_wire::SessionId;

use crate::io::{ConnId, LinkId};
use crate::request::order::Returning;

/// Who asked.
#[derive(Debug, Clone, Copy)]
pub(super) enum Asked {
    /// This server, for a client of its own.
    Client(Returning),
    /// An observer of this server.
    Ward(SessionId, LinkId),
}

impl Asked {
    fn session(self) -> SessionId {
        match self {
            Self::Client(who) => who.session,
            Self::Ward(session, _) => session,
        }
    }
}

/// The questions.
#[derive(Debug, Default)]
pub(super) struct Revalidations {
    /// Without an answer, oldest first.
    open: VecDeque<Asked>,
    /// Clients whose session lives, and whose sync is under way.
    lives: VecDeque<Returning>,
}

impl Revalidations {
    /// The leader is asked.
    pub(super) fn asked(&mut self, asked: Asked) {
        self.open.push_back(asked);
    }

    /// The session of this client needs no answer of the leader.
    pub(super) fn lives(&mut self, who: Returning) {
        self.lives.push_back(who);
    }

    /// The leader answers about `session`; gives who had asked.
    pub(super) fn answered(&mut self, session: SessionId, valid: bool) -> Option<Asked> {
        let at = self.open.iter().position(|a| a.session() == session)?;
        let asked = self.open.remove(at)?;
        if let Asked::Client(who) = asked
            && valid
        {
            self.lives.push_back(who);
        }
        Some(asked)
    }

    /// The sync behind the question for this connection is through; gives the client if its session
    /// lives.
    pub(super) fn synced(&mut self, conn: ConnId) -> Option<Returning> {
        let at = self.lives.iter().position(|who| who.conn == conn)?;
        self.lives.remove(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_is_for_the_connection_that_it_was_asked_for() {
        let session = SessionId(7);
        let client = |conn| {
            Asked::Client(Returning {
                conn: ConnId(conn),
                session,
                timeout_ms: 1000,
            })
        };
        let mut asked = Revalidations::default();
        asked.asked(client(1));
        asked.asked(Asked::Ward(SessionId(8), LinkId(2)));
        asked.asked(client(2));
        assert!(asked.answered(SessionId(9), true).is_none());
        assert!(matches!(asked.answered(session, false), Some(Asked::Client(w)) if w.conn.0 == 1));
        assert!(asked.synced(ConnId(1)).is_none(), "it was refused");
        assert!(asked.synced(ConnId(2)).is_none(), "there is no answer yet");
        assert!(matches!(asked.answered(session, true), Some(Asked::Client(w)) if w.conn.0 == 2));
        let ward = asked.answered(SessionId(8), true);
        assert!(matches!(ward, Some(Asked::Ward(_, LinkId(2)))));
        assert!(
            asked
                .synced(ConnId(2))
                .is_some_and(|w| w.session == session)
        );
        assert!(asked.synced(ConnId(2)).is_none());
    }
}
