//! Counters of names that come to their end: 2^31 creations are too many for a test, so the servers
//! find a snapshot in which a node has nearly that many behind it.

use super::{Scenario, Setup, scenario, setup};
use crate::twin::ops::{OPEN, create_container, create2, delete, exists, make, multi};
use crate::twin::script::{open, send};

/// Servers that find such a snapshot.
pub(super) fn setups() -> Vec<Setup> {
    let mut setup = setup("counters at their end", 1, &[], &[]);
    setup.snapshot = Some(snapshot());
    vec![setup.with([overflow()])]
}

fn overflow() -> Scenario {
    let mut lines = lines![open(0), send(0, [exists("/o", false)])];
    for flags in [2, 2, 2, 2, 0, 3, 2] {
        lines.push(send(0, [make("/o/s", b"", flags)]).into());
        lines.push(send(0, [exists("/o", false)]).into());
    }
    let other = |name: &str| create2(name, b"", OPEN, 2);
    lines.extend(lines![
        send(0, [other("/o/t")]),
        send(0, [other("/o/t")]),
        send(
            0,
            [multi(vec![other("/o/u"), other("/o/u"), other("/o/u")])]
        ),
        send(
            0,
            [multi(vec![other("/o/u"), other("/o/v"), other("/o/u")])]
        ),
        send(0, [create_container("/o/w", b"", OPEN, 2)]),
        send(0, [exists("/o", false)]),
        send(0, [delete("/o/s2147483647", -1)]),
        send(0, [other("/o/s")]),
        send(0, [exists("/o", false), make("/o/plain", b"", 0)]),
        send(0, [exists("/o", false)]),
    ]);
    scenario("a counter at its end", lines)
}

/// A snapshot with the nodes that are always there and one that claims to have had 2147483645
/// children (layout: Apache's `FileSnap` and `DataTree`).
fn snapshot() -> Vec<u8> {
    let mut out = b"ZKSN\0\0\0\x02\xff\xff\xff\xff\xff\xff\xff\xff".to_vec();
    // No sessions, no ACLs.
    out.extend_from_slice(&[0; 8]);
    let nodes = [
        ("", 2),
        ("/o", i32::MAX - 2),
        ("/zookeeper", 0),
        ("/zookeeper/config", 0),
        ("/zookeeper/quota", 0),
    ];
    for (path, creations) in nodes {
        put(&mut out, path.as_bytes());
        put(&mut out, b"");
        // Everybody may do everything.
        out.extend_from_slice(&(-1i64).to_be_bytes());
        // czxid, mzxid, ctime, mtime, version.
        out.extend_from_slice(&[0; 36]);
        out.extend_from_slice(&i32::to_be_bytes(creations));
        // aversion, ephemeralOwner, pzxid.
        out.extend_from_slice(&[0; 20]);
    }
    put(&mut out, b"/");
    let sum = adler32(&out);
    out.extend_from_slice(&u64::from(sum).to_be_bytes());
    put(&mut out, b"/");
    out
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}

fn adler32(bytes: &[u8]) -> u32 {
    let (low, high) = bytes.iter().fold((1u32, 0u32), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % 65_521;
        (low, (high + low) % 65_521)
    });
    high << 16 | low
}
