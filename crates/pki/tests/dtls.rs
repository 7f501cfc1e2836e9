//! Self-signed leaves at both ends of a DTLS 1.2 handshake between two `openssl` processes, each of
//! which demands a certificate and trusts one alone.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::{
    io::{BufRead as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use jiff::Timestamp;
use pki::{IssuedPair, issue_self_signed, testing::request};
use support::OpenSsl;

fn self_signed() -> IssuedPair {
    let mut request = request(&[]);
    request.content.common_name = Some("coturn-dtls-certificate".to_owned());
    issue_self_signed(&request, Timestamp::now()).unwrap()
}

/// Writes a pair for the end of this name.
fn provide(openssl: &OpenSsl, name: &str, pair: &IssuedPair) {
    openssl.write(&format!("{name}.crt"), &pair.certificate);
    openssl.write(&format!("{name}.key"), pair.key.as_bytes());
}

/// What both ends have in common: their own pair, and the one certificate that they trust.
fn end(own: &str, trusted: &str) -> String {
    format!(
        "-dtls1_2 -x509_strict -verify_return_error -cert {own}.crt -key {own}.key -CAfile {trusted}.crt"
    )
}

/// An `openssl s_server` for one client, on a port of its own choice.
struct Server {
    process: Child,
    /// It ends with its input, and stumbles without an output.
    _ends: (ChildStdin, Lines<BufReader<ChildStdout>>),
    port: u16,
}

impl Server {
    fn start(openssl: &OpenSsl, own: &str, trusted: &str) -> Self {
        let mut process = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-naccept", "1"])
            .args(["-Verify", "1"])
            .args(end(own, trusted).split_whitespace())
            .current_dir(openssl.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = output
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("ACCEPT 127.0.0.1:")?.parse().ok())
            .unwrap();
        Self {
            _ends: (process.stdin.take().unwrap(), output),
            process,
            port,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Dials a server whose pair is `server`, as `client`; each trusts the one named after it.
fn dial(server: [&str; 2], client: [&str; 2], openssl: &OpenSsl) -> Result<String, String> {
    let listening = Server::start(openssl, server[0], server[1]);
    openssl.try_run(&format!(
        "s_client -connect 127.0.0.1:{} {}",
        listening.port,
        end(client[0], client[1])
    ))
}

#[test]
fn two_ends_that_trust_each_others_certificate_shake_hands_and_no_others() {
    let openssl = OpenSsl::new();
    for name in ["ours", "theirs", "strange"] {
        provide(&openssl, name, &self_signed());
    }
    let (server, client) = (["ours", "theirs"], ["theirs", "ours"]);
    let shaken = dial(server, client, &openssl).unwrap();
    assert!(shaken.contains("Verify return code: 0 (ok)"), "{shaken}");
    assert!(!shaken.contains("Cipher is (NONE)"), "{shaken}");

    dial(server, ["strange", "ours"], &openssl).unwrap_err();
    dial(server, ["theirs", "strange"], &openssl).unwrap_err();
}
