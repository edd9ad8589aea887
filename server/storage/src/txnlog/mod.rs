//! The transaction log: a chain of files, each named after its first record.

pub(crate) mod format;
pub(crate) mod reader;
pub(crate) mod recover;
pub(crate) mod writer;
