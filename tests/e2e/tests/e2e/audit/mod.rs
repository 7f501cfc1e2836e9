//! The plugin's audit of real coturn servers: what was planted is found, nothing is found in a hardened
//! one, and what a scan accepts is what another scanner accepts.

mod auditor;
mod certificate;
mod plugin;
mod server;
mod sslyze;

use std::collections::BTreeSet;

use e2e::{World, wait};
use k8s_openapi::api::apps::v1::StatefulSet;
use rstest::rstest;

use auditor::Auditor;
use certificate::{Made, good};
use plugin::{audited, plugin};
use server::{SILENT, Server, freeze, lock_files, lock_out, unchanged};
use sslyze::Sslyze;

/// What every coturn here needs, whatever else it is told.
const BASE: &str = "\
cert=/coturn-dtls-certificate/tls.crt
pkey=/coturn-dtls-certificate/tls.key
realm=example.com
";

/// What is wrong with it, but for what the certificate and the volume have.
const WEAK: &str = "\
cipher-list=ALL:COMPLEMENTOFALL:@SECLEVEL=0
dh1066
CA-file=/coturn-dtls-certificate/ca.crt
web-admin
web-admin-ip=0.0.0.0
cli-ip=0.0.0.0
cli-password=north
allow-loopback-peers
no-auth
no-sslv3
tls-is-nice=yes
cert=/coturn-dtls-certificate/tls.crt
pkey=/coturn-dtls-certificate/tls.key
realm=dummy.io
";

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_finds_what_was_planted_in_a_real_coturn() {
    let made = certificate::soon_over_and_with_its_root;
    let server = Server::start("weak", WEAK, made, unchanged).await;
    let told = server.audited(&["--name=turn.example.com"]).await;
    assert_eq!(told.code, 1, "{told:?}");
    let planted = [
        "CT-ADM-002",
        "CT-ADM-003",
        "CT-AUT-001",
        "CT-CPH-001",
        "CT-CPH-003",
        "CT-CPH-004",
        "CT-CPH-006",
        "CT-CRT-002",
        "CT-CRT-007",
        "CT-CRT-008",
        "CT-CRT-011",
        "CT-DH-001",
        "CT-KEY-001",
        "CT-OPT-001",
        "CT-OPT-002",
        "CT-RLY-001",
        "CT-RLY-002",
        "CT-TLS-001",
        "CT-TLS-002",
        "CT-TRN-001",
    ];
    assert_eq!(told.ids(), planted.map(str::to_owned).into(), "{told:?}");
    assert!(
        told.text.contains("4.6.1"),
        "the server says its version: {told:?}"
    );
    assert!(!told.text.contains("north"), "a password is told");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_finds_nothing_in_what_harden_prints() {
    let lines = plugin(&["harden", "--for=4.6.1"]).await;
    assert_eq!(lines.code, 0, "{lines:?}");
    let rest = "lt-cred-mech\nuser=demo:demo\n";
    let text = format!("{}{BASE}{rest}", lines.text);
    let server = Server::start("hardened", &text, good, lock_files).await;
    let root = server.world.ca_file();
    let trusted = format!("--trusted={}", root.display());
    let options = [
        "--coturn-version=4.6.1",
        "--fail-on=info",
        "--name=coturn.example.com",
        &trusted,
    ];
    let told = server.audited(&options).await;
    assert_eq!(told.ids(), BTreeSet::new(), "{told:?}");
    assert_eq!(told.code, 0, "{told:?}");
}

/// Before 4.6.2 coturn speaks no TLS 1.3.
#[tokio::test(flavor = "multi_thread")]
async fn without_tls_12_this_coturn_speaks_no_tls_at_all_and_that_is_found() {
    let modern = plugin(&["harden", "--for=4.6.1", "--policy=modern"])
        .await
        .text;
    assert!(!modern.lines().any(|line| line == "no-tlsv1_2"), "{modern}");

    let text = format!("{BASE}no-tlsv1_2\nno-auth\n");
    let server = Server::start("shut-out", &text, good, unchanged).await;
    let told = server.audited_once_open().await;
    let found = told.ids();
    for id in ["CT-TLS-003", "CT-TLS-005"] {
        assert!(found.contains(id), "{id}: {told:?}");
    }
    assert!(told.accepted("TLS").is_none(), "{told:?}");
}

#[rstest]
#[case::a_path_that_misses_the_mount(
    "cert=/elsewhere/tls.crt\npkey=/coturn-dtls-certificate/other.key\nno-dtls\n",
    unchanged,
    &["CT-FIL-001", "CT-FIL-002"]
)]
#[case::no_path_at_all("realm=example.com\n", unchanged, &["CT-FIL-003"])]
#[case::a_key_that_root_alone_may_read(BASE, lock_out, &["CT-KEY-002"])]
#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_coturn_from_its_files_and_what_comes_of_it_are_found(
    #[case] text: &str,
    #[case] change: fn(&mut StatefulSet),
    #[case] planted: &[&str],
) {
    let server = Server::start("misplaced", text, good, change).await;
    for told in server.audited_without_listeners().await {
        let found = told.ids();
        for id in planted.iter().chain([&SILENT]) {
            assert!(found.contains(*id), "{id}: {told:?}");
        }
    }
}

/// What the audit takes for trusted.
enum Trusts {
    TheRoot,
    WhatItIsNotTold,
}

