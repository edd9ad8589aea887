//! Running servers treated badly: killed under load, fed with garbage, started on what they must
//! refuse.

pub mod garbage;
pub mod kill_loop;
pub mod load;
pub mod random;
pub mod snapshot_of;
