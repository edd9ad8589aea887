//! Stories of whole ensembles on a perfect network: who says what to whom, in order.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod asks;
mod cluster;
mod forming;
mod held;
mod identities;
mod lags;
mod masters;
mod reconfig;
mod sessions;
mod stories;
mod sweeps;
