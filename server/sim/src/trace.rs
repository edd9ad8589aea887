//! The trace of a run: a hash over everything that happened, and a text when somebody wants it.

use crate::queue::Us;

/// FNV-1a, 64 bit: not for security, the same everywhere, and quick on short inputs.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: u64,
    print: bool,
}

impl Trace {
    pub(crate) fn new(print: bool) -> Self {
        Self {
            hash: 0xcbf2_9ce4_8422_2325,
            print,
        }
    }

    /// Notes that something happened.
    pub(crate) fn note(
        &mut self,
        now: Us,
        what: &'static str,
        who: u64,
        payload: &[u8],
        text: impl FnOnce() -> String,
    ) {
        self.feed(&now.to_le_bytes());
        self.feed(what.as_bytes());
        self.feed(&who.to_le_bytes());
        self.feed(payload);
        if self.print {
            println!("{:>12.3} ms  {what:<9} {who:>3}  {}", millis(now), text());
        }
    }

    fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a run of 2^53 us is 285 years; only shown"
)]
fn millis(us: Us) -> f64 {
    us as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_depends_on_every_part() {
        let hash = |now, who, payload: &[u8]| {
            let mut trace = Trace::new(false);
            trace.note(now, "x", who, payload, String::new);
            trace.hash()
        };
        assert_eq!(hash(1, 2, b"a"), hash(1, 2, b"a"));
        assert_ne!(hash(1, 2, b"a"), hash(2, 2, b"a"));
        assert_ne!(hash(1, 2, b"a"), hash(1, 3, b"a"));
        assert_ne!(hash(1, 2, b"a"), hash(1, 2, b"b"));
    }
}
