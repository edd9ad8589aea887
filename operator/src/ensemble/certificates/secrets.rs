//! The Secrets, and the request to cert-manager: looks at them, and writes what is due.
//!
//! They are got by name and never listed or watched, so that the operator reads no other Secret of a
//! namespace. What they hold leaves this module as facts only, and is never logged.

use std::collections::BTreeMap;
use std::fmt::Debug;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;
use k8s_openapi::{ByteString, NamespaceResourceScope};
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::{Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::cert_manager;
use super::decide::Due;
use super::issue::{self, IssueError, Pair};
use super::names;
use super::read::{Certificates, Seen, TRUSTED_SINCE_ANNOTATION, text};
use super::{AUTHORITIES, CERTIFICATE, KEY};
use crate::ensemble::apply::FIELD_MANAGER;
use crate::ensemble::build;
use crate::ensemble::error::{Called, ReconcileError};
use crate::ensemble::validate::ValidatedEnsemble;

/// Type of Secrets with a certificate and its key.
const TYPE: &str = "kubernetes.io/tls";

/// The Secrets of the operator's own certificates. They are not to be printed.
pub(in crate::ensemble) struct Secrets {
    pub(super) authority: Option<Secret>,
    pub(super) leaf: Option<Secret>,
}

impl Secrets {
    /// The metadata of both, by "Kind name".
    pub(in crate::ensemble) fn metadata(
        &self,
        ensemble: &ValidatedEnsemble,
    ) -> [(String, Option<ObjectMeta>); 2] {
        [
            (ensemble.authority_secret_name(), &self.authority),
            (ensemble.tls_secret_name(), &self.leaf),
        ]
        .map(|(name, secret)| {
            let metadata = secret.as_ref().map(|secret| secret.metadata.clone());
            (format!("Secret {name}"), metadata)
        })
    }

    /// What is in them.
    pub(in crate::ensemble) fn certificates(&self) -> Certificates {
        Certificates::own(self.authority.as_ref(), self.leaf.as_ref())
    }
}

/// Gets the Secrets of the operator's own certificates.
///
/// # Errors
///
/// When the API server does not answer.
pub(in crate::ensemble) async fn look(
    client: &Client,
    ensemble: &ValidatedEnsemble,
) -> Result<Secrets, ReconcileError> {
    let (authority, leaf) = (ensemble.authority_secret_name(), ensemble.tls_secret_name());
    let (authority, leaf) = futures::try_join!(
        get(client, ensemble, &authority),
        get(client, ensemble, &leaf)
    )?;
    Ok(Secrets { authority, leaf })
}

/// Gets a Secret that somebody else keeps, and tells what is in it.
///
/// # Errors
///
/// When the API server does not answer.
pub(in crate::ensemble) async fn look_at_given(
    client: &Client,
    ensemble: &ValidatedEnsemble,
) -> Result<Certificates, ReconcileError> {
    let secret = get(client, ensemble, &ensemble.tls_secret_name()).await?;
    Ok(Certificates::given(secret.as_ref()))
}

/// Gets the Secret of a certificate that an issuer signs, and looks at the request for it, whose metadata is
/// returned, too.
///
/// # Errors
///
/// When the API server does not answer.
pub(in crate::ensemble) async fn look_at_issued(
    client: &Client,
    ensemble: &ValidatedEnsemble,
) -> Result<((String, Option<ObjectMeta>), Certificates), ReconcileError> {
    let name = ensemble.tls_secret_name();
    let (secret, (request, metadata)) = futures::try_join!(
        get(client, ensemble, &name),
        cert_manager::look(client, ensemble)
    )?;
    let certificates = Certificates {
        request: Some(request),
        ..Certificates::given(secret.as_ref())
    };
    Ok(((request_key(&name), metadata), certificates))
}

/// What a request is called among the objects that were seen.
fn request_key(name: &str) -> String {
    format!("Certificate {name}")
}

async fn get(
    client: &Client,
    ensemble: &ValidatedEnsemble,
    name: &str,
) -> Result<Option<Secret>, ReconcileError> {
    let api: Api<Secret> = Api::namespaced(client.clone(), &ensemble.namespace);
    api.get_opt(name).await.called("get a Secret")
}

/// Makes what is due and writes it over the versions that were seen; nothing where they have changed.
///
/// # Errors
///
/// When it cannot be made, or the API server refuses it or does not answer.
pub(in crate::ensemble) async fn write(
    client: &Client,
    ensemble: &ValidatedEnsemble,
    seen: &BTreeMap<String, String>,
    due: Due,
    now: Timestamp,
) -> Result<bool, ReconcileError> {
    if due == Due::Request {
        let version = seen.get(&request_key(&ensemble.tls_secret_name()));
        if let Some(request) = cert_manager::make(ensemble, version) {
            let call = "write a Certificate of cert-manager";
            put(client, &ensemble.namespace, &request, call).await?;
        }
        return Ok(true);
    }
    // Read again rather than kept: what was observed is printed in tests and logs, and keys must not be.
    let secrets = look(client, ensemble).await?;
    let same = secrets.metadata(ensemble).into_iter().all(|(what, found)| {
        found.and_then(|found| found.resource_version) == seen.get(&what).cloned()
    });
    if !same {
        return Ok(false);
    }
    let secret = make(ensemble, &secrets, due, now)?;
    let call = "write a Secret with certificates";
    put(client, &ensemble.namespace, &secret, call).await?;
    Ok(true)
}

/// Writes an object over the version that it has, or as a new one.
async fn put<K>(
    client: &Client,
    namespace: &str,
    object: &K,
    call: &'static str,
) -> Result<(), ReconcileError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    K: Clone + Debug + Serialize + DeserializeOwned,
{
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    // Not by a patch, which would take over what somebody made of that name meanwhile.
    let written = if object.resource_version().is_none() {
        let params = PostParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PostParams::default()
        };
        api.create(&params, object).await
    } else {
        let params = PatchParams::apply(FIELD_MANAGER).force();
        api.patch(&object.name_any(), &params, &Patch::Apply(object))
            .await
    };
    written.called(call).map(drop)
}

