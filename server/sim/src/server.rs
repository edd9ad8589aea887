//! One server: the shipped core on the shipped storage on a simulated disk, and the shell around
//! them, which does what the real one does with sockets, threads and files.
//!
//! The shell's contract with the core is in `zk_core::io`. A paused server (SIGSTOP) handles nothing;
//! what comes for it waits, as the kernel would keep it.

use std::collections::VecDeque;

use bytes::Bytes;
use zk_core::{
    AuthSettings, Configs, HoldSettings, NodeKinds, Now, Peer, PeerConfig, ReconfigSettings,
    SessionKinds,
};
use zk_storage::Storage;
use zk_wire::Sid;
use zk_wire::membership::{Membership, Role, ServerSpec};

use crate::context::Context;
use crate::disk::{Crash, DiskQueue, open_storage, recover, recover_without};
use crate::fs::SimFs;
use crate::invariants::{Verdict, Violation};
use crate::net::Host;
use crate::ports::Ports;
use crate::queue::Us;
use crate::world::Event;

/// The wall clock at the start of a run, ms since the Unix epoch.
const WALL_START_MS: i64 = 1_700_000_000_000;

/// The process of a server.
pub(crate) struct Process {
    pub peer: Peer,
    pub storage: Storage<SimFs>,
    pub disk: DiskQueue,
    pub ports: Ports,
    /// When a tick is scheduled.
    tick_at: Option<Us>,
}

/// A machine with a disk, and a process on it when it runs.
pub(crate) struct Server {
    pub sid: u8,
    pub fs: SimFs,
    pub process: Option<Box<Process>>,
    /// Counts the starts: what was meant for an earlier process is void.
    pub incarnation: u64,
    pub paused: bool,
    held: VecDeque<Event>,
    /// The configs on the disk; none: those of the file that it was set up with.
    pub configs: Option<Configs>,
    /// This machine's monotonic clock ahead of the world's, ms.
    mono_offset_ms: u64,
    /// This machine's wall clock ahead of the world's, ms.
    wall_offset_ms: i64,
}

/// What the file of a server says before anything was reconfigured: the first voters and observers,
/// and in that of one that is to join later, those who are to join, too.
fn membership(cx: &Context, sid: u8) -> Membership {
    let voters = cx.params.servers;
    let first = voters + cx.params.observers;
    let servers = if sid <= first {
        first
    } else {
        cx.params.all_servers()
    };
    let observes = |sid: u8| sid > voters && sid <= first;
    let spec = |sid: u8| ServerSpec {
        host: format!("s{sid}"),
        quorum_port: 2888,
        election_port: 3888,
        role: if observes(sid) {
            Role::Observer
        } else {
            Role::Participant
        },
        client: None,
    };
    Membership {
        version: 0,
        servers: (1..=servers)
            .map(|sid| (Sid(i64::from(sid)), spec(sid)))
            .collect(),
        ..Membership::default()
    }
}

fn settings(cx: &Context, server: &Server, bugs: zk_core::Bugs) -> PeerConfig {
    let (sid, incarnation) = (server.sid, server.incarnation);
    let (committed, proposed) = match &server.configs {
        Some(configs) => (configs.committed.clone(), configs.proposed.clone()),
        None => (membership(cx, sid), None),
    };
    let tick_ms = cx.params.tick_ms;
    let times = |n: u64| i32::try_from(tick_ms * n).unwrap_or(i32::MAX);
    PeerConfig {
        sid: Sid(i64::from(sid)),
        membership: Some(committed),
        joining: None,
        proposed,
        tick_ms,
        init_limit: 10,
        sync_limit: 5,
        session_timeout_min_ms: times(2),
        session_timeout_max_ms: times(20),
        snap_count: cx.params.snap_count,
        snap_bytes: 1 << 22,
        history_len: cx.params.history_len,
        // As a clock would: never the same at two starts.
        seed: cx.now_ms() + incarnation * 1_000_003 + 1,
        auth: AuthSettings {
            skip_acl: cx.params.reconfigs,
            ..AuthSettings::default()
        },
        sessions: SessionKinds {
            local: cx.params.local_sessions,
            local_upgrading: cx.params.local_sessions,
            read_only_mode: cx.params.read_only,
        },
        kinds: NodeKinds {
            container_check_interval_ms: 700,
            ..NodeKinds::default()
        },
        audit: false,
        roll_over_at: cx.params.roll_over_at,
        observer_masters: cx.params.observer_masters,
        hand_over: !cx.params.without_hand_over.contains(&sid),
        hold: HoldSettings {
            time_max_ms: cx.params.hold_ms,
            ..HoldSettings::default()
        },
        reconfig: ReconfigSettings {
            first_version: cx.params.first_version,
            ..ReconfigSettings::default()
        },
        bugs,
    }
}

