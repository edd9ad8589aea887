//! Outcomes of writes as replies.

use bytes::Bytes;
use zk_wire::client::connect::session_password;
use zk_wire::client::response::encode_error;
use zk_wire::client::{ConnectResponse, ErrorCode, MultiResult, Response};
use zk_wire::{Xid, Zxid};

use super::conn::Conn;
use crate::db::TxnOutcome;

/// The answer to a connect request whose session is settled.
pub(super) fn accepted(conn: &Conn, read_only: bool) -> Bytes {
    ConnectResponse {
        timeout_ms: conn.timeout_ms,
        session: conn.session,
        password: session_password(conn.session),
        read_only: conn.read_only.map(|_| read_only),
    }
    .encode()
}

/// Whether the leader refused for an owner of the session elsewhere.
pub(super) fn says_moved(outcome: &TxnOutcome) -> bool {
    let moved = TxnOutcome::Failed(ErrorCode::SessionMoved.to_wire());
    *outcome == moved || matches!(outcome, TxnOutcome::Multi(all) if all.contains(&moved))
}

/// The reply to a write.
pub(super) fn encode_outcome(xid: Xid, zxid: Zxid, outcome: TxnOutcome) -> Bytes {
    let response = match outcome {
        TxnOutcome::Failed(code) => return encode_error(xid, zxid.to_wire(), code),
        TxnOutcome::Created {
            path,
            create2: false,
            ..
        } => Response::Path(path),
        TxnOutcome::Created {
            path,
            stat,
            create2: true,
        } => Response::PathStat(path, stat),
        TxnOutcome::DataSet(stat) | TxnOutcome::AclSet(stat) => Response::Stat(stat),
        TxnOutcome::Reconfigured(data, stat) => Response::Data(data, stat),
        TxnOutcome::Multi(outcomes) => {
            Response::Multi(outcomes.into_iter().map(multi_result).collect())
        }
        TxnOutcome::Deleted
        | TxnOutcome::Checked
        | TxnOutcome::SessionCreated
        | TxnOutcome::SessionClosed => Response::Empty,
    };
    response.encode(xid, zxid.to_wire())
}

fn multi_result(outcome: TxnOutcome) -> MultiResult {
    match outcome {
        TxnOutcome::Created {
            path,
            create2: false,
            ..
        } => MultiResult::Create(path),
        TxnOutcome::Created {
            path,
            stat,
            create2: true,
        } => MultiResult::Create2(path, stat),
        TxnOutcome::Deleted => MultiResult::Delete,
        TxnOutcome::DataSet(stat) => MultiResult::SetData(stat),
        TxnOutcome::Checked => MultiResult::Check,
        TxnOutcome::Failed(code) => MultiResult::Error(code),
        TxnOutcome::AclSet(_)
        | TxnOutcome::Reconfigured(..)
        | TxnOutcome::SessionCreated
        | TxnOutcome::SessionClosed
        | TxnOutcome::Multi(_) => MultiResult::Error(ErrorCode::MarshallingError.to_wire()),
    }
}
