//! What the chart's Role allows, asked of the API server's own authorizer.

use e2e::{World, wait};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::{Api, api::PostParams};

use crate::chart;

/// Applies the chart as it is rendered for the world's namespace with these values.
pub fn apply_chart(world: &World, values: &str) {
    let values = format!("crds.install=false,{values}");
    let rendered = chart::rendered(&world.namespace, &["--set", &values]);
    chart::apply(&rendered, &["--namespace", &world.namespace]);
}

/// Whether the operator of the world may do this, by the API server's own judgement.
pub async fn is_allowed(world: &World, verb: &str, what: &str) -> bool {
    let (resource, name) = what
        .split_once(' ')
        .map_or((what, None), |(resource, name)| (resource, Some(name)));
    let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
    let (resource, subresource) = resource
        .split_once('/')
        .map_or((resource, None), |(a, b)| (a, Some(b)));
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(format!(
                "system:serviceaccount:{}:coturn-cert-operator",
                world.namespace
            )),
            resource_attributes: Some(ResourceAttributes {
                namespace: Some(world.namespace.clone()),
                verb: Some(verb.to_owned()),
                group: Some(group.to_owned()),
                resource: Some(resource.to_owned()),
                subresource: subresource.map(str::to_owned),
                name: name.map(str::to_owned),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let reviews: Api<SubjectAccessReview> = Api::all(world.client.clone());
    reviews
        .create(&PostParams::default(), &review)
        .await
        .unwrap()
        .status
        .unwrap()
        .allowed
}

/// Waits until the operator may do this. Its rights are one Role: with one of them all are in force.
async fn until_allowed(world: &World, verb: &str, what: &str) {
    wait::until(&format!("the right to {verb} {what}"), async || {
        is_allowed(world, verb, what).await.then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_may_do_its_work_and_nothing_else() {
    let world = World::empty("permissions").await;
    apply_chart(&world, "workloadKinds={StatefulSet,Deployment,DaemonSet}");

    let allowed = [
        ("get", "secrets coturn-ca"),
        ("watch", "secrets coturn-dtls-certificate"),
        ("update", "secrets coturn-dtls-certificate"),
        ("update", "secrets coturn-coturn-cert-store"),
        // In the name of who applies an adopted one.
        ("patch", "secrets coturn-dtls-certificate"),
        ("list", "secrets coturn-dtls-certificate"),
        ("create", "secrets"),
        ("watch", "coturncertificates.coturncert.dev"),
        ("update", "coturncertificates/status.coturncert.dev"),
        ("patch", "coturncertificates/status.coturncert.dev"),
        ("patch", "statefulsets.apps coturn"),
        ("patch", "deployments.apps coturn"),
        ("watch", "deployments.apps"),
        ("patch", "daemonsets.apps coturn"),
        ("watch", "daemonsets.apps"),
        ("list", "replicasets.apps"),
        ("list", "controllerrevisions.apps"),
        ("list", "pods"),
        ("create", "pods/eviction"),
        ("create", "events.events.k8s.io"),
        ("patch", "events.events.k8s.io"),
        ("get", "leases.coordination.k8s.io coturn-cert-operator"),
        ("update", "leases.coordination.k8s.io coturn-cert-operator"),
        ("create", "leases.coordination.k8s.io"),
    ];
    until_allowed(&world, allowed[0].0, allowed[0].1).await;
    for (verb, what) in allowed {
        assert!(is_allowed(&world, verb, what).await, "cannot {verb} {what}");
    }
    let denied = [
        ("get", "secrets another"),
        ("get", "secrets coturn-ca-certificate"),
        ("list", "secrets"),
        ("watch", "secrets"),
        ("update", "secrets another"),
        ("delete", "secrets coturn-dtls-certificate"),
        ("create", "pods/exec"),
        ("delete", "pods coturn-0"),
        ("update", "statefulsets.apps coturn"),
        ("delete", "statefulsets.apps coturn"),
        ("update", "deployments.apps coturn"),
        ("delete", "deployments.apps coturn"),
        ("create", "deployments.apps"),
        ("update", "daemonsets.apps coturn"),
        ("patch", "deployments/scale.apps coturn"),
        ("get", "replicasets.apps coturn"),
        ("patch", "replicasets.apps coturn"),
        ("update", "coturncertificates.coturncert.dev coturn"),
        ("delete", "coturncertificates.coturncert.dev coturn"),
        ("update", "leases.coordination.k8s.io another"),
        ("create", "roles.rbac.authorization.k8s.io"),
        ("get", "configmaps"),
        ("get", "configmaps coturn"),
    ];
    for (verb, what) in denied {
        assert!(!is_allowed(&world, verb, what).await, "can {verb} {what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_secret_is_the_operators_only_where_the_values_say_so() {
    let world = World::empty("all-secrets").await;
    apply_chart(&world, "allSecrets=true");

    until_allowed(&world, "get", "secrets another").await;
    for verb in ["get", "list", "watch", "update"] {
        assert!(is_allowed(&world, verb, "secrets another").await, "{verb}");
    }
    assert!(!is_allowed(&world, "delete", "secrets another").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn config_maps_are_the_operators_to_read_only_where_the_values_name_them() {
    let world = World::empty("config-maps").await;
    apply_chart(&world, "configMapNames={coturn,partner-ca}");

    until_allowed(&world, "get", "configmaps partner-ca").await;
    assert!(is_allowed(&world, "get", "configmaps coturn").await);
    let denied = [
        ("get", "configmaps another"),
        ("get", "configmaps"),
        ("list", "configmaps coturn"),
        ("watch", "configmaps coturn"),
        ("update", "configmaps coturn"),
        ("patch", "configmaps coturn"),
    ];
    for (verb, what) in denied {
        assert!(!is_allowed(&world, verb, what).await, "can {verb} {what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_that_are_named_for_reading_are_not_the_operators_to_write() {
    let world = World::empty("read-secrets").await;
    apply_chart(&world, "readSecretNames={coturn-ca-certificate}");

    until_allowed(&world, "get", "secrets coturn-ca-certificate").await;
    assert!(is_allowed(&world, "update", "secrets coturn-dtls-certificate").await);
    let denied = [
        ("list", "secrets coturn-ca-certificate"),
        ("watch", "secrets coturn-ca-certificate"),
        ("update", "secrets coturn-ca-certificate"),
        ("patch", "secrets coturn-ca-certificate"),
        ("delete", "secrets coturn-ca-certificate"),
        ("get", "secrets another"),
        ("get", "secrets"),
    ];
    for (verb, what) in denied {
        assert!(!is_allowed(&world, verb, what).await, "can {verb} {what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_may_be_deleted_only_where_the_values_say_so() {
    let world = World::empty("restart-pods").await;
    apply_chart(&world, "restartPods=true");

    until_allowed(&world, "list", "pods coturn-0").await;
    for verb in ["list", "delete"] {
        assert!(is_allowed(&world, verb, "pods coturn-0").await, "{verb}");
    }
    for (verb, what) in [
        ("deletecollection", "pods"),
        ("patch", "pods coturn-0"),
        ("create", "pods/exec"),
    ] {
        assert!(!is_allowed(&world, verb, what).await, "can {verb} {what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_workloads_of_the_kinds_that_the_values_name_are_the_operators_to_restart() {
    let world = World::empty("workload-kinds").await;
    apply_chart(&world, "workloadKinds={DaemonSet}");

    let allowed = [
        ("patch", "daemonsets.apps coturn"),
        ("list", "controllerrevisions.apps"),
        ("list", "pods"),
    ];
    until_allowed(&world, allowed[0].0, allowed[0].1).await;
    for (verb, what) in allowed {
        assert!(is_allowed(&world, verb, what).await, "cannot {verb} {what}");
    }
    let denied = [
        ("get", "statefulsets.apps coturn"),
        ("patch", "statefulsets.apps coturn"),
        ("list", "deployments.apps"),
        ("patch", "deployments.apps coturn"),
        ("list", "replicasets.apps"),
    ];
    for (verb, what) in denied {
        assert!(!is_allowed(&world, verb, what).await, "can {verb} {what}");
    }
}
