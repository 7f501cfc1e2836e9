//! The agent beside a real coturn: a changed Secret is served without a restart, and calls go on.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpStream, UdpSocket},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use agent::sidecar::PORT;
use api::Fingerprint;
use api::names::AGENT;
use e2e::{Environment, World, dtls, fixtures, held::Session, root, run, wait};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod, Secret};
use kube::{
    ResourceExt as _,
    api::{Patch, PatchParams},
};
use pki::{Authority, IssuedPair, issue, testing::request};
use probe::{Identity, Limits, Outcome, Partner, Relay, Trouble, dial_through};
use serde_json::{Value, json};

const IMAGE: &str = "docker.io/local/coturn-cert-operator:dev";
const METRICS_PORT: u16 = 9797;
const RELAY_PORT: u16 = 9798;
/// A signal that is going to come has come after this time.
const CALM: Duration = Duration::from_secs(5);

fn issued(world: &World) -> IssuedPair {
    let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
    let authority = Authority::load(&world.ca.secret().as_secret(), now).unwrap();
    issue(&authority, &request(&["coturn.example.com"]), now).unwrap()
}

fn secret(pair: &IssuedPair) -> Secret {
    fixtures::tls_secret(fixtures::PUBLISHED, &pair.certificate, &pair.key)
}

/// A chart of somebody else's: the sample of coturn servers, one of them.
fn chart(world: &World) -> PathBuf {
    chart_with(world, "")
}

/// The same with one more container.
fn chart_with(world: &World, container: &str) -> PathBuf {
    let chart = world.folder().join("turn");
    fs::create_dir_all(chart.join("templates")).unwrap();
    let about = "apiVersion: v2\nname: turn\nversion: 0.1.0\n";
    fs::write(chart.join("Chart.yaml"), about).unwrap();
    let samples = root().join("deploy/samples/coturn-statefulset.yaml");
    let samples = fs::read_to_string(samples).unwrap();
    let volumes = "      volumes:\n";
    let one = samples
        .replace("replicas: 3", "replicas: 1")
        .replace(volumes, &format!("{container}{volumes}"));
    fs::write(chart.join("templates/coturn.yaml"), one).unwrap();
    chart
}

/// Has Helm 3 install or upgrade the chart by our post-renderer.
fn helm(world: &World, verb: &str, chart: &Path, options: &[&str]) {
    let mut helm = Environment::get().cluster().helm();
    helm.args([verb, "turn"]).arg(chart);
    helm.args(["--namespace", &world.namespace, "--wait", "--timeout", "3m"]);
    helm.arg("--post-renderer").arg(Environment::binary());
    for option in ["post-render", "--image", IMAGE].iter().chain(options) {
        helm.args(["--post-renderer-args", option]);
    }
    run(&mut helm);
}

/// A pod of coturn with the agent beside it.
async fn installed(name: &str) -> (World, IssuedPair) {
    installed_with(name, "").await
}

/// The same with one more container.
async fn installed_with(name: &str, container: &str) -> (World, IssuedPair) {
    let world = World::with_ca(name).await;
    let first = issued(&world);
    world.create_secret(&secret(&first)).await;
    let chart = chart_with(&world, container);
    helm(&world, "install", &chart, &[]);
    (world, first)
}

async fn pod(world: &World) -> Pod {
    world.pods().await.pop().expect("a pod")
}

fn address(pod: &Pod) -> String {
    pod.status.as_ref().unwrap().pod_ip.clone().unwrap()
}

/// What another start of coturn would change.
fn lives(pod: &Pod) -> (Option<String>, ContainerStatus) {
    life(pod, "coturn")
}

/// What another start of a container would change.
fn life(pod: &Pod, container: &str) -> (Option<String>, ContainerStatus) {
    let statuses = pod.status.as_ref().unwrap().container_statuses.as_ref();
    let status = statuses.unwrap().iter().find(|it| it.name == container);
    (pod.uid(), status.unwrap().clone())
}

