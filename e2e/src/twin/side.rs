//! One of the two sets of servers: does the steps of a script and tells what was answered.
//!
//! Behind every burst goes a ping, whose reply says that everything before it was answered; so no
//! answer has to be counted or waited for by time. The other connections get one too, for their
//! events. In an ensemble a sync goes before that one, and it is asked again until it tells the
//! newest transaction that any server told: another server may be behind, and so may be the
//! leader, whose sync waits for nothing.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::heard::{Heards, Item, sort_closes};
use super::link::{Heard, Link};
use super::login;
use super::reply::{self, Cursor, Known, Value};
use super::request::{Frame, Request, op};
use super::script::{Hello, Place, Session, Step};
use super::tls;
use crate::peers::four_letter;

/// How long an answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(12);

/// How long a server that may close is listened to before it counts as one that does not.
const CLOSE_LIMIT: Duration = Duration::from_millis(250);

/// How long a change that comes by itself may take.
const UNTIL_LIMIT: Duration = Duration::from_secs(30);

/// Between two questions of an `Until`.
const UNTIL_PAUSE: Duration = Duration::from_millis(20);

/// How long what `srvr` tells must stay the same.
const STANDS: Duration = Duration::from_millis(300);

/// Bytes of a connect response, without and with the byte at its end.
const GREETING_LENGTHS: [usize; 2] = [36, 37];

/// The pings and syncs that this file adds. They are no operations: nothing else has them.
const FENCE: i32 = i32::MAX;
const FENCE_SYNC: i32 = i32::MAX - 1;
const UNTIL_XID: i32 = 0x7fff_fff1;
const FENCE_SYNC_XID: i32 = 0x7fff_fff0;

#[derive(Debug)]
struct Conn {
    link: Link,
    next_xid: i32,
    awaiting: Vec<(i32, i32)>,
    greeted: bool,
}

#[derive(Debug)]
struct Kept {
    id: i64,
    password: Vec<u8>,
    place: Place,
}

/// One set of servers.
#[derive(Debug)]
pub struct Side {
    addresses: BTreeMap<Place, SocketAddr>,
    ensemble: bool,
    prefix: String,
    /// What its answers are put into words with.
    pub known: Known,
    /// The newest transaction that any server told, counted from where the script began.
    newest: i64,
    conns: BTreeMap<u8, Conn>,
    sessions: BTreeMap<u8, Kept>,
}

impl Side {
    /// Servers at these addresses.
    #[must_use]
    pub fn new(addresses: BTreeMap<Place, SocketAddr>, ensemble: bool, known: Known) -> Self {
        Self {
            addresses,
            ensemble,
            prefix: String::new(),
            known,
            newest: 0,
            conns: BTreeMap::new(),
            sessions: BTreeMap::new(),
        }
    }

    /// Begins a script whose nodes are below `prefix`.
    ///
    /// # Errors
    /// When the server does not tell its last transaction.
    pub fn start(&mut self, prefix: &str) -> Result<()> {
        prefix.clone_into(&mut self.prefix);
        let address = self.address(Place::Leader)?;
        let base = match self.probe(address)? {
            Some(zxid) => zxid,
            None => standing_zxid(address)?,
        };
        self.known.rebase(base);
        self.newest = 0;
        Ok(())
    }

    /// Asks for the last transaction by a session of its own: its writes are answered with their
    /// transactions, so that none can be under way behind them. `None` where not everybody is served.
    fn probe(&self, address: SocketAddr) -> Result<Option<i64>> {
        let mut link = Link::open(address)?;
        link.send(&self.greeting(&Hello::default()));
        let requests = [
            super::ops::auth("digest", b"probe:"),
            super::ops::delete("/nothing/here", -1).xid(1),
            super::ops::close().xid(2),
        ];
        for request in requests {
            link.send(&request.encode(request.xid.unwrap_or_default(), self.frame()));
        }
        let mut last = None;
        while let Heard::Frame(frame) = link.hear(ANSWER_LIMIT)? {
            let mut cursor = Cursor::new(&frame);
            // The greeting, which begins with a version of 0, is none of them.
            if let (Some(1 | 2), Some(zxid)) = (cursor.int(), cursor.long()) {
                last = last.max(Some(zxid).filter(|zxid| *zxid > 0));
            }
        }
        Ok(last)
    }

