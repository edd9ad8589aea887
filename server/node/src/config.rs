//! `zoo.cfg` text to typed settings, at the start, and those of `runtime` while the server runs.
//!
//! Every key that Apache ZooKeeper 3.9 knows is either obeyed, or named in a warning as one without
//! meaning or not supported yet, or refused when ignoring it would be unsafe. A bad value is refused
//! with its file, line, key and a remedy. Nothing outside of this module reads keys.

mod audit;
mod auth;
mod dynamic;
mod error;
mod flags;
mod identity;
mod jaas;
mod joining;
mod keys;
mod limits;
mod members;
mod members_file;
mod monitoring;
mod properties;
mod reader;
mod runtime;
mod settings;
mod tls;
mod traces;
mod zones;

pub use audit::AuditSettings;
pub use auth::PeerAuthSettings;
pub use dynamic::ConfigFiles;
pub use error::ConfigError;
pub use flags::{Flag, Flags};
pub use identity::{PodIdentity, settle_my_id};
pub use limits::{ConnectionThrottle, LargeRequests, Limits, RequestThrottle, SessionWeights};
pub use members_file::settle_members;
pub use monitoring::{AdminSettings, MetricsProvider, PageLogin};
pub use runtime::{RUNTIME_KEYS, RuntimeSettings, changed_keys, revision_of};
pub use settings::{BindAddress, MembersFrom, Mode, SessionSettings, Settings, bind, read_text};
pub use tls::{ClientAuth, PeerTlsSettings, PemFile, ServerNames, TlsSettings, TlsVersion};
pub use traces::TraceSettings;
pub use zones::Zones;
