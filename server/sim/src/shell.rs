//! Carries out what the core wants, and shows it to the invariants on the way.

use bytes::Bytes;
use zk_core::status::{PeerEvent, Phase};
use zk_core::{ConnId, DiskOp, LinkId, Output, Outputs};
use zk_wire::client::{ConnectResponse, ReplyHeader};
use zk_wire::election::ServerState;
use zk_wire::jute::Reader;
use zk_wire::quorum::Packet;
use zk_wire::{SessionId, Zxid};

use crate::context::Context;
use crate::intake::signature;
use crate::invariants::{Verdict, Violation, conduct, ensure};
use crate::net::{End, StreamId};
use crate::ports::{Attached, Dial};
use crate::server::Process;
use crate::world::Event;

/// Bytes of a frame that the trace is made of.
const TRACED_BYTES: usize = 64;

fn head(bytes: &[u8]) -> &[u8] {
    bytes.get(..TRACED_BYTES).unwrap_or(bytes)
}

impl Process {
    #[expect(clippy::too_many_lines, reason = "one arm per kind")]
    pub(crate) fn carry_out(
        &mut self,
        cx: &mut Context,
        sid: u8,
        incarnation: u64,
        outputs: Outputs,
    ) -> Verdict {
        for output in outputs {
            match output {
                Output::Disk { seq, op } => {
                    self.ordered(cx, sid, &op)?;
                    self.disk.push(seq, op);
                }
                Output::Notify { to, notification } => {
                    cx.checks.votes(sid, &notification)?;
                    let message = notification.encode();
                    let to = u8::try_from(to.0).unwrap_or(0);
                    trace(cx, "notify", sid, &message, || {
                        format!("to {to}: {notification:?}")
                    });
                    cx.net.post(&mut cx.q, &mut cx.dice, sid, to, message);
                }
                Output::QuorumPort { open } => {
                    trace(cx, "port", sid, &[u8::from(open)], || {
                        format!("open {open}")
                    });
                    if open {
                        cx.ports.insert(sid);
                        if cx.params.disk_faults && cx.disk_dice.percent(6) {
                            let soon = cx.disk_dice.between(500, 20_000);
                            cx.q.after(soon, Event::DiskFaultOf { sid });
                        }
                    } else {
                        cx.ports.remove(&sid);
                    }
                }
                Output::ObserverPort { open } => {
                    trace(cx, "masters", sid, &[u8::from(open)], || {
                        format!("open {open}")
                    });
                    if open {
                        cx.masters.insert(sid);
                    } else {
                        cx.masters.remove(&sid);
                    }
                }
                Output::DialLeader {
                    link,
                    leader,
                    patience_ms,
                } => {
                    self.ports.dialing.insert(link);
                    let dial = Dial {
                        sid,
                        incarnation,
                        link,
                        leader,
                        until: cx.q.now() + patience_ms * 1_000,
                    };
                    let pause = cx.dice.between(100, 3_000);
                    cx.q.after(pause, Event::Dial(dial));
                }
                Output::ToLink { link, packet } => self.send_packet(cx, sid, link, &packet)?,
                Output::SnapshotToLink { link, zxid, body } => {
                    let mut bytes = Packet::Snap(zxid).encode().to_vec();
                    bytes.extend_from_slice(&body);
                    bytes.extend_from_slice(&signature());
                    trace(cx, "snap", sid, head(&bytes), || {
                        format!("over {link:?}: {zxid}, {} bytes", body.len())
                    });
                    self.send_in_pieces(cx, link, bytes);
                }
                Output::CloseLink { link, why } => {
                    trace(cx, "unlink", sid, &link.0.to_le_bytes(), || {
                        format!("{link:?}: {why}")
                    });
                    conduct::blames(sid, &why)?;
                    self.close_link(cx, link);
                }
                Output::ToClient { conn, frame } => self.send_frame(cx, sid, conn, &frame),
                Output::CloseClient { conn, why } => {
                    trace(cx, "unclient", sid, &conn.0.to_le_bytes(), || {
                        format!("{conn:?}: {why}")
                    });
                    if let Some(stream) = self.ports.conns.remove(&conn) {
                        self.ports.streams.remove(&stream);
                        cx.net.close(&mut cx.q, &mut cx.dice, stream, End::Acceptor);
                    }
                }
                Output::Configs(configs) => {
                    let version = configs.committed.version.to_le_bytes();
                    trace(cx, "configs", sid, &version, || format!("{configs:?}"));
                }
                Output::Event(event) => self.event(cx, sid, event)?,
            }
        }
        Ok(())
    }

