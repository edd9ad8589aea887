//! A server of the other kind goes on with a directory.

use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::Migration;
use super::clients::Turn;
use crate::peers::Kind;
use crate::peers::ensemble::START_LIMIT;

/// How Java ends after SIGTERM.
const JAVAS_END: i32 = 143;

impl Migration<'_> {
    /// Stops a server and starts one of the other kind in its place.
    pub(super) fn replace_in_place(&mut self, id: u8, kind: Kind) -> Result<()> {
        let ensemble = &mut self.ensemble;
        let port = ensemble.server(id)?.ports.client;
        let turn = Turn::begin(ensemble, Some(port));
        let stopped = Instant::now();
        let was = ensemble.server(id)?.kind;
        let status = ensemble.server(id)?.terminate()?;
        if !(status.success() || was == Kind::Apache && status.code() == Some(JAVAS_END)) {
            bail!("server {id} ended with {status}");
        }
        ensemble.server(id)?.become_kind(kind)?;
        ensemble.configure()?;
        self.load
            .wait_progress(1, START_LIMIT)
            .with_context(|| format!("while server {id} is down"))?;
        let gap = stopped.elapsed();
        ensemble.server(id)?.start()?;
        ensemble.wait_serving()?;
        self.turns.push(turn.end());
        self.longest = self.longest.max(gap);
        self.progress.say(format!(
            "server {id} is of {} now; {:.2} s without a write",
            kind.name(),
            gap.as_secs_f32()
        ));
        Ok(())
    }
}
