use std::convert::Infallible;

use deployed::Entry;
use hyper::{Request, Response, StatusCode};
use kube::{Client, client::Body};
use rstest::rstest;
use serde_json::json;

use super::*;

fn container(text: &str) -> Container {
    serde_saphyr::from_str(&format!("{{name: coturn, {text}}}")).unwrap()
}

#[test]
fn the_containers_user_counts_before_the_pods() {
    let pod = |text| serde_saphyr::from_str(text).unwrap();
    let pod: PodSpec = pod("{containers: [], securityContext: \
         {runAsUser: 1, runAsGroup: 4, fsGroup: 2, supplementalGroups: [6, 7]}}");
    let own = container("securityContext: {runAsUser: 3, runAsGroup: 5}");
    let own = process(&pod, &own);
    assert_eq!((own.user, own.group), (Some(3), Some(5)));
    let of_pod = process(&pod, &container("image: x"));
    assert_eq!((of_pod.user, of_pod.group), (Some(1), Some(4)));
    assert_eq!((of_pod.fs_group, of_pod.more_groups), (Some(2), vec![6, 7]));
}

#[test]
fn the_fork_is_known_by_its_options_unless_the_image_is_something_else() {
    let configuration = Configuration::read(&[("f", "zrest")], &[]);
    let is_fork = |image, configuration| build(image, configuration).is_fork;
    assert!(is_fork("a", Some(&configuration)));
    assert!(!is_fork("a", None));
    assert!(!is_fork("coturn/coturn:4.6.2", Some(&configuration)));
    assert!(!is_fork("mirror/coturn:4.17.1", Some(&configuration)));
    assert!(is_fork("coturn:4.6.2-federation-wireapp.49", None));
}

fn there() -> Presence {
    Presence::There
}

fn missing() -> Presence {
    Presence::Missing("no".to_owned())
}

/// Which of two sources has a file, from 0.
#[rstest]
#[case::the_first(true, [there(), missing()], Some(0), there())]
#[case::the_last_of_both(true, [there(), there()], Some(1), there())]
#[case::none(true, [missing(), missing()], None, Presence::Missing("no; no".to_owned()))]
#[case::one_that_is_not_known(true, [missing(), Presence::Unknown], None, Presence::Unknown)]
#[case::one_below_that(true, [there(), Presence::Unknown], None, Presence::Unknown)]
#[case::another_kind(false, [missing(), missing()], None, Presence::Unknown)]
fn a_file_of_a_projected_volume_is_missing_only_if_no_source_has_it(
    #[case] is_all: bool,
    #[case] found: [Presence; 2],
    #[case] at: Option<usize>,
    #[case] presence: Presence,
) {
    let origin = |object: &str| {
        Origin::Secret(Entry {
            object: object.to_owned(),
            key: "tls.key".to_owned(),
            mode: 0o440,
            is_frozen: false,
            is_optional: false,
        })
    };
    let candidates = vec![origin("a"), origin("b")];
    let projected = Projected {
        volume: "v".to_owned(),
        candidates: candidates.clone(),
        is_all,
    };
    let place = match at {
        Some(at) => candidates[at].clone().into(),
        None => Place::Projected(projected.clone()),
    };
    assert_eq!(settled(projected, found.into()), (place, presence));
}

/// An API server with a configuration and a template of one, and another ConfigMap that may not be read.
fn client() -> Client {
    let service = tower::service_fn(|request: Request<Body>| {
        let name = request.uri().path().rsplit('/').next().unwrap_or_default();
        let status = |code: u16, reason: &str| {
            json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code,
                "reason": reason, "message": reason})
        };
        let (code, answer) = match name {
            "settings" => (
                StatusCode::OK,
                json!({"metadata": {}, "data": {"turnserver.conf": "no-tcp-relay\n", "open.conf": "no-tls",
                    "marked.conf": "cert=/certs/REPLACE_DOMAIN/fullchain.pem\n"}}),
            ),
            "none" => (StatusCode::NOT_FOUND, status(404, "NotFound")),
            _ => (StatusCode::FORBIDDEN, status(403, "Forbidden")),
        };
        let mut response = Response::new(Body::from(answer.to_string().into_bytes()));
        *response.status_mut() = code;
        std::future::ready(Ok::<_, Infallible>(response))
    });
    Client::new(service, "wire")
}

/// What is read of a coturn that is started so, and what is not.
async fn configured(start: &str) -> (Configured, Vec<Gap>) {
    configured_at("/conf", start).await
}

