//! How worlds are prepared, and what is done to them.

use api::{CoturnCertificate, names};
use e2e::{fixtures, wait};
use futures::{FutureExt as _, future::LocalBoxFuture};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    ByteString,
    api::{apps::v1::StatefulSet, core::v1::Secret},
};
use kube::{
    ResourceExt as _,
    api::{DeleteParams, PostParams},
};
use pki::testing::TestCa;
use serde_json::{Value, json};

use crate::scene::{SECOND, Scene};

type Done<'a> = LocalBoxFuture<'a, ()>;

/// A pod that waits for its Secret.
pub fn a_workload(scene: &Scene) -> Done<'_> {
    async { create(scene, &fixtures::light(1)).await }.boxed_local()
}

/// One pod with a certificate.
pub fn one_pod(scene: &Scene) -> Done<'_> {
    async { ready(scene, &fixtures::light(1)).await }.boxed_local()
}

/// One pod with a certificate, whose start is too long ago to be taken for one after a change.
pub fn a_settled_pod(scene: &Scene) -> Done<'_> {
    async {
        ready(scene, &fixtures::light(1)).await;
        scene.world.until_settled().await;
    }
    .boxed_local()
}

/// Two pods with a certificate.
pub fn two_pods(scene: &Scene) -> Done<'_> {
    async { ready(scene, &fixtures::light(2)).await }.boxed_local()
}

/// A certificate, and a workload without a pod.
pub fn no_pods(scene: &Scene) -> Done<'_> {
    async { ready(scene, &fixtures::light(0)).await }.boxed_local()
}

/// One pod that mounts two certificates.
pub fn two_certificates(scene: &Scene) -> Done<'_> {
    async {
        let mut workload = fixtures::light(1);
        fixtures::mount(&mut workload, SECOND);
        create(scene, &workload).await;
        create_second(scene).await;
        scene.world.create_certificate(&json!({})).await;
        scene.world.until_ready().await;
        wait::until("the second certificate is ready", async || {
            is_ready(scene, SECOND).await.then_some(())
        })
        .await;
    }
    .boxed_local()
}

/// A pod on its second certificate; the Secrets of the first are put aside.
pub fn renewed_once(scene: &Scene) -> Done<'_> {
    async {
        ready(scene, &fixtures::light(1)).await;
        for name in [fixtures::STORE, fixtures::PUBLISHED] {
            scene.keep(name).await;
        }
        let before = scene.world.serial().await.unwrap();
        scene.world.renew("once").await;
        scene.world.until_renewed(&before).await;
    }
    .boxed_local()
}

pub fn create_certificate(scene: &Scene) -> Done<'_> {
    async { scene.world.create_certificate(&json!({})).await }.boxed_local()
}

pub fn ask_for_a_renewal(scene: &Scene) -> Done<'_> {
    async { scene.world.renew("please").await }.boxed_local()
}

pub fn ask_for_both_renewals(scene: &Scene) -> Done<'_> {
    async {
        let renew = json!({"metadata": {"annotations": {names::RENEW: "together"}}});
        for name in [fixtures::COTURN, SECOND] {
            let patch = renew.clone();
            scene.world.patch::<CoturnCertificate>(name, patch).await;
        }
    }
    .boxed_local()
}

pub fn change_the_names(scene: &Scene) -> Done<'_> {
    let names = json!(["coturn.example.com", "turn.example.com"]);
    change(scene, &json!({"dnsNames": names}))
}

pub fn change_the_template(scene: &Scene) -> Done<'_> {
    change(
        scene,
        &json!({"secretTemplate": {"labels": {"team": "calls"}}}),
    )
}

/// The certificate in service becomes one that has expired, in every record of it.
pub fn let_it_expire(scene: &Scene) -> Done<'_> {
    async {
        let pair = expired_pair(&scene.world.ca);
        let fingerprint = pair.leaf.fingerprint.to_string();
        let mut store = scene.world.secret(fixtures::STORE).await.unwrap();
        let mut published = scene.world.secret(fixtures::PUBLISHED).await.unwrap();
        let mark = published
            .annotations_mut()
            .get_mut(names::WRITTEN_FINGERPRINT);
        let before = std::mem::replace(mark.unwrap(), fingerprint.clone());
        put(&mut published, names::TLS_CRT, &pair.certificate);
        put(&mut published, names::TLS_KEY, &pair.key);
        put(&mut store, "current.crt", &pair.certificate);
        put(&mut store, "current.key", &pair.key);
        let state = &store.data.as_ref().unwrap()["state.json"].0;
        let state = String::from_utf8(state.clone()).unwrap();
        put(
            &mut store,
            "state.json",
            &state.replace(&before, &fingerprint),
        );
        scene.replace(&store).await;
        scene.replace(&published).await;
    }
    .boxed_local()
}

pub fn lose_the_store(scene: &Scene) -> Done<'_> {
    async { scene.world.delete_secret(fixtures::STORE).await }.boxed_local()
}

pub fn corrupt_the_store(scene: &Scene) -> Done<'_> {
    overwrite(scene, fixtures::STORE, &[("current.key", "nonsense")])
}

pub fn lose_the_published_secret(scene: &Scene) -> Done<'_> {
    async { scene.world.delete_secret(fixtures::PUBLISHED).await }.boxed_local()
}

