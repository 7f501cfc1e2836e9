//! The chart as Helm sees it.

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Output, Stdio},
};

use e2e::{Environment, World};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../charts/coturn-cert-operator")
}

fn helm(arguments: &[&str]) -> Output {
    let mut helm = Environment::get().cluster().helm();
    helm.args(arguments).arg(folder()).output().unwrap()
}

/// What Helm says to the chart's templates for a release with these options.
fn template(release: &str, options: &[&str]) -> Output {
    let template = ["template", "--name-template", release];
    let version = ["--kube-version", "1.36.0"];
    helm(&[&template[..], &version[..], options].concat())
}

/// The chart's resources for a namespace.
pub fn rendered(namespace: &str, options: &[&str]) -> String {
    let place = ["--namespace", namespace];
    let output = template("coturn-cert-operator", &[&place[..], options].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Has kubectl apply resources.
pub fn apply(resources: &str, options: &[&str]) {
    let mut kubectl = Environment::get().cluster().kubectl();
    kubectl.args(["apply", "--filename", "-"]).args(options);
    let mut child = kubectl
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(resources.as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
}

#[test]
fn the_chart_lints() {
    let output = helm(&["lint", "--strict"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
}

#[test]
fn an_unknown_value_is_refused_by_its_name() {
    for unknown in ["secretName=x", "image.repo=x", "log.level=debug"] {
        let output = helm(&["template", "--set", unknown]);
        let errors = String::from_utf8_lossy(&output.stderr);
        let name = unknown.split('=').next().unwrap().rsplit('.').next();
        assert!(!output.status.success(), "{unknown} is admitted");
        assert!(errors.contains(name.unwrap()), "{unknown}: {errors}");
    }
}

#[test]
fn without_names_of_secrets_nothing_renders_but_by_the_switch() {
    for none in ["secretNames=[]", "secretNames=null"] {
        let output = template("x", &["--set-json", none]);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{none} is admitted");
        assert!(errors.contains("set allSecrets=true"), "{none}: {errors}");
        let all = template("x", &["--set-json", none, "--set", "allSecrets=true"]);
        assert!(all.status.success(), "{none}");
    }
}

#[test]
fn kinds_of_workloads_that_cannot_be_restarted_are_refused() {
    for wrong in [
        "workloadKinds={Pod}",
        "workloadKinds=null",
        "workloadKinds={}",
    ] {
        let output = template("x", &["--set", wrong]);
        assert!(!output.status.success(), "{wrong} is admitted");
    }
}

#[test]
fn releases_of_one_namespace_contend_for_one_lease() {
    let leases = |release| {
        let output = template(release, &[]);
        let resources = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<_> = resources.lines().map(str::trim).collect();
        let after = |line: &str| lines[lines.iter().position(|it| *it == line).unwrap() + 1];
        [
            after("- name: COTURNCERT_LEASE").to_owned(),
            after("resources: [leases]").to_owned(),
        ]
    };
    assert_eq!(leases("one"), leases("another"));
}

#[test]
fn the_ports_follow_the_address() {
    let resources = rendered("any", &["--set", "listen=0.0.0.0:9000"]);
    for line in [
        "value: \"0.0.0.0:9000\"",
        "- {name: http, containerPort: 9000}",
        "- {name: http, port: 9000, targetPort: http}",
    ] {
        assert!(resources.contains(line), "{line} is missing in {resources}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_resource_renders_with_the_default_values_and_is_admitted() {
    let world = World::empty("rendered").await;

    let resources = rendered(&world.namespace, &[]);

    let of_a_template = |line: &str| {
        let path = line.strip_prefix("# Source: coturn-cert-operator/templates/")?;
        Some(path.to_owned())
    };
    let sources: BTreeSet<_> = resources.lines().filter_map(of_a_template).collect();
    assert_eq!(sources, templates());
    let kinds: BTreeSet<_> = resources
        .lines()
        .filter_map(|line| line.strip_prefix("kind: "))
        .collect();
    let expected = [
        "CustomResourceDefinition",
        "Deployment",
        "Role",
        "RoleBinding",
        "Service",
        "ServiceAccount",
    ];
    assert_eq!(kinds, expected.into());
    let strictly = ["--dry-run=server", "--validate=strict", "--server-side"];
    let place = ["--force-conflicts", "--namespace", &world.namespace];
    apply(&resources, &[&strictly[..], &place[..]].concat());
}

/// File names of the templates that make resources.
fn templates() -> BTreeSet<String> {
    fs::read_dir(folder().join("templates"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| {
            Path::new(name)
                .extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect()
}
