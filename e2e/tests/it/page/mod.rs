//! The page on the admin port, in a real browser.

mod ensemble;
mod login;
mod znodes;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use quorate_e2e::browser::Browser;
use quorate_e2e::peers::{Client, Ensemble, Kind, Settings};
use quorate_e2e::pictures::SUPER_DIGEST;

const LIMIT: Duration = Duration::from_secs(20);

/// Most bytes of an answer that are read.
const ANSWER_LEN_MAX: u64 = 1 << 20;

/// A server alone, whose super is `super:pw`, with further lines of configuration.
fn alone_with(lines: &[&str]) -> Result<(Ensemble, Client, SocketAddr)> {
    let settings = Settings {
        extra: lines.iter().map(|line| (*line).to_owned()).collect(),
        properties: vec![SUPER_DIGEST.to_owned()],
        in_memory: true,
        ..Settings::default()
    };
    let mut ensemble = Ensemble::start(Kind::Quorate, 1, &settings)?;
    let server = ensemble.server(1)?;
    let client = Client::connect(server.client_address(), LIMIT)?;
    let admin = server.admin_address();
    Ok((ensemble, client, admin))
}

/// Opens the page as people do, who type in no more than the address.
fn open(browser: &Browser, admin: SocketAddr) -> Result<()> {
    browser.open(&format!("http://{admin}/"))
}

/// Logs in with the mouse.
fn log_in(browser: &Browser, user: &str, password: &str) -> Result<()> {
    browser.fill("#user", user)?;
    browser.fill("#password", password)?;
    browser.click("#login-form button")
}

/// Status and head and body of an answer; `authorization` is the header of that name.
fn get(admin: SocketAddr, path: &str, authorization: Option<&str>) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&admin, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    let line = authorization.map_or_else(String::new, |a| format!("Authorization: {a}\r\n"));
    write!(
        stream,
        "GET {path} HTTP/1.0\r\nHost: localhost\r\n{line}\r\n"
    )?;
    let mut answer = Vec::new();
    stream.take(ANSWER_LEN_MAX).read_to_end(&mut answer)?;
    let text = String::from_utf8_lossy(&answer).into_owned();
    let status = text.split(' ').nth(1).context("no HTTP answer")?;
    Ok((status.parse()?, text))
}

/// Nothing that the page did was wrong or forbidden.
fn check_quiet(browser: &Browser) -> Result<()> {
    let complaints = browser.complaints()?;
    ensure!(complaints.is_empty(), "{complaints:?}");
    Ok(())
}

/// The page is as wide as the screen and no wider, whatever is in it.
fn check_width(browser: &Browser) -> Result<()> {
    let script = "const over = [...document.querySelectorAll('main *')].filter((e) =>
                    e.checkVisibility() && e.getBoundingClientRect().right > innerWidth + 1
                    && !e.closest('svg, pre'));
                  return document.documentElement.scrollWidth > innerWidth || over.length > 0
                    ? [document.documentElement.scrollWidth, innerWidth, over.map((e) => e.outerHTML.slice(0, 90))]
                    : null;";
    let over = browser.run(script, Vec::new())?;
    ensure!(over.is_null(), "wider than the screen: {over}");
    Ok(())
}
