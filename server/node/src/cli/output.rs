//! What a command prints: lines as zkCli prints them, or one JSON object.
//!
//! Events are printed as they come, and those that came before a reply stand before what the command
//! prints about it.

use std::fmt::Display;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use super::client::Notice;

/// Prints to where the user looks; a line editor has its own way.
pub type Printer = Box<dyn FnMut(String) + Send>;

/// Prints to standard output.
#[must_use]
pub fn plain() -> Printer {
    Box::new(|text| put(&mut io::stdout().lock(), &text))
}

/// Writes a line; whoever closed the other end wants no more of this process.
fn put(out: &mut dyn Write, text: &str) {
    if writeln!(out, "{text}").and_then(|()| out.flush()).is_err() {
        std::process::exit(1);
    }
}

struct Inner {
    notices: Option<mpsc::Receiver<Notice>>,
    printer: Printer,
    json: bool,
    shown: bool,
}

impl Inner {
    fn show(&mut self, notice: &Notice) {
        if !self.shown {
            return;
        }
        let text = if self.json {
            let Notice {
                state,
                kind,
                path,
                zxid,
            } = notice;
            json!({"event": {"state": state, "type": kind, "path": path, "zxid": zxid}}).to_string()
        } else {
            event_text(notice)
        };
        (self.printer)(text);
    }
}

/// An event as zkCli prints it, without the end of the last line.
fn event_text(notice: &Notice) -> String {
    let path = notice.path.as_deref().unwrap_or("null");
    format!(
        "\nWATCHER::\n\nWatchedEvent state:{} type:{} path:{path} zxid: {}",
        notice.state, notice.kind, notice.zxid
    )
}

/// The events of one client after the other.
#[derive(Clone)]
pub struct Events(Arc<Mutex<Inner>>);

impl Events {
    /// No events yet.
    #[must_use]
    pub fn new(printer: Printer, json: bool, shown: bool) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            notices: None,
            printer,
            json,
            shown,
        })))
    }

    fn with<T>(&self, f: impl FnOnce(&mut Inner) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Prints from now on what this client is told, inside of a tokio runtime.
    pub fn follow(&self, notices: mpsc::Receiver<Notice>) {
        self.drain();
        self.with(|inner| inner.notices = Some(notices));
        let events = self.clone();
        tokio::spawn(std::future::poll_fn(move |cx| {
            events.with(|inner| {
                loop {
                    let Some(notices) = &mut inner.notices else {
                        return Poll::Ready(());
                    };
                    match notices.poll_recv(cx) {
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(None) => return Poll::Ready(()),
                        Poll::Ready(Some(notice)) => inner.show(&notice),
                    }
                }
            })
        }));
    }

    /// Prints what has come.
    pub fn drain(&self) {
        self.with(|inner| {
            while let Some(Ok(notice)) = inner.notices.as_mut().map(mpsc::Receiver::try_recv) {
                inner.show(&notice);
            }
        });
    }

    /// Whether events are printed.
    #[must_use]
    pub fn shown(&self) -> bool {
        self.with(|inner| inner.shown)
    }

    /// Prints them or not.
    pub fn show(&self, shown: bool) {
        self.drain();
        self.with(|inner| inner.shown = shown);
    }

    /// Prints by another way from now on.
    pub fn print_by(&self, printer: Printer) {
        self.with(|inner| inner.printer = printer);
    }
}

/// Where one command prints to.
pub struct Output {
    json: bool,
    events: Events,
    fields: Map<String, Value>,
}

impl Output {
    /// For the next command.
    #[must_use]
    pub fn new(json: bool, events: Events) -> Self {
        Self {
            json,
            events,
            fields: Map::new(),
        }
    }

    /// Prints a line of the result, for people.
    pub fn line(&mut self, text: impl Display) {
        self.events.drain();
        if !self.json {
            put(&mut io::stdout().lock(), &text.to_string());
        }
    }

    /// Prints a remark beside the result, for people.
    pub fn remark(&mut self, text: impl Display) {
        self.events.drain();
        if !self.json {
            put(&mut io::stderr().lock(), &text.to_string());
        }
    }

    /// Notes a part of the result, for programs.
    pub fn field(&mut self, name: &str, value: impl Into<Value>) {
        if self.json {
            self.fields.insert(name.to_owned(), value.into());
        }
    }

    /// Ends the command: prints the failure, and for programs the object with all fields.
    pub fn end(mut self, command: &str, outcome: &Result<(), super::failure::Failure>) {
        self.events.drain();
        if self.json {
            let mut object = Map::new();
            object.insert("command".into(), command.into());
            object.insert("ok".into(), outcome.is_ok().into());
            object.append(&mut self.fields);
            if let Err(failure) = outcome {
                object.insert("error".into(), failure.to_json());
            }
            put(&mut io::stdout().lock(), &Value::Object(object).to_string());
        } else if let Err(failure) = outcome
            && !failure.message().is_empty()
        {
            put(&mut io::stderr().lock(), failure.message());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_reads_as_in_zkcli() {
        let notice = Notice {
            state: "SyncConnected",
            kind: "NodeCreated",
            path: Some("/a".into()),
            zxid: 7,
        };
        let want =
            "\nWATCHER::\n\nWatchedEvent state:SyncConnected type:NodeCreated path:/a zxid: 7";
        assert_eq!(event_text(&notice), want);
    }
}
