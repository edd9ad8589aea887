//! Watches: who wants to know of what, and what they are told.
//!
//! They belong to a connection, live on one server only and are never replicated. Left out:
//! persistent and recursive ones, and the filter by ACL (with `world` and `ip` identities alone the
//! watcher could read the node when it set the watch).

mod fire;
mod table;

pub(crate) use fire::{catch_up, fire};
pub(crate) use table::{WatchKind, WatchTable};
