//! Who may see what of the page.

use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use zk_wire::Id;

use super::Shared;
use crate::admin::commands::{self, Refusal};
use crate::admin::privileged::failure;
use crate::config::PageLogin;

const DENIED: Refusal = (
    StatusCode::FORBIDDEN,
    "Not authorized: a login that is super is needed, or one that the ACL of / names for everything",
);

/// Whether whoever asks may see how the server is.
pub(super) async fn may_look(shared: &Shared, headers: &HeaderMap) -> Result<(), Box<Response>> {
    match shared.login {
        PageLogin::Optional => Ok(()),
        PageLogin::Required => {
            let identities = identities(shared, headers)?;
            require_named(shared, identities).await
        }
    }
}

/// Whoever asks, for the znode browser: somebody in any case. What they may see, ACLs say.
pub(super) async fn may_browse(
    shared: &Shared,
    headers: &HeaderMap,
) -> Result<Vec<Id>, Box<Response>> {
    let identities = identities(shared, headers)?;
    if shared.login == PageLogin::Required {
        require_named(shared, identities.clone()).await?;
    }
    Ok(identities)
}

fn identities(shared: &Shared, headers: &HeaderMap) -> Result<Vec<Id>, Box<Response>> {
    let identities = commands::identities(shared.monitor(), headers).map_err(refused)?;
    // The scheme ip says nothing beside the address, which everybody has.
    if identities.is_empty() {
        return Err(refused((StatusCode::UNAUTHORIZED, "Not authenticated")));
    }
    Ok(identities)
}

async fn require_named(shared: &Shared, identities: Vec<Id>) -> Result<(), Box<Response>> {
    let question = shared
        .monitor()
        .queries
        .ask(move |peer| peer.is_named_for_all_at_root(&identities));
    match question.await {
        Some(true) => Ok(()),
        Some(false) => Err(refused(DENIED)),
        None => {
            let why = "the server is going down";
            Err(refused((StatusCode::SERVICE_UNAVAILABLE, why)))
        }
    }
}

fn refused((status, why): Refusal) -> Box<Response> {
    Box::new(failure(status, why))
}
