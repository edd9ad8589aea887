//! Why a reconcile failed. What is merely unfinished or unhealthy is not an error but a condition.

use super::certificates::IssueError;

/// Why the API server makes nothing in a namespace that is being deleted.
const TERMINATING: &str = "NamespaceTerminating";

/// A reconcile that has to be tried again.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// A call to the API server failed.
    #[error("{call}: {source}")]
    Api {
        /// What was asked for, in words.
        call: &'static str,
        /// The answer.
        #[source]
        source: Box<kube::Error>,
    },
    /// Another operator may be at work; this one must take no step.
    #[error("another operator works ({})", holder.as_deref().unwrap_or("nobody is in the Lease"))]
    NotLeading {
        /// Who is in the Lease.
        holder: Option<String>,
    },
    /// A certificate could not be made.
    #[error(transparent)]
    Certificate(#[from] IssueError),
    /// The object lacks a field that the API server always sets.
    #[error("the ZkEnsemble has no {0}")]
    Incomplete(&'static str),
}

impl ReconcileError {
    /// Whether an object had changed since it was read.
    pub fn is_conflict(&self) -> bool {
        self.kind() == "conflict"
    }

    /// Whether the namespace is being deleted, so that nothing can be made in it any more.
    pub fn is_of_terminating_namespace(&self) -> bool {
        let Self::Api { source, .. } = self else {
            return false;
        };
        let kube::Error::Api(status) = source.as_ref() else {
            return false;
        };
        let causes = status.details.iter().flat_map(|details| &details.causes);
        causes.into_iter().any(|cause| cause.reason == TERMINATING)
    }

    /// Names the kind of error for the metric, from a fixed set.
    pub fn kind(&self) -> &'static str {
        let source = match self {
            Self::Api { source, .. } => source,
            Self::NotLeading { .. } => return "not_leading",
            Self::Certificate(_) => return "certificate",
            Self::Incomplete(_) => return "incomplete",
        };
        let kube::Error::Api(status) = source.as_ref() else {
            return "transport";
        };
        match status.code {
            403 => "forbidden",
            409 => "conflict",
            422 => "refused",
            _ => "api",
        }
    }
}

/// Gives a failed call its name.
pub(crate) trait Called<T> {
    /// Wraps the error, if there is one, with what was called.
    fn called(self, call: &'static str) -> Result<T, ReconcileError>;
}

impl<T> Called<T> for Result<T, kube::Error> {
    fn called(self, call: &'static str) -> Result<T, ReconcileError> {
        self.map_err(|source| ReconcileError::Api {
            call,
            source: Box::new(source),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_namespace_that_goes_is_told_from_what_is_forbidden() {
        let refused = |cause: &str| {
            let status = json!({
                "status": "Failure", "reason": "Forbidden", "code": 403, "message": "no",
                "details": {"name": "demo", "causes": [{"reason": cause, "message": "no"}]},
            });
            let status: kube::core::Status = serde_json::from_value(status).unwrap();
            Err::<(), _>(kube::Error::Api(Box::new(status)))
                .called("apply")
                .unwrap_err()
        };
        assert!(refused("NamespaceTerminating").is_of_terminating_namespace());
        let forbidden = refused("other");
        assert!(!forbidden.is_of_terminating_namespace());
        assert_eq!(forbidden.kind(), "forbidden");
    }
}
