//! Who sees what.

use anyhow::{Result, ensure};
use quorate_e2e::browser::Browser;
use quorate_e2e::peers::client::flags::PERSISTENT;

use super::{alone_with, check_quiet, get, log_in, open};
use crate::alone;

#[test]
fn where_a_login_is_required_nothing_is_shown_without() -> Result<()> {
    let _alone = alone();
    let lines = [
        "quorate.page.login=required",
        "quorate.ensembleId=secret-name",
    ];
    let (_ensemble, mut client, admin) = alone_with(&lines)?;
    client.create("/private", b"", PERSISTENT)?;
    for path in ["/v1/overview", "/v1/overview/stream", "/v1/znodes?path=/"] {
        // The ACL of the root lets anyone do everything, which makes nobody a user.
        for (who, expected) in [
            (None, 401),
            (Some("digest me:invented"), 403),
            (Some("digest super:wrong"), 403),
            (Some("ip 127.0.0.1"), 401),
            (Some("nosuch super:pw"), 401),
        ] {
            let (status, answer) = get(admin, path, who)?;
            ensure!(status == expected, "{path} {who:?}: {answer}");
            let told = ["secret-name", "private", "zxid", "standalone"];
            ensure!(!told.iter().any(|word| answer.contains(word)), "{answer}");
        }
    }
    ensure!(get(admin, "/v1/overview", Some("digest super:pw"))?.0 == 200);

    let browser = Browser::start()?;
    open(&browser, admin)?;
    browser.shows("#login", "Nothing is shown without a login")?;
    let text = browser.run("return document.documentElement.outerHTML", Vec::new())?;
    ensure!(!text.to_string().contains("secret-name"), "{text}");
    ensure!(browser.text("#overview")?.is_empty() && browser.text("#sections")?.is_empty());
    check_quiet(&browser)?;

    log_in(&browser, "super", "wrong")?;
    browser.shows("#login-error", "Not authorized")?;
    ensure!(browser.text("#overview")?.is_empty());
    ensure!(
        !browser.complaints()?.is_empty(),
        "a refusal is in the console"
    );

    log_in(&browser, "super", "pw")?;
    browser.shows("#title", "secret-name")?;
    browser.shows("#live", "Live")?;
    browser.shows("#children", "private")?;
    browser.click("#log-out")?;
    browser.shows("#login", "Nothing is shown")?;
    let text = browser
        .run("return document.documentElement.outerHTML", Vec::new())?
        .to_string();
    ensure!(
        !text.contains("secret-name") && !text.contains("private"),
        "{text}"
    );
    check_quiet(&browser)?;

    log_in(&browser, "super", "pw")?;
    browser.shows("#title", "secret-name")?;
    browser.run("location.reload()", Vec::new())?;
    browser.shows("#login", "Nothing is shown")?;
    Ok(())
}

#[test]
fn the_page_keeps_to_itself() -> Result<()> {
    let _alone = alone();
    let (_ensemble, _client, admin) = alone_with(&[])?;
    for path in [
        "/ui",
        "/ui/page.js",
        "/ui/page.css",
        "/v1/overview",
        "/v1/znodes?path=/",
    ] {
        let (_, answer) = get(admin, path, None)?;
        for header in [
            "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'",
            "frame-ancestors 'none'",
            "x-content-type-options: nosniff",
            "cache-control: no-store",
        ] {
            ensure!(answer.contains(header), "{path} without {header}: {answer}");
        }
        ensure!(!answer.to_lowercase().contains("set-cookie"), "{answer}");
    }
    // As Apache for whoever is no browser.
    ensure!(get(admin, "/", None)?.0 == 404);
    ensure!(get(admin, "/ui/../../etc/passwd", None)?.0 == 404);
    // Without a login the overview is open, as the commands are, and the tree is not.
    ensure!(get(admin, "/v1/overview", None)?.0 == 200);
    ensure!(get(admin, "/v1/znodes?path=/", None)?.0 == 401);
    ensure!(get(admin, "/v1/znodes?path=/", Some("ip x"))?.0 == 401);
    ensure!(get(admin, "/v1/znodes?path=/", Some("digest me:x"))?.0 == 200);
    ensure!(get(admin, "/v1/znodes?path=/none", Some("digest me:x"))?.0 == 404);
    ensure!(get(admin, "/v1/znodes?path=none", Some("digest me:x"))?.0 == 404);
    ensure!(get(admin, "/v1/znodes", Some("digest me:x"))?.0 == 400);
    Ok(())
}
