//! Names of an ensemble's pods, and the ids of the servers in them. Pure.

use quorate_operator::crd::ZkEnsemble;

/// Which servers of an ensemble there can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    ensemble: String,
    /// Zones with observers, and the id of the observer in the pod with ordinal 0.
    zones: Vec<(String, Option<u8>)>,
}

/// What the name of a pod says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Id of the server; `None` where the operator has not given the zone its ids yet.
    pub id: Option<u8>,
    /// Zone of an observer; `None` for voters.
    pub zone: Option<String>,
}

impl Names {
    /// The names of this ensemble.
    #[must_use]
    pub fn of(object: &ZkEnsemble) -> Self {
        let status = object.status.as_ref();
        let on_record = status.and_then(|status| status.observers.as_ref());
        let mut zones: Vec<(String, Option<u8>)> = on_record
            .into_iter()
            .flat_map(|observers| &observers.zones)
            .map(|zone| (zone.name.clone(), Some(zone.id_base)))
            .collect();
        let wanted = object.spec.observers.iter().flat_map(|o| &o.zones);
        for zone in wanted {
            if zones.iter().all(|(name, _)| *name != zone.name) {
                zones.push((zone.name.clone(), None));
            }
        }
        Self {
            ensemble: object.metadata.name.clone().unwrap_or_default(),
            zones,
        }
    }

    /// Reads the name of a pod; `None` when it is none of this ensemble.
    #[must_use]
    pub fn read(&self, pod: &str) -> Option<Named> {
        let rest = pod.strip_prefix(self.ensemble.as_str())?;
        if let Some(ordinal) = rest.strip_prefix("-voter-").and_then(ordinal) {
            return Some(Named {
                id: ordinal.checked_add(1),
                zone: None,
            });
        }
        let rest = rest.strip_prefix("-observer-")?;
        self.zones.iter().find_map(|(zone, base)| {
            let tail = rest.strip_prefix(zone.as_str())?.strip_prefix('-')?;
            let ordinal = ordinal(tail)?;
            Some(Named {
                id: base.and_then(|base| base.checked_add(ordinal)),
                zone: Some(zone.clone()),
            })
        })
    }
}

/// Reads an ordinal as a StatefulSet writes it.
fn ordinal(text: &str) -> Option<u8> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names() -> Names {
        let object = json!({
            "apiVersion": "quorate.dev/v1alpha1",
            "kind": "ZkEnsemble",
            "metadata": { "name": "orders" },
            "spec": {
                "voters": { "storage": { "size": "1Gi" } },
                "observers": { "replicas": 2, "zones": [{ "name": "a" }, { "name": "new" }] },
            },
            "status": { "observers": {
                "replicas": 1, "readyReplicas": 1, "summary": "1/2", "selector": "x",
                "zones": [{ "name": "a", "idBase": 64, "desired": 1, "current": 1, "ready": 1 }],
            } },
        });
        Names::of(&serde_json::from_value(object).unwrap())
    }

    #[test]
    fn names_of_pods_tell_ids_and_zones() {
        let read = |pod| names().read(pod).map(|named| (named.id, named.zone));
        assert_eq!(read("orders-voter-2"), Some((Some(3), None)));
        let zone = |name: &str| Some(name.to_owned());
        assert_eq!(read("orders-observer-a-1"), Some((Some(65), zone("a"))));
        assert_eq!(read("orders-observer-new-0"), Some((None, zone("new"))));
    }

    #[test]
    fn pods_of_others_are_none() {
        for pod in [
            "orders-voter-",
            "orders-voter-x",
            "orders-voter-+1",
            "orders-observer-b-0",
            // A voter of the ensemble orders-observer-a.
            "orders-observer-a-voter-0",
            "invoices-voter-0",
            "orders",
        ] {
            assert_eq!(names().read(pod), None, "{pod}");
        }
    }
}
