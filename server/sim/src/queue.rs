//! Virtual time and the events in it.

use std::collections::BTreeMap;

/// Microseconds since the start of the run.
pub(crate) type Us = u64;

/// Where the numbers of events begin; those that go first count down from here.
const MIDDLE: u64 = 1 << 62;

/// Events by time; those of one moment come out in the order in which they went in.
#[derive(Debug)]
pub(crate) struct Queue<E> {
    now: Us,
    serial: u64,
    /// Counts down for what goes before everything else of its moment.
    early: u64,
    events: BTreeMap<(Us, u64), E>,
}

impl<E> Queue<E> {
    pub(crate) fn new() -> Self {
        Self {
            now: 0,
            serial: MIDDLE,
            early: MIDDLE,
            events: BTreeMap::new(),
        }
    }

    pub(crate) fn now(&self) -> Us {
        self.now
    }

    /// Puts an event at `at`, or now when that is past.
    pub(crate) fn at(&mut self, at: Us, event: E) {
        self.serial += 1;
        self.events.insert((at.max(self.now), self.serial), event);
    }

    /// Puts an event `us` from now.
    pub(crate) fn after(&mut self, us: Us, event: E) {
        self.at(self.now + us, event);
    }

    /// Puts events now, in this order and before what is due now: they happened earlier, and somebody
    /// had to wait with them.
    pub(crate) fn first(&mut self, events: impl ExactSizeIterator<Item = E>) {
        self.early -= events.len() as u64;
        for (serial, event) in (self.early..).zip(events) {
            self.events.insert((self.now, serial), event);
        }
    }

    /// Takes the next event and moves the clock to it.
    pub(crate) fn pop(&mut self) -> Option<E> {
        let ((at, _), event) = self.events.pop_first()?;
        self.now = at;
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_by_time_and_then_by_age() {
        let mut q = Queue::new();
        q.at(5, 'b');
        q.at(5, 'c');
        q.at(1, 'a');
        assert_eq!((q.pop(), q.now()), (Some('a'), 1));
        q.at(0, 'x');
        assert_eq!((q.pop(), q.now()), (Some('x'), 1));
        q.at(1, 'z');
        q.first(['w', 'y'].into_iter());
        assert_eq!(
            (q.pop(), q.pop(), q.pop()),
            (Some('w'), Some('y'), Some('z'))
        );
        assert_eq!((q.pop(), q.pop(), q.pop()), (Some('b'), Some('c'), None));
    }
}
