//! The names of calls of the Kubernetes API: `VERB-RESOURCE`.

use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request};

/// Where a request goes in the Kubernetes API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// `get`, `list`, `watch`, `create`, `replace`, `apply`, `patch` or `delete`.
    pub(crate) verb: &'static str,
    /// Plural name of the kind.
    pub(crate) resource: String,
    /// The namespace; `None` for all of them.
    pub(crate) namespace: Option<String>,
    /// Name of the object.
    pub(crate) name: Option<String>,
    /// The part of the object, e.g. `status`.
    pub(crate) subresource: Option<String>,
}

impl Target {
    /// Reads it from the method, the path and the query; `None` for what is no object of the API.
    pub(crate) fn of<B>(request: &Request<B>) -> Option<Self> {
        let mut path = request.uri().path().split('/').skip(1);
        match path.next()? {
            "api" => drop(path.next()?),
            "apis" => drop((path.next()?, path.next()?)),
            _ => return None,
        }
        let mut rest: Vec<String> = path.map(str::to_owned).collect();
        let namespaced = rest.len() > 2 && rest.first().is_some_and(|word| word == "namespaces");
        let namespace = namespaced.then(|| rest.drain(..2).next_back()).flatten();
        let mut rest = rest.into_iter();
        let resource = rest.next()?;
        let name = rest.next();
        Some(Self {
            verb: verb(request, name.is_some())?,
            resource,
            namespace,
            name,
            subresource: rest.next(),
        })
    }

    /// The name of the call.
    pub(crate) fn call(&self) -> String {
        let part = self.subresource.iter().map(String::as_str);
        // An event that was seen before is counted up, which is as much an event.
        let verb = if self.resource == "events" {
            "publish"
        } else {
            self.verb
        };
        let words: Vec<&str> = [verb, self.resource.as_str()]
            .into_iter()
            .chain(part)
            .collect();
        words.join("-")
    }
}

fn verb<B>(request: &Request<B>, named: bool) -> Option<&'static str> {
    let query = request.uri().query().unwrap_or_default();
    let watches = query.split('&').any(|pair| pair == "watch=true");
    let content = request.headers().get(CONTENT_TYPE);
    let applies = content.is_some_and(|kind| kind.as_bytes().starts_with(b"application/apply"));
    match *request.method() {
        Method::GET if named => Some("get"),
        Method::GET if watches => Some("watch"),
        Method::GET => Some("list"),
        Method::POST => Some("create"),
        Method::PUT => Some("replace"),
        Method::PATCH if applies => Some("apply"),
        Method::PATCH => Some("patch"),
        Method::DELETE => Some("delete"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failpoints::CALLS;

    fn call(method: &str, uri: &str, content: &str) -> Option<String> {
        let request = Request::builder().method(method).uri(uri);
        let request = request.header(CONTENT_TYPE, content).body(()).unwrap();
        Target::of(&request).map(|target| target.call())
    }

    #[test]
    fn requests_have_the_names_of_their_calls() {
        let apply = "application/apply-patch+yaml";
        let json = "application/json";
        for (method, uri, content, name) in [
            (
                "GET",
                "/api/v1/namespaces/a/pods?&labelSelector=x",
                json,
                "list-pods",
            ),
            ("GET", "/api/v1/pods?&watch=true&x=1", json, "watch-pods"),
            ("GET", "/api/v1/nodes/n1", json, "get-nodes"),
            ("DELETE", "/api/v1/namespaces/a/pods/p", json, "delete-pods"),
            (
                "PATCH",
                "/apis/quorate.dev/v1alpha1/namespaces/a/zkensembles/z/status?&force=true",
                apply,
                "apply-zkensembles-status",
            ),
            (
                "PATCH",
                "/apis/events.k8s.io/v1/namespaces/a/events/e",
                "application/merge-patch+json",
                "publish-events",
            ),
            (
                "PUT",
                "/apis/coordination.k8s.io/v1/namespaces/a/leases/l",
                json,
                "replace-leases",
            ),
        ] {
            assert_eq!(call(method, uri, content).as_deref(), Some(name), "{uri}");
            assert!(CALLS.contains(&name), "{name}");
        }
        assert_eq!(call("GET", "/version", json), None);
    }
}
