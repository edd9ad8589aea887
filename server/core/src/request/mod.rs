//! The request pipeline.
//!
//! ```text
//! client frame -> order (one queue per connection) --read--> read (the tree as it is) --> reply
//!                    |
//!                  write
//!                    v
//!   leader: prep (tree + outstanding changes -> txn) -> broadcast -> commit -> apply
//!   learner: REQUEST to the leader ........................ COMMIT or INFORM -> apply
//!                                                                               |
//!                 order: events first, then the reply, then reads that waited <-+
//! ```
//!
//! An auth packet and a SASL token are taken as they come, so that the requests behind them see the
//! new identity; their answers wait for their turn in the queue like all others.

pub(crate) mod acl;
pub(crate) mod auth;
pub(crate) mod order;
pub(crate) mod outstanding;
pub(crate) mod prep;
mod quota;
pub(crate) mod read;
