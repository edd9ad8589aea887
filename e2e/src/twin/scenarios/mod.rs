//! Scripts written by hand, one file a theme, grouped by the servers that they need.

/// Steps, plain ones and ones that differ on purpose.
macro_rules! lines {
    ($($line:expr),* $(,)?) => { vec![$($crate::twin::script::Line::from($line)),*] };
}

mod acls;
mod connect;
mod creates;
mod frames;
mod limits;
mod local;
mod logins;
mod moves;
mod multis;
mod overflow;
mod paths;
mod quotas;
mod reads;
mod reconfigs;
mod sweeps;
mod tls;
mod watches;
mod writes;

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
    /// The snapshot that its servers find, if any.
    pub snapshot: Option<Vec<u8>>,
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

fn scenario(name: &'static str, lines: Vec<Line>) -> Scenario {
    Scenario { name, lines }
}

/// Servers with further lines in their configuration, and with Java system properties.
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
        snapshot: None,
        scenarios: Vec::new(),
    }
}

impl Setup {
    fn with(mut self, scenarios: impl IntoIterator<Item = Scenario>) -> Self {
        self.scenarios.extend(scenarios);
        self
    }
}

/// All of them.
#[must_use]
pub fn all() -> Vec<Setup> {
    let mut all = vec![
        setup("alone", 1, &[], &[])
            .with(connect::scenarios())
            .with(frames::scenarios())
            .with(paths::scenarios())
            .with(creates::scenarios())
            .with(writes::scenarios())
            .with(reads::scenarios())
            .with(multis::scenarios())
            .with(multis::alone())
            .with(watches::scenarios())
            .with(acls::scenarios())
            .with(reconfigs::disabled()),
        // Ours changes its members where nothing is said.
        setup("three", 3, &["reconfigEnabled=false"], &[])
            .with(moves::scenarios())
            .with(connect::scenarios())
            .with(writes::scenarios())
            .with(multis::scenarios())
            .with(watches::scenarios())
            .with(watches::at_followers())
            .with(acls::scenarios())
            .with(reconfigs::disabled()),
    ];
    all.append(&mut connect::setups());
    all.append(&mut acls::setups());
    all.append(&mut creates::setups());
    all.append(&mut overflow::setups());
    all.append(&mut sweeps::setups());
    all.append(&mut quotas::setups());
    all.append(&mut logins::setups());
    all.append(&mut tls::setups());
    all.append(&mut limits::setups());
    all.append(&mut local::setups());
    all.append(&mut reconfigs::setups());
    all
}
