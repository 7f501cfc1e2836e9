//! What coturn trusts in its partners: the bundle that its `CA-file` names, and its whitelist, as the
//! workload's pods are told.
//!
//! Read beside the passes. What the operator cannot see is told in words, with what would show it; it is
//! no failure.

use coturn::{Configuration, Launch, Setting, Value, Whitelist};
use deployed::{Candidate, Entry, Origin, Part, Piece, Place, Text};
use k8s_openapi::{
    NamespaceResourceScope,
    api::core::v1::{ConfigMap, Container, PodSpec, Secret},
};
use kube::{Api, Client};
use serde::de::DeserializeOwned;

use crate::{
    error::{ObjectName, remedy_of_reading},
    redact::excerpt,
    requests,
};

/// Whom the fork lets federate.
const WHITELIST: &str = "federation-remote-whitelist";

/// What coturn trusts. Has no Debug: a file of certificates may hold a key as well.
pub struct Trust {
    /// The bundle: PEM.
    pub bundle: Vec<u8>,
    /// Where the bundle lies, for messages.
    pub authorities: String,
    /// Whom it lets federate.
    pub whitelist: Whitelist,
}

/// Reads what coturn trusts in the pods of this specification; or why that is not known.
pub async fn read(client: &Client, namespace: &str, pod: &PodSpec) -> Result<Trust, String> {
    let container = deployed::coturn(pod, None).ok_or(
        "no container of the workload is known to run coturn, so it is not known what coturn trusts; name \
         turnserver in its `command`",
    )?;
    let reader = Reader {
        client,
        namespace,
        pod,
        container,
    };
    let configuration = reader.configuration().await?;
    let (setting, path) = authorities(&configuration)?;
    let whitelist = whitelist(&configuration)?;
    let origins = bundle(setting, deployed::place(pod, container, path))?;
    let (authorities, bundle) = reader.held(&origins).await?;
    Ok(Trust {
        bundle,
        authorities,
        whitelist,
    })
}

struct Reader<'a> {
    client: &'a Client,
    namespace: &'a str,
    pod: &'a PodSpec,
    container: &'a Container,
}

impl Reader<'_> {
    async fn configuration(&self) -> Result<Configuration, String> {
        let launch = deployed::launch(self.container);
        if !launch.is_known {
            return Err(format!(
                "the image's own entry point decides what coturn of container {} is started with, so it is not \
                 known what it trusts; set the container's `command` or `args`",
                self.container.name
            ));
        }
        if launch.may_lose_n() {
            return Err(format!(
                "`-n` is in `args` of container {} without a `command`, and the entry point of coturn's images drops \
                 it, so it is not known what coturn trusts; name turnserver in its `command`",
                self.container.name
            ));
        }
        let texts = self.texts(&launch).await?;
        let texts: Vec<_> = texts
            .iter()
            .map(|(name, text)| (&**name, &**text))
            .collect();
        let arguments = deployed::expanded(self.container, &launch.arguments);
        Ok(Configuration::read(&texts, &arguments))
    }

    /// The names and texts of the first file that turnserver finds.
    async fn texts(&self, launch: &Launch) -> Result<Vec<(String, String)>, String> {
        let candidates = deployed::candidates(self.pod, self.container, launch);
        let mut read = Vec::new();
        for candidate in &candidates {
            let mut pieces = Vec::new();
            for part in &candidate.parts {
                pieces.push(self.piece(part, &mut read).await?);
            }
            let text = Text::of(pieces);
            if !text.files.is_empty() {
                known(&candidate.path, &text)?;
                return Ok(text.files);
            }
        }
        let Some(Candidate { path, .. }) = candidates.first() else {
            return Ok(Vec::new());
        };
        Err(format!(
            "no ConfigMap or Secret holds {path}, which says what coturn trusts: it is made in the pod, or comes \
             with the image; mount it from a ConfigMap"
        ))
    }

    /// What is read of a part of the file. Of a projected volume the last source that has it counts.
    async fn piece(&self, part: &Part, read: &mut Vec<(Origin, Piece)>) -> Result<Piece, String> {
        let origins = match part {
            Part::Held(origin) => std::slice::from_ref(origin),
            Part::Projected(projected) => projected.candidates.as_slice(),
            Part::Text { script, text } => {
                return Ok(Piece::Known {
                    name: script.clone(),
                    text: text.clone(),
                });
            }
            Part::Unknown(why) | Part::Changed(why) => return Ok(Piece::Unknown(why.clone())),
        };
        let mut missing = Vec::new();
        for origin in origins.iter().rev() {
            match self.text(origin, read).await? {
                Piece::Missing(why) => missing.push(why),
                piece => return Ok(piece),
            }
        }
        Ok(Piece::Missing(missing.join(", ")))
    }

    /// What an object holds, which is read once.
    async fn text(
        &self,
        origin: &Origin,
        read: &mut Vec<(Origin, Piece)>,
    ) -> Result<Piece, String> {
        if let Some((_, piece)) = read.iter().find(|(it, _)| it == origin) {
            return Ok(piece.clone());
        }
        let piece = match self.data(origin).await? {
            Some(bytes) => Piece::Known {
                name: origin.to_string(),
                text: String::from_utf8_lossy(&bytes).into_owned(),
            },
            None => Piece::Missing(format!("{} is not there", self.named(origin))),
        };
        read.push((origin.clone(), piece.clone()));
        Ok(piece)
    }

    /// What the first of these holds that has its key, and its name.
    async fn held(&self, origins: &[Origin]) -> Result<(String, Vec<u8>), String> {
        let mut without = Vec::new();
        for origin in origins {
            let object = self.named(origin);
            match self.data(origin).await? {
                Some(bytes) => return Ok((object, bytes)),
                None => without.push(object),
            }
        }
        Err(format!(
            "{} is not there, which CA-file names",
            without.join(", nor ")
        ))
    }

    /// What an object holds under a key; none without the key, or without an object that may be missing.
    async fn data(&self, origin: &Origin) -> Result<Option<Vec<u8>>, String> {
        match origin {
            Origin::ConfigMap(entry) => {
                let found: Option<ConfigMap> = self.object(entry).await?;
                Ok(found.and_then(|found| of_config_map(found, &entry.key)))
            }
            Origin::Secret(entry) => {
                let found: Option<Secret> = self.object(entry).await?;
                let data = found.and_then(|found| found.data);
                let value = data.and_then(|mut data| data.remove(&entry.key));
                Ok(value.map(|bytes| bytes.0))
            }
        }
    }

    async fn object<K>(&self, entry: &Entry) -> Result<Option<K>, String>
    where
        K: kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + k8s_openapi::Resource
            + Clone
            + DeserializeOwned
            + std::fmt::Debug,
    {
        let object = ObjectName::new(K::KIND, self.namespace, &entry.object);
        let api = Api::<K>::namespaced(self.client.clone(), self.namespace);
        match requests::read(&api, object.clone(), &entry.object).await {
            Ok(Some(found)) => Ok(Some(found)),
            Ok(None) if entry.is_optional => Ok(None),
            Ok(None) => Err(format!(
                "there is no {object}, which the workload mounts; create it"
            )),
            Err(error) => Err(match remedy_of_reading(&error) {
                Some(remedy) => format!("{error}; {remedy}"),
                None => error.to_string(),
            }),
        }
    }

    /// An object and its key, for messages.
    fn named(&self, origin: &Origin) -> String {
        let (kind, entry) = match origin {
            Origin::ConfigMap(entry) => ("ConfigMap", entry),
            Origin::Secret(entry) => ("Secret", entry),
        };
        let object = ObjectName::new(kind, self.namespace, &entry.object);
        format!("key {} of {object}", entry.key)
    }
}

