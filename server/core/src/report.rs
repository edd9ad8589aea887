//! Lists that an operator asks for now and then: sessions, ephemerals, watches, digests.
//!
//! Unlike [`crate::Status`] they grow with the state, so they are made on request only.
//! What `dump`, `wchc`, `wchp` and `hash` of Apache ZooKeeper 3.9 print.

use std::collections::BTreeMap;

use zk_wire::data::perms;
use zk_wire::{Acl, Id, SessionId, Zxid};

use crate::config::AuthSettings;
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
        grants_all(acl.as_deref(), identities, &self.config().auth)
    }

    /// Whether one of these identities is super, or the ACL of the root grants it everything by its name:
    /// what anyone may do says nothing about who somebody is.
    #[must_use]
    pub fn is_named_for_all_at_root(&self, identities: &[Id]) -> bool {
        let database = self.database();
        let acl = database.node("/").and_then(|node| database.acl_of(node));
        named_for_all(acl.as_deref(), identities, &self.config().auth)
    }

    /// Zxid and digest of the tree, oldest first.
    #[must_use]
    pub fn digest_report(&self) -> Vec<(Zxid, u64)> {
        self.recent_digests().collect()
    }
}

/// A list of bits is granted by any of them, so each is asked for alone.
const BITS: [i32; 5] = [
    perms::READ,
    perms::WRITE,
    perms::CREATE,
    perms::DELETE,
    perms::ADMIN,
];

fn grants_all(acl: Option<&[Acl]>, identities: &[Id], settings: &AuthSettings) -> bool {
    BITS.into_iter()
        .all(|bit| permits(acl, bit, identities, settings))
}

fn named_for_all(acl: Option<&[Acl]>, identities: &[Id], settings: &AuthSettings) -> bool {
    if identities
        .iter()
        .any(|id| id.scheme.as_deref() == Some("super"))
    {
        return true;
    }
    let by_name = |entry: &&Acl| entry.id.scheme.as_deref() != Some("world");
    let named: Vec<Acl> = acl
        .unwrap_or_default()
        .iter()
        .filter(by_name)
        .cloned()
        .collect();
    // An empty list, or one that is not looked at, forbids nobody anything.
    !named.is_empty() && !settings.skip_acl && grants_all(Some(&named), identities, settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(perms: i32, scheme: &str, id: &str) -> Acl {
        Acl {
            perms,
            id: Id::new(scheme, id),
        }
    }

    #[test]
    fn what_anyone_may_do_names_nobody() {
        let settings = AuthSettings::default();
        let me = [Id::new("digest", "me:x")];
        let named = |acl: &[Acl]| named_for_all(Some(acl), &me, &settings);
        let open = Acl::world(perms::ALL);
        assert!(grants_all(
            Some(std::slice::from_ref(&open)),
            &me,
            &settings
        ));
        assert!(!named(std::slice::from_ref(&open)));
        assert!(!named(&[]) && !named_for_all(None, &me, &settings));
        assert!(named(&[open, entry(perms::ALL, "digest", "me:x")]));
        assert!(!named(&[entry(perms::ALL, "digest", "other:x")]));
        let all_but_admin = perms::ALL & !perms::ADMIN;
        assert!(!named(&[entry(all_but_admin, "digest", "me:x")]));
        let in_two = [
            entry(all_but_admin, "digest", "me:x"),
            entry(perms::ADMIN, "digest", "me:x"),
        ];
        assert!(named(&in_two));
    }

    #[test]
    fn super_is_named_everywhere_and_switched_off_lists_name_nobody_else() {
        let settings = AuthSettings {
            skip_acl: true,
            ..AuthSettings::default()
        };
        let acl = [entry(perms::ALL, "digest", "me:x")];
        let me = [Id::new("digest", "me:x")];
        assert!(!named_for_all(Some(&acl), &me, &settings));
        let root = [Id::new("super", "")];
        assert!(named_for_all(Some(&acl), &root, &settings));
        assert!(named_for_all(None, &root, &settings));
    }
}
