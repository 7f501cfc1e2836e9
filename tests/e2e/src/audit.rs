//! What reached the API server, from its own audit log.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Seek as _, SeekFrom},
    path::PathBuf,
};

use serde_json::Value;

/// Verbs that change something.
const WRITES: [&str; 5] = ["create", "update", "patch", "delete", "deletecollection"];

/// A place in the audit log.
pub struct Mark {
    path: PathBuf,
    position: u64,
}

/// A request of the operator's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// As `patch`.
    pub verb: String,
    /// As `secrets`, or `coturncertificates/status`.
    pub resource: String,
    /// The object's name.
    pub name: String,
    /// HTTP status code of the answer.
    pub code: i64,
}

impl Mark {
    /// The log's end at this moment.
    pub fn now(path: PathBuf) -> Self {
        let position = path.metadata().expect("the audit log").len();
        Self { path, position }
    }

    /// Requests since then by users whose name ends in `user`, in the namespace, but for the Lease.
    pub fn requests(&self, namespace: &str, user: &str) -> Vec<Request> {
        let mut file = File::open(&self.path).expect("the audit log");
        file.seek(SeekFrom::Start(self.position))
            .expect("the mark lies within the log");
        BufReader::new(file)
            .lines()
            .map_while(Result::ok)
            .filter_map(|line| serde_json::from_str::<Value>(&line).ok())
            .filter(|event| event["stage"] == "ResponseComplete")
            .filter(|event| event["objectRef"]["namespace"] == namespace)
            .filter(|event| {
                event["user"]["username"]
                    .as_str()
                    .is_some_and(|name| name.ends_with(user))
            })
            .filter(|event| event["objectRef"]["resource"] != "leases")
            .map(|event| request(&event))
            .collect()
    }

    /// Those of them that change something.
    pub fn writes(&self, namespace: &str, user: &str) -> Vec<Request> {
        let mut requests = self.requests(namespace, user);
        requests.retain(|request| WRITES.contains(&request.verb.as_str()));
        requests
    }
}

fn request(event: &Value) -> Request {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let reference = &event["objectRef"];
    let resource = match reference["subresource"].as_str() {
        Some(subresource) => format!("{}/{subresource}", text(&reference["resource"])),
        None => text(&reference["resource"]),
    };
    Request {
        verb: text(&event["verb"]),
        resource,
        name: text(&reference["name"]),
        code: event["responseStatus"]["code"].as_i64().unwrap_or_default(),
    }
}
