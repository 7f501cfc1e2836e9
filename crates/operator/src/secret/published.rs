//! The published Secret: what coturn mounts.

use std::collections::BTreeMap;

use api::{Fingerprint, SecretTemplate, names};
use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::Secret,
    apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta},
};
use plan::{
    certificate::{Published, PublishedSecret, TemplateKeys},
    contest::Write,
    store::{Adoption, Root},
};
use serde::{Deserialize, Serialize};

use super::{
    StoreContent, appliers, bytes, created, root_of,
    store::{Keys, pair},
    value, version,
};

/// What a published Secret shall look like. Has no Debug: it borrows a private key.
pub struct PublishedContent<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// The resource that it belongs to.
    pub owner: &'a str,
    /// The pair.
    pub pair: StoreContent<'a>,
    /// Fingerprint of its leaf.
    pub fingerprint: Fingerprint,
    /// Labels and annotations.
    pub template: &'a SecretTemplate,
    /// How the Secret was made, if somebody else made it.
    pub adoption: Option<&'a Adoption>,
}

/// As every server reads them (type `kubernetes.io/tls`).
const PUBLISHED: Keys = Keys {
    certificate: names::TLS_CRT,
    key: names::TLS_KEY,
    roots: names::CA_CRT,
};

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// What a Secret under the published name is.
pub fn read_published(secret: Option<&Secret>) -> Published {
    let Some(secret) = secret else {
        return Published::Absent;
    };
    let metadata = &secret.metadata;
    let mut annotations = metadata.annotations.clone().unwrap_or_default();
    // `kubectl apply` leaves the whole object there, its key included.
    annotations.remove(LAST_APPLIED);
    Published::Present(Box::new(PublishedSecret {
        version: version(metadata),
        owner: annotations.get(names::CERTIFICATE_NAME).cloned(),
        pair: pair(secret, &PUBLISHED),
        root: root(secret),
        written: written(metadata),
        created: created(metadata),
        secret_type: secret.type_.clone().unwrap_or_default(),
        controller: controller(metadata),
        applier: appliers::of_pair(metadata),
        last_writer: last_writer(metadata),
        lacks_a_key: [names::TLS_CRT, names::TLS_KEY]
            .iter()
            .any(|key| value(secret, key).is_none()),
        operator_wrote: operator_wrote(metadata),
        immutable: secret.immutable == Some(true),
        labels: metadata.labels.clone().unwrap_or_default(),
        template_keys: template_keys(&annotations),
        annotations,
    }))
}

fn root(secret: &Secret) -> Option<Root> {
    root_of(
        value(secret, names::TLS_CRT)?,
        value(secret, names::CA_CRT)?,
    )
}

/// When the pair was written last, by the API server's clock: the newest entry of
/// `metadata.managedFields` that owns one of its keys.
fn written(metadata: &ObjectMeta) -> Timestamp {
    metadata
        .managed_fields
        .iter()
        .flatten()
        .filter(|entry| owns_pair(entry))
        .filter_map(|entry| entry.time.as_ref().map(|time| time.0))
        .max()
        .unwrap_or_else(|| created(metadata))
}

/// Kind and name of the object that controls the Secret.
fn controller(metadata: &ObjectMeta) -> Option<String> {
    let mut owners = metadata.owner_references.iter().flatten();
    let controller = owners.find(|owner| owner.controller == Some(true))?;
    Some(format!("{} {}", controller.kind, controller.name))
}

/// Who wrote an object last, the operator aside. Of one second the later entry counts.
pub fn last_writer(metadata: &ObjectMeta) -> Option<Write> {
    writes(metadata)
        .filter(|write| !is_operator(&write.by))
        .max_by_key(|write| write.at)
}

/// When the operator wrote an object last, as far as others left anything of that.
pub fn operator_wrote(metadata: &ObjectMeta) -> Option<Timestamp> {
    writes(metadata)
        .filter(|write| is_operator(&write.by))
        .map(|write| write.at)
        .max()
}

fn is_operator(manager: &str) -> bool {
    [names::FIELD_MANAGER, names::METADATA_FIELD_MANAGER].contains(&manager)
}

/// Writes to an object that left a trace, those to its subresources aside.
fn writes(metadata: &ObjectMeta) -> impl Iterator<Item = Write> {
    let entries = metadata.managed_fields.iter().flatten();
    entries
        .filter(|entry| entry.subresource.is_none())
        .filter_map(|entry| {
            Some(Write {
                by: entry.manager.clone()?,
                at: entry.time.as_ref()?.0,
            })
        })
}

