//! Garbage at the client, quorum and election ports of a running ensemble: it must serve on, and
//! not grow.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use zk_wire::client::request::{CarriedWatches, CreateOp, CreateRequest, NO_TTL};
use zk_wire::client::{ConnectRequest, Request};
use zk_wire::election::{InitialMessage, Notification, ServerState, WireVote};
use zk_wire::quorum::{ForwardedRequest, LearnerInfo, Packet};
use zk_wire::{Acl, Epoch, Round, SessionId, Sid, Xid, Zxid};

use super::random::Random;
use crate::peers::client::{flags, framed};
use crate::peers::process::Memory;
use crate::peers::{Client, Ensemble, Kind, Settings};
use crate::progress::Progress;

/// How long one connection or one write may take.
const IO_LIMIT: Duration = Duration::from_secs(2);

/// How long everything may take.
const TOTAL_LIMIT: Duration = Duration::from_secs(180);

/// How long to wait for a server to close, after our end is closed.
const CLOSE_LIMIT: Duration = Duration::from_millis(200);

/// Most real frames before the bad one: a server closes at what it cannot read, so there is one
/// bad frame on each connection.
const REAL_FRAMES_MAX: usize = 4;

/// How much a server may grow at most, above what it had when it began to serve.
const GROWTH_MAX: u64 = 256 << 20;

/// Most bytes of an answer that are read.
const ANSWER_LEN_MAX: u64 = 1 << 20;

/// A number that no member has: real frames must stay without consequence.
const STRANGER: Sid = Sid(77);

/// What to send to whom.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Which program.
    pub kind: Kind,
    /// How many frames in all.
    pub frames: usize,
    /// Decides the frames.
    pub seed: u64,
}

/// What came out.
#[derive(Debug)]
pub struct Summary {
    /// Frames that went out at client, quorum and election ports.
    pub frames: [usize; 3],
    /// Resident bytes of each server before, and the most that it ever had.
    pub memory: Vec<(u64, u64)>,
}

/// Which protocol is abused.
#[derive(Debug, Clone, Copy)]
enum Port {
    Client,
    Quorum,
    Election,
}

/// Sends the garbage to three servers and checks that they serve on.
///
/// # Errors
/// When one ended, restarted or grew, or does not serve.
pub fn run(progress: &Progress, plan: Plan) -> Result<Summary> {
    progress.say(format!(
        "garbage: quorate-e2e garbage --kind {} --frames {} --seed {}",
        plan.kind.name().to_lowercase(),
        plan.frames,
        plan.seed
    ));
    let mut ensemble = Ensemble::start(plan.kind, 3, &Settings::default())?;
    let mut client = Client::connect(first_address(&ensemble)?, Duration::from_secs(20))?;
    client.create("/before", b"kept", flags::PERSISTENT)?;
    let before = memory(&mut ensemble)?;
    let frames = send_all(&ensemble, plan)?;
    progress.say(format!(
        "sent {frames:?} frames to client, quorum and election ports"
    ));
    ensemble.wait_serving()?;
    let after = memory(&mut ensemble)?;
    for server in &ensemble.servers {
        let mut client = Client::connect(server.client_address(), Duration::from_secs(20))?;
        let path = format!("/after-{}", server.id);
        client.create(&path, b"served", flags::PERSISTENT)?;
        let (data, _) = client.get("/before", false)?;
        ensure!(
            data.as_deref() == Some(b"kept".as_slice()),
            "data changed: {data:?}"
        );
        client.close()?;
    }
    for server in &mut ensemble.servers {
        let id = server.id;
        if let Some(status) = server.process()?.ended()? {
            bail!(
                "server {id} ended with {status}: {}",
                server.process()?.log_tail()
            );
        }
    }
    let memory: Vec<(u64, u64)> = before
        .iter()
        .zip(&after)
        .map(|(b, a)| (b.resident, a.peak))
        .collect();
    for (resident, peak) in &memory {
        ensure!(
            *peak <= resident + GROWTH_MAX || plan.kind == Kind::Apache,
            "memory grew from {resident} to {peak} bytes"
        );
    }
    Ok(Summary { frames, memory })
}

fn first_address(ensemble: &Ensemble) -> Result<SocketAddr> {
    ensemble.addresses().first().copied().context("no servers")
}

fn memory(ensemble: &mut Ensemble) -> Result<Vec<Memory>> {
    ensemble
        .servers
        .iter_mut()
        .map(|server| server.process()?.memory())
        .collect()
}

fn send_all(ensemble: &Ensemble, plan: Plan) -> Result<[usize; 3]> {
    let mut random = Random::new(plan.seed);
    let began = Instant::now();
    let mut sent = [0; 3];
    let mut leader = ensemble.leader()?;
    let mut turn = 0;
    while sent.iter().sum::<usize>() < plan.frames {
        ensure!(
            began.elapsed() < TOTAL_LIMIT,
            "only {sent:?} frames in {TOTAL_LIMIT:?}"
        );
        turn += 1;
        let port = match turn % 3 {
            0 => Port::Client,
            1 => Port::Quorum,
            _ => Port::Election,
        };
        let server = match port {
            // Only a leader listens there.
            Port::Quorum => ensemble.servers.iter().find(|server| server.id == leader),
            Port::Client | Port::Election => random.choose(&ensemble.servers),
        };
        let ports = server.context("no servers")?.ports;
        let number = match port {
            Port::Client => ports.client,
            Port::Quorum => ports.quorum,
            Port::Election => ports.election,
        };
        if send((Ipv4Addr::LOCALHOST, number).into(), port, &mut random).is_err() {
            leader = ensemble.leader()?;
        } else if let Some(total) = sent.get_mut(port as usize) {
            *total += 1;
        }
    }
    Ok(sent)
}

