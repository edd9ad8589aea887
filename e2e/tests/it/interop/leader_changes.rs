//! Clients of servers that stay notice nothing when leaders come and go.

use anyhow::Result;
use quorate_e2e::handover::{self, Plan};
use quorate_e2e::progress::Progress;

use crate::alone;

const SHORT: Plan = Plan {
    servers: 3,
    sessions: 40,
    programs: 6,
    count: 10,
    restarts: 1,
    kills: 3,
    apache: 0,
    off: false,
    alone: true,
};

#[test]
fn nobody_notices_a_change_of_leaders() -> Result<()> {
    let _alone = alone();
    handover::run(&Progress::default(), &SHORT)
}

#[test]
fn nobody_notices_that_an_apache_server_leads_next() -> Result<()> {
    let _alone = alone();
    let plan = Plan {
        apache: 1,
        programs: 0,
        count: 6,
        ..SHORT
    };
    handover::run(&Progress::default(), &plan)
}