/// The same with the configuration's ConfigMap mounted there.
async fn configured_at(folder: &str, start: &str) -> (Configured, Vec<Gap>) {
    let pod = format!(
        "
containers:
- name: coturn
  {start}
  volumeMounts:
  - {{name: conf, mountPath: {folder}}}
  - {{name: forbidden, mountPath: /forbidden}}
  - {{name: shared, mountPath: /shared}}
  - {{name: optional, mountPath: /etc/turnserver}}
  - {{name: both, mountPath: /both}}
volumes:
- {{name: conf, configMap: {{name: settings}}}}
- {{name: forbidden, configMap: {{name: forbidden}}}}
- {{name: shared, secret: {{secretName: forbidden}}}}
- {{name: optional, configMap: {{name: none, optional: true}}}}
- name: both
  projected: {{sources: [{{configMap: {{name: settings}}}}, {{configMap: {{name: none, optional: true}}}}]}}"
    );
    let pod: PodSpec = serde_saphyr::from_str(&pod).unwrap();
    let subject = Subject {
        title: "Pod wire/coturn".to_owned(),
        container: pod.containers[0].clone(),
        pod,
        ready: None,
    };
    let cluster = Cluster {
        client: client(),
        namespace: "wire".to_owned(),
    };
    let mut gaps = Vec::new();
    let configured = cluster.configured(&subject, &mut gaps).await;
    (configured, gaps)
}

#[rstest]
#[case::its_file("command: [turnserver, -c, /conf/turnserver.conf]", Extent::Whole)]
#[case::no_file("command: [turnserver, -n]", Extent::Whole)]
#[case::a_file_of_one_source_beside_one_that_may_be_missing(
    "command: [turnserver, -c, /both/turnserver.conf]",
    Extent::Whole
)]
#[case::a_file_of_the_image(
    "command: [turnserver, -c, /etc/coturn/turnserver.conf]",
    Extent::Partial
)]
#[case::a_file_that_may_be_missing(
    "command: [turnserver, -c, /etc/turnserver/turnserver.conf]",
    Extent::Partial
)]
#[case::a_file_that_may_not_be_read(
    "command: [turnserver, -c, /forbidden/turnserver.conf]",
    Extent::Partial
)]
#[case::a_part_that_may_not_be_read(
    "command: [sh, -c, 'cat /conf/turnserver.conf /forbidden/b.conf > /a.conf; turnserver -c /a.conf']",
    Extent::Partial
)]
#[case::an_entry_point_of_the_image("image: coturn", Extent::Partial)]
#[case::no_file_beside_what_the_entry_point_drops(
    "args: [-n, -c, /conf/turnserver.conf]",
    Extent::Partial
)]
#[tokio::test]
async fn a_configuration_that_could_not_be_read_is_not_an_empty_one(
    #[case] start: &str,
    #[case] extent: Extent,
) {
    let (configured, gaps) = configured(start).await;
    assert_eq!(configured.extent, extent);
    assert_eq!(gaps.is_empty(), extent == Extent::Whole, "{gaps:?}");
}

/// What is read of a coturn whose script makes its file of a template and of this.
async fn made_with(script: &str) -> (Configured, Vec<Gap>) {
    configured(&format!(
        "command:
    - sh
    - -c
    - |
      cp /conf/turnserver.conf /tmp/c.conf
      {script}
      exec turnserver -c /tmp/c.conf"
    ))
    .await
}

#[rstest]
#[case::by_echo("echo \"static-auth-secret=$S\" >> /tmp/c.conf")]
#[case::by_printf("printf 'static-auth-secret=%s\\n' \"$S\" | tee -a /tmp/c.conf > /dev/null")]
#[case::by_a_here_document("cat <<E >> /tmp/c.conf\n      static-auth-secret=$S\n      E")]
#[case::as_wires_chart_does("sed -Ee 's/^/static-auth-secret=/' /shared/secret.txt >> /tmp/c.conf")]
#[tokio::test]
async fn what_a_script_adds_to_the_file_is_read_with_it(#[case] script: &str) {
    let (configured, gaps) = made_with(script).await;
    assert_eq!((configured.extent, gaps), (Extent::Whole, Vec::new()));
    let configuration = configured.configuration.unwrap();
    assert!(configuration.last("no-tcp-relay").is_some());
    let added = configuration.last("static-auth-secret").unwrap();
    let source = "the script of container coturn:1";
    assert_eq!(added.source.to_string(), source);
}

#[rstest]
#[case::a_secret("cat /shared/secret.txt >> /tmp/c.conf", "/shared/secret.txt")]
#[case::a_file_that_is_in_no_volume("cat /b >> /tmp/c.conf", "/b")]
#[case::what_is_not_followed("render --to=/tmp/c.conf", "by render")]
#[tokio::test]
async fn what_a_script_adds_that_is_not_known_is_told_and_may_be_anything(
    #[case] script: &str,
    #[case] told: &str,
) {
    let (configured, gaps) = made_with(script).await;
    assert_eq!(configured.extent, Extent::Partial);
    let configuration = configured.configuration.unwrap();
    assert!(configuration.last("no-tcp-relay").is_some());
    let [gap] = gaps.as_slice() else {
        panic!("{gaps:?}");
    };
    assert_eq!(gap.what, "all that /tmp/c.conf says");
    assert!(gap.why.contains(told), "{gap:?}");
}

