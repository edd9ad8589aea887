//! Four-letter words and HTTP commands: the same questions to Apache's server and to ours, with the
//! same clients connected. Numbers, ids and dates differ; everything around them must not.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use quorate_e2e::peers::client::flags::{EPHEMERAL, PERSISTENT};
use quorate_e2e::peers::{Client, Ensemble, Kind, Settings, four_letter};
use serde_json::Value;

use crate::alone;

const LIMIT: Duration = Duration::from_secs(20);

/// Most bytes of an answer that are read.
const ANSWER_LEN_MAX: u64 = 1 << 20;

/// Words whose answers must have the same shape, line by line.
const WORDS: [&str; 15] = [
    "ruok", "isro", "srvr", "stat", "cons", "conf", "dirs", "dump", "wchs", "wchc", "wchp", "hash",
    "gtmk", "crst", "srst",
];

/// Commands whose answers must have the same members in the same order.
const COMMANDS: [&str; 24] = [
    "configuration",
    "connections",
    "stats",
    "server_stats",
    "dirs",
    "dump",
    "get_trace_mask",
    "set_trace_mask",
    "hash",
    "initial_configuration",
    "is_read_only",
    "last_snapshot",
    "leader",
    "observers",
    "ruok",
    "voting_view",
    "watch_summary",
    "watches",
    "watches_by_path",
    "zabstate",
    "connection_stat_reset",
    "observer_connection_stat_reset",
    "nosuch",
    "snapshot",
];

/// What a server answered, by what it was asked.
type Answers = BTreeMap<String, String>;

/// Asks a server alone everything, while a client with an ephemeral and two watches is connected.
fn ask_all(kind: Kind) -> Result<(Answers, Answers)> {
    let settings = Settings {
        extra: vec!["admin.enableServer=true".to_owned()],
        ..Settings::default()
    };
    let mut ensemble = Ensemble::start(kind, 1, &settings)?;
    let server = ensemble.server(1)?;
    let (address, admin) = (server.client_address(), server.admin_address());
    let mut client = Client::connect(address, LIMIT)?;
    client.create("/here", b"x", PERSISTENT)?;
    client.create("/mine", b"", EPHEMERAL)?;
    client.get("/here", true)?;
    client.get("/mine", true)?;
    let mut http = Answers::new();
    for name in COMMANDS.iter().chain(&["monitor", "environment"]) {
        http.insert(
            (*name).to_owned(),
            get(admin, &format!("/commands/{name}"))?,
        );
    }
    http.insert("index".to_owned(), get(admin, "/commands")?);
    let mut words = Answers::new();
    for word in WORDS.iter().chain(&["mntr", "envi"]) {
        words.insert((*word).to_owned(), four_letter::ask(address, word)?);
    }
    client.close()?;
    Ok((words, http))
}

/// The body of a page.
pub(super) fn get(address: SocketAddr, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(ANSWER_LEN_MAX).read_to_end(&mut answer)?;
    let text = String::from_utf8_lossy(&answer).into_owned();
    let (_, body) = text.split_once("\r\n\r\n").context("no HTTP answer")?;
    Ok(body.to_owned())
}

/// An answer with everything that must differ taken out of it.
fn shape(answer: &str) -> Vec<String> {
    let mut out = Vec::new();
    for line in answer.split('\n') {
        // The rest of these lines is a directory, a build or a moment.
        let head = ["dataDir=", "dataLogDir=", "Zookeeper version:"];
        if let Some(head) = head.into_iter().find(|head| line.starts_with(head)) {
            out.push(head.to_owned());
            continue;
        }
        // In which buckets sessions and connections lie, and in how many, depends on the moment too.
        if line.contains(" expire at ") {
            out.push("# expire at".to_owned());
            continue;
        }
        let mut shaped = String::new();
        let mut in_number = false;
        for c in line.chars() {
            let digit =
                c.is_ascii_digit() || (in_number && (c.is_ascii_hexdigit() || "x.-".contains(c)));
            if !digit {
                shaped.push(c);
            } else if !in_number {
                shaped.push('#');
            }
            in_number = digit;
        }
        out.push(
            shaped
                .replace("=-#", "=#")
                .replace("/-#", "/#")
                .replace(" -#", " #"),
        );
    }
    out
}

/// The names of all members with their depth, in order; names that are numbers are one name, and
/// several of them side by side are as one: how many buckets there are depends on the moment.
fn members(value: &Value, text: &str) -> Result<Vec<String>> {
    ensure!(value.is_object(), "no object: {text}");
    let names = text.lines().filter_map(|line| {
        let depth = line.len() - line.trim_start().len();
        let (name, _) = line.trim_start().strip_prefix('"')?.split_once("\" : ")?;
        let name = if name.bytes().all(|b| b.is_ascii_digit()) {
            "#"
        } else {
            name
        };
        Some(format!("{depth} {name}"))
    });
    let mut names: Vec<String> = names.collect();
    names.dedup_by(|a, b| a == b && a.ends_with(" #"));
    Ok(names)
}

/// Names before the separator, but for what only one of the servers has.
fn names(answer: &str, separator: char) -> BTreeSet<&str> {
    let lines = answer.lines();
    lines
        .filter_map(|line| Some(line.split_once(separator)?.0))
        // Requests per first part of the path are not counted here (docs/differences.md).
        .filter(|name| !name.ends_with("_per_namespace"))
        .collect()
}

#[test]
fn words_and_commands_are_answered_as_apache_answers_them() -> Result<()> {
    let _alone = alone();
    let (apache_words, apache_http) = ask_all(Kind::Apache)?;
    let (our_words, our_http) = ask_all(Kind::Quorate)?;
    let mut different = Vec::new();
    for word in WORDS {
        let (theirs, ours) = (&apache_words[word], &our_words[word]);
        // Apache lists connections in no order.
        let [mut their_shape, mut our_shape] = [shape(theirs), shape(ours)];
        their_shape.sort_unstable();
        our_shape.sort_unstable();
        their_shape.dedup_by(|a, b| a == b && a == "# expire at");
        our_shape.dedup_by(|a, b| a == b && a == "# expire at");
        if their_shape != our_shape {
            different.push(format!("{word}:\nApache:\n{theirs}\nQuorate:\n{ours}"));
        }
    }
    for (word, separator) in [("mntr", '\t'), ("envi", '=')] {
        let (theirs, ours) = (&apache_words[word], &our_words[word]);
        let missing: Vec<&str> = names(theirs, separator)
            .difference(&names(ours, separator))
            .copied()
            .collect();
        if !missing.is_empty() {
            different.push(format!("{word} lacks {missing:?}"));
        }
    }
    for command in COMMANDS {
        let (theirs, ours) = (&apache_http[command], &our_http[command]);
        let parsed = |text: &str| -> Result<Vec<String>> {
            let value: Value =
                serde_json::from_str(text).with_context(|| format!("{command}: {text:?}"))?;
            members(&value, text)
        };
        if parsed(theirs)? != parsed(ours)? {
            different.push(format!("{command}:\nApache:\n{theirs}\nQuorate:\n{ours}"));
        }
    }
    ensure!(different.is_empty(), "{}", different.join("\n\n"));
    ensure!(
        apache_http["index"] == our_http["index"],
        "the list differs"
    );
    for command in [
        "ruok",
        "nosuch",
        "watch_summary",
        "is_read_only",
        "get_trace_mask",
    ] {
        ensure!(apache_http[command] == our_http[command], "{command}");
    }
    Ok(())
}
