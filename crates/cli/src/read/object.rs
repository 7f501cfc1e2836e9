//! ConfigMaps and Secrets.

use std::fmt::Debug;

use deployed::Entry;
use k8s_openapi::{
    api::core::v1::{ConfigMap, Secret},
    apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry,
};
use kube::{
    Api, Resource,
    core::{NamespaceResourceScope, PartialObjectMeta},
};
use serde::de::DeserializeOwned;

use super::Cluster;
use crate::{error::Error, facts::Presence};

impl Cluster {
    /// A text of a ConfigMap; none if there is no such key, nor an object that may be missing.
    pub(super) async fn config_map_text(&self, entry: &Entry) -> Result<Option<String>, Error> {
        let object: Option<ConfigMap> = self.object("ConfigMap", entry).await?;
        let data = object.and_then(|object| object.data);
        Ok(data.and_then(|mut data| data.remove(&entry.key)))
    }

    /// Whether a ConfigMap has a key.
    pub(super) async fn config_map_presence(&self, entry: &Entry) -> Result<Presence, Error> {
        let text = self.config_map_text(entry).await?;
        let missing = || {
            let Entry { object, key, .. } = entry;
            Presence::Missing(format!("ConfigMap {object} has no key {key}"))
        };
        Ok(text.map_or_else(missing, |_| Presence::There))
    }

    /// A text of a Secret: only ever a turnserver.conf.
    pub(super) async fn secret_text(&self, entry: &Entry) -> Result<Option<String>, Error> {
        let object: Option<Secret> = self.object("Secret", entry).await?;
        let data = object.and_then(|object| object.data);
        let bytes = data.and_then(|mut data| data.remove(&entry.key));
        Ok(bytes.and_then(|bytes| String::from_utf8(bytes.0).ok()))
    }

    /// An object; none if it is missing where it may be.
    async fn object<K>(&self, kind: &str, entry: &Entry) -> Result<Option<K>, Error>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + DeserializeOwned
            + Debug,
    {
        let api: Api<K> = Api::namespaced(self.client.clone(), &self.namespace);
        match api.get(&entry.object).await {
            Ok(object) => Ok(Some(object)),
            Err(kube::Error::Api(status)) if status.is_not_found() && entry.is_optional => Ok(None),
            Err(error) => {
                let object = format!("{kind} {}/{}", self.namespace, entry.object);
                Err(Error::request("read", object, error))
            }
        }
    }

    /// Whether a Secret has a key, told by its metadata alone: who manages which field is recorded there.
    pub(super) async fn secret_presence(&self, entry: &Entry) -> Result<Presence, Error> {
        let (name, key) = (entry.object.as_str(), entry.key.as_str());
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        let object = match api.get_metadata_opt(name).await {
            Ok(object) => object,
            Err(error) => {
                let object = format!("the metadata of Secret {}/{name}", self.namespace);
                return Err(Error::request("read", object, error));
            }
        };
        Ok(object.map_or_else(
            || Presence::Missing(format!("there is no Secret {}/{name}", self.namespace)),
            |object: PartialObjectMeta<Secret>| {
                presence(object.metadata.managed_fields.as_deref(), name, key)
            },
        ))
    }
}

/// Without any record of its data nothing is known.
fn presence(managed: Option<&[ManagedFieldsEntry]>, name: &str, key: &str) -> Presence {
    let keys: Vec<_> = managed.unwrap_or_default().iter().flat_map(keys).collect();
    if keys.is_empty() {
        Presence::Unknown
    } else if keys.iter().any(|it| it == key) {
        Presence::There
    } else {
        Presence::Missing(format!(
            "Secret {name} has no key {key}, but {}",
            keys.join(", ")
        ))
    }
}

/// The keys of `data` that one manager is recorded with: `{"f:data": {"f:tls.crt": {}}}`.
fn keys(entry: &ManagedFieldsEntry) -> Vec<String> {
    let fields = entry.fields_v1.as_ref().map(|fields| &fields.0);
    let data = fields.and_then(|fields| fields.get("f:data")?.as_object());
    let names = data.into_iter().flat_map(|data| data.keys());
    names
        .filter_map(|name| name.strip_prefix("f:").map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn managed(fields: &str) -> Vec<ManagedFieldsEntry> {
        serde_saphyr::from_str(&format!("[{{manager: a, fieldsV1: {fields}}}]")).unwrap()
    }

    #[test]
    fn the_keys_of_a_secret_stand_in_its_metadata() {
        let managed = managed("{'f:data': {'.': {}, 'f:tls.crt': {}}, 'f:type': {}}");
        let of = |key| presence(Some(&managed), "s", key);
        assert_eq!(of("tls.crt"), Presence::There);
        let missing = "Secret s has no key tls.key, but tls.crt".to_owned();
        assert_eq!(of("tls.key"), Presence::Missing(missing));
    }

    #[test]
    fn where_nothing_is_recorded_nothing_is_known() {
        assert_eq!(presence(None, "s", "tls.crt"), Presence::Unknown);
        let managed = managed("{'f:metadata': {}}");
        assert_eq!(presence(Some(&managed), "s", "a"), Presence::Unknown);
    }
}
