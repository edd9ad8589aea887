//! What one mixed ensemble goes through.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::network::{Network, Side};
use super::{Mix, Summary};
use crate::faults::kill_loop;
use crate::faults::load::Load;
use crate::faults::random::Random;
use crate::peers::client::flags::PERSISTENT;
use crate::peers::ensemble::START_LIMIT;
use crate::peers::{Client, Ensemble, Kind, Settings, four_letter, wait_for};
use crate::progress::Progress;

/// Threads that write.
const WRITERS: usize = 4;

/// Pause of each after a write: elections and the start of servers are what this is about.
const PAUSE: Duration = Duration::from_millis(2);

/// Writes after which a server that missed them cannot be brought level from the leader's memory.
const FAR_BEHIND: u64 = 1500;

/// Writes by which the wanted leader gets ahead of those that wait.
const AHEAD: u64 = 20;

/// Time-out of the last writer.
const WRITE_LIMIT: Duration = Duration::from_secs(20);

/// Writes after which digests are compared: enough that each member remembers several of them.
const LAST_WRITES: u32 = 300;

/// How often members that do not answer are asked again.
const CHECKS_MAX: u32 = 3;

/// How often a kind is given the chance to lead before that counts as a failure.
const TURNS_MAX: u32 = 6;

struct Story<'a> {
    progress: &'a Progress,
    mix: &'a Mix,
    network: Network,
    ensemble: Ensemble,
    load: Load,
    random: Random,
    summary: Summary,
}

/// Runs one mix.
///
/// # Errors
/// See [`super::run`].
pub(super) fn run(progress: &Progress, mix: &Mix, short: bool, seed: u64) -> Result<Summary> {
    progress.say(format!("mix {mix}"));
    let kinds = mix.kinds();
    let network = Network::create(u8::try_from(kinds.len())?)?;
    let settings = Settings {
        extra: ["snapCount=700", "initLimit=40", "syncLimit=6"]
            .map(str::to_owned)
            .to_vec(),
        in_memory: true,
        ..Settings::default()
    };
    let mut ensemble = Ensemble::placed(&kinds, &settings, |server| {
        server.live_in(network.namespace(server.id), network.address(server.id));
        server.observer = !mix.is_voter(server.id);
    })?;
    let started = ensemble.start_all().and_then(|()| ensemble.wait_serving());
    if let Err(error) = started {
        ensemble.servers.clear();
        return Err(error.context(format!("kept {}", ensemble.keep().display())));
    }
    let load = Load::start_paced(&ensemble.addresses(), WRITERS, PAUSE)?;
    let mut story = Story {
        progress,
        mix,
        network,
        ensemble,
        load,
        random: Random::new(seed),
        summary: Summary::default(),
    };
    match story.play(short) {
        Ok(()) => story.end(),
        Err(error) => {
            for server in &mut story.ensemble.servers {
                if server.is_started() {
                    server.kill()?;
                }
            }
            let kept = story.ensemble.keep();
            Err(error.context(format!("kept {}", kept.display())))
        }
    }
}

