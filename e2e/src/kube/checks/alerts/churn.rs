//! The leader is killed four times in ten minutes.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::{MINUTE, Watch, kill_server, nothing_lost};
use crate::cluster::foreign_kubeconfig;
use crate::kube::checks::Bench;
use crate::kube::load::Load;

/// One, since each of its writes is read from each pod at the end.
const WRITERS: usize = 1;

const KILLS: u32 = 4;

/// From one death to the next, so that the four are within ten minutes.
const PAUSE: Duration = Duration::from_secs(120);

/// The rule counts what was in a quarter of an hour.
const WINDOW: Duration = Duration::from_secs(15 * 60);

/// Writes between two deaths.
const BETWEEN: usize = 200;

/// The alert fires after the third or fourth, and ends when they are a quarter of an hour ago.
pub(in crate::kube::checks) fn leaders_die(bench: &Bench<'_>) -> Result<String> {
    if foreign_kubeconfig(bench.layout).is_some() {
        bail!("the containers of a cluster of somebody else are not killed");
    }
    let watch = Watch::start(bench)?;
    let load = Load::start(bench.service()?, "/churn", WRITERS)?;
    let churn = watch.expected("ZkElectionChurn", "warning", &[]);
    let mut last = Instant::now();
    for kill in 0..KILLS {
        load.wait_more(BETWEEN, MINUTE)?;
        std::thread::sleep(if kill == 0 {
            Duration::ZERO
        } else {
            PAUSE.saturating_sub(last.elapsed())
        });
        last = Instant::now();
        let leader = bench.zke.leader_pod()?;
        kill_server(bench, &leader)?;
    }
    let fired = watch.fires(&churn, last, Duration::ZERO)?;
    let writes = nothing_lost(bench, load)?;
    let ended = watch.ends(&churn, last, WINDOW)?;
    watch.nothing_but(&["ZkElectionChurn"])?;
    Ok(format!(
        "{KILLS} leaders died, ZkElectionChurn fired {:.0} s after the last and ended {:.0} s after it; \
         {writes}",
        fired.as_secs_f32(),
        ended.as_secs_f32()
    ))
}