fn agent_status(pod: &Pod) -> Option<ContainerStatus> {
    let statuses = pod.status.as_ref()?.init_container_statuses.as_ref()?;
    statuses.iter().find(|it| it.name == AGENT).cloned()
}

/// What the agent answers; nothing while it does not run.
fn asked(address: &str, path: &str) -> Option<(bool, String)> {
    let mut stream = TcpStream::connect((address, METRICS_PORT)).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some((answer.lines().next()?.ends_with("200 OK"), answer))
}

async fn until_agent_ready(address: &str) {
    wait::until("an agent with nothing in the way", async || {
        asked(address, "/readyz").filter(|(ready, _)| *ready)
    })
    .await;
}

fn reloads(address: &str) -> u64 {
    let (_, metrics) = asked(address, "/metrics").unwrap();
    let line = metrics
        .lines()
        .find(|line| line.starts_with("coturncert_agent_reloads_total "));
    let count = line.unwrap().split(' ').nth(1).unwrap();
    count.parse().unwrap()
}

async fn served(world: &World, address: &str) -> Option<Fingerprint> {
    let leaf = dtls::dial(address, fixtures::DTLS_PORT, &world.ca_file()).await;
    leaf.ok().map(|leaf| dtls::fingerprint(&leaf))
}

/// Changes the Secret and touches the pod, so that its kubelet looks at once; waits until coturn serves
/// the pair, and says how long that took.
async fn changed(world: &World, pod: &Pod, pair: &IssuedPair) -> Duration {
    let started = Instant::now();
    let patch = serde_json::to_value(secret(pair)).unwrap();
    let patch = json!({"data": patch["data"]});
    world.patch::<Secret>(fixtures::PUBLISHED, patch).await;
    touch(world, pod).await;
    wait::until("the changed certificate", async || {
        let leaf = served(world, &address(pod)).await?;
        (leaf == pair.leaf.fingerprint).then_some(())
    })
    .await;
    started.elapsed()
}

async fn touch(world: &World, pod: &Pod) {
    let now = Timestamp::now().to_string();
    let patch = json!({"metadata": {"annotations": {"test.coturncert.dev/touched": now}}});
    world
        .api::<Pod>()
        .patch_status(
            &pod.name_any(),
            &PatchParams::default(),
            &Patch::Merge(&patch),
        )
        .await
        .unwrap();
}

/// Runs a script in coturn's container, which is of the agent's user and sees every process of the pod.
fn in_pod(world: &World, pod: &Pod, script: &str) -> String {
    let mut exec = world.kubectl();
    exec.args(["exec", &pod.name_any(), "--container", "coturn", "--"]);
    run(exec.args(["sh", "-c", script]))
}