impl Server {
    pub(crate) fn new(cx: &mut Context, sid: u8) -> Self {
        Self {
            sid,
            fs: SimFs::new(),
            process: None,
            incarnation: 0,
            paused: false,
            held: VecDeque::new(),
            configs: None,
            mono_offset_ms: cx.dice.between(0, 1_000_000),
            wall_offset_ms: i64::try_from(cx.dice.between(0, 4_000)).unwrap_or(0) - 2_000,
        }
    }

    pub(crate) fn host(&self) -> Host {
        Host::Server(self.sid)
    }

    pub(crate) fn now(&self, cx: &Context) -> Now {
        let now_ms = cx.clock_ms(self.sid);
        let wall = i64::try_from(now_ms).unwrap_or(i64::MAX);
        Now {
            mono: zk_core::Mono::from_ms(now_ms + self.mono_offset_ms),
            wall_ms: WALL_START_MS + wall + self.wall_offset_ms,
        }
    }

    /// Starts the process: recovers what the disk has and begins to look for a leader.
    pub(crate) fn start(&mut self, cx: &mut Context, bugs: zk_core::Bugs) -> Verdict {
        if self.process.is_some() {
            return Ok(());
        }
        cx.net.power_on(self.host());
        self.incarnation += 1;
        let failed = |why: String| Violation {
            invariant: "storage",
            detail: format!("server {} does not start: {why}", self.sid),
        };
        let mut storage = open_storage(self.fs.clone(), &cx.params).map_err(failed)?;
        let recovery = match recover(&mut storage) {
            Err(damage)
                if damage.is_damage() && cx.checks.durability.lost().contains(&self.sid) =>
            {
                cx.checks.durability.forget(self.sid);
                cx.checks.epochs.forget_current(self.sid);
                recover_without(&mut storage)
            }
            other => other,
        };
        let recovery = recovery.map_err(|why| failed(why.to_string()))?;
        let end = recovery.database.last_applied();
        let (accepted, current) = (recovery.accepted_epoch, recovery.current_epoch);
        let checks = &mut cx.checks;
        checks.epochs.accepted(self.sid, accepted)?;
        checks.epochs.current(self.sid, current)?;
        checks
            .durability
            .recovered(self.sid, end, &checks.history)?;
        checks.history.set_log_end(self.sid, end);
        checks
            .history
            .digest_is(self.sid, end, recovery.database.digest())?;
        checks.total_order.starts_at(self.sid, end);
        let now = self.now(cx);
        cx.trace.note(
            cx.q.now(),
            "start",
            u64::from(self.sid),
            &end.as_u64().to_le_bytes(),
            || format!("at {end}, epochs {accepted} {current}"),
        );
        let config = settings(cx, self, bugs);
        let version = config.membership.as_ref().map_or(0, |m| m.version);
        cx.checks.configs.started(self.sid, version);
        self.process = Some(Box::new(Process {
            peer: Peer::new(config, recovery, now),
            storage,
            disk: DiskQueue::default(),
            ports: Ports::default(),
            tick_at: None,
        }));
        cx.up.insert(self.sid);
        for other in 1..=cx.params.all_servers() {
            let (from, to) = (Host::Server(other), self.host());
            cx.net.mail_reconnect(&mut cx.q, &mut cx.dice, from, to);
        }
        self.run(cx, |peer, now, out| peer.start(now, out))
    }

    /// Ends the process. With the power goes what the disk did not have.
    pub(crate) fn crash(&mut self, cx: &mut Context, crash: Crash) {
        let Some(process) = self.process.take() else {
            // The page cache outlived the process, and goes now.
            if crash == Crash::Power {
                cx.net.power_off(self.host());
                self.fs.lose_power(&mut cx.dice);
            }
            return;
        };
        cx.trace
            .note(cx.q.now(), "crash", u64::from(self.sid), &[], || {
                format!("{crash:?}")
            });
        if let Some(to) = process.disk.cut_under_way() {
            cx.checks.durability.cutting(self.sid, to);
        }
        drop(process);
        cx.checks.counts.crashes += 1;
        cx.up.remove(&self.sid);
        cx.ports.remove(&self.sid);
        cx.masters.remove(&self.sid);
        cx.checks.serving.remove(&self.sid);
        self.held.clear();
        self.paused = false;
        self.fs.disarm();
        match crash {
            Crash::Process => {
                let host = self.host();
                cx.net.process_died(&mut cx.q, &mut cx.dice, host);
            }
            Crash::Power => {
                cx.net.power_off(self.host());
                self.fs.lose_power(&mut cx.dice);
            }
        }
    }

    /// Continues after a pause with everything that came in the meantime.
    pub(crate) fn resume(&mut self, cx: &mut Context) {
        if std::mem::take(&mut self.paused) {
            cx.q.first(std::mem::take(&mut self.held).into_iter());
        }
    }

    /// Keeps an event back while the process is paused.
    pub(crate) fn hold(&mut self, event: Event) -> Option<Event> {
        if self.paused {
            self.held.push_back(event);
            return None;
        }
        Some(event)
    }

    /// Whether the process of this number is still there.
    pub(crate) fn is(&self, incarnation: u64) -> bool {
        self.incarnation == incarnation && self.process.is_some()
    }

