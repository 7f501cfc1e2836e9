//! What a pod serves, asked by OpenSSL's own client.

use std::{process::Stdio, time::Duration};

use tokio::{process::Command, time::timeout};

const PATIENCE: Duration = Duration::from_secs(20);

/// Dials a DTLS 1.2 listener; the PEM of the leaf that it shows, or why there is none.
pub async fn dial(address: &str, port: u16) -> Result<String, String> {
    let target = format!("{address}:{port}");
    let mut client = Command::new("openssl");
    client
        .args(["s_client", "-dtls1_2", "-connect", &target])
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = timeout(PATIENCE, client.output())
        .await
        .map_err(|_| format!("{target}: no handshake in {PATIENCE:?}"))?
        .map_err(|error| format!("openssl does not start: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let begin = text.find("-----BEGIN CERTIFICATE-----");
    let end = text.find("-----END CERTIFICATE-----");
    match (begin, end) {
        (Some(begin), Some(end)) => Ok(format!("{}-----END CERTIFICATE-----\n", &text[begin..end])),
        _ => Err(format!(
            "{target}: {}",
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}
