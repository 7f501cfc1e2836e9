//! What a pod serves, asked by OpenSSL's own client.

use std::{
    fs,
    path::Path,
    process::{Command as BlockingCommand, Stdio},
    time::Duration,
};

use api::Fingerprint;
use tokio::{process::Command, time::timeout};

use crate::{environment::run, wait};

const PATIENCE: Duration = Duration::from_secs(20);

/// Dials a DTLS 1.2 listener: the PEM of the leaf that it serves after a complete handshake whose
/// chain leads to the CA in the file, or why there is none.
pub async fn dial(address: &str, port: u16, ca: &Path) -> Result<String, String> {
    let target = format!("{address}:{port}");
    let mut client = Command::new("openssl");
    client
        .args(["s_client", "-dtls1_2", "-x509_strict"])
        .args(["-verify_return_error", "-connect", &target])
        .arg("-CAfile")
        .arg(ca)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = timeout(PATIENCE, client.output())
        .await
        .map_err(|_| format!("{target}: no handshake in {PATIENCE:?}"))?
        .map_err(|error| format!("openssl does not start: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    // Without a handshake openssl prints a return code too: it has verified nothing.
    let verified = output.status.success()
        && text.contains("Verify return code: 0 (ok)")
        && !text.contains("Cipher is (NONE)");
    leaf(&text).filter(|_| verified).ok_or_else(|| {
        let errors = String::from_utf8_lossy(&output.stderr);
        format!("{target}: {}: {errors}\n{text}", output.status)
    })
}

/// The leaf of the first handshake that succeeds: coturn's DTLS listener may open after the TCP one,
/// by which a pod is Ready.
pub async fn until_dialled(address: &str, port: u16, ca: &Path) -> String {
    wait::until(&format!("a handshake with {address}:{port}"), async || {
        let dialled = dial(address, port, ca).await;
        // Shown if the test fails.
        dialled.inspect_err(|error| eprintln!("{error}")).ok()
    })
    .await
}

/// The first certificate of a text.
fn leaf(text: &str) -> Option<String> {
    let begin = text.find("-----BEGIN CERTIFICATE-----")?;
    let end = text.find("-----END CERTIFICATE-----")?;
    Some(format!("{}-----END CERTIFICATE-----\n", &text[begin..end]))
}

/// SHA-256 of the first certificate of a PEM text.
pub fn fingerprint(pem: &str) -> Fingerprint {
    let hex = shown_fingerprint(pem).replace(':', "").to_lowercase();
    hex.parse().expect("a fingerprint")
}

/// The same as openssl shows it: `AB:CD:…`.
pub fn shown_fingerprint(pem: &str) -> String {
    let path = std::env::temp_dir().join(format!(
        "leaf-{}-{:?}.pem",
        std::process::id(),
        std::thread::current().id()
    ));
    fs::write(&path, pem).expect("a file");
    let line = run(BlockingCommand::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-in"])
        .arg(&path));
    fs::remove_file(&path).expect("the file");
    let shown = line.trim().rsplit('=').next();
    shown.unwrap_or_default().to_owned()
}
