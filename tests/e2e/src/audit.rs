//! What reached the API server, from its own audit log.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Seek as _, SeekFrom},
    path::PathBuf,
};

use serde_json::Value;

/// Verbs that change something.
const WRITES: [&str; 5] = ["create", "update", "patch", "delete", "deletecollection"];

/// What the operator writes all the time, to tell that it is there.
const LEASES: &str = "leases";

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
        let mut requests = self.all_requests(namespace, user);
        requests.retain(|request| request.resource != LEASES);
        requests
    }

    /// How often they have renewed the Lease since then.
    pub fn renewals(&self, namespace: &str, user: &str) -> usize {
        let requests = self.all_requests(namespace, user);
        let renewals = requests.iter().filter(|request| {
            request.resource == LEASES && is_write(request) && request.code < 300
        });
        renewals.count()
    }

    fn all_requests(&self, namespace: &str, user: &str) -> Vec<Request> {
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
            .map(|event| request(&event))
            .collect()
    }

    /// Those of them that change something.
    pub fn writes(&self, namespace: &str, user: &str) -> Vec<Request> {
        let mut requests = self.requests(namespace, user);
        requests.retain(is_write);
        requests
    }
}

fn is_write(request: &Request) -> bool {
    WRITES.contains(&request.verb.as_str())
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

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use serde_json::json;

    use super::*;

    const USER: &str = "system:serviceaccount:here:coturn-cert-operator";

    fn line(user: &str, namespace: &str, verb: &str, resource: &str) -> String {
        let event = json!({
            "stage": "ResponseComplete",
            "verb": verb,
            "user": {"username": user},
            "objectRef": {"namespace": namespace, "resource": resource, "name": "x"},
            "responseStatus": {"code": 200},
        });
        format!("{event}\n")
    }

    #[test]
    fn the_lease_is_counted_apart_and_others_not_at_all() {
        let path = std::env::temp_dir().join(format!("audit-log-of-{}", std::process::id()));
        std::fs::write(&path, line(USER, "here", "patch", "leases")).unwrap();
        let mark = Mark::now(path.clone());
        let mut log = File::options().append(true).open(&path).unwrap();
        for text in [
            line(USER, "here", "patch", LEASES),
            line(USER, "here", "get", LEASES),
            line(USER, "there", "patch", LEASES),
            line("system:admin", "here", "patch", LEASES),
            line(USER, "here", "patch", "secrets"),
            line(USER, "here", "get", "secrets"),
        ] {
            log.write_all(text.as_bytes()).unwrap();
        }

        assert_eq!(mark.renewals("here", "coturn-cert-operator"), 1);
        assert_eq!(mark.renewals("here", "somebody-else"), 0);
        assert_eq!(mark.requests("here", "coturn-cert-operator").len(), 2);
        assert_eq!(mark.writes("here", "coturn-cert-operator").len(), 1);
        std::fs::remove_file(path).unwrap();
    }
}
