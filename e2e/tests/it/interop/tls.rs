//! Kazoo and Apache's Java client talk TLS with our server: identities, refusals, renewal under load.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use quorate_e2e::peers::{Ensemble, Kind, Settings, ports, programs, wait_for};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use tempfile::TempDir;

use crate::alone;

/// How long the server may take to notice new files, or to log a refusal.
const NOTICE_LIMIT: Duration = Duration::from_secs(20);

/// A certificate authority.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(super) pem: String,
}

impl Authority {
    pub(super) fn new(name: &str) -> Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate()?;
        let pem = params.self_signed(&key)?.pem();
        let issuer = Issuer::new(params, key);
        Ok(Self { issuer, pem })
    }

    /// Key and certificate of `CN=name,O=Acme\, Inc`, good until the end of `last_year`.
    pub(super) fn sign(&self, name: &str, last_year: i32) -> Result<String> {
        let names = ["127.0.0.1", "localhost"].map(str::to_owned);
        let mut params = CertificateParams::new(names.to_vec())?;
        params.distinguished_name = DistinguishedName::new();
        let subject = &mut params.distinguished_name;
        subject.push(DnType::OrganizationName, "Acme, Inc");
        subject.push(DnType::CommonName, name);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(last_year, 12, 31);
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(format!("{}{}", key.serialize_pem(), certificate.pem()))
    }
}

/// One server with TLS on both its ports, and the files of its clients.
struct Setup {
    ensemble: Ensemble,
    directory: TempDir,
    authority: Authority,
    secure: String,
}

impl Setup {
    fn start() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let authority = Authority::new("first authority")?;
        let port = ports::free()?;
        let at = directory.path().display();
        fs::write(
            directory.path().join("server.pem"),
            authority.sign("server", 2090)?,
        )?;
        fs::write(directory.path().join("trusted.pem"), &authority.pem)?;
        fs::write(directory.path().join("authorities.pem"), &authority.pem)?;
        let settings = Settings {
            extra: vec![
                format!("secureClientPort={port}"),
                "client.portUnification=true".to_owned(),
                "authProvider.x509=org.apache.zookeeper.server.auth.X509AuthenticationProvider"
                    .to_owned(),
                format!("ssl.keyStore.location={at}/server.pem"),
                format!("ssl.trustStore.location={at}/trusted.pem"),
            ],
            ..Settings::default()
        };
        Ok(Self {
            ensemble: Ensemble::start(Kind::Quorate, 1, &settings)?,
            directory,
            authority,
            secure: format!("127.0.0.1:{port}"),
        })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Lets `program` do `what`, with the client files `own`.
    fn command(&self, program: Command, address: &str, own: &str, what: &[&str]) -> Command {
        let mut program = program;
        program.arg(address).arg(self.file("authorities.pem"));
        if own == "-" {
            program.arg("-")
        } else {
            program.arg(self.file(own))
        };
        program.args(what);
        program
    }

    /// Waits until the server's log has `part`, `times` times.
    fn logged(&mut self, part: &str, times: usize) -> Result<()> {
        let log = self.ensemble.server(1)?.log_path();
        wait_for("a line of the log", NOTICE_LIMIT, || {
            let text = fs::read_to_string(&log).map_err(|e| e.to_string())?;
            let found = text.lines().filter(|line| line.contains(part)).count();
            if found >= times {
                Ok(())
            } else {
                Err(format!("no {part:?} in\n{text}"))
            }
        })
    }
}

fn run(mut command: Command) -> Result<()> {
    let output = command.output()?;
    check(&output)
}

fn check(output: &Output) -> Result<()> {
    let texts = [&output.stdout, &output.stderr].map(|raw| String::from_utf8_lossy(raw));
    ensure!(
        output.status.success(),
        "{}: {}",
        output.status,
        texts.join("\n")
    );
    Ok(())
}

/// Puts a file in place as careful people do: whole, or not at all.
fn replace(path: &Path, text: &str) -> Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, text)?;
    fs::rename(new, path)?;
    Ok(())
}

