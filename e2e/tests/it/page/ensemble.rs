//! An ensemble of three on the page, while leaders come and go.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use quorate_e2e::browser::Browser;
use quorate_e2e::peers::client::flags::PERSISTENT;
use quorate_e2e::peers::{Client, Ensemble, Kind, Settings, admin, wait_for};

use serde_json::{Value, json};

use super::{LIMIT, check_quiet, check_width, open};
use crate::alone;

/// A change of leaders is on the page this long after it is in the server.
const SOON: Duration = Duration::from_secs(3);

fn start() -> Result<Ensemble> {
    let zones = (1..=3).map(|id| format!("quorate.zone.{id}=zone-{id}"));
    let settings = Settings {
        extra: zones
            .chain(["fsync.warningthresholdms=0".to_owned()])
            .collect(),
        in_memory: true,
        ..Settings::default()
    };
    Ensemble::start(Kind::Quorate, 3, &settings)
}

/// The leader is marked, and so is nobody else.
fn shows_leader(browser: &Browser, id: u8) -> Result<()> {
    browser.wait_text("#facts", &format!("server {id}"), SOON)?;
    browser.wait_text(".member.leads", &format!("Server {id}"), SOON)?;
    let marked = browser.run(
        "return document.querySelectorAll('.member.leads').length",
        Vec::new(),
    )?;
    ensure!(marked == 1, "{marked} leaders");
    Ok(())
}

fn pass_on(ensemble: &mut Ensemble, from: u8, to: u8) -> Result<()> {
    let leader = ensemble.server(from)?.admin_address();
    let successor = ensemble.server(to)?.admin_address();
    admin::pass_on(leader, to, successor, LIMIT)
}

fn wait_role(address: SocketAddr, role: &str) -> Result<()> {
    wait_for(role, LIMIT, || {
        let status = admin::status(address).map_err(|e| e.to_string())?;
        if status.role == role && status.serving {
            return Ok(());
        }
        Err(status.role)
    })
}

#[test]
fn the_page_is_right_while_leaders_change() -> Result<()> {
    let _alone = alone();
    let mut ensemble = start()?;
    let leader = ensemble.leader()?;
    let mut client = Client::connect(ensemble.server(leader)?.client_address(), LIMIT)?;
    client.create("/a", b"", PERSISTENT)?;
    client.close()?;
    let others: Vec<u8> = (1..=3).filter(|id| *id != leader).collect();
    let [here, third] = others.try_into().ok().context("three servers")?;
    let browser = Browser::start()?;
    browser.resize(1280, 900, false)?;
    let admin = ensemble.server(here)?.admin_address();
    open(&browser, admin)?;
    browser.shows("#live", "Live")?;
    shows_leader(&browser, leader)?;
    browser.shows(
        "#notice",
        &format!("Server {leader} leads, and it alone knows"),
    )?;
    browser.shows(
        &format!("[data-server=\"{leader}\"]"),
        "known to the leader",
    )?;

    pass_on(&mut ensemble, leader, third)?;
    shows_leader(&browser, third)?;
    browser.shows("#election-table", "lead passed on")?;
    pass_on(&mut ensemble, third, here)?;
    shows_leader(&browser, here)?;
    browser.shows("#zones", "Zone zone-3")?;
    for other in [leader, third] {
        let text = browser.shows(&format!("[data-server=\"{other}\"]"), "level")?;
        ensure!(text.contains("lag: none"), "{text}");
    }
    ensure!(browser.text("#notice")?.is_empty());

    pass_on(&mut ensemble, here, third)?;
    ensemble.server(third)?.kill()?;
    let next = ensemble.leader()?;
    wait_role(admin, if next == here { "leader" } else { "follower" })?;
    shows_leader(&browser, next)?;
    browser.shows("#election-table", "leader lost")?;

    // The last but one goes, too: nobody leads.
    let last = leader;
    ensemble.server(last)?.kill()?;
    browser.shows("#notice", "There is no leader")?;
    browser.shows("#facts", "looking")?;
    check_quiet(&browser)
}

#[test]
fn a_leader_with_clients_on_a_screen_of_any_width() -> Result<()> {
    let _alone = alone();
    let mut ensemble = start()?;
    let leader = ensemble.leader()?;
    let server = ensemble.server(leader)?;
    let (address, admin) = (server.client_address(), server.admin_address());
    let mut clients = Vec::new();
    for n in 0..12 {
        let mut client = Client::connect(address, LIMIT)?;
        client.create(&format!("/n-{n}"), b"", PERSISTENT)?;
        clients.push(client);
    }
    for _ in 0..50 {
        clients.last_mut().context("a client")?.get("/n-1", false)?;
    }
    let browser = Browser::start()?;
    open(&browser, admin)?;
    browser.shows("#live", "Live")?;
    let table = browser.shows("#client-table", "10 of")?;
    let first = browser.text("#client-table tbody tr")?;
    ensure!(first.contains("GETD"), "the busiest is first: {table}");
    // With a threshold of 0 ms each flush counts as a slow one.
    browser.shows("#fsync-table", "The last slow flushes")?;
    browser.shows("#limit-table", "globalOutstandingLimit")?;
    for width in [360, 400, 768, 1280] {
        browser.resize(width, 740, width < 500)?;
        check_width(&browser)?;
    }
    browser.darken()?;
    check_contrast(&browser)?;
    check_quiet(&browser)
}

/// What is written can be read: a contrast of 4.5 at least (WCAG 2 AA).
fn check_contrast(browser: &Browser) -> Result<()> {
    let script = "const light = (c) => { const [r, g, b] = c.map((v) => v / 255)
                    .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
                    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
                  const colour = (text) => text.match(/[0-9.]+/g).map(Number);
                  const behind = (e) => { for (; e; e = e.parentElement) {
                    const c = colour(getComputedStyle(e).backgroundColor);
                    if (c.length === 3 || c[3] === 1) return c.slice(0, 3); } return [255, 255, 255]; };
                  const texts = [...document.querySelectorAll('body *')].filter((e) => e.checkVisibility()
                    && [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim() !== ''));
                  const weak = texts.filter((e) => { const [a, b] = [light(colour(getComputedStyle(e).color)
                    .slice(0, 3)), light(behind(e))].sort((x, y) => y - x); return (a + 0.05) / (b + 0.05) < 4.5; });
                  return [texts.length, weak.map((e) => e.outerHTML.slice(0, 90))];";
    let found = browser.run(script, Vec::new())?;
    let looked_at = found.get(0).and_then(Value::as_u64).unwrap_or(0);
    ensure!(looked_at > 50, "only {looked_at} texts");
    ensure!(found.get(1) == Some(&json!([])), "hard to read: {found}");
    Ok(())
}
