//! The pages about alerts: one for each, which begins with a command.

use std::collections::BTreeSet;

use quorate_e2e::monitoring::{RULES, RUNBOOKS, names, rules, text};

/// The sections of each page, in this order.
const SECTIONS: [&str; 4] = [
    "## What it means",
    "## What to look at",
    "## What to do",
    "## What not to do",
];

fn alerts() -> BTreeSet<String> {
    let rules = rules().expect(RULES).into_iter();
    rules.filter_map(|rule| rule.alert).collect()
}

#[test]
fn each_alert_has_its_page_and_each_page_its_alert() {
    let pages = names(RUNBOOKS).unwrap().into_iter();
    let pages: BTreeSet<_> = pages
        .map(|name| name.strip_suffix(".md").unwrap().to_owned())
        .collect();
    assert_eq!(alerts(), pages);
}

#[test]
fn each_page_begins_with_one_command() {
    for alert in alerts() {
        let page = text(format!("{RUNBOOKS}/{alert}.md")).unwrap();
        let lines: Vec<_> = page.lines().collect();
        let [title, blank, fence, command, end] = lines[..5] else {
            unreachable!("five lines")
        };
        assert_eq!(title, format!("# {alert}"));
        assert_eq!([blank, fence, end], ["", "```sh", "```"], "{alert}");
        assert!(command.starts_with("kubectl "), "{alert}: {command}");
        let sections: Vec<_> = lines.iter().filter(|l| l.starts_with("## ")).collect();
        assert_eq!(sections, SECTIONS.iter().collect::<Vec<_>>(), "{alert}");
    }
}

/// The table in the documentation lists every alert with its severities and links to its page.
#[test]
fn each_alert_is_in_the_documentation() {
    let page = text("docs/monitoring.md").unwrap();
    for rule in rules().unwrap() {
        let Some(alert) = rule.alert else { continue };
        let link = format!("| [{alert}](runbooks/{alert}.md) | ");
        let row = page.lines().find(|line| line.starts_with(&link));
        let row = row.unwrap_or_else(|| panic!("no row begins with {link}"));
        let severity = &rule.labels["severity"];
        assert!(row.contains(severity), "{alert} is also {severity}");
    }
}
