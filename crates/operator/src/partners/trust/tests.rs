use axum::http::Request;
use kube::client::Body;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::context::testing::{NAMESPACE, client};

const PARTNER: &str = "federation-remote-whitelist=coturn.partner.example,Partner CA";

/// The text of a ConfigMap by its name.
fn configured(name: &str) -> Option<String> {
    let text = match name {
        "settings" => "CA-file=/ca/ca.crt",
        "by-config-map" => "CA-file=/ca-of-config-map/ca.crt",
        "forbidden-bundle" => "CA-file=/forbidden/ca.crt",
        "another-key" => "CA-file=/ca/another.crt",
        "no-ca" => "no-tls",
        "of-a-key" => {
            return Some(format!("CA-file=MIGH{}", "QUJD".repeat(30)));
        }
        "endless" => return Some(format!("CA-file=/made{}", "/a-b".repeat(1000))),
        "of-the-image" => "CA-file=/etc/ssl/certs/ca-certificates.crt",
        "projected" => "CA-file=/projected/ca.crt",
        "of-some" => "CA-file=/some-missing/ca.crt",
        "of-a-volume" => "CA-file=/made/ca.crt",
        "relative" => "CA-file=ca.crt",
        "unresolved" => "CA-file=/ca/__CA_FILE__",
        "unresolved-host" => "CA-file=/ca/ca.crt\nfederation-remote-whitelist=$PARTNER",
        _ => return None,
    };
    Some(format!("{text}\n{PARTNER}\n"))
}

/// An API server with those ConfigMaps, a bundle as Secret and as ConfigMap, and objects that the
/// operator's Role does not name.
fn answer(request: &Request<Body>) -> Value {
    let mut path = request.uri().path().rsplit('/');
    let (name, resource) = (path.next().unwrap(), path.next().unwrap());
    let status = |code: u16, reason: &str, message: &str| {
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code,
            "reason": reason, "message": message})
    };
    match (resource, name) {
        (_, "forbidden") => {
            let message = format!(
                "{resource} \"{name}\" is forbidden: User \"u\" cannot get resource \"{resource}\""
            );
            status(403, "Forbidden", &message)
        }
        ("secrets", "bundle") => json!({"metadata": {}, "data": {"ca.crt": "YnVuZGxl"}}),
        ("configmaps", "bundle") => json!({"metadata": {}, "data": {"ca.crt": "bundle"}}),
        ("configmaps", name) => configured(name).map_or_else(
            || status(404, "NotFound", "not found"),
            |text| json!({"metadata": {}, "data": {"turnserver.conf": text}}),
        ),
        _ => status(404, "NotFound", "not found"),
    }
}

/// What runs coturn in the pods of [`trusted`].
const BY_FILE: &str = "command: [turnserver, -c, /conf/turnserver.conf]";

/// What a coturn trusts that is started so, with its file in this ConfigMap.
async fn trusted(start: &str, config_map: &str) -> Result<Trust, String> {
    let pod = format!(
        "
containers:
- name: coturn
  {start}
  volumeMounts:
  - {{name: conf, mountPath: /conf}}
  - {{name: ca, mountPath: /ca}}
  - {{name: ca-of-config-map, mountPath: /ca-of-config-map}}
  - {{name: forbidden, mountPath: /forbidden}}
  - {{name: projected, mountPath: /projected}}
  - {{name: made, mountPath: /made}}
  - {{name: some-missing, mountPath: /some-missing}}
volumes:
- {{name: conf, configMap: {{name: {config_map}}}}}
- {{name: ca, secret: {{secretName: bundle}}}}
- {{name: ca-of-config-map, configMap: {{name: bundle}}}}
- {{name: forbidden, secret: {{secretName: forbidden}}}}
- name: projected
  projected:
    sources: [{{secret: {{name: bundle}}}}, {{configMap: {{name: settings}}}}, {{serviceAccountToken: {{path: t}}}}]
- name: some-missing
  projected:
    sources:
    - {{configMap: {{name: {config_map}}}}}
    - {{secret: {{name: bundle}}}}
    - {{secret: {{name: none, optional: true}}}}
- {{name: made, emptyDir: {{}}}}"
    );
    let pod: PodSpec = serde_saphyr::from_str(&pod).unwrap();
    read(&client(answer), NAMESPACE, &pod).await
}

