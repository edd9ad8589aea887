//! What comes over the quorum and election ports, and membership as text.

use bytes::{Bytes, BytesMut};
use zk_wire::election::{InitialMessage, Notification};
use zk_wire::membership::{Membership, ServerSpec};
use zk_wire::quorum::{From, Packet};

use super::FIELD_LEN_MAX;
use crate::Target;

/// Packets of either side.
pub(crate) const QUORUM: Target = Target {
    name: "quorum",
    run: quorum,
    seeds: quorum_seeds,
};

/// The first message of a connection, and notifications.
pub(crate) const ELECTION: Target = Target {
    name: "election",
    run: election,
    seeds: election_seeds,
};

/// Lines of a membership.
pub(crate) const MEMBERSHIP: Target = Target {
    name: "membership",
    run: membership,
    seeds: membership_seeds,
};

fn quorum(data: &[u8]) {
    let Some((side, data)) = data.split_first() else {
        return;
    };
    let side = || {
        if side % 2 == 0 {
            From::Leader
        } else {
            From::Learner
        }
    };
    let mut stream = BytesMut::from(data);
    while let Ok(Some(packet)) = Packet::take(&mut stream, side(), FIELD_LEN_MAX) {
        let mut again = BytesMut::from(packet.encode().as_ref());
        let again = Packet::take(&mut again, side(), FIELD_LEN_MAX);
        assert!(
            matches!(again, Ok(Some(_))),
            "{packet:?} is read as {again:?}"
        );
    }
}

fn quorum_seeds() -> Vec<Vec<u8>> {
    let simple = |kind: u8, data: &[u8]| {
        let len = u32::try_from(data.len()).unwrap_or(0).to_be_bytes();
        let head = [&[0, 0, 0, kind][..], &[0; 8], &len, data, &[0xff; 4]].concat();
        [[&[0][..], &head].concat(), [&[1][..], &head].concat()]
    };
    (1..=20).flat_map(|kind| simple(kind, &[0; 20])).collect()
}

fn election(data: &[u8]) {
    drop(Notification::decode(Bytes::copy_from_slice(data)));
    let mut stream = BytesMut::from(data);
    drop(InitialMessage::take(&mut stream));
}

fn election_seeds() -> Vec<Vec<u8>> {
    let config = b"server.1=h:1:2:participant;3\nversion=0";
    let fields = [
        &[0u8, 0, 0, 0][..],
        &[0; 32],
        &2u32.to_be_bytes(),
        &38u32.to_be_bytes(),
        config,
    ];
    let first = [
        &(-65_535i64).to_be_bytes()[..],
        &[0; 7],
        &[3, 0, 0, 0, 4],
        b"h:12",
    ]
    .concat();
    vec![fields.concat(), first]
}

fn membership(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    drop(ServerSpec::parse(&text));
    if let Ok(members) = Membership::parse(&text) {
        let again = Membership::parse(&members.to_text());
        assert_eq!(again.map(|m| m.to_text()), Ok(members.to_text()));
    }
}

fn membership_seeds() -> Vec<Vec<u8>> {
    [
        "server.1=h:1:2:participant;3\nserver.2=[::1]:1:2:observer;[::]:3\nversion=100000000",
        "server.1=a:1:2|b:1:2\ngroup.1=1\nweight.1=2\nversion=0",
        "host:1:2:participant;0.0.0.0:3",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into()
}
