//! What the API server admits, and what it says of the rest.

use api::CoturnCertificate;
use e2e::World;
use kube::{
    Api,
    api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

async fn create(world: &World, name: &str, extra: &Value) -> Result<DynamicObject, String> {
    let mut spec = json!({
        "issuer": {"ca": {"secretName": "coturn-ca"}},
        "dnsNames": ["coturn.example.com"],
    });
    spec.as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    let resource = ApiResource::erase::<CoturnCertificate>(&());
    let untyped: Api<DynamicObject> =
        Api::namespaced_with(world.client.clone(), &world.namespace, &resource);
    let object = DynamicObject::new(name, &resource).data(json!({"spec": spec}));
    match untyped.create(&PostParams::default(), &object).await {
        Ok(created) => Ok(created),
        Err(kube::Error::Api(status)) => Err(status.message.clone()),
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_that_asks_for_the_impossible_is_refused_with_the_reason() {
    let world = World::empty("refused").await;
    let cases = of_the_certificate()
        .into_iter()
        .chain(of_its_secret_and_workload())
        .chain(of_names_by_ordinal());
    for (extra, expected) in cases {
        let refused = create(&world, "coturn", &extra)
            .await
            .expect_err(&extra.to_string());
        assert!(refused.contains(expected), "{extra}: {refused}");
    }
    let refused = create(&world, &"n".repeat(64), &json!({}))
        .await
        .unwrap_err();
    assert!(
        refused.contains("metadata.name must be at most 63 characters"),
        "{refused}"
    );
}

/// One character more than the name of a Secret or of a label may have, and as many as a common name.
fn long() -> String {
    "a".repeat(64)
}

/// What no certificate can be asked to hold, and a part of what is said of it.
fn of_the_certificate() -> Vec<(Value, &'static str)> {
    vec![
        (json!({"issuer": {}}), "issuer must name exactly one issuer"),
        (
            json!({"issuer": {"selfSigned": null}}),
            "issuer must name exactly one issuer",
        ),
        (
            json!({"issuer": {"ca": {"secretName": "coturn-ca"}, "selfSigned": {}}}),
            "issuer must name exactly one issuer: set issuer.ca or issuer.selfSigned",
        ),
        (json!({"dnsNames": []}), "set dnsNames or ipAddresses"),
        (json!({"dnsNames": ["not a name"]}), "spec.dnsNames[0]"),
        (
            json!({"dnsNames": ["a.1"]}),
            "the last label of a DNS name must not be a number",
        ),
        (
            json!({"dnsNames": ["7"]}),
            "the last label of a DNS name must not be a number",
        ),
        (
            json!({"dnsNames": ["a.example", "a.example"]}),
            "Duplicate value",
        ),
        (
            json!({"ipAddresses": ["10.0.0"]}),
            "ipAddresses must hold IPv4 or IPv6 addresses",
        ),
        (
            json!({"commonName": format!("{}a", long())}),
            "spec.commonName: Too long",
        ),
        (
            json!({"usages": ["client auth"]}),
            "usages must hold digital signature",
        ),
        (
            json!({"usages": ["digital signature"]}),
            "usages must hold server auth or client auth",
        ),
        (
            json!({"usages": ["code signing"]}),
            "Unsupported value: \"code signing\"",
        ),
        (
            json!({"usages": ["digital signature", "key encipherment", "server auth"]}),
            "key encipherment needs privateKey.algorithm RSA",
        ),
        (
            json!({
                "usages": ["digital signature", "key agreement", "server auth"],
                "privateKey": {"algorithm": "RSA"},
            }),
            "key agreement needs privateKey.algorithm ECDSA",
        ),
        (json!({"duration": "5m"}), "duration must be at least 1h"),
        (json!({"duration": "a year"}), "spec.duration"),
        (json!({"renewBefore": "0h"}), "renewBefore must be positive"),
        (
            json!({"renewBefore": "8760h"}),
            "renewBefore must be shorter than duration",
        ),
        (
            json!({"duration": "48h", "renewBefore": "48h"}),
            "renewBefore must be shorter than duration",
        ),
        (
            json!({"issuer": {"selfSigned": {}}, "renewBefore": "720h"}),
            "renewBefore must be shorter than duration",
        ),
        (
            json!({"privateKey": {"algorithm": "RSA", "size": 384}}),
            "privateKey.size must be",
        ),
        (
            json!({"privateKey": {"size": 2048}}),
            "privateKey.size must be",
        ),
        (
            json!({"privateKey": {"algorithm": "Ed25519"}}),
            "Unsupported value: \"Ed25519\"",
        ),
        (
            json!({"commonName": "a\u{1b}[31m"}),
            "spec.commonName in body should match",
        ),
        (
            json!({"subject": {"organizations": ["a\nb"]}}),
            "spec.subject.organizations[0] in body should match",
        ),
        (
            json!({"subject": {"countries": ["Germany"]}}),
            "spec.subject.countries[0]",
        ),
    ]
}

/// What names by ordinal cannot be.
fn of_names_by_ordinal() -> Vec<(Value, &'static str)> {
    let with = |extra: Value| {
        let mut spec = json!({"workloadRef": {"kind": "StatefulSet", "name": "coturn"}});
        let added = extra.as_object().unwrap().clone();
        spec.as_object_mut().unwrap().extend(added);
        spec
    };
    let template = |template: &str| with(json!({"ordinalDNSNames": {"template": template}}));
    let long = format!("{}-{{ordinal}}.example.com", "a".repeat(58));
    let many: Vec<_> = (0..98).map(|n| format!("a{n}.example.com")).collect();
    let beside = |count| {
        let by_ordinal = json!({"template": "coturn-{ordinal}.example.com", "count": count});
        with(json!({"dnsNames": many, "ordinalDNSNames": by_ordinal}))
    };
    vec![
        (
            json!({"ordinalDNSNames": {"template": "coturn-{ordinal}.example.com"}}),
            "ordinalDNSNames needs a workloadRef to a StatefulSet",
        ),
        (
            template("coturn.example.com"),
            "must hold {ordinal} exactly once",
        ),
        (
            template("{ordinal}-{ordinal}.example.com"),
            "must hold {ordinal} exactly once",
        ),
        (
            template("coturn_{ordinal}.example.com"),
            "must be a DNS name",
        ),
        (template("*.{ordinal}.example.com"), "must be a DNS name"),
        (template(&long), "must be a DNS name"),
        (template("coturn.{ordinal}"), "must not become a number"),
        (beside(3), "must be at most 100 names together"),
        (beside(0), "should be greater than or equal to 1"),
        (beside(101), "should be less than or equal to 100"),
        (
            with(
                json!({"ordinalDNSNames": {"template": "coturn-{ordinal}.example.com", "start": -1}}),
            ),
            "should be greater than or equal to 0",
        ),
    ]
}

/// Pods that are dialled at this address.
fn dialled_at(address: &str) -> Value {
    json!({
        "workloadRef": {"name": "coturn"},
        "verification": {"endpoints": [{"port": 9191, "address": address}]},
    })
}

/// What its Secret and its workload cannot be.
fn of_its_secret_and_workload() -> Vec<(Value, &'static str)> {
    vec![
        (
            dialled_at("169.254.169.254"),
            "address must not be a loopback",
        ),
        (
            dialled_at("here"),
            "address must be an IPv4 or IPv6 address",
        ),
        (
            json!({"secretName": "coturn-ca"}),
            "secretName must not be the CA Secret",
        ),
        (
            json!({"secretName": "x-coturn-cert-store"}),
            "such names belong to stores",
        ),
        (json!({"secretName": long()}), "spec.secretName: Too long"),
        (
            json!({"secretTemplate": {"annotations": {"coturncert.dev/x": "y"}}}),
            "secretTemplate.annotations must not hold coturncert.dev/ keys",
        ),
        (
            json!({"secretTemplate": {"labels": {"app.kubernetes.io/managed-by": "me"}}}),
            "secretTemplate.labels must not hold",
        ),
        (
            json!({"secretTemplate": {"labels": {"two words": "x"}}}),
            "secretTemplate.labels must have label keys",
        ),
        (
            json!({"secretTemplate": {"labels": {long(): "x"}}}),
            "secretTemplate.labels must have label keys",
        ),
        (
            json!({"secretTemplate": {"labels": {"team": "two words"}}}),
            "spec.secretTemplate.labels.team",
        ),
        (
            json!({"secretTemplate": {"annotations": {"/note": "x"}}}),
            "secretTemplate.annotations must have annotation keys",
        ),
        (
            json!({"workloadRef": {"kind": "Pod", "name": "x"}}),
            "Unsupported value: \"Pod\"",
        ),
        (
            json!({"rollout": {"strategy": "Sometimes"}}),
            "Unsupported value: \"Sometimes\"",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_with_every_field_is_admitted_and_read_back_as_written() {
    let world = World::empty("admitted").await;
    let everything = json!({
        "dnsNames": ["coturn.example.com", "*.turn.example.com"],
        "ordinalDNSNames": {"template": "coturn-{ordinal}.example.com", "start": 1, "count": 98},
        "ipAddresses": ["192.0.2.1", "2001:db8::1"],
        "commonName": "größe 1",
        "subject": {"organizations": ["Example"], "organizationalUnits": ["Voice"], "countries": ["DE"], "localities": ["Berlin"], "provinces": ["Berlin"]},
        "usages": ["digital signature", "key encipherment", "server auth", "client auth"],
        "duration": "2160h30m",
        "renewBefore": "240h",
        "privateKey": {"algorithm": "RSA", "size": 4096},
        "secretName": "published",
        "secretTemplate": {"labels": {"team": "voice"}, "annotations": {"example.com/Note": "x"}},
        "workloadRef": {"kind": "StatefulSet", "name": "coturn"},
        "rollout": {"strategy": "None"},
        "suspend": true,
    });

    create(&world, "coturn", &everything).await.unwrap();

    let read = world.certificate().await;
    let wanted = api::Wanted::parse(&read.spec).unwrap();
    assert_eq!(wanted.content.key, api::KeyKind::Rsa4096);
    assert_eq!(wanted.content.usages.len(), 4);
    assert_eq!(
        wanted.duration,
        jiff::SignedDuration::from_mins(2160 * 60 + 30)
    );
    assert_eq!(wanted.renew_before, jiff::SignedDuration::from_hours(240));
    assert_eq!(wanted.secret_template.labels["team"], "voice");
    let by_ordinal = wanted.ordinals.unwrap();
    assert_eq!((by_ordinal.start, by_ordinal.count), (Some(1), Some(98)));
    assert!(wanted.suspend);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_by_ordinal_alone_are_names() {
    let world = World::empty("ordinals").await;
    let alone = json!({
        "dnsNames": [],
        "ordinalDNSNames": {"template": "Coturn-{ordinal}.example.com"},
        "workloadRef": {"name": "coturn"},
    });
    create(&world, "coturn", &alone).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_fills_in_the_defaults_that_the_operator_has() {
    let world = World::empty("defaults").await;

    let created = create(&world, "coturn", &json!({})).await.unwrap();

    assert_eq!(
        created.data["spec"]["secretName"],
        "coturn-dtls-certificate"
    );
    assert_eq!(
        created.data["spec"]["usages"],
        json!(["digital signature", "server auth", "client auth"])
    );
    assert_eq!(
        created.data["spec"]["rollout"]["strategy"],
        "RollingRestart"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_of_a_self_signed_certificate_is_admitted_and_keeps_to_its_issuers_defaults() {
    let world = World::empty("self-signed-sample").await;
    let sample = include_str!("../../../../deploy/samples/self-signed.yaml");
    let sample: CoturnCertificate = serde_saphyr::from_str(sample).unwrap();
    world
        .api()
        .create(&PostParams::default(), &sample)
        .await
        .unwrap();

    let read = world.certificate().await;
    assert_eq!(
        read.spec.duration, None,
        "a default would hide the issuer's"
    );
    let wanted = api::Wanted::parse(&read.spec).unwrap();
    assert_eq!(wanted.issuer, api::Issuer::SelfSigned);
    assert_eq!(wanted.duration, jiff::SignedDuration::from_hours(720));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_self_signed_certificate_may_ask_for_all_that_one_of_a_ca_may() {
    let world = World::empty("self-signed-fields").await;
    let longest = json!({
        "issuer": {"selfSigned": {}},
        "dnsNames": [],
        "ipAddresses": ["192.0.2.1"],
        "commonName": "coturn",
        "renewBefore": "719h",
        "secretName": "coturn-ca",
    });
    create(&world, "coturn", &longest).await.unwrap();
    let wanted = api::Wanted::parse(&world.certificate().await.spec).unwrap();
    assert_eq!(wanted.renew_before, jiff::SignedDuration::from_hours(719));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_published_secrets_name_cannot_be_changed() {
    let world = World::empty("immutable").await;
    create(&world, "coturn", &json!({})).await.unwrap();
    let certificates: Api<CoturnCertificate> = world.api();

    let patch = Patch::Merge(json!({"spec": {"secretName": "another"}}));
    let refused = certificates
        .patch("coturn", &PatchParams::default(), &patch)
        .await
        .unwrap_err();

    assert!(
        refused.to_string().contains("secretName cannot be changed"),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_workload_is_admitted_and_a_statefulset_is_meant_where_none_is_named() {
    let world = World::empty("kinds-admitted").await;
    for kind in api::WorkloadKind::ALL.map(api::WorkloadKind::as_str) {
        let workload = json!({"workloadRef": {"kind": kind, "name": "coturn"}});
        let name = kind.to_lowercase();
        let created = create(&world, &name, &workload).await.unwrap();
        assert_eq!(created.data["spec"]["workloadRef"]["kind"], kind);
    }
    let unnamed = json!({"workloadRef": {"name": "coturn"}});
    let created = create(&world, "unnamed", &unnamed).await.unwrap();
    assert_eq!(created.data["spec"]["workloadRef"]["kind"], "StatefulSet");
}
