//! The listeners, checked as far as the rules of the CRD cannot, or an older CRD did not. Pure.

use std::collections::BTreeSet;

use super::certificates::TlsSpec;
use super::network::is_label_key;
use super::validate::{InvalidSpec, is_label};
use crate::crd::{ClientTlsMode, Listener, ListenerTls};

/// Listeners at most.
const LISTENERS_MAX: usize = 8;

/// Longest name: with that of the ensemble it makes that of a Service.
const NAME_LEN_MAX: usize = 20;

/// Reads what the spec says.
pub(super) fn read(listeners: &[Listener], tls: &TlsSpec) -> Result<Vec<Listener>, InvalidSpec> {
    let mut names = BTreeSet::new();
    for (index, listener) in listeners.iter().enumerate() {
        let wrong = |why| Err(InvalidSpec::Listener(listener.name.clone(), why));
        if index >= LISTENERS_MAX {
            return wrong("there may be 8; remove it");
        }
        if !is_label(&listener.name, NAME_LEN_MAX) {
            return wrong("its name must be at most 20 of a-z, 0-9 and '-', a letter first");
        }
        if !names.insert(&listener.name) {
            return wrong("its name is there twice; give one of them another");
        }
        if listener.tls == ListenerTls::Require && tls.client == ClientTlsMode::Disabled {
            return wrong("it has no port while tls.client.mode is Disabled; set that to Allow");
        }
        if !listener.annotations.keys().all(|key| is_label_key(key)) {
            return wrong(
                "the key of an annotation must be letters, digits, '.', '_' and '-', at most 63, with a \
                 domain and '/' before it or not; correct it",
            );
        }
    }
    Ok(listeners.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::listener;

    #[test]
    fn listeners_that_cannot_be_are_named() {
        let off = TlsSpec::default();
        let named = |name: &str| Listener {
            name: name.to_owned(),
            ..listener()
        };
        assert_eq!(
            read(&[named("edge"), named("a-1")], &off).map(|found| found.len()),
            Ok(2)
        );
        let annotated = Listener {
            annotations: [("a b".to_owned(), String::new())].into(),
            ..listener()
        };
        let with_tls = Listener {
            tls: ListenerTls::Require,
            ..listener()
        };
        let many: Vec<Listener> = (0..9).map(|number| named(&format!("l{number}"))).collect();
        for (listeners, part) in [
            (vec![named("")], "a letter first"),
            (vec![named("1st")], "a letter first"),
            (vec![named("a-")], "a letter first"),
            (vec![named(&"a".repeat(21))], "at most 20"),
            (vec![named("edge"), named("edge")], "twice"),
            (vec![annotated], "an annotation"),
            (vec![with_tls.clone()], "no port"),
            (many, "there may be 8"),
        ] {
            let refused = read(&listeners, &off).unwrap_err().to_string();
            assert!(refused.contains(part), "{part:?} is not in {refused:?}");
        }
        let on = TlsSpec {
            client: ClientTlsMode::Allow,
            ..off
        };
        assert_eq!(
            read(std::slice::from_ref(&with_tls), &on),
            Ok(vec![with_tls])
        );
    }
}
