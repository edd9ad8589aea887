//! Executes the examples in docs/*.md against a server, so that no page promises what is not so.
//!
//! A page with a fenced block whose language is `console` is run from top to bottom:
//!
//! - A line that begins with `$ ` is a command for `sh`; lines that begin with `> ` continue it (a
//!   here-document, for instance). It must end with 0, so an example of a failure ends in
//!   `; echo $?` or the like.
//! - The lines up to the next command are its output, standard output and error together. A line of
//!   `...` stands for any lines, and `...` within a line for any text.
//! - A block of any language with `file=NAME` behind it is written to that file first.
//! - `<!-- server: KEY=VALUE -->` adds a line to the configuration of the page's server.
//!
//! Each page has its own empty directory and its own server. Ports in the text are those that people
//! use, 2181 and 8080; while a page runs, they stand for free ones, in commands, in files and in what
//! is printed. The commands `quorate cli` and `quorate status` find the server by themselves.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::process::{Server, free_ports, wait_for, write_config};

/// Ports as they stand in the text.
const PORTS: [&str; 3] = ["2181", "8080", "2281"];

/// A piece of a page that is acted upon.
#[derive(Debug, PartialEq)]
enum Step {
    /// Write a file.
    File { name: String, text: String },
    /// Run a command.
    Run {
        line: usize,
        command: String,
        output: String,
    },
}

/// Takes a page apart: what to do, and the lines for the configuration.
fn parse(page: &str) -> (Vec<Step>, String) {
    let (mut steps, mut config) = (Vec::new(), String::new());
    let mut lines = (1..).zip(page.lines());
    while let Some((_, line)) = lines.next() {
        if let Some(key) = line.strip_prefix("<!-- server: ") {
            let key = key.strip_suffix(" -->").expect("a comment of one line");
            writeln!(config, "{key}").unwrap();
        }
        let Some(language) = line.strip_prefix("```") else {
            continue;
        };
        let block: Vec<(usize, &str)> = lines.by_ref().take_while(|l| l.1 != "```").collect();
        if let Some(name) = language.split_once("file=").map(|(_, name)| name.trim()) {
            let text: String = block.iter().map(|l| format!("{}\n", l.1)).collect();
            steps.push(Step::File {
                name: name.to_owned(),
                text,
            });
        } else if language.trim() == "console" {
            commands(&block, &mut steps);
        }
    }
    (steps, config)
}

/// Takes a console block apart.
fn commands(block: &[(usize, &str)], steps: &mut Vec<Step>) {
    let mut in_output = false;
    for (number, line) in block {
        if let Some(command) = line.strip_prefix("$ ") {
            in_output = false;
            steps.push(Step::Run {
                line: *number,
                command: command.to_owned(),
                output: String::new(),
            });
            continue;
        }
        let Some(Step::Run {
            command, output, ..
        }) = steps.last_mut()
        else {
            panic!("line {number}: output without a command before it");
        };
        match line.strip_prefix("> ").or((*line == ">").then_some("")) {
            Some(more) if !in_output => write!(command, "\n{more}").unwrap(),
            _ => {
                in_output = true;
                writeln!(output, "{line}").unwrap();
            }
        }
    }
}

/// Whether the lines that came are those that the page shows.
fn matches(shown: &[&str], came: &[&str]) -> bool {
    match shown.split_first() {
        None => came.is_empty(),
        Some((&"...", rest)) => (0..=came.len()).any(|n| matches(rest, &came[n..])),
        Some((line, rest)) => came
            .split_first()
            .is_some_and(|(first, behind)| line_matches(line, first) && matches(rest, behind)),
    }
}

fn line_matches(shown: &str, came: &str) -> bool {
    let Some((head, rest)) = shown.split_once("...") else {
        return shown == came;
    };
    came.strip_prefix(head).is_some_and(|behind| {
        let starts = (0..=behind.len()).filter(|n| behind.is_char_boundary(*n));
        starts.into_iter().any(|n| line_matches(rest, &behind[n..]))
    })
}

/// Process groups of a page, with whatever a command left running in them.
#[derive(Default)]
struct Groups(Vec<rustix::process::Pid>);

impl Drop for Groups {
    fn drop(&mut self) {
        for group in &self.0 {
            // Most are empty by now, which is what an error says.
            rustix::process::kill_process_group(*group, rustix::process::Signal::KILL).ok();
        }
    }
}

/// One page while it runs.
struct Page {
    dir: tempfile::TempDir,
    ports: [String; PORTS.len()],
    groups: Groups,
}

impl Page {
    fn with_real_ports(&self, text: &str) -> String {
        let pairs = PORTS.iter().zip(&self.ports);
        pairs.fold(text.to_owned(), |text, (shown, real)| {
            text.replace(shown, real)
        })
    }

