//! Slow links, and links that lose what is sent in one direction.
//!
//! `tc` acts on what leaves a server's namespace. Where the kernel has `netem`, packets are delayed by
//! a time that varies; elsewhere (`tbf`) they wait behind each other on a thin line, and some are
//! lost. What is sent to a server whose hardware address is told wrongly arrives nowhere, and nobody
//! hears of it.

use std::path::Path;

use anyhow::{Context, Result};

use crate::faults::random::Random;
use crate::mixed::network::Network;
use crate::shell;

/// A hardware address that nobody has.
const NOBODY: &str = "02:00:00:00:00:01";

/// The links of a network that are not as they were.
#[derive(Debug)]
pub(super) struct Links {
    slow: Vec<u8>,
    cut: Vec<(u8, u8)>,
    has_netem: bool,
}

impl Links {
    /// Finds out what the kernel can do.
    ///
    /// # Errors
    /// When there is no `tc`.
    pub(super) fn new(network: &Network) -> Result<Self> {
        let namespace = network.namespace(1);
        let has_netem = tc(
            &namespace,
            &["add", "dev", "eth0", "root", "netem", "delay", "1ms"],
        )
        .is_ok();
        if has_netem {
            tc(&namespace, &["delete", "dev", "eth0", "root"])?;
        }
        Ok(Self {
            slow: Vec::new(),
            cut: Vec::new(),
            has_netem,
        })
    }

    /// Makes slow what a server sends, and says how.
    ///
    /// # Errors
    /// When the network is gone.
    pub(super) fn slow(
        &mut self,
        network: &Network,
        server: u8,
        random: &mut Random,
    ) -> Result<String> {
        let mut words = vec!["replace", "dev", "eth0", "root"];
        let (first, second);
        if self.has_netem {
            first = format!("{}ms", 5 + random.below(200));
            second = format!("{}ms", 1 + random.below(100));
            words.extend(["netem", "delay", &first, &second]);
        } else {
            first = format!("{}kbit", 100 + random.below(900));
            second = format!("{}ms", 20 + random.below(400));
            words.extend(["tbf", "rate", &first, "burst", "2000", "latency", &second]);
        }
        tc(&network.namespace(server), &words)?;
        self.slow.push(server);
        Ok(words.split_off(4).join(" "))
    }

    /// Loses everything that one server sends to another.
    ///
    /// # Errors
    /// As [`Links::slow`].
    pub(super) fn cut(&mut self, network: &Network, from: u8, to: u8) -> Result<()> {
        let address = network.address(to).to_string();
        let words = [
            "neigh",
            "replace",
            &address,
            "lladdr",
            NOBODY,
            "nud",
            "permanent",
            "dev",
            "eth0",
        ];
        inside(&network.namespace(from), "ip", &words)?;
        self.cut.push((from, to));
        Ok(())
    }

    /// Makes all links good again.
    ///
    /// # Errors
    /// As [`Links::slow`].
    pub(super) fn heal(&mut self, network: &Network) -> Result<()> {
        self.slow.sort_unstable();
        self.slow.dedup();
        for server in self.slow.drain(..) {
            tc(
                &network.namespace(server),
                &["delete", "dev", "eth0", "root"],
            )?;
        }
        self.cut.sort_unstable();
        self.cut.dedup();
        for (from, to) in self.cut.drain(..) {
            let address = network.address(to).to_string();
            let words = ["neigh", "delete", &address, "dev", "eth0"];
            inside(&network.namespace(from), "ip", &words)?;
        }
        Ok(())
    }
}

fn tc(namespace: &Path, words: &[&str]) -> Result<()> {
    let mut all = vec!["qdisc"];
    all.extend(words);
    inside(namespace, "tc", &all)
}

fn inside(namespace: &Path, program: &str, words: &[&str]) -> Result<()> {
    let program = shell::find(program).with_context(|| format!("no {program} (iproute2)"))?;
    let (net, program) = (
        format!("--net={}", namespace.display()),
        program.display().to_string(),
    );
    let mut all = vec![net.as_str(), program.as_str()];
    all.extend(words);
    shell::call("nsenter", &all)?;
    Ok(())
}
