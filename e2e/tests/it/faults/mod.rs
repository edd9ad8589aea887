//! Servers treated badly.

mod abuse;
mod full_disk;
mod histories;
mod refusals;
