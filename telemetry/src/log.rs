//! The log: to standard error, as text or as JSON lines, with levels that change while the process runs.
//!
//! Several may wish for levels. Whoever asked for them for a while goes before the settings, and these before
//! what the process began with.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::{info, warn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use crate::levels::Levels;

/// The variable with the levels that a process begins with.
const VARIABLE: &str = "RUST_LOG";

/// Form of the log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object per line.
    Json,
}

/// Whether lines for people name the module that they are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Targets {
    /// They do.
    Shown,
    /// They do not.
    Hidden,
}

/// Who wished for the levels in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The process began with them: `RUST_LOG`, or else the default.
    Start,
    /// A setting.
    Settings,
    /// Somebody asked for them for a while.
    Request,
}

impl Source {
    /// One word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Settings => "settings",
            Self::Request => "request",
        }
    }
}

/// The levels in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// As people write them.
    pub levels: String,
    /// Who wished for them.
    pub source: Source,
    /// How long they stay; `None`: until somebody wishes for others.
    pub left: Option<Duration>,
}

/// The log of the process; clones are the same log.
#[derive(Debug, Clone)]
pub struct Log(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    format: LogFormat,
    /// What the process began with, as people write it.
    start: String,
    filter: reload::Handle<EnvFilter, Registry>,
    wishes: Mutex<Wishes>,
}

#[derive(Debug, Default)]
struct Wishes {
    settings: Option<Levels>,
    request: Option<Request>,
    requests: u64,
}

#[derive(Debug)]
struct Request {
    number: u64,
    levels: Levels,
    ends: Instant,
}

impl Log {
    /// Switches the log of the process on; to be called once. `RUST_LOG` goes before `default`.
    #[must_use]
    pub fn start(format: LogFormat, targets: Targets, default: &Levels) -> Self {
        let wanted = std::env::var(VARIABLE).unwrap_or_default();
        let parsed = EnvFilter::builder().parse(&wanted);
        let (start, filter, refused) = match parsed {
            _ if wanted.trim().is_empty() => (default.to_string(), default.filter(), None),
            Ok(filter) => (wanted, filter, None),
            Err(e) => (default.to_string(), default.filter(), Some(e)),
        };
        let (log, filter) = Self::new(format, start, filter);
        let lines = fmt::layer().with_writer(std::io::stderr);
        let lines = match format {
            LogFormat::Text => lines
                .with_target(targets == Targets::Shown)
                .with_ansi(false)
                .boxed(),
            LogFormat::Json => lines.json().boxed(),
        };
        tracing_subscriber::registry()
            .with(filter)
            .with(lines)
            .init();
        if let Some(e) = refused {
            warn!("{VARIABLE} is refused, the log has the levels {default}: {e}");
        }
        log
    }

    fn new(
        format: LogFormat,
        start: String,
        filter: EnvFilter,
    ) -> (Self, reload::Layer<EnvFilter, Registry>) {
        let (layer, filter) = reload::Layer::new(filter);
        let wishes = Mutex::default();
        let inner = Inner {
            format,
            start,
            filter,
            wishes,
        };
        (Self(Arc::new(inner)), layer)
    }

    /// A log that nobody reads, for tests of what needs one.
    #[must_use]
    pub fn unread() -> Self {
        let levels = Levels::info();
        Self::new(LogFormat::Text, levels.to_string(), levels.filter()).0
    }

    /// Form of its lines.
    #[must_use]
    pub fn format(&self) -> LogFormat {
        self.0.format
    }

    fn wishes(&self) -> MutexGuard<'_, Wishes> {
        // Nothing in here can panic half-way through a change.
        self.0.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the settings wish for; `None`: nothing.
    pub fn set(&self, levels: Option<Levels>) {
        let mut wishes = self.wishes();
        if wishes.settings != levels {
            wishes.settings = levels;
            self.take(&wishes);
        }
    }

