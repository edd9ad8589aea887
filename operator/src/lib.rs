//! The Quorate operator: keeps `ZkEnsemble` objects and the ensembles that they describe in step.
//!
//! - `crd`: the API, from which the CRD is generated;
//! - `ensemble`: one reconcile as a pipeline of stages, a file each, the middle ones pure;
//! - `members`: how servers are asked for their role, and to change the members;
//! - `key`: what the operator shows to the servers follows from it;
//! - `quantity`: sizes of volumes, compared;
//! - `read_again`: what is asked of the API server once more;
//! - `scope`: which namespaces it works in;
//! - `leadership`: which of several operators works;
//! - `traces`: what each reconcile waited for, for a collector;
//! - `calls`: names of the calls of the API server;
//! - `failpoints`: where the operator can be made to fail, in builds that ask for it;
//! - `health`, `metrics`: the operator's own HTTP port.
//!
//! Several may run, and one of them works: two at a time would not break an ensemble, since steps
//! carry preconditions, but could take two steps at once.

mod calls;
pub mod crd;
pub mod ensemble;
#[cfg(any(test, feature = "failpoints"))]
pub mod failpoints;
#[cfg(test)]
mod fixtures;
pub mod health;
pub mod key;
pub mod leadership;
pub mod log_levels;
pub mod members;
pub mod metrics;
pub mod quantity;
pub mod read_again;
pub mod scope;
pub mod traces;
