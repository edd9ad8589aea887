//! The real binary over real sockets and directories.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that finds something else than expected is over"
)]

mod audit;
mod cli;
mod docs;
mod ensemble;
mod inspect;
mod limits;
mod metrics;
mod page;
mod pki;
mod process;
mod raw_client;
mod refusals;
mod reload;
mod standalone;
mod tls;
mod traces;
