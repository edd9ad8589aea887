//! `kubectl quorate events`: what was done with an ensemble and its pods, in the order of time.

use std::collections::HashMap;

use futures::TryStreamExt as _;
use k8s_openapi::api::core::v1::Event;
use k8s_openapi::jiff::Timestamp;
use kube::Resource as _;
use kube::api::{Api, ListParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use quorate_operator::crd::ZkEnsemble;

use crate::arguments::Events;
use crate::cluster::Cluster;
use crate::failure::{Asked, Failure};
use crate::names::Names;
use crate::text::{clean, pad};

/// Events of a page of the list.
const PAGE: u32 = 500;

/// Events of a namespace that are looked through at most.
const EVENTS_MAX: usize = 50_000;

/// Shows the events; returns the exit code.
///
/// # Errors
/// When the ensemble is not there, or the API server refuses.
pub async fn run(cluster: &Cluster, asked: &Events) -> Result<u8, Failure> {
    let object = cluster.ensemble(&asked.name).await?;
    let about = About::of(&object);
    let api: Api<Event> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    if asked.watch {
        watch(api, &about, cluster.asked("watch", "events")).await?;
        return Ok(0);
    }
    let events = list(&api, cluster.asked("list", "events")).await?;
    let mut events: Vec<Event> = events.into_iter().filter(|e| about.covers(e)).collect();
    events.sort_by_key(time);
    if events.is_empty() {
        anstream::println!(
            "no events of {}: the API server forgets them after an hour",
            asked.name
        );
    }
    for event in &events {
        anstream::println!("{}", line(event));
    }
    Ok(0)
}

/// Whose events are shown.
#[derive(Debug)]
struct About {
    ensemble: String,
    names: Names,
}

impl About {
    fn of(object: &ZkEnsemble) -> Self {
        Self {
            ensemble: object.metadata.name.clone().unwrap_or_default(),
            names: Names::of(object),
        }
    }

    fn covers(&self, event: &Event) -> bool {
        let object = &event.involved_object;
        let name = object.name.as_deref().unwrap_or_default();
        match object.kind.as_deref() {
            Some("Pod") => self.names.read(name).is_some(),
            Some(kind) => kind == ZkEnsemble::kind(&()) && name == self.ensemble,
            None => false,
        }
    }
}

async fn list(api: &Api<Event>, asked: Asked<'_>) -> Result<Vec<Event>, Failure> {
    let mut events = Vec::new();
    let mut params = ListParams::default().limit(PAGE);
    loop {
        let page = api
            .list(&params)
            .await
            .map_err(|error| asked.failed(&error))?;
        events.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) if events.len() < EVENTS_MAX => params = params.continue_token(&token),
            _ => return Ok(events),
        }
    }
}

/// Shows the events there are, and those that come, until the process is told to stop.
async fn watch(api: Api<Event>, about: &About, asked: Asked<'_>) -> Result<(), Failure> {
    let mut shown: HashMap<String, Timestamp> = HashMap::new();
    let mut first: Vec<Event> = Vec::new();
    let mut begun = false;
    let mut stream = Box::pin(watcher(api, watcher::Config::default()).default_backoff());
    loop {
        let news = match stream.try_next().await {
            Ok(Some(watcher::Event::InitApply(event))) => {
                first.push(event);
                continue;
            }
            Ok(Some(watcher::Event::Apply(event))) => vec![event],
            Ok(Some(watcher::Event::InitDone)) => {
                begun = true;
                first.sort_by_key(time);
                std::mem::take(&mut first)
            }
            Ok(Some(watcher::Event::Init)) => Vec::new(),
            Ok(Some(watcher::Event::Delete(event))) => {
                shown.remove(event.metadata.uid.as_deref().unwrap_or_default());
                continue;
            }
            Ok(None) => return Ok(()),
            Err(error) if begun => {
                anstream::eprintln!("the watch broke off and is begun again: {error}");
                continue;
            }
            Err(watcher::Error::InitialListFailed(error)) => {
                return Err(asked.failed(&error));
            }
            Err(error) => {
                return Err(Failure::Api {
                    verb: asked.verb,
                    resource: asked.resource,
                    namespace: asked.namespace.to_owned(),
                    why: error.to_string(),
                });
            }
        };
        for event in news.iter().filter(|event| about.covers(event)) {
            let uid = event.metadata.uid.clone().unwrap_or_default();
            if shown.insert(uid, time(event)) != Some(time(event)) {
                anstream::println!("{}", line(event));
            }
        }
    }
}

/// When it happened last.
fn time(event: &Event) -> Timestamp {
    let series = event
        .series
        .as_ref()
        .and_then(|series| series.last_observed_time.as_ref());
    let exact = series.or(event.event_time.as_ref()).map(|time| time.0);
    let rough = event
        .last_timestamp
        .as_ref()
        .or(event.first_timestamp.as_ref());
    let rough = rough.or(event.metadata.creation_timestamp.as_ref());
    exact
        .or(rough.map(|time| time.0))
        .unwrap_or(Timestamp::UNIX_EPOCH)
}

/// One event in a line.
fn line(event: &Event) -> String {
    let at = time(event).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let text = |text: &Option<String>| clean(text.as_deref().unwrap_or_default());
    let times = event
        .series
        .as_ref()
        .and_then(|series| series.count)
        .or(event.count);
    let times = times.filter(|count| *count > 1);
    let times = times.map_or_else(String::new, |count| format!(" ({count} times)"));
    format!(
        "{at}  {}  {}  {}  {}{times}",
        pad(&text(&event.type_), "Warning".len()),
        pad(&text(&event.involved_object.name), 20),
        pad(&text(&event.reason), 20),
        text(&event.message).trim(),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::view::made_up;

    fn event(kind: &str, name: &str, at: serde_json::Value) -> Event {
        let mut event = json!({
            "metadata": { "name": "x" },
            "involvedObject": { "kind": kind, "name": name },
            "type": "Normal",
            "reason": "Restart",
            "message": "restarts orders-voter-0\n",
        });
        let fields = event.as_object_mut().unwrap();
        fields.extend(at.as_object().unwrap().clone());
        serde_json::from_value(event).unwrap()
    }

    #[test]
    fn events_of_the_ensemble_and_of_its_pods_are_shown_and_no_others() {
        let about = About::of(&made_up::healthy().looked().object);
        let covers = |kind, name| about.covers(&event(kind, name, json!({})));
        assert!(covers("ZkEnsemble", "orders") && covers("Pod", "orders-voter-4"));
        assert!(!covers("ZkEnsemble", "orders-voter-4") && !covers("Pod", "orders"));
        assert!(!covers("Deployment", "orders") && !covers("Pod", "shop-voter-0"));
    }

    #[test]
    fn the_last_time_counts() {
        let old = json!({ "firstTimestamp": "2026-01-01T00:00:01Z",
            "lastTimestamp": "2026-01-01T00:00:09Z", "count": 3 });
        assert_eq!(
            line(&event("Pod", "orders-voter-0", old)),
            "2026-01-01T00:00:09Z  Normal   orders-voter-0        Restart               restarts \
             orders-voter-0 (3 times)"
        );
        let new = json!({ "eventTime": "2026-01-01T00:00:01.000000Z",
            "series": { "count": 2, "lastObservedTime": "2026-01-01T00:00:07.500000Z" } });
        let shown = line(&event("Pod", "orders-voter-0", new));
        assert!(shown.starts_with("2026-01-01T00:00:07Z") && shown.ends_with("(2 times)"));
    }
}