    /// A disk operation is ordered: this is what the log will be.
    fn ordered(&mut self, cx: &mut Context, sid: u8, op: &DiskOp) -> Verdict {
        match op {
            DiskOp::Append { zxid, raw } => {
                trace(cx, "append", sid, head(raw), || format!("{zxid}"));
                cx.checks.appended(sid, *zxid, raw)
            }
            DiskOp::InstallSnapshot { zxid, .. } => {
                trace(cx, "install", sid, &zxid.as_u64().to_le_bytes(), || {
                    format!("{zxid}")
                });
                cx.checks.history.set_log_end(sid, *zxid);
                Ok(())
            }
            DiskOp::AcceptedEpoch(epoch) | DiskOp::CurrentEpoch(epoch) => {
                trace(cx, "epoch", sid, &epoch.0.to_le_bytes(), || {
                    format!("{op:?}")
                });
                Ok(())
            }
            DiskOp::Initialize => {
                trace(cx, "initialize", sid, &[], || "to the disk".into());
                Ok(())
            }
            DiskOp::Truncate { to } => {
                trace(cx, "truncate", sid, &to.as_u64().to_le_bytes(), || {
                    format!("to {to}")
                });
                Ok(())
            }
            DiskOp::ReadLog { after, .. } => {
                trace(cx, "read log", sid, &after.as_u64().to_le_bytes(), || {
                    format!("behind {after}")
                });
                Ok(())
            }
            DiskOp::Config(configs) => {
                let version = configs.committed.version.to_le_bytes();
                trace(cx, "config", sid, &version, || "to the disk".into());
                Ok(())
            }
            DiskOp::SaveSnapshot { zxid, .. } => {
                trace(cx, "save", sid, &zxid.as_u64().to_le_bytes(), || {
                    format!("snapshot at {zxid}")
                });
                Ok(())
            }
        }
    }

    fn send_packet(&mut self, cx: &mut Context, sid: u8, link: LinkId, packet: &Packet) -> Verdict {
        let bytes = packet.encode();
        trace(cx, "packet", sid, head(&bytes), || {
            format!("over {link:?}: {packet:?}")
        });
        // A follower repeats it to its observers.
        let repeats = cx.masters.contains(&sid);
        if let Packet::NewLeader { zxid, .. } = packet
            && !repeats
        {
            let epoch = zxid.epoch();
            cx.checks.leadership.announces(epoch, sid)?;
            cx.checks.history.epoch_begins(epoch, sid);
        }
        let stream = self.ports.links.get(&link).copied();
        cx.checks.says(sid, packet)?;
        if let (Packet::PingReply { touched, .. }, Some(stream)) = (packet, stream)
            && matches!(
                self.ports.streams.get(&stream),
                Some(Attached::Leader { .. })
            )
        {
            self.pinged(cx, sid, touched)?;
        }
        self.send_in_pieces(cx, link, bytes.to_vec());
        Ok(())
    }

    /// A learner answers a ping: every session that it heard since the last one is in it.
    fn pinged(&mut self, cx: &Context, sid: u8, touched: &[(SessionId, i32)]) -> Verdict {
        for session in std::mem::take(&mut self.ports.heard) {
            let told = touched.iter().any(|(id, _)| *id == session);
            let alive =
                cx.checks.oracle.sessions().contains_key(&session) && !cx.checks.is_ending(session);
            ensure(told || !alive, "session expiry", || {
                format!("server {sid} heard of {session} and does not tell its leader")
            })?;
        }
        Ok(())
    }

    /// Sends bytes; one packet in twenty comes in two pieces.
    fn send_in_pieces(&mut self, cx: &mut Context, link: LinkId, bytes: Vec<u8>) {
        let Some(stream) = self.ports.links.get(&link).copied() else {
            return;
        };
        let end = match self.ports.streams.get(&stream) {
            Some(Attached::Leader { .. }) => End::Dialer,
            _ => End::Acceptor,
        };
        let mut bytes = Bytes::from(bytes);
        if bytes.len() > 1 && cx.dice.percent(5) {
            let cut = 1 + cx.dice.below(bytes.len() - 1);
            let first = bytes.split_to(cut);
            cx.net.send(&mut cx.q, &mut cx.dice, stream, end, first);
        }
        cx.net.send(&mut cx.q, &mut cx.dice, stream, end, bytes);
    }

    fn close_link(&mut self, cx: &mut Context, link: LinkId) {
        self.ports.dialing.remove(&link);
        let Some(stream) = self.ports.links.remove(&link) else {
            return;
        };
        let end = match self.ports.streams.remove(&stream) {
            Some(Attached::Leader { .. }) => End::Dialer,
            _ => End::Acceptor,
        };
        cx.net.close(&mut cx.q, &mut cx.dice, stream, end);
    }

    fn send_frame(&mut self, cx: &mut Context, sid: u8, conn: ConnId, frame: &Bytes) {
        trace(cx, "reply", sid, head(frame), || {
            format!("to {conn:?}: {} bytes", frame.len())
        });
        let Some(stream) = self.ports.conns.get(&conn).copied() else {
            return;
        };
        self.note_session(cx, sid, stream, frame);
        if cx.blackout_armed && is_write_ack(cx, frame) {
            cx.blackout_armed = false;
            let pause = cx.dice.between(0, 3_000);
            cx.q.after(pause, Event::Blackout);
        }
        // One byte of ours in front tells the client's side whether this server is up to date.
        let mut bytes = Vec::with_capacity(frame.len() + 1);
        bytes.push(u8::from(cx.checks.is_current(sid)));
        bytes.extend_from_slice(frame);
        let bytes = Bytes::from(bytes);
        cx.net
            .send(&mut cx.q, &mut cx.dice, stream, End::Acceptor, bytes);
    }

