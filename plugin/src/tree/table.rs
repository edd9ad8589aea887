//! The members as a table whose first column is a tree.

use anstyle::Style;

use super::{BAD, GOOD, Lines, QUIET, STRONG, UNSURE, paint};
use crate::text::{cut, len, pad, wrap};
use crate::view::{Lag, Member, Role};

/// What is told of each member. Where the terminal is narrow, the last ones are left out.
const TITLES: [&str; 8] = [
    "ID", "ROLE", "LAG", "READY", "ZXID", "RESTARTS", "NODE", "VERSION",
];

/// Columns that are never left out: who, what, and whether all is well.
const COLUMNS_MIN: usize = 4;

/// Between two columns.
const GAP: &str = "  ";

/// How the table is laid out.
struct Layout {
    /// Width of the column with the tree.
    tree: usize,
    /// Widths of the columns that are shown.
    columns: Vec<usize>,
    /// Width of all.
    width: usize,
}

/// Draws the zones.
pub(super) fn draw(out: &mut Lines, zones: &[(String, Vec<&Member>)], width: usize) {
    if zones.is_empty() {
        out.line(paint(UNSURE, "no pods yet"));
        return;
    }
    let members: Vec<&Member> = zones
        .iter()
        .flat_map(|(_, members)| members.iter().copied())
        .collect();
    let layout = lay_out(&members, width);
    let titles = TITLES.iter().zip(&layout.columns);
    let titles = titles.map(|(title, width)| format!("{GAP}{}", pad(title, *width)));
    let head = format!("{}{}", " ".repeat(layout.tree), titles.collect::<String>());
    out.line(paint(QUIET, head.trim_end()));
    for (at, (title, members)) in zones.iter().enumerate() {
        let last_zone = at + 1 == zones.len();
        let (branch, below) = if last_zone {
            ("└─ ", "   ")
        } else {
            ("├─ ", "│  ")
        };
        let away = members.iter().all(|member| member.role == Role::Away);
        let (style, word) = if away {
            (BAD, ", all away")
        } else {
            (Style::new(), "")
        };
        out.line(format!(
            "{branch}{}",
            paint(style, format!("{title}{word}"))
        ));
        for (at, member) in members.iter().enumerate() {
            let last = at + 1 == members.len();
            let (branch, under) = if last {
                ("└─ ", "   ")
            } else {
                ("├─ ", "│  ")
            };
            draw_member(out, member, &format!("{below}{branch}"), &layout);
            let under = format!("{below}{under}  ");
            let room = layout.width.saturating_sub(len(&under));
            for line in member.trouble.iter().flat_map(|text| wrap(text, room)) {
                out.line(format!("{under}{}", paint(UNSURE, line)));
            }
        }
    }
}

fn lay_out(members: &[&Member], width: usize) -> Layout {
    let branch = len("├─ ├─ ");
    let tree = members
        .iter()
        .map(|member| len(&member.pod))
        .max()
        .unwrap_or(0)
        + branch;
    let cells: Vec<[String; 8]> = members.iter().map(|member| cells(member)).collect();
    let widest = |at: usize, title: &&str| {
        let cells = cells.iter().filter_map(|cells| cells.get(at));
        cells
            .map(|cell| len(cell))
            .max()
            .unwrap_or(0)
            .max(len(title))
    };
    let mut columns: Vec<usize> = TITLES
        .iter()
        .enumerate()
        .map(|(at, title)| widest(at, title))
        .collect();
    let needed = |columns: &[usize]| columns.iter().map(|width| width + GAP.len()).sum::<usize>();
    while columns.len() > COLUMNS_MIN && tree + needed(&columns) > width {
        columns.pop();
    }
    Layout {
        tree: tree.min(width.saturating_sub(needed(&columns))),
        columns,
        width,
    }
}

fn draw_member(out: &mut Lines, member: &Member, branch: &str, layout: &Layout) {
    let name = cut(&format!("{branch}{}", member.pod), layout.tree);
    let mut line = pad(&name, layout.tree);
    for ((at, cell), width) in cells(member).iter().enumerate().zip(&layout.columns) {
        line.push_str(GAP);
        line.push_str(&paint(style(at, member), pad(cell, *width)));
    }
    out.line(line);
}

/// What stands below [`TITLES`].
fn cells(member: &Member) -> [String; 8] {
    let or_dash = |text: Option<&String>| text.map_or_else(|| "-".to_owned(), Clone::clone);
    [
        member
            .id
            .map_or_else(|| "-".to_owned(), |id| id.to_string()),
        member.role.word().to_owned(),
        member.lag.map_or_else(|| "-".to_owned(), lag),
        if member.ready { "yes" } else { "no" }.to_owned(),
        or_dash(member.zxid.as_ref()),
        member.restarts.to_string(),
        or_dash(member.node.as_ref()),
        or_dash(member.version.as_ref()),
    ]
}

fn lag(lag: Lag) -> String {
    let txns = lag
        .txns
        .map_or_else(|| "older epoch".to_owned(), |txns| txns.to_string());
    match lag.ms {
        Some(ms) => format!("{txns} ({ms} ms)"),
        None => txns,
    }
}

fn style(column: usize, member: &Member) -> Style {
    match (TITLES.get(column).copied(), member.role) {
        (Some("ROLE"), Role::Leader) => GOOD.bold(),
        (Some("ROLE"), Role::Follower | Role::Observer) => GOOD,
        (Some("ROLE"), Role::Joining | Role::Looking) => UNSURE,
        (Some("ROLE"), Role::Away) => BAD,
        (Some("READY"), _) if !member.ready => BAD,
        (Some("RESTARTS"), _) if member.restarts > 0 => STRONG,
        _ => Style::new(),
    }
}
