//! The error numbers of the client protocol (`KeeperException.Code`).

macro_rules! error_codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal;)*) => {
        /// Why a request failed; part of the replicated outcome of a write.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ErrorCode { $($(#[$doc])* $name,)* }

        impl ErrorCode {
            /// The error with this number; `None` when there is none.
            #[must_use]
            pub fn from_wire(number: i32) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }

            /// Its name, such as `NoNode`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// Its number.
            #[must_use]
            pub fn to_wire(self) -> i32 {
                match self { $(Self::$name => $number,)* }
            }
        }
    };
}

error_codes! {
    /// In a failed multi: the operations after the one that failed.
    RuntimeInconsistency = -2;
    /// The body does not decode.
    MarshallingError = -5;
    /// Nobody answers this operation here.
    Unimplemented = -6;
    /// A path, flag or argument outside of its domain.
    BadArguments = -8;
    /// No quorum of the wanted membership is connected and synchronized.
    NewConfigNoQuorum = -13;
    /// Another reconfiguration is under way.
    ReconfigInProgress = -14;
    /// The node is not there.
    NoNode = -101;
    /// The ACL forbids it.
    NoAuth = -102;
    /// The version is another one.
    BadVersion = -103;
    /// Ephemerals have no children.
    NoChildrenForEphemerals = -108;
    /// The node is there already.
    NodeExists = -110;
    /// The node has children.
    NotEmpty = -111;
    /// The session is gone or closing.
    SessionExpired = -112;
    /// The ACL is empty or has an entry that no provider knows.
    InvalidAcl = -114;
    /// The credentials are refused; the connection closes.
    AuthFailed = -115;
    /// Another server owns the session; never sent, the connection closes.
    SessionMoved = -118;
    /// The server only reads.
    NotReadOnly = -119;
    /// An ephemeral was asked for in a local session that may not be upgraded.
    EphemeralOnLocalSession = -120;
    /// No such watch.
    NoWatcher = -121;
    /// `reconfigEnabled` is false.
    ReconfigDisabled = -123;
    /// The connection has no identity of a scheme that is required; it closes.
    SessionClosedRequireSaslAuth = -124;
    /// A hard quota would be exceeded.
    QuotaExceeded = -125;
    /// The request waited too long in the throttle's queue and was not carried out.
    ThrottledOp = -127;
}