pub fn lose_both(scene: &Scene) -> Done<'_> {
    async {
        scene.world.delete_secret(fixtures::STORE).await;
        scene.world.delete_secret(fixtures::PUBLISHED).await;
    }
    .boxed_local()
}

pub fn put_the_store_back(scene: &Scene) -> Done<'_> {
    async { scene.put_back(fixtures::STORE).await }.boxed_local()
}

pub fn put_both_back(scene: &Scene) -> Done<'_> {
    async {
        scene.put_back(fixtures::STORE).await;
        scene.put_back(fixtures::PUBLISHED).await;
    }
    .boxed_local()
}

pub fn put_a_foreign_pair_there(scene: &Scene) -> Done<'_> {
    async {
        let other = TestCa::example();
        let (certificate, key) = (other.certificate(), other.key());
        let values = [(names::TLS_CRT, &*certificate), (names::TLS_KEY, &*key)];
        overwrite(scene, fixtures::PUBLISHED, &values).await;
    }
    .boxed_local()
}

/// The Secret is deleted, and somebody makes another in its place.
pub fn put_a_strangers_secret_there(scene: &Scene) -> Done<'_> {
    async {
        scene.world.delete_secret(fixtures::PUBLISHED).await;
        let other = TestCa::example();
        let (certificate, key) = (other.certificate(), other.key());
        let secret = fixtures::tls_secret(fixtures::PUBLISHED, &certificate, &key);
        scene.world.create_secret(&secret).await;
        scene.keep(fixtures::PUBLISHED).await;
    }
    .boxed_local()
}

pub fn put_other_roots_there(scene: &Scene) -> Done<'_> {
    async {
        let root = TestCa::example().root();
        overwrite(scene, fixtures::PUBLISHED, &[(names::CA_CRT, &root)]).await;
    }
    .boxed_local()
}

pub fn strip_the_metadata(scene: &Scene) -> Done<'_> {
    let nothing = json!({"metadata": {"annotations": null, "labels": null}});
    let world = &scene.world;
    async move { world.patch::<Secret>(fixtures::PUBLISHED, nothing).await }.boxed_local()
}

pub fn create_it_anew(scene: &Scene) -> Done<'_> {
    async {
        let api = scene.world.api::<CoturnCertificate>();
        let params = DeleteParams::default();
        api.delete(fixtures::COTURN, &params).await.unwrap();
        scene.world.create_certificate(&json!({})).await;
    }
    .boxed_local()
}

/// Makes a workload, and waits for its pods.
pub async fn create(scene: &Scene, workload: &StatefulSet) {
    scene.world.create_workload(workload).await;
    let replicas = workload.spec.as_ref().unwrap().replicas.unwrap();
    wait::until("the workload's pods", async || {
        let pods = i32::try_from(scene.world.pods().await.len());
        (pods == Ok(replicas)).then_some(())
    })
    .await;
}

async fn ready(scene: &Scene, workload: &StatefulSet) {
    create(scene, workload).await;
    scene.world.create_certificate(&json!({})).await;
    scene.world.until_ready().await;
}

async fn create_second(scene: &Scene) {
    let mut second = fixtures::certificate(&json!({"secretName": SECOND}));
    second.metadata.name = Some(SECOND.to_owned());
    let api = scene.world.api::<CoturnCertificate>();
    api.create(&PostParams::default(), &second).await.unwrap();
}

async fn is_ready(scene: &Scene, name: &str) -> bool {
    let resource: CoturnCertificate = scene.world.api().get(name).await.unwrap();
    let conditions = resource.status.map(|status| status.conditions);
    let conditions = conditions.unwrap_or_default();
    let holds = |kind: &str| {
        let mut conditions = conditions.iter();
        conditions.any(|condition| condition.type_ == kind && condition.status == "True")
    };
    holds("Ready") && holds("RolledOut")
}

fn change<'a>(scene: &'a Scene, spec: &Value) -> Done<'a> {
    let (world, patch) = (&scene.world, json!({"spec": spec}));
    async move {
        world
            .patch::<CoturnCertificate>(fixtures::COTURN, patch)
            .await;
    }
    .boxed_local()
}

fn overwrite<'a>(scene: &'a Scene, name: &'static str, values: &[(&str, &str)]) -> Done<'a> {
    let values = values.iter().map(|(key, value)| {
        let value = serde_json::to_value(fixtures::text(value)).unwrap();
        ((*key).to_owned(), value)
    });
    let data = json!({"data": values.collect::<serde_json::Map<_, _>>()});
    async move { scene.world.patch::<Secret>(name, data).await }.boxed_local()
}

fn put(secret: &mut Secret, key: &str, value: &str) {
    let value = ByteString(value.as_bytes().to_vec());
    secret.data.as_mut().unwrap().insert(key.to_owned(), value);
}

/// A certificate of 365 days that was issued 400 days ago.
fn expired_pair(ca: &TestCa) -> pki::IssuedPair {
    let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
    let then = now - SignedDuration::from_hours(400 * 24);
    let authority = pki::Authority::load(&ca.secret().as_secret(), then).unwrap();
    let request = pki::testing::request(&["coturn.example.com"]);
    pki::issue(&authority, &request, then).unwrap()
}
