//! The spans of what is asked of servers.

use std::fmt::Display;
use std::net::IpAddr;

use opentelemetry::KeyValue;

use super::{ReconcileTraces, end};
use crate::members::{Change, Credential, MemberReport, Members, Silence, Undone};

/// A way to the servers with a span around each question.
#[derive(Clone, Debug)]
pub struct TracedMembers<M> {
    inner: M,
    traces: ReconcileTraces,
}

impl<M> TracedMembers<M> {
    /// Puts them around this one.
    pub fn new(inner: M, traces: ReconcileTraces) -> Self {
        Self { inner, traces }
    }

    async fn traced<T, E: Display>(
        &self,
        call: &str,
        ip: IpAddr,
        answer: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let about = vec![KeyValue::new("server.address", ip.to_string())];
        let reconcile = self.traces.under_way();
        let span = reconcile.and_then(|of| self.traces.call(&of, call.to_owned(), about));
        let answer = answer.await;
        if let Some(span) = span {
            end(&span, answer.as_ref().err());
        }
        answer
    }
}

impl<M: Members> Members for TracedMembers<M> {
    async fn ask(&self, ip: IpAddr) -> Result<MemberReport, Silence> {
        self.traced("ask-server", ip, self.inner.ask(ip)).await
    }

    async fn form(
        &self,
        ip: IpAddr,
        credential: &Credential,
        ensemble_id: &str,
        life: &str,
    ) -> Result<(), Undone> {
        let form = self.inner.form(ip, credential, ensemble_id, life);
        self.traced("form-server", ip, form).await
    }

    async fn reconfigure(
        &self,
        ip: IpAddr,
        credential: &Credential,
        change: &Change,
    ) -> Result<(), Undone> {
        let reconfigure = self.inner.reconfigure(ip, credential, change);
        self.traced("reconfigure-server", ip, reconfigure).await
    }
}
