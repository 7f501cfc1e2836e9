//! A real coturn to be audited, and what is planted around it.

use std::collections::BTreeMap;

use e2e::{World, fixtures, run, wait};
use k8s_openapi::api::{
    apps::v1::StatefulSet,
    core::v1::{ConfigMap, ConfigMapVolumeSource, Pod, PodSpec, Secret, Volume, VolumeMount},
};
use kube::{api::ListParams, core::ObjectMeta};

use super::{
    certificate::Made,
    plugin::{Told, audited},
};

/// The finding of a listener that is not there.
pub const SILENT: &str = "CT-LSN-001";
/// Where the configuration is mounted.
const CONFIG: &str = "/config";
/// A coturn with a configuration file and a certificate, without an operator.
pub struct Server {
    pub world: World,
}

impl Server {
    pub async fn start(
        name: &str,
        text: &str,
        certificate: Made,
        change: impl FnOnce(&mut StatefulSet),
    ) -> Self {
        let world = World::empty(name).await;
        world.create_secret(&secret(&world, certificate)).await;
        world.create_workload(&config_map(text)).await;
        let mut workload = fixtures::coturn(1);
        configure(&mut workload);
        change(&mut workload);
        world.create_workload(&workload).await;
        let server = Self { world };
        server.until_ready().await;
        server
    }

    async fn until_ready(&self) {
        wait::until("a coturn that is Ready", async || {
            let workload = self.world.api::<StatefulSet>().get(fixtures::COTURN).await;
            let status = workload.ok()?.status?;
            (status.ready_replicas == Some(1)).then_some(())
        })
        .await;
    }

    /// Audits it until both of its listeners answer: a pod is Ready before they do, at times.
    pub async fn audited(&self, options: &[&str]) -> Told {
        wait::until("an audit that heard both listeners", async || {
            let told = audited(&self.world.namespace, options).await;
            let is_heard = |listener| told.accepted(listener).is_some();
            (is_heard("TLS") && is_heard("DTLS")).then_some(told)
        })
        .await
    }

    /// Audits it until both ports are open, whatever is accepted there.
    pub async fn audited_once_open(&self) -> Told {
        wait::until("an audit that found open ports", async || {
            let told = audited(&self.world.namespace, &[]).await;
            (!told.ids().contains(SILENT)).then_some(told)
        })
        .await
    }

    /// Audits it twice, once it has said that it goes on without its TLS and DTLS listeners: in a coturn that
    /// is just starting they are not there either.
    pub async fn audited_without_listeners(&self) -> [Told; 2] {
        wait::until("a coturn that does without", async || {
            let log = run(self.world.kubectl().args(["logs", "coturn-0"]));
            log.contains("cannot start TLS and DTLS listeners")
                .then_some(())
        })
        .await;
        let namespace = &self.world.namespace;
        [audited(namespace, &[]).await, audited(namespace, &[]).await]
    }

    pub async fn tls_address(&self) -> String {
        let pods = self.world.api::<Pod>().list(&ListParams::default()).await;
        let pod = pods.unwrap().items.remove(0);
        format!(
            "{}:{}",
            pod.status.unwrap().pod_ip.unwrap(),
            fixtures::DTLS_PORT
        )
    }
}

fn secret(world: &World, certificate: Made) -> Secret {
    let pair = certificate(&world.ca);
    let mut secret = fixtures::tls_secret(fixtures::PUBLISHED, &pair.chain, &pair.key);
    let data = secret.data.as_mut().unwrap();
    data.insert("ca.crt".to_owned(), fixtures::text(&world.ca.root()));
    secret
}

fn config_map(text: &str) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(fixtures::COTURN.to_owned()),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([(
            "turnserver.conf".to_owned(),
            text.to_owned(),
        )])),
        ..ConfigMap::default()
    }
}

/// Has the samples' coturn read its configuration from a file.
fn configure(workload: &mut StatefulSet) {
    let pod = pod_of(workload);
    let kept = ["--log-file", "--pidfile", "--userdb"];
    let container = &mut pod.containers[0];
    let arguments = container.args.get_or_insert_default();
    arguments.retain(|argument| kept.iter().any(|kept| argument.starts_with(kept)));
    arguments.extend(["-c".to_owned(), format!("{CONFIG}/turnserver.conf")]);
    container
        .volume_mounts
        .get_or_insert_default()
        .push(VolumeMount {
            name: "config".to_owned(),
            mount_path: CONFIG.to_owned(),
            ..VolumeMount::default()
        });
    pod.volumes.get_or_insert_default().push(Volume {
        name: "config".to_owned(),
        config_map: Some(ConfigMapVolumeSource {
            name: fixtures::COTURN.to_owned(),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    });
}

fn pod_of(workload: &mut StatefulSet) -> &mut PodSpec {
    let template = &mut workload.spec.as_mut().unwrap().template;
    template.spec.as_mut().unwrap()
}

/// Leaves it as it is.
pub fn unchanged(_: &mut StatefulSet) {}

/// Gives the files of Secrets to coturn's group, and to nobody else.
pub fn lock_files(workload: &mut StatefulSet) {
    give_files(workload, 0o440);
}

/// Gives them to root alone, which coturn is not.
pub fn lock_out(workload: &mut StatefulSet) {
    give_files(workload, 0o400);
    let context = pod_of(workload).security_context.as_mut().unwrap();
    context.fs_group = None;
}

fn give_files(workload: &mut StatefulSet, mode: i32) {
    for volume in pod_of(workload).volumes.iter_mut().flatten() {
        if let Some(secret) = &mut volume.secret {
            secret.default_mode = Some(mode);
        }
    }
}

/// Mounts the certificate and its key each by itself.
pub fn freeze(workload: &mut StatefulSet) {
    let container = &mut pod_of(workload).containers[0];
    let mounts = container.volume_mounts.as_mut().unwrap();
    mounts.retain(|mount| mount.name != fixtures::PUBLISHED);
    mounts.extend(["tls.crt", "tls.key"].map(|file| VolumeMount {
        name: fixtures::PUBLISHED.to_owned(),
        mount_path: format!("{}/{file}", fixtures::MOUNTED),
        sub_path: Some(file.to_owned()),
        ..VolumeMount::default()
    }));
}
