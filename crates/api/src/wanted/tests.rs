use serde_json::{Value, json};

use super::*;
use crate::KeyKind;

fn spec(extra: &Value) -> CoturnCertificateSpec {
    let mut spec = json!({
        "issuer": {"ca": {"secretName": "coturn-ca"}},
        "dnsNames": ["coturn.example.com"],
    });
    let extra = extra.as_object().unwrap().clone();
    spec.as_object_mut().unwrap().extend(extra);
    serde_json::from_value(spec).unwrap()
}

fn wanted(extra: &Value) -> Result<Wanted, SpecError> {
    Wanted::parse(&spec(extra))
}

#[test]
fn the_defaults_are_those_of_the_design() {
    let wanted = wanted(&json!({})).unwrap();
    assert_eq!(wanted.secret_name, "coturn-dtls-certificate");
    assert_eq!(wanted.duration, SignedDuration::from_hours(8760));
    assert_eq!(wanted.renew_before, SignedDuration::from_hours(720));
    assert_eq!(
        wanted.content.common_name.as_deref(),
        Some("coturn.example.com")
    );
    assert_eq!(wanted.content.usages, Usage::DEFAULT.into());
    assert_eq!(wanted.content.key, KeyKind::EcdsaP256);
    assert_eq!(wanted.strategy, RolloutStrategy::RollingRestart);
}

#[test]
fn a_short_certificate_is_renewed_at_a_third_left() {
    let wanted = wanted(&json!({"duration": "30h"})).unwrap();
    assert_eq!(wanted.renew_before, SignedDuration::from_hours(10));
}

#[test]
fn a_first_name_too_long_for_a_common_name_leaves_it_out() {
    let name = format!("{}.example.com", "a".repeat(60));
    let wanted = wanted(&json!({"dnsNames": [name]})).unwrap();
    assert_eq!(wanted.content.common_name, None);
}

/// Whether a certificate issued for the first specification satisfies the second.
fn satisfies(issued: &Value, asked: &Value) -> bool {
    let issued = wanted(issued).unwrap().content;
    wanted(asked).unwrap().is_satisfied_by(&issued)
}

#[test]
fn the_order_of_dns_names_does_not_matter() {
    let issued = json!({"dnsNames": ["a.example", "b.example"]});
    assert!(satisfies(
        &issued,
        &json!({"dnsNames": ["b.example", "a.example"]})
    ));
    assert!(!satisfies(&issued, &json!({"dnsNames": ["b.example"]})));
}

#[test]
fn a_default_common_name_may_be_any_of_the_names_or_none() {
    let mut issued = wanted(&json!({})).unwrap().content;
    for (name, expected) in [
        (None, true),
        (Some("Coturn.example.com"), true),
        (Some("x"), false),
    ] {
        issued.common_name = name.map(str::to_owned);
        let asked = wanted(&json!({})).unwrap();
        assert_eq!(asked.is_satisfied_by(&issued), expected, "{name:?}");
    }
}

#[test]
fn a_specified_common_name_must_be_borne() {
    let asked = json!({"commonName": "coturn"});
    assert!(satisfies(&asked, &asked));
    assert!(!satisfies(&json!({}), &asked));
    assert!(!satisfies(&asked, &json!({})));
}

#[test]
fn what_the_schema_should_have_refused_is_refused_by_name() {
    let cases = [
        (json!({"dnsNames": []}), "spec names no server"),
        (
            json!({"ordinalDNSNames": {"template": "coturn-{ordinal}.example.com"}}),
            "needs a spec.workloadRef to a StatefulSet",
        ),
        (
            json!({"ipAddresses": ["10.0.0"]}),
            "`10.0.0`, which is no IP address",
        ),
        (json!({"duration": "5m"}), "spec.duration is 300s"),
        (json!({"renewBefore": "8760h"}), "spec.renewBefore"),
        (json!({"renewBefore": "0s"}), "spec.renewBefore"),
        (
            json!({"secretName": "coturn-ca"}),
            "the name of the CA Secret",
        ),
        (
            json!({"secretName": "x-coturn-cert-store"}),
            "or of a store",
        ),
        (
            json!({"privateKey": {"algorithm": "RSA", "size": 256}}),
            "spec.privateKey.size 256",
        ),
        (json!({"issuer": {}}), "spec.issuer names no issuer"),
        (
            json!({"usages": ["server auth"]}),
            "lacks digital signature",
        ),
        (
            json!({"usages": ["digital signature"]}),
            "neither server auth nor client auth",
        ),
        (
            json!({"usages": ["digital signature", "server auth", "key encipherment"]}),
            "key encipherment needs privateKey.algorithm RSA",
        ),
        (
            json!({
                "usages": ["digital signature", "server auth", "key agreement"],
                "privateKey": {"algorithm": "RSA"},
            }),
            "key agreement needs privateKey.algorithm ECDSA",
        ),
        (
            json!({"secretTemplate": {"labels": {"app.kubernetes.io/managed-by": "me"}}}),
            "`app.kubernetes.io/managed-by`, which belongs to the operator",
        ),
        (
            json!({"secretTemplate": {"annotations": {"coturncert.dev/x": "y"}}}),
            "`coturncert.dev/x`, which belongs to the operator",
        ),
    ];
    for (extra, expected) in cases {
        let error = wanted(&extra).unwrap_err().to_string();
        assert!(error.contains(expected), "{extra}: {error}");
    }
}

#[test]
fn an_address_is_dialled_unless_it_leads_to_the_operators_own_pod_or_node_or_to_many() {
    let asked = |address: &str| {
        wanted(&json!({
            "workloadRef": {"name": "coturn"},
            "verification": {"endpoints": [{"port": 9191, "address": address}]},
        }))
    };
    for address in ["192.0.2.1", "10.1.2.3", "2001:db8::1", "fd00::1"] {
        assert!(asked(address).is_ok(), "{address}");
    }
    let refused = [
        "127.0.0.1",
        "169.254.169.254",
        "224.0.0.1",
        "0.0.0.0",
        "255.255.255.255",
        "::1",
        "fe80::1",
        "ff02::1",
        "::",
        "::ffff:127.0.0.1",
    ];
    for address in refused {
        let told = asked(address).unwrap_err().to_string();
        assert!(told.contains("loopback, link-local"), "{address}: {told}");
    }
}
