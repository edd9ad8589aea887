//! The operation numbers of the client protocol (`ZooDefs.OpCode`).

macro_rules! opcodes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $short:literal;)*) => {
        /// A client operation.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum OpCode { $($(#[$doc])* $name,)* }

        impl OpCode {
            /// The operation with this number; `None` when there is none that a client may send.
            #[must_use]
            pub fn from_wire(number: i32) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }

            /// Its number.
            #[must_use]
            pub fn to_wire(self) -> i32 {
                match self { $(Self::$name => $number,)* }
            }

            /// Its name as Apache's `ZooDefs.OpCode` and the methods of clients have it, from a capital on.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// Its name as metrics and the `cons` command show it.
            #[must_use]
            pub fn short_name(self) -> &'static str {
                match self { $(Self::$name => $short,)* }
            }
        }
    };
}

opcodes! {
    /// Create; replies with the path.
    Create = 1, "CREA";
    /// Delete.
    Delete = 2, "DELE";
    /// Stat of a node that may be absent.
    Exists = 3, "EXIS";
    /// Data and Stat.
    GetData = 4, "GETD";
    /// Replace the data.
    SetData = 5, "SETD";
    /// ACL and Stat.
    GetAcl = 6, "GETA";
    /// Replace the ACL.
    SetAcl = 7, "SETA";
    /// Names of the children.
    GetChildren = 8, "GETC";
    /// Catch up with the leader.
    Sync = 9, "SYNC";
    /// Keep the session.
    Ping = 11, "PING";
    /// Names of the children, and Stat.
    GetChildren2 = 12, "GETC";
    /// Version check, only inside multi.
    Check = 13, "CHEC";
    /// All or nothing.
    Multi = 14, "MULT";
    /// Create; replies with path and Stat.
    Create2 = 15, "CREA";
    /// Change of membership.
    Reconfig = 16, "RECO";
    /// Is a watch set.
    CheckWatches = 17, "CHKW";
    /// Remove watches.
    RemoveWatches = 18, "REMW";
    /// Create a container node.
    CreateContainer = 19, "CREA";
    /// Sweep of a container; never a client's.
    DeleteContainer = 20, "DELE";
    /// Create a node with a time to live.
    CreateTtl = 21, "CREA";
    /// Several reads.
    MultiRead = 22, "MLTR";
    /// Add an identity.
    Auth = 100, "AUTH";
    /// Re-register watches after a reconnect.
    SetWatches = 101, "SETW";
    /// SASL token.
    Sasl = 102, "SASL";
    /// Own ephemerals.
    GetEphemerals = 103, "GETE";
    /// Number of descendants.
    GetAllChildrenNumber = 104, "GETACN";
    /// Re-register watches of all kinds.
    SetWatches2 = 105, "STW2";
    /// Persistent watch.
    AddWatch = 106, "ADDW";
    /// Identities of the connection.
    WhoAmI = 107, "HOMI";
    /// Begin of a session, implied by the connect request; forwarded between servers.
    CreateSession = -10, "SESS";
    /// End the session.
    CloseSession = -11, "CLOS";
}

impl OpCode {
    /// Whether it changes the tree: such a request becomes a transaction. The beginning and the end
    /// of a session are transactions too, but no writes.
    #[must_use]
    pub fn is_write(self) -> bool {
        match self {
            Self::Create
            | Self::Create2
            | Self::CreateContainer
            | Self::CreateTtl
            | Self::Delete
            | Self::DeleteContainer
            | Self::SetData
            | Self::SetAcl
            | Self::Check
            | Self::Multi
            | Self::Reconfig => true,
            Self::Exists
            | Self::GetData
            | Self::GetAcl
            | Self::GetChildren
            | Self::GetChildren2
            | Self::GetEphemerals
            | Self::GetAllChildrenNumber
            | Self::MultiRead
            | Self::Sync
            | Self::Ping
            | Self::Auth
            | Self::Sasl
            | Self::WhoAmI
            | Self::SetWatches
            | Self::SetWatches2
            | Self::AddWatch
            | Self::CheckWatches
            | Self::RemoveWatches
            | Self::CreateSession
            | Self::CloseSession => false,
        }
    }
}
