//! `GET /v1/znodes?path=PATH&after=NAME`: one znode with a part of its children's names, read only.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use zk_wire::Acl;
use zk_wire::client::ErrorCode;
use zk_wire::data::Stat;

use super::{Shared, login};
use crate::admin::privileged::failure;
use crate::client_port::{Hidden, Znode, ZnodeError, read_znode};
use crate::permissions::letters;

/// Names of children in one answer.
const NAMES_MAX: usize = 200;

/// Data in an answer, bytes; what follows is cut.
const DATA_LEN_MAX: usize = 64 * 1024;

/// Znodes that are read at once; each costs a session.
const VISITS_MAX: usize = 4;

/// Room for reading znodes.
pub(super) type Places = Semaphore;

/// All of it.
pub(super) fn places() -> Places {
    Semaphore::new(VISITS_MAX)
}

/// What is asked.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    path: String,
    /// The name after which the list of children begins.
    after: Option<String>,
}

/// The answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ZnodePage {
    path: String,
    stat: StatPage,
    data: Part<DataPage>,
    acl: Part<Vec<AclPage>>,
    children: Part<ChildrenPage>,
}

/// A part, or why it is not shown.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
enum Part<T> {
    Shown(T),
    Hidden { hidden: String },
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StatPage {
    czxid: String,
    mzxid: String,
    pzxid: String,
    ctime_ms: i64,
    mtime_ms: i64,
    version: i32,
    cversion: i32,
    aversion: i32,
    /// Session, hexadecimal; `None`: it is no ephemeral.
    ephemeral_owner: Option<String>,
    data_length: i32,
    num_children: i32,
}

/// Data; `None` in both: null.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct DataPage {
    /// Where they are text.
    text: Option<String>,
    /// Where they are not: hexadecimal.
    hex: Option<String>,
    /// Whether there is more than is shown.
    cut: bool,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct AclPage {
    scheme: String,
    id: String,
    /// Of `cdrwa`.
    perms: String,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct ChildrenPage {
    names: Vec<String>,
    /// How many there are in all.
    total: usize,
    /// Whether there are more behind these.
    more: bool,
}

/// Handles the request.
pub(super) async fn get(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    let identities = match login::may_browse(&shared, &headers).await {
        Ok(identities) => identities,
        Err(refusal) => return *refusal,
    };
    if !shared.monitor().published().status.serving {
        let why = "this server has no leader; the tree is not shown meanwhile";
        return failure(StatusCode::SERVICE_UNAVAILABLE, why);
    }
    let Ok(_place) = shared.visits.try_acquire() else {
        let why = format!("{VISITS_MAX} znodes are being read; ask again");
        return failure(StatusCode::TOO_MANY_REQUESTS, why);
    };
    // ACLs may name addresses: whoever asks has their own, and not that of this server.
    let address = SocketAddr::new(from.ip().to_canonical(), 0);
    match read_znode(&shared.clients, address, identities, &asked.path).await {
        Ok(znode) => Json(page(asked, znode)).into_response(),
        Err(ZnodeError::Code(code)) => refused(code),
        Err(ZnodeError::Failed(why)) => failure(StatusCode::BAD_GATEWAY, why),
    }
}

fn refused(code: i32) -> Response {
    match ErrorCode::from_wire(code) {
        Some(ErrorCode::NoNode) => failure(StatusCode::NOT_FOUND, "there is no such znode"),
        Some(ErrorCode::NoAuth) => {
            let why = "the ACL of this znode does not let you see it";
            failure(StatusCode::FORBIDDEN, why)
        }
        Some(other) => failure(StatusCode::BAD_GATEWAY, format!("{other:?}")),
        None => failure(StatusCode::BAD_GATEWAY, format!("error {code}")),
    }
}

fn page(asked: Asked, znode: Znode) -> ZnodePage {
    let after = asked.after.as_deref();
    ZnodePage {
        path: asked.path,
        stat: stat_page(&znode.stat),
        data: part(znode.data, |data| data_page(data.as_deref())),
        acl: part(znode.acl, |acl| acl.into_iter().map(acl_page).collect()),
        children: part(znode.children, |names| children_page(names, after)),
    }
}

fn part<T, P>(found: Result<T, Hidden>, show: impl FnOnce(T) -> P) -> Part<P> {
    let hidden = match found {
        Ok(found) => return Part::Shown(show(found)),
        Err(Hidden::Denied) => "the ACL of this znode does not let you see this".to_owned(),
        Err(Hidden::TooLong) => "too long to be shown here".to_owned(),
        Err(Hidden::Failed(why)) => why,
    };
    Part::Hidden { hidden }
}

fn stat_page(stat: &Stat) -> StatPage {
    let hex = |n: i64| format!("{n:#x}");
    StatPage {
        czxid: hex(stat.czxid),
        mzxid: hex(stat.mzxid),
        pzxid: hex(stat.pzxid),
        ctime_ms: stat.ctime,
        mtime_ms: stat.mtime,
        version: stat.version,
        cversion: stat.cversion,
        aversion: stat.aversion,
        ephemeral_owner: Some(stat.ephemeral_owner).filter(|n| *n != 0).map(hex),
        data_length: stat.data_length,
        num_children: stat.num_children,
    }
}

fn data_page(data: Option<&[u8]>) -> DataPage {
    let Some(data) = data else {
        return DataPage {
            text: None,
            hex: None,
            cut: false,
        };
    };
    let cut = data.len() > DATA_LEN_MAX;
    let shown = data.get(..DATA_LEN_MAX).unwrap_or(data);
    let text = as_text(shown, cut).map(str::to_owned);
    let bytes = || shown.iter().map(|byte| format!("{byte:02x}")).collect();
    DataPage {
        hex: text.is_none().then(bytes),
        text,
        cut,
    }
}

/// `None`: it is no text. A cut may have left a part of the last character.
fn as_text(bytes: &[u8], cut: bool) -> Option<&str> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(e) if cut && e.error_len().is_none() => {
            std::str::from_utf8(bytes.get(..e.valid_up_to())?).ok()?
        }
        Err(_) => return None,
    };
    let odd = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    (!text.contains(odd)).then_some(text)
}

