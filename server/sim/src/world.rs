//! A whole ensemble with its clients, one event after the other.
//!
//! A run has four parts: faults; then everything is healed and must recover; then the clients fall
//! silent and all servers must come to rest in the same state; then the tree is read back from each
//! server and compared with the history.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use zk_core::{Bugs, LinkId};
use zk_wire::SessionId;
use zk_wire::client::Request;

use crate::checks::Checks;
use crate::client::Client;
use crate::context::Context;
use crate::invariants::convergence::{self, AtRest};
use crate::invariants::{Verdict, Violation, ensure};
use crate::net::{End, Host, Net, Piece, StreamId};
use crate::ports::Dial;
use crate::queue::{Queue, Us};
use crate::seed::{Dice, Parameters, RunConfig};
use crate::server::Server;
use crate::trace::Trace;
use crate::workload::{Mode, Workload};

/// Faults end after this much virtual time even if few events happened.
const FAULTS_MAX_US: Us = 60_000_000;

/// How long clients go on after the ensemble recovered, us.
const CALM_US: Us = 1_500_000;

/// How long it takes until sessions without a client are gone, us: the longest time-out, an
/// election, and slack for detection.
const REST_US: Us = 6_000_000;

/// Bound of the last look at each server, us.
const LOOK_US: Us = 5_000_000;

/// Something that happens.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// Bytes or the end of a stream reach one side.
    Arrive {
        stream: StreamId,
        to: End,
        piece: Piece,
    },
    /// The oldest piece that a partition held back reaches one side.
    Release { stream: StreamId, to: End },
    /// The election port of one server tries to send to another.
    MailPump { from: u8, to: u8 },
    /// An election message arrives.
    MailArrive { from: u8, to: u8, message: Bytes },
    /// A server attempts to reach its leader.
    Dial(Dial),
    /// It did.
    Dialed {
        sid: u8,
        incarnation: u64,
        link: LinkId,
        stream: StreamId,
    },
    /// A server takes a connection.
    Accepted {
        sid: u8,
        stream: StreamId,
        from: Host,
    },
    /// A server's timer.
    Tick { sid: u8, incarnation: u64 },
    /// A server's disk is done with what it was doing.
    DiskEnd { sid: u8, incarnation: u64 },
    /// A snapshot beside the log is due.
    SnapshotJob { sid: u8, incarnation: u64, job: u64 },
    /// A client's turn.
    ClientWake { client: u8, wake: u64 },
    /// A process starts.
    Start { sid: u8 },
    /// A paused process goes on.
    Resume { sid: u8 },
    /// The next fault is due.
    Fault,
    /// The next fault of a disk is due.
    DiskFault,
    /// The disk of this server is lost.
    DiskFaultOf { sid: u8 },
    /// All machines lose power.
    Blackout,
    /// The next story of several faults is due.
    Story,
    /// A partition begins.
    Cut { ways: Vec<(Host, Host)>, us: Us },
    /// The clients of a server only look from here on.
    Look { at: u8 },
    /// They do anything again.
    LookedEnough,
    /// Whoever leads dies, or passes on the lead.
    LeaderGoes { dies: bool },
    /// A partition heals.
    Heal { ways: Vec<(Host, Host)> },
    /// A disk is as quick as before.
    QuickDisk { sid: u8 },
    /// A server is told to pass on the lead.
    HandOver {
        sid: u8,
        to: Option<u8>,
        patience_ms: u64,
    },
    /// kill -9 of one server.
    Kill { sid: u8 },
}

/// The world.
pub(crate) struct World {
    pub cx: Context,
    pub(crate) servers: BTreeMap<u8, Server>,
    pub(crate) clients: BTreeMap<u8, Client>,
    bugs: Bugs,
    steps: u64,
    /// Partitions in force.
    pub(crate) partitions: Vec<Vec<(Host, Host)>>,
    /// For stories of several faults.
    pub(crate) story_dice: Dice,
    /// Until then a story is told, and no other fault happens.
    pub(crate) calm_until: Us,
}

