use rstest::rstest;

use super::*;

/// A pod with a volume, and a container that mounts it at `/tls` (or as told).
fn placed(volume: &str, mount: &str, pod: &str, path: &str) -> Place {
    let pod: PodSpec = serde_saphyr::from_str(&format!(
        "{{containers: [], volumes: [{{name: v, {volume}}}], {pod}}}"
    ))
    .unwrap();
    let container: Container = serde_saphyr::from_str(&format!(
        "{{name: coturn, volumeMounts: [{{name: v, {mount}}}]}}"
    ))
    .unwrap();
    place(&pod, &container, path)
}

fn entry(key: &str, mode: i32) -> Entry {
    Entry {
        object: "s".to_owned(),
        key: key.to_owned(),
        mode,
        is_frozen: false,
        is_optional: false,
    }
}

const SECRET: &str = "secret: {secretName: s}";
const AT_TLS: &str = "mountPath: /tls/";

#[test]
fn a_key_of_a_secret_is_a_file_that_all_may_read() {
    let place = placed(SECRET, AT_TLS, "", "/tls/tls.key");
    assert_eq!(place, Place::Secret(entry("tls.key", 0o644)));
}

#[rstest]
#[case("secret: {secretName: s, defaultMode: 0o400}", "", 0o400)]
#[case(
    "secret: {secretName: s, defaultMode: 0o400}",
    "securityContext: {fsGroup: 7}",
    0o440
)]
#[case("secret: {secretName: s}", "securityContext: {fsGroup: 7}", 0o644)]
#[case(
    "secret: {secretName: s, items: [{key: tls.key, path: tls.key, mode: 0o440}]}",
    "",
    0o440
)]
#[case(
    "projected: {sources: [{secret: {name: s}}], defaultMode: 0o440}",
    "",
    0o440
)]
fn the_mode_is_the_items_or_the_volumes_and_what_fs_group_adds(
    #[case] volume: &str,
    #[case] pod: &str,
    #[case] mode: i32,
) {
    let place = placed(volume, AT_TLS, pod, "/tls/tls.key");
    assert_eq!(place, Place::Secret(entry("tls.key", mode)));
}

#[rstest]
#[case("secret: {secretName: s, optional: true}")]
#[case("projected: {sources: [{secret: {name: s, optional: true}}]}")]
fn an_object_may_be_optional(#[case] volume: &str) {
    let optional = Entry {
        is_optional: true,
        ..entry("tls.key", 0o644)
    };
    let place = placed(volume, AT_TLS, "", "/tls/tls.key");
    assert_eq!(place, Place::Secret(optional));
}

#[test]
fn items_name_files_and_leave_others_out() {
    let volume = "secret: {secretName: s, items: [{key: tls.key, path: key.pem}]}";
    let place = |path| placed(volume, AT_TLS, "", path);
    assert_eq!(
        place("/tls/key.pem"),
        Place::Secret(entry("tls.key", 0o644))
    );
    let left_out = Place::LeftOut {
        volume: "v".to_owned(),
        paths: vec!["key.pem".to_owned()],
    };
    assert_eq!(place("/tls/tls.key"), left_out);
}

#[test]
fn a_sub_path_is_one_file_that_stays_as_it_is() {
    let place = placed(
        SECRET,
        "mountPath: /a/key.pem, subPath: tls.key",
        "",
        "/a/key.pem",
    );
    let frozen = Entry {
        is_frozen: true,
        ..entry("tls.key", 0o644)
    };
    assert_eq!(place, Place::Secret(frozen));
}

#[rstest]
#[case("/etc/ssl/tls.key", Place::Image)]
#[case("/tls-other/tls.key", Place::Image)]
#[case("tls.key", Place::Image)]
fn a_path_beside_the_mount_is_in_no_volume(#[case] path: &str, #[case] place: Place) {
    assert_eq!(placed(SECRET, AT_TLS, "", path), place);
}

#[test]
fn other_volumes_are_told_by_their_names() {
    let place = placed("emptyDir: {}", AT_TLS, "", "/tls/tls.key");
    assert_eq!(place, Place::Volume("v".to_owned()));
}

#[test]
fn a_config_map_is_told_from_a_secret() {
    let place = placed("configMap: {name: s}", AT_TLS, "", "/tls/turnserver.conf");
    assert_eq!(place, Place::ConfigMap(entry("turnserver.conf", 0o644)));
}

fn projected(sources: &str, path: &str) -> Place {
    placed(
        &format!("projected: {{sources: [{sources}]}}"),
        AT_TLS,
        "",
        path,
    )
}

#[test]
fn each_source_of_a_projected_volume_may_have_a_file_and_the_last_that_does_counts() {
    let sources = "{configMap: {name: s}}, {secret: {name: s}}, {secret: {name: t, items: []}}";
    let of_both = Place::Projected(Projected {
        volume: "v".to_owned(),
        candidates: vec![
            Origin::ConfigMap(entry("tls.key", 0o644)),
            Origin::Secret(entry("tls.key", 0o644)),
        ],
        is_all: true,
    });
    assert_eq!(projected(sources, "/tls/tls.key"), of_both);
}

#[test]
fn a_source_of_another_kind_may_have_any_file() {
    let token = "{serviceAccountToken: {path: token}}";
    let in_volume = Place::Volume("v".to_owned());
    assert_eq!(projected(token, "/tls/tls.key"), in_volume);
    let items = "{secret: {name: s, items: [{key: a, path: a}]}}";
    let both = format!("{items}, {token}");
    assert_eq!(projected(&both, "/tls/tls.key"), in_volume);
    let open = Place::Projected(Projected {
        volume: "v".to_owned(),
        candidates: vec![Origin::Secret(entry("tls.key", 0o644))],
        is_all: false,
    });
    let both = format!("{{secret: {{name: s}}}}, {token}");
    assert_eq!(projected(&both, "/tls/tls.key"), open);
}

#[test]
fn an_expression_is_a_sub_path_too() {
    let container = |env: &str| -> Container {
        let mount = "{name: v, mountPath: /a/key.pem, subPathExpr: $(KEY)}";
        let text = format!("{{name: coturn, env: [{env}], volumeMounts: [{mount}]}}");
        serde_saphyr::from_str(&text).unwrap()
    };
    let pod = format!("{{containers: [], volumes: [{{name: v, {SECRET}}}]}}");
    let pod: PodSpec = serde_saphyr::from_str(&pod).unwrap();
    let known = container("{name: KEY, value: tls.key}");
    let frozen = Entry {
        is_frozen: true,
        ..entry("tls.key", 0o644)
    };
    assert_eq!(place(&pod, &known, "/a/key.pem"), Place::Secret(frozen));
    let unknown = container("{name: KEY, valueFrom: {}}");
    let in_volume = Place::Volume("v".to_owned());
    assert_eq!(place(&pod, &unknown, "/a/key.pem"), in_volume);
}
