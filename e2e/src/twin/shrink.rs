//! Cuts a script that shows a difference down to the steps that matter, by leaving out more and
//! more of it as long as some difference stays.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::pair::{Difference, Pair};
use super::script::{Line, Step};

/// How long to go on.
const LIMIT: Duration = Duration::from_secs(60);

/// A script and the difference that it shows.
#[derive(Debug)]
pub struct Found {
    /// What to do.
    pub steps: Vec<Step>,
    /// What comes of it.
    pub difference: Difference,
}

/// Runs plain steps.
///
/// # Errors
/// When a server cannot be reached.
pub fn run(pair: &mut Pair, steps: &[Step]) -> Result<Option<Difference>> {
    let lines: Vec<Line> = steps.iter().cloned().map(Line::from).collect();
    pair.run(&lines)
}

/// Makes a script smaller. `None` when it shows no difference a second time.
///
/// # Errors
/// When a server cannot be reached.
pub fn shrink(pair: &mut Pair, mut steps: Vec<Step>) -> Result<Option<Found>> {
    let until = Instant::now() + LIMIT;
    let Some(mut difference) = run(pair, &steps)? else {
        return Ok(None);
    };
    steps.truncate(difference.at + 1);
    loop {
        let before = steps.clone();
        if let Some(found) = fewer(pair, &mut steps, until, &mut split_steps)? {
            difference = found;
        }
        for index in 0..steps.len() {
            let mut split = |steps: &[Step]| split_requests(steps, index);
            if let Some(found) = fewer(pair, &mut steps, until, &mut split)? {
                difference = found;
            }
        }
        if steps == before || Instant::now() > until {
            return Ok(Some(Found { steps, difference }));
        }
    }
}

/// The parts that a script has, and how to put some of them together.
struct Parts {
    count: usize,
    join: Box<Join>,
}

/// Puts the parts together that the filter keeps.
type Join = dyn Fn(&dyn Fn(usize) -> bool) -> Vec<Step>;

fn split_steps(steps: &[Step]) -> Parts {
    let steps = steps.to_vec();
    Parts {
        count: steps.len(),
        join: Box::new(move |keep| {
            let kept = steps.iter().enumerate().filter(|(i, _)| keep(*i));
            kept.map(|(_, step)| step.clone()).collect()
        }),
    }
}

fn split_requests(steps: &[Step], index: usize) -> Parts {
    let steps = steps.to_vec();
    let count = match steps.get(index) {
        Some(Step::Send(_, requests)) => requests.len(),
        _ => 0,
    };
    Parts {
        count,
        join: Box::new(move |keep| {
            let mut steps = steps.clone();
            if let Some(Step::Send(_, requests)) = steps.get_mut(index) {
                let mut at = 0;
                requests.retain(|_| {
                    at += 1;
                    keep(at - 1)
                });
            }
            steps
        }),
    }
}

/// Leaves out ever smaller runs of parts.
fn fewer(
    pair: &mut Pair,
    steps: &mut Vec<Step>,
    until: Instant,
    split: &mut dyn FnMut(&[Step]) -> Parts,
) -> Result<Option<Difference>> {
    let mut found = None;
    let mut size = split(steps).count.div_ceil(2);
    while size > 0 {
        let mut start = 0;
        loop {
            let parts = split(steps);
            if start >= parts.count || Instant::now() > until {
                break;
            }
            let without = (parts.join)(&|i| i < start || i >= start + size);
            match run(pair, &without)? {
                Some(difference) => {
                    *steps = without;
                    found = Some(difference);
                }
                None => start += size,
            }
        }
        size = if size == 1 { 0 } else { size.div_ceil(2) };
    }
    Ok(found)
}