    /// Something happens to the process; tells whether that was its end.
    pub(crate) fn happens(
        &mut self,
        cx: &mut Context,
        event: Event,
    ) -> Result<Option<Crash>, Violation> {
        match event {
            Event::MailArrive { from, message, .. } => {
                if !cx.net.is_blocked(Host::Server(from), self.host()) && self.process.is_some() {
                    self.mail(cx, from, message)?;
                }
            }
            Event::Dial(dial) => self.dial(cx, dial)?,
            Event::Dialed { link, stream, .. } => self.dialed(cx, link, stream)?,
            Event::Accepted { stream, from, .. } => self.accepted(cx, stream, from)?,
            Event::Tick { .. } => self.tick(cx)?,
            Event::HandOver {
                to, patience_ms, ..
            } => {
                let input = zk_core::Input::HandOver {
                    to: to.map(|sid| Sid(i64::from(sid))),
                    patience_ms,
                    cause: zk_core::ElectionCause::HandOver,
                };
                self.run(cx, |peer, now, out| peer.handle(now, input, out))?;
            }
            Event::DiskEnd { .. } => return self.disk_end(cx),
            Event::SnapshotJob { job, .. } => return self.snapshot_job(cx, job),
            Event::Arrive { .. }
            | Event::Release { .. }
            | Event::MailPump { .. }
            | Event::ClientWake { .. }
            | Event::Start { .. }
            | Event::Resume { .. }
            | Event::Fault
            | Event::DiskFault
            | Event::DiskFaultOf { .. }
            | Event::Kill { .. }
            | Event::Blackout
            | Event::Story
            | Event::Cut { .. }
            | Event::Look { .. }
            | Event::LookedEnough
            | Event::LeaderGoes { .. }
            | Event::Heal { .. }
            | Event::QuickDisk { .. } => {}
        }
        Ok(None)
    }

    /// Lets the core do something and carries out what it wants.
    pub(crate) fn run(
        &mut self,
        cx: &mut Context,
        act: impl FnOnce(&mut Peer, Now, &mut zk_core::Outputs),
    ) -> Verdict {
        let now = self.now(cx);
        let (sid, incarnation) = (self.sid, self.incarnation);
        let Some(process) = &mut self.process else {
            return Ok(());
        };
        let mut out = Vec::new();
        act(&mut process.peer, now, &mut out);
        let writes = out
            .iter()
            .any(|o| matches!(o, zk_core::Output::Disk { .. }));
        if cx.checks.durability.lost().contains(&sid) && !writes && process.is_level(cx) {
            cx.checks.durability.found_again(sid);
        }
        process.carry_out(cx, sid, incarnation, out)?;
        process.kick_disk(cx, sid, incarnation)?;
        process.schedule_tick(cx, sid, incarnation, self.mono_offset_ms);
        Ok(())
    }

    /// A scheduled tick.
    pub(crate) fn tick(&mut self, cx: &mut Context) -> Verdict {
        let due = {
            let offset = self.mono_offset_ms;
            let now_ms = cx.clock_ms(self.sid);
            let Some(process) = &mut self.process else {
                return Ok(());
            };
            process.tick_at = None;
            let deadline = process.peer.deadline();
            deadline.is_some_and(|at| at.as_ms() <= now_ms + offset)
        };
        self.run(cx, |peer, now, out| {
            if due {
                peer.handle(now, zk_core::Input::Tick, out);
            }
        })
    }

    /// A message came on the election port.
    pub(crate) fn mail(&mut self, cx: &mut Context, from: u8, message: Bytes) -> Verdict {
        let notification =
            zk_wire::election::Notification::decode(message).map_err(|why| Violation {
                invariant: "wire",
                detail: format!("a notification does not decode: {why}"),
            })?;
        let from = Sid(i64::from(from));
        self.run(cx, |peer, now, out| {
            let input = zk_core::Input::Notification { from, notification };
            peer.handle(now, input, out);
        })
    }
}

impl Process {
    /// Whether everything that a leader sent is on disk.
    fn is_level(&self, cx: &Context) -> bool {
        let status = self.peer.status();
        let nothing = !cx.checks.history.is_there_before(status.epoch);
        let has_some = nothing || status.zxid_logged > zk_wire::Zxid::ZERO;
        self.disk.is_idle() && status.has_vote && has_some
    }

    fn schedule_tick(&mut self, cx: &mut Context, sid: u8, incarnation: u64, offset_ms: u64) {
        let Some(deadline) = self.peer.deadline() else {
            return;
        };
        let at = cx.when_clock_shows(sid, deadline.as_ms().saturating_sub(offset_ms));
        // A deadline that stays in the past must not stop the clock.
        let at = at.max(cx.q.now() + 100);
        if self.tick_at.is_none_or(|scheduled| at < scheduled) {
            self.tick_at = Some(at);
            cx.q.at(at, Event::Tick { sid, incarnation });
        }
    }
}
