//! TLS between servers of both kinds, and the way to it without stopping.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use quorate_e2e::peers::{Ensemble, Kind, Settings, wait_for};
use tempfile::TempDir;

use super::tls::Authority;
use super::{equal_trees, write_some};
use crate::alone;

const KINDS: [Kind; 3] = [Kind::Apache, Kind::Quorate, Kind::Quorate];

/// How long a server may take to notice new files.
const NOTICE_LIMIT: Duration = Duration::from_secs(20);

struct Keys {
    directory: TempDir,
    authority: Authority,
}

impl Keys {
    fn make() -> Result<Self> {
        let keys = Self {
            directory: tempfile::tempdir()?,
            authority: Authority::new("authority of servers")?,
        };
        fs::write(
            keys.directory.path().join("trusted.pem"),
            &keys.authority.pem,
        )?;
        keys.renew("server")?;
        Ok(keys)
    }

    fn renew(&self, name: &str) -> Result<()> {
        let new = self.directory.path().join("new.pem");
        fs::write(&new, self.authority.sign(name, 2090)?)?;
        Ok(fs::rename(new, self.directory.path().join("server.pem"))?)
    }

    fn settings(&self, modes: &[&str]) -> Settings {
        let at = self.directory.path().display();
        let mut extra: Vec<String> = modes.iter().map(|mode| format!("{mode}=true")).collect();
        extra.push(format!("ssl.quorum.keyStore.location={at}/server.pem"));
        extra.push(format!("ssl.quorum.trustStore.location={at}/trusted.pem"));
        extra.push("sslQuorumReloadCertFiles=true".to_owned());
        Settings {
            extra,
            ..Settings::default()
        }
    }
}

/// Lets each server lead or follow in turn, by killing whoever leads.
fn turns(ensemble: &mut Ensemble, name: &str) -> Result<()> {
    for turn in 0..3 {
        let leader = ensemble.leader()?;
        ensemble.server(leader)?.kill()?;
        let next = ensemble.leader()?;
        let address = ensemble.server(next)?.client_address();
        write_some(address, &format!("/{name}-{turn}"))?;
        ensemble.start_all()?;
        ensemble.wait_serving()?;
    }
    equal_trees(ensemble)?;
    Ok(())
}

#[test]
fn apache_and_quorate_speak_tls_with_each_other() -> Result<()> {
    let _alone = alone();
    let keys = Keys::make()?;
    let mut ensemble = Ensemble::configured(&KINDS, &keys.settings(&["sslQuorum"]))?;
    ensemble.start_all()?;
    ensemble.wait_serving()?;
    turns(&mut ensemble, "tls")?;

    // Who does not speak it is not heard.
    let port = ensemble.server(2)?.ports.election;
    let mut plain = TcpStream::connect(("127.0.0.1", port))?;
    plain.set_read_timeout(Some(NOTICE_LIMIT))?;
    plain.write_all(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0])?;
    let heard = plain.read(&mut [0; 16]);
    ensure!(
        matches!(heard, Ok(0) | Err(_)),
        "a plain connection is answered: {heard:?}"
    );

    // New keys are taken without a restart, and everyone still knows everyone.
    keys.renew("renewed")?;
    let log = ensemble.server(2)?.log_path();
    wait_for("renewed certificates", NOTICE_LIMIT, || {
        let text = fs::read_to_string(&log).map_err(|error| error.to_string())?;
        text.contains("certificates renewed")
            .then_some(())
            .ok_or("not in the log".into())
    })?;
    turns(&mut ensemble, "renewed")
}

/// As Apache's guide says: all take both, then all dial with TLS, then nobody takes plain.
#[test]
fn an_ensemble_moves_to_tls_one_server_at_a_time() -> Result<()> {
    let _alone = alone();
    let keys = Keys::make()?;
    let mut ensemble = Ensemble::configured(&KINDS, &Settings::default())?;
    ensemble.start_all()?;
    ensemble.wait_serving()?;
    let steps: [&[&str]; 3] = [
        &["portUnification"],
        &["portUnification", "sslQuorum"],
        &["sslQuorum"],
    ];
    for (step, modes) in steps.into_iter().enumerate() {
        ensemble.set_settings(&keys.settings(modes))?;
        for id in 1..=3 {
            ensemble.server(id)?.terminate()?;
            ensemble.start_all()?;
            ensemble
                .wait_serving()
                .with_context(|| format!("server {id} with {modes:?}"))?;
        }
        let address = ensemble.server(1)?.client_address();
        write_some(address, &format!("/step-{step}"))?;
    }
    equal_trees(&ensemble)?;
    Ok(())
}

const JAAS: &str = "
QuorumServer {
    org.apache.zookeeper.server.auth.DigestLoginModule required
    user_member=\"member's secret\";
};
QuorumLearner {
    org.apache.zookeeper.server.auth.DigestLoginModule required
    username=\"member\"
    password=\"member's secret\";
};
";

#[test]
fn apache_and_quorate_prove_to_each_other_who_they_are() -> Result<()> {
    let _alone = alone();
    let directory = tempfile::tempdir()?;
    let jaas = directory.path().join("jaas.conf");
    fs::write(&jaas, JAAS)?;
    let settings = Settings {
        extra: ["enableSasl", "learnerRequireSasl", "serverRequireSasl"]
            .map(|key| format!("quorum.auth.{key}=true"))
            .to_vec(),
        properties: vec![
            format!("java.security.auth.login.config={}", jaas.display()),
            // With it, the Java machine of Apache's server refuses DIGEST-MD5.
            "zookeeper.fips-mode=false".to_owned(),
        ],
        ..Settings::default()
    };
    let mut ensemble = Ensemble::configured(&KINDS, &settings)?;
    ensemble.start_all()?;
    ensemble.wait_serving()?;
    turns(&mut ensemble, "sasl")?;

    // One who knows another password stays out; the others go on.
    ensemble.server(3)?.terminate()?;
    let other = directory.path().join("other.conf");
    fs::write(&other, JAAS.replace("member's secret", "a guess"))?;
    let mut properties = settings.properties.clone();
    properties.push(format!(
        "java.security.auth.login.config={}",
        other.display()
    ));
    ensemble.server(3)?.give_properties(&properties);
    ensemble.server(3)?.start()?;
    let leader = ensemble.leader()?;
    let address = ensemble.server(leader)?.client_address();
    write_some(address, "/without-3")?;
    let kept_out = ensemble.server(3)?.wait_serving(Duration::from_secs(5));
    ensure!(kept_out.is_err(), "server 3 was let in: {kept_out:?}");
    Ok(())
}
