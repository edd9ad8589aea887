//! Servers treated badly.

mod abuse;
mod disks;
mod full_disk;
mod histories;
mod refusals;
