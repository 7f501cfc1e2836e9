//! An observation to change in tests.

use std::sync::Arc;

use api::{CoturnCertificate, CoturnCertificateStatus, Reason, Wanted};
use jiff::Timestamp;
use plan::{
    Refusal, Version,
    certificate::{Authority, Observed, Published, Resource, Store},
};
use serde_json::json;

use super::{Observation, observe::LastPublication};

/// A resource of which nothing else exists.
pub fn observation() -> Observation {
    let object: CoturnCertificate = serde_json::from_value(json!({
        "apiVersion": "coturncert.dev/v1alpha1",
        "kind": "CoturnCertificate",
        "metadata": {"name": "coturn", "namespace": "wire"},
        "spec": {"issuer": {"ca": {"secretName": "ca"}}, "dnsNames": ["a.example.com"], "secretName": "tls"},
    }))
    .unwrap();
    Observation {
        observed: observed(&object),
        object: Arc::new(object),
        authority: None,
        store: None,
        published: None,
        publication: LastPublication::default(),
        unasked: Vec::new(),
    }
}

fn observed(object: &CoturnCertificate) -> Observed {
    Observed {
        resource: Resource {
            name: "coturn".to_owned(),
            namespace: "wire".to_owned(),
            version: revision(),
            generation: 1,
            created: Timestamp::UNIX_EPOCH,
            wanted: Wanted::parse(&object.spec).unwrap(),
            renew: None,
            rollback_to: None,
            status: CoturnCertificateStatus::default(),
        },
        authority: Authority::Unusable(Refusal {
            reason: Reason::AuthorityMissing,
            message: String::new(),
        }),
        store: Store::Absent,
        published: Published::Absent,
        rivals: Vec::new(),
        workload: None,
        contest: None,
        proofs: plan::rollout::Proofs::default(),
        answers: plan::partner::Answers::new(),
        failed: None,
        clock_ahead: None,
    }
}

/// Some revision.
pub fn revision() -> Version {
    Version {
        uid: "uid".to_owned(),
        resource_version: "1".to_owned(),
    }
}
