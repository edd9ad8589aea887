//! Frames that wait until they may be handled: those of a connection whose session is not settled, or
//! which has no leader. All connections together keep within bounds, so each frame is counted for as
//! long as it waits, and no longer.

use std::collections::VecDeque;

use crate::config::HoldSettings;
use crate::io::ClientFrame;
use crate::status::HoldEnd;

/// The frames of one connection that wait, oldest first.
#[derive(Debug, Default)]
pub(super) struct Backlog(VecDeque<ClientFrame>);

impl Backlog {
    pub(super) fn iter(&self) -> impl Iterator<Item = &ClientFrame> {
        self.0.iter()
    }
}

/// What waits for all connections together.
#[derive(Debug, Default)]
pub(super) struct Totals {
    frames: u64,
    bytes: u64,
}

impl Totals {
    fn count(&mut self, frame: &ClientFrame) {
        self.frames += 1;
        self.bytes += weight(frame);
    }

    /// One more waits.
    pub(super) fn push(&mut self, backlog: &mut Backlog, frame: ClientFrame) {
        self.count(&frame);
        backlog.0.push_back(frame);
    }

    /// Those that were taken wait again, in front of what came since.
    pub(super) fn put_back(&mut self, backlog: &mut Backlog, frames: VecDeque<ClientFrame>) {
        for frame in frames.into_iter().rev() {
            self.count(&frame);
            backlog.0.push_front(frame);
        }
    }

    /// All of a connection, which do not wait any more.
    pub(super) fn take(&mut self, backlog: &mut Backlog) -> VecDeque<ClientFrame> {
        let frames = std::mem::take(&mut backlog.0);
        let bytes: u64 = frames.iter().map(weight).sum();
        self.frames = self.frames.saturating_sub(frames.len() as u64);
        self.bytes = self.bytes.saturating_sub(bytes);
        frames
    }

    /// Which of the bounds is passed.
    pub(super) fn excess(&self, bounds: &HoldSettings) -> Option<HoldEnd> {
        if self.frames > bounds.requests_max {
            Some(HoldEnd::Requests)
        } else if self.bytes > bounds.bytes_max {
            Some(HoldEnd::Bytes)
        } else {
            None
        }
    }
}

fn weight(frame: &ClientFrame) -> u64 {
    match frame {
        ClientFrame::Request { body, .. } | ClientFrame::Undecodable { body, .. } => {
            body.len() as u64
        }
        ClientFrame::WritesInMultiRead { .. }
        | ClientFrame::Unimplemented { .. }
        | ClientFrame::Throttled { .. } => 0,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use zk_wire::Xid;
    use zk_wire::client::OpCode;

    use super::*;

    fn frame(xid: i32) -> ClientFrame {
        ClientFrame::Undecodable {
            xid: Xid(xid),
            op: OpCode::Create,
            body: Bytes::from_static(b"0123456789"),
        }
    }

    fn bounds(requests_max: u64, bytes_max: u64) -> HoldSettings {
        HoldSettings {
            requests_max,
            bytes_max,
            ..HoldSettings::default()
        }
    }

    #[test]
    fn what_is_taken_counts_no_more_and_what_is_put_back_counts_again() {
        let (mut totals, mut backlog) = (Totals::default(), Backlog::default());
        for xid in 1..=3 {
            totals.push(&mut backlog, frame(xid));
        }
        assert_eq!(totals.excess(&bounds(3, 30)), None);
        assert_eq!(totals.excess(&bounds(2, 30)), Some(HoldEnd::Requests));
        assert_eq!(totals.excess(&bounds(3, 29)), Some(HoldEnd::Bytes));
        let mut taken = totals.take(&mut backlog);
        assert_eq!((taken.len(), totals.excess(&bounds(0, 0))), (3, None));
        totals.push(&mut backlog, frame(4));
        taken.pop_front();
        totals.put_back(&mut backlog, taken);
        let order: Vec<i32> = backlog.iter().map(|frame| frame.xid().0).collect();
        assert_eq!(order, [2, 3, 4]);
        assert_eq!(totals.excess(&bounds(3, 30)), None);
        assert_eq!(totals.excess(&bounds(2, 30)), Some(HoldEnd::Requests));
    }
}
