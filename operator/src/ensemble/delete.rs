//! Deletions: of this very object, and not late.

use std::fmt::Debug;
use std::time::Duration;

use kube::Resource;
use kube::api::{Api, DeleteParams, Preconditions};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

/// How long a deletion may take: less than another operator waits for the Lease, for one that comes
/// late could be a second one.
pub(super) const DELETE_WITHIN: Duration = Duration::from_secs(5);

/// What became of a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deletion {
    /// It goes.
    Done,
    /// It was gone, or another one of that name is there.
    Overtaken,
    /// The API server did not answer in time.
    Late,
}

/// Deletes the object of this name if it has this uid, and the version in `params` if there is one.
pub(super) async fn delete<K>(
    api: &Api<K>,
    name: &str,
    uid: &str,
    params: DeleteParams,
) -> Result<Deletion, kube::Error>
where
    K: Resource + Clone + Debug + DeserializeOwned,
{
    let preconditions = Preconditions {
        uid: Some(uid.to_owned()),
        resource_version: params
            .preconditions
            .and_then(|other| other.resource_version),
    };
    let params = DeleteParams {
        preconditions: Some(preconditions),
        ..params
    };
    match timeout(DELETE_WITHIN, api.delete(name, &params)).await {
        Ok(Ok(_)) => Ok(Deletion::Done),
        Ok(Err(kube::Error::Api(status))) if matches!(status.code, 404 | 409) => {
            Ok(Deletion::Overtaken)
        }
        Ok(Err(error)) => Err(error),
        Err(_) => Ok(Deletion::Late),
    }
}
