//! What real coturn servers show to the operator's own client.

use std::net::{IpAddr, SocketAddr};

use e2e::{World, fixtures, wait};
use k8s_openapi::api::{apps::v1::StatefulSet, core::v1::Pod};
use probe::{Demand, Identity, Limits, Outcome, Protocol, Report, Target, Trouble, dial};

/// A port of a pod.
fn at(pod: &Pod, port: u16, protocol: Protocol) -> Target {
    let address = pod.status.as_ref().and_then(|it| it.pod_ip.as_ref());
    let address: IpAddr = address.unwrap().parse().unwrap();
    Target {
        address: SocketAddr::new(address, port),
        protocol,
        server_name: None,
    }
}

async fn dialled(target: &Target, identity: Option<Identity>) -> Report {
    let target = target.clone();
    let dialling =
        tokio::task::spawn_blocking(move || dial(&target, identity.as_ref(), Limits::default()));
    dialling.await.unwrap()
}

/// Dials until it is answered: a pod is Ready before coturn's TLS listeners are, at times.
async fn answer(target: &Target, identity: Option<&Identity>) -> Report {
    wait::until("an answer", async || {
        let report = dialled(target, identity.cloned()).await;
        (!report.chain.is_empty()).then_some(report)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_pod_shows_the_published_certificate_over_dtls() {
    let world = World::ready("dialled", &fixtures::coturn(2)).await;
    let published = world.published_leaf().await.unwrap();
    let pods = world.pods().await;
    assert_eq!(pods.len(), 2);
    for pod in &pods {
        let listener = at(pod, fixtures::DTLS_PORT, Protocol::Dtls12);
        let report = answer(&listener, None).await;
        assert_eq!(report.outcome, Outcome::Completed);
        assert_eq!(report.fingerprint(), Some(published.fingerprint));
        assert_eq!(report.demand, Demand::NotAsked);
        assert_eq!(report.session.unwrap().version, "DTLSv1.2");

        let nobody = at(pod, fixtures::DTLS_PORT + 7, Protocol::Dtls12);
        let outcome = dialled(&nobody, None).await.outcome;
        assert_eq!(outcome, Outcome::Failed(Trouble::Closed));
    }
}

/// coturn with TLS, which asks its clients for certificates of the CA that is published beside its own
/// (`--CA-file`).
fn demanding() -> StatefulSet {
    let mut workload = fixtures::coturn(1);
    let pod = workload.spec.as_mut().unwrap().template.spec.as_mut();
    let arguments = pod.unwrap().containers[0].args.as_mut().unwrap();
    arguments.retain(|argument| argument != "--no-tls");
    arguments.push("--CA-file=/coturn-dtls-certificate/ca.crt".to_owned());
    workload
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_demands_certificates_accepts_the_published_one_and_shows_its_own_to_all() {
    let world = World::ready("demanding", &demanding()).await;
    let published = world.published_leaf().await.unwrap();
    let data = world.published().await.unwrap();
    let ours = Identity::from_pem(&data["tls.crt"].0, &data["tls.key"].0).unwrap();
    let pod = &world.pods().await[0];
    let listener = at(pod, fixtures::DTLS_PORT, Protocol::Tls12);

    let refused = answer(&listener, None).await;
    assert_eq!(refused.demand, Demand::Asked);
    assert!(
        matches!(refused.outcome, Outcome::Refused(_)),
        "{refused:?}"
    );
    assert_eq!(refused.fingerprint(), Some(published.fingerprint));

    let accepted = answer(&listener, Some(&ours)).await;
    assert_eq!(accepted.outcome, Outcome::Completed);
    assert_eq!(accepted.fingerprint(), Some(published.fingerprint));
}
