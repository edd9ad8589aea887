//! Random bytes of the system, for challenges that nobody may foresee.

use rustix::rand::{GetRandomFlags, getrandom};
use zk_core::NONCE_LEN;

/// Bytes that were never used before.
///
/// # Panics
/// When the system has no random source, which no system that runs this program lacks.
#[must_use]
pub fn fresh() -> [u8; NONCE_LEN] {
    let mut bytes = [0; NONCE_LEN];
    let len = getrandom(&mut bytes, GetRandomFlags::empty()).expect("a random source");
    // A request this short is answered whole.
    assert_eq!(len, NONCE_LEN, "random bytes");
    bytes
}
