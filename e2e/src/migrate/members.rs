//! A server with an empty directory joins, and an old one leaves.

use std::time::Instant;

use anyhow::{Context, Result};

use super::clients::Turn;
use super::{Arguments, Migration};
use crate::peers::ensemble::START_LIMIT;
use crate::peers::{Ensemble, Kind, Settings};
use crate::reconfig::members::{Members, Way, bring, settled};

/// What the servers need for it.
pub(super) const SETTINGS: [&str; 3] = [
    "reconfigEnabled=true",
    "skipACL=yes",
    "standaloneEnabled=false",
];

/// Twice as many servers as there are members at a time: the first half are the members now.
pub(super) fn first(arguments: &Arguments, settings: &Settings) -> Result<Ensemble> {
    let kinds = vec![arguments.from; 2 * usize::from(arguments.servers)];
    let ensemble = Ensemble::configured(&kinds, settings)?;
    let count = usize::from(arguments.servers);
    let first: Vec<_> = ensemble.servers.iter().take(count).collect();
    let lines: Vec<String> = first.iter().map(|server| server.whole_line()).collect();
    for server in first {
        server.configure(settings, &lines)?;
    }
    Ok(ensemble)
}

impl Migration<'_> {
    /// Replaces the member that has the `number`th place by a server that is not running, has
    /// nothing, and is of this kind.
    pub(super) fn replace_by_members(&mut self, number: u8, count: u8, kind: Kind) -> Result<()> {
        let (first, second) = (number, number + count);
        let is_first = self.ensemble.server(first)?.is_started();
        let (old, new) = if is_first {
            (first, second)
        } else {
            (second, first)
        };
        let before = self.members();
        // Every other one learns without a vote first, and gets it when the old one leaves.
        let observes = number.is_multiple_of(2);
        let began = Instant::now();

        let mut turn = Turn::begin(&self.ensemble, None);
        let mut lines: Vec<String> = before.values().cloned().collect();
        let settings = self.settings.clone();
        let server = self.ensemble.server(new)?;
        server.become_kind(kind)?;
        server.observer = observes;
        lines.push(server.whole_line());
        server.empty()?;
        server.configure(&settings, &lines)?;
        server.start()?;
        server.wait_serving(START_LIMIT)?;
        let mut after = before.clone();
        after.insert(new, server.whole_line());
        self.change(&before, &after)
            .with_context(|| format!("server {new} joins"))?;
        self.turns.push(turn.end());

        // Where a change of the members removes a leader of Apache's, servers that stay close the
        // connections that have writes under way; where the leader is stopped, they hold them.
        let port = self.ensemble.server(old)?.ports.client;
        let leads = self.ensemble.leader()? == old;
        let stops_first = leads && self.ensemble.server(old)?.kind == Kind::Apache;
        turn = Turn::begin(&self.ensemble, Some(port));
        if stops_first {
            self.ensemble.server(old)?.terminate()?;
            self.ensemble.leader()?;
        }
        let between = after.clone();
        let leader = self.ensemble.leader()?;
        let under_apache = self.ensemble.server(leader)?.kind == Kind::Apache;
        let server = self.ensemble.server(new)?;
        if observes && under_apache {
            turn.turns(server.ports.client);
        }
        server.observer = false;
        after.insert(new, server.whole_line());
        after.remove(&old);
        self.change(&between, &after)
            .with_context(|| format!("server {old} leaves"))?;
        if !stops_first {
            self.ensemble.server(old)?.terminate()?;
        }
        self.turns.push(turn.end());
        self.progress.say(format!(
            "server {new} of {} is there instead of server {old}: {:.1} s",
            kind.name(),
            began.elapsed().as_secs_f32()
        ));
        Ok(())
    }

    fn members(&self) -> Members {
        let started = self.ensemble.servers.iter().filter(|s| s.is_started());
        started.map(|s| (s.id, s.whole_line())).collect()
    }

    fn change(&mut self, before: &Members, after: &Members) -> Result<()> {
        let asked = Instant::now();
        let random = &mut self.random;
        bring(&mut self.ensemble, before, after, Way::Incremental, random)?;
        self.load.wait_progress(1, START_LIMIT)?;
        self.longest = self.longest.max(asked.elapsed());
        settled(&mut self.ensemble, after)?;
        Ok(())
    }
}
