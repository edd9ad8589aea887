//! A Prometheus looks at the cluster by the configuration and the rules that are shipped, while what the
//! alerts are about happens: each fires in its time, names whom it is about, and ends when it is over.

/// A certificate whose end is near.
pub(super) mod certificate;
/// Leaders that die again and again.
pub(super) mod churn;
/// Queries of dashboards, and those that were written for Apache's servers.
pub(super) mod dashboards;
/// A disk that fills.
pub(super) mod disk;
/// Members whose network is slow.
pub(super) mod lag;
/// Operators that are gone.
pub(super) mod operator;
/// Half an hour of work that was planned.
pub(super) mod quiet;
/// A zone that is cut off.
pub(super) mod zone;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::clients::equal_digests;
use super::faults::check_all_there;
use super::restarts::is_ready;
use super::{Bench, READY_LIMIT, manifest};
use crate::cluster::{self, Node};
use crate::kube::OPERATOR_NAMESPACE;
use crate::kube::load::Load;
use crate::kube::prometheus::{Alert, Prometheus};
use crate::kube::zke::pod_name;
use crate::peers::wait_for;

/// Until all pods have been scraped for the first time.
const SEEN_LIMIT: Duration = Duration::from_secs(120);

/// What a scrape, an evaluation and the pauses between them add to the time that an alert waits.
const SLACK: Duration = Duration::from_secs(120);

/// Between two looks at what Prometheus says: rules are evaluated every half a minute.
const LOOK_PAUSE: Duration = Duration::from_secs(2);

const MINUTE: Duration = Duration::from_secs(60);

/// A Prometheus that looks at the ensemble under test.
struct Watch<'a> {
    bench: &'a Bench<'a>,
    prometheus: Prometheus,
    began: Instant,
}

/// An alert that is expected.
#[derive(Debug)]
struct Expected {
    name: &'static str,
    severity: &'static str,
    labels: BTreeMap<String, String>,
}

impl Expected {
    /// One about the cluster as a whole.
    fn of_all(name: &'static str, severity: &'static str) -> Self {
        Self {
            name,
            severity,
            labels: BTreeMap::new(),
        }
    }

    fn is(&self, alert: &Alert) -> bool {
        let label = |name: &str| alert.labels.get(name).map(String::as_str);
        label("alertname") == Some(self.name)
            && label("severity") == Some(self.severity)
            && self
                .labels
                .iter()
                .all(|(name, value)| label(name) == Some(value))
    }

    fn title(&self) -> String {
        format!("{} ({})", self.name, self.severity)
    }
}

impl<'a> Watch<'a> {
    /// Starts a Prometheus, and waits until it has seen every server and an operator that works.
    fn start(bench: &'a Bench<'a>) -> Result<Self> {
        let prometheus = Prometheus::start(bench.progress, bench.zke.kubectl)?;
        let watch = Self {
            bench,
            prometheus,
            began: Instant::now(),
        };
        let pods: BTreeSet<String> = bench.zke.pods()?.iter().map(pod_name).collect();
        let up = format!("up{} == 1", watch.selector());
        wait_for("every pod to be scraped", SEEN_LIMIT, || {
            let text = |error: anyhow::Error| format!("{error:#}");
            let seen = watch.prometheus.query(&up).map_err(text)?;
            let seen: BTreeSet<&str> = seen
                .iter()
                .filter_map(|sample| sample.labels.get("pod").map(String::as_str))
                .collect();
            let leads = watch.prometheus.query("quorate_operator_leading == 1");
            let all = pods.iter().all(|pod| seen.contains(pod.as_str()));
            if all && !leads.map_err(text)?.is_empty() {
                return Ok(());
            }
            std::thread::sleep(LOOK_PAUSE);
            Err(format!("{seen:?} so far"))
        })?;
        Ok(watch)
    }

    /// The labels of what is about this ensemble, as a selector.
    fn selector(&self) -> String {
        let (namespace, ensemble) = (self.bench.zke.namespace, self.bench.zke.name);
        format!("{{namespace=\"{namespace}\", ensemble=\"{ensemble}\"}}")
    }

    /// An alert about this ensemble, with these labels besides.
    fn expected(
        &self,
        name: &'static str,
        severity: &'static str,
        labels: &[(&str, &str)],
    ) -> Expected {
        let of = [
            ("namespace", self.bench.zke.namespace),
            ("ensemble", self.bench.zke.name),
        ];
        let labels = of.iter().chain(labels);
        Expected {
            name,
            severity,
            labels: labels
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        }
    }

    /// Waits until an alert fires that has been due for `wait` since `from`; how long that took.
    fn fires(&self, expected: &Expected, from: Instant, wait: Duration) -> Result<Duration> {
        self.until(expected, from, wait, true)
    }