/// What is not known of the file may name another bundle, or other partners.
fn known(path: &str, text: &Text) -> Result<(), String> {
    let Some(why) = text.unknown.first() else {
        return Ok(());
    };
    Err(format!(
        "not all of {} is known, which says what coturn trusts: {}; have the script add whole lines by `echo`, or \
         mount the whole file from a ConfigMap",
        excerpt(path),
        excerpt(why)
    ))
}

fn of_config_map(object: ConfigMap, key: &str) -> Option<Vec<u8>> {
    let text = object.data.and_then(|mut data| data.remove(key));
    let bytes = object.binary_data.and_then(|mut data| data.remove(key));
    text.map(String::into_bytes)
        .or_else(|| bytes.map(|bytes| bytes.0))
}

/// A value and where it stands. Somebody may have put a key there by mistake.
fn told(setting: &Setting) -> String {
    let (value, source) = (setting.value.to_string(), setting.source.to_string());
    format!("{} ({})", excerpt(&value), excerpt(&source))
}

/// The fork verifies partners only where it has a `CA-file`.
fn authorities(configuration: &Configuration) -> Result<(&Setting, &str), String> {
    let setting = configuration.files().authorities.ok_or(
        "coturn has no CA-file: it verifies no partner at all; mount a PEM file with the partner's CA and have \
         CA-file name it",
    )?;
    let path = setting.value.text().filter(|path| path.starts_with('/'));
    let path = path.ok_or_else(|| {
        format!(
            "CA-file={} is no whole path; write it in full",
            told(setting)
        )
    })?;
    Ok((setting, path))
}

/// What holds the bundle, or may: of several sources of a projected volume the last one that has it counts.
fn bundle(setting: &Setting, place: Place) -> Result<Vec<Origin>, String> {
    let lies = match place {
        Place::Secret(entry) => return Ok(vec![Origin::Secret(entry)]),
        Place::ConfigMap(entry) => return Ok(vec![Origin::ConfigMap(entry)]),
        Place::Projected(projected) => {
            return Ok(projected.candidates.into_iter().rev().collect());
        }
        Place::Image => "comes with coturn's image".to_owned(),
        Place::Volume(volume) => {
            format!("lies in volume {volume}, which is no Secret and no ConfigMap")
        }
        Place::LeftOut { volume, paths } => {
            format!("is not in volume {volume}, which has {}", paths.join(", "))
        }
    };
    Err(format!(
        "CA-file={} {lies}: the operator does not see what it holds; mount a Secret or ConfigMap with the partner's CA \
         and have CA-file name its file",
        told(setting)
    ))
}

/// A value that is not known may be the one that decides.
fn whitelist(configuration: &Configuration) -> Result<Whitelist, String> {
    let is_unresolved = |setting: &&Setting| matches!(setting.value, Value::Unresolved(_));
    match configuration.all(WHITELIST).find(is_unresolved) {
        Some(setting) => Err(format!(
            "{WHITELIST}={} is filled in when coturn starts, so it is not known whom it lets federate; write the value \
             out",
            told(setting)
        )),
        None => Ok(configuration.whitelist()),
    }
}

#[cfg(test)]
mod tests;
