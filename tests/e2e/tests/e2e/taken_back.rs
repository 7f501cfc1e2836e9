//! A certificate with which pods break is taken back, and pods that the rollout has not reached are never
//! touched.

use std::collections::BTreeMap;

use api::{CoturnCertificate, names};
use e2e::{World, fixtures, wait};
use jiff::Timestamp;
use k8s_openapi::api::{
    apps::v1::StatefulSet,
    core::v1::{ConfigMap, Pod},
};
use kube::{
    Api, ResourceExt as _,
    api::{ObjectMeta, PostParams},
};
use pki::{
    Authority, IssuedPair, issue,
    testing::{TestCa, request},
};
use serde_json::{Value, json};

/// How pods are brought onto a certificate, and how often what is there shall be dialled.
fn by(strategy: &str) -> Value {
    json!({"rollout": {"strategy": strategy}, "verification": fixtures::dialled()})
}

/// Two coturn servers that serve the published certificate, and were seen to.
async fn verified(name: &str, resource: &Value) -> World {
    verified_on(name, &fixtures::switched(2), resource).await
}

/// The same of a workload.
async fn verified_on(name: &str, workload: &StatefulSet, resource: &Value) -> World {
    let world = World::with_ca(name).await;
    world.install_operator();
    create_switch(&world).await;
    world.create_workload(workload).await;
    world.create_certificate(resource).await;
    world.until_ready().await;
    world.until_condition("Verified", "True", "Verified").await;
    world.until_settled().await;
    world
}

/// coturn servers find the published certificate.
async fn create_switch(world: &World) {
    let switch = ConfigMap {
        metadata: ObjectMeta {
            name: Some(fixtures::SWITCH.to_owned()),
            ..ObjectMeta::default()
        },
        data: Some(fixtures::switch(fixtures::MOUNTED, "")),
        ..ConfigMap::default()
    };
    let switches: Api<ConfigMap> = world.api();
    switches
        .create(&PostParams::default(), &switch)
        .await
        .unwrap();
}

/// From now on, coturn servers that start find their certificate there.
async fn switch(world: &World, to: BTreeMap<String, String>) {
    world
        .patch::<ConfigMap>(fixtures::SWITCH, json!({"data": to}))
        .await;
}

/// A pair that the operator never had.
fn issued(ca: &TestCa) -> IssuedPair {
    let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
    let authority = Authority::load(&ca.secret().as_secret(), now).unwrap();
    issue(&authority, &request(&["coturn.example.com"]), now).unwrap()
}

/// Waits until the certificate of this serial is in service again and published.
async fn until_taken_back(world: &World, serial: &str) {
    world.until_condition("Issued", "False", "RolledBack").await;
    wait::until("the certificate before", async || {
        let published = world.published_leaf().await?;
        (published.serial.to_string() == serial).then_some(())
    })
    .await;
    assert_eq!(world.serial().await.unwrap(), serial);
}

/// Waits until the pod template is as it was.
async fn until_stamped_as(world: &World, before: Option<&str>) {
    wait::until("the template as it was", async || {
        (world.stamp().await.as_deref() == before).then_some(())
    })
    .await;
}

