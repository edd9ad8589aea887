//! The operator's key: read from its Secret, or made once.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Client;
use kube::api::{Api, PostParams};
use rustix::rand::{GetRandomFlags, getrandom};

use crate::members::{KEY_LEN, MasterKey};

/// Key of the Secret's data.
const FIELD: &str = "key";

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The API server did not answer, or refused.
    #[error("Secret {name}: {source}")]
    Api {
        /// Name of the Secret.
        name: String,
        /// The answer.
        #[source]
        source: Box<kube::Error>,
    },
    /// The Secret holds something else.
    #[error(
        "Secret {name} has no {KEY_LEN} bytes in its field {FIELD:?}; delete it, and a new one is \
         made, with which the servers of every ensemble are restarted one at a time"
    )]
    Unusable {
        /// Name of the Secret.
        name: String,
    },
    /// No random bytes.
    #[error("the system gives no random bytes: {0}")]
    Random(#[source] std::io::Error),
}

/// Reads the key, and makes it first where there is none. Of several operators that make one at the
/// same time, all take the one that was first.
///
/// # Errors
///
/// See [`KeyError`].
pub async fn ensure(client: &Client, namespace: &str, name: &str) -> Result<MasterKey, KeyError> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let failed = |source| KeyError::Api {
        name: name.to_owned(),
        source: Box::new(source),
    };
    let found = match api.get_opt(name).await.map_err(failed)? {
        Some(secret) => secret,
        None => match api.create(&PostParams::default(), &fresh(name)?).await {
            Ok(secret) => secret,
            Err(kube::Error::Api(status)) if status.code == 409 => {
                api.get(name).await.map_err(failed)?
            }
            Err(error) => return Err(failed(error)),
        },
    };
    let bytes = found.data.as_ref().and_then(|data| data.get(FIELD));
    let key = bytes.and_then(|bytes| MasterKey::from_bytes(&bytes.0));
    key.ok_or_else(|| KeyError::Unusable {
        name: name.to_owned(),
    })
}

fn fresh(name: &str) -> Result<Secret, KeyError> {
    let mut bytes = [0; KEY_LEN];
    let len = getrandom(&mut bytes, GetRandomFlags::empty());
    // A request this short is answered whole.
    if len.map_err(|error| KeyError::Random(error.into()))? != KEY_LEN {
        return Err(KeyError::Random(std::io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([(
            FIELD.to_owned(),
            ByteString(bytes.to_vec()),
        )])),
        ..Secret::default()
    })
}
