//! What is done to the servers while clients work: kills, pauses, partitions, slow and one-way links,
//! restarts in order, and the lead passed on.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::links::Links;
use crate::faults::random::Random;
use crate::mixed::network::{Network, Side};
use crate::peers::{Ensemble, Kind, admin, four_letter};

/// Shortest time between two faults.
const CALM: Duration = Duration::from_millis(300);

/// Longest time that is added to it.
const CALM_MORE_MS: usize = 1500;

/// How much of each fault there was.
pub(super) type Counts = BTreeMap<&'static str, u32>;

/// Does harm to one ensemble.
pub(super) struct Nemesis<'a> {
    pub(super) ensemble: &'a mut Ensemble,
    pub(super) network: &'a Network,
    pub(super) links: &'a mut Links,
    pub(super) random: &'a mut Random,
    pub(super) counts: &'a mut Counts,
    /// What was done when, for whoever looks at a history.
    pub(super) story: Vec<String>,
    pub(super) began: Instant,
}

impl Nemesis<'_> {
    /// Does harm until `end`, and makes everything good again.
    ///
    /// # Errors
    /// When a server ends of itself or does not come back.
    pub(super) fn run(&mut self, end: Instant) -> Result<()> {
        while Instant::now() < end {
            self.wait_at_most(CALM_MORE_MS);
            match self.random.below(20) {
                0..=3 => self.kill()?,
                4..=7 => self.pause()?,
                8..=11 => self.part()?,
                12..=13 => self.cut_links()?,
                14..=15 => self.slow()?,
                16 => self.restart()?,
                _ => self.pass_on()?,
            }
        }
        self.say("all is well again".to_owned());
        self.heal_links()?;
        self.ensemble.start_all()?;
        self.ensemble.wait_serving()
    }

    fn say(&mut self, what: String) {
        let at = self.began.elapsed().as_nanos();
        self.story.push(format!("{at} {what}"));
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    fn wait_at_most(&mut self, ms: usize) {
        let more = u64::try_from(self.random.below(ms)).unwrap_or_default();
        thread::sleep(CALM + Duration::from_millis(more));
    }

    /// Who leads, as far as the servers know; there may be none at the moment.
    fn leader(&self) -> Option<u8> {
        let started = self.ensemble.servers.iter().filter(|s| s.is_started());
        started
            .filter(|server| {
                four_letter::mode(server.client_address()).is_ok_and(|mode| mode == "leader")
            })
            .map(|server| server.id)
            .next()
    }

    /// The leader half of the time, else anyone.
    fn victim(&mut self) -> Result<u8> {
        let ids: Vec<u8> = self.ensemble.servers.iter().map(|s| s.id).collect();
        if self.random.below(2) == 0
            && let Some(leader) = self.leader()
        {
            return Ok(leader);
        }
        self.random.choose(&ids).copied().context("no server")
    }

    fn victims(&mut self) -> Result<Vec<u8>> {
        let first = self.victim()?;
        let mut victims = vec![first];
        // Now and then so many that a quorum is gone.
        while self.random.below(3) == 0 {
            let next = self.victim()?;
            if !victims.contains(&next) {
                victims.push(next);
            }
        }
        Ok(victims)
    }

    fn kill(&mut self) -> Result<()> {
        let victims = self.victims()?;
        self.say(format!("kill {victims:?}"));
        self.count("kills");
        for id in &victims {
            self.ensemble.server(*id)?.kill()?;
        }
        self.wait_at_most(2500);
        self.say(format!("start {victims:?}"));
        self.ensemble.start_all()
    }

    fn restart(&mut self) -> Result<()> {
        let victim = self.victim()?;
        self.say(format!("terminate {victim}"));
        self.count("restarts");
        self.ensemble.server(victim)?.terminate()?;
        self.wait_at_most(500);
        self.ensemble.start_all()
    }

    fn pause(&mut self) -> Result<()> {
        let victims = self.victims()?;
        self.say(format!("pause {victims:?}"));
        self.count("pauses");
        for id in &victims {
            self.ensemble.server(*id)?.process()?.pause()?;
        }
        self.wait_at_most(6000);
        self.say(format!("go on {victims:?}"));
        for id in &victims {
            self.ensemble.server(*id)?.process()?.go_on()?;
        }
        Ok(())
    }

    fn part(&mut self) -> Result<()> {
        let victims = self.victims()?;
        self.say(format!("part {victims:?} from the others"));
        self.count("partitions");
        for id in &victims {
            self.network.place(*id, Side::B)?;
        }
        self.wait_at_most(6000);
        self.say("whole again".to_owned());
        self.network.heal()
    }

    /// Some links lose what is sent in one direction.
    fn cut_links(&mut self) -> Result<()> {
        self.count("one-way cuts");
        for _ in 0..=self.random.below(3) {
            let (from, to) = (self.victim()?, self.victim()?);
            if from != to {
                self.say(format!("from {from} nothing comes to {to}"));
                self.links.cut(self.network, from, to)?;
            }
        }
        self.wait_at_most(6000);
        self.heal_links()
    }

    /// Links are slow until they are healed, while other things happen.
    fn slow(&mut self) -> Result<()> {
        self.count("slow links");
        for id in self.victims()? {
            let how = self.links.slow(self.network, id, self.random)?;
            self.say(format!("slow {id}: {how}"));
        }
        Ok(())
    }

    fn heal_links(&mut self) -> Result<()> {
        self.say("links are good again".to_owned());
        self.links.heal(self.network)?;
        self.network.heal()
    }

    /// Asks the leader to pass on the lead; it may refuse.
    fn pass_on(&mut self) -> Result<()> {
        let Some(leader) = self.leader() else {
            return Ok(());
        };
        let server = self.ensemble.server(leader)?;
        if server.kind != Kind::Quorate {
            return Ok(());
        }
        let port = server.ports.admin;
        let answer = transfer(self.network.namespace(leader), port);
        let answer = match answer {
            Ok(answer) => answer.lines().next().unwrap_or_default().to_owned(),
            Err(error) => error.to_string(),
        };
        self.count(if answer.contains(" 200 ") {
            "lead passed on"
        } else {
            "lead not passed on"
        });
        self.say(format!("{leader} passes on the lead: {answer}"));
        Ok(())
    }
}

/// Only who is on the same machine may ask, so a thread goes there.
fn transfer(namespace: PathBuf, port: u16) -> Result<String> {
    let there = thread::spawn(move || -> Result<String> {
        let file = File::open(&namespace)?;
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?;
        admin::transfer(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), None)
    });
    there.join().map_err(|_| anyhow!("the thread failed"))?
}
