//! Settings that servers take while they run: they come to every server, nobody is restarted for them, and
//! what servers refuse is said and can be taken back.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::clients::equal_digests;
use super::faults::check_all_there;
use super::refusals::set;
use super::{Bench, CLIENT_PORT, READY_LIMIT, manifest};
use crate::kube::load::Load;
use crate::kube::reach;
use crate::kube::zke::{condition, pod_name};
use crate::peers::wait_for;

const WRITERS: usize = 4;

/// Until a kubelet has brought a changed ConfigMap, and the server has looked.
const BROUGHT_LIMIT: Duration = Duration::from_secs(180);

/// How long one answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// How long writes may stay away: nobody restarts.
const GAP_LIMIT: Duration = Duration::from_secs(3);

/// Changes two of them under load, then to a value that servers refuse, and back.
pub(super) fn settings_come_without_a_restart(bench: &Bench<'_>) -> Result<String> {
    bench.zke.wait_ready(bench.progress, READY_LIMIT)?;
    let before = bench.zke.lives()?;
    let load = Load::start(bench.service()?, "/settings", WRITERS)?;
    let began = Instant::now();
    apply(
        bench,
        json!({ "maxClientCnxns": "77", "4lw.commands.whitelist": "conf,dirs,mntr,srvr" }),
    )?;
    all_answer(bench, "conf", "\nmaxClientCnxns=77\n")?;
    all_answer(bench, "dirs", "datadir_size")?;
    all_answer(bench, "ruok", "not in the whitelist")?;
    bench.zke.wait_ready(bench.progress, READY_LIMIT)?;
    let brought = began.elapsed();
    ensure!(bench.zke.lives()? == before, "a server was restarted");

    apply(bench, json!({ "maxClientCnxns": "many" }))?;
    let message = refused(bench)?;
    all_answer(bench, "conf", "\nmaxClientCnxns=77\n")?;
    load.wait_more(100, ANSWER_LIMIT)?;
    ensure!(
        bench.zke.lives()? == before,
        "a server was restarted for what it refuses"
    );

    bench.zke.kubectl.apply(bench.zke.namespace, &manifest())?;
    all_answer(bench, "conf", "\nmaxClientCnxns=60\n")?;
    bench.zke.wait_ready(bench.progress, BROUGHT_LIMIT)?;
    ensure!(
        bench.zke.lives()? == before,
        "a server was restarted to heal"
    );
    let gap = load.longest_gap_since(began);
    let acknowledged = load.finish()?;
    check_all_there(bench, &acknowledged)?;
    let digest = equal_digests(bench)?;
    ensure!(
        gap <= GAP_LIMIT,
        "no write succeeded for {:.1} s",
        gap.as_secs_f32()
    );
    Ok(format!(
        "{} servers took them within {:.0} s, none was restarted, {} acknowledged writes, all there, \
         longest gap {:.2} s, digest {digest}; refused: {message}",
        before.len(),
        brought.as_secs_f32(),
        acknowledged.len(),
        gap.as_secs_f32()
    ))
}

fn apply(bench: &Bench<'_>, config: Value) -> Result<()> {
    let mut changed = manifest();
    set(&mut changed, "/spec/config", config)?;
    bench.zke.kubectl.apply(bench.zke.namespace, &changed)?;
    Ok(())
}

/// Waits until every server answers a four-letter word with this in it.
fn all_answer(bench: &Bench<'_>, word: &str, expected: &str) -> Result<()> {
    for pod in bench.zke.pods()? {
        let what = format!("{word} of {} to say {expected:?}", pod_name(&pod));
        let address = reach::pod(&pod, CLIENT_PORT)?;
        wait_for(&what, BROUGHT_LIMIT, || {
            let answer = ask(address, word).map_err(|error| format!("{error:#}"))?;
            answer.contains(expected).then_some(()).ok_or(answer)
        })?;
    }
    Ok(())
}

fn ask(address: SocketAddr, word: &str) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_LIMIT)?;
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    stream.write_all(word.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Waits until the conditions name a server, the setting and what to write instead.
fn refused(bench: &Bench<'_>) -> Result<String> {
    wait_for("the refusal to be said", BROUGHT_LIMIT, || {
        let object = bench.zke.get().map_err(|error| error.to_string())?;
        let degraded = condition(&object, "Degraded").context("no condition");
        let degraded = degraded.map_err(|error| error.to_string())?;
        let text = |key: &str| {
            degraded
                .get(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let message = text("message");
        let words = ["e2e-voter-", "maxClientCnxns", "many", "write for example"];
        let said =
            text("reason") == "SettingsRefused" && words.iter().all(|word| message.contains(word));
        said.then(|| message.to_owned()).ok_or(message.to_owned())
    })
}
