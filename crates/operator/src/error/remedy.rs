//! What a person can do about a failure, in the words of the chart and of the cluster.

use probe::RehearsalError;

use super::{ApiFailure, Error, ObjectName};

const BY_ITSELF: &str = "what works stays as it is, and it is tried again by itself";

/// What to do about a failure, if anything can be done.
pub fn remedy(error: &Error) -> Option<String> {
    match error {
        Error::Read { object, failure } | Error::Write { object, failure } => {
            of_failure(object, failure)
        }
        Error::Delete { failure, .. } => of_deletion(failure),
        Error::Evict { object, failure } => of_eviction(object, failure),
        Error::Changed { .. } => Some(conflict()),
        Error::Undone { .. } => Some(BY_ITSELF.to_owned()),
        Error::Rehearsal(failure) => Some(of_rehearsal(failure)),
        Error::Objection(_) => Some(format!(
            "have the partner accept it, or take the partner out of spec.verification.partners to go on without; \
             {BY_ITSELF}"
        )),
        Error::Unread(_)
        | Error::Sign(_)
        | Error::SigningInterrupted
        | Error::Encode { .. }
        | Error::Unsettled { .. }
        | Error::Deadline { .. }
        | Error::Panicked { .. } => None,
    }
}

fn of_rehearsal(failure: &RehearsalError) -> String {
    let remedy = match failure {
        RehearsalError::NotAccepted(..) | RehearsalError::Name(..) => {
            "use a CA that OpenSSL accepts, or correct the names and usages that are asked for"
        }
        RehearsalError::NoHandshake(_)
        | RehearsalError::Identity(_)
        | RehearsalError::Roots
        | RehearsalError::OpenSsl(_) => "please report this, with the certificate of the CA",
    };
    format!("{remedy}; {BY_ITSELF}")
}

fn of_failure(object: &ObjectName, failure: &ApiFailure) -> Option<String> {
    match failure {
        ApiFailure::Forbidden(message) => Some(permission(object, message)),
        ApiFailure::Refused(message) => Some(refused(message)),
        ApiFailure::NotFound | ApiFailure::AlreadyExists | ApiFailure::Conflict => Some(conflict()),
        ApiFailure::Budget(_)
        | ApiFailure::Server { .. }
        | ApiFailure::Garbled
        | ApiFailure::Unreachable(_) => None,
    }
}

/// Only pods are deleted, and only where a value of the chart says so.
fn of_deletion(failure: &ApiFailure) -> Option<String> {
    match failure {
        ApiFailure::Forbidden(_) => {
            Some("set the chart's value restartPods=true, or delete the pod".to_owned())
        }
        ApiFailure::Refused(message) => Some(refused(message)),
        ApiFailure::NotFound | ApiFailure::AlreadyExists | ApiFailure::Conflict => Some(conflict()),
        ApiFailure::Budget(_)
        | ApiFailure::Server { .. }
        | ApiFailure::Garbled
        | ApiFailure::Unreachable(_) => None,
    }
}

/// A budget that never lets a pod go is the user's own: nothing else would tell of it.
fn of_eviction(object: &ObjectName, failure: &ApiFailure) -> Option<String> {
    match failure {
        ApiFailure::Budget(_) => Some(
            "it is tried again by itself, and helped by pods that become Ready or a PodDisruptionBudget that lets one \
             go"
                .to_owned(),
        ),
        ApiFailure::NotFound
        | ApiFailure::AlreadyExists
        | ApiFailure::Conflict
        | ApiFailure::Forbidden(_)
        | ApiFailure::Refused(_)
        | ApiFailure::Server { .. }
        | ApiFailure::Garbled
        | ApiFailure::Unreachable(_) => of_failure(object, failure),
    }
}

fn conflict() -> String {
    "this goes on: something keeps writing it, or an admission webhook answers 409".to_owned()
}

/// The chart's Role names Secrets and ConfigMaps by values, and everything else outright. RBAC cannot bind
/// creations to names.
fn permission(object: &ObjectName, message: &str) -> String {
    if object.kind == "Secret" && !message.contains(" cannot create ") {
        return unnamed_secret(&object.name);
    }
    if object.kind == "ConfigMap" {
        return unnamed_config_map(&object.name);
    }
    "the chart's Role allows it: put the Role and its RoleBinding back, as `helm upgrade` does, and it goes on by itself"
        .to_owned()
}

/// The same about an object that is read and never written.
pub fn remedy_of_reading(error: &Error) -> Option<String> {
    match error {
        Error::Read {
            object,
            failure: ApiFailure::Forbidden(_),
        } if object.kind == "Secret" => Some(unread_secret(&object.name)),
        error => remedy(error),
    }
}

/// What to do about a Secret that the chart's Role does not name.
pub fn unnamed_secret(name: &str) -> String {
    format!(
        "add {name} to the chart's value secretNames, or set its value allSecrets to true; if it is there already, put \
         the Role back as the chart makes it, as `helm upgrade` does"
    )
}

