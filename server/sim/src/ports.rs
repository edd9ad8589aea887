//! The sockets of a process: which stream is which connection of the core, and what comes in.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Bytes, BytesMut};
use zk_core::{ClientFrame, ConnId, Input, LinkId, NONCE_LEN};
use zk_wire::client::ConnectRequest;
use zk_wire::quorum::{From as Side, Packet};
use zk_wire::{SessionId, Sid};

use crate::context::Context;
use crate::intake::{FIELD_LEN_MAX, Incoming, Intake};
use crate::invariants::{Verdict, Violation};
use crate::net::{End, Host, Piece, StreamId};
use crate::queue::Us;
use crate::server::Server;
use crate::world::Event;

/// What a stream is to the process.
#[derive(Debug)]
pub(crate) enum Attached {
    /// A client; the session once its first frame was answered.
    Client {
        conn: ConnId,
        greeted: bool,
        session: Option<SessionId>,
    },
    /// A learner that connected to us.
    Learner { link: LinkId, buf: BytesMut },
    /// The leader that we connected to.
    Leader { link: LinkId, intake: Intake },
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Ports {
    pub streams: BTreeMap<StreamId, Attached>,
    pub conns: BTreeMap<ConnId, StreamId>,
    pub links: BTreeMap<LinkId, StreamId>,
    /// Links that are being dialed.
    pub dialing: BTreeSet<LinkId>,
    /// Sessions heard since the last answer to a ping of the leader.
    pub heard: BTreeSet<SessionId>,
    next_conn: u64,
    next_link: u64,
}

fn broken(what: &str, why: &impl std::fmt::Display) -> Violation {
    Violation {
        invariant: "wire",
        detail: format!("{what} does not decode: {why}"),
    }
}

/// An attempt to connect to a leader.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dial {
    pub sid: u8,
    pub incarnation: u64,
    pub link: LinkId,
    pub leader: Sid,
    pub until: Us,
}

impl Server {
    /// A connection was made to us.
    pub(crate) fn accepted(&mut self, cx: &mut Context, stream: StreamId, from: Host) -> Verdict {
        let Some(process) = &mut self.process else {
            cx.net.close(&mut cx.q, &mut cx.dice, stream, End::Acceptor);
            return Ok(());
        };
        let ports = &mut process.ports;
        match from {
            Host::Client(_) => {
                ports.next_conn += 1;
                let conn = ConnId(ports.next_conn);
                ports.conns.insert(conn, stream);
                let client = Attached::Client {
                    conn,
                    greeted: false,
                    session: None,
                };
                ports.streams.insert(stream, client);
                Ok(())
            }
            Host::Server(_) => {
                ports.next_link += 2;
                let link = LinkId(ports.next_link);
                ports.links.insert(link, stream);
                let buf = BytesMut::new();
                ports
                    .streams
                    .insert(stream, Attached::Learner { link, buf });
                self.run(cx, |peer, now, out| {
                    peer.handle(now, Input::LearnerConnected { link }, out);
                })
            }
        }
    }

    /// One attempt to reach the leader; the next follows when it fails.
    pub(crate) fn dial(&mut self, cx: &mut Context, dial: Dial) -> Verdict {
        let Some(process) = &mut self.process else {
            return Ok(());
        };
        let link = dial.link;
        if !process.ports.dialing.contains(&link) {
            return Ok(());
        }
        let observes = self.sid > cx.params.servers && cx.params.observers > 0;
        let (leader, is_open) = if observes && cx.params.observer_masters {
            let masters: Vec<u8> = cx.masters.iter().copied().collect();
            let master = cx.dice.pick(&masters);
            (master.unwrap_or(0), master.is_some())
        } else {
            let leader = u8::try_from(dial.leader.0).unwrap_or(0);
            (leader, cx.ports.contains(&leader))
        };
        let (me, target) = (Host::Server(self.sid), Host::Server(leader));
        if is_open && cx.net.reachable(me, target) {
            process.ports.dialing.remove(&link);
            let stream = cx.net.connect(me, target);
            cx.accept(leader, stream, me);
            let delay = cx.net.delay(&mut cx.dice);
            let (sid, incarnation) = (dial.sid, dial.incarnation);
            cx.q.after(
                delay,
                Event::Dialed {
                    sid,
                    incarnation,
                    link,
                    stream,
                },
            );
            process.ports.links.insert(link, stream);
            let intake = Intake::new();
            process
                .ports
                .streams
                .insert(stream, Attached::Leader { link, intake });
            return Ok(());
        }
        if cx.q.now() >= dial.until {
            process.ports.dialing.remove(&link);
            return self.run(cx, |peer, now, out| {
                peer.handle(now, Input::LinkClosed { link }, out);
            });
        }
        let pause = cx.dice.between(5_000, 40_000);
        cx.q.after(pause, Event::Dial(dial));
        Ok(())
    }

    /// The leader took our connection.
    pub(crate) fn dialed(&mut self, cx: &mut Context, link: LinkId, stream: StreamId) -> Verdict {
        let ours = self
            .process
            .as_ref()
            .is_some_and(|process| process.ports.links.get(&link) == Some(&stream));
        self.run(cx, |peer, now, out| {
            if ours {
                peer.handle(now, Input::LeaderConnected { link }, out);
            }
        })
    }