    /// Ends a script: every session that it opened is closed.
    ///
    /// # Errors
    /// When a server is gone.
    pub fn end(&mut self) -> Result<()> {
        self.conns.clear();
        for (slot, kept) in std::mem::take(&mut self.sessions) {
            let hello = Hello {
                session: Session::Stranger(kept.id),
                ..Hello::default()
            };
            let bytes = self.greeting(&hello);
            let mut link = Link::open(self.address(kept.place)?)?;
            link.send(&bytes);
            link.send(&Request::new(op::CLOSE, Vec::new()).encode(1, self.frame()));
            while let Heard::Frame(_) = link.hear(ANSWER_LIMIT)? {}
            drop((slot, kept));
        }
        Ok(())
    }

    /// Replaces the servers' addresses.
    pub fn relocate(&mut self, addresses: BTreeMap<Place, SocketAddr>) {
        self.addresses = addresses;
    }

    fn address(&self, place: Place) -> Result<SocketAddr> {
        let address = self.addresses.get(&place).copied();
        address.with_context(|| format!("no server for {place:?}"))
    }

    fn frame(&self) -> Frame<'_> {
        Frame {
            prefix: &self.prefix,
            base: self.known.base,
        }
    }

    /// The connect request with its length.
    fn greeting(&self, hello: &Hello) -> Vec<u8> {
        let zeros = |length: usize| vec![0; length];
        let kept = |slot: &u8| {
            let kept = self.sessions.get(slot);
            kept.map(|kept| (kept.id, kept.password.clone()))
        };
        let (id, password) = match &hello.session {
            Session::New => (0, hello.password.map(zeros)),
            Session::Of(slot) => {
                let (id, password) = kept(slot).unwrap_or((1, zeros(16)));
                (id, Some(password))
            }
            Session::Forged(slot) => {
                let (id, mut password) = kept(slot).unwrap_or((1, zeros(16)));
                password.reverse();
                (id, Some(password))
            }
            Session::Stranger(id) => (*id, Some(Known::password(*id))),
        };
        let seen = hello.seen.map_or(0, |seen| seen + self.known.base);
        let mut body = Vec::with_capacity(48);
        body.extend_from_slice(&hello.version.to_be_bytes());
        body.extend_from_slice(&seen.to_be_bytes());
        body.extend_from_slice(&hello.timeout.to_be_bytes());
        body.extend_from_slice(&id.to_be_bytes());
        match password {
            None => body.extend_from_slice(&(-1i32).to_be_bytes()),
            Some(password) => {
                let length = i32::try_from(password.len()).unwrap_or(i32::MAX);
                body.extend_from_slice(&length.to_be_bytes());
                body.extend_from_slice(&password);
            }
        }
        if let Some(read_only) = hello.read_only {
            body.push(u8::from(read_only));
        }
        if let Some(cut) = hello.cut {
            body.truncate(cut);
        }
        let length = i32::try_from(body.len()).unwrap_or(i32::MAX);
        let mut out = length.to_be_bytes().to_vec();
        out.extend_from_slice(&body);
        out
    }

    fn connect(&mut self, conn: u8, place: Place, tls: Option<&str>) -> Result<&mut Conn> {
        let address = self.address(place)?;
        let link = match tls {
            None => Link::open(address)?,
            Some(name) => Link::open_tls(address, tls::config(name)?)?,
        };
        let fresh = Conn {
            link,
            next_xid: 1,
            awaiting: Vec::new(),
            greeted: false,
        };
        self.conns.insert(conn, fresh);
        self.conns.get_mut(&conn).context("a connection just made")
    }

    /// Sends what the step sends.
    ///
    /// # Errors
    /// When a server cannot be reached.
    pub fn begin(&mut self, step: &Step) -> Result<()> {
        match step {
            Step::Open(conn, place, hello) => {
                let bytes = self.greeting(hello);
                self.conns.remove(conn);
                let conn = self.connect(*conn, *place, hello.tls)?;
                conn.link.send(&bytes);
            }
            Step::Tcp(conn, place) => {
                self.conns.remove(conn);
                self.connect(*conn, *place, None)?;
            }
            Step::Send(conn, requests) => self.send(*conn, requests),
            Step::Raw(conn, bytes) => {
                if let Some(conn) = self.conns.get_mut(conn) {
                    conn.link.send(bytes);
                }
            }
            Step::Drop(conn) => {
                self.conns.remove(conn);
            }
            Step::Pause(millis) => std::thread::sleep(Duration::from_millis(*millis) / 2),
            Step::Word(..) | Step::Until(..) | Step::Login(..) | Step::Cut => {}
        }
        Ok(())
    }

    fn send(&mut self, conn: u8, requests: &[Request]) {
        let frame = Frame {
            prefix: &self.prefix,
            base: self.known.base,
        };
        let Some(conn) = self.conns.get_mut(&conn) else {
            return;
        };
        let mut bytes = Vec::new();
        for request in requests {
            let xid = request.xid.unwrap_or(conn.next_xid);
            if request.xid.is_none() {
                conn.next_xid += 1;
            }
            bytes.extend_from_slice(&request.encode(xid, frame));
            let reply_xid = if request.op == op::PING { -2 } else { xid };
            conn.awaiting.push((reply_xid, request.op));
        }
        if !requests.iter().any(Request::may_close) {
            bytes.extend_from_slice(&conn.fence(false));
        }
        conn.link.send(&bytes);
    }

    /// Takes the answers on the step's own connection, and asks the others for what they heard.
    ///
    /// # Errors
    /// When a server cannot be reached.
    pub fn answer(&mut self, step: &Step) -> Result<Heards> {
        let mut out = Vec::new();
        match step {
            Step::Open(conn, place, _) => self.greeted(*conn, *place, &mut out)?,
            Step::Send(conn, requests) => {
                let closing = requests.iter().any(Request::may_close);
                self.hear(*conn, closing, &mut out)?;
            }
            Step::Raw(conn, _) => self.hear(*conn, true, &mut out)?,
            Step::Word(place, word) => {
                let mut link = Link::open(self.address(*place)?)?;
                link.send(word);
                out.push((0, text(&mut link)?));
            }
            Step::Until(conn, request, error) => self.until(*conn, request, *error, &mut out)?,
            Step::Login(conn, login) => {
                self.send(*conn, &[super::ops::sasl(b"")]);
                let challenge = self.token(*conn, &mut out)?;
                if let Some(answer) = login::answer(login, &challenge) {
                    self.send(*conn, &[super::ops::sasl(answer.token.clone())]);
                    let got = self.token(*conn, &mut out)?;
                    let right = got == answer.proof.as_bytes();
                    out.push((*conn, Item::Text(format!("proof {right}").into_bytes())));
                }
            }
            Step::Tcp(..) | Step::Drop(_) | Step::Pause(_) | Step::Cut => {}
        }
        if step.disturbs() {
            let own = own(step);
            for (number, conn) in &mut self.conns {
                if Some(*number) != own && conn.greeted {
                    let bytes = conn.fence(self.ensemble);
                    conn.link.send(&bytes);
                }
            }
        }
        Ok(out)
    }

    /// Takes what the other connections heard.
    ///
    /// # Errors
    /// As the system's.
    pub fn finish(&mut self, step: &Step, out: &mut Heards) -> Result<()> {
        if step.disturbs() {
            let own = own(step);
            let others: Vec<u8> = self.conns.keys().copied().collect();
            for number in others {
                let waits = |conn: &Conn| conn.greeted && !conn.awaiting.is_empty();
                if Some(number) != own && self.conns.get(&number).is_some_and(waits) {
                    self.hear(number, false, out)?;
                }
            }
        }
        if self.ensemble {
            self.catch_up(out)?;
        }
        sort_closes(out);
        Ok(())
    }

    /// Asks the connections that told an older transaction than others until they tell the newest.
    fn catch_up(&mut self, out: &mut Heards) -> Result<()> {
        let newest = out.iter().filter_map(|(_, item)| item.zxid()).max();
        self.newest = self.newest.max(newest.unwrap_or_default());
        let until = Instant::now() + ANSWER_LIMIT;
        let mut at = 0;
        while let Some((number, item)) = out.get(at) {
            let number = *number;
            let behind = matches!(item, Item::Applied(_)) && item.zxid() < Some(self.newest);
            let Some(conn) = self.conns.get_mut(&number).filter(|_| behind) else {
                at += 1;
                continue;
            };
            if Instant::now() > until {
                bail!(
                    "connection {number} does not see transaction {:+}",
                    self.newest
                );
            }
            let bytes = conn.fence(true);
            conn.link.send(&bytes);
            let mut heard = Vec::new();
            self.hear(number, false, &mut heard)?;
            out.splice(at..=at, heard);
        }
        Ok(())
    }

    fn greeted(&mut self, number: u8, place: Place, out: &mut Heards) -> Result<()> {
        let Some(conn) = self.conns.get_mut(&number) else {
            bail!("connection {number} was not opened");
        };
        match conn.link.hear(ANSWER_LIMIT)? {
            Heard::Frame(frame) => {
                conn.greeted = true;
                let (item, session) = greeting(&frame, &mut self.known);
                out.push((number, item));
                match session {
                    Some((id, password)) => {
                        let kept = Kept {
                            id,
                            password,
                            place,
                        };
                        self.sessions.insert(number, kept);
                        if self.ensemble {
                            let bytes = conn.fence(true);
                            conn.link.send(&bytes);
                            self.hear(number, false, out)?;
                        }
                    }
                    None => self.hear(number, true, out)?,
                }
            }
            Heard::Closed(rest) => {
                self.conns.remove(&number);
                out.push((number, Item::Closed(rest)));
            }
            Heard::Silence => out.push((number, Item::Silence)),
        }
        Ok(())
    }

    /// Hears everything up to the fence, or the end.
    fn hear(&mut self, number: u8, may_close: bool, out: &mut Heards) -> Result<()> {
        let Some(conn) = self.conns.get_mut(&number) else {
            out.push((number, Item::Closed(Vec::new())));
            return Ok(());
        };
        let mut limit = if may_close { CLOSE_LIMIT } else { ANSWER_LIMIT };
        let mut fenced = !may_close;
        loop {
            match conn.link.hear(limit)? {
                Heard::Frame(frame) => match conn.item(&frame, &mut self.known) {
                    Some(Item::Applied(zxid)) => {
                        out.push((number, Item::Applied(zxid)));
                        return Ok(());
                    }
                    Some(item) => out.push((number, item)),
                    None => {}
                },
                Heard::Closed(rest) => {
                    out.push((number, Item::Closed(rest)));
                    break;
                }
                Heard::Silence if fenced => {
                    out.push((number, Item::Silence));
                    break;
                }
                // It did not close; then it answers a ping.
                Heard::Silence if conn.greeted => {
                    let bytes = conn.fence(false);
                    conn.link.send(&bytes);
                    fenced = true;
                    limit = ANSWER_LIMIT;
                }
                Heard::Silence => {
                    out.push((number, Item::Silence));
                    return Ok(());
                }
            }
        }
        self.conns.remove(&number);
        Ok(())
    }

    fn until(&mut self, number: u8, request: &Request, error: i32, out: &mut Heards) -> Result<()> {
        let until = Instant::now() + UNTIL_LIMIT;
        loop {
            let mut heard = Vec::new();
            // How often it is asked must not show in later numbers.
            self.send(number, &[request.clone().xid(UNTIL_XID)]);
            self.hear(number, request.may_close(), &mut heard)?;
            let wanted = Value::Number(error.into());
            let mut reached = false;
            for (number, item) in heard {
                if let Item::Reply(_, fields) = &item {
                    reached |= fields.contains(&("err", wanted.clone()));
                } else if !matches!(item, Item::Applied(_)) {
                    out.push((number, item));
                }
            }
            if reached {
                out.push((number, Item::Reached));
                return Ok(());
            }
            if Instant::now() > until || !self.conns.contains_key(&number) {
                out.push((number, Item::Silence));
                return Ok(());
            }
            std::thread::sleep(UNTIL_PAUSE);
        }
    }

    /// Hears the reply to a sasl request; its token is given back, not compared.
    fn token(&mut self, number: u8, out: &mut Heards) -> Result<Vec<u8>> {
        let mut heard = Vec::new();
        self.hear(number, true, &mut heard)?;
        let mut token = Vec::new();
        for (number, mut item) in heard {
            if let Item::Reply(op::SASL, fields) = &mut item
                && let Some(("token", Value::Bytes(Some(bytes)))) = fields.last()
            {
                token.clone_from(bytes);
                let shape = Value::Mapped(login::shape(&token));
                fields.pop();
                fields.push(("token", shape));
            }
            out.push((number, item));
        }
        Ok(token)
    }
}

