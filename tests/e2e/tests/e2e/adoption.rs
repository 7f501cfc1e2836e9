//! A Secret that a chart makes, taken over by the operator, with Helm 3 and with Helm 4.

use std::{fs, process::Command};

use api::{CoturnCertificate, Fingerprint, names};
use e2e::{Environment, World, audit::Restoration, fixtures, run, wait};
use jiff::SignedDuration;
use k8s_openapi::api::{core::v1::Secret, events::v1::Event};
use kube::{
    ResourceExt as _,
    api::{DeleteParams, ListParams},
};
use rstest::rstest;
use serde_json::json;

/// Far longer than it takes to put a certificate back. The figure of interest is printed, and below a
/// second: no test asserts on speed.
const GENEROUS: SignedDuration = SignedDuration::from_mins(1);

/// A release of Helm, and of a chart that makes the published Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Helm {
    /// Patches what differs from the chart it rendered last.
    Three,
    /// Installs by server-side apply.
    Four,
}

impl Helm {
    fn command(self, world: &World) -> Command {
        let cluster = Environment::get().cluster();
        let mut helm = match self {
            Self::Three => cluster.helm(),
            Self::Four => cluster.helm4(),
        };
        helm.args(["--namespace", &world.namespace]);
        helm
    }

    /// Installs or upgrades the chart with the pair in the world's folder.
    fn apply(self, world: &World, verb: &str, note: &str) {
        let mut helm = self.command(world);
        helm.args([verb, "turn"])
            .arg(e2e::root().join("tests/e2e/charts/turn"));
        for (value, file) in [("crt", "hand.crt"), ("key", "hand.key")] {
            let path = world.folder().join(file);
            helm.args(["--set-file", &format!("{value}={}", path.display())]);
        }
        helm.args(["--set", &format!("note={note}")]);
        run(&mut helm);
    }

    fn roll_back(self, world: &World) {
        run(self.command(world).args(["rollback", "turn", "1"]));
    }
}

/// A pair of the world's CA, made by hand; its files lie in the world's folder.
fn make_pair(world: &World) -> Fingerprint {
    let now = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second()).unwrap();
    let authority = pki::Authority::load(&world.ca.secret().as_secret(), now).unwrap();
    let request = pki::testing::request(&["coturn.example.com", "coturn-0.example.com"]);
    let pair = pki::issue(&authority, &request, now).unwrap();
    fs::write(world.folder().join("hand.crt"), &pair.certificate).unwrap();
    fs::write(world.folder().join("hand.key"), &*pair.key).unwrap();
    pair.leaf.fingerprint
}

/// Pods that run with what a chart has made, and an operator that is not asked for anything yet.
async fn installed(helm: Helm, name: &str) -> (World, Fingerprint) {
    let world = World::with_ca(name).await;
    let hand_made = make_pair(&world);
    helm.apply(&world, "install", "first");
    world.create_workload(&fixtures::light(2)).await;
    world.until_running(2).await;
    world.install_operator();
    (world, hand_made)
}

async fn adopt(world: &World) {
    let adopt = json!({"secretAdoptionPolicy": "Adopt"});
    world.create_certificate(&adopt).await;
}

async fn published(world: &World) -> Option<Fingerprint> {
    Some(world.published_leaf().await?.fingerprint)
}

/// Somebody takes the leaf in service out of the Secret, and leaves another or none there: the operator
/// puts it back. Prints how long that took, by the API server's clock.
async fn is_put_back(
    world: &World,
    leaf: Fingerprint,
    what: &str,
    instead: Option<Fingerprint>,
    done: impl AsyncFnOnce(),
) -> Restoration {
    let (history, mark) = (world.history().await, world.mark());
    done().await;
    let leaves = wait::until(&format!("the leaf in service after {what}"), async || {
        let leaves = history.leaves();
        (leaves.len() > 1 && leaves.last() == Some(&Some(leaf))).then_some(leaves)
    })
    .await;
    // Else there was nothing to put back.
    assert_eq!(leaves, [Some(leaf), instead, Some(leaf)], "{what}");
    // A request stands in the log a moment after its answer.
    let restoration = wait::until("both writes in the audit log", async || {
        mark.restoration(&world.namespace, names::FIELD_MANAGER, fixtures::PUBLISHED)
    })
    .await;
    let took = restoration.took();
    eprintln!("after {what} restored within {} ms", took.as_millis());
    assert!(took < GENEROUS, "{what}: {restoration:?}");
    restoration
}

async fn told(world: &World, reason: &str) -> Option<String> {
    let events = world.api::<Event>();
    let events = events.list(&ListParams::default()).await.unwrap().items;
    events
        .into_iter()
        .find(|event| event.reason.as_deref() == Some(reason))
        .and_then(|event| event.note)
}

