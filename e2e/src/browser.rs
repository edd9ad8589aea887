//! A real browser without a window: Chromium of Debian, driven by chromedriver, for tests of the page on
//! the admin port.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fantoccini::elements::Element;
use fantoccini::key::Key;
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::{self, Runtime};

use crate::peers::{Process, ports, wait_for};
use crate::shell;

/// How long chromedriver and Chromium may take to start, on a machine that compiles.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How long a page may take to show something that does not depend on servers.
const SHOW_LIMIT: Duration = Duration::from_secs(10);

/// A browser with one tab; it ends when it is dropped.
pub struct Browser {
    runtime: Runtime,
    client: Option<Client>,
    // Dropped after the session is closed, which ends Chromium in order.
    _driver: Process,
    _directory: TempDir,
}

impl Browser {
    /// Starts one.
    ///
    /// # Errors
    /// When Chromium or chromedriver is missing, or does not start.
    pub fn start() -> Result<Self> {
        let program = shell::find("chromedriver")
            .context("no chromedriver; install Debian's chromium-driver")?;
        let directory = tempfile::tempdir()?;
        let port = ports::free()?;
        let mut command = std::process::Command::new(program);
        command.arg(format!("--port={port}"));
        let mut driver = Process::start(&mut command, &directory.path().join("driver.log"))?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        wait_for("chromedriver", START_LIMIT, || {
            if let Ok(Some(status)) = driver.ended() {
                return Err(format!("it ended with {status}: {}", driver.log_tail()));
            }
            TcpStream::connect(address).map_err(|e| e.to_string())
        })?;
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities(&directory)?);
        let client = runtime.block_on(builder.connect(&format!("http://{address}")));
        Ok(Self {
            runtime,
            client: Some(client.context("chromedriver gives no session")?),
            _driver: driver,
            _directory: directory,
        })
    }

    fn client(&self) -> Result<&Client> {
        self.client.as_ref().context("the browser is closed")
    }

    /// Opens a page.
    ///
    /// # Errors
    /// When the browser refuses.
    pub fn open(&self, url: &str) -> Result<()> {
        Ok(self.runtime.block_on(self.client()?.goto(url))?)
    }

    /// Runs a function's body in the page, and gives what it returns.
    ///
    /// # Errors
    /// What it throws.
    pub fn run(&self, script: &str, arguments: Vec<Value>) -> Result<Value> {
        let ran = self.client()?.execute(script, arguments);
        Ok(self.runtime.block_on(ran)?)
    }

    /// What an element shows; empty while it is hidden or not there.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub fn text(&self, css: &str) -> Result<String> {
        let script = "const found = document.querySelector(arguments[0]);
                      return found && found.checkVisibility() ? found.innerText : '';";
        let text = self.run(script, vec![json!(css)])?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// Waits until an element shows `part`, and gives all that it shows.
    ///
    /// # Errors
    /// When it does not within `limit`.
    pub fn wait_text(&self, css: &str, part: &str, limit: Duration) -> Result<String> {
        wait_for(&format!("{part:?} in {css}"), limit, || {
            let text = self.text(css).map_err(|e| e.to_string())?;
            if text.contains(part) {
                return Ok(text);
            }
            Err(format!("it shows {text:?}"))
        })
    }

    /// The same within the time that a page may take.
    ///
    /// # Errors
    /// As [`Browser::wait_text`].
    pub fn shows(&self, css: &str, part: &str) -> Result<String> {
        self.wait_text(css, part, SHOW_LIMIT)
    }

    fn element(&self, css: &str) -> Result<Element> {
        let found = self.client()?.find(Locator::Css(css));
        self.runtime
            .block_on(found)
            .with_context(|| format!("no element {css}"))
    }

    /// Clicks, as a mouse does.
    ///
    /// # Errors
    /// When there is no such element, or something lies over it.
    pub fn click(&self, css: &str) -> Result<()> {
        let element = self.element(css)?;
        self.runtime
            .block_on(element.click())
            .with_context(|| format!("clicking {css}"))
    }

    /// Types into a field, in place of what is there.
    ///
    /// # Errors
    /// When there is no such field.
    pub fn fill(&self, css: &str, text: &str) -> Result<()> {
        let element = self.element(css)?;
        self.runtime.block_on(async {
            element.clear().await?;
            element.send_keys(text).await
        })?;
        Ok(())
    }

    /// Types wherever the keyboard is.
    ///
    /// # Errors
    /// When the browser refuses.
    pub fn keys(&self, text: &str) -> Result<()> {
        let client = self.client()?;
        self.runtime
            .block_on(async { client.active_element().await?.send_keys(text).await })?;
        Ok(())
    }

    /// Presses Tab until the element that has the keyboard matches `css`.
    ///
    /// # Errors
    /// When the keyboard does not get there within `most` steps, or the page does not show where it is.
    pub fn tab_to(&self, css: &str, most: usize) -> Result<()> {
        let tab = char::from(Key::Tab).to_string();
        let script = "const at = document.activeElement;
                      const style = getComputedStyle(at);
                      return [at.matches(arguments[0]), at.outerHTML.slice(0, 80),
                              at === document.body || style.outlineStyle !== 'none'];";
        for _ in 0..most {
            self.keys(&tab)?;
            let at = self.run(script, vec![json!(css)])?;
            let shown = at.get(2) == Some(&json!(true));
            ensure!(shown, "no sign of the keyboard at {at}");
            if at.get(0) == Some(&json!(true)) {
                return Ok(());
            }
        }
        bail!("{css} is not reached by {most} times Tab")
    }

    /// Gives the tab a size in CSS pixels; `phone` with a touch screen's ways.
    ///
    /// # Errors
    /// When the browser refuses.
    pub fn resize(&self, width: u32, height: u32, phone: bool) -> Result<()> {
        let wanted =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone});
        self.devtools("Emulation.setDeviceMetricsOverride", wanted)?;
        Ok(())
    }

    /// Lets the page know that its reader likes it dark.
    ///
    /// # Errors
    /// When the browser refuses.
    pub fn darken(&self) -> Result<()> {
        let feature = json!({"name": "prefers-color-scheme", "value": "dark"});
        self.devtools("Emulation.setEmulatedMedia", json!({"features": [feature]}))?;
        Ok(())
    }

    /// What the console of the page has as errors and warnings since it was asked last: scripts that throw,
    /// files that are missing, what the page's policy forbids.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub fn complaints(&self) -> Result<Vec<String>> {
        let entries = self.command("se/log", json!({"type": "browser"}))?;
        let entries = entries.as_array().context("no log")?;
        let loud = entries.iter().filter(|e| {
            e.get("level")
                .is_some_and(|level| level == "SEVERE" || level == "WARNING")
        });
        Ok(loud.map(Value::to_string).collect())
    }

    /// A picture of the page as PNG, down to `height_max` CSS pixels.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub fn picture(&self, height_max: u32) -> Result<Vec<u8>> {
        let metrics = self.devtools("Page.getLayoutMetrics", json!({}))?;
        let size = metrics.get("cssContentSize").context("no size")?;
        let height = size.get("height").and_then(Value::as_f64);
        let height = height.context("no height")?.min(f64::from(height_max));
        let clip =
            json!({"x": 0, "y": 0, "width": size.get("width"), "height": height, "scale": 1});
        let wanted = json!({"captureBeyondViewport": true, "clip": clip});
        let picture = self.devtools("Page.captureScreenshot", wanted)?;
        let data = picture
            .get("data")
            .and_then(Value::as_str)
            .context("no picture")?;
        Ok(STANDARD.decode(data)?)
    }

    fn devtools(&self, method: &str, parameters: Value) -> Result<Value> {
        let body = json!({"cmd": method, "params": parameters});
        self.command("goog/cdp/execute", body)
    }

    fn command(&self, path: &'static str, body: Value) -> Result<Value> {
        let command = DriverCommand { path, body };
        Ok(self.runtime.block_on(self.client()?.issue_cmd(command))?)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // chromedriver, which goes next, would leave Chromium behind.
        if let Some(client) = self.client.take()
            && let Err(e) = self.runtime.block_on(client.close())
        {
            eprintln!("closing the browser: {e}");
        }
    }
}

fn capabilities(directory: &TempDir) -> Result<Capabilities> {
    let profile = format!(
        "--user-data-dir={}",
        directory.path().join("profile").display()
    );
    // Chromium's sandbox refuses root, who runs the tests on machines of their own.
    let flags = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        // Whoever clicks does not wait until the page has come to rest.
        "--force-prefers-reduced-motion",
        &profile,
    ];
    let wanted = json!({
        "goog:chromeOptions": {"args": flags},
        "goog:loggingPrefs": {"browser": "ALL"},
    });
    Ok(wanted.as_object().context("an object")?.clone())
}

/// A command of chromedriver's own.
#[derive(Debug)]
struct DriverCommand {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for DriverCommand {
    fn endpoint(
        &self,
        base_url: &url::Url,
        session_id: Option<&str>,
    ) -> Result<url::Url, url::ParseError> {
        let session = session_id.unwrap_or_default();
        base_url.join(&format!("session/{session}/{}", self.path))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.body.to_string()))
    }
}