pub(super) fn owns_pair(entry: &ManagedFieldsEntry) -> bool {
    let data = entry
        .fields_v1
        .as_ref()
        .and_then(|fields| fields.0.get("f:data"));
    data.is_some_and(|data| data.get("f:tls.crt").is_some() || data.get("f:tls.key").is_some())
}

#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct RecordedKeys {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    labels: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    annotations: Vec<String>,
}

fn template_keys(annotations: &BTreeMap<String, String>) -> TemplateKeys {
    let recorded: RecordedKeys = annotations
        .get(names::TEMPLATE_KEYS)
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    TemplateKeys {
        labels: recorded.labels,
        annotations: recorded.annotations,
    }
}

/// The published Secret over what is there: foreign labels, annotations and data keys stay, its
/// type stays, what an earlier template set and this one does not is removed.
pub fn write_published(before: Option<&Secret>, content: &PublishedContent<'_>) -> Secret {
    let mut secret = before.cloned().unwrap_or_else(|| created_like(content));
    let data = secret.data.get_or_insert_default();
    data.insert(names::TLS_CRT.to_owned(), bytes(content.pair.certificate));
    data.insert(names::TLS_KEY.to_owned(), bytes(content.pair.key));
    // A pair of somebody else's may have come without roots.
    if !content.pair.roots.is_empty() || data.contains_key(names::CA_CRT) {
        data.insert(names::CA_CRT.to_owned(), bytes(content.pair.roots));
    }
    write_metadata(&mut secret.metadata, content);
    secret
}

/// A Secret that somebody else made and that is gone, as its maker would apply it: nothing of the
/// operator's.
pub fn applied_like(content: &PublishedContent<'_>) -> Secret {
    let mut secret = created_like(content);
    let data = secret.data.get_or_insert_default();
    data.insert(names::TLS_CRT.to_owned(), bytes(content.pair.certificate));
    data.insert(names::TLS_KEY.to_owned(), bytes(content.pair.key));
    secret
}

/// A Secret that does not exist yet: as its maker made it, if somebody else did.
fn created_like(content: &PublishedContent<'_>) -> Secret {
    let secret_type = content
        .adoption
        .map_or(names::TLS_SECRET_TYPE, |adoption| &adoption.secret_type);
    Secret {
        metadata: ObjectMeta {
            namespace: Some(content.namespace.to_owned()),
            name: Some(content.name.to_owned()),
            // Who applies an empty map owns all that comes into it.
            labels: content
                .adoption
                .map(|adoption| adoption.labels.clone())
                .filter(|labels| !labels.is_empty()),
            annotations: content
                .adoption
                .map(|adoption| adoption.annotations.clone())
                .filter(|annotations| !annotations.is_empty()),
            ..ObjectMeta::default()
        },
        type_: Some(secret_type.to_owned()),
        ..Secret::default()
    }
}

fn write_metadata(metadata: &mut ObjectMeta, content: &PublishedContent<'_>) {
    let annotations = metadata.annotations.get_or_insert_default();
    let labels = metadata.labels.get_or_insert_default();
    let earlier = template_keys(annotations);
    earlier
        .labels
        .iter()
        .for_each(|key| drop(labels.remove(key)));
    earlier
        .annotations
        .iter()
        .for_each(|key| drop(annotations.remove(key)));
    labels.extend(content.template.labels.clone());
    match content.adoption {
        None => drop(labels.insert(
            names::MANAGED_BY_LABEL.to_owned(),
            names::FIELD_MANAGER.to_owned(),
        )),
        Some(adoption) => {
            let leaf = adoption.leaf.to_string();
            annotations.insert(names::ADOPTED.to_owned(), leaf);
        }
    }
    annotations.extend(content.template.annotations.clone());
    annotations.insert(names::CERTIFICATE_NAME.to_owned(), content.owner.to_owned());
    annotations.insert(
        names::WRITTEN_FINGERPRINT.to_owned(),
        content.fingerprint.to_string(),
    );
    match recorded_keys(content.template) {
        Some(keys) => drop(annotations.insert(names::TEMPLATE_KEYS.to_owned(), keys)),
        None => drop(annotations.remove(names::TEMPLATE_KEYS)),
    }
}

fn recorded_keys(template: &SecretTemplate) -> Option<String> {
    let keys = RecordedKeys {
        labels: template.labels.keys().cloned().collect(),
        annotations: template.annotations.keys().cloned().collect(),
    };
    let any = !keys.labels.is_empty() || !keys.annotations.is_empty();
    any.then(|| serde_json::to_string(&keys).ok()).flatten()
}
