//! Kubernetes' objects in the terms of plan. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
};

use api::names;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::core::v1::{
        Container, ContainerStatus, Pod as KubePod, PodCondition, PodSpec, PodTemplateSpec, Volume,
    },
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
};
use kube::ResourceExt as _;
use plan::rollout::{Live, Pod, Reloader, Replacement, SingleRestarts, Touches};

use crate::secret::version;

/// What all kinds of workloads have in common: a workload of no kind, without pods.
pub fn common(
    metadata: &ObjectMeta,
    template: &PodTemplateSpec,
    observed_generation: Option<i64>,
) -> Live {
    Live {
        version: version(metadata),
        replicas: 0,
        partition: 0,
        replacement: Replacement::Automatic,
        ordered: false,
        min_ready: SignedDuration::ZERO,
        host_ports: takes_host_ports(template.spec.as_ref()),
        observed: observed_generation >= metadata.generation,
        update_revision: None,
        changed: changed(metadata),
        template: fingerprints(template.metadata.as_ref()),
        mounts: mounted_secrets(template.spec.as_ref()),
        pods: Vec::new(),
        refused: None,
        refused_since: None,
        contest: None,
        first_ordinal: 0,
        grace_period: grace_period(template.spec.as_ref()),
        single_restarts: SingleRestarts::default(),
        touches: Touches::default(),
        rolled_by: None,
        reloader: reloader(template.spec.as_ref()),
    }
}

/// The API server fills the field in; what it would fill in stands for it.
fn grace_period(spec: Option<&PodSpec>) -> SignedDuration {
    let seconds = spec.and_then(|spec| spec.termination_grace_period_seconds);
    SignedDuration::from_secs(seconds.unwrap_or(30))
}

/// Whether a container that has coturn reload, by its name, sees coturn's processes.
fn reloader(spec: Option<&PodSpec>) -> Reloader {
    let Some(spec) = spec else {
        return Reloader::NotKnown;
    };
    let is_reloader =
        |name: &&String| [names::AGENT, names::WIRE_RELOADER].contains(&name.as_str());
    let mut reloaders = containers(spec)
        .map(|container| &container.name)
        .filter(is_reloader);
    let sees = [spec.share_process_namespace, spec.host_pid].contains(&Some(true));
    match reloaders.next() {
        None => Reloader::NotKnown,
        Some(_) if sees => Reloader::Sees,
        Some(container) => Reloader::Blind {
            container: container.clone(),
        },
    }
}

fn containers(spec: &PodSpec) -> impl Iterator<Item = &Container> {
    let before = spec.init_containers.iter().flatten();
    before.chain(&spec.containers)
}

/// What follows from the type of an update strategy.
pub fn replacement(update_strategy: Option<&str>) -> Replacement {
    match update_strategy {
        Some("OnDelete") => Replacement::OnDelete,
        Some(_) | None => Replacement::Automatic,
    }
}

/// A duration that Kubernetes keeps in seconds.
pub fn seconds(seconds: Option<i32>) -> SignedDuration {
    SignedDuration::from_secs(seconds.unwrap_or(0).into())
}

/// In the network of their host, too, the API server notes each port as one of the host's.
fn takes_host_ports(spec: Option<&PodSpec>) -> bool {
    let containers = spec.into_iter().flat_map(|spec| &spec.containers);
    containers
        .flat_map(|container| container.ports.iter().flatten())
        .any(|port| port.host_port.is_some_and(|port| port != 0))
}

/// When anything but the status was written last. The replicas have a subresource of their own,
/// `scale`, which `kubectl scale` and autoscalers write: that is a change of the specification.
fn changed(metadata: &ObjectMeta) -> Timestamp {
    metadata
        .managed_fields
        .iter()
        .flatten()
        .filter(|entry| entry.subresource.as_deref() != Some("status"))
        .filter_map(|entry| entry.time.as_ref().map(at))
        .chain(metadata.creation_timestamp.as_ref().map(at))
        .max()
        .unwrap_or(Timestamp::UNIX_EPOCH)
}

fn at(time: &Time) -> Timestamp {
    time.0
}

/// Whether every pod that shall be there is there and Ready: then nothing changes without a change
/// of the workload, whose status counts the Ready ones. A pod that is not Ready may restart its
/// containers unseen.
pub fn settled(replicas: i32, pods: &[KubePod]) -> bool {
    i32::try_from(pods.len()) == Ok(replicas)
        && pods
            .iter()
            .all(|pod| pod.metadata.deletion_timestamp.is_none() && is_ready(pod))
}

fn is_ready(pod: &KubePod) -> bool {
    readiness(pod).is_some_and(|ready| ready.status == "True")
}

fn readiness(pod: &KubePod) -> Option<&PodCondition> {
    condition(pod, "Ready")
}

