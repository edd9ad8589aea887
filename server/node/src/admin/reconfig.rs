//! `POST /v1/reconfig`: changes the members as a client of this very server would.
//!
//! What ZooKeeper's clients say with `reconfig`, incremental and conditional on a version, for whoever
//! manages the ensemble and has no client at hand.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use zk_wire::client::ErrorCode;
use zk_wire::client::request::ReconfigRequest;
use zk_wire::membership::{Membership, ServerSpec};

use super::privileged::{self, failure};
use crate::client_port::{ClientPort, InProcessError, change_members};

/// Longest body, bytes.
pub(super) const BODY_LEN_MAX: usize = 64 * 1024;

/// Ids that a member can have.
const IDS: std::ops::RangeInclusive<i64> = 0..=254;

/// What is asked.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Asked {
    /// The version of the config that is changed, hexadecimal; `None`: whichever is in force.
    from_version: Option<String>,
    /// `server.N=..` lines, of new members and of those whose line changes.
    joining: Vec<String>,
    /// Ids.
    leaving: Vec<i64>,
}

/// The config that is in force now.
#[derive(Debug, Serialize)]
struct Done {
    /// Hexadecimal.
    version: String,
    /// Its lines.
    members: Vec<String>,
}

/// Handles the request.
pub(super) async fn post(
    State(port): State<Arc<ClientPort>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    if let Err(refusal) = privileged::check(&port.monitor, from, &headers) {
        return *refusal;
    }
    let body = match body {
        Ok(body) => body,
        Err(rejection) => {
            let why = format!("{rejection}; at most {BODY_LEN_MAX} bytes are read");
            return failure(rejection.status(), why);
        }
    };
    let change = match parse(&body) {
        Ok(change) => change,
        Err(why) => return failure(StatusCode::BAD_REQUEST, why),
    };
    if !port.monitor.published().status.serving {
        let why = "this server does not serve, since it has no leader; nothing was asked";
        return failure(StatusCode::SERVICE_UNAVAILABLE, why);
    }
    match change_members(&port, change).await {
        Ok(config) => done(&config),
        Err(InProcessError::Code(code)) => {
            let version = port.monitor.ensemble().map_or(0, |(_, m)| m.version);
            failure(StatusCode::CONFLICT, explained(code, version))
        }
        Err(e @ InProcessError::NotAsked(_)) => {
            failure(StatusCode::SERVICE_UNAVAILABLE, e.to_string())
        }
        Err(e @ InProcessError::Unknown(_)) => failure(StatusCode::GATEWAY_TIMEOUT, e.to_string()),
    }
}

fn done(config: &[u8]) -> Response {
    let members = std::str::from_utf8(config).map(Membership::parse);
    let Ok(Ok(members)) = members else {
        let why = "the members are changed, and the answer is no config: look at /v1/status";
        return failure(StatusCode::INTERNAL_SERVER_ERROR, why);
    };
    let done = Done {
        version: format!("{:x}", members.version),
        members: members.lines(),
    };
    (StatusCode::OK, Json(done)).into_response()
}

/// The request of a client; says what is wrong with the body.
fn parse(body: &[u8]) -> Result<ReconfigRequest, String> {
    const FORM: &str = "write for example {\"fromVersion\": \"100000005\", \"joining\": \
                        [\"server.4=host:2888:3888:participant;2181\"], \"leaving\": [2]}";
    let asked: Asked = serde_json::from_slice(body).map_err(|e| format!("{e}; {FORM}"))?;
    if asked.joining.is_empty() && asked.leaving.is_empty() {
        return Err(format!("nobody joins and nobody leaves; {FORM}"));
    }
    let from_config = match &asked.from_version {
        None => -1,
        Some(hex) => version(hex).ok_or_else(|| {
            format!("fromVersion {hex:?} is no version; write the hexadecimal one of /v1/status")
        })?,
    };
    for line in &asked.joining {
        check_line(line)?;
    }
    if let Some(sid) = asked.leaving.iter().find(|sid| !IDS.contains(sid)) {
        return Err(format!("leaving: {sid} is no id of a server"));
    }
    let leaving: Vec<String> = asked.leaving.iter().map(ToString::to_string).collect();
    let list = |parts: Vec<String>| (!parts.is_empty()).then(|| parts.join(","));
    Ok(ReconfigRequest {
        joining: list(asked.joining),
        leaving: list(leaving),
        new_members: None,
        from_config,
    })
}

