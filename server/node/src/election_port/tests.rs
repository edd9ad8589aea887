//! The transport over loopback sockets.

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use zk_core::Input;
use zk_wire::election::{ServerState, WireVote};
use zk_wire::membership::Membership;
use zk_wire::{Round, Zxid};

use super::*;

/// Longer than anything here takes; reached only by a failure.
const PATIENCE: Duration = Duration::from_secs(20);

struct Server {
    port: Arc<ElectionPort>,
    received: mpsc::Receiver<PeerMessage>,
    address: String,
}

/// The servers `1..=n`, of which those in `running` accept.
async fn servers(n: i64, running: &[i64]) -> BTreeMap<i64, Server> {
    let mut listeners = BTreeMap::new();
    let mut text = String::new();
    for sid in 1..=n {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        text.push_str(&format!("server.{sid}=127.0.0.1:1:{port}\n"));
        listeners.insert(sid, listener);
    }
    let membership = Membership::parse(&text).unwrap();
    let addresses = |me: i64| {
        let all = membership.servers.iter().map(|(sid, spec)| {
            let (host, port) = (spec.host.clone(), spec.election_port);
            (*sid, HostPort { host, port })
        });
        let mut others: BTreeMap<Sid, HostPort> = all.collect();
        Addresses {
            own: others.remove(&Sid(me)),
            others,
        }
    };
    let mut out = BTreeMap::new();
    for (sid, listener) in listeners {
        if !running.contains(&sid) {
            continue;
        }
        let (to_core, received) = mpsc::channel(16);
        let settings = ElectionSettings {
            sid: Sid(sid),
            addresses: addresses(sid),
            connect_timeout: PATIENCE,
            handshake_timeout: PATIENCE,
            security: PeerSecurity::default(),
            auth: PeerAuth::default(),
        };
        let port = ElectionPort::new(Handle::current(), settings, to_core);
        let address = listener.local_addr().unwrap().to_string();
        let accepting = port.clone();
        tokio::spawn(async move { accept::accept_all(&accepting, listener).await });
        out.insert(
            sid,
            Server {
                port,
                received,
                address,
            },
        );
    }
    out
}

fn vote(round: i64) -> Notification {
    Notification {
        state: ServerState::Looking,
        vote: WireVote {
            leader: Some(Sid(1)),
            zxid: Some(Zxid::ZERO),
            epoch: Some(zk_wire::Epoch(0)),
        },
        round: Round(round),
        config: None,
    }
}

async fn next(server: &mut Server) -> (Sid, i64) {
    let message = tokio::time::timeout(PATIENCE, server.received.recv()).await;
    match message.expect("a notification in time") {
        Some(PeerMessage::Input(Input::Notification { from, notification })) => {
            (from, notification.round.0)
        }
        other => panic!("{other:?}"),
    }
}

/// A peer made by hand.
async fn hello(address: &str, sid: i64) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let message = InitialMessage {
        sid: Sid(sid),
        addresses: vec!["127.0.0.1:1".into()],
    };
    stream.write_all(&message.encode()).await.unwrap();
    stream
}

fn frame(notification: &Notification) -> BytesMut {
    let body = notification.encode();
    let len = i32::try_from(body.remaining()).unwrap();
    let mut frame = BytesMut::from(&len.to_be_bytes()[..]);
    frame.extend_from_slice(&body);
    frame
}

async fn read_round(stream: &mut TcpStream) -> i64 {
    let read = async {
        let len = stream.read_i32().await.unwrap();
        let mut body = vec![0; usize::try_from(len).unwrap()];
        stream.read_exact(&mut body).await.unwrap();
        Notification::decode(body.into()).unwrap().round.0
    };
    tokio::time::timeout(PATIENCE, read)
        .await
        .expect("a message in time")
}

async fn is_closed(mut stream: TcpStream) -> bool {
    let mut rest = Vec::new();
    let end = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    end.is_ok() && rest.is_empty()
}

#[tokio::test]
async fn the_smaller_id_is_dialed_back_and_the_larger_keeps_its_connection() {
    let mut servers = servers(2, &[1, 2]).await;
    let (one, two) = (servers[&1].port.clone(), servers[&2].port.clone());
    one.notify(Sid(2), &vote(7));
    assert_eq!(next(servers.get_mut(&2).unwrap()).await, (Sid(1), 7));
    // The same connection carries the other direction.
    two.notify(Sid(1), &vote(8));
    assert_eq!(next(servers.get_mut(&1).unwrap()).await, (Sid(2), 8));
}

