//! `inspect log`: the transactions of one log file or of all in a directory.

use std::path::{Path, PathBuf};

use clap::Args;
use jiff::tz::TimeZone;
use serde_json::json;
use zk_storage::inspect::{LogEnd, RawLog, judge_log};
use zk_wire::Zxid;
use zk_wire::txn::Txn;

use super::InspectError;
use super::print::Lines;
use super::progress::Progress;
use super::{rewrite, txn_text};

/// What of a log to print or to write.
#[derive(Debug, Args)]
pub struct LogArguments {
    /// A file log.*, or a directory with some
    path: PathBuf,
    /// Print one JSON object for each transaction, and one at the end of each file
    #[arg(long)]
    json: bool,
    /// Check only: print no transactions
    #[arg(long)]
    quiet: bool,
    /// Write FILE.fixed, in which every checksum is right; what a damaged record says is not mended
    #[arg(long, conflicts_with = "chop")]
    recover: bool,
    /// Write the log up to this transaction (hex, with or without 0x) to the file of --out
    #[arg(long, value_name = "ZXID", requires = "out", value_parser = parse_zxid)]
    chop: Option<Zxid>,
    /// Where --chop writes to; must not be there yet
    #[arg(long, value_name = "FILE", requires = "chop")]
    out: Option<PathBuf>,
}

fn parse_zxid(text: &str) -> Result<Zxid, String> {
    let hex = text.strip_prefix("0x").unwrap_or(text);
    let number = u64::from_str_radix(hex, 16);
    number
        .map(Zxid::from_u64)
        .map_err(|_| format!("{text} is no zxid"))
}

/// What a file was found to hold.
struct Found {
    count: u64,
    damaged: u64,
    first: Option<Zxid>,
    last: Option<Zxid>,
    /// Places where a transaction is missing.
    gaps: Vec<(Zxid, Zxid)>,
    /// Records with a right checksum that are no transactions.
    unreadable: Vec<(u64, String)>,
    stopped: u64,
}

pub(super) fn run(arguments: &LogArguments) -> Result<(), InspectError> {
    if arguments.recover {
        return rewrite::recover(&arguments.path);
    }
    if let (Some(zxid), Some(out)) = (arguments.chop, &arguments.out) {
        return rewrite::chop(&arguments.path, zxid, out);
    }
    let files = files(&arguments.path)?;
    let mut lines = Lines::new();
    let mut damage = Vec::new();
    let mut before: Option<Zxid> = None;
    for file in &files {
        match one(file, arguments, &mut lines, &mut before) {
            Ok(None) => {}
            Ok(Some(why)) => damage.push(why),
            Err(why) => damage.push(why.to_string()),
        }
    }
    drop(lines);
    if damage.is_empty() {
        return Ok(());
    }
    Err(InspectError::Damage(damage.join("\n")))
}

/// The file itself, or the logs of a directory in their order.
fn files(path: &Path) -> Result<Vec<PathBuf>, InspectError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let below = path.join("version-2");
    let dir = if below.is_dir() {
        below
    } else {
        path.to_owned()
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&dir).map_err(InspectError::io(&dir))? {
        let entry = entry.map_err(InspectError::io(&dir))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(hex) = name.strip_prefix("log.")
            && let Ok(zxid) = u64::from_str_radix(hex, 16)
        {
            found.push((zxid, entry.path()));
        }
    }
    if found.is_empty() {
        let why = format!("{}: there is no file log.* in it", dir.display());
        return Err(InspectError::Damage(why));
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// Prints one file; gives what is wrong with it. `before` is the last transaction of the file
/// before.
fn one(
    file: &Path,
    arguments: &LogArguments,
    lines: &mut Lines,
    before: &mut Option<Zxid>,
) -> Result<Option<String>, InspectError> {
    let mut log = match RawLog::open(file) {
        Ok(log) => log,
        // A crash right after the file was made leaves less than a header.
        Err(why) => {
            let Ok(LogEnd {
                torn: Some(torn), ..
            }) = judge_log(file, &mut |_| {})
            else {
                return Err(why.into());
            };
            let name = file.display().to_string();
            if arguments.json {
                lines.put(json!({"file": name, "transactions": 0, "torn": torn, "damage": []}));
            } else {
                lines.put(format_args!("{name}: {torn}; the next start removes it"));
            }
            return Ok(None);
        }
    };
    if !arguments.json {
        lines.put(format_args!(
            "ZooKeeper Transactional Log File with dbid {} txnlog format version {}",
            log.dbid(),
            log.version()
        ));
    }
    let found = records(file, &mut log, arguments, lines)?;
    let name = file.display();
    let mut wrong = Vec::new();
    let torn = match judge_log(file, &mut |_| {}) {
        Ok(LogEnd { torn, .. }) => torn,
        Err(why) => {
            wrong.push(format!("{why}; {}", remedy(found.damaged > 0)));
            None
        }
    };
    wrong.extend(found.complaints(&name.to_string(), *before));
    *before = found.last.or(*before);
    if arguments.json {
        lines.put(json!({
            "file": name.to_string(),
            "transactions": found.count,
            "first": found.first.map(|z| z.to_string()),
            "last": found.last.map(|z| z.to_string()),
            "end": found.stopped,
            "torn": torn,
            "damage": wrong,
        }));
    } else {
        if let Some(why) = torn {
            lines.put(format_args!(
                "{name}: an interrupted write at offset {}: {why}; the next start cuts it off",
                found.stopped
            ));
        }
        lines.put(format_args!("EOF reached after {} txns.", found.count));
    }
    Ok((!wrong.is_empty()).then(|| wrong.join("\n")))
}

/// What to do about a place where reading ends.
fn remedy(wrong_checksum: bool) -> &'static str {
    if wrong_checksum {
        "`quorate inspect log --recover` writes a copy with right checksums; of an ensemble's server, \
         set its data directory aside instead, and it takes the state from the leader"
    } else {
        "`quorate inspect log --chop` writes a copy that ends before this place; of an ensemble's \
         server, set its data directory aside instead, and it takes the state from the leader"
    }
}

