//! Snapshot files: one whole tree each, named after the last zxid in it.

pub(crate) mod compressed;
pub(crate) mod format;
pub(crate) mod pristine;
pub(crate) mod reader;
pub(crate) mod writer;
