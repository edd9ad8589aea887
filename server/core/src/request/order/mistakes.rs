//! The mistakes about held requests that can be made on purpose (`crate::bugs`).

use zk_wire::client::Response;

use super::Clients;
use super::conn::Waiting;
use crate::db::Database;
use crate::io::{ClientFrame, ConnId, Output, Outputs};

impl Clients {
    /// Answers a read whatever it would have to wait for.
    pub(crate) fn answer_too_early(
        &mut self,
        db: &Database,
        id: ConnId,
        frame: ClientFrame,
        out: &mut Outputs,
    ) {
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        let queue = std::mem::take(&mut conn.queue);
        self.frame(db, id, frame, out);
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.queue = queue;
        }
    }

    /// Forgets the writes that the history does not have, or says that it has them.
    pub(super) fn settle_wrongly(&mut self, db: &Database, id: ConnId, out: &mut Outputs) {
        let (drops, answers) = (
            self.bugs.absent_writes_dropped(),
            self.bugs.absent_writes_answered(),
        );
        let Some(conn) = self.conns.get_mut(&id).filter(|_| drops || answers) else {
            return;
        };
        let zxid = db.last_applied().to_wire();
        conn.queue.retain(|waiting| {
            let Waiting::Write { xid, .. } = waiting else {
                return true;
            };
            if answers {
                let frame = Response::Empty.encode(*xid, zxid);
                out.push(Output::ToClient { conn: id, frame });
            }
            false
        });
        self.drain(db, id, out);
    }
}
