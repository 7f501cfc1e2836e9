//! Somebody who has the rights that the audit's page names, and no others.

use std::{fs, path::PathBuf, process::Command};

use e2e::{Environment, World, root, run, wait};

use super::plugin::{Told, audited_with};

/// What the page calls the Role.
const ROLE: &str = "coturn-cert-audit";
const AUDITOR: &str = "auditor";

pub struct Auditor<'a> {
    world: &'a World,
    kubeconfig: PathBuf,
}

impl<'a> Auditor<'a> {
    /// A service account with the Role as it stands in the page, and a token.
    pub async fn of(world: &'a World) -> Self {
        let role = world.folder().join("role.yaml");
        fs::write(&role, role_of_the_page()).unwrap();
        run(world.kubectl().arg("apply").arg("--filename").arg(role));
        run(world.kubectl().args(["create", "serviceaccount", AUDITOR]));
        let mut bind = world.kubectl();
        bind.args(["create", "rolebinding", AUDITOR])
            .arg(format!("--role={ROLE}"))
            .arg(format!("--serviceaccount={}:{AUDITOR}", world.namespace));
        run(&mut bind);
        let token = run(world.kubectl().args(["create", "token", AUDITOR]));

        let kubeconfig = world.folder().join("auditor.kubeconfig");
        fs::copy(Environment::get().cluster().kubeconfig(), &kubeconfig).unwrap();
        let auditor = Self { world, kubeconfig };
        let token = format!("--token={}", token.trim());
        run(auditor
            .kubectl()
            .args(["config", "set-credentials", AUDITOR, &token]));
        run(auditor
            .kubectl()
            .args(["config", "set-context", "--current", "--user", AUDITOR]));
        wait::until("an API server that knows of the rights", async || {
            auditor.may(&["list", "pods"]).then_some(())
        })
        .await;
        auditor
    }

    fn kubectl(&self) -> Command {
        let mut kubectl = self.world.kubectl();
        kubectl.env("KUBECONFIG", &self.kubeconfig);
        kubectl
    }

    /// Whether the API server lets the auditor do it.
    pub fn may(&self, what: &[&str]) -> bool {
        let mut asked = self.kubectl();
        asked.args(["auth", "can-i", "--quiet"]).args(what);
        asked.status().unwrap().success()
    }

    /// Leaves it only `get` of a port-forward.
    pub fn lose_the_port_forward(&self) {
        let patch = r#"--patch=[{"op": "replace", "path": "/rules/4/verbs", "value": ["get"]}]"#;
        let mut change = self.world.kubectl();
        change.args(["patch", "role", ROLE, "--type=json", patch]);
        run(&mut change);
    }

    pub async fn audited(&self, options: &[&str]) -> Told {
        audited_with(&self.kubeconfig, &self.world.namespace, options).await
    }
}

fn role_of_the_page() -> String {
    let page = fs::read_to_string(root().join("docs/audit.md")).unwrap();
    let (_, from) = page.split_once("```yaml\n").expect("a Role in the page");
    let (role, _) = from.split_once("```").expect("its end");
    role.to_owned()
}
