//! `snapshot` and `restore`: the whole state over HTTP, for those who may do everything at the root.
//!
//! Source: `Commands.SnapshotCommand`, `RestoreCommand`, `AuthRequest` of Apache ZooKeeper 3.9. A
//! snapshot is made in memory, from the state at one moment; a restore is refused, because a state
//! that is not in the log would be lost or contradicted at the next start.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};
use sha2::{Sha256, Sha384, Sha512};
use zk_core::DigestAlgorithm;
use zk_wire::Id;

use super::answer;
use crate::monitor::Monitor;

/// When the last snapshot was made, since the process began.
#[derive(Debug, Default)]
pub(super) struct Limiter(Mutex<Option<Duration>>);

impl Limiter {
    /// Whether one more may be made at `now`.
    fn admit(&self, now: Duration, interval: Duration) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|last| now < last + interval) {
            return false;
        }
        *last = Some(now);
        true
    }
}

/// A request that is refused: status and text.
pub(in crate::admin) type Refusal = (StatusCode, &'static str);

/// Whom the header names.
pub(in crate::admin) fn identities(
    monitor: &Monitor,
    headers: &HeaderMap,
) -> Result<Vec<Id>, Refusal> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        let why = "Auth info is missing for the command";
        return Err((StatusCode::UNAUTHORIZED, why));
    };
    let denied = (StatusCode::UNAUTHORIZED, "Not authenticated");
    let text = value.to_str().map_err(|_| denied)?;
    let (scheme, credential) = text.split_once(' ').unwrap_or((text, ""));
    let auth = &monitor.settings.auth;
    if !auth.schemes.contains(scheme) {
        return Err(denied);
    }
    match scheme {
        "ip" => Ok(Vec::new()),
        "digest" => {
            let id = digest_identity(credential.trim(), auth.digest_algorithm);
            let mut out = Vec::new();
            if auth.super_digests.contains(&id) {
                out.push(Id::new("super", ""));
            }
            out.push(Id::new("digest", &id));
            Ok(out)
        }
        _ => Err(denied),
    }
}

/// `user:password` as it stands in ACLs.
fn digest_identity(credential: &str, algorithm: DigestAlgorithm) -> String {
    let hash = match algorithm {
        DigestAlgorithm::Sha1 => Sha1::digest(credential).to_vec(),
        DigestAlgorithm::Sha256 => Sha256::digest(credential).to_vec(),
        DigestAlgorithm::Sha384 => Sha384::digest(credential).to_vec(),
        DigestAlgorithm::Sha512 => Sha512::digest(credential).to_vec(),
    };
    let user = credential.split(':').next().unwrap_or_default();
    format!("{user}:{}", STANDARD.encode(hash))
}

/// Whether the header's bearer is super.
pub(in crate::admin) fn require_super(
    monitor: &Monitor,
    headers: &HeaderMap,
) -> Result<(), Refusal> {
    let identities = identities(monitor, headers)?;
    let is_super = |id: &Id| id.scheme.as_deref() == Some("super");
    if identities.iter().any(is_super) {
        return Ok(());
    }
    Err((StatusCode::FORBIDDEN, "Not authorized"))
}

/// Whether the header's bearer may do everything at the root.
pub(in crate::admin) async fn authorize(
    monitor: &Monitor,
    headers: &HeaderMap,
) -> Result<(), Refusal> {
    let identities = identities(monitor, headers)?;
    let allowed = monitor
        .queries
        .ask(move |peer| peer.may_do_all_at_root(&identities))
        .await;
    match allowed {
        Some(true) => Ok(()),
        Some(false) => Err((StatusCode::FORBIDDEN, "Not authorized")),
        None => Err((
            StatusCode::INTERNAL_SERVER_ERROR,
            "Error occurred during auth",
        )),
    }
}

/// `snapshot`: the file's bytes, or with `streaming=false` only what is known about them.
pub(super) async fn take(
    monitor: &Monitor,
    limiter: &Limiter,
    headers: &HeaderMap,
    arguments: &HashMap<String, String>,
) -> Response {
    let refuse = |(status, why)| answer(status, Vec::new(), "snapshot", Some(why));
    if let Err(refusal) = authorize(monitor, headers).await {
        return refuse(refusal);
    }
    let Some(admin) = monitor
        .settings
        .admin
        .as_ref()
        .filter(|a| a.snapshot_enabled)
    else {
        let why = "Snapshot command is disabled";
        return refuse((StatusCode::SERVICE_UNAVAILABLE, why));
    };
    if !limiter.admit(monitor.clock.elapsed(), admin.snapshot_interval) {
        monitor.metrics.snapshot_rate_limited.inc();
        let why = "Rate limit exceeded";
        return refuse((StatusCode::TOO_MANY_REQUESTS, why));
    }
    let state = monitor.queries.ask(|peer| {
        let database = peer.database();
        let body = database.to_snapshot_body();
        (database.last_applied(), database.digest(), body)
    });
    let Some((zxid, digest, body)) = state.await else {
        let why = "Error occurred during snapshot";
        return refuse((StatusCode::INTERNAL_SERVER_ERROR, why));
    };
    let file = zk_storage::snapshot_file(&body, zxid, digest);
    let facts = [
        ("last_zxid", format!("{:#x}", zxid.as_u64())),
        ("snapshot_size", file.len().to_string()),
    ];
    if arguments
        .get("streaming")
        .is_some_and(|text| text == "false")
    {
        let body = answer(StatusCode::OK, Vec::new(), "snapshot", None);
        return (facts, body).into_response();
    }
    let kind = [(header::CONTENT_TYPE, "application/octet-stream")];
    (facts, kind, Body::from(file)).into_response()
}

/// `restore`: refused, after the same checks.
pub(super) async fn restore(monitor: &Monitor, headers: &HeaderMap) -> Response {
    let refuse = |(status, why)| answer(status, Vec::new(), "restore", Some(why));
    match authorize(monitor, headers).await {
        Err(refusal) => refuse(refusal),
        Ok(()) => {
            let why = "Restore is not supported while the server runs: put the snapshot into the \
                       data directories of stopped servers";
            refuse((StatusCode::NOT_IMPLEMENTED, why))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_hashed_as_in_acls() {
        let id = digest_identity("super:pw", DigestAlgorithm::Sha1);
        assert_eq!(id, "super:0bX78nEegDzJM3ju0iLBEJdWzjg=");
    }

    #[test]
    fn snapshots_are_limited() {
        let limiter = Limiter::default();
        let ms = Duration::from_millis;
        assert!(limiter.admit(ms(0), ms(300)));
        assert!(!limiter.admit(ms(299), ms(300)));
        assert!(limiter.admit(ms(300), ms(300)));
    }
}