/// Waits until a pod has another uid than this one.
async fn until_another(world: &World, pod: &str, uid: &str) {
    wait::until("another pod of that name", async || {
        let found = world.api::<Pod>().get_opt(pod).await.unwrap()?;
        (found.uid().as_deref() != Some(uid)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_that_cannot_load_its_files_takes_the_certificate_back_and_the_other_pod_is_untouched()
 {
    let world = verified("canary", &by("PodByPod")).await;
    let serial = world.serial().await.unwrap();
    let workload = world.workload().await.metadata.generation;
    let uid = |pod| world.pod_uid(pod);
    let (untouched, canary) = (uid("coturn-0").await, uid("coturn-1").await.unwrap());

    switch(&world, fixtures::switch("/nowhere", "")).await;
    world.renew("breaks").await;
    until_another(&world, "coturn-1", &canary).await;
    until_taken_back(&world, &serial).await;

    // What cannot load its files cannot load the certificate before either.
    let told = world
        .until_condition("RolledOut", "False", "RolloutFailed")
        .await;
    assert!(told.message.contains("coturn-1"), "{}", told.message);
    assert_eq!(uid("coturn-0").await, untouched);
    assert_eq!(world.workload().await.metadata.generation, workload);

    switch(&world, fixtures::switch(fixtures::MOUNTED, "")).await;
    world.delete_pod("coturn-1").await;
    world.until_ready().await;
    world.until_condition("Verified", "True", "Verified").await;
    assert_eq!(uid("coturn-0").await, untouched);
    assert_eq!(world.serial().await.unwrap(), serial);
    world.assert_served().await;

    // Who asks for another need not wait for the next try.
    world.renew("works").await;
    world.until_renewed(&serial).await;
    world.until_condition("Verified", "True", "Verified").await;
    world.assert_served().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_into_a_coturn_that_does_not_come_up_is_taken_back_where_it_is() {
    let world = verified("does-not-come-up", &by("RollingRestart")).await;
    let serial = world.serial().await.unwrap();
    let before = world.stamp().await;
    let uid = |pod| world.pod_uid(pod);
    let (untouched, broken) = (uid("coturn-0").await, uid("coturn-1").await.unwrap());

    // turnserver ends at once where it is asked for its version.
    switch(
        &world,
        fixtures::switch(fixtures::MOUNTED, "--version; exit 1"),
    )
    .await;
    world.renew("breaks").await;
    until_another(&world, "coturn-1", &broken).await;
    let crashing = uid("coturn-1").await.unwrap();
    until_taken_back(&world, &serial).await;
    until_stamped_as(&world, before.as_deref()).await;
    switch(&world, fixtures::switch(fixtures::MOUNTED, "")).await;
    until_another(&world, "coturn-1", &crashing).await;
    world.until_ready().await;
    world.until_condition("Verified", "True", "Verified").await;
    assert_eq!(uid("coturn-0").await, untouched);
    assert_eq!(world.serial().await.unwrap(), serial);
    world.assert_served().await;
}

/// With `OrderedReady` Kubernetes waits for the pod that does not come up, although the template is as it was.
#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_kubernetes_does_not_replace_is_evicted_once_what_it_has_was_taken_back() {
    let mut ordered = fixtures::switched(2);
    let policy = Some("OrderedReady".to_owned());
    ordered.spec.as_mut().unwrap().pod_management_policy = policy;
    let world = verified_on("ordered", &ordered, &by("RollingRestart")).await;
    let serial = world.serial().await.unwrap();
    let before = world.stamp().await;
    let uid = |pod| world.pod_uid(pod);
    let (untouched, broken) = (uid("coturn-0").await, uid("coturn-1").await.unwrap());

    let fails = fixtures::switch(fixtures::MOUNTED, "--version; exit 1");
    switch(&world, fails).await;
    let mark = world.mark();
    world.renew("breaks").await;
    until_another(&world, "coturn-1", &broken).await;
    let crashing = uid("coturn-1").await.unwrap();
    until_taken_back(&world, &serial).await;
    until_stamped_as(&world, before.as_deref()).await;
    until_another(&world, "coturn-1", &crashing).await;
    assert_eq!(world.evictions(&mark), ["coturn-1"]);

    switch(&world, fixtures::switch(fixtures::MOUNTED, "")).await;
    world.until_ready().await;
    world.until_condition("Verified", "True", "Verified").await;
    assert_eq!(world.evictions(&mark), ["coturn-1"]);
    assert_eq!(uid("coturn-0").await, untouched);
    assert_eq!(world.serial().await.unwrap(), serial);
    world.assert_served().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_into_a_coturn_without_its_files_is_taken_back_before_the_next_pod_goes()
{
    let mut slow = fixtures::switched(2);
    slow.spec.as_mut().unwrap().min_ready_seconds = Some(30);
    let world = verified_on("no-files", &slow, &by("RollingRestart")).await;
    let serial = world.serial().await.unwrap();
    let before = world.stamp().await;
    let uid = |pod| world.pod_uid(pod);
    let (untouched, broken) = (uid("coturn-0").await, uid("coturn-1").await.unwrap());

    switch(&world, fixtures::switch("/nowhere", "")).await;
    world.renew("breaks").await;
    until_another(&world, "coturn-1", &broken).await;
    until_taken_back(&world, &serial).await;
    until_stamped_as(&world, before.as_deref()).await;
    assert_eq!(uid("coturn-0").await, untouched);

    switch(&world, fixtures::switch(fixtures::MOUNTED, "")).await;
    world.delete_pod("coturn-1").await;
    world.until_ready().await;
    world.until_condition("Verified", "True", "Verified").await;
    assert_eq!(uid("coturn-0").await, untouched);
    assert_eq!(world.serial().await.unwrap(), serial);
    world.assert_served().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_serves_an_old_file_is_replaced_alone_and_once() {
    let world = World::with_ca("old-file").await;
    world.install_operator();
    create_switch(&world).await;
    let old = issued(&TestCa::example());
    let secret = fixtures::tls_secret("old", &old.certificate, &old.key);
    world.create_secret(&secret).await;
    let mut workload = fixtures::switched(2);
    fixtures::mount(&mut workload, "old");
    world.create_workload(&workload).await;
    world.create_certificate(&by("PodByPod")).await;
    world.until_ready().await;
    world.until_condition("Verified", "True", "Verified").await;
    let (untouched, misled) = (
        world.pod_uid("coturn-0").await,
        world.pod_uid("coturn-1").await.unwrap(),
    );

    let mark = world.mark();
    switch(&world, fixtures::switch("/old", "")).await;
    world.delete_pod("coturn-1").await;
    until_another(&world, "coturn-1", &misled).await;
    world.until_running(2).await;
    switch(&world, fixtures::switch(fixtures::MOUNTED, "")).await;
    world
        .until_condition("Verified", "False", "ServesAnother")
        .await;
    world.until_condition("Verified", "True", "Verified").await;
    world.until_ready().await;
    world.assert_served().await;
    assert_eq!(world.evictions(&mark), ["coturn-1"]);
    assert_eq!(world.pod_uid("coturn-0").await, untouched);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_the_certificate_before_has_it_put_back_and_it_stays() {
    let world = World::ready("by-hand", &fixtures::light(2)).await;
    let first = world.published_leaf().await.unwrap();
    let serial = first.serial.to_string();
    world.until_settled().await;
    world.renew("regretted").await;
    world.until_renewed(&serial).await;
    world.until_settled().await;

    let asked =
        json!({"metadata": {"annotations": {names::ROLLBACK_TO: first.fingerprint.to_string()}}});
    world
        .patch::<CoturnCertificate>(fixtures::COTURN, asked)
        .await;
    until_taken_back(&world, &serial).await;
    world.until_ready().await;
    assert_eq!(world.stamp().await, Some(first.fingerprint.to_string()));
    world.until_calm().await;
    assert_eq!(world.serial().await.unwrap(), serial);

    world.renew("another after all").await;
    world.until_renewed(&serial).await;
}
