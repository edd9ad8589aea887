//! Clients of the servers that stay do not notice when leaders come and go.

use anyhow::Result;
use quorate_e2e::handover::{self, Plan};
use quorate_e2e::progress::Progress;

use crate::alone;

#[test]
fn nobody_notices_that_the_lead_is_passed_on_or_lost() -> Result<()> {
    let _alone = alone();
    let plan = Plan {
        servers: 3,
        sessions: 12,
        count: 6,
        kills: 2,
        alone: true,
    };
    handover::run(&Progress::default(), &plan)
}
