//! What passed the proxy, and what befalls it.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use hyper::{Method, StatusCode, body::Bytes, http::request::Parts};
use serde_json::{Value, json};

use super::hold::{Gate, Hold, gate};

/// What does not bear on an outcome.
const ASIDE: [&str; 2] = ["leases", "events"];

/// A write, by what it wrote and how often that was written, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// As `secrets/coturn-ca`, or `coturncertificates/coturn/status`.
    pub object: String,
    /// 1 for its first write.
    pub number: usize,
}

/// Called once, after the write was done.
pub type Strike = Arc<dyn Fn() + Send + Sync>;

/// What befalls a write. The API server does it in each case.
#[derive(Clone)]
pub enum Fate {
    /// Then this is called, which kills the operator; there is no reply.
    Fatal(Strike),
    /// The connection ends without a reply.
    ReplyLost,
}

/// What befalls which write.
#[derive(Clone)]
pub struct Blow {
    /// Which.
    pub on: Mark,
    /// What.
    pub fate: Fate,
}

/// A request, as far as it is of interest.
pub(super) struct Asked {
    method: Method,
    path: String,
    is_watch: bool,
    body: Bytes,
}

#[derive(Default)]
pub(super) struct Traffic(Mutex<State>);

#[derive(Default)]
struct State {
    writes: Vec<Mark>,
    /// The last status of each object, without its words.
    statuses: HashMap<String, Value>,
    blow: Option<Blow>,
    has_struck: bool,
    /// What was read since the count began.
    read: BTreeSet<String>,
    /// Requests that wait for their answer.
    open: usize,
    /// When the last one came or was answered since the count began.
    last: Option<Instant>,
    gates: Vec<Gate>,
}

/// A request of interest, until it is answered.
pub(super) struct Open(Arc<Traffic>);

impl Drop for Open {
    fn drop(&mut self) {
        let mut state = self.0.0.lock().unwrap();
        state.open -= 1;
        // One that came before the count began tells nothing of whoever asks since.
        state.last = state.last.map(|_| Instant::now());
    }
}

impl Asked {
    pub(super) fn of(parts: &Parts, body: Bytes) -> Self {
        Self {
            method: parts.method.clone(),
            path: parts.uri.path().to_owned(),
            is_watch: parts.uri.query().is_some_and(|it| it.contains("watch=")),
            body,
        }
    }

    /// The resource below its namespace: `secrets`, or `secrets/coturn-ca`.
    fn resource(&self) -> Option<&str> {
        let (_, below) = self.path.split_once("/namespaces/")?;
        let (_, resource) = below.split_once('/')?;
        let kind = resource.split('/').next()?;
        (!ASIDE.contains(&kind)).then_some(resource)
    }

    /// What it writes, if it is a write that counts.
    fn written(&self) -> Option<String> {
        let resource = self.resource().filter(|_| !self.method.is_safe())?;
        if self.method != Method::POST {
            return Some(resource.to_owned());
        }
        let body: Value = serde_json::from_slice(&self.body).ok()?;
        Some(format!("{resource}/{}", body["metadata"]["name"].as_str()?))
    }

    /// What a status says, without its words and numbers of pods.
    fn status(&self) -> Option<Value> {
        self.path.ends_with("/status").then_some(())?;
        let body: Value = serde_json::from_slice(&self.body).ok()?;
        let status = &body["status"];
        let conditions = status["conditions"].as_array().into_iter().flatten();
        let conditions: Vec<_> = conditions
            .map(|condition| json!([condition["type"], condition["status"], condition["reason"]]))
            .collect();
        Some(json!([
            body["metadata"]["uid"],
            status["observedGeneration"],
            status["certificate"]["serialNumber"],
            status["history"],
            conditions,
        ]))
    }
}

impl Traffic {
    pub(super) fn begin(&self, blow: Option<Blow>) {
        let mut state = self.0.lock().unwrap();
        state.writes.clear();
        state.read.clear();
        state.last = None;
        state.has_struck = false;
        state.blow = blow;
    }

    pub(super) fn writes(&self) -> Vec<Mark> {
        self.0.lock().unwrap().writes.clone()
    }

    pub(super) fn has_struck(&self) -> bool {
        self.0.lock().unwrap().has_struck
    }

    pub(super) fn is_calm_for(&self, span: Duration) -> bool {
        let state = self.0.lock().unwrap();
        state.open == 0 && state.last.is_some_and(|last| last.elapsed() > span)
    }

    pub(super) fn has_read(&self, object: &str) -> bool {
        self.0.lock().unwrap().read.contains(object)
    }

    pub(super) fn hold(&self, method: &'static str, path: &'static str) -> Hold {
        let (hold, gate) = gate(method, path);
        self.0.lock().unwrap().gates.push(gate);
        hold
    }

    /// Notes that it came; none if it is of no interest.
    pub(super) fn note(self: &Arc<Self>, asked: &Asked) -> Option<Open> {
        let resource = asked.resource().filter(|_| !asked.is_watch)?;
        let mut state = self.0.lock().unwrap();
        state.last = Some(Instant::now());
        state.open += 1;
        if asked.method == Method::GET {
            state.read.insert(resource.to_owned());
        }
        Some(Open(Arc::clone(self)))
    }

