//! The page for people, at `/ui`: a little HTML, style and script in the binary, and what they ask for.
//!
//! The page itself says nothing about the server; all of that comes by `/v1/overview`, its stream and
//! `/v1/znodes`, each of which looks who asks. There are no cookies: nothing is sent that a page of
//! somebody else could send in a visitor's name.

mod login;
mod members;
mod overview;
mod stream;
mod talkers;
mod znodes;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Router, middleware, routing};

use self::overview::Overviews;
use crate::client_port::ClientPort;
use crate::config::PageLogin;
use crate::monitor::Monitor;

/// What the page may do in a browser: nothing but what is served beside it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const PAGE: &str = include_str!("page/page.html");

/// Where the page says whether a login is needed before anything is asked for.
const LOGIN_MARK: &str = "data-login=\"optional\"";

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Name, type and text of what is served beside the page.
const FILES: [(&str, &str, &str); 8] = [
    (
        "page.css",
        "text/css; charset=utf-8",
        include_str!("page/page.css"),
    ),
    ("icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
    ("page.js", SCRIPT, include_str!("page/page.js")),
    ("dom.js", SCRIPT, include_str!("page/dom.js")),
    ("live.js", SCRIPT, include_str!("page/live.js")),
    ("charts.js", SCRIPT, include_str!("page/charts.js")),
    ("overview.js", SCRIPT, include_str!("page/overview.js")),
    ("znodes.js", SCRIPT, include_str!("page/znodes.js")),
];

/// What the handlers share.
#[derive(Debug)]
struct Shared {
    clients: Arc<ClientPort>,
    login: PageLogin,
    overviews: Overviews,
    streams: stream::Places,
    visits: znodes::Places,
}

impl Shared {
    fn monitor(&self) -> &Arc<Monitor> {
        &self.clients.monitor
    }
}

/// The routes of the page.
pub(super) fn routes(clients: Arc<ClientPort>) -> Router {
    let admin = clients.monitor.settings.admin.as_ref();
    let shared = Arc::new(Shared {
        // Without settings nobody gets here; then nothing is shown.
        login: admin.map_or(PageLogin::Required, |admin| admin.page_login),
        clients,
        overviews: Overviews::default(),
        streams: stream::places(),
        visits: znodes::places(),
    });
    Router::new()
        .route("/", routing::get(root))
        .route("/ui", routing::get(page))
        .route("/ui/{file}", routing::get(file))
        .route("/v1/overview", routing::get(overview::get))
        .route("/v1/overview/stream", routing::get(stream::get))
        .route("/v1/znodes", routing::get(znodes::get))
        .route_layer(middleware::map_response(protected))
        .with_state(shared)
}

/// Browsers find the page; whoever else asks finds nothing here, as in Apache.
async fn root(headers: HeaderMap) -> Response {
    let accepted = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok());
    if accepted.is_some_and(|kinds| kinds.contains("text/html")) {
        // Relative, so that it holds behind a proxy that puts a path in front.
        return Redirect::to("ui").into_response();
    }
    StatusCode::NOT_FOUND.into_response()
}

async fn page(State(shared): State<Arc<Shared>>) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    (kind, page_text(shared.login)).into_response()
}

fn page_text(login: PageLogin) -> String {
    match login {
        PageLogin::Optional => PAGE.to_owned(),
        PageLogin::Required => PAGE.replacen(LOGIN_MARK, "data-login=\"required\"", 1),
    }
}

async fn file(Path(name): Path<String>) -> Response {
    match FILES.iter().find(|(known, ..)| *known == name) {
        Some((_, kind, text)) => ([(header::CONTENT_TYPE, *kind)], *text).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Puts the headers on that keep browsers from doing more with an answer than the page needs.
async fn protected(mut response: Response) -> Response {
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in fixed {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_says_whether_a_login_is_needed() {
        assert_eq!(PAGE.matches(LOGIN_MARK).count(), 1);
        assert!(page_text(PageLogin::Required).contains("data-login=\"required\""));
        assert!(page_text(PageLogin::Optional).contains(LOGIN_MARK));
    }

    #[test]
    fn nothing_comes_from_elsewhere_and_nothing_is_inline() {
        for (name, _, text) in FILES.iter().chain(&[("page.html", "", PAGE)]) {
            let links = text.replace("http://www.w3.org/2000/svg", "");
            for hostile in [
                "http:",
                "https:",
                "innerHTML",
                "eval(",
                "<style",
                " style=",
                " onclick=",
            ] {
                assert!(!links.contains(hostile), "{name}: {hostile}");
            }
        }
        assert_eq!(PAGE.matches("<script").count(), 1);
        assert!(PAGE.contains("src=\"ui/page.js\"></script>"));
    }

    #[test]
    fn what_the_page_asks_for_is_served() {
        let names: Vec<&str> = FILES.iter().map(|(name, ..)| *name).collect();
        let scripts = FILES.iter().filter(|(_, kind, _)| *kind == SCRIPT);
        let imports = scripts.flat_map(|(.., text)| text.split("from './").skip(1));
        let imported = imports.filter_map(|rest| rest.split('\'').next());
        let linked = PAGE.split("\"ui/").skip(1);
        let linked = linked.filter_map(|rest| rest.split('"').next());
        for name in imported.chain(linked) {
            assert!(names.contains(&name), "{name}");
        }
    }
}
