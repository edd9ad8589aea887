//! What clients ask: few nodes and many clients, so that their operations collide.
//!
//! Every value is unique (client and xid), every multi touches each path once, and no create goes
//! below an ephemeral: the invariants rely on it.

use std::collections::VecDeque;

use bytes::Bytes;
use zk_wire::client::request::{CreateOp, CreateRequest, NO_TTL, ReconfigRequest};
use zk_wire::client::{MultiOp, Request};
use zk_wire::{Acl, Id};

use crate::seed::Dice;

/// Plain nodes that are created, set and deleted all the time.
const REGISTERS: u64 = 6;

/// Watched paths per client at most.
const WATCHES_MAX: usize = 12;

/// What a client is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Anything, for as long as it lasts.
    Random,
    /// The same, but that it only looks.
    Look,
    /// Nothing but pings.
    Quiet,
    /// What it was given, then nothing.
    Script,
}

/// Source of requests.
#[derive(Debug)]
pub(crate) struct Workload {
    mode: Mode,
    script: VecDeque<Request>,
    /// Nodes to be made first; they are there for good after that.
    roots: VecDeque<Request>,
    /// Asks for reconfigurations and nothing else: of so many servers.
    reconfigs: Option<u8>,
    /// Whether it sets ACLs, uses containers and watches for good.
    wide: bool,
}

impl Workload {
    pub(crate) fn random(wide: bool) -> Self {
        Self {
            wide,
            mode: Mode::Random,
            script: VecDeque::new(),
            roots: ["/w", "/w/q", "/w/m0", "/w/m1"]
                .into_iter()
                .map(|path| create(path, 0, "", CreateOp::Create))
                .collect(),
            reconfigs: None,
        }
    }

    /// Changes the members among `servers`.
    pub(crate) fn reconfigs(servers: u8) -> Self {
        Self {
            roots: VecDeque::new(),
            reconfigs: Some(servers),
            ..Self::random(false)
        }
    }

    pub(crate) fn script(requests: impl IntoIterator<Item = Request>) -> Self {
        Self {
            mode: Mode::Script,
            script: requests.into_iter().collect(),
            roots: VecDeque::new(),
            reconfigs: None,
            wide: false,
        }
    }

    pub(crate) fn mode(&self) -> Mode {
        self.mode
    }

    pub(crate) fn set_mode(&mut self, mode: Mode) {
        self.mode = mode;
    }

    pub(crate) fn is_done(&self) -> bool {
        match self.mode {
            Mode::Random | Mode::Look => false,
            Mode::Quiet => true,
            Mode::Script => self.script.is_empty(),
        }
    }

    /// A new session begins; a script goes on where it was.
    pub(crate) fn new_session(&mut self) {
        if self.mode == Mode::Random && self.roots.is_empty() && self.reconfigs.is_none() {
            self.roots.push_back(create("/w", 0, "", CreateOp::Create));
        }
    }

    /// The next request; `None` when there is nothing to ask now.
    pub(crate) fn next(
        &mut self,
        dice: &mut Dice,
        client: u8,
        xid: i32,
        watched: usize,
    ) -> Option<Request> {
        match self.mode {
            Mode::Quiet => None,
            Mode::Look => Some(look(dice)),
            Mode::Script => self.script.pop_front(),
            Mode::Random if self.reconfigs.is_some() => {
                let servers = self.reconfigs.unwrap_or_default();
                dice.percent(12).then(|| reconfig(dice, servers))
            }
            Mode::Random => Some(match self.roots.pop_front() {
                Some(request) => request,
                None if self.wide && dice.percent(25) => {
                    wide(dice, client, xid, watched < WATCHES_MAX)
                }
                None => random(dice, client, xid, watched < WATCHES_MAX),
            }),
        }
    }

    /// Whether it does anything by chance.
    pub(crate) fn is_free(&self) -> bool {
        self.mode == Mode::Random && self.reconfigs.is_none() && self.roots.is_empty()
    }

    /// A request to a server without a quorum; it sets no watch, and changes nothing if all is well.
    pub(crate) fn visit(&self, dice: &mut Dice, client: u8, xid: i32) -> Option<Request> {
        (self.mode == Mode::Random && self.reconfigs.is_none())
            .then(|| random(dice, client, xid, false))
    }
}

fn create(path: &str, flags: i32, data: &str, op: CreateOp) -> Request {
    Request::Create {
        create: CreateRequest {
            path: path.to_owned(),
            data: Some(Bytes::copy_from_slice(data.as_bytes())),
            acl: Some(vec![Acl::world(31)]),
            flags,
            ttl_ms: NO_TTL,
        },
        op,
    }
}

/// The form of a create that only decides the reply.
fn either(dice: &mut Dice) -> CreateOp {
    if dice.percent(50) {
        CreateOp::Create2
    } else {
        CreateOp::Create
    }
}

fn look(dice: &mut Dice) -> Request {
    if dice.percent(50) {
        let path = Some("/w".into());
        return Request::Sync { path };
    }
    Request::GetData {
        path: format!("/w/k{}", dice.between(0, REGISTERS - 1)),
        watch: false,
    }
}

