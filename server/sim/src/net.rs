//! The network: ordered streams that may stall or break, and the lossy mail of the election port.
//!
//! A stream is what TCP gives: bytes in order or nothing. A partition holds its bytes back, and they
//! arrive after it heals unless an end was closed in the meantime. A process that dies closes its
//! ends, and the other side hears of it; a machine that loses power closes nothing, and the other
//! side hears of it only when it sends to the machine that is up again.
//!
//! Election messages keep the semantics of the election port: one slot per receiver, where a newer
//! message replaces the one that could not be sent yet, and the last one sent comes again after a
//! reconnect.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use crate::queue::{Queue, Us};
use crate::seed::Dice;
use crate::world::Event;

/// A machine: of a server or of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Host {
    Server(u8),
    Client(u8),
}

/// A stream; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StreamId(u64);

/// One of the two ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    Dialer,
    Acceptor,
}

impl End {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Dialer => Self::Acceptor,
            Self::Acceptor => Self::Dialer,
        }
    }
}

/// What travels in a stream.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    Data(Bytes),
    Fin,
}

#[derive(Debug)]
struct Side {
    host: Host,
    open: bool,
    /// When the last piece under way to this side arrives.
    last_at: Us,
    /// Pieces to this side that wait for a partition to heal.
    stalled: VecDeque<Piece>,
}

#[derive(Debug)]
struct Stream {
    dialer: Side,
    acceptor: Side,
}

impl Stream {
    fn side(&mut self, end: End) -> &mut Side {
        match end {
            End::Dialer => &mut self.dialer,
            End::Acceptor => &mut self.acceptor,
        }
    }
}

/// All of it.
#[derive(Debug)]
pub(crate) struct Net {
    delay_us: (Us, Us),
    next: u64,
    streams: BTreeMap<StreamId, Stream>,
    /// How many partitions block the way from the first to the second.
    blocked: BTreeMap<(Host, Host), u32>,
    /// Machines without power.
    off: BTreeSet<Host>,
    mail: BTreeMap<(u8, u8), Bytes>,
    mail_pumping: BTreeSet<(u8, u8)>,
    mail_sent: BTreeMap<(u8, u8), Bytes>,
}

impl Net {
    pub(crate) fn new(delay_us: (Us, Us)) -> Self {
        Self {
            delay_us,
            next: 0,
            streams: BTreeMap::new(),
            blocked: BTreeMap::new(),
            off: BTreeSet::new(),
            mail: BTreeMap::new(),
            mail_pumping: BTreeSet::new(),
            mail_sent: BTreeMap::new(),
        }
    }

    pub(crate) fn delay(&self, dice: &mut Dice) -> Us {
        let (low, high) = self.delay_us;
        // One in fifty packets is late, as after a lost one.
        let late = if dice.percent(2) { 4 } else { 1 };
        dice.between(low, high) * late
    }

    /// Whether bytes cannot go from one to the other now.
    pub(crate) fn is_blocked(&self, from: Host, to: Host) -> bool {
        self.blocked.contains_key(&(from, to))
    }

    /// Whose side of a stream this is; `None` when the stream is gone.
    pub(crate) fn host(&mut self, id: StreamId, end: End) -> Option<Host> {
        self.streams
            .get_mut(&id)
            .map(|stream| stream.side(end).host)
    }

    /// Whether a connection can be made.
    pub(crate) fn reachable(&self, a: Host, b: Host) -> bool {
        !self.off.contains(&b) && !self.is_blocked(a, b) && !self.is_blocked(b, a)
    }

    pub(crate) fn block(&mut self, from: Host, to: Host) {
        *self.blocked.entry((from, to)).or_default() += 1;
    }

    /// Takes one partition off the way; what it held back goes on.
    pub(crate) fn unblock(&mut self, q: &mut Queue<Event>, dice: &mut Dice, from: Host, to: Host) {
        if let Some(count) = self.blocked.get_mut(&(from, to)) {
            *count -= 1;
            if *count > 0 {
                return;
            }
            self.blocked.remove(&(from, to));
        }
        for (id, stream) in &mut self.streams {
            for to_end in [End::Dialer, End::Acceptor] {
                let source = stream.side(to_end.other()).host;
                let side = stream.side(to_end);
                if source == from && side.host == to {
                    // Retransmitted one after the other; what comes later waits behind them.
                    let mut at = q.now();
                    for _ in 0..side.stalled.len() {
                        at += dice.between(50, 2_000);
                        q.at(
                            at,
                            Event::Release {
                                stream: *id,
                                to: to_end,
                            },
                        );
                    }
                }
            }
        }
        self.mail_reconnect(q, dice, from, to);
    }