#[rstest]
#[case::of_helm_3(Helm::Three)]
#[case::of_helm_4(Helm::Four)]
#[tokio::test(flavor = "multi_thread")]
async fn a_chart_and_the_operator_share_a_secret(#[case] helm: Helm) {
    let (world, hand_made) = installed(helm, "shared").await;
    let before = world.workload_state().await;

    adopt(&world).await;
    world.until_ready().await;
    assert_eq!(published(&world).await, Some(hand_made));
    assert_eq!(world.workload_state().await, before);
    assert_eq!(world.issued().await.len(), 1, "only what was taken over");
    let secret = world.secret(fixtures::PUBLISHED).await.unwrap();
    assert_eq!(secret.labels()[names::MANAGED_BY_LABEL], "Helm");
    assert_eq!(secret.type_.as_deref(), Some("Opaque"));
    // It comes after the status that tells of the same.
    let adopted = wait::until("an Event", async || told(&world, "Adopted").await).await;
    assert!(adopted.contains("helm"), "{adopted}");

    let serial = world.serial().await.unwrap();
    world.renew("away from the chart's").await;
    world.until_renewed(&serial).await;
    let renewed = published(&world).await.unwrap();
    let issued = world.issued().await;
    world.until_calm().await;
    let after_renewal = world.workload_state().await;

    for (what, note) in [("an upgrade", "second"), ("another upgrade", "third")] {
        let upgrade = async || helm.apply(&world, "upgrade", note);
        is_put_back(&world, renewed, what, Some(hand_made), upgrade).await;
    }
    let rollback = async || helm.roll_back(&world);
    is_put_back(&world, renewed, "a rollback", Some(hand_made), rollback).await;

    world.until_ready().await;
    world.until_calm().await;
    world.assert_no_restart_since(&after_renewal).await;
    assert_eq!(world.issued().await, issued);
    let applied = told(&world, "AppliedForOwner").await;
    assert_eq!(applied.is_some(), helm == Helm::Four, "{applied:?}");
    world.assert_no_key_leaked("").await;
}

#[rstest]
#[case::of_helm_3(Helm::Three)]
#[case::of_helm_4(Helm::Four)]
#[tokio::test(flavor = "multi_thread")]
async fn a_chart_that_is_installed_after_the_resource_makes_its_secret_first(#[case] helm: Helm) {
    let world = World::with_ca("second").await;
    let hand_made = make_pair(&world);
    world.install_operator();
    adopt(&world).await;
    world
        .until_condition("Ready", "False", "AwaitingSecret")
        .await;
    assert!(world.secret(fixtures::PUBLISHED).await.is_none());
    world.create_workload(&fixtures::light(1)).await;

    helm.apply(&world, "install", "first");
    world.until_ready().await;

    assert_eq!(published(&world).await, Some(hand_made));
    assert_eq!(world.revisions().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chart_that_is_uninstalled_and_installed_again_finds_the_secret_as_its_own() {
    let (world, hand_made) = installed(Helm::Four, "again").await;
    adopt(&world).await;
    world.until_ready().await;

    let uninstall = async || {
        run(Helm::Four.command(&world).args(["uninstall", "turn"]));
    };
    let what = "an uninstallation";
    let restoration = is_put_back(&world, hand_made, what, None, uninstall).await;
    assert_eq!(restoration.undone.verb, "delete");
    Helm::Four.apply(&world, "install", "again");

    world.until_ready().await;
    assert_eq!(published(&world).await, Some(hand_made));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_goes_back_to_certificates_made_by_hand_deletes_the_resource_and_upgrades_the_chart() {
    let (world, hand_made) = installed(Helm::Three, "back").await;
    adopt(&world).await;
    world.until_ready().await;
    let serial = world.serial().await.unwrap();
    world.renew("once").await;
    world.until_renewed(&serial).await;
    let renewed = published(&world).await;
    let workload = world.workload_state().await;

    let resources = world.api::<CoturnCertificate>();
    resources
        .delete(fixtures::COTURN, &DeleteParams::default())
        .await
        .unwrap();
    world.until_calm().await;
    assert_eq!(published(&world).await, renewed, "the Secret stays");
    Helm::Three.apply(&world, "upgrade", "back");
    world.until_calm().await;
    assert_eq!(published(&world).await, Some(hand_made));
    world.assert_no_restart_since(&workload).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_keeps_overwriting_the_secret_is_named_and_given_way_to() {
    let world = World::ready("contested", &fixtures::light(1)).await;
    let ours = published(&world).await.unwrap();
    let other = json!({"data": {"tls.crt": "AAAA", "tls.key": "AAAA"}});
    for _ in 0..5 {
        let overwrite = async || {
            let data = other.clone();
            world.patch::<Secret>(fixtures::PUBLISHED, data).await;
        };
        is_put_back(&world, ours, "an overwriting", None, overwrite).await;
    }
    world.patch::<Secret>(fixtures::PUBLISHED, other).await;

    let contested = world
        .until_condition("Contested", "True", "Contested")
        .await;
    assert!(
        contested.message.starts_with("somebody-else "),
        "{}",
        contested.message
    );
    world.until_condition("Ready", "False", "Contested").await;
    world.until_calm().await;
    assert_eq!(published(&world).await, None, "it was put right once more");
    assert_eq!(world.issued().await.len(), 1);
}
