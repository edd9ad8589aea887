//! The kinds of watches (`WatcherMode`, `WatchStats`, `Watcher.WatcherType`).

/// Which registry a watch is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Registry {
    /// Of exists, getData and addWatch.
    Data,
    /// Of getChildren and addWatch.
    Child,
}

/// How long a watch lasts, and how far it reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Used up by the first event.
    Standard,
    /// Stays; of one path.
    Persistent,
    /// Stays; of a path and everything below it.
    Recursive,
}

impl Mode {
    /// As addWatch names it; there is no number for standard watches.
    pub(crate) fn from_wire(number: i32) -> Option<Self> {
        match number {
            0 => Some(Self::Persistent),
            1 => Some(Self::Recursive),
            _ => None,
        }
    }

    fn bit(self) -> u8 {
        match self {
            Self::Standard => 1,
            Self::Persistent => 2,
            Self::Recursive => 4,
        }
    }
}

/// The watches of one connection on one path in one registry; they do not touch each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Modes(u8);

impl Modes {
    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn has(self, mode: Mode) -> bool {
        self.0 & mode.bit() != 0
    }

    pub(super) fn with(self, mode: Mode) -> Self {
        Self(self.0 | mode.bit())
    }

    pub(super) fn without(self, mode: Mode) -> Self {
        Self(self.0 & !mode.bit())
    }
}

/// What checkWatches and removeWatches are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WatcherType {
    /// One-shot watches on the children.
    Children,
    /// One-shot watches on node and data.
    Data,
    /// All there are.
    Any,
    /// Persistent ones.
    Persistent,
    /// Persistent recursive ones.
    Recursive,
}

impl WatcherType {
    /// As it is on the wire.
    pub(crate) fn from_wire(number: i32) -> Option<Self> {
        match number {
            1 => Some(Self::Children),
            2 => Some(Self::Data),
            3 => Some(Self::Any),
            4 => Some(Self::Persistent),
            5 => Some(Self::Recursive),
            _ => None,
        }
    }
}
