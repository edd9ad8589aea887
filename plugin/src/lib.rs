//! `kubectl quorate`: looks at ensembles, passes on the lead, restarts servers, opens a shell.
//!
//! ```text
//! arguments --> cluster (objects) ---+
//!               admin (servers) -----+--> view --> tree, advice --> text
//! ```
//! Only `cluster`, `admin`, `forward` and the commands themselves talk to the outside; what is shown
//! follows from a view, and is made by functions without any other input.

pub mod admin;
pub mod advice;
pub mod arguments;
pub mod cluster;
pub mod events;
pub mod failure;
pub mod forward;
pub mod names;
pub mod pods;
pub mod report;
pub mod restart;
pub mod status;
pub mod text;
pub mod transfer;
pub mod tree;
pub mod view;
pub mod zk;
