//! The line editor: prompt, completion, and a history that outlives the process.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustyline::Helper;
use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, Editor, ExternalPrinter as _};
use tokio::runtime::Handle;

use super::client::Client;
use super::complete::{Candidates, candidates};
use super::output::{self, Events};
use super::shell::{Next, Shell};

/// Lines that the history file keeps.
const HISTORY_LEN: usize = 1000;

/// How long a completion may wait for a server.
const COMPLETION_MAX: Duration = Duration::from_secs(2);

/// Completes from what the current session sees.
struct Nodes {
    runtime: Handle,
    client: Mutex<Option<Arc<Client>>>,
}

impl Nodes {
    fn children(&self, parent: &str, prefix: &str) -> Vec<String> {
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(client) = client.as_ref().filter(|c| c.state().is_connected()) else {
            return Vec::new();
        };
        let ask =
            async { tokio::time::timeout(COMPLETION_MAX, client.children(parent, false)).await };
        let Ok(Ok((mut names, _))) = self.runtime.block_on(ask) else {
            return Vec::new();
        };
        names.retain(|name| name.starts_with(prefix));
        names.sort();
        let above = if parent == "/" { "" } else { parent };
        names.iter().map(|name| format!("{above}/{name}")).collect()
    }
}

impl Helper for Nodes {}

impl Highlighter for Nodes {}

impl Validator for Nodes {}

impl Hinter for Nodes {
    type Hint = String;
}

impl Completer for Nodes {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        pos: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let (start, found) = candidates(line.get(..pos).unwrap_or(line));
        let words = match found {
            Candidates::Words(words) => words,
            Candidates::Children { parent, prefix } => self.children(&parent, &prefix),
        };
        let pair = |word: String| Pair {
            display: word.trim_end().to_owned(),
            replacement: word,
        };
        Ok((start, words.into_iter().map(pair).collect()))
    }
}

/// Where the history is kept: `$XDG_STATE_HOME/quorate/cli_history`, or below `~/.local/state`.
fn history_file() -> Option<PathBuf> {
    let absolute = |name| {
        let path = PathBuf::from(std::env::var_os(name)?);
        path.is_absolute().then_some(path)
    };
    let state = absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))?;
    let directory = state.join("quorate");
    std::fs::create_dir_all(&directory).ok()?;
    Some(directory.join("cli_history"))
}

/// Reads lines from the terminal and runs them until `quit` or the end of the input.
pub fn run(shell: &mut Shell, events: &Events) {
    let config = Config::builder()
        .completion_type(CompletionType::List)
        .auto_add_history(true)
        .history_ignore_space(true);
    let config = config.max_history_size(HISTORY_LEN).map(|c| c.build());
    let editor = config.and_then(Editor::<Nodes, FileHistory>::with_config);
    let mut editor = match editor {
        Ok(editor) => editor,
        Err(e) => {
            eprintln!("cannot use this terminal: {e}");
            return;
        }
    };
    editor.set_helper(Some(Nodes {
        runtime: shell.runtime(),
        client: Mutex::new(shell.client()),
    }));
    let history = history_file();
    if let Some(file) = &history {
        // The first time there is none.
        editor.load_history(file).ok();
    }
    if let Ok(mut printer) = editor.create_external_printer() {
        events.print_by(Box::new(move |text| {
            printer.print(format!("{text}\n")).ok();
        }));
    }
    println!("Connecting to {}", shell.server());
    println!("Welcome to Quorate! `help` lists the commands, Tab completes, Ctrl-D leaves.");
    loop {
        if let Some(nodes) = editor.helper_mut() {
            *nodes.client.lock().unwrap_or_else(PoisonError::into_inner) = shell.client();
        }
        match editor.readline(&shell.prompt()) {
            Ok(line) if shell.run_line(&line) == Next::Continue => {}
            Ok(_) | Err(ReadlineError::Eof) => break,
            // Ctrl-C gives up the line, not the session.
            Err(ReadlineError::Interrupted) => {}
            Err(e) => {
                eprintln!("{e}");
                break;
            }
        }
    }
    events.print_by(output::plain());
    if let Some(file) = &history
        && let Err(e) = editor.save_history(file)
    {
        eprintln!("{}: {e}", file.display());
    }
}
