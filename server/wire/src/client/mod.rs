//! The client port: session handshake, requests, replies, events.

pub mod connect;
pub mod error_code;
pub mod event;
pub mod multi;
pub mod multi_read;
pub mod opcode;
pub mod request;
pub mod response;

pub use connect::{ConnectRequest, ConnectResponse};
pub use error_code::ErrorCode;
pub use event::{EventKind, WatcherEvent};
pub use multi::{MultiOp, MultiResult};
pub use multi_read::{ReadOp, ReadResult};
pub use opcode::OpCode;
pub use request::{CarriedWatches, CreateOp, CreateRequest, Request, RequestHeader};
pub use response::{ClientInfo, ReplyHeader, Response};
