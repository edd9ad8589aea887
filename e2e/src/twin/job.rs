//! The twin test as a command: the scenarios, then scripts from a seed.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};

use super::pair::{Difference, Pair};
use super::random::Maker;
use super::scenarios::{self, Setup};
use super::script::{Step, print};
use super::shrink::{self, Found};
use crate::faults::random::Random;
use crate::peers::{Kind, Settings};
use crate::progress::Progress;

/// How often the rate is told.
const TELL_INTERVAL: Duration = Duration::from_secs(10);

/// What to do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Which servers are compared.
    pub kinds: [Kind; 2],
    /// Sizes of ensembles for scripts from the seed.
    pub servers: Vec<usize>,
    /// How many requests, for all sizes together.
    pub requests: usize,
    /// When to stop at the latest.
    pub limit: Duration,
    /// Decides the scripts.
    pub seed: u64,
    /// After how many differences to stop.
    pub differences: usize,
}

/// What the command takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The servers to compare with.
    #[arg(long, value_enum, default_value = "apache")]
    left: Kind,
    /// The servers to compare.
    #[arg(long, value_enum, default_value = "quorate")]
    right: Kind,
    /// Run the scenarios whose names contain this, instead of scripts from a seed.
    #[arg(long, num_args = 0..=1, default_missing_value = "")]
    scenarios: Option<String>,
    /// Sizes of ensembles.
    #[arg(long, value_delimiter = ',', default_value = "1,3")]
    servers: Vec<usize>,
    /// How many requests.
    #[arg(long, default_value_t = 1_000_000)]
    requests: usize,
    /// When to stop at the latest.
    #[arg(long, default_value_t = 120)]
    minutes: u64,
    /// Decides the scripts; the time of day if not given.
    #[arg(long)]
    seed: Option<u64>,
    /// After how many differences to stop.
    #[arg(long, default_value_t = 1)]
    differences: usize,
}

/// Runs the command.
///
/// # Errors
/// When the answers differ.
pub fn run(progress: &Progress, arguments: &Arguments) -> Result<()> {
    let kinds = [arguments.left, arguments.right];
    if let Some(filter) = &arguments.scenarios {
        let count = scenarios(progress, kinds, filter)?;
        println!("{count} scenarios, all answers equal");
        return Ok(());
    }
    let seed = match arguments.seed {
        Some(seed) => seed,
        None => {
            let time = SystemTime::now().duration_since(UNIX_EPOCH)?;
            u64::try_from(time.as_nanos() & u128::from(u64::MAX))?
        }
    };
    let plan = Plan {
        kinds,
        servers: arguments.servers.clone(),
        requests: arguments.requests,
        limit: Duration::from_secs(60 * arguments.minutes),
        seed,
        differences: arguments.differences,
    };
    let count = random(progress, &plan)?;
    println!("{count} requests, all answers equal");
    Ok(())
}

/// Runs scripts from the seed.
///
/// # Errors
/// When the answers differ; the text carries the shortest script that was found.
pub fn random(progress: &Progress, plan: &Plan) -> Result<usize> {
    let share = plan.requests.div_ceil(plan.servers.len().max(1));
    let limit = plan.limit / u32::try_from(plan.servers.len().max(1))?;
    let mut total = 0;
    for servers in &plan.servers {
        let part = Plan {
            requests: share,
            limit,
            ..plan.clone()
        };
        total += random_on(progress, &part, *servers)?;
    }
    Ok(total)
}

fn random_on(progress: &Progress, plan: &Plan, servers: usize) -> Result<usize> {
    let [left, right] = plan.kinds.map(|kind| kind.name().to_lowercase());
    progress.say(format!(
        "twin: quorate-e2e twin --left {left} --right {right} --servers {servers} --requests {} --seed {}",
        plan.requests, plan.seed
    ));
    let mut settings = settings();
    // Only ours changes the members where nothing is said.
    settings.extra.push("reconfigEnabled=false".to_owned());
    let mut pair = Pair::start(plan.kinds, servers, &settings)?;
    let mut seeds = Random::new(plan.seed);
    let (began, mut told) = (Instant::now(), Instant::now());
    let (mut done, mut scripts, mut differences) = (0, 0, 0);
    while done < plan.requests && began.elapsed() < plan.limit {
        let seed = seeds.next_u64();
        let steps = Maker::new(seed, servers > 1).script();
        let found = shrink::run(&mut pair, &steps)?;
        done += steps.iter().map(requests).sum::<usize>();
        scripts += 1;
        if let Some(difference) = found {
            differences += 1;
            report(&mut pair, steps, difference);
            if differences >= plan.differences {
                break;
            }
            // What the difference left behind must not show up as another one.
            pair = Pair::start(plan.kinds, servers, &settings)?;
        }
        if told.elapsed() > TELL_INTERVAL {
            told = Instant::now();
            progress.say(told_rate(done, scripts, began));
        }
    }
    progress.say(told_rate(done, scripts, began));
    if differences > 0 {
        bail!(
            "{differences} differences with --servers {servers} --seed {}",
            plan.seed
        );
    }
    Ok(done)
}