impl World {
    pub(crate) fn new(config: &RunConfig) -> Self {
        let mut dice = Dice::new(config.seed);
        let params = Parameters::draw(config, &mut dice);
        let servers = params.servers;
        let mut cx = Context {
            q: Queue::new(),
            net: Net::new(params.delay_us),
            checks: Checks::new(usize::from(servers), config.effects_only),
            trace: Trace::new(config.trace),
            dice,
            disk_dice: Parameters::disk_dice(config.seed),
            params,
            up: BTreeSet::new(),
            ports: BTreeSet::new(),
            masters: BTreeSet::new(),
            slow_disks: BTreeMap::new(),
            faults: true,
            blackout_armed: false,
        };
        let local_sessions = cx.params.local_sessions;
        cx.checks.sessions_begin_locally(local_sessions);
        let numbers_anew = cx.params.numbers_anew;
        cx.checks.clients_number_anew(numbers_anew);
        let all = cx.params.all_servers();
        let servers = (1..=all)
            .map(|sid| (sid, Server::new(&mut cx, sid)))
            .collect();
        let wide = cx.params.wide_workload;
        let mut clients: BTreeMap<u8, Client> = (1..=cx.params.clients)
            .map(|id| {
                let timeout = i32::try_from(cx.dice.between(400, 1_600)).unwrap_or(400);
                (id, Client::new(id, timeout, Workload::random(wide), None))
            })
            .collect();
        if cx.params.reconfigs {
            let id = cx.params.clients + 1;
            let client = Client::new(id, 1_000, Workload::reconfigs(all), None);
            clients.insert(id, client);
        }
        Self {
            cx,
            servers,
            clients,
            bugs: config.bugs,
            steps: config.steps,
            partitions: Vec::new(),
            story_dice: Parameters::story_dice(config.seed),
            calm_until: 0,
        }
    }

    /// The whole run.
    pub(crate) fn run(&mut self) -> Verdict {
        for sid in self.sids() {
            let pause = self.cx.dice.between(0, 200_000);
            self.cx.q.after(pause, Event::Start { sid });
        }
        let ids: Vec<u8> = self.clients.keys().copied().collect();
        for client in ids {
            let event = Event::ClientWake { client, wake: 0 };
            self.cx.q.after(50_000, event);
        }
        self.cx.q.after(400_000, Event::Fault);
        if self.cx.params.disk_faults {
            for server in self.servers.values() {
                server.fs.put("/data/initialize", b"");
            }
            self.cx.q.after(900_000, Event::DiskFault);
        }
        if self.cx.params.stories {
            self.cx.q.after(1_200_000, Event::Story);
        }
        while self.cx.checks.counts.steps < self.steps && self.cx.q.now() < FAULTS_MAX_US {
            self.step()?;
        }
        self.heal();
        while !self.cx.checks.liveness.recovered() {
            self.step()?;
            let (servers, clients) = (&self.servers, &self.clients);
            let now = self.cx.q.now();
            self.cx
                .checks
                .liveness
                .check(now, || picture(servers, clients))?;
        }
        self.pass(CALM_US)?;
        self.rest()?;
        self.look()
    }

    pub(crate) fn sids(&self) -> Vec<u8> {
        self.servers.keys().copied().collect()
    }

    fn pass(&mut self, us: Us) -> Verdict {
        let end = self.cx.q.now() + us;
        while self.cx.q.now() < end {
            self.step()?;
        }
        Ok(())
    }

    /// The faults are over: all servers run, all ways are free.
    fn heal(&mut self) {
        let now = self.cx.q.now();
        self.cx
            .trace
            .note(now, "healed", 0, &[], || "the faults are over".into());
        self.cx.faults = false;
        self.cx.blackout_armed = false;
        self.cx.slow_disks.clear();
        for ways in std::mem::take(&mut self.partitions) {
            self.unblock(&ways);
        }
        for sid in self.sids() {
            if let Some(server) = self.servers.get_mut(&sid) {
                server.resume(&mut self.cx);
                if server.process.is_none() {
                    let pause = self.cx.dice.between(0, 100_000);
                    self.cx.q.after(pause, Event::Start { sid });
                }
            }
        }
        self.cx.checks.liveness.healed(now);
    }

