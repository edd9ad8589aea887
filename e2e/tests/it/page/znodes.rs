//! The znode browser: ACLs hold, names and data are text and nothing else, and a keyboard is enough.

use anyhow::{Result, ensure};
use bytes::Bytes;
use quorate_e2e::browser::Browser;
use quorate_e2e::peers::Client;
use quorate_e2e::peers::client::flags::PERSISTENT;
use serde_json::json;
use zk_wire::client::Request;
use zk_wire::client::request::{CreateOp, CreateRequest, NO_TTL};
use zk_wire::data::perms;
use zk_wire::{Acl, Id};

use super::{alone_with, check_quiet, check_width, log_in, open};
use crate::alone;

const HOSTILE_NAME: &str = "<img src=x onerror=document.title='hacked'>";
const HOSTILE_DATA: &str = "<script>document.title='hacked'</script>";

/// The digest of `super:pw`, of which the tests know no other.
const ONE: &str = "super:0bX78nEegDzJM3ju0iLBEJdWzjg=";

fn create_for(client: &mut Client, path: &str, data: &[u8], id: Id) -> Result<()> {
    let create = CreateRequest {
        path: path.to_owned(),
        data: Some(Bytes::copy_from_slice(data)),
        acl: Some(vec![Acl {
            perms: perms::ALL,
            id,
        }]),
        flags: PERSISTENT,
        ttl_ms: NO_TTL,
    };
    let op = CreateOp::Create;
    client.call(&Request::Create { create, op })?;
    Ok(())
}

fn show(browser: &Browser, path: &str) -> Result<()> {
    browser.fill("#path", path)?;
    browser.click("#go button")
}

/// Znodes of every kind that is hard to show.
fn fill(client: &mut Client) -> Result<()> {
    let hostile = format!("/{HOSTILE_NAME}");
    client.create(&hostile, HOSTILE_DATA.as_bytes(), PERSISTENT)?;
    client.create("/bytes", &[0, 1, 0xfe], PERSISTENT)?;
    client.create("/many", b"", PERSISTENT)?;
    for n in 0..230 {
        client.create(&format!("/many/n-{n:03}"), b"", PERSISTENT)?;
    }
    create_for(client, "/mine", b"only for one", Id::new("digest", ONE))?;
    let elsewhere = Id::new("ip", "10.1.2.3");
    create_for(client, "/elsewhere", b"for an address", elsewhere)
}

#[test]
fn acls_hold() -> Result<()> {
    let _alone = alone();
    let (_ensemble, mut client, admin) = alone_with(&[])?;
    fill(&mut client)?;
    let browser = Browser::start()?;
    open(&browser, admin)?;
    browser.shows("#login", "ACLs decide")?;
    ensure!(
        browser.text("#browser")?.is_empty(),
        "nothing without a login"
    );
    log_in(&browser, "somebody", "x")?;
    browser.shows("#children", "mine")?;
    check_quiet(&browser)?;
    for path in ["/mine", "/elsewhere"] {
        show(&browser, path)?;
        let why = format!("{path}: the ACL of this znode does not let you see it");
        browser.shows("#znode-error", &why)?;
        let text = browser.text("body")?;
        ensure!(!text.contains("only for one") && !text.contains("for an address"));
    }
    show(&browser, "/none")?;
    browser.shows("#znode-error", "/none: there is no such znode")?;
    ensure!(
        !browser.complaints()?.is_empty(),
        "refusals are in the console"
    );
    browser.click("#log-out")?;
    browser.shows("#login", "ACLs decide")?;
    log_in(&browser, "super", "pw")?;
    browser.shows("#children", "mine")?;
    show(&browser, "/mine")?;
    browser.shows("#znode-data", "only for one")?;
    check_quiet(&browser)
}

#[test]
fn names_and_data_are_text_whatever_they_are() -> Result<()> {
    let _alone = alone();
    let (_ensemble, mut client, admin) = alone_with(&[])?;
    fill(&mut client)?;
    let browser = Browser::start()?;
    open(&browser, admin)?;
    browser.shows("#live", "Live")?;
    log_in(&browser, "somebody", "x")?;
    browser.shows("#children", HOSTILE_NAME)?;
    show(&browser, &format!("/{HOSTILE_NAME}"))?;
    browser.shows("#znode-data", HOSTILE_DATA)?;
    ensure!(browser.text("#crumbs")?.contains(HOSTILE_NAME));
    let script = "return [document.title, document.images.length, document.scripts.length]";
    let made = browser.run(script, Vec::new())?;
    ensure!(
        made == json!(["ZooKeeper ensemble · standalone", 1, 1]),
        "{made}"
    );
    browser.resize(360, 740, true)?;
    check_width(&browser)?;
    browser.resize(1280, 900, false)?;

    show(&browser, "/bytes")?;
    browser.shows("#znode-data", "00 01 fe")?;
    show(&browser, "/many")?;
    browser.shows("#children-title", "230")?;
    let count = "return document.querySelectorAll('#children li').length";
    ensure!(browser.run(count, Vec::new())? == 200);
    browser.click("#children > button")?;
    browser.shows("#children", "n-229")?;
    ensure!(browser.run(count, Vec::new())? == 230);
    check_quiet(&browser)
}

#[test]
fn a_keyboard_is_enough() -> Result<()> {
    let _alone = alone();
    let (_ensemble, mut client, admin) = alone_with(&[])?;
    client.create("/a", b"found without a mouse", PERSISTENT)?;
    let browser = Browser::start()?;
    open(&browser, admin)?;
    browser.shows("#live", "Live")?;
    let enter = "\u{e007}";
    browser.tab_to("a.skip", 1)?;
    browser.tab_to("nav a[href='#znodes']", 8)?;
    browser.keys(enter)?;
    browser.tab_to("#user", 3)?;
    browser.keys("somebody")?;
    browser.tab_to("#password", 1)?;
    browser.keys("x")?;
    browser.keys(enter)?;
    browser.shows("#children", "zookeeper")?;
    browser.tab_to("#children li:first-child button", 6)?;
    browser.keys(enter)?;
    browser.shows("#znode-data", "found without a mouse")?;
    browser.tab_to("#znode-data pre", 2)?;
    check_quiet(&browser)
}
