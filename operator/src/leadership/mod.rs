//! One operator at a time: several may run, the one that holds a Lease works, the others wait.
//!
//! `candidate` decides, without clock or cluster; `lease` carries it out. Whoever may have lost the
//! Lease stops before anybody else can have it, and every destructive step reads the Lease again
//! right before (`Leadership::confirm`). `witness` is for those who only want to know.

mod candidate;
mod lease;
mod witness;

pub use candidate::{Candidate, Record, Turn};
pub use lease::Leadership;
pub use witness::{NotSeen, see_operator};
