//! What of a workload matters to the agent.

use api::names::AGENT;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{PostRenderArgs, RenderError, WorkloadName};

/// The workload that was looked for.
pub(super) struct Workload {
    /// The whole of it.
    pub(super) value: Value,
    pod: Pod,
}

/// What a document turned out to be.
pub(super) enum Reading {
    It(Workload),
    Another,
}

/// Where the agent goes, and as whom.
pub(super) struct Place {
    pub(super) volume: String,
    pub(super) path: String,
    pub(super) uid: u32,
}

/// A container of the agent's name is there already, and is another one.
pub(super) struct Taken;

#[derive(Deserialize)]
struct Head {
    kind: Option<String>,
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Metadata {
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pod {
    containers: Vec<Container>,
    volumes: Option<Vec<Volume>>,
    security_context: Option<SecurityContext>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Container {
    name: String,
    volume_mounts: Option<Vec<Mount>>,
    security_context: Option<SecurityContext>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SecurityContext {
    run_as_user: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mount {
    name: String,
    #[serde(rename = "mountPath")]
    path: String,
    sub_path: Option<String>,
    sub_path_expr: Option<String>,
}

#[derive(Deserialize)]
struct Volume {
    name: String,
    secret: Option<SecretVolume>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SecretVolume {
    secret_name: Option<String>,
}

impl Workload {
    /// Reads a document; why it cannot be read, if so.
    pub(super) fn read(text: &str, name: &WorkloadName) -> Result<Reading, String> {
        let head: Head = serde_saphyr::from_str(text).map_err(|error| first_line(&error))?;
        let named = head.metadata.and_then(|metadata| metadata.name);
        if head.kind.as_deref() != Some(name.kind.as_str()) || named.as_ref() != Some(&name.name) {
            return Ok(Reading::Another);
        }
        let value: Value = serde_saphyr::from_str(text).map_err(|error| first_line(&error))?;
        let pod = value.pointer("/spec/template/spec").cloned();
        let pod = pod.ok_or("it has no spec.template.spec")?;
        let pod = serde_json::from_value(pod).map_err(|error| error.to_string())?;
        Ok(Reading::It(Self { value, pod }))
    }

    /// Where the agent goes.
    pub(super) fn place(&self, args: &PostRenderArgs) -> Result<Place, RenderError> {
        let container = self.container(args)?;
        let mount = self.mount(args, container)?;
        Ok(Place {
            volume: mount.name.clone(),
            path: mount.path.clone(),
            uid: self.uid(args, container)?,
        })
    }

    fn container(&self, args: &PostRenderArgs) -> Result<&Container, RenderError> {
        let mut containers = self.pod.containers.iter();
        containers
            .find(|container| container.name == args.container)
            .ok_or_else(|| {
                let names = self.pod.containers.iter().map(|it| it.name.as_str());
                RenderError::NoContainer {
                    workload: args.workload.clone(),
                    container: args.container.clone(),
                    there: names.collect::<Vec<_>>().join(", "),
                }
            })
    }

    fn mount<'a>(
        &self,
        args: &PostRenderArgs,
        container: &'a Container,
    ) -> Result<&'a Mount, RenderError> {
        let not_mounted = |why| RenderError::NotMounted {
            workload: args.workload.clone(),
            container: args.container.clone(),
            secret: args.secret.clone(),
            why,
        };
        let volumes: Vec<_> = self.pod.volumes.iter().flatten().collect();
        let of_secret = |volume: &&&Volume| {
            let secret = volume.secret.as_ref();
            secret.and_then(|it| it.secret_name.as_ref()) == Some(&args.secret)
        };
        let volume = volumes
            .iter()
            .find(of_secret)
            .ok_or_else(|| not_mounted("the pod has no volume of this Secret"))?;
        let mut mounts = container.volume_mounts.iter().flatten();
        let mounts: Vec<_> = mounts
            .by_ref()
            .filter(|it| it.name == volume.name)
            .collect();
        let whole = |mount: &&&Mount| mount.sub_path.is_none() && mount.sub_path_expr.is_none();
        match (mounts.iter().find(whole), mounts.is_empty()) {
            (Some(mount), _) => Ok(mount),
            (None, true) => Err(not_mounted("the container does not mount its volume")),
            (None, false) => Err(not_mounted(
                "a file that is mounted by subPath never changes while the pod lives",
            )),
        }
    }

    fn uid(&self, args: &PostRenderArgs, container: &Container) -> Result<u32, RenderError> {
        let uid = |context: &Option<SecurityContext>| context.as_ref()?.run_as_user;
        let spec = uid(&container.security_context).or_else(|| uid(&self.pod.security_context));
        match (spec, args.uid) {
            (Some(spec), Some(asked)) if spec != i64::from(asked) => Err(RenderError::OtherUid {
                workload: args.workload.clone(),
                spec,
                asked,
            }),
            (_, Some(asked)) => Ok(asked),
            (Some(spec), None) => u32::try_from(spec).map_err(|_| RenderError::Unreadable {
                workload: args.workload.clone(),
                why: format!("runAsUser {spec} is no uid"),
            }),
            (None, None) => Err(RenderError::NoUid(args.workload.clone())),
        }
    }

    /// What the workload is to become.
    pub(super) fn with(&self, container: &Value) -> Result<Value, Taken> {
        let mut value = self.value.clone();
        let pod = &mut value["spec"]["template"]["spec"];
        let all = [&pod["initContainers"], &pod["containers"]];
        let there: Vec<_> = all
            .into_iter()
            .flat_map(|list| list.as_array().into_iter().flatten())
            .filter(|it| it["name"] == AGENT)
            .cloned()
            .collect();
        match there.as_slice() {
            [] => match pod["initContainers"].as_array_mut() {
                Some(list) => list.insert(0, container.clone()),
                None => pod["initContainers"] = json!([container]),
            },
            [one] if one == container => {}
            _ => return Err(Taken),
        }
        pod["shareProcessNamespace"] = json!(true);
        Ok(value)
    }
}

/// A parser's error without the lines that it shows: they may be a Secret's.
fn first_line(error: &serde_saphyr::Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().to_owned()
}