fn random(dice: &mut Dice, client: u8, xid: i32, may_watch: bool) -> Request {
    let path = format!("/w/k{}", dice.between(0, REGISTERS - 1));
    let value = format!("{client}-{xid}");
    let watch = may_watch && dice.percent(30);
    match dice.between(0, 99) {
        0..=9 => create(&path, 0, &value, either(dice)),
        10..=29 => Request::SetData {
            path,
            data: Some(Bytes::from(value.into_bytes())),
            version: version(dice),
        },
        30..=34 => Request::Delete {
            path,
            version: version(dice),
        },
        35..=44 => create("/w/q/s-", 2 + one(dice), &value, either(dice)),
        45..=49 => {
            // Removes an old sequential node; the counter of the parent is about as high.
            let path = format!("/w/q/s-{:010}", dice.between(0, 120));
            Request::Delete { path, version: -1 }
        }
        50..=56 => create(&format!("/w/e{}", client % 3), 1, &value, CreateOp::Create2),
        57..=59 => Request::Delete {
            path: format!("/w/e{}", client % 3),
            version: -1,
        },
        60..=67 => multi(dice, &value),
        68..=75 => Request::GetData { path, watch },
        76..=80 => Request::Exists { path, watch },
        81..=84 => Request::Exists {
            path: format!("/w/e{}", dice.between(0, 2)),
            watch,
        },
        85..=88 => Request::GetChildren {
            path: "/w".into(),
            watch,
        },
        89..=91 => Request::GetChildren2 {
            path: "/w/q".into(),
            watch,
        },
        92..=98 => Request::Sync {
            path: Some("/w".into()),
        },
        _ => Request::CloseSession,
    }
}

/// What the wide workload has beside the rest.
fn wide(dice: &mut Dice, client: u8, xid: i32, may_watch: bool) -> Request {
    let path = format!("/w/k{}", dice.between(0, REGISTERS - 1));
    let container = format!("/w/c{}", one(dice));
    match dice.between(0, 99) {
        0..=19 => {
            let mut acl = vec![Acl::world(31)];
            if dice.percent(50) {
                let id = Id::new("ip", "10.9.8.7");
                acl.push(Acl { perms: 1, id });
            }
            Request::SetAcl {
                path,
                acl: Some(acl),
                version: version(dice),
            }
        }
        20..=34 => Request::GetAcl { path },
        35..=49 => create(&container, 4, "", CreateOp::Container),
        50..=64 => create(
            &format!("{container}/x"),
            0,
            &format!("{client}-{xid}"),
            either(dice),
        ),
        65..=74 => Request::Delete {
            path: format!("{container}/x"),
            version: -1,
        },
        75..=84 => Request::GetChildren2 {
            path: container,
            watch: may_watch && dice.percent(30),
        },
        // One path has one kind of lasting watch.
        85..=89 if may_watch => Request::AddWatch { path, mode: 0 },
        90..=94 if may_watch => Request::AddWatch {
            path: "/w".into(),
            mode: 1,
        },
        _ => Request::Exists {
            path: container,
            watch: may_watch && dice.percent(30),
        },
    }
}

/// A line of a config. Some changes of address mean nothing to a role, some end it.
fn server_line(dice: &mut Dice, sid: u64) -> String {
    let role = if dice.percent(70) {
        "participant"
    } else {
        "observer"
    };
    let quorum = if dice.percent(90) { 2888 } else { 2889 };
    let client = 2181 + dice.between(0, 1);
    format!("server.{sid}=s{sid}:{quorum}:3888:{role};0.0.0.0:{client}")
}

/// Any change of members, many of which cannot be made.
fn reconfig(dice: &mut Dice, servers: u8) -> Request {
    let servers = u64::from(servers);
    let mut change = ReconfigRequest {
        from_config: if dice.percent(95) { -1 } else { 0 },
        ..ReconfigRequest::default()
    };
    let kind = dice.between(0, 9);
    if kind == 0 {
        let mut lines = Vec::new();
        for sid in 1..=servers {
            if dice.percent(70) {
                lines.push(server_line(dice, sid));
            }
        }
        change.new_members = Some(lines.join(","));
        return Request::Reconfig(change);
    }
    if kind <= 5 {
        let sid = dice.between(1, servers);
        change.joining = Some(server_line(dice, sid));
    }
    if kind >= 5 {
        change.leaving = Some(dice.between(1, servers).to_string());
    }
    Request::Reconfig(change)
}

fn one(dice: &mut Dice) -> i32 {
    i32::from(dice.percent(50))
}

fn version(dice: &mut Dice) -> i32 {
    if dice.percent(50) {
        return -1;
    }
    i32::try_from(dice.between(0, 3)).unwrap_or(0)
}

fn multi(dice: &mut Dice, value: &str) -> Request {
    let data = Some(Bytes::copy_from_slice(value.as_bytes()));
    let set = |path: &str, version| MultiOp::SetData {
        path: path.to_owned(),
        data: data.clone(),
        version,
    };
    let mut ops = vec![set("/w/m0", -1), set("/w/m1", -1)];
    let path = format!("/w/k{}", dice.between(0, REGISTERS - 1));
    match dice.between(0, 3) {
        0 => ops.push(MultiOp::Check {
            path,
            version: version(dice),
        }),
        1 => ops.push(MultiOp::Delete {
            path,
            version: version(dice),
        }),
        2 => {
            if let Request::Create { create, op } = create(&path, 0, value, CreateOp::Create) {
                ops.push(MultiOp::Create { create, op });
            }
        }
        _ => {}
    }
    Request::Multi(ops)
}
