//! `quorate cli`: the command line client, with the commands and the output of zkCli
//! (`org.apache.zookeeper.ZooKeeperMain`), for people, and with `--json` for programs.
//!
//! ```text
//! arguments --> shell --> options --> commands --> client --> servers
//!                 ^                      |            |
//!   interactive --+ (lines)              +--> output <+ (events)
//! ```
//! What is left out: SASL, and the settings of Apache's client that are system properties of Java.

pub mod arguments;
pub mod client;
pub mod commands;
pub mod complete;
pub mod failure;
pub mod interactive;
pub mod line;
pub mod options;
pub mod output;
pub mod shell;
pub mod stat;
pub mod verbs;

use std::io::{self, IsTerminal};
use std::sync::Arc;

use arguments::{Arguments, HELP, SERVER_VARIABLE};
use output::Events;
use shell::{Next, Shell};

/// Exit code of a call that is not understood, or that could not do what was asked.
const FAILED: u8 = 1;

/// Runs the client with the words behind `quorate cli`; returns the exit code.
#[must_use]
pub fn run(words: Vec<String>) -> u8 {
    let arguments = match Arguments::parse(words, std::env::var(SERVER_VARIABLE).ok()) {
        Ok(arguments) if arguments.help => {
            println!("{HELP}");
            return 0;
        }
        Ok(arguments) => arguments,
        Err(e) => {
            eprintln!("{e}");
            return FAILED;
        }
    };
    // The session lives on a thread of its own while the main one waits for a line.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => Arc::new(runtime),
        Err(e) => {
            eprintln!("cannot start: {e}");
            return FAILED;
        }
    };
    let one_shot = !arguments.command.is_empty();
    // One command prints its result and nothing about the connection, so that scripts can use it.
    let events = Events::new(output::plain(), arguments.json, !one_shot);
    let mut shell = match Shell::start(runtime, events.clone(), &arguments) {
        Ok(shell) => shell,
        Err(e) => {
            eprintln!("{e}");
            return FAILED;
        }
    };
    if arguments.wait && !shell.wait_connected() {
        eprintln!(
            "{}: no connection within {} ms",
            arguments.server,
            arguments.timeout.as_millis()
        );
        return FAILED;
    }
    if one_shot {
        shell.run(&arguments.command);
    } else if io::stdin().is_terminal() && io::stdout().is_terminal() && !arguments.json {
        interactive::run(&mut shell, &events);
    } else {
        run_lines(&mut shell);
    }
    let code = shell.exit_code();
    events.show(false);
    shell.close();
    code
}

/// Runs the lines of standard input, without prompts.
fn run_lines(shell: &mut Shell) {
    for line in io::stdin().lines() {
        match line {
            Ok(line) if shell.run_line(&line) == Next::Continue => {}
            Ok(_) => return,
            Err(e) => {
                eprintln!("standard input: {e}");
                return;
            }
        }
    }
}
