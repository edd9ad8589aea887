//! The thread that writes the lines.

use std::fmt::Write as _;
use std::sync::Arc;
use std::thread::JoinHandle;

use jiff::Timestamp;
use quorate_telemetry::LogFormat;
use serde_json::{Map, Value, json};
use tracing::warn;

use super::Outcome;
use super::line::{self, Line};
use super::queue::{Batch, Queue};
use super::sink::Sink;
use super::user;

/// Lines that are written at once.
const LINES_AT_ONCE: usize = 256;

/// Starts the thread; it ends when the queue is closed and empty.
pub(super) fn spawn(
    queue: Arc<Queue>,
    mut sink: Sink,
    format: LogFormat,
) -> std::io::Result<JoinHandle<()>> {
    let thread = std::thread::Builder::new().name("quorate-audit".into());
    thread.spawn(move || {
        let user = user::own_name();
        let mut works = true;
        while let Some(batch) = queue.take() {
            let lines = lines(&batch, &user, format);
            for some in lines.chunks(LINES_AT_ONCE) {
                let outcome = sink.write(some.concat().as_bytes());
                match &outcome {
                    Ok(()) => queue.lines().written.add(some.len() as u64),
                    Err(_) => queue.failed(some.len() as u64),
                }
                if let (true, Err(e)) = (works, &outcome) {
                    warn!("the audit log cannot be written, its lines are lost until it can: {e}");
                }
                works = outcome.is_ok();
            }
        }
    })
}

/// The lines of a batch, each with its end.
fn lines(batch: &Batch, user: &str, format: LogFormat) -> Vec<String> {
    let mut out = Vec::with_capacity(batch.entries.len() + 1);
    let told = batch.entries.front().map_or(0, |(at_ms, _)| *at_ms);
    if batch.lost > 0 {
        out.push(print(told, &line::lost(user, batch.lost), format));
    }
    for (at_ms, entry) in &batch.entries {
        let lines = line::lines(entry, user);
        out.extend(lines.iter().map(|line| print(*at_ms, line, format)));
    }
    out
}

fn print(at_ms: i64, line: &Line, format: LogFormat) -> String {
    let at = Timestamp::from_millisecond(at_ms).unwrap_or_default();
    let level = match line.outcome {
        Outcome::Failure => "ERROR",
        Outcome::Success | Outcome::Invoked => "INFO",
    };
    let result = line.outcome.name();
    match format {
        LogFormat::Text => {
            let mut text = format!("{at:.3} {level} audit: ");
            for (name, value) in &line.fields {
                // Writing to a String cannot fail.
                let written = write!(text, "{name}={value}\t");
                debug_assert!(written.is_ok());
            }
            text + "result=" + result + "\n"
        }
        LogFormat::Json => {
            let text = |text: &str| Value::String(text.to_owned());
            let fields = line.fields.iter();
            let mut fields: Map<String, Value> = fields
                .map(|(name, value)| ((*name).to_owned(), text(value)))
                .collect();
            fields.insert("result".to_owned(), text(result));
            let at = format!("{at:.3}");
            let line =
                json!({"timestamp": at, "level": level, "target": "audit", "fields": fields});
            line.to_string() + "\n"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_for_people_or_for_programs() {
        let line = line::lost("zoo", 7);
        assert_eq!(
            print(1_795_341_206_123, &line, LogFormat::Text),
            "2026-11-22T09:53:26.123Z ERROR audit: user=zoo\toperation=auditLinesLost\tcount=7\tresult=failure\n"
        );
        let json: Value = serde_json::from_str(&print(0, &line, LogFormat::Json)).unwrap();
        assert_eq!(
            json,
            json!({"timestamp": "1970-01-01T00:00:00.000Z", "level": "ERROR", "target": "audit", "fields":
                {"user": "zoo", "operation": "auditLinesLost", "count": "7", "result": "failure"}})
        );
    }
}
