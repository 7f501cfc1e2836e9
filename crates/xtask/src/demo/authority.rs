//! The CA, with the openssl commands of Wire's guide.

use std::{fs, process::Command};

use super::Demo;
use crate::shell;

/// Makes a CA and puts it into the Secret `coturn-ca`.
pub fn make(demo: &Demo<'_>) -> anyhow::Result<()> {
    let folder = demo.cluster.state().join("demo-ca");
    fs::create_dir_all(&folder)?;
    let openssl = |arguments: &[&str]| {
        shell::run(Command::new("openssl").args(arguments).current_dir(&folder))
    };
    openssl(&["genrsa", "-out", "ca.key", "2048"])?;
    openssl(&[
        "req",
        "-x509",
        "-new",
        "-sha256",
        "-key",
        "ca.key",
        "-days",
        "3650",
        "-out",
        "ca.crt",
        "-subj",
        "/C=DE/O=Your Organization/CN=Your Organization CA",
        "-addext",
        "basicConstraints=critical,CA:TRUE",
        "-addext",
        "keyUsage=critical,keyCertSign,cRLSign",
        "-addext",
        "subjectKeyIdentifier=hash",
    ])?;
    let mut create = demo.kubectl();
    create.args([
        "create",
        "secret",
        "tls",
        "coturn-ca",
        "--cert=ca.crt",
        "--key=ca.key",
    ]);
    shell::run(create.current_dir(&folder))?;
    fs::remove_dir_all(&folder)?;
    Ok(())
}
