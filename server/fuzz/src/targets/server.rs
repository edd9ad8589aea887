//! A whole server of the core with one client that sends anything: what the decoders let through must
//! not break what is behind them.

use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use zk_core::{
    AuthSettings, Bugs, ClientFrame, ConnId, Input, Mono, NONCE_LEN, NodeKinds, Now, Output,
    Outputs, Peer, PeerConfig, RecoveryBuilder, Secret, SessionKinds,
};
use zk_wire::client::ConnectRequest;
use zk_wire::{Epoch, Sid, Xid};

use super::client::{greeting, requests};
use super::{FIELD_LEN_MAX, joined, pieces};
use crate::Target;

/// Frames of one connection, the first one the greeting.
pub(crate) const SERVER: Target = Target {
    name: "server",
    run: server,
    seeds,
};

const CONN: ConnId = ConnId(1);

struct Alone {
    peer: Peer,
    now_ms: u64,
}

impl Alone {
    fn new() -> Self {
        let now = Now {
            mono: Mono::from_ms(0),
            wall_ms: 1,
        };
        let schemes = ["ip", "digest", "sasl", "x509"].map(str::to_owned);
        let bob = ("bob".to_owned(), Secret("secret".to_owned()));
        let auth = AuthSettings {
            schemes: BTreeSet::from(schemes),
            sasl_users: Some(BTreeMap::from([bob])),
            ..AuthSettings::default()
        };
        let config = PeerConfig {
            auth,
            kinds: NodeKinds {
                extended_types: true,
                enforce_quota: true,
                ..NodeKinds::default()
            },
            ..plain_config()
        };
        let recovery = RecoveryBuilder::new().finish(Epoch::default(), Epoch::default());
        let mut alone = Self {
            peer: Peer::new(config, recovery, now),
            now_ms: 0,
        };
        let mut out = Outputs::new();
        alone.peer.start(now, &mut out);
        alone.settle(out);
        alone
    }

    /// Gives an input and carries out what the disk is asked for; false when the client was cut off.
    fn give(&mut self, input: Input) -> bool {
        self.now_ms += 1;
        let mut out = Outputs::new();
        self.peer.handle(self.now(), input, &mut out);
        self.settle(out)
    }

    fn now(&self) -> Now {
        Now {
            mono: Mono::from_ms(self.now_ms),
            wall_ms: 1 + i64::try_from(self.now_ms).unwrap_or(i64::MAX),
        }
    }

    fn settle(&mut self, mut out: Outputs) -> bool {
        let mut open = true;
        while !out.is_empty() {
            let mut last = None;
            for output in std::mem::take(&mut out) {
                if let Output::Disk { seq, .. } = output {
                    last = Some(seq);
                } else if let Output::CloseClient { .. } = output {
                    open = false;
                }
            }
            if let Some(through) = last {
                let now = self.now();
                self.peer.handle(now, Input::DiskDone { through }, &mut out);
            }
        }
        open
    }
}

fn server(data: &[u8]) {
    let mut alone = Alone::new();
    let mut frames = pieces(data).into_iter();
    let Some(Ok(request)) = frames.next().map(ConnectRequest::decode) else {
        return;
    };
    if !alone.give(connect(request)) {
        return;
    }
    for frame in frames {
        let Ok(frame) = ClientFrame::decode(frame, FIELD_LEN_MAX) else {
            return;
        };
        if !alone.give(Input::ClientFrame { conn: CONN, frame }) {
            return;
        }
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let frames = requests();
    let frames = frames.iter().map(|r| r.encode_with_header(Xid(1)));
    let mut all: Vec<Bytes> = vec![greeting().encode()];
    let each = frames
        .clone()
        .map(|frame| joined(&[greeting().encode(), frame]));
    let each: Vec<_> = each.collect();
    all.extend(frames);
    [vec![joined(&all)], each].concat()
}

fn plain_config() -> PeerConfig {
    PeerConfig {
        sid: Sid(1),
        joining: None,
        membership: None,
        proposed: None,
        tick_ms: 1000,
        init_limit: 5,
        sync_limit: 2,
        session_timeout_min_ms: 2000,
        session_timeout_max_ms: 20_000,
        snap_count: 1_000_000,
        snap_bytes: 1 << 30,
        history_len: 500,
        seed: 1,
        auth: AuthSettings::default(),
        sessions: SessionKinds::default(),
        kinds: NodeKinds::default(),
        roll_over_at: zk_core::config::ROLL_OVER_AT,
        observer_masters: false,
        hand_over: true,
        hold: zk_core::HoldSettings::default(),
        reconfig: zk_core::config::ReconfigSettings::default(),
        audit: false,
        bugs: Bugs::default(),
    }
}

fn connect(request: ConnectRequest) -> Input {
    Input::ClientConnect {
        conn: CONN,
        ip: "127.0.0.1".to_owned(),
        identities: Vec::new(),
        nonce: [7; NONCE_LEN],
        request,
    }
}