#[rstest]
#[case::a_secret("settings", "key ca.crt of Secret wire/bundle")]
#[case::a_config_map("by-config-map", "key ca.crt of ConfigMap wire/bundle")]
#[case::the_source_that_has_it("projected", "key ca.crt of Secret wire/bundle")]
#[tokio::test]
async fn the_bundle_is_read_where_the_volumes_have_it(
    #[case] config_map: &str,
    #[case] authorities: &str,
) {
    let trust = trusted(BY_FILE, config_map).await.ok().unwrap();
    assert_eq!(trust.bundle, b"bundle");
    assert_eq!(trust.authorities, authorities);
    let listed = coturn::Entry::parse("coturn.partner.example,Partner CA");
    assert_eq!(trust.whitelist.entries(), [listed]);
}

#[tokio::test]
async fn the_command_line_tells_as_well_and_what_it_says_of_the_bundle_counts() {
    let start = "command: [turnserver, -c, /conf/turnserver.conf, --CA-file=/ca/ca.crt, \
                 --federation-remote-whitelist=more.example]";
    let trust = trusted(start, "no-ca").await.ok().unwrap();
    assert_eq!(trust.whitelist.entries().len(), 2);
    let start = "command: [turnserver, -n, --CA-file=/ca/ca.crt]";
    let trust = trusted(start, "forbidden").await.ok().unwrap();
    assert!(trust.whitelist.is_empty());
}

/// The shape of the entry point of Wire's chart. The shared secret that it adds may not be read here.
const BY_SCRIPT: &str = r#"command:
    - dumb-init
    - --
    - /bin/sh
    - -c
    - |
      sed -Ee "s;__IP__;$POD_IP;g" /conf/turnserver.conf > /made/turnserver.conf
      sed -Ee 's/^/static-auth-secret=/' /forbidden/secret.txt >> /made/turnserver.conf
      exec /usr/bin/turnserver -c /made/turnserver.conf"#;

#[tokio::test]
async fn a_file_that_a_script_makes_is_read_where_it_is_made_from_and_no_shared_secret_is() {
    let trust = trusted(BY_SCRIPT, "settings").await.ok().unwrap();
    assert_eq!(trust.bundle, b"bundle");
    assert_eq!(trust.whitelist.entries().len(), 1);
}

/// The shape of the entry point of another chart.
async fn trusted_with(script: &str, config_map: &str) -> Result<Trust, String> {
    let start = format!(
        "command:
    - /bin/sh
    - -c
    - |
      cp /conf/turnserver.conf /tmp/turnserver.conf
      {script}
      exec turnserver -c /tmp/turnserver.conf"
    );
    trusted(&start, config_map).await
}

#[tokio::test]
async fn what_a_script_adds_counts_as_well() {
    let script = "echo CA-file=/ca/ca.crt >> /tmp/turnserver.conf";
    let trust = trusted_with(script, "no-ca").await.ok().unwrap();
    assert_eq!(trust.bundle, b"bundle");
    assert_eq!(trust.whitelist.entries().len(), 1);
    let script = "echo \"CA-file=$CA\" >> /tmp/turnserver.conf";
    let why = trusted_with(script, "settings").await.err().unwrap();
    assert!(why.contains("CA-file=$CA"), "{why}");
}

#[rstest]
#[case::a_secret("cat /forbidden/more >> /tmp/turnserver.conf", "/forbidden/more")]
#[case::what_is_not_followed("render /tmp/turnserver.conf", "by render")]
#[case::a_target_that_is_not_whole("echo CA-file=/x >> $CONF", "by echo")]
#[case::a_part_that_is_missing(
    "cat /conf/none.conf >> /tmp/turnserver.conf",
    "key none.conf of ConfigMap wire/settings is not there"
)]
#[case::a_line_that_is_not_ended(
    "echo -n CA- >> /tmp/turnserver.conf; echo file=/x >> /tmp/turnserver.conf",
    "by echo"
)]
#[tokio::test]
async fn a_file_of_which_not_all_is_known_may_say_anything(
    #[case] script: &str,
    #[case] told: &str,
) {
    let why = trusted_with(script, "settings").await.err().unwrap();
    for words in [
        "not all of /tmp/turnserver.conf is known",
        told,
        "by `echo`",
    ] {
        assert!(why.contains(words), "{why}");
    }
}

