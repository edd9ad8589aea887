//! The real binary over real sockets and directories.

mod ensemble;
mod process;
mod raw_client;
mod refusals;
mod standalone;
