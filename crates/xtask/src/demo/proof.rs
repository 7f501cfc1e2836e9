//! The guide's Steps 4 and 8 by openssl and kubectl: what the Secret holds, what lies in each pod,
//! and what each pod serves.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, ensure};

use super::{Demo, PODS, PORT, SECRET, authority, openssl};
use crate::shell;

/// The file with the published chain, beside the CA's certificate.
const PUBLISHED: &str = "published.crt";

/// What was seen.
pub struct Proof {
    serial: String,
    secret: String,
    certificate: String,
    folder: PathBuf,
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
    let folder = authority::folder(demo);
    fs::write(folder.join(PUBLISHED), &certificate)?;
    let x509 = |options: &[&str]| openssl::x509(&certificate, options);
    let serial = x509(&["-serial"])?;
    Ok(Proof {
        serial: serial.trim_start_matches("serial=").to_lowercase(),
        secret: openssl::fingerprint(&certificate)?,
        purposes: x509(&["-ext", "keyUsage,extendedKeyUsage"])?,
        description: x509(&[
            "-subject",
            "-issuer",
            "-dates",
            "-ext",
            "subjectAltName,keyUsage,extendedKeyUsage",
        ])?,
        folder,
        pods: PODS
            .into_iter()
            .map(|name| pod(demo, name))
            .collect::<Result<_, _>>()?,
        certificate,
    })
}

fn pod(demo: &Demo<'_>, name: &'static str) -> anyhow::Result<Pod> {
    let path = "/coturn-dtls-certificate/tls.crt";
    let file = shell::read(demo.kubectl().args(["exec", name, "--", "cat", path]))?;
    let object = demo.get(&["pod", name])?;
    let address = object["status"]["podIP"]
        .as_str()
        .context("the pod has no address")?;
    let target = format!("{address}:{PORT}");
    let served = openssl::served(&target, &authority::certificate(demo))?;
    Ok(Pod {
        name,
        file: openssl::fingerprint(&file)?,
        served: openssl::fingerprint(&served)?,
    })
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

    /// Fails unless the certificate is what the resource asks for, the CA vouches for it, and every
    /// pod has and serves it.
    pub fn check(&self) -> anyhow::Result<()> {
        self.check_purposes()?;
        self.check_origin()?;
        ensure!(
            openssl::is_valid_in(&self.certificate, 364)
                && !openssl::is_valid_in(&self.certificate, 366),
            "the certificate is not valid for the next 365 days:\n{}",
            self.description
        );
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

    fn check_purposes(&self) -> anyhow::Result<()> {
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
        Ok(())
    }

    fn check_origin(&self) -> anyhow::Result<()> {
        let issuer = openssl::name(&self.certificate, "-issuer")?;
        let subject = openssl::name(
            &fs::read_to_string(self.folder.join(authority::CERTIFICATE))?,
            "-subject",
        )?;
        ensure!(
            issuer == subject,
            "the certificate's issuer is {issuer}, the CA's subject {subject}"
        );
        for purpose in ["sslserver", "sslclient"] {
            openssl::verify(&self.folder, PUBLISHED, authority::CERTIFICATE, purpose)?;
        }
        Ok(())
    }
}
