//! DIGEST-MD5 for whoever needs it beside clients: servers prove their names to each other with it.

pub use crate::request::auth::{Client, DigestMd5, NONCE_LEN, NotProven, Service, Step};
