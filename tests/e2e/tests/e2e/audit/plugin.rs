//! The plugin as a process.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    path::Path,
    process::Command,
};

use e2e::Environment;
use serde_json::Value;

/// What it printed, and how it ended.
#[derive(Debug)]
pub struct Told {
    pub code: i32,
    pub text: String,
    pub error: String,
}

/// Suites by version.
pub type Accepted = BTreeMap<String, BTreeSet<String>>;

/// Runs the plugin as the administrator.
pub async fn plugin(arguments: &[&str]) -> Told {
    plugin_with(Environment::get().cluster().kubeconfig(), arguments).await
}

/// Runs the plugin as whom a kubeconfig names.
pub async fn plugin_with(kubeconfig: &Path, arguments: &[&str]) -> Told {
    let binary = env::var_os("COTURN_CERT_PLUGIN").expect("COTURN_CERT_PLUGIN names no binary");
    let mut command = Command::new(binary);
    command.args(arguments);
    command.env("KUBECONFIG", kubeconfig);
    // The environment's proxy leads out of this machine.
    for variable in [
        "HTTPS_PROXY",
        "https_proxy",
        "HTTP_PROXY",
        "http_proxy",
        "ALL_PROXY",
    ] {
        command.env_remove(variable);
    }
    let output = tokio::task::spawn_blocking(move || command.output());
    let output = output.await.unwrap().expect("the plugin starts");
    Told {
        code: output.status.code().expect("an exit code"),
        text: String::from_utf8(output.stdout).unwrap(),
        error: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Audits a namespace as the administrator.
pub async fn audited(namespace: &str, options: &[&str]) -> Told {
    audited_with(
        Environment::get().cluster().kubeconfig(),
        namespace,
        options,
    )
    .await
}

/// Audits a namespace as whom a kubeconfig names.
pub async fn audited_with(kubeconfig: &Path, namespace: &str, options: &[&str]) -> Told {
    let fixed = ["audit", "--output=json", "--namespace", namespace];
    plugin_with(kubeconfig, &[&fixed, options].concat()).await
}

impl Told {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The ids of the findings.
    pub fn ids(&self) -> BTreeSet<String> {
        let findings = listed(&self.json()["findings"]).into_iter();
        findings.map(|it| text(&it["id"])).collect()
    }

    /// What a listener accepts, if it was heard.
    pub fn accepted(&self, listener: &str) -> Option<Accepted> {
        let listeners = listed(&self.json()["listeners"]);
        let heard = listeners
            .into_iter()
            .find(|it| it["listener"] == listener)?;
        let versions = listed(&heard["versions"]).into_iter();
        let suites = |it: &Value| listed(&it["suites"]).iter().map(text).collect();
        Some(
            versions
                .map(|it| (text(&it["version"]), suites(&it)))
                .collect(),
        )
    }

    /// What was not tested, and why.
    pub fn gaps(&self) -> Vec<String> {
        let gaps = listed(&self.json()["notTested"]).into_iter();
        let told = |it: Value| format!("{}: {}", text(&it["what"]), text(&it["why"]));
        gaps.map(told).collect()
    }
}

fn listed(value: &Value) -> Vec<Value> {
    value.as_array().expect("a list").clone()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
