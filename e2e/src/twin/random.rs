//! Scripts from a seed: all operations, paths good and bad from a small pool so that they collide,
//! ACLs, flags, versions, watches, several sessions, bursts, reconnects.
//!
//! Left out is what has no single right answer on Apache's side: whatever kills or wedges it
//! (`docs/differences.md`), what depends on timing, and credentials or closing requests in the
//! middle of a burst, whose replies may overtake others there.

use super::ops;
use super::request::{Field, Request, Text, op};
use super::script::{Hello, Place, Session, Step};
use crate::faults::random::Random;

/// Steps of one script.
const STEPS: usize = 60;

/// Most requests in one burst.
const BURST_MAX: usize = 48;

/// Connections of one script.
const CONNS: u8 = 4;

/// A connection that only comes and goes.
const GUEST: u8 = 8;

const GOOD_PATHS: [&str; 18] = [
    "@",
    "@/a",
    "@/b",
    "@/a/b",
    "@/a/c",
    "@/a/b/c",
    "@/e",
    "@/e/x",
    "@/s",
    "@/s/q",
    "@/s/-",
    "@/c",
    "@/c/x",
    "@/\u{e9}\u{4e2d}",
    "@/a b",
    "@/.x",
    "@/x..",
    "@/a/b/c/d",
];

const ODD_PATHS: [&str; 26] = [
    "/",
    "",
    "foo",
    "foo/bar",
    "@/",
    "@//a",
    "@/a/",
    "@/a//b",
    "@/.",
    "@/a/..",
    "@/a/./b",
    "@ab",
    "//x",
    "/nope/x",
    "/nope//x",
    "@/\u{1}",
    "@/\u{85}",
    "@/a\u{0}",
    "@/\u{e000}",
    "@/\u{1f600}",
    "@/\u{fffd}",
    "@/\u{ffef}",
    "/zookeeper",
    "/zookeeper/config",
    "/zookeeper/quota",
    "/zookeeper/x/y",
];

const ACLS: [&str; 24] = [
    "1 world:anyone",
    "3 world:anyone",
    "4 world:anyone",
    "29 world:anyone",
    "0 world:anyone",
    "-1 world:anyone",
    "64 world:anyone; 31 world:anyone",
    "31 auth:",
    "31 auth:x; 1 world:anyone",
    "31 auth:~",
    "31 digest:u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=; 1 world:anyone",
    "31 digest:u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=",
    "16 digest:u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=; 15 world:anyone",
    "31 ip:127.0.0.1",
    "31 ip:127.0.0.0/8; 31 ip:127.0.0.0/8",
    "31 ip:10.0.0.1; 7 ip:::1/64",
    "31 ip:1.2.3",
    "31 digest:nocolon",
    "31 digest:a:b:c",
    "31 world:someone",
    "31 super:x",
    "31 sasl:bob",
    "31 ~:x",
    "31 world:~",
];

const AUTHS: [(&str, &[u8]); 6] = [
    ("digest", b"u:p"),
    ("digest", b"v:q"),
    ("digest", b"nocolon"),
    ("digest", b""),
    ("digest", b"u:wrong"),
    ("ip", b"whatever"),
];

/// The operations, each as often as it should come.
const MIX: [(usize, i32); 27] = [
    (17, op::CREATE),
    (7, op::CREATE2),
    (3, op::CREATE_CONTAINER),
    (3, op::CREATE_TTL),
    (11, op::DELETE),
    (12, op::SET_DATA),
    (3, op::SET_ACL),
    (8, op::GET_DATA),
    (6, op::EXISTS),
    (5, op::GET_CHILDREN),
    (4, op::GET_CHILDREN2),
    (3, op::GET_ACL),
    (1, op::SYNC),
    (1, op::PING),
    (2, op::COUNT),
    (2, op::GET_EPHEMERALS),
    (1, op::WHO_AM_I),
    (7, op::MULTI),
    (3, op::MULTI_READ),
    (3, op::ADD_WATCH),
    (2, op::CHECK_WATCHES),
    (3, op::REMOVE_WATCHES),
    (1, op::SET_WATCHES),
    (2, op::SET_WATCHES2),
    (1, op::RECONFIG),
    (1, op::CREATE_SESSION),
    (1, op::CHECK),
];

/// Whether Apache answers what follows in the same burst as it comes: by the old ACL or the new one
/// behind a setACL, with or without what a multi would have changed before it fell over a null.
fn leaves_to_chance(request: &Request) -> bool {
    let has_null = |field: &Field| matches!(field, Field::Acl(acl) if acl.has_null());
    let falls = |field: &Field| {
        let Field::Ops(ops) = field else {
            return false;
        };
        ops.iter().any(|op| op.fields.iter().any(has_null))
    };
    request.op == op::SET_ACL || request.fields.iter().any(falls)
}

