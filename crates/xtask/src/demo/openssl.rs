//! The openssl commands that look at certificates and at what is served.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};

use crate::shell;

/// How long one handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(15);
/// How long handshakes are tried for, on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_secs(1);
const DAY: u32 = 24 * 60 * 60;

/// SHA-256 of the first certificate of a text, in lower-case hex.
pub fn fingerprint(certificate: &str) -> anyhow::Result<String> {
    let line = x509(certificate, &["-fingerprint", "-sha256"])?;
    let hex = line
        .split_once('=')
        .context("openssl printed no fingerprint")?
        .1;
    Ok(hex.replace(':', "").to_lowercase())
}

/// The subject or the issuer of the first certificate of a text; `which` is the option that asks
/// for it.
pub fn name(certificate: &str, which: &str) -> anyhow::Result<String> {
    let line = x509(certificate, &[which, "-nameopt", "RFC2253"])?;
    let (_, name) = line.split_once('=').context("openssl printed no name")?;
    Ok(name.trim().to_owned())
}

/// `openssl x509` on the first certificate of a text.
pub fn x509(certificate: &str, options: &[&str]) -> anyhow::Result<String> {
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

/// Whether the first certificate of a text is still valid in that many days.
pub fn is_valid_in(certificate: &str, days: u32) -> bool {
    x509(certificate, &["-checkend", &(days * DAY).to_string()]).is_ok()
}

/// Verifies the chain in a file of a folder, leaf first, against the CA in another, for a purpose
/// such as `sslserver`.
pub fn verify(folder: &Path, chain: &str, ca: &str, purpose: &str) -> anyhow::Result<()> {
    let mut verify = Command::new("openssl");
    verify.args(["verify", "-x509_strict", "-purpose", purpose]);
    verify.args(["-CAfile", ca, "-untrusted", chain, chain]);
    shell::run(verify.current_dir(folder).stdout(Stdio::null()))
}

/// The leaf that a DTLS listener serves: a complete handshake whose chain leads to the CA.
pub fn served(target: &str, ca: &Path) -> anyhow::Result<String> {
    let started = Instant::now();
    loop {
        match handshake(target, ca) {
            Err(_) if started.elapsed() < PATIENCE => thread::sleep(PAUSE),
            outcome => return outcome,
        }
    }
}

fn handshake(target: &str, ca: &Path) -> anyhow::Result<String> {
    let mut client = Command::new("openssl");
    client.args(["s_client", "-dtls1_2", "-x509_strict", "-showcerts"]);
    client.args(["-verify_return_error", "-connect", target]);
    client.arg("-CAfile").arg(ca);
    let output = shell::capture_within(HANDSHAKE, &mut client)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // Without a handshake openssl prints a return code too: it has verified nothing.
    let complete = text.contains("BEGIN CERTIFICATE") && !text.contains("Cipher is (NONE)");
    if !output.status.success() || !complete || !text.contains("Verify return code: 0 (ok)") {
        let reason = String::from_utf8_lossy(&output.stderr);
        bail!(
            "no verified DTLS handshake with {target}: {}",
            reason.trim()
        );
    }
    Ok(text)
}