impl Found {
    /// What is wrong besides the place where reading ends; `before` is the last transaction of the
    /// file before.
    fn complaints(&self, name: &str, before: Option<Zxid>) -> Vec<String> {
        let unreadable = self.unreadable.iter().map(|(offset, why)| {
            format!(
                "{name} is damaged at offset {offset}: {why}; `quorate inspect log --chop` writes a \
                 copy that ends before this place"
            )
        });
        let gap = before.zip(self.first).filter(|(a, b)| !follows(*a, *b));
        let gaps = gap.into_iter().chain(self.gaps.iter().copied());
        let gaps = gaps.map(|(last, next)| {
            format!(
                "{name}: {next} comes after {last}; what was between is missing, so restore the file \
                 that holds it, or set the data directory aside to take the state from the leader"
            )
        });
        unreadable.chain(gaps).collect()
    }
}

fn records(
    file: &Path,
    log: &mut RawLog,
    arguments: &LogArguments,
    lines: &mut Lines,
) -> Result<Found, InspectError> {
    let zone = TimeZone::system();
    let progress = Progress::new(file, log.len());
    let mut found = Found {
        count: 0,
        damaged: 0,
        first: None,
        last: None,
        gaps: Vec::new(),
        unreadable: Vec::new(),
        stopped: 0,
    };
    // The transaction before the one that is looked at, when both can be believed.
    let mut trusted: Option<Zxid> = None;
    while let Some(record) = log.next_record()? {
        progress.at(log.offset());
        found.count += 1;
        found.damaged += u64::from(!record.intact);
        let (offset, intact) = (record.offset, record.intact);
        let txn = match Txn::decode(record.raw) {
            Ok(txn) => txn,
            Err(why) => {
                let what = if intact { "UNREADABLE" } else { "CRC ERROR" };
                if !arguments.json {
                    lines.put(format_args!("{what} - at offset {offset}: {why}"));
                }
                if intact {
                    found.unreadable.push((offset, why.to_string()));
                }
                trusted = None;
                continue;
            }
        };
        let zxid = txn.header.zxid;
        if let Some(last) = trusted.filter(|last| intact && !follows(*last, zxid)) {
            found.gaps.push((last, zxid));
        }
        // What a damaged record says about itself is not believed.
        trusted = intact.then_some(zxid);
        found.first = found.first.or(trusted);
        found.last = trusted.or(found.last);
        if arguments.json {
            if !arguments.quiet || !intact {
                lines.put(txn_text::to_json(&txn, offset, intact));
            }
        } else if !intact {
            lines.put(format_args!("CRC ERROR - {}", txn_text::line(&txn, &zone)));
        } else if !arguments.quiet {
            lines.put(txn_text::line(&txn, &zone));
        }
    }
    found.stopped = log.offset();
    Ok(found)
}

/// Whether a transaction may stand behind another one.
fn follows(last: Zxid, next: Zxid) -> bool {
    last.next() == Some(next) || next.epoch() > last.epoch()
}
