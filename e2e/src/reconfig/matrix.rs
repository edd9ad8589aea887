//! One turn through the matrix.

use std::net::Ipv4Addr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use zk_wire::client::request::ReconfigRequest;

use super::Summary;
use super::members::{
    Config, LIMIT, Members, NO_QUORUM, SETTLE, Way, bring, code, moving, reconfigure, request,
    settled,
};
use crate::faults::kill_loop;
use crate::faults::load::Load;
use crate::faults::random::Random;
use crate::mixed::Mix;
use crate::peers::client::flags::PERSISTENT;
use crate::peers::ensemble::START_LIMIT;
use crate::peers::server::Ports;
use crate::peers::{Client, Ensemble, Kind, Server, Settings, ports};
use crate::progress::Progress;

/// Latest moments of a leader's death after the request was sent, microseconds: early ones find the
/// change proposed, late ones find it in force.
const DEATHS_MAX_US: [usize; 3] = [1_000, 5_000, 30_000];

/// Threads that write.
const WRITERS: usize = 3;

/// Pause of each after a write.
const PAUSE: Duration = Duration::from_millis(3);

/// Writes that are waited for after each change.
const GOES_ON: u64 = 50;

/// The version that the change was to be made on is not the one that is in force.
const BAD_VERSION: i32 = -103;

/// A second address of this machine.
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Which of a server's ports changes.
#[derive(Debug, Clone, Copy)]
enum Port {
    Client,
    Quorum,
    Election,
}

struct Matrix<'a> {
    progress: &'a Progress,
    settings: Settings,
    ensemble: Ensemble,
    load: Option<Load>,
    random: Random,
    /// Whether the leader dies in each step.
    loses: bool,
    members: Members,
    version: i64,
    summary: Summary,
}

/// Goes through it once.
///
/// # Errors
/// See [`super::run`].
pub(super) fn run(
    progress: &Progress,
    mix: &Mix,
    loses: bool,
    short: bool,
    seed: u64,
) -> Result<Summary> {
    let how = if loses { ", losing leaders" } else { "" };
    progress.say(format!("matrix of {mix}{how}"));
    let extra = [
        "reconfigEnabled=true",
        "skipACL=yes",
        "standaloneEnabled=false",
        "snapCount=500",
    ];
    let settings = Settings {
        extra: extra.map(str::to_owned).into(),
        in_memory: true,
        ..Settings::default()
    };
    let mut ensemble = Ensemble::configured(&mix.voters, &settings)?;
    let first = ensemble.server(1)?;
    let line = first.whole_line();
    first.configure(&settings, std::slice::from_ref(&line))?;
    first.start()?;
    first.wait_serving(START_LIMIT)?;
    let load = Load::start_paced(&ensemble.addresses(), WRITERS, PAUSE)?;
    let mut matrix = Matrix {
        progress,
        settings,
        ensemble,
        load: Some(load),
        random: Random::new(seed),
        loses,
        members: Members::from([(1, line)]),
        version: 0,
        summary: Summary::default(),
    };
    match matrix.play(short) {
        Ok(()) => Ok(matrix.summary),
        Err(error) => {
            for server in &mut matrix.ensemble.servers {
                if server.is_started() {
                    server.kill()?;
                }
            }
            let kept = matrix.ensemble.keep();
            Err(error.context(format!("kept {}", kept.display())))
        }
    }
}

