//! The results as a table in Markdown.

use super::{Line, Plan};
use crate::peers::{Kind, apache};

/// Writes what was measured, how, and the table.
#[must_use]
pub fn markdown(plan: &Plan, lines: &[Line]) -> String {
    let list = |numbers: &[usize]| {
        numbers
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(",")
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let mut text = format!(
        "`quorate-e2e bench --servers {} --clients {} --seconds {} --rounds {}`\n\n\
         Apache is {}, with the settings that it comes with; both flush each write to disk. \
         Closed loop, one request under way for each client, 100 bytes of data. Servers and \
         clients share one machine with {cores} cores; the kinds take turns, each with fresh \
         servers. Latencies in milliseconds.\n\n",
        list(&plan.servers),
        list(&plan.clients),
        plan.duration.as_secs(),
        plan.rounds,
        apache::VERSION,
    );
    let mut head = "| servers | request | clients |".to_owned();
    let mut rule = "|---:|---|---:|".to_owned();
    for kind in &plan.kinds {
        let name = kind.name();
        head.push_str(&format!(" {name} /s | p50 | p99 |"));
        rule.push_str("---:|---:|---:|");
    }
    head.push_str(" rate, Quorate : Apache |");
    rule.push_str("---:|");
    text.push_str(&format!("{head}\n{rule}\n"));
    for line in lines {
        text.push_str(&row(line));
    }
    text
}

fn row(line: &Line) -> String {
    let mut text = format!(
        "| {} | {} | {} |",
        line.servers,
        line.job.name(),
        line.clients
    );
    for (_, cell) in &line.cells {
        let ms = |percent| cell.percentile(percent).as_secs_f64() * 1000.0;
        text.push_str(&format!(
            " {:.0} | {:.2} | {:.2} |",
            cell.rate(),
            ms(50),
            ms(99)
        ));
    }
    let rate = |kind| {
        line.cells
            .iter()
            .find(|(of, _)| *of == kind)
            .map(|(_, cell)| cell.rate())
    };
    match (rate(Kind::Quorate), rate(Kind::Apache)) {
        (Some(ours), Some(theirs)) if theirs > 0.0 => {
            text.push_str(&format!(" {:.2} |\n", ours / theirs));
        }
        _ => text.push_str(" |\n"),
    }
    text
}
