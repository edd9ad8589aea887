//! Sessions as the leader tracks them, and the ids of new ones.

mod expiry;
mod ids;
mod tracker;

pub(crate) use ids::SessionIds;
pub(crate) use tracker::{Owner, SessionTracker};
