//! The task behind a [`super::Client`]: finds a server, keeps the session, and goes to the next
//! server when the connection breaks (`org.apache.zookeeper.ClientCnxn`).

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{debug, warn};
use zk_wire::client::{
    ConnectRequest, ConnectResponse, ErrorCode, EventKind, ReplyHeader, Request, Response,
    WatcherEvent, event,
};
use zk_wire::jute::Reader;
use zk_wire::{Xid, Zxid};

use super::connection::Connection;
use super::error::{ClientError, code};
use super::transport;
use super::watches::{Removed, Watches, left_by};
use super::{Call, Effect, Notice, Options, Sent, State, Status};

/// Numbers that mean something else than a request of a caller (`ClientCnxn`).
mod xid {
    use zk_wire::Xid;

    pub(super) const PING: Xid = Xid(-2);
    pub(super) const AUTH: Xid = Xid(-4);
    pub(super) const SET_WATCHES: Xid = Xid(-8);
}

/// Requests that may be under way at once.
const UNDER_WAY_MAX: usize = 1000;

/// Between two rounds over all servers.
const ROUND_PAUSE: Duration = Duration::from_millis(500);

/// Least time for an attempt to connect.
const DIAL_MIN: Duration = Duration::from_millis(1000);

/// Why a connection is left.
enum End {
    /// It broke: on to the next server.
    Broken(io::Error),
    /// The session is over.
    Over(State),
}

impl From<io::Error> for End {
    fn from(why: io::Error) -> Self {
        Self::Broken(why)
    }
}

pub(super) struct Session {
    options: Options,
    calls: mpsc::Receiver<Call>,
    notices: mpsc::Sender<Notice>,
    status: watch::Sender<Status>,
    /// As the last server granted it.
    granted: Option<ConnectResponse>,
    seen: Zxid,
    next_xid: i32,
    under_way: VecDeque<Sent>,
    identities: Vec<Request>,
    watches: Watches,
    /// Which server is next.
    turn: usize,
    /// What was last said about servers that do not answer, so that it is not said again and again.
    complaint: String,
}

impl Session {
    pub(super) fn new(
        options: Options,
        calls: mpsc::Receiver<Call>,
        notices: mpsc::Sender<Notice>,
        status: watch::Sender<Status>,
    ) -> Self {
        // Clients spread over the servers: each begins with another one.
        let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let turn = clock.map_or(0, |now| now.subsec_micros() as usize);
        Self {
            options,
            calls,
            notices,
            status,
            granted: None,
            seen: Zxid::ZERO,
            next_xid: 1,
            under_way: VecDeque::new(),
            identities: Vec::new(),
            watches: Watches::default(),
            turn,
            complaint: String::new(),
        }
    }

    /// Runs until the session is over or the client is dropped.
    pub(super) async fn run(mut self) {
        let over = loop {
            if self.calls.is_closed() && self.calls.is_empty() {
                return;
            }
            let connection = match self.find_server().await {
                Ok(connection) => connection,
                Err(over) => break over,
            };
            let end = self.serve(connection).await;
            let lost = |call: Call| drop(call.answer.send(Err(connection_loss())));
            self.under_way.drain(..).for_each(|sent| lost(sent.call));
            match end {
                End::Broken(why) => {
                    debug!("connection lost: {why}");
                    self.enter(State::Connecting, Some("Disconnected")).await;
                }
                End::Over(state) => break state,
            }
        };
        let word = match over {
            State::Expired => "Expired",
            State::AuthFailed => "AuthFailed",
            State::Closed | State::Connecting | State::Connected | State::ConnectedReadOnly => {
                "Closed"
            }
        };
        self.enter(over, Some(word)).await;
    }

    /// Tries one server after the other until one takes the session.
    async fn find_server(&mut self) -> Result<Connection, State> {
        loop {
            for _ in 0..self.options.connect.servers.len() {
                match self.try_next().await {
                    Ok((connection, granted)) => {
                        if granted.timeout_ms <= 0 {
                            return Err(State::Expired);
                        }
                        let read_only = granted.read_only == Some(true);
                        self.granted = Some(granted);
                        let (state, word) = if read_only {
                            (State::ConnectedReadOnly, "ConnectedReadOnly")
                        } else {
                            (State::Connected, "SyncConnected")
                        };
                        self.enter(state, Some(word)).await;
                        return Ok(connection);
                    }
                    Err(why) => self.complain(why),
                }
            }
            // Nobody is there: who waits is told so, and may ask again.
            while let Ok(call) = self.calls.try_recv() {
                if call.effect == Effect::Close {
                    drop(call.answer.send(Ok(Response::Empty)));
                    return Err(State::Closed);
                }
                drop(call.answer.send(Err(connection_loss())));
            }
            if self.calls.is_closed() {
                return Err(State::Closed);
            }
            sleep(ROUND_PAUSE).await;
        }
    }

