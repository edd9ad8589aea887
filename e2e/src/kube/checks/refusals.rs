//! What `kubectl apply` must refuse, with a message that says what to do.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::{Bench, manifest};

/// A change of the manifest, and a word that its refusal must hold.
struct Case {
    name: &'static str,
    pointer: &'static str,
    value: Value,
    says: &'static str,
}

/// Applies each bad manifest over the running ensemble.
pub(super) fn refused_with_a_remedy(bench: &Bench<'_>) -> Result<String> {
    let long = "n".repeat(60);
    let cases = [
        Case {
            name: "replicas 2",
            pointer: "/spec/voters/replicas",
            value: json!(2),
            says: "1, 3, 5 or 7",
        },
        Case {
            name: "a shrunk volume",
            pointer: "/spec/voters/storage/size",
            value: json!("512Mi"),
            says: "size",
        },
        Case {
            name: "another storage class",
            pointer: "/spec/voters/storage/storageClassName",
            value: json!("another"),
            says: "storageClassName",
        },
        Case {
            name: "a peer that is nobody",
            pointer: "/spec/networkPolicy",
            value: json!({ "clientFrom": [{}] }),
            says: "a peer must say who",
        },
        Case {
            name: "an unknown field",
            pointer: "/spec/voters/replica",
            value: json!(3),
            says: "unknown field",
        },
        Case {
            name: "an over-long name",
            pointer: "/metadata/name",
            value: json!(long),
            says: "name",
        },
    ];
    let mut messages = Vec::new();
    for case in cases {
        let mut bad = manifest();
        set(&mut bad, case.pointer, case.value)?;
        match bench.zke.kubectl.apply(bench.zke.namespace, &bad) {
            Ok(_) => bail!("{} was accepted", case.name),
            Err(error) => {
                let text = format!("{error:#}");
                if !text.contains(case.says) {
                    bail!(
                        "{}: the message does not say {:?}: {text}",
                        case.name,
                        case.says
                    );
                }
                messages.push(format!("{}: {}", case.name, said(&text)));
            }
        }
    }
    Ok(format!(
        "{} refusals\n      {}",
        messages.len(),
        messages.join("\n      ")
    ))
}

/// Sets a field, which may not be there yet, of an object that is.
pub(super) fn set(manifest: &mut Value, pointer: &str, value: Value) -> Result<()> {
    let (parent, key) = pointer.rsplit_once('/').context("a pointer has a slash")?;
    let parent = manifest.pointer_mut(parent).and_then(Value::as_object_mut);
    parent
        .context("the parent is an object")?
        .insert(key.to_owned(), value);
    Ok(())
}

/// What the API server says, without the object that it repeats before it.
fn said(text: &str) -> &str {
    let line = text.lines().last().unwrap_or(text);
    let marks = [
        "strict decoding error",
        "Invalid value: \"object\": ",
        "Invalid value: \"integer\": ",
    ];
    let from = marks.iter().find_map(|mark| line.rfind(mark)).unwrap_or(0);
    line.get(from..).unwrap_or(line)
}
