//! The CA, with the openssl commands of Wire's guide.

use std::{fs, path::PathBuf, process::Command};

use super::Demo;
use crate::shell;

/// The file with the CA's certificate, in the folder.
pub const CERTIFICATE: &str = "ca.crt";

/// Where the demo keeps certificates to compare with; no key stays there.
pub fn folder(demo: &Demo<'_>) -> PathBuf {
    demo.cluster.state().join("demo-ca")
}

/// The file with the CA's certificate.
pub fn certificate(demo: &Demo<'_>) -> PathBuf {
    folder(demo).join(CERTIFICATE)
}

/// Makes a CA and puts it into the Secret `coturn-ca`.
pub fn make(demo: &Demo<'_>) -> anyhow::Result<()> {
    let folder = folder(demo);
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
    fs::remove_file(folder.join("ca.key"))?;
    Ok(())
}
