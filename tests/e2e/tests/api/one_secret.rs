//! Two resources that name the same Secret.

use api::{CoturnCertificate, names};
use e2e::{fixtures, operator::Operator, proxy::Proxy, wait};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{
    Resource as _, ResourceExt as _,
    api::{DeleteParams, PostParams},
};
use serde_json::json;

use crate::scene::Scene;

/// Names in both orders: neither decides by the other's being later in the alphabet.
const ORDERS: [[&str; 2]; 2] = [["a", "b"], ["b", "a"]];

struct Contest {
    scene: Scene,
    proxy: Proxy,
}

impl Contest {
    async fn with_a_workload(name: &str) -> Self {
        let scene = Scene::of(name, &[]).await;
        let proxy = Proxy::start(scene.world.client.clone()).await;
        scene.world.create_workload(&fixtures::light(1)).await;
        Self { scene, proxy }
    }

    fn operator(&self) -> Operator {
        self.scene.start(&self.proxy)
    }

    async fn create(&self, name: &str) {
        let mut resource = fixtures::certificate(&json!({}));
        resource.metadata.name = Some(name.to_owned());
        let api = self.scene.world.api::<CoturnCertificate>();
        api.create(&PostParams::default(), &resource).await.unwrap();
    }

    async fn delete(&self, name: &str) {
        let api = self.scene.world.api::<CoturnCertificate>();
        api.delete(name, &DeleteParams::default()).await.unwrap();
    }

    async fn until_published(&self, name: &str, status: &str, reason: &str) -> Condition {
        wait::until(
            &format!("{name}: Published={status} ({reason})"),
            async || {
                let resource: CoturnCertificate = self.scene.world.api().get(name).await.unwrap();
                let conditions = resource.status?.conditions.into_iter();
                let mut published = conditions.filter(|condition| condition.type_ == "Published");
                published.find(|it| it.status == status && it.reason == reason)
            },
        )
        .await
    }

    /// Waits until the second of a resource's creation is over, so that the next is younger.
    async fn until_the_next_is_younger(&self, name: &str) {
        let resource: CoturnCertificate = self.scene.world.api().get(name).await.unwrap();
        let created = resource.meta().creation_timestamp.clone().unwrap().0;
        wait::until("the next second", async || {
            let now = jiff::Timestamp::now().as_second();
            (now > created.as_second()).then_some(())
        })
        .await;
    }

    async fn owner(&self) -> String {
        let secret = self.scene.world.secret(fixtures::PUBLISHED).await.unwrap();
        secret.annotations()[names::CERTIFICATE_NAME].clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_the_secret_keeps_it_and_whoever_comes_after_takes_it_up_without_reissuing() {
    for [first, second] in ORDERS {
        let contest = Contest::with_a_workload("one-secret").await;
        let world = &contest.scene.world;
        let _operator = contest.operator();
        contest.create(first).await;
        contest.until_published(first, "True", "Published").await;
        world.until_settled().await;
        let (published, workload) = (world.published().await, world.workload_state().await);

        contest.create(second).await;
        let refused = contest
            .until_published(second, "False", "SecretClaimed")
            .await;
        let owner = format!("belongs to CoturnCertificate {first}");
        assert!(refused.message.contains(&owner), "{}", refused.message);
        contest.scene.until_calm(&contest.proxy).await;
        assert_eq!(contest.owner().await, first);
        assert!(world.secret(&names::store_secret(second)).await.is_none());

        contest.delete(first).await;
        contest.until_published(second, "True", "Published").await;
        contest.scene.until_calm(&contest.proxy).await;
        assert_eq!(contest.owner().await, second);
        assert_eq!(world.published().await, published);
        assert_eq!(world.workload_state().await, workload);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_claim_a_secret_before_the_operator_starts_the_older_gets_it() {
    for [older, younger] in ORDERS {
        let contest = Contest::with_a_workload("older").await;
        contest.create(older).await;
        contest.until_the_next_is_younger(older).await;
        contest.create(younger).await;

        let mut operator = contest.operator();
        contest.until_published(older, "True", "Published").await;
        contest
            .until_published(younger, "False", "SecretClaimed")
            .await;
        contest.scene.until_calm(&contest.proxy).await;
        assert_eq!(contest.owner().await, older);
        let before = contest.scene.world.published().await;

        operator.kill();
        contest.proxy.begin(None);
        let _operator = contest.operator();
        contest.scene.until_calm(&contest.proxy).await;
        assert_eq!(contest.proxy.writes(), []);
        assert_eq!(contest.scene.world.published().await, before);
    }
}