/// Makes scripts.
#[derive(Debug)]
pub struct Maker {
    random: Random,
    ensemble: bool,
}

impl Maker {
    /// A maker of scripts for servers alone or for ensembles.
    #[must_use]
    pub fn new(seed: u64, ensemble: bool) -> Self {
        Self {
            random: Random::new(seed),
            ensemble,
        }
    }

    /// A whole script.
    pub fn script(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        for conn in 0..CONNS {
            steps.push(Step::Open(conn, self.place(), Hello::default()));
        }
        steps.push(Step::Send(0, vec![ops::make("@", b"", 0)]));
        if self.one_in(3) {
            let quota = "/zookeeper/quota@";
            steps.push(Step::Send(
                0,
                vec![
                    ops::make(quota, b"", 0),
                    ops::make(format!("{quota}/zookeeper_limits"), b"count=5,bytes=50", 0),
                    ops::make(format!("{quota}/zookeeper_stats"), b"count=0,bytes=0", 0),
                ],
            ));
        }
        while steps.len() < STEPS {
            self.step(&mut steps);
        }
        steps
    }

    fn step(&mut self, steps: &mut Vec<Step>) {
        let conn = self.conn();
        match self.random.below(40) {
            0 => {
                let request = if self.one_in(20) {
                    ops::sasl(b"token")
                } else {
                    let (scheme, data) = self.pick(&AUTHS);
                    ops::auth(scheme, data.to_vec())
                };
                steps.push(Step::Send(conn, vec![request]));
            }
            1 | 2 => {
                steps.push(Step::Drop(conn));
                self.come_back(conn, steps);
            }
            3 => {
                // The server closes the connection that is there.
                if !self.ensemble {
                    self.come_back(conn, steps);
                }
            }
            4 => {
                let mut requests = self.burst(6);
                requests.push(ops::close());
                steps.push(Step::Send(conn, requests));
                steps.push(Step::Open(conn, self.place(), Hello::default()));
            }
            5 => {
                steps.push(Step::Send(conn, vec![self.closer()]));
                self.come_back(conn, steps);
            }
            6 => self.guest(steps),
            _ => {
                let most = match self.random.below(3) {
                    0 => 2,
                    1 => 12,
                    _ => BURST_MAX,
                };
                let requests = self.burst(most);
                steps.push(Step::Send(conn, requests));
            }
        }
    }

    fn come_back(&mut self, conn: u8, steps: &mut Vec<Step>) {
        let hello = Hello {
            session: Session::Of(conn),
            ..Hello::default()
        };
        steps.push(Step::Open(conn, self.place(), hello));
        if self.one_in(2) {
            let (scheme, data) = self.pick(&AUTHS);
            steps.push(Step::Send(conn, vec![ops::auth(scheme, data.to_vec())]));
        }
        let watches = if self.one_in(2) {
            self.request(op::SET_WATCHES)
        } else {
            self.request(op::SET_WATCHES2)
        };
        let mut requests = vec![watches];
        requests.append(&mut self.burst(4));
        steps.push(Step::Send(conn, requests));
    }

    /// A connection that is refused, or has an odd time-out.
    fn guest(&mut self, steps: &mut Vec<Step>) {
        let plain = Hello::default();
        let hello = match self.random.below(6) {
            0 => Hello {
                seen: Some(1 << 30),
                ..plain
            },
            1 => Hello {
                session: Session::Stranger(0x0123_4567_89ab_cdef),
                ..plain
            },
            2 => Hello {
                timeout: self.pick(&[-5, 0, 1, 30_000, i32::MAX]),
                password: None,
                ..plain
            },
            3 => Hello {
                read_only: None,
                version: 7,
                seen: Some(0),
                ..plain
            },
            4 => Hello {
                read_only: Some(true),
                password: Some(40),
                ..plain
            },
            _ => Hello {
                cut: Some(self.random.below(44)),
                ..plain
            },
        };
        steps.push(Step::Open(GUEST, self.place(), hello));
        steps.push(Step::Send(GUEST, {
            let mut requests = self.burst(3);
            requests.push(ops::close());
            requests
        }));
    }

    /// A request that ends the connection.
    fn closer(&mut self) -> Request {
        match self.random.below(7) {
            0 => ops::auth("world", b"anyone"),
            1 => ops::auth("digest", ()),
            2 => ops::auth((), b"x"),
            3 => ops::auth("nobody", b"x"),
            4 => ops::auth("digest", b"u:p").cut(6),
            5 => ops::sasl(()),
            _ => ops::unknown(self.pick(&[0, 10, 13, 23, 50, 99, 108, -1, -2, i32::MAX])),
        }
    }