    /// Something came on a stream.
    pub(crate) fn arrive(&mut self, cx: &mut Context, stream: StreamId, piece: Piece) -> Verdict {
        match piece {
            Piece::Data(bytes) => self.bytes(cx, stream, bytes),
            Piece::Fin => self.fin(cx, stream),
        }
    }

    fn fin(&mut self, cx: &mut Context, stream: StreamId) -> Verdict {
        let Some(process) = &mut self.process else {
            return Ok(());
        };
        let ports = &mut process.ports;
        let (input, end) = match ports.streams.remove(&stream) {
            Some(Attached::Client { conn, greeted, .. }) => {
                ports.conns.remove(&conn);
                (
                    greeted.then_some(Input::ClientClosed { conn }),
                    End::Acceptor,
                )
            }
            Some(Attached::Learner { link, .. }) => {
                ports.links.remove(&link);
                (Some(Input::LinkClosed { link }), End::Acceptor)
            }
            Some(Attached::Leader { link, .. }) => {
                ports.links.remove(&link);
                (Some(Input::LinkClosed { link }), End::Dialer)
            }
            None => return Ok(()),
        };
        cx.net.close(&mut cx.q, &mut cx.dice, stream, end);
        match input {
            Some(input) => self.run(cx, |peer, now, out| peer.handle(now, input, out)),
            None => Ok(()),
        }
    }

    fn bytes(&mut self, cx: &mut Context, stream: StreamId, bytes: Bytes) -> Verdict {
        let (sid, now_ms) = (self.sid, cx.clock_ms(self.sid));
        let serving = cx.checks.serving.contains_key(&sid);
        let Some(process) = &mut self.process else {
            return Ok(());
        };
        let ports = &mut process.ports;
        let input = match ports.streams.get_mut(&stream) {
            Some(Attached::Client { conn, greeted, .. }) if !*greeted => {
                *greeted = true;
                let request = ConnectRequest::decode(bytes).map_err(|e| broken("a connect", &e))?;
                let (conn, ip) = (*conn, "10.0.0.1".to_owned());
                let mut nonce = [0; NONCE_LEN];
                nonce[..8].copy_from_slice(&conn.0.to_le_bytes());
                Input::ClientConnect {
                    conn,
                    ip,
                    identities: Vec::new(),
                    nonce,
                    request,
                }
            }
            Some(Attached::Client { conn, session, .. }) => {
                if let Some(session) = *session {
                    cx.checks.expiry.hears(sid, session, now_ms);
                    if serving {
                        ports.heard.insert(session);
                    }
                }
                let frame = ClientFrame::decode(bytes, FIELD_LEN_MAX)
                    .map_err(|e| broken("a client frame", &e))?;
                Input::ClientFrame { conn: *conn, frame }
            }
            Some(Attached::Learner { buf, .. }) => {
                buf.extend_from_slice(&bytes);
                return self.learner_packets(cx, stream);
            }
            Some(Attached::Leader { intake, .. }) => {
                intake.feed(&bytes);
                return self.leader_packets(cx, stream);
            }
            None => return Ok(()),
        };
        self.run(cx, |peer, now, out| peer.handle(now, input, out))
    }

    fn learner_packets(&mut self, cx: &mut Context, stream: StreamId) -> Verdict {
        loop {
            // Looked up anew each time: the core may have closed the link meanwhile.
            let Some(process) = &mut self.process else {
                return Ok(());
            };
            let attached = process.ports.streams.get_mut(&stream);
            let Some(Attached::Learner { link, buf }) = attached else {
                return Ok(());
            };
            let link = *link;
            let packet = Packet::take(buf, Side::Learner, FIELD_LEN_MAX)
                .map_err(|e| broken("a learner's packet", &e))?;
            let Some(packet) = packet else {
                return Ok(());
            };
            let now_ms = cx.clock_ms(self.sid);
            if let Packet::PingReply { touched, .. } = &packet {
                for (session, _) in touched {
                    cx.checks.expiry.hears(self.sid, *session, now_ms);
                }
            }
            self.run(cx, |peer, now, out| {
                peer.handle(now, Input::LearnerPacket { link, packet }, out);
            })?;
        }
    }

    fn leader_packets(&mut self, cx: &mut Context, stream: StreamId) -> Verdict {
        loop {
            let Some(process) = &mut self.process else {
                return Ok(());
            };
            let attached = process.ports.streams.get_mut(&stream);
            let Some(Attached::Leader { link, intake }) = attached else {
                return Ok(());
            };
            let link = *link;
            let incoming = intake
                .next()
                .map_err(|e| broken("what a leader sends", &e))?;
            let input = match incoming {
                None => return Ok(()),
                Some(Incoming::Packet(packet)) => Input::LeaderPacket { link, packet },
                Some(Incoming::Snapshot { zxid, database }) => {
                    cx.checks.total_order.starts_at(self.sid, zxid);
                    let digest = database.digest();
                    cx.checks.history.digest_is(self.sid, zxid, digest)?;
                    Input::LeaderSnapshot {
                        link,
                        zxid,
                        database,
                    }
                }
            };
            self.run(cx, |peer, now, out| peer.handle(now, input, out))?;
        }
    }
}
