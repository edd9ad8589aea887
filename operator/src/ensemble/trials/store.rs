//! Objects as an API server keeps them: with versions, preconditions, and one owner of fields.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::NAMESPACE;
use crate::calls::Target;

/// An object, or the HTTP status of a refusal.
pub(super) type Answer = Result<Value, u16>;

/// What is on record at an object, and not its author's to say.
const RECORDED: [&str; 4] = ["uid", "creationTimestamp", "generation", "resourceVersion"];

/// All objects by resource and name; there is one namespace.
#[derive(Clone, Default)]
pub(super) struct Store {
    objects: BTreeMap<(String, String), Value>,
    version: u64,
}

fn key(target: &Target) -> (String, String) {
    let name = target.name.clone().unwrap_or_default();
    (target.resource.clone(), name)
}

/// What somebody else than an operator does with an object of this name.
pub(super) fn target(verb: &'static str, resource: &str, name: &str) -> Target {
    Target {
        verb,
        resource: resource.to_owned(),
        namespace: Some(NAMESPACE.to_owned()),
        name: Some(name.to_owned()),
        subresource: None,
    }
}

/// The text of a field.
pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Whether what an object is to be written over or deleted by is what is there.
fn check(conditions: &Value, there: &Value) -> Result<(), u16> {
    let holds = |field: &str| {
        conditions
            .get(field)
            .is_none_or(|wanted| there["metadata"].get(field) == Some(wanted))
    };
    let all = holds("uid") && holds("resourceVersion");
    all.then_some(()).ok_or(409)
}

impl Store {
    /// A version for something that changes now.
    pub(super) fn next(&mut self) -> String {
        self.version += 1;
        self.version.to_string()
    }

    pub(super) fn get(&self, resource: &str, name: &str) -> Option<&Value> {
        self.objects.get(&(resource.to_owned(), name.to_owned()))
    }

    /// Those of one kind.
    pub(super) fn all<'a>(&'a self, resource: &'a str) -> impl Iterator<Item = &'a Value> {
        let of = self
            .objects
            .iter()
            .filter(move |(key, _)| key.0 == resource);
        of.map(|(_, object)| object)
    }

    /// All objects, by kind and name.
    pub(super) fn everything(&self) -> &BTreeMap<(String, String), Value> {
        &self.objects
    }

    pub(super) fn create(&mut self, target: &Target, mut object: Value, now: Timestamp) -> Answer {
        let name = text(&object, "/metadata/name").to_owned();
        let key = (target.resource.clone(), name);
        let pinned = object["metadata"].get("resourceVersion").is_some();
        if self.objects.contains_key(&key) || pinned {
            return Err(409);
        }
        let version = self.next();
        let metadata = &mut object["metadata"];
        metadata["uid"] = json!(format!("uid-{version}"));
        metadata["creationTimestamp"] = json!(Time(now));
        metadata["generation"] = json!(1);
        metadata["resourceVersion"] = json!(version);
        self.objects.insert(key, object.clone());
        Ok(object)
    }

    pub(super) fn replace(&mut self, target: &Target, object: Value) -> Answer {
        let there = self.objects.get(&key(target)).ok_or(404_u16)?;
        check(&object["metadata"], there)?;
        Ok(self.put(key(target), object))
    }

    /// Server-side apply, by the only one who owns fields: what is not in it any more goes.
    pub(super) fn apply(&mut self, target: &Target, body: Value, now: Timestamp) -> Answer {
        let Some(there) = self.objects.get(&key(target)) else {
            return self.create(target, body, now);
        };
        check(&body["metadata"], there)?;
        let written = if target.subresource.as_deref() == Some("status") {
            let mut written = there.clone();
            written["status"] = body["status"].clone();
            written
        } else {
            let mut written = body;
            if let Some(status) = there.get("status") {
                written["status"] = status.clone();
            }
            written
        };
        Ok(self.put(key(target), written))
    }

    /// A merge of one field, over the version that was seen.
    pub(super) fn patch(&mut self, target: &Target, body: &Value, field: &str) -> Answer {
        let there = self.objects.get(&key(target)).ok_or(404_u16)?;
        check(&body["metadata"], there)?;
        let mut object = there.clone();
        let value = body.pointer(field).ok_or(400_u16)?;
        *object.pointer_mut(field).ok_or(400_u16)? = value.clone();
        Ok(self.put(key(target), object))
    }

    pub(super) fn delete(&mut self, target: &Target, options: &Value) -> Answer {
        let there = self.objects.get(&key(target)).ok_or(404_u16)?;
        check(&options["preconditions"], there)?;
        self.next();
        self.objects.remove(&key(target));
        Ok(json!({"kind": "Status", "apiVersion": "v1", "status": "Success"}))
    }

    /// Changes an object as its controller or a person does.
    pub(super) fn change(&mut self, resource: &str, name: &str, change: impl FnOnce(&mut Value)) {
        let key = (resource.to_owned(), name.to_owned());
        let mut object = self.objects[&key].clone();
        change(&mut object);
        self.put(key, object);
    }

    /// Writes an object that is there; its version changes when it does, its generation with its spec.
    fn put(&mut self, key: (String, String), mut object: Value) -> Value {
        let there = self.objects[&key].clone();
        for field in RECORDED {
            object["metadata"][field] = there["metadata"][field].clone();
        }
        if object == there {
            return there;
        }
        if object["spec"] != there["spec"] {
            let generation = there["metadata"]["generation"].as_i64().unwrap_or(0);
            object["metadata"]["generation"] = json!(generation + 1);
        }
        object["metadata"]["resourceVersion"] = json!(self.next());
        self.objects.insert(key, object.clone());
        object
    }
}
