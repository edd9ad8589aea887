//! What Prometheus answers.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// One series of an instant vector, or a scalar without labels.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::kube) struct Sample {
    /// Its labels.
    pub(in crate::kube) labels: BTreeMap<String, String>,
    /// Its value, which may be no number.
    pub(in crate::kube) value: f64,
}

/// An alert that is not inactive.
#[derive(Debug, Clone, Deserialize)]
pub(in crate::kube) struct Alert {
    /// Its labels, the name and the severity among them.
    pub(in crate::kube) labels: BTreeMap<String, String>,
    /// `pending` or `firing`.
    pub(in crate::kube) state: String,
}

impl Alert {
    /// Whether it fires, and not only waits for its time.
    pub(in crate::kube) fn fires(&self) -> bool {
        self.state == "firing"
    }
}

#[derive(Deserialize)]
struct Answer<T> {
    data: T,
}

#[derive(Deserialize)]
struct Alerts {
    alerts: Vec<Alert>,
}

#[derive(Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum Queried {
    Vector(Vec<Series>),
    Scalar((f64, String)),
}

#[derive(Deserialize)]
struct Series {
    metric: BTreeMap<String, String>,
    value: (f64, String),
}

/// Reads what an instant query gave.
pub(super) fn samples(json: &str) -> Result<Vec<Sample>> {
    let sample = |labels, value: &str| {
        let value = value
            .parse()
            .with_context(|| format!("the value {value:?}"))?;
        Ok(Sample { labels, value })
    };
    match read(json)? {
        Queried::Vector(series) => series
            .into_iter()
            .map(|one| sample(one.metric, &one.value.1))
            .collect(),
        Queried::Scalar((_, value)) => Ok(vec![sample(BTreeMap::new(), &value)?]),
    }
}

/// Reads the list of alerts.
pub(super) fn alerts(json: &str) -> Result<Vec<Alert>> {
    Ok(read::<Alerts>(json)?.alerts)
}

fn read<T: DeserializeOwned>(json: &str) -> Result<T> {
    let answer: Answer<T> =
        serde_json::from_str(json).with_context(|| format!("not as expected: {json}"))?;
    Ok(answer.data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_and_scalars_are_read() {
        let vector = r#"{"status":"success","data":{"resultType":"vector","result":[
            {"metric":{"pod":"a-0"},"value":[1.5,"0.25"]}, {"metric":{},"value":[1.5,"NaN"]}]}}"#;
        let found = samples(vector).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].labels["pod"], "a-0");
        assert!((found[0].value - 0.25).abs() < f64::EPSILON && found[1].value.is_nan());
        let scalar = r#"{"status":"success","data":{"resultType":"scalar","result":[1.5,"3"]}}"#;
        assert_eq!(samples(scalar).unwrap().len(), 1);
    }

    #[test]
    fn pending_alerts_do_not_fire() {
        let json = r#"{"status":"success","data":{"alerts":[
            {"labels":{"alertname":"A"},"annotations":{},"state":"pending","activeAt":"x","value":"1"},
            {"labels":{"alertname":"B"},"annotations":{},"state":"firing","activeAt":"x","value":"1"}]}}"#;
        let fires: Vec<_> = alerts(json).unwrap().iter().map(Alert::fires).collect();
        assert_eq!(fires, [false, true]);
    }

    #[test]
    fn matrices_and_errors_are_refused() {
        for json in [
            r#"{"status":"error","errorType":"bad_data","error":"x"}"#,
            r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#,
        ] {
            assert!(samples(json).is_err(), "{json}");
        }
    }
}