/// The Secret that is to be there.
pub(super) fn make(
    ensemble: &ValidatedEnsemble,
    found: &Secrets,
    due: Due,
    now: Timestamp,
) -> Result<Secret, IssueError> {
    let Due::Authority(_) = due else {
        return make_leaf(ensemble, found, due, now);
    };
    let pair = issue::authority(ensemble, now)?;
    Ok(secret(
        ensemble,
        ensemble.authority_secret_name(),
        found.authority.as_ref(),
        fields(pair),
    ))
}

fn make_leaf(
    ensemble: &ValidatedEnsemble,
    found: &Secrets,
    due: Due,
    now: Timestamp,
) -> Result<Secret, IssueError> {
    let gone = || IssueError::Authority("the authority is gone".to_owned());
    let authority = found.authority.as_ref().ok_or_else(gone)?;
    let of_authority = |name| text(authority, name).map_err(IssueError::Authority);
    let (certificate, authority_key) = (of_authority(CERTIFICATE)?, of_authority(KEY)?);
    let seen = found.certificates();
    let Seen::Usable(present) = &seen.authority else {
        return Err(gone());
    };
    let before = found.leaf.as_ref();
    let of_leaf = |name| before.and_then(|leaf| text(leaf, name).ok());
    let known = matches!(&seen.leaf, Seen::Usable(leaf) if leaf.signed);
    // Once everybody shows certificates of the present authority, no other one is needed.
    let former = of_leaf(AUTHORITIES).filter(|_| !known).unwrap_or_default();
    let pair = match (due, of_leaf(CERTIFICATE), of_leaf(KEY)) {
        (Due::Trust, Some(certificate), Some(key)) => Pair {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        },
        _ => {
            let names = names::wanted(ensemble);
            let ends = present.certificate.not_after;
            issue::leaf(ensemble, names, authority_key, ends, now)?
        }
    };
    let mut data = fields(pair);
    let trusted = issue::trusted(certificate, former, now);
    data.insert(AUTHORITIES.to_owned(), ByteString(trusted.into_bytes()));
    let name = ensemble.tls_secret_name();
    let mut leaf = secret(ensemble, name, before, data);
    let since = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let annotations = leaf.metadata.annotations.get_or_insert_default();
    annotations.insert(TRUSTED_SINCE_ANNOTATION.to_owned(), since.to_string());
    Ok(leaf)
}

fn fields(pair: Pair) -> BTreeMap<String, ByteString> {
    BTreeMap::from([
        (
            CERTIFICATE.to_owned(),
            ByteString(pair.certificate.into_bytes()),
        ),
        (KEY.to_owned(), ByteString(pair.key.into_bytes())),
    ])
}

/// A Secret that goes with the ensemble, over the version of the one that is there.
fn secret(
    ensemble: &ValidatedEnsemble,
    name: String,
    before: Option<&Secret>,
    data: BTreeMap<String, ByteString>,
) -> Secret {
    let mut metadata = build::metadata(ensemble, name);
    metadata.resource_version = before.and_then(ResourceExt::resource_version);
    Secret {
        metadata,
        type_: Some(TYPE.to_owned()),
        data: Some(data),
        ..Secret::default()
    }
}