fn version(hex: &str) -> Option<i64> {
    let version = i64::from_str_radix(hex, 16).ok()?;
    (version >= 0 && !hex.starts_with('+')).then_some(version)
}

/// One `server.N=..` line, with a client port, as Apache demands of who joins.
fn check_line(line: &str) -> Result<(), String> {
    let bad = |why: String| Err(format!("joining: {line:?}: {why}"));
    let parts = line.split_once('=');
    let parts = parts.and_then(|(key, value)| Some((key.strip_prefix("server.")?, value)));
    let Some((id, value)) = parts else {
        return bad("it is not server.N=host:quorumPort:electionPort[:role];clientPort".into());
    };
    if !id.parse().is_ok_and(|id: i64| IDS.contains(&id)) {
        return bad(format!("{id:?} is no id of a server"));
    }
    // A comma would be the beginning of another line.
    if value.contains([',', '=']) {
        return bad("one line names one server".into());
    }
    match ServerSpec::parse(value) {
        Ok(spec) if spec.client.is_some() => Ok(()),
        Ok(_) => bad("no client port; add for example ;0.0.0.0:2181".into()),
        Err(e) => bad(e.to_string()),
    }
}

/// An error of the protocol by its name, and what to do.
fn explained(code: i32, version: i64) -> String {
    let Some(code) = ErrorCode::from_wire(code) else {
        return format!("error {code}");
    };
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "others do not come of a change of the members"
    )]
    let remedy = match code {
        ErrorCode::BadVersion => format!(
            "the config has version {version:x} here now; look at it and ask again with its version"
        ),
        ErrorCode::ReconfigInProgress => {
            "another change is under way; ask again when /v1/status says config.proposed false"
                .into()
        }
        ErrorCode::NewConfigNoQuorum => {
            "no quorum of the new members follows the leader and is level; start them and wait"
                .into()
        }
        ErrorCode::BadArguments => {
            "too few voters would be left, two servers would share an address, or there are groups"
                .into()
        }
        ErrorCode::ReconfigDisabled => {
            "a server alone has no members, and others need reconfigEnabled=true".into()
        }
        ErrorCode::Unimplemented => "this server has no ensemble".into(),
        other => format!("error {} of the client protocol", other.to_wire()),
    };
    format!("{code:?}: {remedy}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_becomes_the_request_of_a_client() {
        let body = r#"{"fromVersion": "1f", "joining": ["server.4=h:1:2:participant;0.0.0.0:3",
                       "server.5=[::1]:1:2;3"], "leaving": [2, 3]}"#;
        let request = parse(body.as_bytes()).unwrap();
        assert_eq!(request.from_config, 0x1f);
        assert_eq!(request.leaving.as_deref(), Some("2,3"));
        let joining = request.joining.unwrap();
        assert_eq!(
            joining,
            "server.4=h:1:2:participant;0.0.0.0:3,server.5=[::1]:1:2;3"
        );
        let request = parse(br#"{"fromVersion": null, "leaving": [2]}"#).unwrap();
        assert_eq!((request.from_config, request.joining), (-1, None));
    }

    #[test]
    fn a_bad_body_is_refused_by_what_is_wrong() {
        for (body, part) in [
            ("", "EOF"),
            ("[1]", "invalid"),
            ("{}", "nobody joins"),
            (r#"{"leaving": [1], "more": 1}"#, "more"),
            (r#"{"leaving": ["1"]}"#, "invalid type"),
            (r#"{"leaving": [999]}"#, "999"),
            (r#"{"leaving": [1], "fromVersion": "-1"}"#, "-1"),
            (r#"{"leaving": [1], "fromVersion": "x"}"#, "hexadecimal"),
            (r#"{"joining": ["server.1=a:1:2"]}"#, "client port"),
            (r#"{"joining": ["server.x=a:1:2;3"]}"#, "no id"),
            (r#"{"joining": ["version=3"]}"#, "server.N"),
            (
                r#"{"joining": ["server.1=a:1:2;3,server.2=b:1:2;3"]}"#,
                "one server",
            ),
            (r#"{"joining": ["server.1=a:1:1;3"]}"#, "the same"),
        ] {
            let why = parse(body.as_bytes()).unwrap_err();
            assert!(why.contains(part), "{body}: {why}");
        }
    }

    #[test]
    fn errors_have_a_name_and_a_remedy() {
        let why = explained(ErrorCode::BadVersion.to_wire(), 0x1f);
        assert!(
            why.starts_with("BadVersion: ") && why.contains("1f"),
            "{why}"
        );
        assert_eq!(explained(-9999, 0), "error -9999");
    }
}