    /// Makes a stream; both ends are open at once.
    pub(crate) fn connect(&mut self, dialer: Host, acceptor: Host) -> StreamId {
        self.next += 1;
        let id = StreamId(self.next);
        let side = |host| Side {
            host,
            open: true,
            last_at: 0,
            stalled: VecDeque::new(),
        };
        let stream = Stream {
            dialer: side(dialer),
            acceptor: side(acceptor),
        };
        self.streams.insert(id, stream);
        id
    }

    /// Sends from the side `from`; bytes into a closed stream are gone.
    pub(crate) fn send(
        &mut self,
        q: &mut Queue<Event>,
        dice: &mut Dice,
        id: StreamId,
        from: End,
        data: Bytes,
    ) {
        let open = self
            .streams
            .get_mut(&id)
            .is_some_and(|stream| stream.side(from).open);
        if open {
            self.transmit(q, dice, id, from.other(), Piece::Data(data));
        }
    }

    /// Closes the side `from` after what it has sent.
    pub(crate) fn close(&mut self, q: &mut Queue<Event>, dice: &mut Dice, id: StreamId, from: End) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        if !std::mem::replace(&mut stream.side(from).open, false) {
            return;
        }
        if stream.side(from.other()).open {
            self.transmit(q, dice, id, from.other(), Piece::Fin);
        } else {
            self.streams.remove(&id);
        }
    }

    fn transmit(
        &mut self,
        q: &mut Queue<Event>,
        dice: &mut Dice,
        id: StreamId,
        to: End,
        piece: Piece,
    ) {
        let delay = self.delay(dice);
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        let side = stream.side(to);
        side.last_at = side.last_at.max(q.now() + delay);
        q.at(
            side.last_at,
            Event::Arrive {
                stream: id,
                to,
                piece,
            },
        );
    }

    /// Where a piece arrives, unless it is held back or lost.
    pub(crate) fn arrive(
        &mut self,
        q: &mut Queue<Event>,
        dice: &mut Dice,
        id: StreamId,
        to: End,
        piece: Piece,
    ) -> Option<(Host, Piece)> {
        let stream = self.streams.get_mut(&id)?;
        let from_host = stream.side(to.other()).host;
        let side = stream.side(to);
        let host = side.host;
        if self.off.contains(&host) {
            return None;
        }
        if self.blocked.contains_key(&(from_host, host)) {
            side.stalled.push_back(piece);
            return None;
        }
        if !side.stalled.is_empty() {
            side.stalled.push_back(piece);
            q.after(2_000, Event::Release { stream: id, to });
            return None;
        }
        self.deliver(q, dice, id, to, piece)
    }

    /// The oldest piece that was held back arrives, unless it is held back again.
    pub(crate) fn release(
        &mut self,
        q: &mut Queue<Event>,
        dice: &mut Dice,
        id: StreamId,
        to: End,
    ) -> Option<(Host, Piece)> {
        let stream = self.streams.get_mut(&id)?;
        let from_host = stream.side(to.other()).host;
        let side = stream.side(to);
        if self.off.contains(&side.host) || self.blocked.contains_key(&(from_host, side.host)) {
            return None;
        }
        let piece = side.stalled.pop_front()?;
        self.deliver(q, dice, id, to, piece)
    }

    fn deliver(
        &mut self,
        q: &mut Queue<Event>,
        dice: &mut Dice,
        id: StreamId,
        to: End,
        piece: Piece,
    ) -> Option<(Host, Piece)> {
        let stream = self.streams.get_mut(&id)?;
        let from_open = stream.side(to.other()).open;
        let side = stream.side(to);
        let host = side.host;
        if !side.open {
            // A reset answers, when there is somebody to hear it.
            if from_open && matches!(piece, Piece::Data(_)) {
                self.transmit(q, dice, id, to.other(), Piece::Fin);
            } else if !from_open {
                self.streams.remove(&id);
            }
            return None;
        }
        if matches!(piece, Piece::Fin) {
            side.open = false;
            if !from_open {
                self.streams.remove(&id);
            }
        }
        Some((host, piece))
    }

    /// A process of `host` died: its ends close, one by one.
    pub(crate) fn process_died(&mut self, q: &mut Queue<Event>, dice: &mut Dice, host: Host) {
        for (id, end) in self.ends_of(host) {
            self.close(q, dice, id, end);
        }
        self.forget_mail(host);
    }

    /// A machine lost power: nobody hears of it.
    pub(crate) fn power_off(&mut self, host: Host) {
        for (id, end) in self.ends_of(host) {
            if let Some(stream) = self.streams.get_mut(&id) {
                stream.side(end).open = false;
                stream.side(end).stalled.clear();
                if !stream.side(end.other()).open {
                    self.streams.remove(&id);
                }
            }
        }
        self.off.insert(host);
        self.forget_mail(host);
    }

    pub(crate) fn power_on(&mut self, host: Host) {
        self.off.remove(&host);
    }

    fn ends_of(&mut self, host: Host) -> Vec<(StreamId, End)> {
        let mut ends = Vec::new();
        for (id, stream) in &mut self.streams {
            for end in [End::Dialer, End::Acceptor] {
                let side = stream.side(end);
                if side.host == host && side.open {
                    ends.push((*id, end));
                }
            }
        }
        ends
    }

    /// Breaks a stream chosen by the dice: one side hears of it at once, the other later.
    pub(crate) fn cut_one(&mut self, q: &mut Queue<Event>, dice: &mut Dice) {
        let ids: Vec<StreamId> = self.streams.keys().copied().collect();
        let Some(id) = dice.pick(&ids) else { return };
        let (first, second) = if dice.percent(50) {
            (End::Dialer, End::Acceptor)
        } else {
            (End::Acceptor, End::Dialer)
        };
        let later = dice.between(0, 300_000);
        let fin = |to| Event::Arrive {
            stream: id,
            to,
            piece: Piece::Fin,
        };
        q.after(0, fin(first));
        q.after(later, fin(second));
    }

    // ---- the election port ----

    /// Puts a message into the slot of its receiver.
    pub(crate) fn post(
        &mut self,
        q: &mut Queue<Event>,
        dice: &mut Dice,
        from: u8,
        to: u8,
        m: Bytes,
    ) {
        self.mail.insert((from, to), m);
        if self.mail_pumping.insert((from, to)) {
            q.after(dice.between(10, 500), Event::MailPump { from, to });
        }
    }

    /// Sends what is in the slot if `listening` and the way is free; else it stays there.
    pub(crate) fn pump(
        &mut self,
        q: &mut Queue<Event>,
        dice: &mut Dice,
        (from, to): (u8, u8),
        listening: bool,
    ) {
        self.mail_pumping.remove(&(from, to));
        if !listening || !self.reachable(Host::Server(from), Host::Server(to)) {
            return;
        }
        if let Some(message) = self.mail.remove(&(from, to)) {
            self.mail_sent.insert((from, to), message.clone());
            let delay = self.delay(dice);
            q.after(delay, Event::MailArrive { from, to, message });
        }
    }

    /// A server listens again, or a partition between two healed.
    pub(crate) fn mail_reconnect(
        &mut self,
        q: &mut Queue<Event>,
        dice: &mut Dice,
        from: Host,
        to: Host,
    ) {
        let (Host::Server(from), Host::Server(to)) = (from, to) else {
            return;
        };
        if self.mail.contains_key(&(from, to)) {
            if self.mail_pumping.insert((from, to)) {
                q.after(dice.between(10, 2_000), Event::MailPump { from, to });
            }
        } else if let Some(message) = self.mail_sent.get(&(from, to)).cloned()
            && dice.percent(50)
        {
            let delay = self.delay(dice) + dice.between(0, 5_000);
            q.after(delay, Event::MailArrive { from, to, message });
        }
    }

    fn forget_mail(&mut self, host: Host) {
        if let Host::Server(sid) = host {
            self.mail.retain(|(from, _), _| *from != sid);
            self.mail_sent.retain(|(from, _), _| *from != sid);
        }
    }
}
