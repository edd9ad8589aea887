//! A view as text: a tree of zones and members, the conditions, what is done and what is to do. Pure.

mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Display;

use anstyle::{AnsiColor, Style};
use quorate_operator::crd::condition_type;

use crate::advice::next_steps;
use crate::text::{WIDTH_MIN, len, pad, wrap};
use crate::view::{Condition, Member, View};

const STRONG: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const UNSURE: Style = AnsiColor::Yellow.on_default();
const QUIET: Style = Style::new().dimmed();

/// A message that had fewer columns beside its condition stands below it.
const MESSAGE_WIDTH_MIN: usize = 40;

/// Lines are not broken for whoever is no terminal.
const WIDTH_UNBOUNDED: usize = usize::MAX;

/// Draws an ensemble, with styles; `width` is that of the terminal, if it is one.
#[must_use]
pub fn draw(view: &View, width: Option<usize>) -> String {
    let width = width.map_or(WIDTH_UNBOUNDED, |width| width.max(WIDTH_MIN));
    let mut out = Lines::default();
    head(&mut out, view, width);
    table::draw(&mut out, &by_zone(view), width);
    out.line("");
    conditions(&mut out, view, width);
    out.line("");
    section(&mut out, "Doing", &[doing(view)], width);
    section(&mut out, "Next", &next_steps(view), width);
    section(&mut out, "Not seen", &view.remarks, width);
    out.0
}

/// Text, line by line.
#[derive(Debug, Default)]
struct Lines(String);

impl Lines {
    fn line(&mut self, line: impl Display) {
        let line = line.to_string();
        self.0.push_str(line.trim_end());
        self.0.push('\n');
    }
}

fn paint(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Members by zone; those of none that is known come last.
fn by_zone(view: &View) -> Vec<(String, Vec<&Member>)> {
    let mut zones: BTreeMap<(bool, &str), Vec<&Member>> = BTreeMap::new();
    for member in &view.members {
        let zone = member.zone.as_deref();
        let key = (zone.is_none(), zone.unwrap_or_default());
        zones.entry(key).or_default().push(member);
    }
    let title = |(unknown, zone): (bool, &str)| {
        if unknown {
            "no known zone".to_owned()
        } else {
            format!("zone {zone}")
        }
    };
    let zones = zones.into_iter();
    zones.map(|(key, members)| (title(key), members)).collect()
}

fn head(out: &mut Lines, view: &View, width: usize) {
    let voters = format!("{}/{} voters", view.voters.serving, view.voters.wanted);
    let observers = view.observers.map_or_else(String::new, |counts| {
        format!(", {}/{} observers", counts.serving, counts.wanted)
    });
    let title = format!(
        "{} in {}: {voters}{observers} serve",
        view.name, view.namespace
    );
    for line in wrap(&title, width) {
        out.line(paint(STRONG, line));
    }
    let leader = view.leader.map(|id| {
        let pod = view.members.iter().find(|member| member.id == Some(id));
        pod.map_or_else(|| format!("server {id}"), |member| member.pod.clone())
    });
    let leader = leader.map_or_else(|| "nobody leads".to_owned(), |pod| format!("{pod} leads"));
    let epoch = view.epoch.map(|epoch| format!("epoch {epoch}"));
    let config = view.config_version.as_ref().map(|version| {
        let count = view.config_voters.len();
        let change = if view.config_proposed {
            ", a change under way"
        } else {
            ""
        };
        format!("config {version} of {count} voters{change}")
    });
    let facts: Vec<String> = [Some(leader), epoch, config]
        .into_iter()
        .flatten()
        .collect();
    let style = if view.leader.is_some() {
        Style::new()
    } else {
        BAD
    };
    for line in wrap(&facts.join(", "), width) {
        out.line(paint(style, line));
    }
}

fn conditions(out: &mut Lines, view: &View, width: usize) {
    if view.conditions.is_empty() {
        out.line(paint(UNSURE, "no conditions yet"));
        return;
    }
    let widest = |of: fn(&Condition) -> &str| {
        let lens = view.conditions.iter().map(|condition| len(of(condition)));
        lens.max().unwrap_or(0)
    };
    let kinds = widest(|condition| &condition.kind);
    let reasons = widest(|condition| &condition.reason);
    let indent = kinds + 2 + "Unknown".len() + 2;
    for condition in &view.conditions {
        let kind = pad(&condition.kind, kinds);
        let status = paint(verdict(condition), pad(&condition.status, "Unknown".len()));
        let reason = pad(&condition.reason, reasons);
        let room = width.saturating_sub(indent + reasons + 2);
        if room >= MESSAGE_WIDTH_MIN {
            let mut lines = wrap(&condition.message, room).into_iter();
            let first = lines.next().unwrap_or_default();
            out.line(format!("{kind}  {status}  {reason}  {first}"));
            for line in lines {
                out.line(format!("{}{line}", " ".repeat(indent + reasons + 2)));
            }
        } else {
            out.line(format!("{kind}  {status}  {reason}"));
            for line in wrap(&condition.message, width.saturating_sub(4)) {
                out.line(format!("    {line}"));
            }
        }
    }
}

/// Whether a condition is as it should be.
fn verdict(condition: &Condition) -> Style {
    let good = match condition.kind.as_str() {
        condition_type::PROGRESSING => return Style::new(),
        condition_type::DEGRADED => "False",
        _ => "True",
    };
    match condition.status.as_str() {
        status if status == good => GOOD,
        "Unknown" => UNSURE,
        _ => BAD,
    }
}

/// What the operator does, and what it waits for.
fn doing(view: &View) -> String {
    if view.suspended {
        return "nothing: spec.suspend is true".to_owned();
    }
    if let Some(doing) = &view.operation {
        return format!("{}: {}", doing.kind, doing.step);
    }
    let progressing = view.condition(condition_type::PROGRESSING);
    match progressing.filter(|progressing| progressing.status == "True") {
        Some(progressing) => format!("{}: {}", progressing.reason, progressing.message),
        None => "nothing".to_owned(),
    }
}

fn section(out: &mut Lines, title: &str, items: &[String], width: usize) {
    let indent = 10;
    for (at, item) in items.iter().enumerate() {
        let mut title = if at == 0 { title } else { "" };
        for line in wrap(item, width.saturating_sub(indent)) {
            out.line(format!("{}{line}", paint(STRONG, pad(title, indent))));
            title = "";
        }
    }
}
