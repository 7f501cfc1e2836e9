//! What happens in the cluster, line by line, until the certificate is Ready on every pod.

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use anyhow::bail;
use serde_json::Value;

use super::{CERTIFICATE, Demo};

/// How long all of it may take on a busy machine.
const DEADLINE: Duration = Duration::from_mins(6);
const POLL: Duration = Duration::from_millis(250);

/// Prints what changes until every pod is on a certificate other than `before`.
pub fn until_ready(demo: &Demo<'_>, before: Option<&str>) -> anyhow::Result<()> {
    let deadline = Instant::now() + DEADLINE;
    let mut told = BTreeMap::new();
    // What an earlier part of the demo told already is not told again.
    let mut muted = before.is_some();
    loop {
        let certificate = demo.get(&["coturncertificate", CERTIFICATE])?;
        let pods = demo.get(&["pods", "--selector", "app=coturn"])?;
        for Line { of, state, text } in lines(&certificate, &pods) {
            if told.insert(of, state.clone()) != Some(state) && !muted {
                println!("  {:6.1} s  {text}", demo.started.elapsed().as_secs_f64());
            }
        }
        muted = false;
        if is_done(&certificate, before) {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!(
                "the certificate was not Ready in time: {}",
                certificate["status"]["conditions"]
            );
        }
        thread::sleep(POLL);
    }
}

/// What is told of one thing; told again when its state is another.
struct Line {
    of: String,
    state: String,
    text: String,
}

fn lines(certificate: &Value, pods: &Value) -> Vec<Line> {
    let conditions = certificate["status"]["conditions"].as_array();
    let pods = pods["items"].as_array();
    conditions
        .into_iter()
        .flatten()
        .filter(|condition| is_told(condition))
        .map(condition_line)
        .chain(pods.into_iter().flatten().map(pod_line))
        .collect()
}

fn is_told(condition: &Value) -> bool {
    matches!(
        text(condition, "type"),
        "Ready" | "Issued" | "Published" | "RolledOut"
    )
}

fn condition_line(condition: &Value) -> Line {
    let (kind, status) = (text(condition, "type"), text(condition, "status"));
    let (reason, message) = (text(condition, "reason"), text(condition, "message"));
    // Ready's message repeats those of the others.
    let shown = if kind == "Ready" { "" } else { message };
    let shown: String = shown.chars().take(120).collect();
    Line {
        of: kind.to_owned(),
        state: format!("{status} {reason} {shown}"),
        text: format!("{kind:<10} {status:<8} {reason}  {shown}")
            .trim_end()
            .to_owned(),
    }
}

fn pod_line(pod: &Value) -> Line {
    let name = text(&pod["metadata"], "name");
    let uid: String = text(&pod["metadata"], "uid").chars().take(4).collect();
    let status = &pod["status"]["containerStatuses"][0];
    let state = if pod["metadata"]["deletionTimestamp"].is_string() {
        "ends"
    } else if status["ready"] == true {
        "is Ready"
    } else {
        status["state"]["waiting"]["reason"]
            .as_str()
            .unwrap_or("starts")
    };
    Line {
        of: name.to_owned(),
        state: format!("{uid} {state}"),
        text: format!("{name} ({uid})  {state}"),
    }
}

fn is_done(certificate: &Value, before: Option<&str>) -> bool {
    let status = &certificate["status"];
    let serial = status["certificate"]["serialNumber"].as_str();
    let holds = |kind: &str| {
        let conditions = status["conditions"].as_array().into_iter().flatten();
        conditions
            .filter(|condition| text(condition, "type") == kind)
            .all(|condition| text(condition, "status") == "True")
    };
    serial.is_some() && serial != before && holds("Ready") && holds("RolledOut")
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}