impl Story<'_> {
    fn play(&mut self, short: bool) -> Result<()> {
        for kind in [Kind::Quorate, Kind::Apache] {
            if !self.mix.voters.contains(&kind) {
                continue;
            }
            self.let_lead(kind)?;
            self.leave_behind(kind)?;
            self.cut_off_leader(kind)?;
            self.let_lead(kind)?;
            self.restart_all(kind, short)?;
            if !short {
                self.let_lead(kind)?;
                self.cut_off_a_follower(kind)?;
                self.let_lead(kind)?;
                self.kill_leader_and_follower(kind)?;
            }
        }
        Ok(())
    }

    /// Stops writing and compares.
    fn end(mut self) -> Result<Summary> {
        self.all_serve()?;
        let acknowledged = self.load.stop()?;
        // A machine with too much to do may change the leader once more; what is lost stays lost.
        let mut checked = kill_loop::check(&mut self.ensemble, &acknowledged);
        for _ in 0..CHECKS_MAX {
            if checked.is_ok() {
                break;
            }
            thread::sleep(Duration::from_secs(1));
            self.summary.ended_itself += self.ensemble.wait_serving_again()?;
            checked = kill_loop::check(&mut self.ensemble, &acknowledged);
        }
        let checked = checked
            .and_then(|()| write_on(&self.ensemble))
            .and_then(|from| equal_hashes(&self.ensemble, from));
        match checked {
            Ok(digests) => {
                self.summary.nodes = acknowledged.nodes();
                self.summary.digests = digests;
                Ok(self.summary)
            }
            Err(error) => {
                let kept = self.ensemble.keep();
                Err(error.context(format!("kept {}", kept.display())))
            }
        }
    }

    /// Makes a server of this kind lead: the leader dies while all that could win but the chosen one
    /// are behind.
    fn let_lead(&mut self, kind: Kind) -> Result<()> {
        for _ in 0..TURNS_MAX {
            let leader = self.ensemble.leader()?;
            if self.ensemble.server(leader)?.kind == kind {
                let [apache, quorate] = &mut self.summary.led;
                *(if kind == Kind::Quorate {
                    quorate
                } else {
                    apache
                }) += 1;
                self.progress
                    .say(format!("server {leader} of {} leads", kind.name()));
                return Ok(());
            }
            self.depose(leader, kind)?;
        }
        anyhow::bail!("no server of {} came to lead", kind.name())
    }

    fn depose(&mut self, leader: u8, next: Kind) -> Result<()> {
        let mut wanted = Vec::new();
        for id in self.mix.voter_ids() {
            if id != leader && self.ensemble.server(id)?.kind == next {
                wanted.push(id);
            }
        }
        let chosen = *self.random.choose(&wanted).context("nobody to choose")?;
        let others: Vec<u8> = self
            .mix
            .voter_ids()
            .into_iter()
            .filter(|id| *id != leader && *id != chosen)
            .collect();
        // Of three voters one misses writes; of five two do, and one dies with the leader.
        let waiting = others.get(..self.mix.voters.len() / 2).unwrap_or_default();
        for id in waiting {
            self.ensemble.server(*id)?.kill()?;
        }
        self.load
            .wait_progress(AHEAD, START_LIMIT)
            .context("writes while some voters are down")?;
        for id in others.iter().filter(|id| !waiting.contains(id)) {
            self.ensemble.server(*id)?.kill()?;
        }
        self.ensemble.server(leader)?.kill()?;
        self.summary.faults += u32::try_from(others.len())? + 1;
        for id in waiting {
            self.ensemble.server(*id)?.start()?;
        }
        self.goes_on("after the death of the leader")?;
        self.ensemble.start_all()?;
        self.all_serve()
    }

    /// One voter and one observer miss so much that only a snapshot, or the log on disk, helps.
    fn leave_behind(&mut self, kind: Kind) -> Result<()> {
        let leader = self.ensemble.leader()?;
        let mut away: Vec<u8> = self.mix.voter_ids();
        away.retain(|id| *id != leader);
        let mut away: Vec<u8> = self.random.choose(&away).copied().into_iter().collect();
        let first_observer = u8::try_from(self.mix.voters.len() + 1)?;
        if !self.mix.observers.is_empty() {
            away.push(first_observer);
        }
        self.progress
            .say(format!("{} leads, {away:?} are left behind", kind.name()));
        for id in &away {
            self.ensemble.server(*id)?.kill()?;
            self.summary.faults += 1;
        }
        self.load.wait_progress(FAR_BEHIND, START_LIMIT)?;
        self.ensemble.start_all()?;
        self.all_serve()
    }

    /// The leader, with the smaller half, loses the others; what it proposes meanwhile never was.
    fn cut_off_leader(&mut self, kind: Kind) -> Result<()> {
        let leader = self.ensemble.leader()?;
        self.progress
            .say(format!("{} leads and is cut off", kind.name()));
        self.network.place(leader, Side::B)?;
        if self.mix.voters.len() == 5 {
            let others: Vec<u8> = self.mix.voter_ids();
            let other = others.iter().find(|id| **id != leader);
            self.network.place(*other.context("one server")?, Side::B)?;
        }
        self.partitioned()
    }

    fn cut_off_a_follower(&mut self, kind: Kind) -> Result<()> {
        let leader = self.ensemble.leader()?;
        let mut others = self.mix.voter_ids();
        others.retain(|id| *id != leader);
        let victim = *self.random.choose(&others).context("one server")?;
        self.progress
            .say(format!("{} leads, {victim} is cut off", kind.name()));
        self.network.place(victim, Side::B)?;
        self.partitioned()
    }

    fn partitioned(&mut self) -> Result<()> {
        self.summary.faults += 1;
        self.goes_on("while the network is parted")?;
        // Longer than syncLimit, so that both sides notice.
        thread::sleep(Duration::from_secs(4));
        self.goes_on("while the network is parted")?;
        self.network.heal()?;
        self.all_serve()?;
        self.goes_on("after the network is whole again")
    }

    /// Every server ends in order and comes back, the leader last.
    fn restart_all(&mut self, kind: Kind, short: bool) -> Result<()> {
        let leader = self.ensemble.leader()?;
        let mut ids: Vec<u8> = self.ensemble.servers.iter().map(|s| s.id).collect();
        ids.sort_by_key(|id| *id == leader);
        if short {
            ids = ids.split_off(ids.len().saturating_sub(2));
        }
        self.progress
            .say(format!("{} leads, {ids:?} are restarted", kind.name()));
        for id in ids {
            self.ensemble.server(id)?.terminate()?;
            self.summary.faults += 1;
            self.goes_on("while a server is down")?;
            self.ensemble.start_all()?;
            self.all_serve()?;
        }
        Ok(())
    }

    /// So many that a quorum is gone for a moment.
    fn kill_leader_and_follower(&mut self, kind: Kind) -> Result<()> {
        let leader = self.ensemble.leader()?;
        let mut ids = self.mix.voter_ids();
        ids.retain(|id| *id != leader);
        ids.truncate(self.mix.voters.len() / 2);
        ids.push(leader);
        self.progress
            .say(format!("{} leads, {ids:?} are killed", kind.name()));
        for id in ids {
            self.ensemble.server(id)?.kill()?;
            self.summary.faults += 1;
        }
        self.ensemble.start_all()?;
        self.all_serve()?;
        self.goes_on("after the quorum was gone")
    }

    fn all_serve(&mut self) -> Result<()> {
        self.summary.ended_itself += self.ensemble.wait_serving_again()?;
        Ok(())
    }

    fn goes_on(&mut self, when: &str) -> Result<()> {
        self.load
            .wait_progress_with(50, START_LIMIT, || {
                self.summary.ended_itself += self.ensemble.start_ended()?;
                Ok(())
            })
            .with_context(|| format!("writes {when}"))
    }
}