    async fn try_next(&mut self) -> Result<(Connection, ConnectResponse), String> {
        let servers = &self.options.connect.servers;
        let server = servers
            .iter()
            .cycle()
            .nth(self.turn % servers.len().max(1))
            .ok_or("no servers")?;
        self.turn = self.turn.wrapping_add(1);
        let share = self.options.timeout / u32::try_from(servers.len()).unwrap_or(u32::MAX);
        let limit = share.max(DIAL_MIN);
        let stream = transport::dial(server, self.options.tls.as_ref(), limit);
        let at = |why: io::Error| format!("{server}: {why}");
        let stream = stream.await.map_err(at)?;
        let password = self.granted.as_ref().map_or([0; 16], |g| g.password);
        let request = ConnectRequest {
            last_zxid_seen: self.seen,
            timeout_ms: i32::try_from(self.options.timeout.as_millis()).unwrap_or(i32::MAX),
            session: self.granted.as_ref().map(|g| g.session),
            password: Bytes::copy_from_slice(&password),
            read_only: Some(self.options.read_only),
        };
        let opened = Connection::open(stream, &request);
        match tokio::time::timeout(limit, opened).await {
            Ok(opened) => opened.map_err(at),
            Err(_) => Err(format!(
                "{server}: no answer within {} ms",
                limit.as_millis()
            )),
        }
    }

    fn complain(&mut self, why: String) {
        if self.complaint != why {
            warn!("{why}");
            self.complaint = why;
        }
    }

    /// Uses a connection until it breaks or the session is over.
    async fn serve(&mut self, mut connection: Connection) -> End {
        match self.converse(&mut connection).await {
            Ok(state) => End::Over(state),
            Err(end) => end,
        }
    }

    async fn converse(&mut self, connection: &mut Connection) -> Result<State, End> {
        let granted = self.granted.as_ref().map_or(0, |g| g.timeout_ms);
        let timeout = Duration::from_millis(u64::try_from(granted).unwrap_or(0));
        for identity in self.identities.clone() {
            connection
                .send(&identity.encode_with_header(xid::AUTH))
                .await?;
        }
        if let Some(watches) = self.watches.carried(self.seen) {
            let request = Request::SetWatches(watches);
            let raw = request.encode_with_header(xid::SET_WATCHES);
            connection.send(&raw).await?;
        }
        let mut heard = Instant::now();
        let mut sent = Instant::now();
        loop {
            let room = self.under_way.len() < UNDER_WAY_MAX;
            tokio::select! {
                reply = connection.reply() => {
                    heard = Instant::now();
                    let (header, reader) = reply?;
                    if let Some(over) = self.receive(header, reader).await? {
                        return Ok(over);
                    }
                }
                call = self.calls.recv(), if room => {
                    let Some(call) = call else { return Ok(State::Closed) };
                    sent = Instant::now();
                    self.send(connection, call).await?;
                }
                () = sleep_until(sent + timeout / 3) => {
                    sent = Instant::now();
                    connection.send(&Request::Ping.encode_with_header(xid::PING)).await?;
                }
                () = sleep_until(heard + timeout * 2 / 3) => {
                    return Err(io::Error::from(io::ErrorKind::TimedOut).into());
                }
            }
        }
    }

    async fn send(&mut self, connection: &mut Connection, call: Call) -> io::Result<()> {
        if let Effect::Unwatch(what, path) = &call.effect
            && !self.watches.holds(path, *what)
        {
            let none = ClientError::Code(ErrorCode::NoWatcher.to_wire());
            drop(call.answer.send(Err(none)));
            return Ok(());
        }
        let xid = if call.effect == Effect::Identity {
            xid::AUTH
        } else {
            let xid = Xid(self.next_xid);
            self.next_xid = self.next_xid.checked_add(1).unwrap_or(1);
            xid
        };
        let raw = call.request.encode_with_header(xid);
        let op = call.request.op();
        self.under_way.push_back(Sent { xid, op, call });
        connection.send(&raw).await
    }

