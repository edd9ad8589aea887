//! Conduct: servers that make no mistake never close a connection because of what the other one said.
//!
//! The network breaks connections, and silence ends them; a packet out of turn does not. ZOOKEEPER-4685
//! was of this kind: nothing was lost, but learners were turned away again and again.

use super::{Verdict, ensure};

const NAME: &str = "conduct";

/// What the reasons have in common that blame the other side.
const BLAME: [&str; 8] = [
    " while Expect",
    " while Await",
    " instead of ",
    "never proposed",
    "a gap: ",
    "COMMIT of ",
    "UPTODATE before",
    "undecodable",
];

/// A server closes a connection to another one, or leaves its role, for this reason.
pub(crate) fn blames(sid: u8, why: &str) -> Verdict {
    ensure(!BLAME.iter().any(|blame| why.contains(blame)), NAME, || {
        format!("server {sid} blames another: {why}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_other_side_said_counts() {
        assert!(blames(1, "silent for too long").is_ok());
        assert!(blames(1, "ACK of 0x100000003 instead of NEWLEADER").is_err());
    }
}