/// Sends one bad frame, behind some real ones in half of the cases, and waits until the server has
/// dealt with it.
fn send(address: SocketAddr, port: Port, random: &mut Random) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, IO_LIMIT)?;
    stream.set_write_timeout(Some(IO_LIMIT))?;
    stream.set_read_timeout(Some(CLOSE_LIMIT))?;
    let real = real_frames(port);
    let mut bytes = Vec::new();
    if random.below(2) == 0
        && let Some(greeting) = real.first()
    {
        bytes.extend_from_slice(greeting);
        for _ in 0..random.below(REAL_FRAMES_MAX) {
            bytes.extend_from_slice(random.choose(&real).map_or(&[], Vec::as_slice));
        }
    }
    bytes.extend_from_slice(&garbage(&real, random));
    stream.write_all(&bytes)?;
    stream.shutdown(Shutdown::Write)?;
    // Whatever it answers is fine, and so is a reset; it only has to be done with us.
    drop(io::copy(&mut stream.take(ANSWER_LEN_MAX), &mut io::sink()));
    Ok(())
}

fn garbage(real: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut frame = random.choose(real).cloned().unwrap_or_default();
    let length: [u8; 4] = match random.below(8) {
        0 => (-1i32).to_be_bytes(),
        1 => 0i32.to_be_bytes(),
        2 => i32::MAX.to_be_bytes(),
        3 => i32::MIN.to_be_bytes(),
        4 => {
            frame.truncate(random.below(frame.len()));
            return frame;
        }
        5 => {
            for _ in 0..64 {
                frame.extend_from_slice(&random.next_u64().to_be_bytes());
            }
            return frame;
        }
        _ => {
            for _ in 0..=random.below(6) {
                let at = random.below(frame.len());
                if let Some(byte) = frame.get_mut(at) {
                    *byte = random.next_u64().to_le_bytes()[0];
                }
            }
            return frame;
        }
    };
    // Not only the frame's own length: any word may be the length of a field.
    let words = frame.len() / 4;
    let at = if random.below(2) == 0 {
        0
    } else {
        random.below(words) * 4
    };
    if let Some(word) = frame.get_mut(at..at + 4) {
        word.copy_from_slice(&length);
    }
    frame
}

/// Frames as real peers send them; the first one opens the connection.
fn real_frames(port: Port) -> Vec<Vec<u8>> {
    match port {
        Port::Client => client_frames(),
        Port::Quorum => quorum_packets()
            .iter()
            .map(|packet| packet.encode().to_vec())
            .collect(),
        Port::Election => election_messages(),
    }
}

fn client_frames() -> Vec<Vec<u8>> {
    let greeting = ConnectRequest {
        last_zxid_seen: Zxid::ZERO,
        timeout_ms: 4000,
        session: None,
        password: Bytes::from_static(&[0; 16]),
        read_only: Some(false),
    };
    let path = || "/before".to_owned();
    let create = CreateRequest {
        path: "/garbage/none".to_owned(),
        data: Some(Bytes::from_static(b"x")),
        acl: Some(vec![Acl::world(31)]),
        flags: 0,
        ttl_ms: NO_TTL,
    };
    let requests = [
        Request::GetData {
            path: path(),
            watch: true,
        },
        Request::GetChildren2 {
            path: path(),
            watch: true,
        },
        Request::Create {
            create,
            op: CreateOp::Create2,
        },
        Request::Multi(vec![zk_wire::client::MultiOp::Check {
            path: path(),
            version: 7,
        }]),
        Request::SetWatches(CarriedWatches {
            data: vec![path()],
            exist: vec![path()],
            child: vec![path()],
            ..CarriedWatches::default()
        }),
        Request::Sync { path: Some(path()) },
        Request::Ping,
    ];
    let requests = requests
        .iter()
        .map(|request| request.encode_with_header(Xid(1)));
    std::iter::once(greeting.encode())
        .chain(requests)
        .map(|frame| framed(&frame))
        .collect()
}

fn quorum_packets() -> Vec<Packet> {
    let zxid = Zxid::new(Epoch(1), 1);
    let learner = LearnerInfo {
        accepted_epoch: Epoch(0),
        sid: STRANGER,
        config_version: 0,
        hands_over: false,
    };
    vec![
        Packet::FollowerInfo(learner.clone()),
        Packet::AckEpoch {
            last_zxid: Zxid::ZERO,
            current_epoch: Some(Epoch(0)),
        },
        Packet::ObserverInfo(learner),
        Packet::Ack(zxid),
        Packet::PingReply {
            zxid,
            touched: vec![(SessionId(5), 4000)],
        },
        Packet::Revalidate {
            session: SessionId(5),
            timeout_ms: 4000,
        },
        Packet::Request(ForwardedRequest {
            session: SessionId(5),
            xid: Xid(1),
            op: 1,
            body: Bytes::from_static(b"\0\0\0\x02/x"),
            auth: Vec::new(),
        }),
    ]
}

fn election_messages() -> Vec<Vec<u8>> {
    let greeting = InitialMessage {
        sid: STRANGER,
        addresses: vec!["127.0.0.1:1".to_owned()],
    };
    let notification = Notification {
        state: ServerState::Looking,
        vote: WireVote {
            leader: Some(STRANGER),
            zxid: Some(Zxid::ZERO),
            epoch: Some(Epoch(0)),
        },
        round: Round(1),
        config: Some("version=0".to_owned()),
    };
    vec![greeting.encode().to_vec(), framed(&notification.encode())]
}
