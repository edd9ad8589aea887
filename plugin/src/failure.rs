//! What can go wrong, each with what to do about it.

use kube::client::UpgradeConnectionError;
use thiserror::Error;

use crate::text::clean;

/// Why something was not done.
#[derive(Debug, Error)]
pub enum Failure {
    /// No cluster is named, or its configuration cannot be used.
    #[error(
        "no way to a cluster: {0}\nname one with --kubeconfig, --context or the variable KUBECONFIG"
    )]
    NoCluster(String),
    /// The API server does not know the kind.
    #[error("the cluster has no ZkEnsembles: install the operator (helm install quorate ..)")]
    NoKind,
    /// There is no such ensemble.
    #[error("no ensemble {name:?} in namespace {namespace:?}; {others}")]
    NoEnsemble {
        /// The name that was given.
        name: String,
        /// Where it was looked for.
        namespace: String,
        /// Those that there are, in words.
        others: String,
    },
    /// The person may not do it.
    #[error("not allowed{by}: ask for the verb {verb} on {resource} in namespace {namespace:?}")]
    Forbidden {
        /// What the API server said, in words that follow "not allowed".
        by: String,
        /// What would have to be allowed.
        verb: &'static str,
        /// On what.
        resource: &'static str,
        /// Where.
        namespace: String,
    },
    /// The API server said no, or nothing.
    #[error("cannot {verb} {resource} in namespace {namespace:?}: {why}")]
    Api {
        /// What was asked.
        verb: &'static str,
        /// Of what.
        resource: &'static str,
        /// Where.
        namespace: String,
        /// Why not.
        why: String,
    },
    /// No server says that it leads.
    #[error("nobody leads {name}: {why}; see kubectl quorate status {name} -n {namespace}")]
    NoLeader {
        /// The ensemble.
        name: String,
        /// Its namespace.
        namespace: String,
        /// What the servers said.
        why: String,
    },
    /// The wanted leader is no voter.
    #[error("{to:?} is no voter of {name}; name one of {voters}")]
    NoVoter {
        /// What was given.
        to: String,
        /// The ensemble.
        name: String,
        /// The voters.
        voters: String,
    },
    /// A server said no.
    #[error("{pod} refused: {why}")]
    Refused {
        /// Who.
        pod: String,
        /// Its words.
        why: String,
    },
    /// A server gave no answer.
    #[error("{pod} did not answer: {why}; whether it was done tells kubectl quorate status")]
    Silent {
        /// Who.
        pod: String,
        /// How that showed.
        why: String,
    },
    /// Clients need TLS, or cannot have it.
    #[error("{0}")]
    Tls(String),
    /// Words that the shell does not understand.
    #[error("{0}")]
    Word(String),
    /// An option of the shell that is not to be given.
    #[error(
        "leave out {0}: the ensemble and the options of kubectl quorate zk say where to connect"
    )]
    Taken(&'static str),
    /// No pod serves clients.
    #[error("no pod of {name} is ready; see kubectl quorate status {name} -n {namespace}")]
    NoPod {
        /// The ensemble.
        name: String,
        /// Its namespace.
        namespace: String,
    },
    /// It takes too long.
    #[error("not done after {seconds} s: {state}; it goes on, see kubectl quorate status {name}")]
    Late {
        /// How long it was waited.
        seconds: u64,
        /// How far it is.
        state: String,
        /// The ensemble.
        name: String,
    },
    /// Nothing will happen.
    #[error("{0}")]
    Suspended(String),
    /// The machine said no.
    #[error("{0}: {1}")]
    System(&'static str, std::io::Error),
    /// Something cannot be written as JSON.
    #[error("cannot write JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// What was asked of the API server: the words for its refusal.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The verb of the API.
    pub verb: &'static str,
    /// The resource, as a role names it.
    pub resource: &'static str,
    /// The namespace, or `*` for all.
    pub namespace: &'a str,
}

impl Asked<'_> {
    /// Puts the error of a call into words.
    #[must_use]
    pub fn failed(self, error: &kube::Error) -> Failure {
        let namespace = self.namespace.to_owned();
        let (verb, resource) = (self.verb, self.resource);
        let by = if let kube::Error::Api(status) = error
            && matches!(status.code, 401 | 403)
        {
            Some(format!(" ({})", clean(&status.message)))
        } else if let kube::Error::UpgradeConnection(why) = error
            && let UpgradeConnectionError::ProtocolSwitch(status) = why
            && matches!(status.as_u16(), 401 | 403)
        {
            Some(String::new())
        } else {
            None
        };
        match by {
            Some(by) => Failure::Forbidden {
                by,
                verb,
                resource,
                namespace,
            },
            None => Failure::Api {
                verb,
                resource,
                namespace,
                why: words(error),
            },
        }
    }
}

/// The error without the names of types around it.
#[must_use]
pub fn words(error: &kube::Error) -> String {
    if let kube::Error::Api(status) = error {
        return clean(&status.message);
    }
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        let words = inner.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        source = inner.source();
    }
    clean(&text)
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn asked() -> Asked<'static> {
        Asked {
            verb: "patch",
            resource: "zkensembles.quorate.dev",
            namespace: "shop",
        }
    }

    #[test]
    fn a_refusal_names_what_has_to_be_allowed() {
        let status = Status {
            code: 403,
            ..Status::failure("user \"ann\" cannot", "Forbidden")
        };
        let text = asked()
            .failed(&kube::Error::Api(status.boxed()))
            .to_string();
        assert_eq!(
            text,
            "not allowed (user \"ann\" cannot): ask for the verb patch on zkensembles.quorate.dev \
             in namespace \"shop\""
        );
        let upgrade = UpgradeConnectionError::ProtocolSwitch(hyper::StatusCode::FORBIDDEN);
        let text = asked().failed(&kube::Error::UpgradeConnection(upgrade));
        assert!(matches!(text, Failure::Forbidden { .. }), "{text}");
    }

    #[test]
    fn other_errors_keep_their_words() {
        let status = Status {
            code: 409,
            ..Status::failure("changed\u{1b} meanwhile", "Conflict")
        };
        let text = asked()
            .failed(&kube::Error::Api(status.boxed()))
            .to_string();
        assert!(text.ends_with(": changed  meanwhile"), "{text}");
    }
}