    /// The first frame to a client names its session.
    fn note_session(&mut self, cx: &mut Context, sid: u8, stream: StreamId, frame: &Bytes) {
        if let Some(Attached::Client { session, .. }) = self.ports.streams.get_mut(&stream)
            && session.is_none()
            && let Ok(response) = ConnectResponse::decode(frame.clone())
            && response.timeout_ms > 0
        {
            *session = Some(response.session);
            let timeout_ms = u64::try_from(response.timeout_ms).unwrap_or(0);
            cx.checks.local.answered(response.session, timeout_ms);
            let now_ms = cx.clock_ms(sid);
            cx.checks.expiry.hears(sid, response.session, now_ms);
        }
    }

    #[expect(clippy::too_many_lines, reason = "one arm per kind")]
    fn event(&mut self, cx: &mut Context, sid: u8, event: PeerEvent) -> Verdict {
        let text = format!("{event:?}");
        trace(cx, "event", sid, text.as_bytes(), || text.clone());
        let now_ms = cx.clock_ms(sid);
        match event {
            PeerEvent::Phase { state, phase, .. } => {
                let status = self.peer.status();
                if phase == Phase::Broadcast {
                    cx.checks.serving.insert(sid, status.epoch);
                } else {
                    cx.checks.serving.remove(&sid);
                }
                match (state, phase) {
                    (ServerState::Leading, Phase::Broadcast) => {
                        cx.checks.activates(status.epoch, sid, now_ms)?;
                    }
                    (ServerState::Following, Phase::Broadcast) => {
                        cx.checks.committed(status.zxid_applied)?;
                    }
                    (ServerState::Looking, _) | (_, Phase::Discovery) => {
                        let applied = status.zxid_applied;
                        cx.checks.total_order.starts_at(sid, applied);
                    }
                    _ => {}
                }
                Ok(())
            }
            PeerEvent::RoleLost { why, .. } => {
                conduct::blames(sid, &why)?;
                cx.checks.serving.remove(&sid);
                self.ports.heard.clear();
                Ok(())
            }
            PeerEvent::Applied { zxid, digest, .. } => cx.checks.applied(sid, zxid, digest),
            PeerEvent::SessionExpired { session } => cx.checks.expires(sid, session, now_ms),
            PeerEvent::DigestMismatch {
                zxid,
                expected,
                found,
            } => Err(Violation {
                invariant: "agreement",
                detail: format!(
                    "server {sid} finds digest {found:#x} at {zxid}, its leader {expected:#x}"
                ),
            }),
            PeerEvent::Synchronized { how, .. } => {
                let kinds = ["DIFF", "TRUNC", "SNAP", "DIFF from the log"];
                let counts = cx.checks.counts.syncs.iter_mut();
                for (kind, count) in kinds.into_iter().zip(counts) {
                    *count += u64::from(kind == how);
                }
                Ok(())
            }
            PeerEvent::LocalSessionExpired { session } => {
                cx.checks.expires_locally(sid, session, now_ms)
            }
            PeerEvent::WentOn { again, held, .. } => {
                let counts = &mut cx.checks.counts;
                counts.went_on += 1;
                counts.asked_again += again;
                counts.held += held;
                Ok(())
            }
            PeerEvent::HoldEnded { .. } => {
                cx.checks.counts.holds_ended += 1;
                Ok(())
            }
            PeerEvent::HandedOver { to } => {
                let to = u8::try_from(to.0).unwrap_or(0);
                cx.checks.passes_on(sid, to, self.peer.status().epoch)
            }
            PeerEvent::ConfigInForce { version, members } => {
                let checks = &mut cx.checks;
                checks
                    .configs
                    .in_force(sid, version, members, &checks.history)
            }
            PeerEvent::Elected { .. }
            | PeerEvent::SyncsUnderWay { .. }
            | PeerEvent::WatchesFired { .. }
            | PeerEvent::Audited(_)
            | PeerEvent::ReadOnly { .. }
            | PeerEvent::MayLeave
            | PeerEvent::Formed
            | PeerEvent::FormRefused { .. }
            | PeerEvent::HandOverFailed { .. }
            | PeerEvent::HandOverRefused { .. } => Ok(()),
        }
    }
}

/// Whether a frame looks like the acknowledgement of the newest write.
fn is_write_ack(cx: &Context, frame: &Bytes) -> bool {
    let header = ReplyHeader::decode(&mut Reader::unlimited(frame.clone()));
    header.is_ok_and(|h| {
        h.xid.0 > 0
            && h.err == 0
            && h.zxid > 0
            && Zxid::from_wire(h.zxid) == cx.checks.history.last_committed()
    })
}

fn trace(
    cx: &mut Context,
    what: &'static str,
    sid: u8,
    payload: &[u8],
    text: impl FnOnce() -> String,
) {
    let now = cx.q.now();
    cx.trace.note(now, what, u64::from(sid), payload, text);
}