impl Matrix<'_> {
    fn play(&mut self, short: bool) -> Result<()> {
        self.refuse_absent()?;
        self.join("one becomes three", &[2, 3])?;
        self.refuse_versions()?;
        self.join("a fourth joins", &[4])?;
        self.join_as_observer(5)?;
        self.swap_roles()?;
        self.demote_leader()?;
        if !short {
            self.move_ports("a follower's", false)?;
        }
        self.move_ports("the leader's", true)?;
        self.move_host()?;
        self.remove_leader()?;
        self.restart()?;
        self.shrink()
    }

    fn join(&mut self, what: &str, ids: &[u8]) -> Result<()> {
        let mut after = self.members.clone();
        for id in ids {
            after.insert(*id, self.server(*id)?.whole_line());
        }
        self.change(what, after, Way::Incremental)
    }

    /// One that is not there cannot be half of a quorum.
    fn refuse_absent(&mut self) -> Result<()> {
        let mut after = self.members.clone();
        after.insert(2, self.server(2)?.whole_line());
        let asked = request(&self.members, &after, Way::Incremental, -1);
        let answer = self.ask(1, asked);
        let refused = answer.as_ref().err().and_then(code);
        ensure!(refused == Some(NO_QUORUM), "an absent member: {answer:?}");
        Ok(())
    }

    /// A change of another version than that in force is none.
    fn refuse_versions(&mut self) -> Result<()> {
        let mut after = self.members.clone();
        after.remove(&2);
        for version in [self.version + 1, self.version - 1, 0] {
            let asked = request(&self.members, &after, Way::Incremental, version);
            let id = self.anyone(&[])?;
            let answer = self.ask(id, asked);
            let refused = answer.as_ref().err().and_then(code);
            ensure!(
                refused == Some(BAD_VERSION),
                "version {version:x}: {answer:?}"
            );
        }
        let now = self.config(&[])?;
        ensure!(now.members == self.members, "refused, and done: {now:?}");
        Ok(())
    }

    fn join_as_observer(&mut self, id: u8) -> Result<()> {
        self.server(id)?.observer = true;
        self.join("a fifth joins without a vote", &[id])?;
        self.server(id)?.observer = false;
        self.join("it gets a vote", &[id])
    }

    /// Followers lose their votes and get them back, one for the other in the end.
    fn swap_roles(&mut self) -> Result<()> {
        let followers = self.followers()?;
        let [first, second, ..] = followers.as_slice() else {
            bail!("too few followers: {followers:?}");
        };
        self.server(*first)?.observer = true;
        self.join("a follower becomes an observer", &[*first])?;
        self.server(*first)?.observer = false;
        self.server(*second)?.observer = true;
        self.join("an observer and a follower swap roles", &[*first, *second])?;
        self.server(*second)?.observer = false;
        self.join("all have votes again", &[*second])
    }

    fn demote_leader(&mut self) -> Result<()> {
        let leader = self.ensemble.leader()?;
        self.server(leader)?.observer = true;
        self.join("the leader becomes an observer", &[leader])?;
        self.server(leader)?.observer = false;
        self.join("it gets its vote back", &[leader])
    }

    fn move_ports(&mut self, whose: &str, leads: bool) -> Result<()> {
        for port in [Port::Client, Port::Quorum, Port::Election] {
            let leader = self.ensemble.leader()?;
            let id = if leads {
                leader
            } else {
                *self.followers()?.first().context("no follower")?
            };
            let free = ports::free()?;
            let before = {
                let Ports {
                    client,
                    quorum,
                    election,
                    ..
                } = &mut self.server(id)?.ports;
                let place = match port {
                    Port::Client => client,
                    Port::Quorum => quorum,
                    Port::Election => election,
                };
                std::mem::replace(place, free)
            };
            self.move_one(&format!("{whose} {port:?} port changes"), id, leader)?;
            // The writers know the first one.
            if let Port::Client = port {
                let leader = self.ensemble.leader()?;
                self.server(id)?.ports.client = before;
                self.move_one(&format!("{whose} {port:?} port changes back"), id, leader)?;
            }
        }
        Ok(())
    }

    /// A follower moves to another address, and the leader; then both move back at once.
    fn move_host(&mut self) -> Result<()> {
        let leader = self.ensemble.leader()?;
        let follower = *self.followers()?.first().context("no follower")?;
        self.server(follower)?.move_to(ELSEWHERE);
        self.move_one("a follower's address changes", follower, leader)?;
        let leader = self.ensemble.leader()?;
        self.server(leader)?.move_to(ELSEWHERE);
        self.move_one("the leader's address changes", leader, leader)?;
        let leads = self.ensemble.leader()?;
        let mut after = self.members.clone();
        for id in [leader, follower] {
            let server = self.server(id)?;
            server.move_to(Ipv4Addr::LOCALHOST);
            after.insert(id, server.whole_line());
        }
        self.change_led("both move back", after, Way::Incremental, leads)
    }

    fn move_one(&mut self, what: &str, id: u8, leader: u8) -> Result<()> {
        let mut after = self.members.clone();
        after.insert(id, self.server(id)?.whole_line());
        self.change_led(what, after, Way::Incremental, leader)
    }

    fn remove_leader(&mut self) -> Result<()> {
        let leader = self.ensemble.leader()?;
        let mut after = self.members.clone();
        after.remove(&leader);
        self.change("the leader is removed", after, Way::Incremental)?;
        self.join("it joins again with an empty disk", &[leader])
    }

    /// All members end and find each other again by what they wrote down.
    fn restart(&mut self) -> Result<()> {
        let ids: Vec<u8> = self.members.keys().copied().collect();
        for id in &ids {
            self.server(*id)?.kill()?;
        }
        for id in &ids {
            self.server(*id)?.start()?;
        }
        let members = self.members.clone();
        self.settled(&members)
            .context("after a restart of all members")
    }

    fn shrink(&mut self) -> Result<()> {
        let leader = self.ensemble.leader()?;
        let mut followers = self.followers()?;
        let gone = followers.split_off(followers.len().saturating_sub(2));
        let mut after = self.members.clone();
        after.retain(|id, _| !gone.contains(id));
        self.change("five become three", after, Way::Whole)?;

        let load = self.load.take().context("the load was stopped before")?;
        let acknowledged = load.stop()?;
        let gone = self.stopped();
        self.ensemble.servers.retain(|s| !gone.contains(&s.id));
        kill_loop::check(&mut self.ensemble, &acknowledged).context("three members")?;
        self.summary.nodes = acknowledged.nodes();

        // Whoever led three is not the last one.
        let last = followers.first().copied().unwrap_or(leader);
        let mut after = self.members.clone();
        after.retain(|id, _| *id == last);
        self.change("three become one", after, Way::Incremental)?;
        self.restart()?;
        acknowledged.check(self.server(last)?.client_address())
    }

    fn change(&mut self, what: &str, after: Members, way: Way) -> Result<()> {
        let leader = self.ensemble.leader()?;
        self.change_led(what, after, way, leader)
    }

    /// Brings a change into force; `leader` leads now.
    fn change_led(&mut self, what: &str, after: Members, way: Way, leader: u8) -> Result<()> {
        let began = Instant::now();
        let joiners: Vec<u8> = after
            .keys()
            .filter(|id| !self.members.contains_key(id))
            .copied()
            .collect();
        for id in &joiners {
            self.start_joiner(*id)
                .with_context(|| format!("{what}: server {id} comes"))?;
        }
        let kind = self.server(leader)?.kind;
        self.bring(&after, way, leader)
            .with_context(|| format!("{what}: {} leads, server {leader}", kind.name()))?;
        self.settled(&after)
            .with_context(|| format!("{what}: {} led, server {leader}", kind.name()))?;
        let gone: Vec<u8> = self.members.keys().copied().collect();
        for id in gone.into_iter().filter(|id| !after.contains_key(id)) {
            self.server(id)?.terminate()?;
        }
        self.members = after;
        self.goes_on().with_context(|| what.to_owned())?;
        self.summary.changes += 1;
        let [apache, quorate] = &mut self.summary.led;
        *(if kind == Kind::Apache {
            apache
        } else {
            quorate
        }) += 1;
        self.progress.say(format!(
            "{what} ({} led): {:.1} s",
            kind.name(),
            began.elapsed().as_secs_f32()
        ));
        Ok(())
    }

    /// A server that knows the members and itself, and has nothing.
    fn start_joiner(&mut self, id: u8) -> Result<()> {
        let mut lines: Vec<String> = self.members.values().cloned().collect();
        let settings = self.settings.clone();
        let server = self.server(id)?;
        lines.push(server.whole_line());
        server.empty()?;
        server.configure(&settings, &lines)?;
        server.start()?;
        server.wait_serving(SETTLE)?;
        Ok(())
    }

    /// Asks until the members are those, and kills the leader meanwhile if that is due.
    fn bring(&mut self, after: &Members, way: Way, leader: u8) -> Result<()> {
        if self.loses {
            let asked = request(&self.members, after, way, -1);
            let address = {
                let id = self.anyone(&moving(&self.members, after))?;
                self.server(id)?.client_address()
            };
            let ask = thread::spawn(move || reconfigure(address, asked));
            let latest = *self.random.choose(&DEATHS_MAX_US).unwrap_or(&0);
            let micros = u64::try_from(self.random.below(latest))?;
            thread::sleep(Duration::from_micros(micros));
            self.server(leader)?.kill()?;
            self.server(leader)?.start()?;
            self.summary.losses += 1;
            // Whether it was answered says nothing: the leader may have died after that, or before.
            drop(ask.join());
        }
        let asked = bring(
            &mut self.ensemble,
            &self.members,
            after,
            way,
            &mut self.random,
        )?;
        self.summary.survived += u32::from(self.loses && asked == 0);
        Ok(())
    }

    fn settled(&mut self, after: &Members) -> Result<()> {
        let version = settled(&mut self.ensemble, after)?;
        ensure!(
            version >= self.version,
            "version {version:x} after {:x}",
            self.version
        );
        self.version = version;
        Ok(())
    }

    fn goes_on(&mut self) -> Result<()> {
        if let Some(load) = &self.load {
            return load.wait_progress(GOES_ON, SETTLE);
        }
        let path = format!("/after-{}", self.summary.changes);
        let id = self.anyone(&[])?;
        let mut client = Client::connect(self.server(id)?.client_address(), LIMIT)?;
        client.create(&path, b"", PERSISTENT)?;
        client.close()?;
        Ok(())
    }

    fn config(&mut self, moving: &[u8]) -> Result<Config> {
        let id = self.anyone(moving)?;
        let mut client = Client::connect(self.server(id)?.client_address(), LIMIT)?;
        Config::read(&mut client).with_context(|| format!("server {id}"))
    }

    fn ask(&mut self, id: u8, change: ReconfigRequest) -> Result<()> {
        reconfigure(self.server(id)?.client_address(), change)
    }

    /// Any member but these.
    fn anyone(&mut self, except: &[u8]) -> Result<u8> {
        let mut ids: Vec<u8> = self.members.keys().copied().collect();
        ids.retain(|id| !except.contains(id));
        self.random.choose(&ids).copied().context("nobody to ask")
    }

    fn followers(&mut self) -> Result<Vec<u8>> {
        let leader = self.ensemble.leader()?;
        let ids = self.members.keys().copied();
        Ok(ids.filter(|id| *id != leader).collect())
    }

    fn stopped(&self) -> Vec<u8> {
        let servers = self.ensemble.servers.iter();
        let stopped = servers.filter(|server| !server.is_started());
        stopped.map(|server| server.id).collect()
    }

    fn server(&mut self, id: u8) -> Result<&mut Server> {
        self.ensemble.server(id)
    }
}