#[tokio::test]
async fn an_object_that_may_be_missing_is_no_matter_where_another_has_the_file() {
    let start = "command: [turnserver, -c, /some-missing/turnserver.conf]";
    let trust = trusted(start, "of-some").await.ok().unwrap();
    assert_eq!(trust.authorities, "key ca.crt of Secret wire/bundle");
}

#[rstest]
#[case::no_ca_file("no-ca", &["coturn has no CA-file: it verifies no partner at all"])]
#[case::a_config_map_that_may_not_be_read(
    "forbidden",
    &["cannot read ConfigMap wire/forbidden", "add forbidden to the chart's value configMapNames"]
)]
#[case::a_config_map_that_is_not_there("none", &["there is no ConfigMap wire/none", "create it"])]
#[case::a_bundle_that_may_not_be_read(
    "forbidden-bundle",
    &["cannot read Secret wire/forbidden", "add forbidden to the chart's value readSecretNames"]
)]
#[case::a_bundle_under_another_key(
    "another-key",
    &["key another.crt of Secret wire/bundle is not there"]
)]
#[case::the_images_own_bundle(
    "of-the-image",
    &["CA-file=/etc/ssl/certs/ca-certificates.crt", "comes with coturn's image", "mount a Secret"]
)]
#[case::a_bundle_that_is_made("of-a-volume", &["CA-file=/made/ca.crt", "volume made"])]
#[case::a_path_that_is_not_whole("relative", &["CA-file=ca.crt", "no whole path"])]
#[case::a_path_that_is_filled_in("unresolved", &["__CA_FILE__"])]
#[case::a_host_that_is_filled_in("unresolved-host", &["federation-remote-whitelist=$PARTNER"])]
#[tokio::test]
async fn what_cannot_be_seen_is_told_with_what_would_show_it(
    #[case] config_map: &str,
    #[case] expected: &[&str],
) {
    let why = trusted(BY_FILE, config_map).await.err().unwrap();
    for words in expected {
        assert!(why.contains(words), "{why}");
    }
}

#[rstest]
#[case::no_coturn("command: [sleep]", "name turnserver in its `command`")]
#[case::by_the_image("image: coturn/coturn:4.6", "set the container's `command` or `args`")]
#[case::a_file_of_the_image("command: [turnserver, -c, /etc/a.conf]", "/etc/a.conf")]
#[case::a_file_that_is_made("command: [turnserver, -c, /made/a.conf]", "/made/a.conf")]
#[case::a_file_of_another_key("command: [turnserver, -c, /conf/a.conf]", "/conf/a.conf")]
#[case::no_file_by_arguments_alone("args: [turnserver, -n, --CA-file=/ca/ca.crt]", "drops it")]
#[case::any_file("command: [turnserver, -v]", "/etc/turnserver.conf")]
#[tokio::test]
async fn a_coturn_whose_configuration_is_not_in_sight_is_told_of(
    #[case] start: &str,
    #[case] expected: &str,
) {
    let why = trusted(start, "settings").await.err().unwrap();
    assert!(why.contains(expected), "{why}");
}

#[rstest]
#[case::a_key_by_mistake("of-a-key", "QUJD", "write it in full")]
#[case::a_value_without_end("endless", &"/a-b".repeat(100), "have CA-file name its file")]
#[tokio::test]
async fn what_somebody_wrote_there_by_mistake_is_not_told_and_the_remedy_is(
    #[case] config_map: &str,
    #[case] withheld: &str,
    #[case] remedy: &str,
) {
    let why = trusted(BY_FILE, config_map).await.err().unwrap();
    assert!(!why.contains(withheld), "{why}");
    assert!(why.contains(remedy), "{why}");
}