    fn burst(&mut self, most: usize) -> Vec<Request> {
        let length = 1 + self.random.below(most);
        let mut burst = Vec::with_capacity(length);
        for _ in 0..length {
            burst.push(self.one());
            if burst.last().is_some_and(leaves_to_chance) {
                break;
            }
        }
        burst
    }

    fn one(&mut self) -> Request {
        let total = MIX.iter().map(|(weight, _)| weight).sum();
        let mut ticket = self.random.below(total);
        let mut op = op::PING;
        for (weight, candidate) in MIX {
            if ticket < weight {
                op = candidate;
                break;
            }
            ticket -= weight;
        }
        let mut request = self.request(op);
        let safe = !self.ensemble || request.only_reads();
        if safe && self.one_in(60) && !matches!(request.op, op::PING | op::CREATE_SESSION) {
            request = request.cut(self.random.below(24));
        } else if self.one_in(100) && request.op != op::CREATE_SESSION {
            request = request.and(&[1, 2, 3]);
        }
        request
    }

    fn request(&mut self, op: i32) -> Request {
        match op {
            op::CREATE | op::CREATE2 | op::CREATE_CONTAINER => self.create(op),
            op::CREATE_TTL => self.create_ttl(false),
            op::DELETE => ops::delete(self.path(), self.version()),
            op::SET_DATA => {
                let path = self.path();
                ops::set(path, self.data(), self.version())
            }
            op::SET_ACL => {
                let path = self.own_path();
                let acl = self.acl_field();
                let version = self.version();
                let fields = vec![Field::Text(path.as_str().into()), acl, Field::Int(version)];
                Request::new(op, fields)
            }
            op::GET_DATA | op::EXISTS | op::GET_CHILDREN | op::GET_CHILDREN2 => {
                ops::get(self.path(), self.one_in(3)).op(op)
            }
            op::GET_ACL | op::SYNC | op::COUNT | op::GET_EPHEMERALS => {
                ops::get_acl(self.path()).op(op)
            }
            op::PING => ops::ping(),
            op::MULTI => {
                let count = self.random.below(5);
                let requests = (0..count).map(|_| self.in_multi()).collect();
                ops::multi(requests)
            }
            op::MULTI_READ => {
                let count = self.random.below(4);
                ops::multi_read((0..count).map(|_| self.in_multi_read()).collect())
            }
            op::ADD_WATCH => ops::add_watch(self.path(), self.pick(&[0, 0, 1, 1, 2, -1])),
            op::CHECK_WATCHES | op::REMOVE_WATCHES => {
                ops::check_watches(self.path(), self.pick(&[1, 2, 3, 3, 4, 5, 0, 6])).op(op)
            }
            op::SET_WATCHES | op::SET_WATCHES2 => self.set_watches(op),
            op::RECONFIG => ops::reconfig((), "3", (), -1),
            // A check alone closes the connection; it belongs into a multi.
            op::CHECK => ops::multi(vec![ops::check(self.path(), self.version())]),
            // Apache gives it a zxid, we do not (docs/differences.md): all later ones would differ.
            op::CREATE_SESSION => ops::ping(),
            // An ensemble of Apache's is not to be trusted after that.
            _ if self.ensemble => ops::ping(),
            op => ops::unknown(op),
        }
    }

    fn create(&mut self, op: i32) -> Request {
        let flags = match self.random.below(10) {
            0..4 => 0,
            4 | 5 => 1,
            6 => 2,
            7 => 3,
            8 => 4,
            _ => self.pick(&[5, 6, 7, -1]),
        };
        // A container that is ephemeral while it is not applied yet: no certain answer for children.
        let flags = if op == op::CREATE_CONTAINER && matches!(flags, 1 | 3) {
            flags - 1
        } else {
            flags
        };
        let mut request = ops::make(self.path(), self.data(), flags).op(op);
        let acl = self.acl_field();
        if let Some(field) = request.fields.get_mut(2) {
            *field = acl;
        }
        request
    }

    fn create_ttl(&mut self, in_multi: bool) -> Request {
        let mut request = self.create(op::CREATE_TTL);
        let mut flags = self.pick(&[5, 5, 5, 6, 6, 0, 1, 7]);
        let ttl = self.pick(&[1i64 << 39, 1 << 39, 1 << 38, 0, -1, 1 << 40, i64::MAX]);
        // Alone it kills the server.
        if ttl < 0 && !in_multi && (0..5).contains(&flags) {
            flags = 5;
        }
        if let Some(field) = request.fields.get_mut(3) {
            *field = Field::Int(flags);
        }
        request.fields.push(Field::Long(ttl));
        request
    }

