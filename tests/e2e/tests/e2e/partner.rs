//! Whether a federation partner accepts the certificate: asked, and told in words.

use std::net::{IpAddr, UdpSocket};

use api::Leaf;
use e2e::{World, fixtures, partner::Partner, wait};
use k8s_openapi::{
    api::core::v1::{ConfigMap, Secret},
    apimachinery::pkg::apis::meta::v1::Condition,
};
use kube::api::{ObjectMeta, PostParams};
use pki::testing::{CaBuilder, TestCa};
use serde_json::{Value, json};

/// A namespace with an operator and a resource that names a partner at this port.
async fn asking(name: &str, port: impl FnOnce(&World) -> u16, extra: Value) -> World {
    let world = World::with_ca(name).await;
    world.install_operator();
    world.create_workload(&fixtures::light(1)).await;
    let mut resource = json!({"verification": {
        "partners": [{"host": world.here().await, "port": port(&world)}],
    }});
    resource
        .as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    world.create_certificate(&resource).await;
    world.until_ready().await;
    world
}

/// From now on the partner lets in who is there, and nobody else: the next certificate is not published.
async fn assert_the_next_is_refused(world: &World, partner: &Partner, published: &Leaf) {
    partner.lets_in(Some(vec![published.fingerprint]));
    world.until_settled().await;
    let before = world.workload_state().await;
    world.renew("next").await;
    let told = world
        .until_condition("Issued", "False", "PartnerRefuses")
        .await;
    assert!(
        told.message.contains("refuses the next one"),
        "{}",
        told.message
    );
    world.until_condition("Ready", "True", "Ready").await;
    assert_eq!(world.published_leaf().await.as_ref(), Some(published));
    world.assert_no_restart_since(&before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_that_accepts_is_told_of_and_sees_the_next_certificate_before_it_is_published() {
    let mut partner = None;
    let start = |world: &World| {
        let started = Partner::start(&TestCa::example(), &world.ca);
        let port = started.port;
        partner = Some(started);
        port
    };
    let world = asking("partner", start, json!({})).await;
    let partner = partner.unwrap();
    world
        .until_condition("PartnerAccepted", "True", "Accepted")
        .await;
    let published = world.published_leaf().await.unwrap();
    assert!(partner.seen().contains(&published.fingerprint));

    assert_the_next_is_refused(&world, &partner, &published).await;
    let refused = partner.seen();
    assert!(refused.iter().any(|leaf| *leaf != published.fingerprint));

    partner.lets_in(None);
    let serial = published.serial.to_string();
    world.until_renewed(&serial).await;
    world
        .until_condition("PartnerAccepted", "True", "Accepted")
        .await;
    // What is published was shown to the partner, and nothing that it refused was ever published.
    let next = world.published_leaf().await.unwrap().fingerprint;
    assert!(partner.seen().contains(&next));
    assert!(!refused.contains(&next));

    assert_who_lets_nobody_in_holds_nothing_up(&world, &partner).await;
}

/// It is remembered to accept: it is not asked again before the interval is over.
async fn assert_who_lets_nobody_in_holds_nothing_up(world: &World, partner: &Partner) {
    world.until_settled().await;
    partner.lets_in(Some(Vec::new()));
    let serial = world.serial().await.unwrap();
    world.renew("let in by nobody").await;
    world.until_renewed(&serial).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_that_does_not_trust_the_ca_is_told_of_and_ready_stays() {
    let partner = Partner::start(&TestCa::example(), &TestCa::example());
    let world = asking("unknown-ca", |_| partner.port, json!({})).await;
    let told = world
        .until_condition("PartnerAccepted", "False", "PartnerRefuses")
        .await;
    assert!(
        told.message.contains("does not trust the CA") && told.message.contains("unknown_ca"),
        "{}",
        told.message
    );
    assert!(told.message.contains("dialled from the operator"));
    world.until_condition("Ready", "True", "Ready").await;
    // It refused the first as well: then the next one can make nothing worse.
    let serial = world.serial().await.unwrap();
    world.renew("no worse").await;
    world.until_renewed(&serial).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_for_servers_only_is_refused_for_its_purpose() {
    let mut partner = None;
    let start = |world: &World| {
        let started = Partner::start(&TestCa::example(), &world.ca);
        let port = started.port;
        partner = Some(started);
        port
    };
    let usages = json!({"usages": ["digital signature", "server auth"]});
    let world = asking("wrong-purpose", start, usages).await;
    let told = world
        .until_condition("PartnerAccepted", "False", "PartnerRefuses")
        .await;
    assert!(
        told.message.contains("extendedKeyUsage clientAuth"),
        "{}",
        told.message
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_that_does_not_answer_is_unknown_with_the_reason() {
    // Bound, and read by nobody.
    let silent = UdpSocket::bind("0.0.0.0:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let world = asking("silent-partner", |_| port, json!({})).await;
    let told = world
        .until_condition("PartnerAccepted", "Unknown", "Unreachable")
        .await;
    assert!(
        told.message.contains("nothing answered"),
        "{}",
        told.message
    );
    let told = world.certificate().await.status.unwrap().partners;
    assert_eq!(told[0].result, "Unreachable");

    drop(silent);
}

/// A namespace with a real coturn whose agent relays to a partner that lets nobody in.
async fn relayed(name: &str) -> (World, Partner) {
    let world = World::with_ca(name).await;
    let partner = Partner::start(&TestCa::example(), &world.ca);
    partner.lets_in(Some(Vec::new()));
    world.install_operator();
    let host = world.here().await;
    let address = format!("{host}:{}", partner.port);
    let workload = fixtures::with_relay(fixtures::coturn(1), &address);
    world.create_workload(&workload).await;
    let partners = json!([{"host": host, "port": partner.port}]);
    world
        .create_certificate(&json!({"verification": {"partners": partners}}))
        .await;
    world.until_ready().await;
    (world, partner)
}

/// What is told of a partner that refuses, once it was dialled from the pod: before that runs, the
/// operator has dialled it itself.
async fn until_refused_in_the_pod(world: &World) -> Condition {
    wait::until("a partner that is dialled from the pod", async || {
        let told = world.condition("PartnerAccepted").await?;
        let is_from_the_pod = told.message.contains("dialled from pod coturn-0");
        (told.reason == "PartnerRefuses" && is_from_the_pod).then_some(told)
    })
    .await
}

async fn pod_address(world: &World) -> IpAddr {
    let pod = world.pods().await.pop().expect("a pod");
    pod.status.unwrap().pod_ip.unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_is_dialled_from_the_pod_about_what_is_in_service_and_about_the_next() {
    let (world, partner) = relayed("relayed").await;
    let told = until_refused_in_the_pod(&world).await;
    assert_eq!(told.status, "False");
    assert!(
        told.message.contains("refuses the certificate in service"),
        "{}",
        told.message
    );
    let (published, at) = (
        world.published_leaf().await.unwrap(),
        pod_address(&world).await,
    );
    let shown = partner.shown();
    let in_service = |leaf| leaf == published.fingerprint;
    assert!(
        shown.iter().any(|it| in_service(it.leaf) && it.from == at),
        "{shown:?}"
    );

    let asked = partner.shown().len();
    partner.lets_in(None);
    world
        .until_condition("PartnerAccepted", "True", "Accepted")
        .await;
    assert!(partner.shown()[asked..].iter().all(|it| it.from == at));

    assert_the_next_is_refused(&world, &partner, &published).await;
    let mut shown = partner.shown();
    shown.retain(|it| !in_service(it.leaf));
    assert!(!shown.is_empty(), "no next one was shown");
    assert!(shown.iter().all(|it| it.from == at), "{shown:?}");

    partner.lets_in(None);
    world.until_renewed(&published.serial.to_string()).await;
    let next = world.published_leaf().await.unwrap().fingerprint;
    assert!(shown.iter().all(|it| it.leaf != next));
}

/// What coturn is told: the CA-file, and whom it lets federate.
fn told(whitelisted: &str) -> Value {
    let text = format!(
        "CA-file=/{}/ca-certificates.crt\nfederation-remote-whitelist={whitelisted}\n",
        fixtures::BUNDLE
    );
    json!({"turnserver.conf": text})
}

/// A namespace with coturn-like pods whose configuration lies in a ConfigMap and whose CA-file lies in a
/// Secret, both of which the operator may read, and a partner that accepts whom the namespace's CA signs.
async fn federating(name: &str, whitelisted: &str) -> (World, Partner) {
    let world = World::with_ca(name).await;
    let ca = CaBuilder::root("CN=Partner CA").build();
    let partner = Partner::start(&ca, &world.ca);
    create_configuration(&world, whitelisted).await;
    world.create_secret(&bundle(&ca)).await;
    world.install_operator_with(&[
        &format!("configMapNames={{{}}}", fixtures::SETTINGS),
        &format!("readSecretNames={{{}}}", fixtures::BUNDLE),
    ]);
    world.create_workload(&fixtures::federating(1)).await;
    let partners = json!([{"host": world.here().await, "port": partner.port}]);
    world
        .create_certificate(&json!({"verification": {"partners": partners, "interval": "1m"}}))
        .await;
    world.until_ready().await;
    (world, partner)
}

async fn create_configuration(world: &World, whitelisted: &str) {
    let settings = ConfigMap {
        metadata: named(fixtures::SETTINGS),
        data: serde_json::from_value(told(whitelisted)).unwrap(),
        ..ConfigMap::default()
    };
    world
        .api()
        .create(&PostParams::default(), &settings)
        .await
        .unwrap();
}

fn bundle(ca: &TestCa) -> Secret {
    Secret {
        metadata: named(fixtures::BUNDLE),
        data: Some([("ca-certificates.crt".to_owned(), fixtures::text(&ca.root()))].into()),
        ..Secret::default()
    }
}

fn named(name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        ..ObjectMeta::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_that_coturn_would_turn_away_is_told_of_until_it_is_on_the_whitelist() {
    let (world, partner) = federating("own", "another.partner.example,Partner CA").await;
    let refused = world
        .until_condition("PartnerAccepted", "False", "PartnerNotTrusted")
        .await;
    let expected = "none of its names is on the whitelist: coturn.partner.example";
    assert!(refused.message.contains(expected), "{}", refused.message);
    world.until_condition("Ready", "True", "Ready").await;

    let corrected = json!({"data": told("coturn.partner.example,Partner CA")});
    world
        .patch::<ConfigMap>(fixtures::SETTINGS, corrected)
        .await;
    let accepted = world
        .until_condition("PartnerAccepted", "True", "Accepted")
        .await;
    assert!(
        !accepted.message.contains("not judged"),
        "{}",
        accepted.message
    );
    drop(partner);
}
