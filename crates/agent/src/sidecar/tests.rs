use api::names;
use clap::Parser;
use rstest::rstest;

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: PostRenderArgs,
}

fn args(more: &str) -> PostRenderArgs {
    let words = "x --image example.com/agent:1 ".to_owned() + more;
    Line::try_parse_from(words.split_whitespace()).unwrap().args
}

/// As Wire's chart renders it, cut down.
const WIRE: &str = r#"---
# Source: coturn/templates/secret.yaml
apiVersion: v1
kind: Secret
metadata: {name: coturn-dtls-certificate}
stringData:
  tls.crt: |
    -----BEGIN CERTIFICATE-----
    MIIB
    --- no mark, as it is indented
---
# Source: coturn/templates/statefulset.yaml
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: coturn
spec:
  replicas: 3
  template:
    spec:
      # ports of the node
      hostNetwork: true
      securityContext:
        fsGroup: 31338
      volumes:
        - name: coturn-config
          configMap: {name: coturn, defaultMode: 0444}
        - name: coturn-dtls-certificate
          secret:
            secretName: coturn-dtls-certificate
      containers:
        - name: coturn
          command: ["/usr/bin/dumb-init", "--"]   # yes: no
          volumeMounts:
          - {name: coturn-dtls-certificate, mountPath: /coturn-dtls-certificate/}
      nodeSelector: {on: "yes"}
"#;

fn added(manifests: &str, more: &str) -> String {
    rendered(&args(more), manifests).unwrap()
}

fn refused(manifests: &str, more: &str) -> String {
    rendered(&args(more), manifests).unwrap_err().to_string()
}

/// The pod's spec of the workload in a stream.
fn pod(manifests: &str) -> Value {
    let range = documents::ranges(manifests).pop().unwrap();
    let value: Value = serde_saphyr::from_str(&manifests[range]).unwrap();
    value.pointer("/spec/template/spec").unwrap().clone()
}

/// Whether every byte of a text stands in another one, in their order.
fn is_all_in(text: &str, other: &str) -> bool {
    let mut bytes = other.bytes();
    text.bytes().all(|byte| bytes.any(|it| it == byte))
}

#[test]
fn the_agent_is_added_and_every_byte_of_the_chart_stays() {
    let all = added(WIRE, "--uid 65534 --partner coturn.partner.example:9191");
    assert!(is_all_in(WIRE, &all), "{all}");
    // Nothing but two lines came.
    let before: Vec<_> = WIRE.lines().collect();
    let came: Vec<_> = all.lines().filter(|line| !before.contains(line)).collect();
    assert_eq!(came.len(), 2, "{came:?}");
    assert_eq!(all.lines().count(), before.len() + 2);

    let pod = pod(&all);
    assert_eq!(pod["shareProcessNamespace"], true);
    let agent = &pod["initContainers"][0];
    assert_eq!(agent["name"], AGENT);
    assert_eq!(agent["image"], "example.com/agent:1");
    assert_eq!(agent["restartPolicy"], "Always");
    assert_eq!(agent["securityContext"]["runAsUser"], 65_534);
    assert_eq!(agent["volumeMounts"][0]["name"], "coturn-dtls-certificate");
    assert_eq!(agent["volumeMounts"][0]["readOnly"], true);
    assert_eq!(agent["ports"][0]["name"], PORT);
    assert_eq!(agent["ports"][1]["name"], names::RELAY_PORT);
    let arguments: Vec<_> = agent["args"].as_array().unwrap().iter().collect();
    assert_eq!(
        arguments,
        [
            "agent",
            "--watch",
            "/coturn-dtls-certificate/",
            "--partner",
            "coturn.partner.example:9191"
        ]
    );
}

#[test]
fn the_agent_listens_where_its_ports_say() {
    let options = "--uid 65534 --port 19797 --relay-port 19798 --partner a.example:9191";
    let agent = &pod(&added(WIRE, options))["initContainers"][0];
    assert_eq!(agent["ports"][0]["containerPort"], 19_797);
    assert_eq!(agent["ports"][1]["containerPort"], 19_798);
    let arguments = agent["args"].to_string();
    for part in [
        "\"--listen\",\"[::]:19797\"",
        "\"--relay-listen\",\"[::]:19798\"",
    ] {
        assert!(arguments.contains(part), "{arguments}");
    }
}

#[test]
fn once_more_changes_nothing() {
    let once = added(WIRE, "--uid 65534");
    assert_eq!(added(&once, "--uid 65534"), once);
}

#[test]
fn an_agent_of_other_settings_is_not_put_beside_the_first() {
    let once = added(WIRE, "--uid 65534");
    let told = refused(&once, "--uid 1000");
    assert!(told.contains("coturn-cert-agent already"), "{told}");
}

/// The workload of a chart with this in the pod's spec.
fn with(pod: &str) -> String {
    WIRE.replace("      # ports of the node\n", pod)
}