    /// Everybody falls silent, and all servers come to the same state.
    fn rest(&mut self) -> Verdict {
        for client in self.clients.values_mut() {
            client.workload.set_mode(Mode::Quiet);
        }
        self.pass(REST_US)?;
        let last = self.cx.checks.history.last_committed();
        let at_rest: Vec<AtRest> = self
            .servers
            .values()
            .filter_map(|server| {
                let status = server.process.as_ref()?.peer.status();
                Some(AtRest {
                    sid: server.sid,
                    serving: status.serving,
                    applied: status.zxid_applied,
                    digest: status.digest,
                    sessions: status.sessions,
                    digest_mismatches: status.digest_mismatches,
                })
            })
            .collect();
        ensure(at_rest.len() == self.servers.len(), "convergence", || {
            format!("not all servers run: {at_rest:?}")
        })?;
        let acked = self.cx.checks.real_time.floor();
        convergence::check(&at_rest, acked, &self.cx.checks.history)?;
        convergence::check_session_tables(&at_rest, &self.cx.checks.oracle)?;
        let alive: BTreeSet<SessionId> =
            self.clients.values().filter_map(Client::session).collect();
        convergence::check_sessions(&alive, &self.cx.checks.oracle)?;
        ensure(
            self.cx.checks.history.is_committed(last),
            "convergence",
            || format!("{last} is gone"),
        )
    }

    /// Reads the whole tree back from each server.
    fn look(&mut self) -> Verdict {
        let mut script = vec![Request::Sync {
            path: Some("/w".into()),
        }];
        for path in self.cx.checks.oracle.paths() {
            script.push(Request::GetData {
                path: path.clone(),
                watch: false,
            });
            script.push(Request::GetChildren2 { path, watch: false });
        }
        let first = 100;
        for sid in self.sids() {
            let client = first + sid;
            let workload = Workload::script(script.clone());
            let looker = Client::new(client, 1_000, workload, Some(sid));
            self.clients.insert(client, looker);
            self.cx
                .q
                .after(1_000, Event::ClientWake { client, wake: 0 });
        }
        let end = self.cx.q.now() + LOOK_US;
        let looking = |clients: &BTreeMap<u8, Client>| {
            clients.iter().any(|(id, c)| *id >= first && !c.idle())
        };
        while looking(&self.clients) {
            self.step()?;
            ensure(self.cx.q.now() < end, "liveness", || {
                format!(
                    "the last look does not end: {}",
                    picture(&self.servers, &self.clients)
                )
            })?;
        }
        Ok(())
    }

    /// The next event.
    #[expect(clippy::too_many_lines, reason = "one arm per kind")]
    pub(crate) fn step(&mut self) -> Verdict {
        self.cx.checks.counts.steps += 1;
        let Some(event) = self.cx.q.pop() else {
            return Err(Violation {
                invariant: "liveness",
                detail: "nothing happens any more".into(),
            });
        };
        match event {
            Event::Arrive { stream, to, piece } => self.arrive(stream, to, Some(piece)),
            Event::Release { stream, to } => self.arrive(stream, to, None),
            Event::MailPump { from, to } => {
                let listening = self.cx.up.contains(&to);
                let cx = &mut self.cx;
                cx.net.pump(&mut cx.q, &mut cx.dice, (from, to), listening);
                Ok(())
            }
            Event::ClientWake { client, wake } => {
                if let Some(client) = self.clients.get_mut(&client)
                    && client.wake == wake
                {
                    client.wakes(&mut self.cx);
                }
                Ok(())
            }
            Event::Start { sid } => {
                let bugs = self.bugs;
                match self.servers.get_mut(&sid) {
                    Some(server) => server.start(&mut self.cx, bugs),
                    None => Ok(()),
                }
            }
            Event::Resume { sid } => {
                if let Some(server) = self.servers.get_mut(&sid) {
                    server.resume(&mut self.cx);
                }
                Ok(())
            }
            Event::Fault => {
                self.fault();
                Ok(())
            }
            Event::DiskFaultOf { sid } => {
                self.disk_fault_of(sid);
                Ok(())
            }
            Event::DiskFault => {
                self.disk_fault();
                Ok(())
            }
            Event::Blackout => {
                self.blackout();
                Ok(())
            }
            Event::Story => {
                self.story();
                Ok(())
            }
            Event::Cut { ways, us } => {
                if self.cx.faults {
                    self.partition(ways, us);
                }
                Ok(())
            }
            Event::Look { at } => {
                self.clients_only_look(at);
                Ok(())
            }
            Event::LookedEnough => {
                self.looked_enough();
                Ok(())
            }
            Event::LeaderGoes { dies } => {
                self.leader_goes(dies);
                Ok(())
            }
            Event::Heal { ways } => {
                if let Some(at) = self.partitions.iter().position(|p| *p == ways) {
                    self.partitions.remove(at);
                    self.unblock(&ways);
                }
                Ok(())
            }
            Event::QuickDisk { sid } => {
                self.cx.slow_disks.remove(&sid);
                Ok(())
            }
            Event::Kill { sid } => {
                if self.cx.faults {
                    self.crash(sid, crate::disk::Crash::Process, None);
                }
                Ok(())
            }
            Event::HandOver { sid, .. } => self.for_server(sid, None, event),
            Event::MailArrive { to, .. } => self.for_server(to, None, event),
            Event::Accepted { sid, .. } => self.for_server(sid, None, event),
            Event::Dial(dial) => self.for_server(dial.sid, Some(dial.incarnation), event),
            Event::Dialed {
                sid, incarnation, ..
            }
            | Event::Tick { sid, incarnation }
            | Event::DiskEnd { sid, incarnation }
            | Event::SnapshotJob {
                sid, incarnation, ..
            } => self.for_server(sid, Some(incarnation), event),
        }
    }