    /// An operation for a multi. In an ensemble its ACL is never null: Apache fails over that before
    /// there is a zxid, and nobody hears of the request again.
    fn in_multi(&mut self) -> Request {
        let mut request = self.any_in_multi();
        if let Some(field @ Field::Acl(_)) = request.fields.get_mut(2) {
            *field = Field::Acl(if !self.ensemble && self.one_in(40) {
                ().into()
            } else if self.one_in(5) {
                self.pick(&ACLS).into()
            } else {
                ops::OPEN.into()
            });
        }
        request
    }

    fn any_in_multi(&mut self) -> Request {
        match self.random.below(30) {
            0..9 => self.create(op::CREATE),
            9..12 => self.create(op::CREATE2),
            12 => self.create(op::CREATE_CONTAINER),
            13 => self.create_ttl(true),
            14..20 => self.request(op::DELETE),
            20..25 => self.request(op::SET_DATA),
            25..29 => ops::check(self.path(), self.version()),
            _ if self.ensemble => ops::check(self.path(), self.version()),
            _ => self.request(
                self.random
                    .clone()
                    .below(24)
                    .try_into()
                    .unwrap_or(op::GET_DATA),
            ),
        }
    }

    fn in_multi_read(&mut self) -> Request {
        let op = self.pick(&[
            op::GET_DATA,
            op::GET_DATA,
            op::GET_CHILDREN,
            op::GET_CHILDREN2,
        ]);
        let op = if op == op::GET_CHILDREN2 && !self.one_in(5) {
            op::GET_CHILDREN
        } else {
            op
        };
        ops::get(self.path(), self.one_in(3)).op(op)
    }

    fn set_watches(&mut self, op: i32) -> Request {
        let zxid = i64::try_from(self.random.below(400)).unwrap_or_default() - 20;
        let lists = [self.paths(), self.paths(), self.paths()];
        let [data, exist, child] = lists;
        let mut request = ops::set_watches(zxid, data, exist, child).op(op);
        if op == op::SET_WATCHES2 {
            request.fields.push(Field::Paths(self.paths().into()));
            request.fields.push(Field::Paths(self.paths().into()));
        }
        if self.one_in(8) {
            let lists = request.fields.len() - 1;
            let nulls = if self.one_in(2) {
                self.paths_with_null().into()
            } else {
                ().into()
            };
            if let Some(field) = request.fields.get_mut(1 + self.random.below(lists)) {
                *field = Field::Paths(nulls);
            }
        }
        request
    }

    fn paths_with_null(&mut self) -> Vec<Text> {
        let mut paths: Vec<Text> = self.paths().into_iter().map(Into::into).collect();
        paths.insert(self.random.below(paths.len() + 1), ().into());
        paths
    }

    fn paths(&mut self) -> Vec<String> {
        let count = self.random.below(4);
        (0..count).map(|_| self.own_path()).collect()
    }

    fn acl_field(&mut self) -> Field {
        let acl = match self.random.below(10) {
            0 => self.pick(&ACLS).into(),
            1 if self.one_in(4) => "".into(),
            1 if self.one_in(4) => ().into(),
            _ => ops::OPEN.into(),
        };
        Field::Acl(acl)
    }

    fn own_path(&mut self) -> String {
        if self.one_in(8) {
            let parent = self.pick(&["@/s/q", "@/s/-", "@/a", "@/s/"]);
            return format!("{parent}{:010}", self.random.below(6));
        }
        self.pick(&GOOD_PATHS).to_owned()
    }

    fn path(&mut self) -> String {
        if self.one_in(12) {
            self.pick(&ODD_PATHS).to_owned()
        } else {
            self.own_path()
        }
    }

    fn data(&mut self) -> super::request::Data {
        match self.random.below(8) {
            0 => ().into(),
            1 => b"".into(),
            2 => vec![b'x'; self.random.below(300)].into(),
            n => vec![b'a'; n].into(),
        }
    }

    fn version(&mut self) -> i32 {
        self.pick(&[-1, -1, -1, -1, 0, 0, 1, 2, 3, -2, i32::MAX])
    }

    fn place(&mut self) -> Place {
        self.pick(&[Place::Leader, Place::Follower, Place::OtherFollower])
    }

    fn conn(&mut self) -> u8 {
        u8::try_from(self.random.below(usize::from(CONNS))).unwrap_or_default()
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.random.below(n) == 0
    }

    fn pick<T: Copy + Default>(&mut self, items: &[T]) -> T {
        self.random.choose(items).copied().unwrap_or_default()
    }
}
