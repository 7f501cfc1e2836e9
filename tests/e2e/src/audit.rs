//! What reached the API server, from its own audit log.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Seek as _, SeekFrom},
    path::PathBuf,
};

use jiff::{SignedDuration, Timestamp};
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

/// A request that was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Who made it, as `system:serviceaccount:default:coturn-cert-operator`.
    pub user: String,
    /// As `patch`.
    pub verb: String,
    /// As `secrets`, or `coturncertificates/status`.
    pub resource: String,
    /// The object's name.
    pub name: String,
    /// HTTP status code of the answer.
    pub code: i64,
    /// When it came, by the API server's clock.
    pub received: Timestamp,
    /// When it was answered, by the same.
    pub answered: Timestamp,
}

/// A write by which somebody undid what another wrote, and that one's next write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restoration {
    /// The last write of somebody else.
    pub undone: Request,
    /// The first after it.
    pub restored: Request,
}

impl Restoration {
    /// The time from the request that undid it to the answer to the one that put it right.
    pub fn took(&self) -> SignedDuration {
        self.restored.answered.duration_since(self.undone.received)
    }
}

impl Mark {
    /// The log's end at this moment.
    pub fn now(path: PathBuf) -> Self {
        let position = path.metadata().expect("the audit log").len();
        Self { path, position }
    }

    /// Requests since then by users whose name ends in `user`, in the namespace, but for the Lease.
    pub fn requests(&self, namespace: &str, user: &str) -> Vec<Request> {
        let mut requests = self.requests_of_anybody(namespace);
        requests.retain(|request| request.is_by(user) && request.resource != LEASES);
        requests
    }

    /// How often they have renewed the Lease since then.
    pub fn renewals(&self, namespace: &str, user: &str) -> usize {
        let requests = self.requests_of_anybody(namespace);
        let renewals = requests.iter().filter(|request| {
            request.is_by(user) && request.resource == LEASES && request.is_done_write()
        });
        renewals.count()
    }

    /// The last write of a Secret since then by somebody whose name does not end in `user`, and the
    /// first one after it by somebody whose name does, once both are there.
    pub fn restoration(&self, namespace: &str, user: &str, secret: &str) -> Option<Restoration> {
        let mut writes = self.requests_of_anybody(namespace);
        writes.retain(|it| it.resource == "secrets" && it.name == secret && it.is_done_write());
        restoration(&writes, user)
    }

    fn requests_of_anybody(&self, namespace: &str) -> Vec<Request> {
        let mut file = File::open(&self.path).expect("the audit log");
        file.seek(SeekFrom::Start(self.position))
            .expect("the mark lies within the log");
        BufReader::new(file)
            .lines()
            .map_while(Result::ok)
            .filter_map(|line| serde_json::from_str::<Value>(&line).ok())
            .filter(|event| event["stage"] == "ResponseComplete")
            .filter(|event| event["objectRef"]["namespace"] == namespace)
            .map(|event| request(&event))
            .collect()
    }

    /// Those of them that change something.
    pub fn writes(&self, namespace: &str, user: &str) -> Vec<Request> {
        let mut requests = self.requests(namespace, user);
        requests.retain(Request::is_write);
        requests
    }
}

impl Request {
    fn is_by(&self, user: &str) -> bool {
        self.user.ends_with(user)
    }

    fn is_write(&self) -> bool {
        WRITES.contains(&self.verb.as_str())
    }

    fn is_done_write(&self) -> bool {
        self.is_write() && self.code < 300
    }
}

/// Lines may stand in the log in another order than their answers were given in, and whoever watches
/// may have written before the answer to what it saw was given.
fn restoration(writes: &[Request], user: &str) -> Option<Restoration> {
    let others = writes.iter().filter(|write| !write.is_by(user));
    let undone = others.max_by_key(|write| write.received)?;
    let later = writes
        .iter()
        .filter(|write| write.is_by(user) && write.received > undone.received);
    let restored = later.min_by_key(|write| write.received)?;
    Some(Restoration {
        undone: undone.clone(),
        restored: restored.clone(),
    })
}

fn request(event: &Value) -> Request {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let time = |field| text(&event[field]).parse().expect("a time");
    let reference = &event["objectRef"];
    let resource = match reference["subresource"].as_str() {
        Some(subresource) => format!("{}/{subresource}", text(&reference["resource"])),
        None => text(&reference["resource"]),
    };
    Request {
        user: text(&event["user"]["username"]),
        verb: text(&event["verb"]),
        resource,
        name: text(&reference["name"]),
        code: event["responseStatus"]["code"].as_i64().unwrap_or_default(),
        received: time("requestReceivedTimestamp"),
        answered: time("stageTimestamp"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use serde_json::json;

    use super::*;

    const USER: &str = "system:serviceaccount:here:coturn-cert-operator";
    const RECEIVED: &str = "2026-01-01T00:00:00.240000Z";
    const ANSWERED: &str = "2026-01-01T00:00:00.250000Z";

    fn line(user: &str, namespace: &str, verb: &str, resource: &str) -> String {
        let event = json!({
            "stage": "ResponseComplete",
            "requestReceivedTimestamp": RECEIVED,
            "stageTimestamp": ANSWERED,
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
        let write = Request {
            user: USER.to_owned(),
            verb: "patch".to_owned(),
            resource: "secrets".to_owned(),
            name: "x".to_owned(),
            code: 200,
            received: RECEIVED.parse().unwrap(),
            answered: ANSWERED.parse().unwrap(),
        };
        assert_eq!(mark.writes("here", "coturn-cert-operator"), [write]);
        std::fs::remove_file(path).unwrap();
    }

    /// A write that came so many milliseconds after midnight, and was answered 20 later.
    fn write(user: &str, milliseconds: i64) -> Request {
        let midnight: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        Request {
            user: user.to_owned(),
            verb: "update".to_owned(),
            resource: "secrets".to_owned(),
            name: "x".to_owned(),
            code: 200,
            received: midnight + SignedDuration::from_millis(milliseconds),
            answered: midnight + SignedDuration::from_millis(milliseconds + 20),
        }
    }

    #[test]
    fn a_restoration_is_the_first_write_after_the_last_of_anybody_else() {
        let writes = [
            write("kubernetes-admin", 100),
            write(USER, 150),
            write(USER, 900),
            write("kubernetes-admin", 300),
            write(USER, 350),
        ];
        let found = restoration(&writes, "coturn-cert-operator").unwrap();
        assert_eq!(found.undone, writes[3]);
        assert_eq!(found.restored, writes[4]);
        assert_eq!(found.took(), SignedDuration::from_millis(70));
    }

    #[test]
    fn what_was_put_right_before_the_answer_to_its_undoing_is_a_restoration() {
        let mut writes = [100, 300, 310].map(|at| write(USER, at));
        writes[1] = Request {
            answered: writes[2].answered + SignedDuration::from_millis(5),
            ..write("kubernetes-admin", 300)
        };
        let found = restoration(&writes, "coturn-cert-operator").unwrap();
        assert_eq!(found.restored, writes[2]);
        assert_eq!(found.took(), SignedDuration::from_millis(30));
    }

    #[test]
    fn what_nobody_undid_or_nobody_wrote_again_is_no_restoration() {
        let before = [write(USER, 100), write("kubernetes-admin", 200)];
        for writes in [&before[..1], &before[1..], &before[..]] {
            assert_eq!(restoration(writes, "coturn-cert-operator"), None);
        }
    }
}
