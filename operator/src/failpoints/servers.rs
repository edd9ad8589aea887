//! The failpoints around what is asked of servers.

use std::net::IpAddr;

use super::{Failpoints, Fault, When};
use crate::members::{Change, Credential, MemberReport, Members, Silence, Undone};

/// A way to the servers with failpoints around each question.
#[derive(Clone, Debug)]
pub struct FailpointMembers<M> {
    inner: M,
    failpoints: Failpoints,
}

impl<M> FailpointMembers<M> {
    /// Puts them around this one.
    pub fn new(inner: M, failpoints: Failpoints) -> Self {
        Self { inner, failpoints }
    }
}

impl From<Fault> for Silence {
    fn from(fault: Fault) -> Self {
        Self::Unaskable(fault.to_string())
    }
}

impl From<Fault> for Undone {
    fn from(fault: Fault) -> Self {
        Silence::from(fault).into()
    }
}

impl<M: Members> Members for FailpointMembers<M> {
    async fn ask(&self, ip: IpAddr) -> Result<MemberReport, Silence> {
        self.failpoints.reach(When::Before, "ask-server").await?;
        let report = self.inner.ask(ip).await?;
        self.failpoints.reach(When::After, "ask-server").await?;
        Ok(report)
    }

    async fn form(
        &self,
        ip: IpAddr,
        credential: &Credential,
        ensemble_id: &str,
        life: &str,
    ) -> Result<(), Undone> {
        self.failpoints.reach(When::Before, "form-server").await?;
        self.inner.form(ip, credential, ensemble_id, life).await?;
        self.failpoints.reach(When::After, "form-server").await?;
        Ok(())
    }

    async fn reconfigure(
        &self,
        ip: IpAddr,
        credential: &Credential,
        change: &Change,
    ) -> Result<(), Undone> {
        let call = "reconfigure-server";
        self.failpoints.reach(When::Before, call).await?;
        self.inner.reconfigure(ip, credential, change).await?;
        self.failpoints.reach(When::After, call).await?;
        Ok(())
    }
}