    /// Takes a reply or an event; gives the state in which the session ends, if it does.
    async fn receive(&mut self, header: ReplyHeader, mut r: Reader) -> io::Result<Option<State>> {
        if header.zxid > 0 {
            self.seen = self.seen.max(Zxid::from_wire(header.zxid));
        }
        if header.xid == event::EVENT_XID {
            let event = WatcherEvent::decode(&mut r).map_err(io::Error::other)?;
            self.watches.fired(event.kind, &event.path);
            self.tell(event, header.zxid).await;
            return Ok(None);
        }
        // Servers answer auth at once, all others in the order in which they came.
        let at = match header.xid {
            xid::PING | xid::SET_WATCHES => return Ok(None),
            xid::AUTH => self.under_way.iter().position(|s| s.xid == xid::AUTH),
            xid => {
                let due = self.under_way.iter().position(|s| s.xid != xid::AUTH);
                let due = due.filter(|at| self.under_way.get(*at).is_some_and(|s| s.xid == xid));
                let odd = || io::Error::other(format!("a reply with the number {xid}"));
                Some(due.ok_or_else(odd)?)
            }
        };
        let Some(sent) = at.and_then(|at| self.under_way.remove(at)) else {
            // An identity that was presented again.
            return Ok((header.err != 0).then_some(State::AuthFailed));
        };
        let over = self.settle(&sent.call, header.err).await;
        let answer = if header.err == 0 {
            Response::decode(sent.op, &mut r).map_err(ClientError::Reply)
        } else {
            Err(ClientError::Code(header.err))
        };
        drop(sent.call.answer.send(answer));
        Ok(over)
    }

    /// Does what a reply brings with it.
    async fn settle(&mut self, call: &Call, err: i32) -> Option<State> {
        match &call.effect {
            Effect::Watch(kind, path) => {
                if let Some(kind) = left_by(*kind, err) {
                    self.watches.add(kind, path);
                }
            }
            Effect::Unwatch(what, path) if err == 0 => {
                for removed in self.watches.remove(path, *what) {
                    let kind = match removed {
                        Removed::Data => "DataWatchRemoved",
                        Removed::Child => "ChildWatchRemoved",
                        Removed::Persistent => "PersistentWatchRemoved",
                    };
                    let path = self.client_path(path);
                    self.notice("SyncConnected", kind, Some(path), -1).await;
                }
            }
            Effect::Identity if err != 0 => return Some(State::AuthFailed),
            Effect::Identity => self.identities.push(call.request.clone()),
            Effect::Close => return Some(State::Closed),
            Effect::Nothing | Effect::Unwatch(..) => {}
        }
        None
    }

    async fn tell(&self, event: WatcherEvent, zxid: i64) {
        let kind = match event.kind {
            EventKind::NodeCreated => "NodeCreated",
            EventKind::NodeDeleted => "NodeDeleted",
            EventKind::NodeDataChanged => "NodeDataChanged",
            EventKind::NodeChildrenChanged => "NodeChildrenChanged",
        };
        let path = self.client_path(&event.path);
        self.notice("SyncConnected", kind, Some(path), zxid).await;
    }

    /// A path as the caller knows it.
    fn client_path(&self, path: &str) -> String {
        match path.strip_prefix(&self.options.connect.chroot) {
            Some("") => "/".to_owned(),
            Some(rest) if rest.starts_with('/') => rest.to_owned(),
            Some(_) | None => path.to_owned(),
        }
    }

    async fn enter(&self, state: State, word: Option<&'static str>) {
        let session = self.granted.as_ref().map(|g| g.session);
        let changed = self.status.borrow().state != state;
        self.status.send_replace(Status { state, session });
        if let Some(word) = word.filter(|_| changed) {
            self.notice(word, "None", None, -1).await;
        }
    }

    async fn notice(
        &self,
        state: &'static str,
        kind: &'static str,
        path: Option<String>,
        zxid: i64,
    ) {
        let notice = Notice {
            state,
            kind,
            path,
            zxid,
        };
        // Nobody listens any more: nothing to tell.
        self.notices.send(notice).await.ok();
    }
}

fn connection_loss() -> ClientError {
    ClientError::Code(code::CONNECTION_LOSS)
}
