//! What the operator counts.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use k8s_openapi::api::core::v1::Pod;

use super::World;
use crate::wait;

/// Where the operator answers.
const PORT: u16 = 8080;

impl World {
    /// What the operator's pods tell of themselves.
    pub(super) async fn metrics(&self) -> String {
        self.operator_pods().await.iter().map(text).collect()
    }

    /// Handshakes with pods that ended like this, as the metric names it, in the life of the operator.
    pub async fn probes(&self, result: &str) -> u64 {
        counted(&self.metrics().await, result)
    }

    /// Waits until so many more handshakes with pods have ended like this. The pauses between them grow
    /// with the time for which they ended alike: the thirteenth comes 24 s after the first.
    pub async fn until_probed_again(&self, result: &str, times: u64) {
        let before = self.probes(result).await;
        wait::until(&format!("{times} more handshakes: {result}"), async || {
            (self.probes(result).await >= before + times).then_some(())
        })
        .await;
    }
}

fn counted(metrics: &str, result: &str) -> u64 {
    let series = format!("coturncert_probes_total{{result=\"{result}\"}} ");
    let counts = metrics
        .lines()
        .filter_map(|line| line.strip_prefix(&series));
    counts.map(|it| it.parse::<u64>().expect("a count")).sum()
}

/// What the operator in a pod tells of itself.
fn text(pod: &Pod) -> String {
    let status = pod.status.as_ref().expect("a status");
    let address = status.pod_ip.as_ref().expect("an address");
    let mut stream = TcpStream::connect((address.as_str(), PORT)).expect("a connection");
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("a timeout");
    let request = format!("GET /metrics HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let status = answer.lines().next().unwrap_or_default();
    assert!(status.ends_with("200 OK"), "/metrics: {status}");
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handshakes_are_counted_by_their_result() {
        let metrics = "# HELP coturncert_probes Handshakes\n\
            coturncert_probes_total{result=\"leaf\"} 7\n\
            coturncert_probes_total{result=\"closed\"} 12\n";
        assert_eq!(counted(metrics, "closed"), 12);
        assert_eq!(counted(metrics, "silent"), 0);
    }
}
