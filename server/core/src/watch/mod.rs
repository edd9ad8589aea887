//! Watches: who wants to know of what, and what they are told.
//!
//! They belong to a connection, live on one server only and are never replicated. Whether the
//! watcher may know is asked when there is something to tell, and not when the watch is set.

mod catch_up;
mod fire;
mod modes;
mod table;

pub(crate) use catch_up::catch_up;
pub(crate) use fire::fire;
pub(crate) use modes::{Mode, Registry, WatcherType};
pub(crate) use table::WatchTable;
