//! Each package compiles its dependencies as the workspace does (docs/decisions/0018).

#![allow(clippy::unwrap_used, reason = "a step that fails fails the test")]

use std::{collections::BTreeSet, env, process::Command};

/// What `cargo tree` tells of a selection of packages, a line each.
fn tree(selection: &[&str], more: &[&str]) -> BTreeSet<String> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap());
    cargo.args(["tree", "--locked", "--prefix", "none"]);
    let output = cargo.args(selection).args(more).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().map(|line| line.trim_end_matches(" (*)"));
    lines.map(str::to_owned).collect()
}

fn features(selection: &[&str]) -> BTreeSet<String> {
    let told = ["--edges", "normal,build,dev", "--format", "{p} {f}"];
    tree(selection, &told)
}

#[test]
fn each_package_compiles_its_dependencies_as_the_workspace_does() {
    let all = features(&["--workspace"]);
    let packages = tree(&["--workspace"], &["--depth", "0", "--format", "{p}"]);
    let names = packages.iter().filter_map(|it| it.split(' ').next());
    let names: Vec<_> = names.filter(|it| !it.is_empty()).collect();
    assert!(names.contains(&"plan"), "{names:?}");
    for package in names {
        let own = features(&["--package", package]);
        let otherwise: Vec<_> = own.difference(&all).collect();
        assert!(
            otherwise.is_empty(),
            "run `cargo hakari generate`: {package} compiles these anew: {otherwise:?}"
        );
    }
}
