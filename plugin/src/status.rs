//! `kubectl quorate status`: looks at ensembles and shows them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal as _;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use quorate_operator::crd::ZkEnsemble;
use serde::Serialize;

use crate::admin;
use crate::advice::next_steps;
use crate::arguments::{Form, Status};
use crate::cluster::{CONCURRENCY, Cluster};
use crate::failure::Failure;
use crate::pods;
use crate::tree;
use crate::view::{Answer, Looked, View, assemble};

/// How a server's silence begins where the person may not ask it.
const NOT_ALLOWED: &str = "not allowed";

/// One ensemble for programs.
#[derive(Serialize)]
struct Told {
    #[serde(flatten)]
    view: View,
    /// What to do next.
    next: Vec<String>,
}

/// Shows one ensemble, or all; returns the exit code.
///
/// # Errors
/// When an ensemble is not there, or the API server refuses. A server that does not answer is shown so.
pub async fn run(cluster: &Cluster, asked: &Status) -> Result<u8, Failure> {
    let objects = match &asked.name {
        Some(name) => vec![cluster.ensemble(name).await?],
        None => cluster.ensembles(asked.all_namespaces).await?,
    };
    let mut views = Vec::with_capacity(objects.len());
    for object in objects {
        views.push(assemble(&look(cluster, object).await?));
    }
    if asked.output == Some(Form::Json) {
        let told = views.into_iter().map(|view| Told {
            next: next_steps(&view),
            view,
        });
        let ensembles: Vec<Told> = told.collect();
        let document = serde_json::json!({ "ensembles": ensembles });
        anstream::println!("{}", serde_json::to_string_pretty(&document)?);
        return Ok(0);
    }
    if views.is_empty() {
        let place = if asked.all_namespaces {
            "the cluster".to_owned()
        } else {
            format!("namespace {:?} (-A looks into all)", cluster.namespace)
        };
        anstream::println!("no ensembles in {place}");
    }
    let width = terminal_width();
    let drawn: Vec<String> = views.iter().map(|view| tree::draw(view, width)).collect();
    anstream::print!("{}", drawn.join("\n"));
    Ok(0)
}

/// Looks at an ensemble and asks its servers, all at the same time.
///
/// # Errors
/// When the API server refuses to list its pods.
pub async fn look(cluster: &Cluster, object: ZkEnsemble) -> Result<Looked, Failure> {
    let namespace = object.namespace().unwrap_or_default();
    let pods = cluster.pods(&namespace, &object.name_any()).await?;
    let running: Vec<String> = pods
        .iter()
        .filter(|pod| pods::runs(pod))
        .map(Pod::name_any)
        .collect();
    let asked = futures::stream::iter(running)
        .map(|pod| {
            let namespace = &namespace;
            async move {
                let answer = admin::status(cluster, namespace, &pod).await;
                (pod, answer)
            }
        })
        .buffer_unordered(CONCURRENCY)
        .collect::<Vec<_>>();
    let (answers, (zones, trouble)) = tokio::join!(asked, cluster.zones(&pods));
    let mut remarks: BTreeSet<String> = trouble.into_iter().collect();
    let answers: BTreeMap<String, Answer> = answers
        .into_iter()
        .map(|(pod, answer)| {
            let answer = match answer {
                Ok(report) => Answer::Told(Box::new(report)),
                Err(why) if why.starts_with(NOT_ALLOWED) => {
                    remarks.insert(format!("roles are those that the operator noted: {why}"));
                    Answer::NotAsked
                }
                Err(why) => Answer::Silent(why),
            };
            (pod, answer)
        })
        .collect();
    Ok(Looked {
        object,
        pods,
        zones,
        answers,
        remarks: remarks.into_iter().collect(),
    })
}

/// Columns of the terminal; `None` where it is none.
fn terminal_width() -> Option<usize> {
    let stdout = std::io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(&stdout).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}