/// What is found of a certificate that coturn serves, whatever is found of the rest.
async fn found_of(made: Made, trusts: Trusts) -> BTreeSet<String> {
    // Without this OpenSSL would not load the weak one.
    let text = format!("cipher-list=ALL:@SECLEVEL=0\n{BASE}");
    let server = Server::start("planted", &text, made, unchanged).await;
    let root = server.world.ca_file();
    let trusted = format!("--trusted={}", root.display());
    let mut options = vec!["--name=coturn.example.com"];
    match trusts {
        Trusts::TheRoot => options.push(&trusted),
        Trusts::WhatItIsNotTold => {}
    }
    let told = server.audited(&options).await;
    let mut found = told.ids();
    found.retain(|id| id.starts_with("CT-CRT-"));
    found
}

#[rstest]
#[case::incomplete(certificate::incomplete, "CT-CRT-006")]
#[case::out_of_order(certificate::out_of_order, "CT-CRT-005")]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_chain_is_found(#[case] made: Made, #[case] planted: &str) {
    let found = found_of(made, Trusts::TheRoot).await;
    assert_eq!(found, [planted.to_owned()].into());
}

/// Whether its chain is complete nobody can tell: its signature is none that clients take.
#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_wrong_with_a_leaf_is_found() {
    let found = found_of(certificate::weak, Trusts::WhatItIsNotTold).await;
    let planted = [
        "CT-CRT-001",
        "CT-CRT-003",
        "CT-CRT-004",
        "CT-CRT-008",
        "CT-CRT-009",
        "CT-CRT-010",
        "CT-CRT-011",
    ];
    assert_eq!(found, planted.map(str::to_owned).into());
}

#[rstest]
#[case::an_administration_in_the_clear(
    "no-tls\nweb-admin\n",
    unchanged,
    &["CT-ADM-001"]
)]
#[case::an_option_of_a_later_version("dtls\n", unchanged, &["CT-OPT-003"])]
#[case::whatever_suites_there_are("", unchanged, &["CT-CPH-005"])]
#[case::files_that_never_change("", freeze, &["CT-FIL-004"])]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_planted_in_the_settings_and_the_pod_is_found(
    #[case] text: &str,
    #[case] change: fn(&mut StatefulSet),
    #[case] planted: &[&str],
) {
    let text = format!("{text}{BASE}");
    let server = Server::start("settings", &text, good, change).await;
    let told = audited(&server.world.namespace, &["--coturn-version=4.6.1"]).await;
    let found = told.ids();
    for id in planted {
        assert!(found.contains(*id), "{id}: {told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_scanned_through_a_port_forward_and_dtls_is_said_not_to_be() {
    let server = Server::start("forwarded", BASE, good, unchanged).await;
    let direct = server.audited(&[]).await;
    let address = format!("--address={}", server.tls_address().await);
    let named = server.audited(&[&address]).await;
    assert_eq!(named.accepted("TLS"), direct.accepted("TLS"));
    let forwarded = audited(&server.world.namespace, &["--via=port-forward"]).await;
    assert_eq!(forwarded.accepted("TLS"), direct.accepted("TLS"));
    assert!(forwarded.accepted("DTLS").is_none());
    assert!(
        forwarded
            .gaps()
            .iter()
            .any(|gap| gap.contains("carries no UDP")),
        "{forwarded:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_the_rights_that_the_page_names_sees_all_and_who_may_not_forward_a_port_is_told_so()
{
    let server = Server::start("auditor", BASE, good, unchanged).await;
    let all = server.audited(&[]).await;
    let auditor = Auditor::of(&server.world).await;
    assert!(!auditor.may(&["list", "secrets"]));
    let told = auditor.audited(&[]).await;
    assert_eq!((told.ids(), told.gaps()), (all.ids(), all.gaps()));
    for listener in ["TLS", "DTLS"] {
        assert_eq!(told.accepted(listener), all.accepted(listener));
    }
    let of_a_pod = auditor.audited(&["pod/coturn-0"]).await;
    assert_eq!(of_a_pod.accepted("TLS"), all.accepted("TLS"));
    let forwarded = auditor.audited(&["--via=port-forward"]).await;
    assert_eq!(forwarded.accepted("TLS"), all.accepted("TLS"));

    auditor.lose_the_port_forward();
    wait::until("a port-forward that is refused", async || {
        let told = auditor.audited(&["--via=port-forward"]).await;
        let mut gaps = told.gaps().into_iter();
        gaps.any(|gap| gap.contains("needs the verb get of pods/portforward"))
            .then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_that_cannot_look_says_so_by_its_code() {
    let world = World::empty("nothing").await;
    let told = audited(&world.namespace, &["statefulset/coturn"]).await;
    assert_eq!(told.code, 2);
    assert!(told.error.contains("StatefulSet"), "{told:?}");
    let none = audited(&world.namespace, &[]).await;
    assert_eq!(none.code, 2);
    assert!(none.error.contains("runs coturn"), "{none:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_accepts_what_sslyze_accepts() {
    let sslyze = Sslyze::provide();
    // A client of a version that is switched off this coturn leaves waiting, and sslyze tries it 80 times.
    let hardened = plugin(&["harden", "--for=4.6.1"]).await.text;
    let hardened = hardened.replace("\nno-tlsv1", "\n#no-tlsv1");
    let weak = "cipher-list=ALL:COMPLEMENTOFALL:@SECLEVEL=0\nno-auth\n";
    for (name, text) in [
        ("sslyze-weak", weak),
        ("sslyze-hardened", hardened.as_str()),
    ] {
        let server = Server::start(name, &format!("{text}\n{BASE}"), good, unchanged).await;
        let ours = server.audited(&[]).await;
        let theirs = sslyze.scan(&server.tls_address().await);
        sslyze::assert_same(&ours, &theirs);
    }
}