impl Conn {
    fn fence(&mut self, sync: bool) -> Vec<u8> {
        let frame = Frame {
            prefix: "",
            base: 0,
        };
        let mut bytes = Vec::new();
        if sync {
            self.awaiting.push((FENCE_SYNC_XID, FENCE_SYNC));
            bytes.extend_from_slice(&super::ops::sync("/").encode(FENCE_SYNC_XID, frame));
        }
        self.awaiting.push((-2, FENCE));
        bytes.extend_from_slice(&super::ops::ping().encode(-2, frame));
        bytes
    }

    /// What a frame is; nothing for the answer to our own sync.
    fn item(&mut self, frame: &[u8], known: &mut Known) -> Option<Item> {
        let mut cursor = Cursor::new(frame);
        let (Some(xid), Some(_zxid)) = (cursor.int(), cursor.long()) else {
            return Some(Item::Stray(frame.to_vec()));
        };
        let position = self
            .awaiting
            .iter()
            .position(|(awaited, _)| *awaited == xid);
        let Some(position) = position else {
            return Some(match xid {
                -1 => Item::Event(reply::event(frame, known)),
                _ => Item::Stray(frame.to_vec()),
            });
        };
        let (_, op) = self.awaiting.remove(position);
        match op {
            FENCE_SYNC => None,
            FENCE => {
                let fields = reply::reply(op::PING, frame, known);
                let zxid = fields.into_iter().nth(1);
                Some(Item::Applied(zxid.map_or(Value::Number(-1), |(_, v)| v)))
            }
            op => Some(Item::Reply(op, reply::reply(op, frame, known))),
        }
    }
}

