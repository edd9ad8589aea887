//! Stories over the whole crate.
