//! Fields that others own by server-side apply. Who changes such a field under a name of its own makes
//! the owner's next apply fail with a conflict, as every `helm upgrade` of Helm 4 would; who changes it
//! in the owner's name, along with all else that the owner has applied, does not.
//! (Kubernetes, "Server-Side Apply": conflicts, field ownership.)

use std::collections::BTreeSet;

use api::names;
use k8s_openapi::{
    api::core::v1::Secret,
    apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta},
};
use serde_json::{Map, Value, json};

use super::published::owns_pair;

/// The pair changes as a whole.
const PAIR: [&str; 2] = [names::TLS_CRT, names::TLS_KEY];

/// What is to be applied in the name of an owner. Has no Debug: it holds a private key.
pub struct Apply {
    /// The owner.
    pub manager: String,
    /// The object, as far as the owner has it.
    pub body: Value,
    /// What becomes of other managers' fields.
    pub overlap: Overlap,
}

/// What becomes of fields that other managers own with another value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// They are taken: the body names the revision that was looked at.
    Forced,
    /// The write fails: somebody has made the object meanwhile.
    Refused,
}

/// The manager that owns the pair by server-side apply.
pub fn of_pair(metadata: &ObjectMeta) -> Option<String> {
    let entries = metadata.managed_fields.iter().flatten();
    let mut owners = entries.filter(|entry| is_apply(entry) && owns_pair(entry));
    owners.find_map(|entry| entry.manager.clone())
}

/// A Secret that does not exist, to be applied as its maker would; none if it cannot be encoded.
pub fn created_by(manager: &str, secret: &Secret) -> Option<Apply> {
    let mut body = encoded(secret)?;
    identify(&mut body, &secret.metadata);
    Some(Apply {
        manager: manager.to_owned(),
        body,
        overlap: Overlap::Refused,
    })
}

/// Field managers that own fields of an object by server-side apply, the operator's own aside.
pub fn appliers(metadata: &ObjectMeta) -> BTreeSet<String> {
    let entries = metadata.managed_fields.iter().flatten();
    entries
        .filter(|entry| is_apply(entry))
        .filter_map(|entry| entry.manager.clone())
        .filter(|manager| {
            manager != names::FIELD_MANAGER && manager != names::METADATA_FIELD_MANAGER
        })
        .collect()
}

fn is_apply(entry: &ManagedFieldsEntry) -> bool {
    entry.operation.as_deref() == Some("Apply") && entry.subresource.is_none()
}

/// What `manager` has to apply so that its fields of `before` become those of `after`; none if they
/// are.
pub fn apply(before: &Secret, after: &Secret, manager: &str) -> Option<Apply> {
    let entries = before.metadata.managed_fields.iter().flatten();
    let owned = entries
        .filter(|entry| is_apply(entry) && entry.manager.as_deref() == Some(manager))
        .find_map(|entry| entry.fields_v1.as_ref())?;
    let (was, shall) = (encoded(before)?, encoded(after)?);
    let mut body = project(&shall, &owned.0);
    if body == project(&was, &owned.0) {
        return None;
    }
    complete_pair(&mut body, &shall);
    identify(&mut body, &before.metadata);
    Some(Apply {
        manager: manager.to_owned(),
        body,
        overlap: Overlap::Forced,
    })
}

fn encoded(secret: &Secret) -> Option<Value> {
    serde_json::to_value(secret).ok()
}

/// The part of a value that a set of fields names (`fieldsV1`: `f:` a field, `k:` and `v:` an item of a
/// list, `.` the value itself).
fn project(value: &Value, fields: &Value) -> Value {
    let named: Vec<_> = fields
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, _)| *key != ".")
        .collect();
    match value {
        Value::Object(object) if !named.is_empty() || fields.get(".").is_some() => {
            let field = |(key, below): &(&String, &Value)| {
                let name = key.strip_prefix("f:")?;
                Some((name.to_owned(), project(object.get(name)?, below)))
            };
            named.iter().filter_map(field).collect::<Map<_, _>>().into()
        }
        Value::Array(items) if !named.is_empty() => {
            let is_named = |item: &&Value| named.iter().any(|(key, _)| is_item(item, key));
            items.iter().filter(is_named).cloned().collect()
        }
        _ => value.clone(),
    }
}

fn is_item(item: &Value, key: &str) -> bool {
    let parsed = |text| serde_json::from_str::<Value>(text).ok();
    if let Some(value) = key.strip_prefix("v:").and_then(parsed) {
        return *item == value;
    }
    let Some(Value::Object(keys)) = key.strip_prefix("k:").and_then(parsed) else {
        return false;
    };
    keys.iter()
        .all(|(name, value)| item.get(name) == Some(value))
}

