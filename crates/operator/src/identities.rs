//! What handshakes present: the pairs in a certificate's store, read for each errand and kept nowhere.

use api::names;
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use probe::Identity;

use crate::{
    error::{Error, ObjectName},
    requests, secret,
};

/// The pairs in a store.
#[derive(Clone)]
pub struct Identities {
    /// What is in service.
    pub current: Identity,
    /// What was before it.
    pub previous: Option<Identity>,
}

impl Identities {
    /// Reads a certificate's store. None if there is none, or no usable pair in it.
    pub async fn read(
        client: &Client,
        namespace: &str,
        certificate: &str,
    ) -> Result<Option<Self>, Error> {
        let name = names::store_secret(certificate);
        let object = ObjectName::new("Secret", namespace, &name);
        let api = requests::secrets(client, namespace);
        let store = requests::read(&api, object, &name).await?;
        Ok(store.as_ref().and_then(Self::of))
    }

    fn of(store: &Secret) -> Option<Self> {
        let identity =
            |pair: secret::StoreContent<'_>| Identity::from_pem(pair.certificate, pair.key).ok();
        Some(Self {
            current: identity(secret::current(store)?)?,
            previous: secret::previous(store).and_then(identity),
        })
    }
}
