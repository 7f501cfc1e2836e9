//! The guide's Steps 4 and 8 by openssl and kubectl: what the Secret holds, what lies in each pod,
//! and what each pod serves.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use anyhow::{Context as _, ensure};

use super::{Demo, PODS, PORT, SECRET};
use crate::shell;

/// What was seen.
pub struct Proof {
    serial: String,
    secret: String,
    purposes: String,
    description: String,
    pods: Vec<Pod>,
}

struct Pod {
    name: &'static str,
    file: String,
    served: String,
}

/// Looks at the Secret, at the file in each pod, and at what each pod serves.
pub fn take(demo: &Demo<'_>) -> anyhow::Result<Proof> {
    let certificate = shell::read(demo.kubectl().args([
        "get",
        "secret",
        SECRET,
        "--output",
        r"go-template={{index .data `tls.crt` | base64decode}}",
    ]))?;
    let serial = x509(&certificate, &["-serial"])?;
    Ok(Proof {
        serial: serial.trim_start_matches("serial=").to_lowercase(),
        secret: fingerprint(&certificate)?,
        purposes: x509(&certificate, &["-ext", "keyUsage,extendedKeyUsage"])?,
        description: x509(
            &certificate,
            &[
                "-subject",
                "-issuer",
                "-dates",
                "-ext",
                "subjectAltName,keyUsage,extendedKeyUsage",
            ],
        )?,
        pods: PODS
            .into_iter()
            .map(|name| pod(demo, name))
            .collect::<Result<_, _>>()?,
    })
}

fn pod(demo: &Demo<'_>, name: &'static str) -> anyhow::Result<Pod> {
    let path = "/coturn-dtls-certificate/tls.crt";
    let file = shell::read(demo.kubectl().args(["exec", name, "--", "cat", path]))?;
    let object = demo.get(&["pod", name])?;
    let address = object["status"]["podIP"]
        .as_str()
        .context("the pod has no address")?
        .to_owned();
    Ok(Pod {
        name,
        file: fingerprint(&file)?,
        served: fingerprint(&served(&address)?)?,
    })
}

/// The certificate that a DTLS handshake shows.
fn served(address: &str) -> anyhow::Result<String> {
    let target = format!("{address}:{PORT}");
    let mut client = Command::new("openssl");
    client.args(["s_client", "-dtls1_2", "-showcerts", "-connect", &target]);
    let output = shell::capture(&mut client)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        text.contains("BEGIN CERTIFICATE"),
        "no DTLS handshake with {target}"
    );
    Ok(text)
}

fn fingerprint(certificate: &str) -> anyhow::Result<String> {
    let line = x509(certificate, &["-fingerprint", "-sha256"])?;
    let hex = line
        .split_once('=')
        .context("openssl printed no fingerprint")?
        .1;
    Ok(hex.replace(':', "").to_lowercase())
}

/// `openssl x509` on the first certificate of a text.
fn x509(certificate: &str, options: &[&str]) -> anyhow::Result<String> {
    let mut child = Command::new("openssl")
        .args(["x509", "-noout"])
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start openssl")?;
    let mut input = child.stdin.take().context("openssl takes no input")?;
    input.write_all(certificate.as_bytes())?;
    drop(input);
    let output = child.wait_with_output()?;
    ensure!(
        output.status.success(),
        "openssl x509: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned())
}

impl Proof {
    /// Serial number in lower-case hex.
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// The fingerprint that a pod serves.
    pub fn served_by(&self, pod: &str) -> Option<&str> {
        self.pods
            .iter()
            .find(|seen| seen.name == pod)
            .map(|seen| seen.served.as_str())
    }

    /// Prints all of it.
    pub fn print(&self) {
        for line in self.description.lines() {
            println!("  {line}");
        }
        println!("\n  SHA-256 of the leaf, in the Secret:  {}", self.secret);
        for pod in &self.pods {
            println!("  {}, file in the pod:           {}", pod.name, pod.file);
            println!("  {}, served by DTLS handshake:  {}", pod.name, pod.served);
        }
    }

    /// Fails unless the certificate serves both purposes and every pod has and serves it.
    pub fn check(&self) -> anyhow::Result<()> {
        for purpose in [
            "Digital Signature",
            "TLS Web Server Authentication",
            "TLS Web Client Authentication",
        ] {
            ensure!(
                self.purposes.contains(purpose),
                "the certificate lacks {purpose}"
            );
        }
        for pod in &self.pods {
            ensure!(
                pod.file == self.secret,
                "the file in {} is not the Secret's certificate",
                pod.name
            );
            ensure!(
                pod.served == self.secret,
                "{} does not serve the Secret's certificate",
                pod.name
            );
        }
        Ok(())
    }
}
