//! CAs that must not sign.

use api::CoturnCertificate;
use e2e::{World, fixtures};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use pki::testing::{CaBuilder, TestCa};
use serde_json::json;

/// A CA Secret that must not sign, the reason that tells so, and a word of the message.
struct Broken {
    secret: Option<Secret>,
    reason: &'static str,
    word: &'static str,
}

/// Each has another reason than the one before: by the reason a test sees that it was noticed.
fn broken(good: &TestCa) -> Vec<Broken> {
    let expired = CaBuilder::root("CN=x")
        .renewing(good)
        .valid("2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z")
        .build();
    let leaf = CaBuilder::root("CN=x")
        .renewing(good)
        .without_ca_flag()
        .build();
    let mut without_key = fixtures::ca_secret(&good.secret());
    without_key.data.as_mut().unwrap().remove("tls.key");
    let mut truncated = fixtures::ca_secret(&good.secret());
    let certificate = &mut truncated
        .data
        .as_mut()
        .unwrap()
        .get_mut("tls.crt")
        .unwrap()
        .0;
    certificate.truncate(certificate.len() / 2);
    let mut empty = fixtures::ca_secret(&good.secret());
    empty
        .data
        .as_mut()
        .unwrap()
        .insert("tls.crt".into(), ByteString(Vec::new()));
    vec![
        Broken {
            secret: None,
            reason: "AuthorityMissing",
            word: "does not exist",
        },
        Broken {
            secret: Some(without_key),
            reason: "AuthorityIncomplete",
            word: "tls.key",
        },
        Broken {
            secret: Some(truncated),
            reason: "AuthorityMalformed",
            word: "tls.crt",
        },
        Broken {
            secret: Some(empty),
            reason: "AuthorityIncomplete",
            word: "tls.crt is missing or empty",
        },
        Broken {
            secret: Some(fixtures::ca_secret(&expired.secret())),
            reason: "AuthorityExpired",
            word: "2021",
        },
        Broken {
            secret: Some(fixtures::ca_secret(&leaf.secret())),
            reason: "AuthorityNotACa",
            word: "CA",
        },
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_that_must_not_sign_is_told_what_works_stays_and_it_heals_by_itself() {
    let world = World::ready("broken-ca", &fixtures::light(1)).await;
    let (published, workload) = (world.published().await, world.workload_state().await);

    for Broken {
        secret,
        reason,
        word,
    } in broken(&world.ca)
    {
        match secret {
            Some(secret) => world.put_ca(&secret).await,
            None => world.delete_secret(fixtures::CA).await,
        }
        let told = world.until_condition("Issued", "False", reason).await;
        assert!(
            told.message.contains("coturn-ca") && told.message.contains(word),
            "{reason}: {}",
            told.message
        );
        assert_eq!(
            world.condition("Ready").await.unwrap().status,
            "True",
            "{reason}"
        );
    }
    world.put_ca(&fixtures::ca_secret(&world.ca.secret())).await;
    world.until_condition("Issued", "True", "Issued").await;

    assert_eq!(world.published().await, published);
    world.assert_no_restart_since(&workload).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_issued_before_there_is_a_ca_that_may_sign() {
    let world = World::empty("no-ca").await;
    world.install_operator();
    world.create_workload(&fixtures::light(1)).await;
    world.create_certificate(&json!({})).await;

    for Broken { secret, reason, .. } in broken(&world.ca) {
        if let Some(secret) = secret {
            world.put_ca(&secret).await;
        }
        world.until_condition("Ready", "False", reason).await;
        assert!(world.secret(fixtures::STORE).await.is_none(), "{reason}");
        assert!(
            world.secret(fixtures::PUBLISHED).await.is_none(),
            "{reason}"
        );
    }
    world.put_ca(&fixtures::ca_secret(&world.ca.secret())).await;

    world.until_ready().await;
    assert_eq!(world.issued().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_with_another_root_does_not_replace_a_certificate_in_service() {
    let world = World::ready("other-root", &fixtures::light(1)).await;
    let before = world.published().await;

    let other = CaBuilder::root("CN=Other CA").build();
    world.put_ca(&fixtures::ca_secret(&other.secret())).await;
    world.renew("with-the-other").await;

    let told = world
        .until_condition("Issued", "False", "AwaitingPartnerConfirmation")
        .await;
    assert!(told.message.contains("sha256:"), "{}", told.message);
    assert_eq!(world.published().await, before);
    assert_eq!(world.condition("Ready").await.unwrap().status, "True");

    // As the message asks for, once the partner trusts the other root.
    let serial = world.serial().await.unwrap();
    let suspend = async |suspend: bool| {
        let spec = json!({"spec": {"suspend": suspend}});
        world
            .patch::<CoturnCertificate>(fixtures::COTURN, spec)
            .await;
    };
    suspend(true).await;
    world.until_condition("Ready", "True", "Ready").await;
    world.delete_secret(fixtures::STORE).await;
    world.delete_secret(fixtures::PUBLISHED).await;
    suspend(false).await;
    world.until_renewed(&serial).await;
    let status = world.certificate().await.status.unwrap();
    assert_eq!(status.certificate.unwrap().issuer, "CN=Other CA");
    assert_eq!(world.revisions().await, 2);
}