fn kill_agent(world: &World, pod: &Pod) {
    let script = "for it in /proc/[0-9]*; do \
        if [ \"$(cat $it/comm)\" = coturn-cert-ope ]; then kill -KILL ${it#/proc/}; fi; done";
    in_pod(world, pod, script);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_secret_is_served_by_the_same_coturn_and_a_session_goes_on() {
    let (world, first) = installed("reload").await;
    let before = pod(&world).await;
    let (at, coturn) = (address(&before), lives(&before));
    until_agent_ready(&at).await;
    wait::until("coturn's listener", async || served(&world, &at).await).await;
    let leaf = served(&world, &at).await;
    assert_eq!(leaf, Some(first.leaf.fingerprint));
    let mut session = Session::open(&at, fixtures::DTLS_PORT);
    let signalled = reloads(&at);

    let second = issued(&world);
    let took = changed(&world, &before, &second).await;
    eprintln!("from the Secret's change until it was served: {took:?}");
    wait::throughout("one signal", CALM, async || reloads(&at) == signalled + 1).await;
    session.assert_goes_on();
    assert_eq!(lives(&pod(&world).await), coturn);

    kill_agent(&world, &before);
    wait::until("another start of the agent", async || {
        let status = agent_status(&pod(&world).await)?;
        (status.restart_count > 0 && status.state?.running.is_some()).then_some(())
    })
    .await;
    until_agent_ready(&at).await;
    let third = issued(&world);
    let took = changed(&world, &before, &third).await;
    eprintln!("the same after the agent was killed: {took:?}");
    session.assert_goes_on();
    assert_eq!(lives(&pod(&world).await), coturn);
    world.assert_no_key_in(&agent_log(&world, &before)).await;
}

/// A container that runs a script by coturn's name, as coturn's user. The script has a handler for the signal,
/// as coturn has, and ends by it.
const NAMESAKE: &str = r#"        - name: namesake
          image: docker.io/local/coturn:dev
          imagePullPolicy: IfNotPresent
          command:
            - sh
            - -c
            - |
              printf '#!/bin/sh\ntrap "exit 1" USR2\nwhile :; do sleep 1; done\n' >/tmp/turnserver
              busybox chmod +x /tmp/turnserver
              exec /tmp/turnserver
          volumeMounts:
            - {name: tmp, mountPath: /tmp}
"#;

/// What the processes of the pod run that have coturn's name, as links to that are shown.
fn programs_of_that_name(world: &World, pod: &Pod) -> Vec<String> {
    let script = "for it in /proc/[0-9]*; do \
        if [ \"$(cat $it/comm)\" = turnserver ]; then ls -l $it/exe || true; fi; done";
    let found = in_pod(world, pod, script);
    found.lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_coturns_name_and_is_not_coturn_lives_on_while_coturn_reloads() {
    let (world, _) = installed_with("namesake", NAMESAKE).await;
    let before = pod(&world).await;
    let at = address(&before);
    until_agent_ready(&at).await;
    wait::until("coturn's listener", async || served(&world, &at).await).await;
    let programs = programs_of_that_name(&world, &before);
    assert!(
        programs
            .iter()
            .any(|it| it.contains(" -> ") && !it.ends_with("/turnserver")),
        "{programs:?}"
    );
    let signalled = reloads(&at);

    let second = issued(&world);
    changed(&world, &before, &second).await;
    wait::throughout("one signal", CALM, async || reloads(&at) == signalled + 1).await;
    let after = pod(&world).await;
    for container in ["coturn", "namesake"] {
        assert_eq!(life(&after, container), life(&before, container));
    }
}

fn agent_log(world: &World, pod: &Pod) -> String {
    let mut logs = world.kubectl();
    logs.args(["logs", &pod.name_any(), "--container", AGENT]);
    let log = run(&mut logs);
    assert!(log.contains("coturn was told to reload"), "{log}");
    log
}

/// A partner that never answers, at an address that pods reach.
fn silent_partner(pod: &Pod) -> UdpSocket {
    let route = UdpSocket::bind("0.0.0.0:0").unwrap();
    route.connect((address(pod), METRICS_PORT)).unwrap();
    let socket = UdpSocket::bind((route.local_addr().unwrap().ip(), 0)).unwrap();
    socket.set_read_timeout(Some(CALM)).unwrap();
    socket
}

async fn dialled(at: &str, pair: &IssuedPair, partner: &str) -> Outcome {
    let identity = Identity::from_pem(pair.certificate.as_bytes(), pair.key.as_bytes());
    let relay = Relay {
        address: format!("{at}:{RELAY_PORT}").parse().unwrap(),
        identities: vec![identity.unwrap()],
    };
    let partner: Partner = partner.parse().unwrap();
    let limits = Limits {
        time: CALM,
        ..Limits::default()
    };
    let dialling =
        tokio::task::spawn_blocking(move || dial_through(&relay, &partner, None, limits));
    dialling.await.unwrap().outcome
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_is_dialled_from_the_pods_own_address() {
    let (world, pair) = installed("relay").await;
    let first = pod(&world).await;
    let partner = silent_partner(&first);
    let name = partner.local_addr().unwrap().to_string();
    helm(&world, "upgrade", &chart(&world), &["--partner", &name]);
    world
        .until_replaced("coturn-0", &first.uid().unwrap())
        .await;
    world.until_running(1).await;
    let at = address(&pod(&world).await);
    until_agent_ready(&at).await;

    let outcome = dialled(&at, &pair, &name).await;
    assert_eq!(outcome, Outcome::Failed(Trouble::Silent(CALM)));
    let (_, from) = partner.recv_from(&mut [0; 2000]).unwrap();
    assert_eq!(from.ip().to_string(), at);

    let outcome = dialled(&at, &pair, "coturn.partner.example:9191").await;
    let Outcome::Failed(Trouble::NotBegun(told)) = outcome else {
        panic!("{outcome:?}")
    };
    assert!(
        told.contains("--partner coturn.partner.example:9191"),
        "{told}"
    );
}

/// The samples with the component, whose agent has the uid of Wire's image, not the samples'.
fn kustomized(world: &World) -> String {
    let folder = world.folder().join("kustomize");
    fs::create_dir_all(folder.join("agent")).unwrap();
    for file in ["kustomization.yaml", "sidecar.yaml"] {
        let from = root().join("deploy/agent").join(file);
        fs::copy(from, folder.join("agent").join(file)).unwrap();
    }
    let samples = chart(world).join("templates/coturn.yaml");
    fs::copy(samples, folder.join("coturn.yaml")).unwrap();
    let image = json!({"name": "coturn-cert-operator", "newName": "docker.io/local/coturn-cert-operator", "newTag": "dev"});
    let kustomization = json!({
        "resources": ["coturn.yaml"], "components": ["agent"], "images": [image],
    });
    let text = kustomization.to_string();
    fs::write(folder.join("kustomization.yaml"), text).unwrap();
    run(world.kubectl().arg("kustomize").arg(folder))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_of_another_uid_says_which_one_it_needs() {
    let world = World::with_ca("other-uid").await;
    world.create_secret(&secret(&issued(&world))).await;
    let manifests = world.folder().join("kustomized.yaml");
    fs::write(&manifests, kustomized(&world)).unwrap();
    run(world.kubectl().args(["apply", "--filename"]).arg(manifests));
    world.until_running(1).await;
    let at = address(&pod(&world).await);
    wait::until("which uid is needed", async || {
        let (ready, told) = asked(&at, "/readyz")?;
        (!ready && told.contains("runs as uid 31338") && told.contains("as uid 65534"))
            .then_some(())
    })
    .await;
    assert_eq!(reloads(&at), 0);
}

fn containers(manifests: &str) -> Value {
    let all: Vec<Value> = serde_saphyr::from_multiple(manifests).unwrap();
    let workload = all.iter().find(|it| it["kind"] == "StatefulSet").unwrap();
    workload["spec"]["template"]["spec"]["initContainers"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn helm_4_renders_the_same_by_a_plugin_as_helm_3_by_a_program() {
    let world = World::empty("plugin").await;
    let cluster = Environment::get().cluster();
    let template = |mut helm: Command, renderer: &str, arguments: &[&str]| {
        helm.args(["template", "turn"]).arg(chart(&world));
        helm.args(["--post-renderer", renderer]);
        for argument in arguments {
            helm.args(["--post-renderer-args", argument]);
        }
        run(&mut helm)
    };
    let binary = Environment::binary();
    let options = ["--image", IMAGE];
    let program = binary.to_str().unwrap();
    let three = template(cluster.helm(), program, &["post-render", "--image", IMAGE]);

    let plugins = world.folder().join("plugins");
    fs::create_dir_all(plugins.join("coturn-cert-agent")).unwrap();
    let plugin = root().join("deploy/agent/helm4-plugin/plugin.yaml");
    fs::copy(plugin, plugins.join("coturn-cert-agent/plugin.yaml")).unwrap();
    let mut helm = cluster.helm4();
    let folders = [binary.parent().unwrap().to_owned()];
    let known = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(folders.into_iter().chain(std::env::split_paths(&known)));
    helm.env("PATH", path.unwrap()).env("HELM_PLUGINS", plugins);
    let four = template(helm, "coturn-cert-agent", &options);

    let added = containers(&three);
    assert_eq!(added[0]["name"], AGENT);
    assert_eq!(added[0]["ports"][0]["name"], PORT);
    assert_eq!(containers(&four), added);
}