fn told_rate(done: usize, scripts: usize, began: Instant) -> String {
    let seconds = began.elapsed().as_secs_f64();
    #[allow(
        clippy::cast_precision_loss,
        reason = "a rate for people, far below 2^52"
    )]
    let rate = done as f64 / seconds;
    format!("{done} requests in {scripts} scripts, {seconds:.0} s, {rate:.0} a second")
}

fn report(pair: &mut Pair, steps: Vec<Step>, first: Difference) {
    match shrink::shrink(pair, steps) {
        Ok(Some(Found { steps, difference })) => {
            eprintln!(
                "difference in step {} of\n{}\n{}",
                difference.at,
                print(&steps),
                difference.text
            );
        }
        Ok(None) => eprintln!(
            "difference in step {}, which did not come a second time\n{}",
            first.at, first.text
        ),
        Err(error) => eprintln!(
            "difference in step {}; cannot cut the script down: {error:#}\n{}",
            first.at, first.text
        ),
    }
}

fn requests(step: &Step) -> usize {
    if let Step::Send(_, requests) = step {
        requests.len()
    } else {
        1
    }
}

fn settings() -> Settings {
    Settings {
        tick: Duration::from_secs(2),
        extra: vec!["extendedTypesEnabled=true".to_owned()],
        // Neither a sweep nor a disk may decide what is answered when.
        properties: vec![
            "znode.container.checkIntervalMs=2000000000".to_owned(),
            "zookeeper.forceSync=no".to_owned(),
        ],
        in_memory: true,
    }
}

/// Runs the scenarios whose setup or own name contains `filter`.
///
/// # Errors
/// When the answers differ.
pub fn scenarios(progress: &Progress, kinds: [Kind; 2], filter: &str) -> Result<usize> {
    let (mut count, mut failed) = (0, Vec::new());
    for setup in scenarios::all() {
        let (ran, wrong) = run_setup(progress, kinds, &setup, filter)?;
        count += ran;
        failed.extend(wrong);
    }
    if !failed.is_empty() {
        bail!(
            "{} of {count} scenarios differ: {}",
            failed.len(),
            failed.join(", ")
        );
    }
    Ok(count)
}

/// Runs the scenarios of one setup; returns how many, and which differ.
///
/// # Errors
/// When the servers do not come up.
pub fn run_setup(
    progress: &Progress,
    kinds: [Kind; 2],
    setup: &Setup,
    filter: &str,
) -> Result<(usize, Vec<String>)> {
    let mut failed = Vec::new();
    let mut count = 0;
    let mut pair = None;
    for scenario in &setup.scenarios {
        let name = format!("{}: {}", setup.name, scenario.name);
        if !name.contains(filter) {
            continue;
        }
        count += 1;
        let running = match pair.take() {
            Some(running) => running,
            None => Pair::start_with(
                kinds,
                setup.servers,
                &setup.settings,
                setup.snapshot.as_deref(),
            )?,
        };
        let mut running = running;
        let found = running.run(&scenario.lines);
        match found {
            Ok(None) => pair = Some(running),
            Ok(Some(difference)) => {
                let step = scenario.lines.get(difference.at).map(|line| &line.step);
                let step = step.map(ToString::to_string).unwrap_or_default();
                eprintln!(
                    "{name}: difference in step {}\n{step}\n{}",
                    difference.at, difference.text
                );
                failed.push(name);
            }
            Err(error) => {
                eprintln!("{name}: {error:#}; kept {:?}", running.keep());
                failed.push(name);
            }
        }
    }
    if count > 0 {
        progress.say(format!(
            "{}: {} of {count} scenarios equal",
            setup.name,
            count - failed.len()
        ));
    }
    Ok((count, failed))
}