fn condition<'a>(pod: &'a KubePod, kind: &str) -> Option<&'a PodCondition> {
    let mut conditions = pod.status.as_ref()?.conditions.iter().flatten();
    conditions.find(|condition| condition.type_ == kind)
}

fn is_unschedulable(pod: &KubePod) -> bool {
    condition(pod, "PodScheduled").is_some_and(|scheduled| {
        scheduled.status == "False" && scheduled.reason.as_deref() == Some("Unschedulable")
    })
}

/// A pod, whose label of this key names its revision.
pub fn pod(pod: &KubePod, revision_label: &str) -> Pod {
    let created = pod
        .metadata
        .creation_timestamp
        .as_ref()
        .map_or(Timestamp::UNIX_EPOCH, at);
    Pod {
        name: pod.name_any(),
        version: version(&pod.metadata),
        revision: pod.labels().get(revision_label).cloned(),
        created,
        started: started(pod),
        optional: optional(pod.spec.as_ref()),
        terminating: pod.metadata.deletion_timestamp.as_ref().map(at),
        ready_since: ready_since(pod),
        fingerprints: fingerprints(Some(&pod.metadata)),
        unschedulable: is_unschedulable(pod),
        ip: ip(pod),
        incarnation: incarnation(pod),
        restarts: restarts(pod),
        backs_off: backs_off(pod),
        relay: relay(pod),
        touched: pod.annotations().get(names::TOUCHED).cloned(),
    }
}

fn ip(pod: &KubePod) -> Option<IpAddr> {
    pod.status.as_ref()?.pod_ip.as_ref()?.parse().ok()
}

/// Where the agent in it relays to partners, if there is one that does.
fn relay(pod: &KubePod) -> Option<SocketAddr> {
    let spec = pod.spec.as_ref()?;
    let mut agents = containers(spec).filter(|container| container.name == names::AGENT);
    let mut ports = agents.next()?.ports.iter().flatten();
    let port = ports.find(|port| port.name.as_deref() == Some(names::RELAY_PORT))?;
    let port = u16::try_from(port.container_port).ok()?;
    Some(SocketAddr::new(ip(pod)?, port))
}

fn statuses(pod: &KubePod) -> impl Iterator<Item = &ContainerStatus> {
    let status = pod.status.as_ref();
    status
        .and_then(|status| status.container_statuses.as_ref())
        .into_iter()
        .flatten()
}

/// Names its processes: a container that has started again has another id.
fn incarnation(pod: &KubePod) -> String {
    let uid = pod.uid().unwrap_or_default();
    let ids = statuses(pod).map(|status| status.container_id.as_deref().unwrap_or_default());
    [uid.as_str()]
        .into_iter()
        .chain(ids)
        .collect::<Vec<_>>()
        .join("/")
}

/// How often those of its containers ended that mount a Secret.
fn restarts(pod: &KubePod) -> u32 {
    let counts = mounting(pod)
        .into_iter()
        .map(|status| u32::try_from(status.restart_count).unwrap_or_default());
    counts.max().unwrap_or_default()
}

/// When the last run began of such a container that the kubelet starts ever more rarely.
fn backs_off(pod: &KubePod) -> Option<Timestamp> {
    let runs = mounting(pod).into_iter().filter_map(|status| {
        let waiting = status.state.as_ref()?.waiting.as_ref()?;
        let last = status.last_state.as_ref()?.terminated.as_ref()?;
        let backs_off = waiting.reason.as_deref() == Some("CrashLoopBackOff");
        last.started_at.as_ref().map(at).filter(|_| backs_off)
    });
    runs.max()
}

/// Those of its containers that mount a Secret.
fn mounting(pod: &KubePod) -> Vec<&ContainerStatus> {
    let Some(spec) = &pod.spec else {
        return Vec::new();
    };
    let secrets = mounted_secrets(Some(spec));
    let mounting: BTreeSet<_> = secrets
        .iter()
        .flat_map(|secret| users(spec, &spec.containers, secret))
        .collect();
    statuses(pod)
        .filter(|status| mounting.contains(&status.name))
        .collect()
}

fn fingerprints(metadata: Option<&ObjectMeta>) -> BTreeMap<String, String> {
    metadata
        .and_then(|metadata| metadata.annotations.as_ref())
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| {
            let secret = key.strip_prefix(names::FINGERPRINT_PREFIX)?;
            Some((secret.to_owned(), value.clone()))
        })
        .collect()
}

/// Since when it is Ready. One whose readiness was lost while its containers went on running was
/// rolled out all the same: its probe says nothing about the certificate.
fn ready_since(pod: &KubePod) -> Option<Timestamp> {
    let ready = readiness(pod)?;
    let changed = ready.last_transition_time.as_ref().map(at)?;
    if ready.status == "True" {
        return Some(changed);
    }
    running_all_since(pod).filter(|started| changed > *started)
}

