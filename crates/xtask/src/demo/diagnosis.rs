//! What can be seen in the cluster of a demo that failed, before the cluster ends.

use super::{Demo, NAMESPACE};
use crate::shell;

const LOOKS: [&[&str]; 5] = [
    &[
        "get",
        "coturncertificates,secrets,deployments,statefulsets,pods",
        "--output",
        "wide",
    ],
    &["describe", "coturncertificates"],
    &["describe", "pods"],
    &["get", "events", "--sort-by=.lastTimestamp"],
    &["logs", "deployment/coturn-cert-operator", "--tail=60"],
];

/// Prints resources, conditions, events and the end of the operator's log.
pub fn print(demo: &Demo<'_>) {
    eprintln!("\nThe demo failed. What there is in the namespace {NAMESPACE}:");
    for look in LOOKS {
        let mut kubectl = demo.kubectl();
        kubectl.args(look);
        eprintln!("\n$ {}", shell::shown(&kubectl));
        match shell::capture(&mut kubectl) {
            Ok(seen) => {
                let text = [seen.stdout, seen.stderr].concat();
                eprintln!("{}", String::from_utf8_lossy(&text).trim_end());
            }
            Err(error) => eprintln!("{error:#}"),
        }
    }
}
