//! Kubeconfig files with everything embedded, so that they can be copied elsewhere. JSON is YAML.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

use crate::{
    Error,
    certs::{self, Client, Pki},
    command::without_proxy,
};

/// Writes the kubeconfig with which `client` reaches the API server at `server`.
pub(crate) fn write(path: &Path, server: &str, pki: &Pki, client: Client) -> Result<(), Error> {
    let embedded = |path: &Path| certs::read(path).map(|pem| STANDARD.encode(pem));
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "cluster", "cluster": {
            "server": server,
            "certificate-authority-data": embedded(&pki.certificate("ca"))?,
        }}],
        "users": [{"name": client.name, "user": {
            "client-certificate-data": embedded(&pki.certificate(client.name))?,
            "client-key-data": embedded(&pki.key(client.name))?,
        }}],
        "contexts": [{"name": "cluster", "context": {"cluster": "cluster", "user": client.name}}],
        "current-context": "cluster",
    });
    certs::write_private(path, format!("{config:#}\n").as_bytes())
}

/// `kubectl` with the kubeconfig at `path`.
pub(crate) fn client(program: PathBuf, path: &Path) -> Command {
    let mut client = Command::new(program);
    client.env("KUBECONFIG", path);
    without_proxy(&mut client);
    client
}

/// The command that succeeds once the API server is ready.
pub(crate) fn ready_check(kubectl: PathBuf, path: &Path) -> Command {
    let mut readyz = client(kubectl, path);
    readyz.args(["get", "--raw=/readyz"]);
    readyz
}
