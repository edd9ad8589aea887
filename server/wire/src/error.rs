//! Why bytes could not be read as the record that they should be.

use thiserror::Error;

/// A byte sequence that is not the record it claims to be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The input ended inside a field.
    #[error("input ends inside a field")]
    UnexpectedEnd,
    /// A length or count that is negative (other than -1 for null) or above the limit.
    #[error("unreasonable length {0}")]
    UnreasonableLength(i64),
    /// A field that must not be null is null.
    #[error("{0} is null")]
    Null(&'static str),
    /// A type number that no record has.
    #[error("unknown {what} type {number}")]
    UnknownType {
        /// Which table the number was looked up in.
        what: &'static str,
        /// The number on the wire.
        number: i64,
    },
    /// A value outside of its domain; the text says which and why.
    #[error("{0}")]
    Invalid(String),
}