#[test]
fn clients_are_who_their_certificates_say() -> Result<()> {
    let _alone = alone();
    let mut setup = Setup::start()?;
    fs::write(
        setup.file("alice.pem"),
        setup.authority.sign("alice", 2090)?,
    )?;
    fs::write(setup.file("bob.pem"), setup.authority.sign("bob", 2090)?)?;
    let unified = setup.ensemble.server(1)?.client_address().to_string();
    for address in [unified, setup.secure.clone()] {
        for (name, _) in programs::tls_commands()? {
            let path = format!("/{name}-{}", address.replace(':', "-"));
            let program = || -> Result<Command> {
                let found = programs::tls_commands()?
                    .into_iter()
                    .find(|(n, _)| *n == name);
                Ok(found.context("no such program")?.1)
            };
            let work = ["work", "CN=alice,O=Acme\\, Inc", &path];
            run(setup.command(program()?, &address, "alice.pem", &work))?;
            run(setup.command(program()?, &address, "bob.pem", &["denied", &path]))?;
        }
    }
    Ok(())
}

#[test]
fn bad_certificates_are_refused_and_the_log_says_why() -> Result<()> {
    let _alone = alone();
    let mut setup = Setup::start()?;
    let stranger = Authority::new("other authority")?;
    fs::write(
        setup.file("expired.pem"),
        setup.authority.sign("old", 2021)?,
    )?;
    fs::write(setup.file("stranger.pem"), stranger.sign("eve", 2090)?)?;
    let address = setup.secure.clone();
    for (own, reason) in [
        (
            "expired.pem",
            r#"the client certificate "CN=old,O=Acme\, Inc" expired at 2021-12-31"#,
        ),
        (
            "stranger.pem",
            r#""CN=eve,O=Acme\, Inc" is issued by "CN=other authority", which"#,
        ),
        (
            "-",
            "the client shows no certificate, and ssl.clientAuth=need asks for one",
        ),
    ] {
        for (_, program) in programs::tls_commands()? {
            let log = setup.ensemble.server(1)?.log_path();
            let before = fs::read_to_string(&log)?.matches(reason).count();
            run(setup.command(program, &address, own, &["refused"]))?;
            setup.logged(reason, before + 1)?;
        }
    }
    Ok(())
}

/// Something that writes until its input is closed.
struct Load {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Load {
    fn start(mut command: Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut output = BufReader::new(child.stdout.take().context("no output")?);
        let mut line = String::new();
        output.read_line(&mut line)?;
        ensure!(line.trim() == "ready", "{line}");
        Ok(Self { child, output })
    }

    /// Ends it; gives how often it wrote.
    fn finish(mut self) -> Result<u64> {
        drop(self.child.stdin.take());
        let mut text = String::new();
        self.output.read_to_string(&mut text)?;
        let status = self.child.wait()?;
        ensure!(status.success(), "{status}: {text}");
        let writes = text.trim().strip_prefix("writes ").context("no count")?;
        Ok(writes.parse()?)
    }
}

#[test]
fn certificates_and_authorities_are_renewed_while_clients_write() -> Result<()> {
    let _alone = alone();
    let mut setup = Setup::start()?;
    fs::write(
        setup.file("alice.pem"),
        setup.authority.sign("alice", 2090)?,
    )?;
    let address = setup.secure.clone();
    let mut loads = Vec::new();
    for (name, program) in programs::tls_commands()? {
        let path = format!("/{name}");
        loads.push(Load::start(setup.command(
            program,
            &address,
            "alice.pem",
            &["load", &path],
        ))?);
    }
    let second = Authority::new("second authority")?;
    let (trusted, own) = (setup.file("trusted.pem"), setup.file("server.pem"));
    let both = format!("{}{}", setup.authority.pem, second.pem);
    replace(&trusted, &both)?;
    setup.logged("TLS: certificates renewed", 1)?;
    replace(&own, &second.sign("server again", 2090)?)?;
    setup.logged("CN=server again", 1)?;
    replace(&trusted, &second.pem)?;
    setup.logged("TLS: certificates renewed", 3)?;
    // Everybody new needs the new authority; nobody who is there noticed anything.
    fs::write(setup.file("bob.pem"), second.sign("bob", 2090)?)?;
    replace(&setup.file("authorities.pem"), &second.pem)?;
    for (name, program) in programs::tls_commands()? {
        let work = ["work", "CN=bob,O=Acme\\, Inc", &format!("/{name}-bob")];
        run(setup.command(program, &address, "bob.pem", &work))?;
    }
    for (_, program) in programs::tls_commands()? {
        run(setup.command(program, &address, "alice.pem", &["refused"]))?;
    }
    for load in loads {
        let writes = load.finish()?;
        ensure!(writes > 100, "{writes} writes");
    }
    Ok(())
}