    /// Waits until it fires no more, for so long as it looks back.
    fn ends(&self, expected: &Expected, from: Instant, looks_back: Duration) -> Result<Duration> {
        self.until(expected, from, looks_back, false)
    }

    fn until(
        &self,
        expected: &Expected,
        from: Instant,
        wait: Duration,
        fires: bool,
    ) -> Result<Duration> {
        let what = format!(
            "{} to {}",
            expected.title(),
            if fires { "fire" } else { "end" }
        );
        self.bench.progress.say(format!("waiting for {what}"));
        let limit = (wait + SLACK).saturating_sub(from.elapsed());
        wait_for(&what, limit, || {
            let alerts = self.prometheus.alerts();
            let alerts = alerts.map_err(|error| format!("{error:#}"))?;
            let found = alerts.iter().any(|a| a.fires() && expected.is(a));
            if found == fires {
                return Ok(());
            }
            std::thread::sleep(LOOK_PAUSE);
            Err(format!("there are {}", shown(&alerts)))
        })?;
        let took = from.elapsed();
        let done = format!("{what}: after {:.0} s", took.as_secs_f32());
        self.bench.progress.say(done);
        Ok(took)
    }

    /// Checks that nothing else has fired for this ensemble since this began.
    fn nothing_but(&self, names: &[&str]) -> Result<()> {
        self.only(self.bench.zke.namespace, names)
    }

    /// Checks that nothing at all has fired, for the operator neither.
    fn nothing_at_all(&self) -> Result<()> {
        let namespaces = format!("|{OPERATOR_NAMESPACE}|{}", self.bench.zke.namespace);
        self.only(&namespaces, &[])
    }

    fn only(&self, namespaces: &str, names: &[&str]) -> Result<()> {
        let fired = self
            .prometheus
            .fired_within(self.began.elapsed() + MINUTE, namespaces)?;
        let others: Vec<_> = fired
            .iter()
            .filter(|(name, _)| !names.contains(&name.as_str()))
            .collect();
        ensure!(
            others.is_empty(),
            "besides {names:?} there fired {others:?}"
        );
        Ok(())
    }
}

/// Alerts in short.
fn shown(alerts: &[Alert]) -> String {
    let one = |alert: &Alert| {
        let labels: Vec<String> = alert
            .labels
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        format!("{} {}", alert.state, labels.join(" "))
    };
    let all: Vec<String> = alerts.iter().map(one).collect();
    format!("[{}]", all.join("; "))
}

/// Ends a load when the ensemble is as wished, and sees that nothing acknowledged is lost.
fn nothing_lost(bench: &Bench<'_>, load: Load) -> Result<String> {
    bench.zke.wait_ready(bench.progress, READY_LIMIT)?;
    let acknowledged = load.finish()?;
    let digest = equal_digests(bench)?;
    check_all_there(bench, &acknowledged)?;
    Ok(format!(
        "{} acknowledged writes, all there, digest {digest}",
        acknowledged.len()
    ))
}

/// Goes back to the ensemble that other checks expect.
fn as_before(bench: &Bench<'_>) -> Result<()> {
    bench.zke.kubectl.apply(bench.zke.namespace, &manifest())?;
    bench.zke.wait_ready(bench.progress, READY_LIMIT)
}

/// The node of a pod.
fn node(bench: &Bench<'_>, pod: &Value) -> Result<Node> {
    let name = pod.pointer("/spec/nodeName").and_then(Value::as_str);
    let nodes = bench.layout.nodes().into_iter();
    let mut of_pod = nodes.filter(|node| name == Some(&node.name));
    of_pod.next().context("a pod on no node")
}

/// Kills the server in a pod, and waits until its container runs and serves again. A pod that is deleted, even
/// by force, has the time to pass on the lead.
fn kill_server(bench: &Bench<'_>, name: &str) -> Result<()> {
    let before = pod(bench, name)?;
    let id = |pod: &Value| -> Option<String> {
        let id = pod.pointer("/status/containerStatuses/0/containerID")?;
        Some(id.as_str()?.strip_prefix("containerd://")?.to_owned())
    };
    let killed = id(&before).context("a pod without a container")?;
    cluster::kill_container(&node(bench, &before)?, &killed)?;
    wait_for("the server to run again", READY_LIMIT, || {
        let now = pod(bench, name).map_err(|error| error.to_string())?;
        (is_ready(&now) && id(&now).as_ref() != Some(&killed))
            .then_some(())
            .ok_or("not ready yet".to_owned())
    })
}

/// The pod of this name.
fn pod(bench: &Bench<'_>, name: &str) -> Result<Value> {
    let pods = bench.zke.pods()?.into_iter();
    let mut named = pods.filter(|pod| pod_name(pod) == name);
    named.next().with_context(|| format!("no pod {name}"))
}