    /// Levels for a while, in place of those that were asked for before. Returns the number with which
    /// [`Log::end`] ends them: whoever asks sees to it that this is done in time.
    #[must_use]
    pub fn ask(&self, levels: Levels, time: Duration) -> u64 {
        let mut wishes = self.wishes();
        wishes.requests += 1;
        let number = wishes.requests;
        wishes.request = Some(Request {
            number,
            levels,
            ends: Instant::now() + time,
        });
        self.take(&wishes);
        number
    }

    /// Ends the levels of this number; nothing where others were asked for since.
    pub fn end(&self, number: u64) {
        let mut wishes = self.wishes();
        if wishes
            .request
            .take_if(|asked| asked.number == number)
            .is_some()
        {
            self.take(&wishes);
        }
    }

    /// Ends whatever was asked for.
    pub fn end_all(&self) {
        let mut wishes = self.wishes();
        if wishes.request.take().is_some() {
            self.take(&wishes);
        }
    }

    /// The levels in force.
    #[must_use]
    pub fn in_force(&self) -> InForce {
        self.of(&self.wishes())
    }

    fn of(&self, wishes: &Wishes) -> InForce {
        let (levels, source) = match wishes {
            Wishes {
                request: Some(asked),
                ..
            } => (asked.levels.to_string(), Source::Request),
            Wishes {
                settings: Some(levels),
                ..
            } => (levels.to_string(), Source::Settings),
            _ => (self.0.start.clone(), Source::Start),
        };
        let left = |asked: &Request| asked.ends.saturating_duration_since(Instant::now());
        InForce {
            levels,
            source,
            left: wishes.request.as_ref().map(left),
        }
    }

    fn take(&self, wishes: &Wishes) {
        let InForce { levels, source, .. } = self.of(wishes);
        let filter = EnvFilter::builder().parse_lossy(&levels);
        info!("log levels ({}): {levels}", source.name());
        if let Err(e) = self.0.filter.reload(filter) {
            warn!("the levels of the log cannot be changed: {e}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Lines {
        fn has(&self, word: &str) -> bool {
            let bytes = self.0.lock().unwrap();
            String::from_utf8_lossy(&bytes).contains(word)
        }
    }

    fn levels(text: &str) -> Levels {
        text.parse().unwrap()
    }

    #[test]
    fn levels_change_while_lines_are_written() {
        let start = levels("info");
        let (log, filter) = Log::new(LogFormat::Text, start.to_string(), start.filter());
        let lines = Lines::default();
        let sink = lines.clone();
        let writer = fmt::layer().with_writer(move || sink.clone());
        let subscriber = tracing_subscriber::registry().with(filter).with(writer);
        tracing::subscriber::with_default(subscriber, || {
            tracing::debug!("first");
            log.set(Some(levels("debug")));
            tracing::debug!("second");
            let number = log.ask(levels("error"), Duration::from_mins(1));
            tracing::warn!("third");
            log.end(number + 1);
            tracing::warn!("fourth");
            log.end(number);
            tracing::debug!("fifth");
            log.set(None);
            tracing::debug!("sixth");
        });
        let seen = ["first", "second", "third", "fourth", "fifth", "sixth"].map(|w| lines.has(w));
        assert_eq!(seen, [false, true, false, false, true, false]);
    }

    #[test]
    fn who_asked_for_a_while_goes_first() {
        let log = Log::unread();
        let told = |log: &Log| (log.in_force().levels, log.in_force().source);
        assert_eq!(told(&log), ("info".to_owned(), Source::Start));
        log.set(Some(levels("warn")));
        let first = log.ask(levels("debug"), Duration::from_mins(1));
        let second = log.ask(levels("trace"), Duration::from_mins(2));
        log.end(first);
        assert_eq!(told(&log), ("trace".to_owned(), Source::Request));
        assert!(log.in_force().left > Some(Duration::from_mins(1)));
        assert_ne!(first, second);
        log.end_all();
        assert_eq!(told(&log), ("warn".to_owned(), Source::Settings));
        assert_eq!(log.in_force().left, None);
    }
}