/// A certificate without its key, or the other way round, would be no pair.
fn complete_pair(body: &mut Value, shall: &Value) {
    let Some(data) = body.get_mut("data").and_then(Value::as_object_mut) else {
        return;
    };
    if PAIR.iter().any(|key| data.contains_key(*key)) {
        for key in PAIR {
            data.insert(key.to_owned(), shall["data"][key].clone());
        }
    }
}

fn identify(body: &mut Value, metadata: &ObjectMeta) {
    body["apiVersion"] = json!("v1");
    body["kind"] = json!("Secret");
    body["metadata"]["name"] = json!(metadata.name);
    body["metadata"]["namespace"] = json!(metadata.namespace);
    for (key, value) in [
        ("uid", &metadata.uid),
        ("resourceVersion", &metadata.resource_version),
    ] {
        if let Some(value) = value {
            body["metadata"][key] = json!(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;

    use super::*;

    /// A Secret of a chart that Helm 4 has installed.
    fn applied() -> Secret {
        serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "metadata": {
                "name": "tls", "namespace": "wire", "uid": "u", "resourceVersion": "7",
                "labels": {"app.kubernetes.io/managed-by": "Helm", "team": "a"},
                "annotations": {"meta.helm.sh/release-name": "coturn", "coturncert.dev/fingerprint": "ab"},
                "managedFields": [
                    {"manager": "helm", "operation": "Apply", "apiVersion": "v1", "fieldsV1": {
                        "f:type": {},
                        "f:metadata": {
                            "f:labels": {"f:app.kubernetes.io/managed-by": {}},
                            "f:annotations": {".": {}, "f:meta.helm.sh/release-name": {}},
                        },
                        "f:data": {"f:tls.crt": {}, "f:tls.key": {}},
                    }},
                    {"manager": names::METADATA_FIELD_MANAGER, "operation": "Update", "fieldsV1": {
                        "f:metadata": {"f:annotations": {"f:coturncert.dev/fingerprint": {}}},
                    }},
                ],
            },
            "data": {"tls.crt": "YQ==", "tls.key": "Yg==", "ca.crt": "Yw=="},
        }))
        .unwrap()
    }

    fn with_pair(mut secret: Secret) -> Secret {
        let data = secret.data.as_mut().unwrap();
        data.insert("tls.crt".to_owned(), ByteString(b"A".to_vec()));
        data.insert("tls.key".to_owned(), ByteString(b"B".to_vec()));
        secret
    }

    #[test]
    fn what_the_owner_has_applied_is_applied_again_with_the_other_pair_and_nothing_else() {
        let before = applied();
        let apply = apply(&before, &with_pair(before.clone()), "helm").unwrap();
        assert_eq!(
            apply.body,
            json!({
                "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
                "metadata": {
                    "name": "tls", "namespace": "wire", "uid": "u", "resourceVersion": "7",
                    "labels": {"app.kubernetes.io/managed-by": "Helm"},
                    "annotations": {"meta.helm.sh/release-name": "coturn"},
                },
                "data": {"tls.crt": "QQ==", "tls.key": "Qg=="},
            })
        );
    }

    #[test]
    fn who_owns_one_half_of_the_pair_gets_both() {
        let mut before = applied();
        let entries = before.metadata.managed_fields.as_mut().unwrap();
        entries[0].fields_v1.as_mut().unwrap().0 = json!({"f:data": {"f:tls.key": {}}});
        let apply = apply(&before, &with_pair(before.clone()), "helm").unwrap();
        assert_eq!(
            apply.body["data"],
            json!({"tls.crt": "QQ==", "tls.key": "Qg=="})
        );
    }

    #[test]
    fn nothing_is_applied_for_who_owns_nothing_of_what_changes() {
        let before = applied();
        let mut after = before.clone();
        let annotations = after.metadata.annotations.as_mut().unwrap();
        annotations.insert("coturncert.dev/fingerprint".to_owned(), "cd".to_owned());
        assert!(apply(&before, &after, "helm").is_none());
        assert!(apply(&before, &with_pair(before.clone()), "kubectl").is_none());
    }

    #[test]
    fn only_others_that_apply_are_asked() {
        let mut metadata = applied().metadata;
        assert_eq!(appliers(&metadata), ["helm".to_owned()].into());
        metadata.managed_fields.as_mut().unwrap()[0].operation = Some("Update".to_owned());
        assert_eq!(appliers(&metadata), BTreeSet::new());
    }

    #[test]
    fn items_of_lists_are_told_apart_by_key_or_by_value() {
        let value = json!({"owners": [{"uid": "1", "x": 1}, {"uid": "2"}], "set": ["a", "b"]});
        let fields = json!({
            "f:owners": {"k:{\"uid\":\"1\"}": {".": {}}}, "f:set": {".": {}, "v:\"b\"": {}},
        });
        assert_eq!(
            project(&value, &fields),
            json!({"owners": [{"uid": "1", "x": 1}], "set": ["b"]})
        );
    }
}
