//! What can be seen in a world, when its test fails.

use std::fs;

use super::{RELEASE, World};
use crate::Environment;

impl World {
    /// The operator's log.
    pub fn operator_log(&self) -> String {
        let output = self
            .kubectl()
            .args([
                "logs",
                "--tail=-1",
                "--prefix",
                "--selector",
                &format!("app.kubernetes.io/name={RELEASE}"),
            ])
            .output()
            .expect("kubectl");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let show = |arguments: &[&str]| {
            if let Ok(output) = self.kubectl().args(arguments).output() {
                eprintln!(
                    "--- kubectl {}\n{}",
                    arguments.join(" "),
                    String::from_utf8_lossy(&output.stdout)
                );
            }
        };
        if std::thread::panicking() {
            eprintln!(
                "--- {} after {:.1} s",
                self.namespace,
                self.started.elapsed().as_secs_f64()
            );
            show(&[
                "get",
                "coturncertificates,secrets,statefulsets,deployments,daemonsets,pods",
            ]);
            show(&[
                "get",
                "coturncertificates",
                "--output",
                "jsonpath={.items[*].status}",
            ]);
            show(&["get", "events", "--sort-by=.lastTimestamp"]);
            show(&[
                "logs",
                "--tail=60",
                "--selector",
                &format!("app.kubernetes.io/name={RELEASE}"),
            ]);
            if let Ok(log) = fs::read_to_string(self.folder.join("operator.log")) {
                let lines: Vec<_> = log.lines().collect();
                eprintln!(
                    "--- operator.log\n{}",
                    lines[lines.len().saturating_sub(60)..].join("\n")
                );
            }
        }
        // What it leaves ends with the cluster. Where there is no node, nothing runs in it.
        if Environment::get().cluster().node_address().is_none() {
            return;
        }
        let _ = self
            .kubectl()
            .args(["delete", "namespace", &self.namespace, "--wait=false"])
            .output();
    }
}