fn unread_secret(name: &str) -> String {
    format!(
        "add {name} to the chart's value readSecretNames; if it is there already, put the Role back as the chart makes \
         it, as `helm upgrade` does"
    )
}

fn unnamed_config_map(name: &str) -> String {
    format!(
        "add {name} to the chart's value configMapNames; if it is there already, put the Role back as the chart makes \
         it, as `helm upgrade` does"
    )
}

/// Words by which the API server tells who refused, and what helps.
const REFUSALS: [(&str, &str); 6] = [
    (
        "more than one PodDisruptionBudget",
        "leave one that selects the pod",
    ),
    (
        "exceeded quota",
        "raise that quota, or delete what it counts",
    ),
    (
        "is being terminated",
        "the namespace is being deleted, and this ends with it",
    ),
    (
        "failed calling webhook",
        "bring that webhook's server back, or delete its configuration",
    ),
    (
        "field is immutable when `immutable` is set",
        "delete that Secret, and it is made anew",
    ),
    ("denied", "have that policy admit what the operator writes"),
];

fn refused(message: &str) -> String {
    let known = REFUSALS.iter().find(|(words, _)| message.contains(words));
    known.map_or_else(
        || BY_ITSELF.to_owned(),
        |(_, help)| format!("{help}; {BY_ITSELF}"),
    )
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn told(kind: &'static str, name: &str, failure: ApiFailure) -> String {
        let object = ObjectName::new(kind, "wire", name);
        remedy(&Error::Write { object, failure }).unwrap()
    }

    #[rstest]
    #[case::a_user_can_mend(
        RehearsalError::Name("a.example.com".to_owned(), String::new()),
        "use a CA that OpenSSL accepts"
    )]
    #[case::only_we_can(RehearsalError::Roots, "please report this")]
    fn what_failed_its_rehearsal_is_met_by_who_can_mend_it(
        #[case] failure: RehearsalError,
        #[case] expected: &str,
    ) {
        let told = remedy(&Error::Rehearsal(failure)).unwrap();
        assert!(told.starts_with(expected), "{told}");
        assert!(told.ends_with(BY_ITSELF), "{told}");
    }

    #[rstest]
    #[case::by_name("Secret", "update", "add tls to the chart's value secretNames")]
    #[case::creation("Secret", "create", "the chart's Role allows it")]
    #[case::of_a_config_map("ConfigMap", "get", "add tls to the chart's value configMapNames")]
    #[case::of_another_kind("StatefulSet", "patch", "the chart's Role allows it")]
    fn a_missing_permission_is_asked_for_where_it_is_given(
        #[case] kind: &'static str,
        #[case] verb: &str,
        #[case] expected: &str,
    ) {
        let message = format!("x is forbidden: User \"u\" cannot {verb} resource \"y\"");
        let told = told(kind, "tls", ApiFailure::Forbidden(message));
        assert!(told.contains(expected), "{told}");
    }

    #[rstest]
    #[case::a_secret("Secret", "add tls to the chart's value readSecretNames;")]
    #[case::a_config_map("ConfigMap", "add tls to the chart's value configMapNames;")]
    fn who_only_reads_asks_for_no_right_to_write(
        #[case] kind: &'static str,
        #[case] expected: &str,
    ) {
        let object = ObjectName::new(kind, "wire", "tls");
        let failure = ApiFailure::Forbidden("x is forbidden: User \"u\" cannot get".to_owned());
        let told = remedy_of_reading(&Error::Read { object, failure }).unwrap();
        assert!(told.starts_with(expected), "{told}");
    }

    #[rstest]
    #[case(
        "secrets \"a\" is forbidden: exceeded quota: q, requested: secrets=1",
        "raise that quota"
    )]
    #[case(
        "unable to create new content in namespace a because it is being terminated",
        "ends with it"
    )]
    #[case(
        "Internal error occurred: failed calling webhook \"a.b\"",
        "webhook's server"
    )]
    #[case("admission webhook \"a.b\" denied the request: no", "policy admit")]
    #[case(
        "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no",
        "policy admit"
    )]
    #[case(
        "data: Forbidden: field is immutable when `immutable` is set",
        "delete that Secret"
    )]
    #[case("metadata.labels: Invalid value", "tried again by itself")]
    fn a_refusal_comes_with_what_helps_against_it(#[case] message: &str, #[case] expected: &str) {
        let told = told("Secret", "tls", ApiFailure::Refused(message.to_owned()));
        assert!(told.contains(expected), "{told}");
        assert!(told.ends_with(BY_ITSELF), "{told}");
    }

    #[test]
    fn nobody_is_asked_to_mend_a_server_that_is_down() {
        let object = ObjectName::new("Secret", "wire", "tls");
        let failure = ApiFailure::Unreachable("timeout".to_owned());
        assert_eq!(remedy(&Error::Read { object, failure }), None);
    }
}
