//! The sweep of containers and of nodes whose time to live is over (`ContainerManager`).
//!
//! Once per interval the tree is searched for nodes that have served; they are deleted one by one, at a
//! pace, each looked at again, and under the writes that are on their way, when its turn comes.

use std::collections::VecDeque;

use zk_wire::StatPersisted;

use super::{Leading, RoleOver, Stage};
use crate::config::NodeKinds;
use crate::db::{Database, container_owner, ttl_of};
use crate::io::Outputs;
use crate::peer::local::Local;
use crate::time::{Mono, Now};

const MINUTE_MS: u64 = 60_000;

/// When to search, and what was found.
#[derive(Debug)]
pub(super) struct Sweep {
    search_at: Mono,
    found: VecDeque<String>,
    delete_at: Mono,
}

impl Sweep {
    /// The first search is one interval away.
    pub(super) fn new(kinds: &NodeKinds, now: Mono) -> Self {
        Self {
            search_at: now.plus(interval_ms(kinds)),
            found: VecDeque::new(),
            delete_at: now,
        }
    }

    /// When there is something to do.
    pub(super) fn deadline(&self) -> Mono {
        if self.found.is_empty() {
            self.search_at
        } else {
            self.delete_at
        }
    }

    /// A node whose turn it is.
    fn next(&mut self, db: &Database, kinds: &NodeKinds, now: Now) -> Option<String> {
        if self.found.is_empty() && self.search_at <= now.mono {
            self.search_at = now.mono.plus(interval_ms(kinds));
            self.delete_at = now.mono;
            self.found.extend(
                db.swept()
                    .filter(|path| {
                        db.node(path).is_some_and(|node| {
                            has_served(&node.stat, node.child_count(), kinds, now.wall_ms)
                        })
                    })
                    .map(str::to_owned),
            );
        }
        if self.delete_at > now.mono {
            return None;
        }
        let path = self.found.pop_front()?;
        let pace_ms = MINUTE_MS / kinds.containers_per_minute_max.max(1);
        self.delete_at = now.mono.plus(pace_ms);
        Some(path)
    }
}

fn interval_ms(kinds: &NodeKinds) -> u64 {
    kinds.container_check_interval_ms.max(1)
}

/// Whether nothing needs this node any more.
fn has_served(stat: &StatPersisted, children: i32, kinds: &NodeKinds, wall_ms: i64) -> bool {
    if children > 0 {
        return false;
    }
    let age_ms = wall_ms.saturating_sub(stat.mtime);
    if stat.ephemeral_owner == container_owner() {
        // One that never had a child may be about to get its first.
        return stat.cversion > 0
            || kinds
                .container_never_used_max_ms
                .is_some_and(|max_ms| i64::try_from(max_ms).is_ok_and(|max_ms| age_ms > max_ms));
    }
    kinds.extended_types
        && ttl_of(stat.ephemeral_owner).is_some_and(|ttl_ms| ttl_ms != 0 && age_ms > ttl_ms)
}

impl Leading {
    /// Deletes the containers and nodes with a time to live whose turn it is.
    pub(super) fn sweep(
        &mut self,
        local: &mut Local,
        now: Now,
        out: &mut Outputs,
    ) -> Result<(), RoleOver> {
        loop {
            let Stage::Broadcast(b) = &mut self.stage else {
                return Ok(());
            };
            let kinds = local.cfg.kinds;
            let Some(path) = b.sweep.next(&local.db, &kinds, now) else {
                return Ok(());
            };
            let due = b
                .outstanding
                .node(&local.db, &path)
                .is_some_and(|node| has_served(&node.stat, node.children, &kinds, now.wall_ms));
            if due {
                self.propose_sweep(path, local, now, out)?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::ttl_owner;

    #[test]
    fn what_has_served() {
        let kinds = NodeKinds {
            extended_types: true,
            container_never_used_max_ms: Some(100),
            ..NodeKinds::default()
        };
        let node = |ephemeral_owner, cversion| StatPersisted {
            ephemeral_owner,
            cversion,
            mtime: 1000,
            ..StatPersisted::default()
        };
        let served =
            |stat: StatPersisted, children, wall_ms| has_served(&stat, children, &kinds, wall_ms);
        let used = node(container_owner(), 1);
        assert!(served(used, 0, 1000) && !served(used, 1, 1_000_000));
        let unused = node(container_owner(), 0);
        assert!(!served(unused, 0, 1100) && served(unused, 0, 1101));
        assert!(!has_served(&unused, 0, &NodeKinds::default(), i64::MAX));
        let ttl = node(ttl_owner(50), 0);
        assert!(!served(ttl, 0, 1050) && served(ttl, 0, 1051) && !served(ttl, 2, 1051));
        assert!(!has_served(&ttl, 0, &NodeKinds::default(), i64::MAX));
        assert!(!served(node(0, 5), 0, i64::MAX) && !served(node(77, 5), 0, i64::MAX));
    }
}
