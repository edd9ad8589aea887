//! Scripts written by hand, one file a theme, grouped by the servers that they need.

mod basics;

use std::time::Duration;

use super::script::Line;
use crate::peers::Settings;

/// Servers with a configuration, and what to do with them.
#[derive(Debug)]
pub struct Setup {
    /// What is special.
    pub name: &'static str,
    /// How many servers.
    pub servers: usize,
    /// Their configuration.
    pub settings: Settings,
    /// The scripts, in order.
    pub scenarios: Vec<Scenario>,
}

/// A script with a name.
#[derive(Debug)]
pub struct Scenario {
    /// What it shows.
    pub name: &'static str,
    /// What to do.
    pub lines: Vec<Line>,
}

/// A script without differences.
fn same<const N: usize>(name: &'static str, steps: [super::script::Step; N]) -> Scenario {
    Scenario {
        name,
        lines: steps.into_iter().map(Line::from).collect(),
    }
}

fn setup(name: &'static str, servers: usize, extra: &[&str], properties: &[&str]) -> Setup {
    let own = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
    let mut properties: Vec<String> = own(properties);
    properties.push("zookeeper.forceSync=no".to_owned());
    Setup {
        name,
        servers,
        settings: Settings {
            tick: Duration::from_secs(1),
            extra: own(extra),
            properties,
            in_memory: true,
        },
        scenarios: Vec::new(),
    }
}

/// All of them.
#[must_use]
pub fn all() -> Vec<Setup> {
    let mut alone = setup("alone", 1, &[], &[]);
    alone.scenarios.append(&mut basics::scenarios());
    vec![alone]
}
