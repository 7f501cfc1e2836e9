//! Secrets, StatefulSets and a custom resource, as far as the model knows them.

use std::collections::BTreeMap;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use model::Content;
use serde_json::{Value, json};

use super::Numbers;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Secret,
    StatefulSet,
    CoturnCertificate,
}

/// What an object holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    Secret {
        kind: String,
        immutable: bool,
        data: BTreeMap<String, String>,
        note: Option<String>,
    },
    StatefulSet {
        service: String,
        /// An annotation of the pod template.
        note: Option<String>,
    },
    CoturnCertificate {
        dns_name: String,
        note: Option<String>,
    },
}

/// A part of an object that a merge patch sets.
#[derive(Clone, Debug)]
pub enum Part {
    Note(String),
    Data(String),
    Immutable,
    SecretType(String),
    Service(String),
}

impl Content for Body {
    fn may_become(&self, next: &Self) -> bool {
        match (self, next) {
            (
                Self::Secret {
                    kind,
                    immutable,
                    data,
                    ..
                },
                Self::Secret {
                    kind: next_kind,
                    immutable: next_immutable,
                    data: next_data,
                    ..
                },
            ) => kind == next_kind && (!immutable || (*next_immutable && data == next_data)),
            (Self::StatefulSet { service, .. }, Self::StatefulSet { service: next, .. }) => {
                service == next
            }
            (Self::CoturnCertificate { .. }, Self::CoturnCertificate { .. }) => true,
            (
                Self::Secret { .. } | Self::StatefulSet { .. } | Self::CoturnCertificate { .. },
                _,
            ) => false,
        }
    }

    fn takes_any_revision(&self) -> bool {
        match self {
            Self::Secret { .. } | Self::StatefulSet { .. } => true,
            Self::CoturnCertificate { .. } => false,
        }
    }
}

fn one_of(numbers: &mut Numbers, choices: [&str; 2]) -> String {
    let rare = usize::from(numbers.once_in(5));
    choices[rare].to_owned()
}

fn note(numbers: &mut Numbers) -> Option<String> {
    let number = numbers.below(3);
    (number > 0).then(|| number.to_string())
}

impl Kind {
    /// An object that looks random.
    pub fn body(self, numbers: &mut Numbers) -> Body {
        match self {
            Self::Secret => Body::Secret {
                kind: one_of(numbers, ["Opaque", "coturncert.dev/store"]),
                immutable: numbers.once_in(6),
                data: BTreeMap::from([("key".to_owned(), numbers.below(2).to_string())]),
                note: note(numbers),
            },
            Self::StatefulSet => Body::StatefulSet {
                service: one_of(numbers, ["coturn", "other"]),
                note: note(numbers),
            },
            Self::CoturnCertificate => Body::CoturnCertificate {
                dns_name: one_of(numbers, ["coturn.example.com", "other.example.com"]),
                note: note(numbers),
            },
        }
    }

    /// A part that a patch sets.
    pub fn part(self, numbers: &mut Numbers) -> Part {
        let note = Part::Note(numbers.below(3).to_string());
        match (self, numbers.below(6)) {
            (Self::Secret, 0) => Part::Immutable,
            (Self::Secret, 1) => Part::SecretType(one_of(numbers, ["Opaque", "other"])),
            (Self::Secret, 2 | 3) => Part::Data(numbers.below(2).to_string()),
            (Self::StatefulSet, 0) => Part::Service(one_of(numbers, ["coturn", "other"])),
            (Self::Secret | Self::StatefulSet | Self::CoturnCertificate, _) => note,
        }
    }

    pub fn resource(self) -> kube::api::ApiResource {
        use k8s_openapi::api::{apps::v1::StatefulSet, core::v1::Secret};
        match self {
            Self::Secret => kube::api::ApiResource::erase::<Secret>(&()),
            Self::StatefulSet => kube::api::ApiResource::erase::<StatefulSet>(&()),
            Self::CoturnCertificate => kube::api::ApiResource::erase::<api::CoturnCertificate>(&()),
        }
    }