fn own(step: &Step) -> Option<u8> {
    match step {
        Step::Open(conn, ..)
        | Step::Tcp(conn, _)
        | Step::Send(conn, _)
        | Step::Raw(conn, _)
        | Step::Until(conn, ..)
        | Step::Login(conn, _) => Some(*conn),
        Step::Drop(_) | Step::Word(..) | Step::Pause(_) | Step::Cut => None,
    }
}

/// What `srvr` tells once it tells the same for a while: it may be a transaction late.
fn standing_zxid(address: SocketAddr) -> Result<i64> {
    let (mut last, mut since) = (None, Instant::now());
    loop {
        let text = four_letter::ask(address, "srvr")?;
        let zxid = text.lines().find_map(|line| line.strip_prefix("Zxid: 0x"));
        let zxid = zxid.with_context(|| format!("no Zxid in {text:?}"))?;
        let zxid = i64::from_str_radix(zxid.trim(), 16)?;
        if last.replace(zxid) != Some(zxid) {
            since = Instant::now();
        }
        if since.elapsed() > STANDS {
            return Ok(zxid);
        }
        std::thread::sleep(UNTIL_PAUSE);
    }
}

/// Hears plain text up to its end.
fn text(link: &mut Link) -> Result<Item> {
    Ok(match link.hear(ANSWER_LIMIT)? {
        Heard::Closed(text) => Item::Text(text),
        Heard::Frame(frame) => Item::Stray(frame),
        Heard::Silence => Item::Silence,
    })
}

/// Takes a connect response apart; also the session, when there is one.
fn greeting(frame: &[u8], known: &mut Known) -> (Item, Option<(i64, Vec<u8>)>) {
    if !GREETING_LENGTHS.contains(&frame.len()) {
        return (Item::Reply(FENCE, reply::reply(FENCE, frame, known)), None);
    }
    let mut cursor = Cursor::new(frame);
    let mut fields = Vec::new();
    let mut session = None;
    let mut read = || -> Option<()> {
        fields.push(("version", Value::Number(cursor.int()?.into())));
        fields.push(("timeOut", Value::Number(cursor.int()?.into())));
        let id = cursor.long()?;
        fields.push(("session", known.session(id)));
        let password = cursor.bytes()??;
        let word = if id != 0 && password == Known::password(id) {
            session = Some((id, password));
            Value::Mapped("its password".to_owned())
        } else {
            Value::Bytes(Some(password))
        };
        fields.push(("password", word));
        Some(())
    };
    let _read_whole: Option<()> = read();
    fields.push(("rest", Value::Rest(cursor.rest().to_vec())));
    (Item::Greeting(fields), session)
}
