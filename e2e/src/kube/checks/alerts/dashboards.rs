//! Every query of the rules' recordings and of the dashboards, and those that others wrote for Apache's servers,
//! is answered by a live Prometheus while the cluster works.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::{MINUTE, Watch, as_before, kill_server, nothing_lost};
use crate::cluster::foreign_kubeconfig;
use crate::kube::checks::Bench;
use crate::kube::checks::observers::{with_observers, zones};
use crate::kube::checks::refusals::set;
use crate::kube::load::Load;
use crate::kube::zke::condition;
use crate::monitoring::{self, dashboards};
use crate::peers::{Client, wait_for};

const WRITERS: usize = 2;

/// Until a piece of work has come true.
const WORK_LIMIT: Duration = Duration::from_secs(420);

/// Until a scrape has seen what was done.
const SEEN_LIMIT: Duration = Duration::from_secs(120);

/// Between two looks: a scrape brings something new every half a minute.
const LOOK_PAUSE: Duration = Duration::from_secs(5);

/// Connections that each server lets an address have.
const CONNECTIONS_MAX: usize = 10;

/// How many are opened: more than six servers take.
const CROWD: usize = 80;

const SESSION: Duration = Duration::from_secs(10);

/// A query that was not answered yet.
#[derive(Debug)]
struct Query {
    place: String,
    expression: String,
}

/// Rolls, passes on the lead, loses the leader, refuses a spec and connections, and looks at the queries all the
/// time: each has to be answered with a number at some time.
pub(in crate::kube::checks) fn queries_are_answered(bench: &Bench<'_>) -> Result<String> {
    if foreign_kubeconfig(bench.layout).is_some() {
        bail!("the containers of a cluster of somebody else are not killed");
    }
    let zones = zones(bench)?;
    let mut wanted = with_observers(&zones, 3)?;
    let apply = |wanted: &Value| bench.zke.kubectl.apply(bench.zke.namespace, wanted);
    set(
        &mut wanted,
        "/spec/tls",
        json!({ "client": { "mode": "Allow" } }),
    )?;
    apply(&wanted)?;
    bench.zke.wait_ready(bench.progress, WORK_LIMIT)?;
    let most = json!({ "maxClientCnxns": CONNECTIONS_MAX.to_string() });
    set(&mut wanted, "/spec/config", most)?;
    apply(&wanted)?;
    bench.zke.wait_ready(bench.progress, WORK_LIMIT)?;
    let watch = Watch::start(bench)?;
    let load = Load::start(bench.service()?, "/dashboards", WRITERS)?;
    let mut open = queries(bench)?;
    let all = open.len();
    let began = Instant::now();
    let template = json!({ "annotations": { "example.com/round": "dashboards" } });
    set(&mut wanted, "/spec/voters/template", template)?;
    apply(&wanted)?;
    until_ready(&watch, &mut open).context("a restart of the voters")?;
    let mut refused = wanted.clone();
    let labels = json!({ "podSelector": { "matchLabels": { "no key": "x" } } });
    let policy = json!({ "clientFrom": [labels] });
    set(&mut refused, "/spec/networkPolicy", policy)?;
    apply(&refused)?;
    look_until(&watch, &mut open, MINUTE, || degraded(bench)).context("a refused spec")?;
    apply(&wanted)?;
    until_ready(&watch, &mut open)?;
    kill_server(bench, &bench.zke.leader_pod()?)?;
    until_ready(&watch, &mut open).context("the loss of the leader")?;
    crowd(bench.service()?)?;
    let last = Instant::now();
    look_until(&watch, &mut open, SEEN_LIMIT + MINUTE, || {
        Ok(last.elapsed() > SEEN_LIMIT)
    })?;
    let writes = nothing_lost(bench, load)?;
    as_before(bench)?;
    ensure!(
        open.is_empty(),
        "no answer to {} of {all} queries:\n{}",
        open.len(),
        told(&open)
    );
    Ok(format!(
        "{all} queries, all answered within {:.0} s of work; {writes}",
        began.elapsed().as_secs_f32()
    ))
}

/// All of them, for this ensemble.
fn queries(bench: &Bench<'_>) -> Result<Vec<Query>> {
    let mut all = Vec::new();
    for name in monitoring::names(dashboards::DIRECTORY)? {
        let dashboard = dashboards::read(&name)?;
        for (panel, expression) in dashboards::queries(&dashboard) {
            let expression = expression
                .replace("$namespace", bench.zke.namespace)
                .replace("$ensemble", bench.zke.name)
                .replace("$pod", ".*");
            all.push(Query {
                place: format!("{name}: {panel}"),
                expression,
            });
        }
    }
    let recorded = monitoring::rules()?.into_iter();
    all.extend(
        recorded
            .filter(|rule| rule.record.is_some())
            .map(|rule| Query {
                place: rule.name(),
                expression: rule.expr,
            }),
    );
    let apache = monitoring::text(monitoring::APACHE)?;
    let lines = apache.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    all.extend(lines.map(|line| Query {
        place: monitoring::APACHE.to_owned(),
        expression: line.to_owned(),
    }));
    Ok(all)
}

fn told(open: &[Query]) -> String {
    let lines: Vec<String> = open
        .iter()
        .map(|query| format!("  {}: {}", query.place, query.expression))
        .collect();
    lines.join("\n")
}

/// Looks at the queries until the ensemble is as wished.
fn until_ready(watch: &Watch<'_>, open: &mut Vec<Query>) -> Result<()> {
    look_until(watch, open, WORK_LIMIT, || {
        let object = watch.bench.zke.get()?;
        let ready = condition(&object, "Ready").context("no condition Ready")?;
        Ok(ready.get("status") == Some(&json!("True"))
            && ready.get("observedGeneration") == object.pointer("/metadata/generation"))
    })
}

/// Whether the operator refuses what is asked for.
fn degraded(bench: &Bench<'_>) -> Result<bool> {
    let object = bench.zke.get()?;
    let degraded = condition(&object, "Degraded").and_then(|c| c.get("status"));
    Ok(degraded == Some(&json!("True")))
}

/// Asks the queries that were not answered, again and again until something is so.
fn look_until(
    watch: &Watch<'_>,
    open: &mut Vec<Query>,
    limit: Duration,
    is_so: impl Fn() -> Result<bool>,
) -> Result<()> {
    wait_for("the work to be done", limit, || {
        let text = |error: anyhow::Error| format!("{error:#}");
        look(watch, open).map_err(text)?;
        if is_so().map_err(text)? {
            return Ok(());
        }
        std::thread::sleep(LOOK_PAUSE);
        Err(format!("no answer yet to\n{}", told(open)))
    })
}

fn look(watch: &Watch<'_>, open: &mut Vec<Query>) -> Result<()> {
    let mut left = Vec::new();
    for query in open.drain(..) {
        let found = watch.prometheus.query(&query.expression);
        let found = found.with_context(|| query.place.clone())?;
        if found.iter().all(|sample| sample.value.is_nan()) {
            left.push(query);
        }
    }
    *open = left;
    Ok(())
}

/// Opens more connections than a server lets an address have: some of them are refused, the others read.
fn crowd(address: SocketAddr) -> Result<()> {
    let opened: Vec<_> = (0..CROWD)
        .filter_map(|_| Client::connect(address, SESSION).ok())
        .collect();
    ensure!(
        opened.len() < CROWD,
        "no connection was refused, of {}",
        opened.len()
    );
    for mut client in opened {
        client.get("/", false)?;
        client.close()?;
    }
    Ok(())
}
