//! Lists that an operator asks for now and then: sessions, ephemerals, watches, digests.
//!
//! Unlike [`crate::Status`] they grow with the state, so they are made on request only.
//! What `dump`, `wchc`, `wchp` and `hash` of Apache ZooKeeper 3.9 print.

use std::collections::BTreeMap;

use zk_wire::data::perms;
use zk_wire::{Id, SessionId, Zxid};

use crate::peer::Peer;
use crate::request::acl::permits;
use crate::time::Mono;

/// Digests that are remembered (`DataTree.DIGEST_LOG_LIMIT`).
pub(crate) const DIGESTS_MAX: usize = 1024;

/// A digest is remembered at each zxid that is a multiple of this (`DataTree.DIGEST_LOG_INTERVAL`).
pub(crate) const DIGEST_INTERVAL: u64 = 128;

/// Sessions of the ensemble as this member knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionReport {
    /// As leader or alone: by the moment at which their time is over.
    ByDeadline(Vec<(Mono, Vec<SessionId>)>),
    /// As learner: with their time-outs, ms.
    ByTimeout(Vec<(SessionId, i32)>),
}

impl Peer {
    /// Sessions and when they end.
    #[must_use]
    pub fn session_report(&self) -> SessionReport {
        match self.session_deadlines() {
            Some(buckets) => SessionReport::ByDeadline(buckets),
            None => SessionReport::ByTimeout(self.database().sessions().collect()),
        }
    }

    /// Sessions that only this server knows, by the moment at which their time is over.
    #[must_use]
    pub fn local_session_report(&self) -> Vec<(Mono, Vec<SessionId>)> {
        self.local_session_deadlines().collect()
    }

    /// Paths of the ephemerals by their sessions.
    #[must_use]
    pub fn ephemeral_report(&self) -> BTreeMap<SessionId, Vec<String>> {
        let mut out: BTreeMap<SessionId, Vec<String>> = BTreeMap::new();
        for (session, path) in self.database().ephemerals() {
            out.entry(session).or_default().push(path.to_owned());
        }
        out
    }

    /// Paths of the watches on data by their sessions; those on children are not listed, as in
    /// Apache.
    #[must_use]
    pub fn watch_report(&self) -> BTreeMap<SessionId, Vec<String>> {
        let mut out: BTreeMap<SessionId, Vec<String>> = BTreeMap::new();
        for (session, path) in self.data_watches() {
            out.entry(session).or_default().push(path.to_owned());
        }
        out
    }

    /// Whether a client with these identities may do everything at the root.
    #[must_use]
    pub fn may_do_all_at_root(&self, identities: &[Id]) -> bool {
        let database = self.database();
        let acl = database.node("/").and_then(|node| database.acl_of(node));
        let (acl, settings) = (acl.as_deref(), &self.config().auth);
        // A list of bits is granted by any of them, so each is asked for alone.
        let bits = [
            perms::READ,
            perms::WRITE,
            perms::CREATE,
            perms::DELETE,
            perms::ADMIN,
        ];
        bits.into_iter()
            .all(|bit| permits(acl, bit, identities, settings))
    }

    /// Zxid and digest of the tree, oldest first.
    #[must_use]
    pub fn digest_report(&self) -> Vec<(Zxid, u64)> {
        self.recent_digests().collect()
    }
}