    /// Waits where the request is held.
    pub(super) async fn pass(&self, asked: &Asked) {
        let gate = {
            let gates = &mut self.0.lock().unwrap().gates;
            let is_for = |gate: &Gate| gate.is_for(asked.method.as_str(), &asked.path);
            let position = gates.iter().position(is_for);
            position.map(|position| gates.remove(position))
        };
        if let Some(gate) = gate {
            gate.pass().await;
        }
    }

    /// Counts what was done; returns what befalls it.
    pub(super) fn answered(&self, asked: &Asked, code: StatusCode) -> Option<Fate> {
        let object = asked.written().filter(|_| code.is_success())?;
        let mut state = self.0.lock().unwrap();
        if let Some(status) = asked.status()
            && state.statuses.insert(object.clone(), status.clone()) == Some(status)
        {
            return None;
        }
        let mark = state.count(object);
        let fate = state.blow.take_if(|blow| blow.on == mark)?.fate;
        if let Fate::Fatal(strike) = &fate {
            strike();
        }
        state.has_struck = true;
        Some(fate)
    }
}

impl State {
    fn count(&mut self, object: String) -> Mark {
        let before = self.writes.iter().filter(|mark| mark.object == object);
        let mark = Mark {
            number: before.count() + 1,
            object,
        };
        self.writes.push(mark.clone());
        mark
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: Method, resource: &str, body: &Value) -> Asked {
        Asked {
            method,
            path: format!("/api/v1/namespaces/here/{resource}"),
            is_watch: false,
            body: body.to_string().into(),
        }
    }

    fn put(resource: &str) -> Asked {
        asked(Method::PUT, resource, &json!({}))
    }

    fn status(reason: &str, message: &str) -> Asked {
        let ready =
            json!({"type": "Ready", "status": "True", "reason": reason, "message": message});
        let body = json!({"status": {"conditions": [ready]}});
        asked(Method::PUT, "coturncertificates/coturn/status", &body)
    }

    fn numbers(traffic: &Traffic) -> Vec<(String, usize)> {
        let marks = traffic.writes().into_iter();
        marks.map(|mark| (mark.object, mark.number)).collect()
    }

    #[test]
    fn what_was_done_is_counted_for_each_object() {
        let traffic = Traffic::default();
        let made = asked(Method::POST, "secrets", &json!({"metadata": {"name": "a"}}));
        for (request, code) in [
            (made, StatusCode::CREATED),
            (put("secrets/a"), StatusCode::CONFLICT),
            (put("secrets/b"), StatusCode::OK),
            (put("secrets/a"), StatusCode::OK),
            (put("leases/x"), StatusCode::OK),
            (put("events/x"), StatusCode::OK),
            (asked(Method::GET, "secrets/a", &json!({})), StatusCode::OK),
        ] {
            assert!(traffic.answered(&request, code).is_none());
        }
        let expected = [("secrets/a", 1), ("secrets/b", 1), ("secrets/a", 2)];
        assert_eq!(
            numbers(&traffic),
            expected.map(|(object, number)| (object.to_owned(), number))
        );
    }

    #[test]
    fn a_status_in_other_words_does_not_count() {
        let traffic = Traffic::default();
        for request in [
            status("RollingOut", "0 of 2"),
            status("RollingOut", "1 of 2"),
            status("Ready", "2 of 2"),
        ] {
            traffic.answered(&request, StatusCode::OK);
        }
        assert_eq!(traffic.writes().len(), 2);
    }

    #[test]
    fn an_operator_that_waits_for_an_answer_is_not_calm() {
        let traffic = Arc::new(Traffic::default());
        let is_calm = || traffic.is_calm_for(Duration::ZERO);
        assert!(!is_calm(), "it has asked for nothing yet");
        let read = asked(Method::GET, "secrets/a", &json!({}));
        let open = traffic.note(&read);
        assert!(!is_calm());
        drop(open);
        assert!(is_calm());
        assert!(traffic.has_read("secrets/a") && !traffic.has_read("secrets/b"));
    }

    #[test]
    fn what_was_asked_before_the_count_began_does_not_count() {
        let traffic = Arc::new(Traffic::default());
        let read = asked(Method::GET, "secrets/a", &json!({}));
        let open = traffic.note(&read);
        traffic.begin(None);
        assert!(!traffic.has_read("secrets/a"));
        drop(open);
        assert!(!traffic.is_calm_for(Duration::ZERO));
    }

    #[test]
    fn the_blow_falls_once_and_on_its_write_alone() {
        let traffic = Traffic::default();
        traffic.answered(&put("secrets/a"), StatusCode::OK);
        traffic.begin(Some(Blow {
            on: Mark {
                object: "secrets/a".to_owned(),
                number: 2,
            },
            fate: Fate::ReplyLost,
        }));
        let fates = [0; 4].map(|_| traffic.answered(&put("secrets/a"), StatusCode::OK));
        assert_eq!(
            fates.map(|fate| fate.is_some()),
            [false, true, false, false]
        );
        assert!(traffic.has_struck());
    }
}