    fn with_shown_ports(&self, text: &str) -> String {
        let pairs = PORTS.iter().zip(&self.ports);
        pairs.fold(text.to_owned(), |text, (shown, real)| {
            text.replace(real, shown)
        })
    }

    /// Runs a command to its end; its output goes through a file, so that what it leaves in the
    /// background holds nothing up.
    fn run(&mut self, command: &str) -> (Option<i32>, String) {
        let log = self.dir.path().join(".output");
        let file = File::create(&log).unwrap();
        let bin = Path::new(env!("CARGO_BIN_EXE_quorate")).parent().unwrap();
        let path = std::env::var("PATH").unwrap_or_default();
        let mut child = Command::new("sh")
            .arg("-c")
            .arg(self.with_real_ports(command))
            .current_dir(self.dir.path())
            .env("PATH", format!("{}:{path}", bin.display()))
            .env("QUORATE_SERVER", format!("127.0.0.1:{}", self.ports[0]))
            .env(
                "QUORATE_ADMIN",
                format!("http://127.0.0.1:{}", self.ports[1]),
            )
            .env("XDG_STATE_HOME", self.dir.path().join(".state"))
            .env("TZ", "UTC")
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .process_group(0)
            .spawn()
            .unwrap();
        self.groups.0.push(rustix::process::Pid::from_child(&child));
        let status = wait_for(command, || child.try_wait().unwrap());
        let output = String::from_utf8_lossy(&fs::read(&log).unwrap()).into_owned();
        (status.code(), self.with_shown_ports(&output))
    }
}

/// Runs a page; gives what is not as it says.
fn run(path: &Path) -> Option<String> {
    let (steps, config) = parse(&fs::read_to_string(path).unwrap());
    if !steps.iter().any(|step| matches!(step, Step::Run { .. })) {
        return None;
    }
    let ports = free_ports::<{ PORTS.len() }>();
    let mut page = Page {
        dir: tempfile::tempdir().unwrap(),
        ports: ports.map(|port| port.to_string()),
        groups: Groups::default(),
    };
    let config = page.with_real_ports(&config);
    let config = write_config(page.dir.path(), ports[0], ports[1], &config);
    let mut server = Server::start(&config);
    server.wait_serving();
    for step in steps {
        match step {
            Step::File { name, text } => {
                let file = page.dir.path().join(name);
                fs::write(file, page.with_real_ports(&text)).unwrap();
            }
            Step::Run {
                line,
                command,
                output,
            } => {
                let (code, came) = page.run(&command);
                let shown_lines: Vec<&str> = output.lines().collect();
                let came_lines: Vec<&str> = came.lines().collect();
                if code != Some(0) || !matches(&shown_lines, &came_lines) {
                    let at = path.display();
                    return Some(format!(
                        "{at}:{line}: $ {command}\nshown:\n{output}\ncame, exit code {code:?}:\n{came}"
                    ));
                }
            }
        }
    }
    None
}

#[test]
fn examples_do_what_the_pages_say() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let mut pages: Vec<PathBuf> = fs::read_dir(docs)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "md"))
        .collect();
    pages.sort();
    let wrong: Vec<String> = pages.iter().filter_map(|page| run(page)).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n\n"));
}

#[test]
fn a_page_is_taken_apart() {
    let page = "<!-- server: a=b -->\n```properties file=x.cfg\nk=v\n```\n```sh\n$ not me\n```\n\
                ```console\n$ cat <<E\n> one\n> E\none\n> two\n$ true\n```\n";
    let (steps, config) = parse(page);
    assert_eq!(config, "a=b\n");
    let run = |line, command: &str, output: &str| Step::Run {
        line,
        command: command.into(),
        output: output.into(),
    };
    let file = Step::File {
        name: "x.cfg".into(),
        text: "k=v\n".into(),
    };
    assert_eq!(
        steps,
        [
            file,
            run(9, "cat <<E\none\nE", "one\n> two\n"),
            run(14, "true", "")
        ]
    );
}

#[test]
fn dots_stand_for_anything() {
    let check = |shown: &str, came: &str| {
        let (shown, came): (Vec<_>, Vec<_>) = (shown.lines().collect(), came.lines().collect());
        matches(&shown, &came)
    };
    assert!(check("a\n...\nd", "a\nb\nc\nd"));
    assert!(check("...", ""));
    assert!(check("x = ...ms, y", "x = 12ms, y"));
    assert!(!check("a\n...", "b"));
    assert!(!check("a", "a\nb"));
    assert!(!check("x = ...ms", "x = 12s"));
}
