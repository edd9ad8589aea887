//! Whole ensembles of the shipped core and the shipped storage, in virtual time, from one seed.
//!
//! A [`run_seed`] is single-threaded and deterministic: servers, disks, network and clients are
//! values, time is a number, chance is one stream from the seed. Servers crash, lose power with
//! unsynced writes lost or torn, pause, get slow disks; the network delays, partitions, stalls one
//! way and breaks connections. After each event the invariants are checked, a file each under
//! `invariants/` with its source. One seed gives one trace, on every machine.
//!
//! ```text
//!   seed --> Parameters, Dice
//!              |
//!   World:   Queue of events --> Server (Peer + Storage + SimFs)  <-- Net -->  Client (Workload)
//!              ^                     |  what it logs, applies, says     |  what it sees
//!            faults                  +------------> Checks <------------+
//! ```
//!
//! Known mistakes can be switched on (`zk_core::bugs`); that each of them is found proves that the
//! simulator sees something.
//!
//! In some runs the members change: servers come and go, observe and vote, and the leader is among
//! them.
//!
//! Left out: disk errors other than crashes, and Apache servers in the ensemble (some servers do not
//! know how to pass on the lead, as Apache's do not).

mod checks;
mod client;
mod context;
mod disk;
mod faults;
mod fs;
mod inflict;
mod intake;
mod invariants;
mod net;
mod oracle;
mod ports;
mod queue;
mod run;
mod seed;
mod server;
mod shell;
mod story;
mod trace;
mod workload;
mod world;

pub use checks::Counts;
pub use invariants::Violation;
pub use run::{Report, run_many, run_seed};
pub use seed::{RunConfig, STEPS_DEFAULT};
