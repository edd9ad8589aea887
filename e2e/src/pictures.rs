//! The pictures of the page in `docs/images`: of an ensemble in three zones with clients and some history.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use crate::browser::Browser;
use crate::peers::client::flags::{EPHEMERAL, PERSISTENT};
use crate::peers::{Client, Ensemble, Kind, Settings, admin};
use crate::progress::Progress;

/// What a phone shows at once, CSS pixels, and somewhat more.
const PHONE_HEIGHT: u32 = 1200;

const LIMIT: Duration = Duration::from_secs(20);

/// The digest of `super:pw`, as Apache's tool prints it.
pub const SUPER_DIGEST: &str =
    "zookeeper.DigestAuthenticationProvider.superDigest=super:0bX78nEegDzJM3ju0iLBEJdWzjg=";

/// What to take.
#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    /// The directory for the pictures.
    #[arg(long, default_value = "docs/images")]
    out: PathBuf,
}

/// Takes them.
///
/// # Errors
/// When servers or browser do not do what they should.
pub fn run(progress: &Progress, arguments: &Arguments) -> Result<()> {
    let mut ensemble = start()?;
    let clients = make_history(&mut ensemble)?;
    let leader = ensemble.leader()?;
    let address = ensemble.server(leader)?.admin_address();
    let browser = Browser::start()?;
    browser.resize(1280, 900, false)?;
    browser.open(&format!("http://{address}/"))?;
    browser.shows("#live", "Live")?;
    browser.fill("#user", "super")?;
    browser.fill("#password", "pw")?;
    browser.click("#login-form button")?;
    browser.shows("#children", "orders")?;
    browser.fill("#path", "/orders/eu")?;
    browser.click("#go button")?;
    browser.shows("#znode-data", "EUR")?;
    fs::create_dir_all(&arguments.out)?;
    let take = |name: &str, height_max: u32| -> Result<()> {
        browser.run(
            "scrollTo({top: 0, behavior: 'instant'}); document.activeElement.blur();",
            Vec::new(),
        )?;
        let path = arguments.out.join(name);
        fs::write(&path, browser.picture(height_max)?)?;
        progress.say(format!("{} is there", path.display()));
        Ok(())
    };
    take("page-desktop.png", u32::MAX)?;
    browser.resize(360, PHONE_HEIGHT, true)?;
    take("page-phone.png", PHONE_HEIGHT)?;
    browser.resize(1280, 900, false)?;
    browser.darken()?;
    take("page-dark.png", u32::MAX)?;
    drop(clients);
    Ok(())
}

fn start() -> Result<Ensemble> {
    let zones = (1..=3).zip(["eu-west-1a", "eu-west-1b", "eu-west-1c"]);
    let zones = zones.map(|(id, zone)| format!("quorate.zone.{id}={zone}"));
    let settings = Settings {
        extra: zones
            .chain([
                "quorate.ensembleId=orders".into(),
                "fsync.warningthresholdms=50".into(),
            ])
            .collect(),
        properties: vec![SUPER_DIGEST.into()],
        ..Settings::default()
    };
    Ensemble::start(Kind::Quorate, 3, &settings)
}

/// Znodes, changes of leaders for two reasons, and clients that stay.
fn make_history(ensemble: &mut Ensemble) -> Result<Vec<Client>> {
    let mut writer = Client::connect(ensemble.server(1)?.client_address(), LIMIT)?;
    for path in ["/orders", "/orders/us", "/workers"] {
        writer.create(path, b"", PERSISTENT)?;
    }
    writer.create("/orders/eu", b"{\"currency\": \"EUR\"}", PERSISTENT)?;
    for n in 1..60 {
        let data = format!("{{\"order\": {n}, \"state\": \"paid\"}}");
        writer.create(&format!("/orders/eu/{n}"), data.as_bytes(), PERSISTENT)?;
    }
    for target in [1, 2, 3] {
        let leader = ensemble.leader()?;
        if leader != target {
            let leader = ensemble.server(leader)?.admin_address();
            let successor = ensemble.server(target)?.admin_address();
            admin::pass_on(leader, target, successor, LIMIT)?;
        }
    }
    let leader = ensemble.leader()?;
    ensemble.server(leader)?.kill()?;
    ensemble.leader()?;
    ensemble.start_all()?;
    ensemble.wait_serving()?;
    let address = {
        let leader = ensemble.leader()?;
        ensemble.server(leader)?.client_address()
    };
    let mut clients = Vec::new();
    for n in 0..6 {
        let mut client = Client::connect(address, LIMIT)?;
        client.create(&format!("/workers/{n}"), b"", EPHEMERAL)?;
        for _ in 0..n * 40 {
            client.get("/orders/eu", false)?;
        }
        clients.push(client);
    }
    Ok(clients)
}
