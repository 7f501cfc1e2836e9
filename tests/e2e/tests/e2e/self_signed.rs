//! Certificates that sign themselves: nothing is to be provided, and pods serve them all the same.

use api::{CertificateStatus, CoturnCertificate, names};
use e2e::{World, dtls, fixtures};
use jiff::SignedDuration;
use serde_json::json;

/// Without the CA Secret: the operator may not touch it.
const SECRETS: &str = "secretNames={coturn-dtls-certificate,coturn-coturn-cert-store}";

/// A namespace without any CA Secret, with coturn servers on a self-signed certificate.
async fn served(name: &str, pods: i32) -> World {
    let world = World::empty(name).await;
    world.install_operator_with(&[SECRETS]);
    world.create_workload(&fixtures::coturn(pods)).await;
    let nothing = json!({"issuer": {"selfSigned": {}}, "dnsNames": []});
    world.create_certificate(&nothing).await;
    world.until_ready().await;
    world
}

async fn told(world: &World) -> CertificateStatus {
    let status = world.certificate().await.status.unwrap();
    assert_eq!(status.authority, None);
    status.certificate.unwrap()
}

/// Stops the test unless every pod serves, to a client that trusts `ca.crt` of the published Secret
/// alone, the certificate whose fingerprint the status tells in SDP's notation.
async fn assert_served(world: &World) -> String {
    let trusted = world.folder().join("self-signed.crt");
    let published = world.published().await.unwrap();
    std::fs::write(&trusted, &published[names::CA_CRT].0).unwrap();
    let sdp = told(world).await.sdp_fingerprint.unwrap();
    let pods = world.pods().await;
    assert!(!pods.is_empty());
    for pod in pods {
        let address = pod.status.and_then(|status| status.pod_ip).unwrap();
        let served = dtls::until_dialled(&address, fixtures::DTLS_PORT, &trusted).await;
        let shown = dtls::shown_fingerprint(&served);
        assert_eq!(format!("sha-256 {shown}"), sdp);
    }
    sdp
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_serve_a_self_signed_certificate_that_nothing_was_provided_for() {
    let world = served("self-signed", 2).await;
    assert_served(&world).await;
    assert!(world.secret(fixtures::CA).await.is_none());

    let certificate = told(&world).await;
    assert_eq!(certificate.issuer, format!("CN={}", fixtures::PUBLISHED));
    let (start, end) = (certificate.not_before.0, certificate.not_after.0);
    let lifetime = end.duration_since(start);
    assert_eq!(
        lifetime,
        SignedDuration::from_hours(720) + SignedDuration::from_mins(5)
    );
    // A third is left, and at most a tenth of that more.
    let left = end.duration_since(certificate.renewal_time.0);
    let third = SignedDuration::from_hours(240);
    assert!(left >= third && left <= third + third / 10, "{left:#}");
    world.assert_no_key_leaked("").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_requested_renewal_of_a_self_signed_certificate_is_one_rollout() {
    let world = served("self-signed-renewal", 2).await;
    let history = world.history().await;
    let before = world.serial().await.unwrap();
    let first = assert_served(&world).await;

    world.renew("please").await;
    world.until_renewed(&before).await;

    assert_ne!(assert_served(&world).await, first);
    world.until_calm().await;
    assert_eq!(world.revisions().await, 2);
    assert_eq!(world.issued().await.len(), 2);
    history.assert_only_matching_pairs();
}

/// Another issuer than before, and nothing else.
async fn sign_by(world: &World, issuer: serde_json::Value) {
    let spec = json!({"spec": {"issuer": issuer}});
    world
        .patch::<CoturnCertificate>(fixtures::COTURN, spec)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_self_signed_certificate_waits_for_one_of_a_ca_and_gives_way_to_one() {
    let world = World::ready("self-signed-switch", &fixtures::light(1)).await;
    let (published, serial) = (world.published().await, world.serial().await.unwrap());

    sign_by(&world, json!({"ca": null, "selfSigned": {}})).await;
    let told = world
        .until_condition("Issued", "False", "AwaitingPartnerConfirmation")
        .await;
    assert!(
        told.message.contains("CN=Example Org CA"),
        "{}",
        told.message
    );
    assert_eq!(world.published().await, published);

    // As the message asks for.
    let suspend = async |suspend: bool| {
        let spec = json!({"spec": {"suspend": suspend}});
        world
            .patch::<CoturnCertificate>(fixtures::COTURN, spec)
            .await;
    };
    suspend(true).await;
    world
        .until_condition("Ready", "False", "AwaitingPartnerConfirmation")
        .await;
    world.delete_secret(fixtures::STORE).await;
    world.delete_secret(fixtures::PUBLISHED).await;
    suspend(false).await;
    world.until_renewed(&serial).await;
    let itself = world.published_leaf().await.unwrap();
    assert_eq!(itself.signer, api::Signer::Itself);

    sign_by(
        &world,
        json!({"ca": {"secretName": fixtures::CA}, "selfSigned": null}),
    )
    .await;
    world.until_renewed(&itself.serial.to_string()).await;
    let leaf = world.published_leaf().await.unwrap();
    assert_eq!(leaf.issuer, "CN=Example Org CA");
    assert_eq!(world.revisions().await, 3);
}