#[rstest]
#[case::a_list("      initContainers:\n      - name: first\n        image: a\n", 2)]
#[case::a_list_further_in(
    "      initContainers:\n          -   name: first\n              image: a\n",
    2
)]
#[case::a_list_in_one_line("      initContainers: [{name: first, image: a}]\n", 2)]
#[case::an_empty_list("      initContainers: []\n", 1)]
#[case::a_key_without_a_list("      initContainers:\n", 1)]
#[case::a_namespace_that_is_not_shared("      shareProcessNamespace: false # why\n", 1)]
#[case::a_namespace_that_is_shared("      shareProcessNamespace: true\n", 1)]
fn what_is_there_already_stays_behind_the_agent(#[case] there: &str, #[case] count: usize) {
    let chart = with(there);
    let all = added(&chart, "--uid 65534");
    let pod = pod(&all);
    let containers = pod["initContainers"].as_array().unwrap();
    assert_eq!(containers.len(), count, "{all}");
    assert_eq!(containers[0]["name"], AGENT);
    assert_eq!(pod["shareProcessNamespace"], true);
    assert!(is_all_in(&chart.replace("Namespace: false", ""), &all));
    assert_eq!(added(&all, "--uid 65534"), all);
}

#[test]
fn manifests_in_json_are_manifests() {
    let chart = r#"{"kind":"Deployment","metadata":{"name":"turn"},"spec":{"template":{"spec":{
        "securityContext":{"runAsUser":1000},"volumes":[{"name":"tls","secret":{"secretName":"turn-tls"}}],
        "containers":[{"name":"turn","volumeMounts":[{"name":"tls","mountPath":"/tls"}]}]}}}}"#;
    let more = "--workload Deployment/turn --container turn --secret turn-tls";
    let all = added(chart, more);
    let agent = &pod(&all)["initContainers"][0];
    assert_eq!(agent["securityContext"]["runAsUser"], 1000);
    assert_eq!(added(&all, more), all);
}

#[rstest]
#[case::no_workload(
    "--workload Deployment/coturn --uid 1",
    "there is no Deployment/coturn"
)]
#[case::no_container("--container turn --uid 1", "there are: coturn")]
#[case::no_volume("--secret other --uid 1", "no volume of this Secret")]
#[case::no_uid("", "--uid (65534")]
fn what_is_not_there_is_refused_with_what_to_set(#[case] more: &str, #[case] part: &str) {
    let told = refused(WIRE, more);
    assert!(told.contains(part), "{told}");
}

#[test]
fn a_file_mounted_by_sub_path_is_refused_as_it_never_changes() {
    let mount = "mountPath: /coturn-dtls-certificate/}";
    let sub_path = WIRE.replace(mount, "mountPath: /tls.crt, subPath: tls.crt}");
    let told = refused(&sub_path, "--uid 65534");
    assert!(told.contains("never changes"), "{told}");
    let elsewhere = WIRE.replace(
        "- {name: coturn-dtls-certificate, mount",
        "- {name: coturn-config, mount",
    );
    let told = refused(&elsewhere, "--uid 65534");
    assert!(told.contains("does not mount its volume"), "{told}");
}

#[test]
fn a_uid_that_is_not_the_specs_is_refused() {
    let spec = with("      securityContext: {runAsUser: 31338}\n");
    let spec = spec.replace("      securityContext:\n        fsGroup: 31338\n", "");
    let told = refused(&spec, "--uid 65534");
    assert!(told.contains("as uid 31338"), "{told}");
    let agent = &pod(&added(&spec, ""))["initContainers"][0];
    assert_eq!(agent["securityContext"]["runAsUser"], 31_338);
}

#[test]
fn a_workload_that_is_there_twice_is_refused() {
    let twice = format!("{WIRE}{WIRE}");
    let told = refused(&twice, "--uid 65534");
    assert!(told.contains("more than once"), "{told}");
}

#[test]
fn a_document_that_is_no_yaml_is_passed_on_and_named_where_the_workload_is_missing() {
    let broken = format!("a: [\n{WIRE}");
    assert!(added(&broken, "--uid 65534").starts_with("a: [\n---\n"));
    let told = refused("a: [\n", "--uid 65534");
    assert!(told.contains("document 1"), "{told}");
    assert!(!told.contains('\n'), "{told}");
}

#[test]
fn an_error_shows_nothing_of_the_manifests() {
    let told = refused(
        "kind: Secret\ndata: {tls.key: c2VjcmV0, tls.key: c2VjcmV0}\n",
        "",
    );
    assert!(!told.contains("c2VjcmV0"), "{told}");
}

#[test]
fn the_component_for_kustomize_adds_the_same() {
    let component = include_str!("../../../../deploy/agent/sidecar.yaml");
    let pod = pod(component);
    assert_eq!(pod["shareProcessNamespace"], true);
    let line = ["x", "--image", "coturn-cert-operator"];
    let args = Line::try_parse_from(line).unwrap().args;
    let place = workload::Place {
        volume: "coturn-dtls-certificate".to_owned(),
        path: "/coturn-dtls-certificate".to_owned(),
        uid: 65_534,
    };
    assert_eq!(
        pod["initContainers"][0],
        container::container(&args, &place)
    );
}
