//! When which server was down: its own clients may lose their connections then, nobody else may.

use std::time::{SystemTime, UNIX_EPOCH};

/// How much later a client may tell that its server is gone, ms.
const LATE_MS: u64 = 1_000;

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(0)
}

/// A connection that a client lost.
#[derive(Debug, Clone)]
pub(crate) struct Loss {
    /// When, in ms since 1970.
    pub(crate) at_ms: u64,
    /// The id of the server.
    pub(crate) server: u8,
    /// Who tells, and what.
    pub(crate) what: String,
}

/// Which servers were down, from when to when.
#[derive(Debug, Default)]
pub(crate) struct Away {
    windows: Vec<(u8, u64, u64)>,
}

impl Away {
    /// A server was down from `from_ms` until now.
    pub(crate) fn until_now(&mut self, server: u8, from_ms: u64) {
        self.windows.push((server, from_ms, now_ms()));
    }

    /// Whether a connection that was lost was one to a server that was down.
    pub(crate) fn explains(&self, loss: &Loss) -> bool {
        self.windows.iter().any(|(server, from, until)| {
            *server == loss.server && (*from..=*until + LATE_MS).contains(&loss.at_ms)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_server_that_was_down_explains_a_loss() {
        let away = Away {
            windows: vec![(2, 1_000, 2_000)],
        };
        let explained = |server, at_ms| {
            let what = String::new();
            away.explains(&Loss {
                at_ms,
                server,
                what,
            })
        };
        assert!(explained(2, 1_000) && explained(2, 2_500));
        assert!(!explained(2, 999) && !explained(2, 3_001) && !explained(1, 1_500));
    }
}