/// Makes every member remember some digests of a time in which none is synchronizing, and returns the
/// zxid from which on.
fn write_on(ensemble: &Ensemble) -> Result<u64> {
    let address = ensemble.addresses();
    let mut client = Client::connect(*address.first().context("no server")?, WRITE_LIMIT)?;
    client.create("/last", b"", PERSISTENT)?;
    let from = u64::from_be_bytes(client.last_zxid().to_be_bytes());
    for n in 0..LAST_WRITES {
        client.set("/last", n.to_string().as_bytes())?;
    }
    client.close()?;
    Ok(from)
}

/// Compares the digests that all members remember from a zxid on, and returns how many there are.
fn equal_hashes(ensemble: &Ensemble, from: u64) -> Result<usize> {
    wait_for("digests of all members", START_LIMIT, || {
        compare_hashes(ensemble, from).map_err(|error| format!("{error:#}"))
    })?
}

/// The outer error: not yet; the inner one: they differ.
fn compare_hashes(ensemble: &Ensemble, from: u64) -> Result<Result<usize>> {
    let mut by_zxid: BTreeMap<u64, Vec<(u8, String)>> = BTreeMap::new();
    for server in &ensemble.servers {
        let answer = four_letter::ask(server.client_address(), "hash")?;
        for line in answer.lines() {
            let Some((zxid, digest)) = entry(line) else {
                continue;
            };
            by_zxid.entry(zxid).or_default().push((server.id, digest));
        }
    }
    by_zxid.retain(|zxid, _| *zxid > from);
    let all = ensemble.servers.len();
    ensure!(
        by_zxid.len() > 1 && by_zxid.values().all(|entries| entries.len() == all),
        "not all members remember the same: {by_zxid:?}"
    );
    for (zxid, entries) in &by_zxid {
        let first = entries.first().map(|(_, digest)| digest);
        if entries.iter().any(|(_, digest)| Some(digest) != first) {
            return Ok(Err(anyhow::anyhow!(
                "digests at {zxid:x} differ: {entries:?}"
            )));
        }
    }
    Ok(Ok(by_zxid.len()))
}

/// zxid and digest of a line of `hash`.
fn entry(line: &str) -> Option<(u64, String)> {
    let (zxid, digest) = line.trim().split_once(": ")?;
    Some((u64::from_str_radix(zxid, 16).ok()?, digest.to_owned()))
}