fn acl_page(entry: Acl) -> AclPage {
    AclPage {
        perms: letters(entry.perms),
        scheme: entry.id.scheme.unwrap_or_default(),
        id: entry.id.id.unwrap_or_default(),
    }
}

/// The names behind `after`, of a sorted list.
fn children_page(names: Vec<String>, after: Option<&str>) -> ChildrenPage {
    let total = names.len();
    let first = after.map_or(0, |after| {
        names.partition_point(|name| name.as_str() <= after)
    });
    let mut names: Vec<String> = names.into_iter().skip(first).collect();
    let more = names.len() > NAMES_MAX;
    names.truncate(NAMES_MAX);
    ChildrenPage { names, total, more }
}

#[cfg(test)]
mod tests {
    use zk_wire::Id;
    use zk_wire::data::perms;

    use super::*;

    #[test]
    fn names_come_in_pages() {
        let all: Vec<String> = (0..450).map(|n| format!("n-{n:03}")).collect();
        let first = children_page(all.clone(), None);
        assert_eq!(
            (first.names.len(), first.total, first.more),
            (200, 450, true)
        );
        let second = children_page(all.clone(), first.names.last().map(String::as_str));
        assert_eq!(second.names.first().map(String::as_str), Some("n-200"));
        let third = children_page(all.clone(), second.names.last().map(String::as_str));
        assert_eq!(
            (third.names.len(), third.total, third.more),
            (50, 450, false)
        );
        // The name may have gone in the meantime.
        let between = children_page(all, Some("n-4485"));
        assert_eq!(between.names, ["n-449"]);
    }

    #[test]
    fn data_are_text_where_they_can_be() {
        let text = |data: &[u8]| data_page(Some(data)).text;
        assert_eq!(text("grüße\n\t".as_bytes()).as_deref(), Some("grüße\n\t"));
        assert_eq!(text(b"").as_deref(), Some(""));
        for odd in [&b"\x00"[..], b"\xff\xfe", "a\u{1b}[31m".as_bytes()] {
            assert_eq!(text(odd), None, "{odd:?}");
        }
        assert_eq!(data_page(Some(&[0, 0xab])).hex.as_deref(), Some("00ab"));
        let null = data_page(None);
        assert_eq!((null.text, null.hex, null.cut), (None, None, false));
    }

    #[test]
    fn long_data_are_cut_between_characters() {
        let mut long = vec![b'x'; DATA_LEN_MAX - 1];
        long.extend_from_slice("ü".repeat(9).as_bytes());
        let page = data_page(Some(&long));
        assert!(page.cut && page.hex.is_none());
        assert_eq!(page.text.map(|t| t.len()), Some(DATA_LEN_MAX - 1));
        // The same bytes without more behind them are no text.
        assert_eq!(data_page(long.get(..DATA_LEN_MAX)).text, None);
    }

    #[test]
    fn what_is_hidden_says_why() {
        let denied: Part<()> = part(Err::<(), _>(Hidden::Denied), |()| ());
        let json = serde_json::to_value(denied).unwrap();
        assert!(json["hidden"].as_str().unwrap().contains("ACL"), "{json}");
        let shown = part(Ok(Vec::<String>::new()), |names| children_page(names, None));
        assert_eq!(serde_json::to_value(shown).unwrap()["total"], 0);
    }

    #[test]
    fn permissions_are_letters() {
        let entry = |perms| Acl {
            perms,
            id: Id::new("digest", "a:b"),
        };
        assert_eq!(acl_page(entry(perms::ALL)).perms, "cdrwa");
        assert_eq!(acl_page(entry(perms::READ)).perms, "r");
        assert_eq!(acl_page(entry(0)).perms, "");
    }
}