    /// A piece arrives, or the oldest that was held back.
    fn arrive(&mut self, stream: StreamId, to: End, piece: Option<Piece>) -> Verdict {
        let cx = &mut self.cx;
        // What arrives at a paused process waits in its kernel; it is judged when it is read.
        if let Some(Host::Server(sid)) = cx.net.host(stream, to)
            && let Some(server) = self.servers.get_mut(&sid)
            && server.paused
        {
            server.hold(match piece {
                Some(piece) => Event::Arrive { stream, to, piece },
                None => Event::Release { stream, to },
            });
            return Ok(());
        }
        let arrived = match piece {
            Some(piece) => cx.net.arrive(&mut cx.q, &mut cx.dice, stream, to, piece),
            None => cx.net.release(&mut cx.q, &mut cx.dice, stream, to),
        };
        match arrived {
            Some((Host::Server(sid), piece)) => match self.servers.get_mut(&sid) {
                Some(server) => server.arrive(cx, stream, piece),
                None => Ok(()),
            },
            Some((Host::Client(id), piece)) => match (self.clients.get_mut(&id), piece) {
                (Some(client), Piece::Data(bytes)) => client.hears(cx, stream, bytes),
                (Some(client), Piece::Fin) => {
                    client.closed(cx, stream);
                    Ok(())
                }
                (None, _) => Ok(()),
            },
            None => Ok(()),
        }
    }

    /// An event for a process, if it is still the one that was meant.
    fn for_server(&mut self, sid: u8, incarnation: Option<u64>, event: Event) -> Verdict {
        let Some(server) = self.servers.get_mut(&sid) else {
            return Ok(());
        };
        if incarnation.is_some_and(|number| !server.is(number)) {
            return Ok(());
        }
        let Some(event) = server.hold(event) else {
            return Ok(());
        };
        if let Some(crash) = server.happens(&mut self.cx, event)? {
            self.crash(sid, crash, None);
        }
        Ok(())
    }
}

fn picture(servers: &BTreeMap<u8, Server>, clients: &BTreeMap<u8, Client>) -> String {
    let mut text = String::new();
    for server in servers.values() {
        let state = server.process.as_ref().map(|process| {
            let s = process.peer.status();
            format!(
                "{:?} {} leader {:?} epoch {} logged {} applied {} serving {}",
                s.state,
                s.phase.name(),
                s.leader,
                s.epoch,
                s.zxid_logged,
                s.zxid_applied,
                s.serving
            )
        });
        text.push_str(&format!("\n  server {}: {state:?}", server.sid));
    }
    for client in clients.values() {
        text.push_str(&format!("\n  {}", client.picture()));
    }
    text
}