#[rstest]
#[case::an_unknown_command("render", "by render")]
#[case::a_target_that_is_not_whole("cd /tmp; sed -i s/no-tls// c.conf", "by sed")]
#[case::a_variable("echo no-auth >> $CONF", "by echo")]
#[case::a_pattern("cat /shared/*.conf >> /tmp/c.conf", "not named in full")]
#[case::a_part_that_is_missing("cat /conf/none.conf >> /tmp/c.conf", "none.conf, is not there")]
#[case::a_line_that_is_not_ended(
    "cat /conf/open.conf >> /tmp/c.conf; echo no-dtls >> /tmp/c.conf",
    "not ended before it"
)]
#[case::what_nothing_marks("sed -i s/REPLACE_DOMAIN/$D/ /tmp/c.conf", "by sed")]
#[tokio::test]
async fn a_file_that_may_say_more_than_is_followed_is_not_whole(
    #[case] script: &str,
    #[case] told: &str,
) {
    let (configured, gaps) = made_with(script).await;
    assert_eq!(configured.extent, Extent::Partial);
    let configuration = configured.configuration.unwrap();
    assert!(configuration.last("no-tcp-relay").is_some());
    assert!(configuration.last("no-tls").is_none());
    assert!(gaps[0].why.contains(told), "{gaps:?}");
}

#[tokio::test]
async fn an_object_is_read_once_however_often_a_file_has_it() {
    let script = "cat /forbidden/a.conf /forbidden/a.conf >> /tmp/c.conf";
    let (_, gaps) = made_with(script).await;
    assert_eq!(gaps.len(), 1, "{gaps:?}");
}

#[rstest]
#[case::in_place("sed -i s/REPLACE_DOMAIN/$D/ /tmp/c.conf")]
#[case::by_another_command("perl -pi -e s/REPLACE_DOMAIN/a/ /tmp/c.conf")]
#[tokio::test]
async fn a_path_that_a_script_may_change_is_not_looked_for(#[case] change: &str) {
    let script = format!("cat /conf/marked.conf >> /tmp/c.conf; {change}");
    let (configured, gaps) = made_with(&script).await;
    assert!(configured.files.is_empty());
    assert!(
        gaps.iter().any(|it| it.what == "the file of cert"),
        "{gaps:?}"
    );
    let (configured, _) = made_with("cat /conf/marked.conf >> /tmp/c.conf").await;
    assert_eq!(configured.files.len(), 1);
}

#[rstest]
#[case::by_echo("echo -n static-auth-secret= >> /tmp/c.conf")]
#[case::by_printf("printf 'static-auth-secret=' >> /tmp/c.conf")]
#[tokio::test]
async fn the_rest_of_a_line_is_not_taken_for_an_option(#[case] script: &str) {
    let script = format!("{script}; echo abc123 >> /tmp/c.conf");
    let (configured, _) = made_with(&script).await;
    let configuration = configured.configuration.unwrap();
    assert_eq!(configuration.problems(configured.build), []);
    assert_eq!(configured.extent, Extent::Partial);
}

#[tokio::test]
async fn an_option_of_arguments_that_the_entry_point_may_drop_is_told() {
    let (configured, gaps) = configured("args: [-n, -c, /conf/turnserver.conf]").await;
    let configuration = configured.configuration.unwrap();
    assert!(configuration.last("no-tcp-relay").is_some());
    assert!(gaps[0].why.contains("drops it"), "{gaps:?}");
}

#[rstest]
#[case::of_which_nothing_is_known("image: coturn/coturn:4.6.2", true)]
#[case::of_another_command("command: [/entry.sh]", false)]
#[tokio::test]
async fn where_the_image_decides_the_file_in_the_usual_place_is_read(
    #[case] start: &str,
    #[case] is_read: bool,
) {
    let (configured, gaps) = configured_at("/etc/coturn", start).await;
    let configuration = configured.configuration;
    assert_eq!(configuration.is_some(), is_read);
    let option = configuration
        .as_ref()
        .and_then(|it| it.last("no-tcp-relay"));
    assert_eq!(option.is_some(), is_read);
    assert_eq!(configured.extent, Extent::Partial);
    assert!(gaps[0].why.contains("own entry point"), "{gaps:?}");
}