#[tokio::test]
async fn a_new_connection_repeats_the_last_message_and_replaces_the_old_one() {
    let servers = servers(3, &[2]).await;
    let two = &servers[&2];
    let mut first = hello(&two.address, 3).await;
    two.port.notify(Sid(3), &vote(1));
    assert_eq!(read_round(&mut first).await, 1);
    let mut second = hello(&two.address, 3).await;
    assert_eq!(read_round(&mut second).await, 1);
    assert!(is_closed(first).await);
    two.port.notify(Sid(3), &vote(2));
    assert_eq!(read_round(&mut second).await, 2);
}

#[tokio::test]
async fn who_leaves_loses_its_connection_and_who_stays_keeps_it() {
    let servers = servers(4, &[2]).await;
    let two = &servers[&2];
    let (gone, mut stays) = (hello(&two.address, 4).await, hello(&two.address, 3).await);
    two.port.notify(Sid(3), &vote(1));
    assert_eq!(read_round(&mut stays).await, 1);
    let mut addresses = Addresses::default();
    let three = two.port.known().members[&Sid(3)].address.clone();
    addresses.others.insert(Sid(3), three);
    two.port.set_addresses(addresses);
    assert!(is_closed(gone).await);
    two.port.notify(Sid(3), &vote(2));
    assert_eq!(read_round(&mut stays).await, 2);
}

#[tokio::test]
async fn a_member_that_missed_its_move_is_dialed_back_where_it_is() {
    let mut servers = servers(2, &[1, 2]).await;
    let (one, two) = (servers[&1].port.clone(), servers[&2].port.clone());
    // Server 2 knows that server 1 is to move; server 1 does not, and nobody listens there.
    let elsewhere = HostPort {
        host: "127.0.0.1".into(),
        port: 1,
    };
    two.set_addresses(Addresses {
        own: None,
        others: BTreeMap::from([(Sid(1), elsewhere)]),
    });
    one.notify(Sid(2), &vote(7));
    assert_eq!(next(servers.get_mut(&2).unwrap()).await, (Sid(1), 7));
    two.notify(Sid(1), &vote(8));
    assert_eq!(next(servers.get_mut(&1).unwrap()).await, (Sid(2), 8));
}

#[tokio::test]
async fn only_the_newest_unsent_message_is_sent() {
    let servers = servers(3, &[2]).await;
    let two = &servers[&2];
    // Larger ids are dialed only to be dialed back; nothing is sent before they do.
    for round in 1..=5 {
        two.port.notify(Sid(3), &vote(round));
    }
    let mut peer = hello(&two.address, 3).await;
    assert_eq!(read_round(&mut peer).await, 5);
}

#[tokio::test]
async fn strangers_and_garbage_cost_their_own_connection_only() {
    let mut servers = servers(3, &[2]).await;
    let address = servers[&2].address.clone();
    // A server that is to join is heard and answered.
    let mut joiner = hello(&address, 9).await;
    joiner.write_all(&frame(&vote(3))).await.unwrap();
    assert_eq!(next(servers.get_mut(&2).unwrap()).await, (Sid(9), 3));
    servers[&2].port.notify(Sid(9), &vote(5));
    assert_eq!(read_round(&mut joiner).await, 5);
    assert!(is_closed(hello(&address, 2).await).await, "own id");
    for raw in [&[0xff; 8][..], &[0x80, 0, 0, 0, 0, 0, 0, 0][..]] {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream.write_all(raw).await.unwrap();
        assert!(is_closed(stream).await, "{raw:?}");
    }
    let _silent = TcpStream::connect(&address).await.unwrap();
    for len in [0, -1, i32::MAX] {
        let mut peer = hello(&address, 3).await;
        peer.write_i32(len).await.unwrap();
        assert!(is_closed(peer).await, "{len}");
    }
    // An undecodable message in a whole frame is skipped; the next one counts.
    let mut peer = hello(&address, 3).await;
    let mut frames = BytesMut::from(&[0, 0, 0, 1, 9][..]);
    frames.extend_from_slice(&frame(&vote(4)));
    peer.write_all(&frames).await.unwrap();
    assert_eq!(next(servers.get_mut(&2).unwrap()).await, (Sid(3), 4));
}