/// When the last of its containers started, if all run.
fn running_all_since(pod: &KubePod) -> Option<Timestamp> {
    let containers = &pod.spec.as_ref()?.containers;
    let starts: Option<Vec<_>> = containers
        .iter()
        .map(|container| running_since(pod, &container.name))
        .collect();
    starts?.into_iter().max()
}

/// Secrets that some container mounts: a volume that none does is read by nobody.
fn mounted_secrets(spec: Option<&PodSpec>) -> BTreeSet<String> {
    let Some(spec) = spec else {
        return BTreeSet::new();
    };
    let mut secrets: BTreeSet<_> = volumes(spec).map(|(_, secret)| secret.name).collect();
    let init_containers = spec.init_containers.as_deref().unwrap_or(&[]);
    secrets.retain(|secret| {
        [spec.containers.as_slice(), init_containers]
            .iter()
            .any(|containers| !users(spec, containers, secret).is_empty())
    });
    secrets
}

/// Mounted Secrets without which the pod starts all the same.
fn optional(spec: Option<&PodSpec>) -> BTreeSet<String> {
    let mut secrets = mounted_secrets(spec);
    let needed = spec.into_iter().flat_map(volumes);
    for (_, secret) in needed.filter(|(_, secret)| secret.presence == Presence::Needed) {
        secrets.remove(&secret.name);
    }
    secrets
}

/// A Secret that a volume shows.
struct Shown {
    name: String,
    presence: Presence,
}

/// Whether a pod starts without a Secret.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
    Needed,
    Optional,
}

impl Presence {
    fn of(optional: Option<bool>) -> Self {
        match optional {
            Some(true) => Self::Optional,
            Some(false) | None => Self::Needed,
        }
    }
}

/// Each Secret that a volume shows, with the volume's name.
fn volumes(spec: &PodSpec) -> impl Iterator<Item = (&str, Shown)> {
    let volumes = spec.volumes.iter().flatten();
    volumes.flat_map(|volume| {
        secrets_of(volume)
            .into_iter()
            .map(|secret| (volume.name.as_str(), secret))
    })
}

fn secrets_of(volume: &Volume) -> Vec<Shown> {
    let direct = volume.secret.as_ref().and_then(|secret| {
        Some(Shown {
            name: secret.secret_name.clone()?,
            presence: Presence::of(secret.optional),
        })
    });
    let projected = volume
        .projected
        .iter()
        .flat_map(|projected| projected.sources.iter().flatten())
        .filter_map(|source| source.secret.as_ref())
        .map(|secret| Shown {
            name: secret.name.clone(),
            presence: Presence::of(secret.optional),
        });
    direct.into_iter().chain(projected).collect()
}

/// Per mounted Secret, the start of each container that mounts it; none for one that does not run.
/// Where no container mounts it, an init container copies it: its start counts.
fn started(pod: &KubePod) -> BTreeMap<String, Vec<Option<Timestamp>>> {
    let Some(spec) = &pod.spec else {
        return BTreeMap::new();
    };
    let init_containers = spec.init_containers.as_deref().unwrap_or(&[]);
    mounted_secrets(Some(spec))
        .into_iter()
        .map(|secret| {
            let served = users(spec, &spec.containers, &secret);
            let starts = if served.is_empty() {
                let copied = users(spec, init_containers, &secret);
                copied.iter().map(|name| copied_at(pod, name)).collect()
            } else {
                served.iter().map(|name| running_since(pod, name)).collect()
            };
            (secret, starts)
        })
        .collect()
}

/// Names of those of the containers that mount a Secret.
fn users(spec: &PodSpec, containers: &[Container], secret: &str) -> Vec<String> {
    let volumes: BTreeSet<_> = volumes(spec)
        .filter(|(_, shown)| shown.name == secret)
        .map(|(volume, _)| volume)
        .collect();
    let mounts = |container: &Container| {
        container
            .volume_mounts
            .iter()
            .flatten()
            .any(|mount| volumes.contains(mount.name.as_str()))
    };
    containers
        .iter()
        .filter(|container| mounts(container))
        .map(|container| container.name.clone())
        .collect()
}

/// When an init container started, whether it runs or has ended.
fn copied_at(pod: &KubePod, container: &str) -> Option<Timestamp> {
    let statuses = pod.status.as_ref()?.init_container_statuses.as_ref()?;
    let state = statuses
        .iter()
        .find(|status| status.name == container)?
        .state
        .as_ref()?;
    let running = state.running.as_ref().map(|running| &running.started_at);
    let ended = state.terminated.as_ref().map(|ended| &ended.started_at);
    running.or(ended)?.as_ref().map(at)
}

fn running_since(pod: &KubePod, container: &str) -> Option<Timestamp> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    let status = statuses.iter().find(|status| status.name == container)?;
    let running = status.state.as_ref()?.running.as_ref()?;
    running.started_at.as_ref().map(at)
}

#[cfg(test)]
mod tests;
