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

pub(crate) mod acl;
pub(crate) mod order;
pub(crate) mod outstanding;
pub(crate) mod prep;
mod quota;
pub(crate) mod read;
