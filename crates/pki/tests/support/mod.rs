//! The `openssl` command line, as users and partners run it.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::unwrap_in_result,
    clippy::panic,
    reason = "support of several test binaries, none of which uses all of it"
)]

use std::{path::Path, process::Command};

use tempfile::TempDir;

/// A directory in which openssl runs.
pub struct OpenSsl {
    directory: TempDir,
}

impl OpenSsl {
    pub fn new() -> Self {
        Self {
            directory: TempDir::new().unwrap(),
        }
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path().join(name), content).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path().join(name)).unwrap()
    }

    /// Runs `openssl` with the words of `arguments`.
    pub fn run(&self, arguments: &str) -> String {
        self.try_run(arguments)
            .unwrap_or_else(|output| panic!("openssl {arguments}: {output}"))
    }

    pub fn try_run(&self, arguments: &str) -> Result<String, String> {
        let output = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(self.path())
            .output()
            .unwrap();
        let text = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        if output.status.success() {
            Ok(text)
        } else {
            Err(text)
        }
    }

    /// Writes a configuration of `req` with this subject and, under `ext`, these extensions.
    pub fn configure(&self, file: &str, subject: &str, extensions: &str) {
        self.write(
            file,
            format!(
                "[req]\nprompt=no\nutf8=yes\ndistinguished_name=dn\n[dn]\n{subject}\n[ext]\n{extensions}\n"
            ),
        );
    }

    /// `req -x509` with a configuration of these extensions: writes `ca.crt` for the key `ca.key`.
    pub fn self_sign(&self, subject: &str, days: u32, extensions: &str) {
        self.configure("ca.cnf", subject, extensions);
        self.run(&format!(
            "req -new -x509 -sha256 -days {days} -key ca.key -config ca.cnf -extensions ext -out ca.crt"
        ));
    }

    /// A certificate of `NAME.key`, signed by the CA in `ISSUER.crt` and `ISSUER.key`.
    pub fn sign(&self, name: &str, issuer: &str, subject: &str, extensions: &str) {
        self.configure("request.cnf", subject, extensions);
        self.run(&format!(
            "req -new -key {name}.key -config request.cnf -out {name}.csr"
        ));
        self.run(&format!(
            "x509 -req -sha256 -days 365 -in {name}.csr -CA {issuer}.crt -CAkey {issuer}.key \
             -CAcreateserial -extfile request.cnf -extensions ext -out {name}.crt"
        ));
    }

    /// Verifies the pair as a partner's OpenSSL would, for one purpose.
    pub fn verify(&self, pair: &pki::IssuedPair, purpose: &str, at: jiff::Timestamp) {
        self.write("chain.pem", &pair.certificate);
        self.write("root.pem", &pair.root);
        self.run(&format!(
            "verify -x509_strict -purpose {purpose} -attime {} -CAfile root.pem -untrusted chain.pem chain.pem",
            at.as_second()
        ));
    }
}

/// The extensions of the CA in Wire's guide.
pub const CA_EXTENSIONS: &str = "basicConstraints=critical,CA:TRUE\n\
    keyUsage=critical,keyCertSign,cRLSign\n\
    subjectKeyIdentifier=hash\n\
    authorityKeyIdentifier=keyid:always";

/// The extensions of the leaf in Wire's guide.
pub const LEAF_EXTENSIONS: &str = "basicConstraints=CA:FALSE\n\
    keyUsage=digitalSignature\n\
    extendedKeyUsage=serverAuth,clientAuth\n\
    subjectAltName=DNS:coturn.example.com,DNS:coturn-0.example.com";

/// The CA of Wire's guide: `ca.crt` and `ca.key`, RSA-2048, ten years.
pub fn wire_ca(openssl: &OpenSsl) {
    openssl.run("genrsa -out ca.key 2048");
    openssl.self_sign(
        "C=DE\nO=Your Organization\nCN=Your Organization CA",
        3650,
        CA_EXTENSIONS,
    );
}
