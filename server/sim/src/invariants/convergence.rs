//! Convergence: left alone, all servers come to the same state, which has every acknowledged write,
//! and sessions whose clients are gone are gone too, with their ephemerals.
//!
//! design: "acknowledged writes are never lost"; Zab, "agreement" at rest.

use std::collections::BTreeSet;

use zk_wire::{SessionId, Zxid};

use super::agreement::History;
use super::{Verdict, ensure};
use crate::oracle::Oracle;

const NAME: &str = "convergence";

/// A server at rest.
#[derive(Debug, Clone)]
pub(crate) struct AtRest {
    pub sid: u8,
    pub serving: bool,
    pub applied: Zxid,
    pub digest: u64,
    /// Sessions that all should know.
    pub sessions: u64,
    pub digest_mismatches: u64,
}

/// Compares all servers; `acked` is the newest acknowledged write.
pub(crate) fn check(servers: &[AtRest], acked: Zxid, history: &History) -> Verdict {
    let last = history.last_committed();
    for server in servers {
        let (applied, sid) = (history.real(server.applied), server.sid);
        ensure(server.serving && applied == last, NAME, || {
            format!("{last} is committed, at rest there is {servers:?}")
        })?;
        ensure(history.contains(applied, acked), NAME, || {
            format!("{acked} was acknowledged, and server {sid} does not have it: {server:?}")
        })?;
        ensure(
            history
                .digest(applied)
                .is_none_or(|digest| digest == server.digest),
            NAME,
            || format!("the digest at {applied} is another one: {servers:?}"),
        )?;
        ensure(server.digest_mismatches == 0, NAME, || {
            format!("digests did not match: {server:?}")
        })?;
    }
    let digests: BTreeSet<u64> = servers.iter().map(|server| server.digest).collect();
    ensure(digests.len() <= 1, NAME, || {
        format!("the digests differ: {servers:?}")
    })
}

/// Compares the session table with the clients that are there.
pub(crate) fn check_sessions(alive: &BTreeSet<SessionId>, oracle: &Oracle) -> Verdict {
    for session in oracle.sessions().keys() {
        ensure(alive.contains(session), NAME, || {
            let left: Vec<&String> = oracle.ephemerals(*session).collect();
            format!("session {session} has no client and still lives, with {left:?}")
        })?;
    }
    Ok(())
}

/// Every server knows the sessions that the history has.
pub(crate) fn check_session_tables(servers: &[AtRest], oracle: &Oracle) -> Verdict {
    let sessions = oracle.sessions().len() as u64;
    for server in servers {
        ensure(server.sessions == sessions, NAME, || {
            format!("the history has {sessions} sessions, at rest there is {server:?}")
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use zk_wire::Epoch;
    use zk_wire::txn::TxnBody;

    use super::*;
    use crate::invariants::agreement::tests::history;
    use crate::oracle::tests::txn;

    fn at_rest(sid: u8, counter: u32, digest: u64) -> AtRest {
        AtRest {
            sid,
            serving: true,
            applied: Zxid::new(Epoch(1), counter),
            digest,
            sessions: 0,
            digest_mismatches: 0,
        }
    }

    #[test]
    fn a_server_that_lags_or_differs_is_found() {
        let mut history = history(2);
        let last = Zxid::new(Epoch(1), 2);
        history.commit(last, &mut Oracle::default()).unwrap();
        let run = |servers: &[AtRest]| check(servers, last, &history);
        assert_eq!(run(&[at_rest(1, 2, 5), at_rest(2, 2, 5)]), Ok(()));
        assert!(run(&[at_rest(1, 2, 5), at_rest(2, 1, 5)]).is_err());
        assert!(run(&[at_rest(1, 2, 5), at_rest(2, 2, 6)]).is_err());
        let mut closed = at_rest(1, 2, 5);
        closed.serving = false;
        assert!(run(&[closed]).is_err());
    }

    #[test]
    fn a_session_that_outlives_its_client_is_found() {
        let mut oracle = Oracle::default();
        oracle.apply(&txn(1, TxnBody::CreateSession { timeout_ms: 5 }));
        let alive = BTreeSet::from([SessionId(1)]);
        assert_eq!(check_sessions(&alive, &oracle), Ok(()));
        assert!(check_sessions(&BTreeSet::new(), &oracle).is_err());
    }
}