    /// What the API server holds, as the model would.
    pub fn read(self, object: &Value) -> Body {
        let text = |path: &str| {
            object
                .pointer(path)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        match self {
            Self::Secret => Body::Secret {
                kind: text("/type").unwrap(),
                immutable: object["immutable"].as_bool().unwrap_or(false),
                data: BTreeMap::from([(
                    "key".to_owned(),
                    decoded(&text("/data/key").unwrap_or_default()),
                )]),
                note: text("/metadata/annotations/note"),
            },
            Self::StatefulSet => Body::StatefulSet {
                service: text("/spec/serviceName").unwrap(),
                note: text("/spec/template/metadata/annotations/note"),
            },
            Self::CoturnCertificate => Body::CoturnCertificate {
                dns_name: text("/spec/dnsNames/0").unwrap(),
                note: text("/metadata/annotations/note"),
            },
        }
    }
}

fn encoded(text: &str) -> String {
    BASE64_STANDARD.encode(text)
}

fn decoded(text: &str) -> String {
    String::from_utf8(BASE64_STANDARD.decode(text).unwrap()).unwrap()
}

impl Body {
    /// The whole object, its identity aside.
    pub fn manifest(&self) -> Value {
        match self {
            Self::Secret {
                kind,
                immutable,
                data,
                note,
            } => {
                let data: BTreeMap<_, _> =
                    data.iter().map(|(key, it)| (key, encoded(it))).collect();
                let mut manifest =
                    json!({"metadata": annotated(note.as_ref()), "type": kind, "data": data});
                if *immutable {
                    manifest["immutable"] = true.into();
                }
                manifest
            }
            Self::StatefulSet { service, note } => {
                let mut template = annotated(note.as_ref());
                template["labels"] = json!({"app": "model"});
                json!({"metadata": {}, "spec": {
                    "replicas": 0,
                    "serviceName": service,
                    "selector": {"matchLabels": {"app": "model"}},
                    "template": {
                        "metadata": template,
                        "spec": {"containers": [{"name": "coturn", "image": "none"}]},
                    },
                }})
            }
            Self::CoturnCertificate { dns_name, note } => json!({
                "metadata": annotated(note.as_ref()),
                "spec": {"issuer": {"ca": {"secretName": "ca"}}, "dnsNames": [dns_name]},
            }),
        }
    }

    /// The object once a part is set.
    pub fn set(&mut self, part: &Part) {
        match (self, part) {
            (Self::Secret { data, .. }, Part::Data(value)) => {
                data.insert("key".to_owned(), value.clone());
            }
            (Self::Secret { immutable, .. }, Part::Immutable) => *immutable = true,
            (Self::Secret { kind, .. }, Part::SecretType(value)) => kind.clone_from(value),
            (Self::StatefulSet { service, .. }, Part::Service(value)) => service.clone_from(value),
            (
                Self::Secret { note, .. }
                | Self::StatefulSet { note, .. }
                | Self::CoturnCertificate { note, .. },
                Part::Note(value),
            ) => *note = Some(value.clone()),
            (
                Self::Secret { .. } | Self::StatefulSet { .. } | Self::CoturnCertificate { .. },
                _,
            ) => {
                panic!("{part:?} is no part of it")
            }
        }
    }
}

impl Part {
    /// The merge patch that sets it.
    pub fn patch(&self, kind: Kind) -> Value {
        match (self, kind) {
            (Self::Note(note), Kind::StatefulSet) => {
                json!({"metadata": {}, "spec": {"template": {"metadata": {"annotations": {"note": note}}}}})
            }
            (Self::Note(note), Kind::Secret | Kind::CoturnCertificate) => {
                json!({"metadata": {"annotations": {"note": note}}})
            }
            (Self::Data(value), _) => json!({"metadata": {}, "data": {"key": encoded(value)}}),
            (Self::Immutable, _) => json!({"metadata": {}, "immutable": true}),
            (Self::SecretType(value), _) => json!({"metadata": {}, "type": value}),
            (Self::Service(value), _) => json!({"metadata": {}, "spec": {"serviceName": value}}),
        }
    }
}

fn annotated(note: Option<&String>) -> Value {
    match note {
        Some(note) => json!({"annotations": {"note": note}}),
        None => json!({}),
    }
}
