//! What is done to a set of servers, step by step, and how it is printed.

use std::fmt;

use super::request::Request;

/// Which server a connection goes to; a server alone is all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// The one that leads.
    #[default]
    Leader,
    /// The follower with the lowest number.
    Follower,
    /// The follower with the highest number.
    OtherFollower,
}

/// Whose session a connection asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Session {
    /// A new one.
    New,
    /// The one that was opened last under this number, with its password.
    Of(u8),
    /// The one that was opened last under this number, with another password.
    Forged(u8),
    /// One that nobody opened.
    Stranger(i64),
}

/// A connect request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// The protocol version.
    pub version: i32,
    /// The last transaction seen, counted from where the script began; `None` is 0.
    pub seen: Option<i64>,
    /// The wanted time-out in milliseconds.
    pub timeout: i32,
    /// Which session.
    pub session: Session,
    /// The password's length for a new session; `None` is null.
    pub password: Option<usize>,
    /// The byte at the end, which old clients leave out.
    pub read_only: Option<bool>,
    /// How many bytes are sent, when not all.
    pub cut: Option<usize>,
    /// With TLS: the name of the certificate that is shown, empty for none.
    pub tls: Option<&'static str>,
}

impl Default for Hello {
    fn default() -> Self {
        Self {
            version: 0,
            seen: None,
            timeout: 60_000,
            session: Session::New,
            password: Some(16),
            read_only: Some(false),
            cut: None,
            tls: None,
        }
    }
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Connect and ask for a session, which is kept under the connection's number.
    Open(u8, Place, Hello),
    /// Connect and say nothing.
    Tcp(u8, Place),
    /// Send requests in one go and wait until all are answered.
    Send(u8, Vec<Request>),
    /// Send bytes as they are.
    Raw(u8, Vec<u8>),
    /// Close the connection without closing the session.
    Drop(u8),
    /// Ask a four-letter word on a connection of its own.
    Word(Place, Vec<u8>),
    /// Ask again and again until this error is the answer; only that the answer came is compared.
    Until(u8, Request, i32),
    /// Negotiate by DIGEST-MD5.
    Login(u8, Login),
    /// Let time pass, in milliseconds.
    Pause(u64),
    /// End all servers but the lowest-numbered follower, and wait until it serves reads alone.
    Cut,
}

/// A negotiation by DIGEST-MD5, right or wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Who.
    pub user: String,
    /// With which password.
    pub password: String,
    /// Another realm than the one that was offered.
    pub realm: Option<String>,
    /// Another service than `zookeeper/zk-sasl-md5`.
    pub uri: Option<String>,
}

impl Login {
    /// As it should be.
    #[must_use]
    pub fn of(user: &str, password: &str) -> Self {
        Self {
            user: user.to_owned(),
            password: password.to_owned(),
            realm: None,
            uri: None,
        }
    }
}

impl Step {
    /// Whether other connections may hear of it.
    #[must_use]
    pub fn disturbs(&self) -> bool {
        match self {
            Self::Send(_, requests) => requests.iter().any(|request| !request.only_reads()),
            Self::Word(..) => false,
            Self::Open(..)
            | Self::Tcp(..)
            | Self::Raw(..)
            | Self::Drop(_)
            | Self::Until(..)
            | Self::Login(..)
            | Self::Pause(_)
            | Self::Cut => true,
        }
    }
}

/// A step, and how the two servers are meant to differ in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What to do.
    pub step: Step,
    /// How the answers differ on purpose.
    pub differs: Option<Differs>,
}

/// A difference on purpose; see `docs/differences.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Differs {
    /// What Apache's answers contain, as they are printed.
    pub apache: &'static str,
    /// What ours contain.
    pub quorate: &'static str,
}

impl From<Step> for Line {
    fn from(step: Step) -> Self {
        Self {
            step,
            differs: None,
        }
    }
}

impl Step {
    /// The same step, with answers that differ on purpose.
    #[must_use]
    pub fn differs(self, apache: &'static str, quorate: &'static str) -> Line {
        Line {
            step: self,
            differs: Some(Differs { apache, quorate }),
        }
    }
}

/// Opens a session at the leader.
#[must_use]
pub fn open(conn: u8) -> Step {
    open_at(conn, Place::Leader)
}

/// Opens a session.
#[must_use]
pub fn open_at(conn: u8, place: Place) -> Step {
    Step::Open(conn, place, Hello::default())
}

/// Connects with a connect request of any kind.
#[must_use]
pub fn hello(conn: u8, place: Place, hello: Hello) -> Step {
    Step::Open(conn, place, hello)
}

/// Comes back to a session.
#[must_use]
pub fn renew(conn: u8, place: Place, of: u8) -> Step {
    let hello = Hello {
        session: Session::Of(of),
        ..Hello::default()
    };
    Step::Open(conn, place, hello)
}

/// Sends requests, pipelined.
#[must_use]
pub fn send<const N: usize>(conn: u8, requests: [Request; N]) -> Step {
    Step::Send(conn, requests.into())
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(conn, Place::Leader, hello) if *hello == Hello::default() => {
                write!(f, "open({conn})")
            }
            Self::Open(conn, place, hello) if *hello == Hello::default() => {
                write!(f, "open_at({conn}, Place::{place:?})")
            }
            Self::Open(conn, place, hello) => {
                write!(f, "hello({conn}, Place::{place:?}, {hello:?})")
            }
            Self::Send(conn, requests) => {
                write!(f, "send({conn}, [")?;
                for request in requests {
                    write!(f, "\n    {request},")?;
                }
                f.write_str("\n])")
            }
            Self::Raw(conn, bytes) => {
                write!(
                    f,
                    "Step::Raw({conn}, b\"{}\".to_vec())",
                    bytes.escape_ascii()
                )
            }
            Self::Until(conn, request, error) => {
                write!(f, "Step::Until({conn}, {request}, {error})")
            }
            Self::Tcp(..)
            | Self::Drop(_)
            | Self::Word(..)
            | Self::Login(..)
            | Self::Pause(_)
            | Self::Cut => write!(f, "Step::{self:?}"),
        }
    }
}

/// Prints steps as the list that a scenario is.
#[must_use]
pub fn print(steps: &[Step]) -> String {
    let mut out = String::from("[\n");
    for step in steps {
        for line in step.to_string().lines() {
            out.push_str("    ");
            out.push_str(line);
            out.push('\n');
        }
        out.pop();
        out.push_str(",\n");
    }
    out.push(']');
    out
}
