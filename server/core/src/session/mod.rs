//! Sessions: those that all know as the leader tracks them, those that only this server knows, and
//! the ids of new ones.

mod expiry;
mod ids;
mod local;
mod standing;
mod tracker;

pub(crate) use ids::SessionIds;
pub(crate) use local::LocalSessions;
pub(crate) use standing::{LocalView, Standing};
pub(crate) use tracker::{Owner, SessionTracker};
