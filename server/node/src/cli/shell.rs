//! Runs commands one after the other: keeps the session, the history of typed lines and what is
//! printed (`ZooKeeperMain`).

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::runtime::{Handle, Runtime};

use super::arguments::Arguments;
use super::client::{Client, ClientError, Connect, Options, State, Tls};
use super::commands::{self, Context};
use super::failure::Failure;
use super::output::{Events, Output};
use super::verbs::{self, Verb};
use super::{line, options};

/// Lines that `history` shows before its own.
const HISTORY_SHOWN: usize = 10;

/// What to do after a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Read on.
    Continue,
    /// Leave.
    Quit,
}

/// Typed commands and the session that they use.
pub struct Shell {
    runtime: Arc<Runtime>,
    events: Events,
    server: String,
    timeout: Duration,
    read_only: bool,
    tls: Option<Tls>,
    json: bool,
    client: Option<Arc<Client>>,
    history: Vec<String>,
    exit_code: u8,
}

impl Shell {
    /// Begins to connect.
    ///
    /// # Errors
    /// A connect string that is none, or files for TLS that cannot be used.
    pub fn start(
        runtime: Arc<Runtime>,
        events: Events,
        arguments: &Arguments,
    ) -> Result<Self, ClientError> {
        let mut shell = Self {
            runtime,
            events,
            server: arguments.server.clone(),
            timeout: arguments.timeout,
            read_only: arguments.read_only,
            tls: arguments.tls.load()?,
            json: arguments.json,
            client: None,
            history: Vec::new(),
            exit_code: 0,
        };
        shell.connect(&arguments.server)?;
        Ok(shell)
    }

    fn connect(&mut self, server: &str) -> Result<(), ClientError> {
        let options = Options {
            connect: Connect::parse(server)?,
            timeout: self.timeout,
            read_only: self.read_only,
            tls: self.tls.clone(),
        };
        self.close();
        server.clone_into(&mut self.server);
        let runtime = Arc::clone(&self.runtime);
        let _inside = runtime.enter();
        let (client, notices) = Client::start(options);
        self.events.follow(notices);
        self.client = Some(Arc::new(client));
        Ok(())
    }

    /// Ends the session, if there is one.
    pub fn close(&mut self) {
        let Some(client) = self.client.take() else {
            return;
        };
        // A server that does not answer any more will let the session expire.
        let limit = self.timeout.min(Duration::from_secs(5));
        let closed = async { tokio::time::timeout(limit, client.close()).await };
        if let Ok(Err(why)) = self.runtime.block_on(closed) {
            tracing::debug!("the session was not closed: {why}");
        }
        self.events.drain();
    }

    /// Waits for the session; false when there is none within the time-out.
    #[must_use]
    pub fn wait_connected(&self) -> bool {
        let client = self.client.as_ref();
        client.is_some_and(|client| self.runtime.block_on(client.connected(self.timeout)))
    }

    /// The session, for completion.
    #[must_use]
    pub fn client(&self) -> Option<Arc<Client>> {
        self.client.clone()
    }

    /// Where to run requests, for completion.
    #[must_use]
    pub fn runtime(&self) -> Handle {
        self.runtime.handle().clone()
    }

    /// The connect string.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// What stands before a typed line.
    #[must_use]
    pub fn prompt(&self) -> String {
        let state = self.client.as_ref().map_or(State::Closed, |c| c.state());
        let number = self.history.len();
        format!("[zk: {}({}) {number}] ", self.server, state.name())
    }

    /// The code with which the process ends now.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        self.exit_code
    }

    /// Runs a typed line.
    pub fn run_line(&mut self, text: &str) -> Next {
        let words = line::split(text);
        if words.is_empty() {
            return Next::Continue;
        }
        self.history.push(text.to_owned());
        self.run(&words)
    }

    /// Runs a command.
    pub fn run(&mut self, words: &[String]) -> Next {
        let name = words.first().map_or("", String::as_str);
        if name == "quit" {
            return Next::Quit;
        }
        let mut out = Output::new(self.json, self.events.clone());
        let outcome = match verbs::find(name) {
            Some(verb) => self.dispatch(verb, words, &mut out),
            None => {
                out.remark(verbs::listing());
                Err(Failure::not_found(name))
            }
        };
        self.exit_code = outcome.as_ref().map_or_else(Failure::exit_code, |()| 0);
        out.end(name, &outcome);
        Next::Continue
    }

    fn dispatch(
        &mut self,
        verb: &'static Verb,
        words: &[String],
        out: &mut Output,
    ) -> Result<(), Failure> {
        let behind = words.get(1..).unwrap_or_default();
        let parsed = options::parse(behind, verb.options, verb.group).map_err(Failure::new)?;
        if parsed.words.len() < verb.words_min || parsed.has("?") {
            return Err(Failure::new(verb.usage()));
        }
        let first = parsed.word(0);
        match verb.name {
            "help" => {
                out.line(verbs::listing());
                Ok(())
            }
            "version" => {
                let version = env!("CARGO_PKG_VERSION");
                out.line(format_args!("Quorate CLI version: {version}"));
                out.field("version", version);
                Ok(())
            }
            "history" => {
                self.show_history(out);
                Ok(())
            }
            "redo" => self.redo(first.unwrap_or_default()),
            "printwatches" => {
                if let Some(word) = first {
                    self.events.show(word == "on");
                } else {
                    let state = if self.events.shown() { "on" } else { "off" };
                    out.line(format_args!("printwatches is {state}"));
                }
                out.field("printwatches", self.events.shown());
                Ok(())
            }
            "connect" => {
                let server = first.map_or_else(|| self.server.clone(), str::to_owned);
                self.connect(&server).map_err(|e| Failure::of(&e, None))
            }
            "close" => {
                self.alive()?;
                self.close();
                Ok(())
            }
            _ => {
                let client = self.alive()?;
                let mut cx = Context {
                    client: &client,
                    out,
                    verb,
                };
                self.runtime.block_on(commands::run(&mut cx, parsed))
            }
        }
    }

    fn alive(&self) -> Result<Arc<Client>, Failure> {
        let client = self.client.clone().filter(|c| c.state().is_alive());
        client.ok_or_else(|| Failure::new("Not connected"))
    }

    fn show_history(&self, out: &mut Output) {
        let from = self.history.len().saturating_sub(HISTORY_SHOWN + 1);
        let mut lines = Vec::new();
        for (number, typed) in self.history.iter().enumerate().skip(from) {
            out.line(format_args!("{number} - {typed}"));
            lines.push(Value::from(typed.as_str()));
        }
        out.field("first", from);
        out.field("lines", lines);
    }

    fn redo(&mut self, number: &str) -> Result<(), Failure> {
        let last = self.history.len().saturating_sub(1);
        let number = number.parse().ok().filter(|n: &usize| *n < last);
        let typed = number.and_then(|n| self.history.get(n)).cloned();
        let typed = typed.ok_or_else(|| Failure::new("Command index out of range"))?;
        let words = line::split(&typed);
        if words.first().is_some_and(|name| name == "redo") {
            return Err(Failure::new("No redoing redos"));
        }
        if let Some(entry) = self.history.last_mut() {
            entry.clone_from(&typed);
        }
        self.run(&words);
        if self.exit_code == 0 {
            Ok(())
        } else {
            Err(Failure::told())
        }
    }
}
