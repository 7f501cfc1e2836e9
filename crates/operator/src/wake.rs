//! What wakes which pass, beside a change of the object itself: a Secret wakes the certificates
//! that use it, a certificate its workload and its rivals, a workload its certificates.
//!
//! Every wake-up is sent after the store that the pass will look into has the change.

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use kube::{
    ResourceExt as _,
    runtime::{reflector::Store, watcher::Event},
};

use api::{CoturnCertificate, WorkloadRef, names};

use crate::{
    context::Guarded,
    secret_watch::Touched,
    workload::{self, Kind, PerKind},
};

/// Wakes passes by the names of their objects.
#[derive(Clone)]
pub struct Bell {
    certificates: UnboundedSender<String>,
    workloads: PerKind<UnboundedSender<String>>,
}

/// Names of objects whose passes are to run.
pub struct Calls {
    /// Of certificates.
    pub certificates: UnboundedReceiver<String>,
    /// Of workloads.
    pub workloads: PerKind<UnboundedReceiver<String>>,
}

/// A bell, and who hears it.
pub fn bell() -> (Bell, Calls) {
    let (certificates, certificate_calls) = unbounded();
    let (stateful_sets, stateful_set_calls) = unbounded();
    let (deployments, deployment_calls) = unbounded();
    let (daemon_sets, daemon_set_calls) = unbounded();
    let bell = Bell {
        certificates,
        workloads: PerKind {
            stateful_sets,
            deployments,
            daemon_sets,
        },
    };
    let calls = Calls {
        certificates: certificate_calls,
        workloads: PerKind {
            stateful_sets: stateful_set_calls,
            deployments: deployment_calls,
            daemon_sets: daemon_set_calls,
        },
    };
    (bell, calls)
}

impl Bell {
    /// Wakes the pass of a certificate.
    pub fn certificate(&self, name: String) {
        // Nobody hears it once the controllers have ended; then nothing is to be done.
        let _ = self.certificates.unbounded_send(name);
    }

    /// Wakes the pass of a workload.
    pub fn workload(&self, workload: WorkloadRef) {
        // As above.
        let _ = self
            .workloads
            .of(workload.kind)
            .unbounded_send(workload.name);
    }

    /// A Secret was touched, or any of them.
    pub fn heed_secret(&self, known: &Store<Guarded>, touched: &Touched) {
        match touched {
            Touched::Secret(name) => {
                self.certificates_that(known, |certificate| uses(certificate, name));
            }
            Touched::Any => self.certificates_that(known, |_| true),
        }
    }

    /// A certificate was touched.
    pub fn heed_certificate(&self, known: &Store<Guarded>, event: &Event<Guarded>) {
        match event {
            Event::Apply(changed) | Event::Delete(changed) => {
                self.certificate_changed(known, changed);
            }
            Event::InitDone => {
                let workloads = known
                    .state()
                    .into_iter()
                    .filter_map(|one| workload_of(&one));
                workloads.for_each(|workload| self.workload(workload));
            }
            // The store has none of them before the list is complete.
            Event::Init | Event::InitApply(_) => {}
        }
    }

    fn certificate_changed(&self, known: &Store<Guarded>, changed: &Guarded) {
        if let Some(workload) = workload_of(changed) {
            self.workload(workload);
        }
        let name = changed.name_any();
        self.certificates_that(known, |other| {
            // Nobody knows which Secret one names that cannot be read.
            let rivals = changed.0.as_ref().map_or(true, |readable| {
                other.spec.secret_name == readable.spec.secret_name
            });
            rivals && other.name_any() != name
        });
    }

    /// A workload was touched.
    pub fn heed_workload<K: Kind>(&self, known: &Store<Guarded>, event: &Event<K>) {
        match event {
            Event::Apply(touched) | Event::Delete(touched) => {
                self.certificates_of_workload(known, &workload::reference(touched));
            }
            Event::InitDone => {
                self.certificates_that(known, |certificate| {
                    let named = certificate.spec.workload_ref.as_ref();
                    named.is_some_and(|named| named.kind == K::KIND)
                });
            }
            Event::Init | Event::InitApply(_) => {}
        }
    }

    /// Wakes the certificates of a workload.
    pub fn certificates_of_workload(&self, known: &Store<Guarded>, workload: &WorkloadRef) {
        self.certificates_that(known, |certificate| {
            certificate.spec.workload_ref.as_ref() == Some(workload)
        });
    }

    fn certificates_that(
        &self,
        known: &Store<Guarded>,
        wanted: impl Fn(&CoturnCertificate) -> bool,
    ) {
        known
            .state()
            .iter()
            .filter(|guarded| guarded.0.as_ref().is_ok_and(&wanted))
            .for_each(|guarded| self.certificate(guarded.name_any()));
    }
}

fn uses(certificate: &CoturnCertificate, secret: &str) -> bool {
    let spec = &certificate.spec;
    spec.secret_name == secret
        || spec
            .issuer
            .ca
            .as_ref()
            .is_some_and(|ca| ca.secret_name == secret)
        || names::store_secret(&certificate.name_any()) == secret
}

fn workload_of(guarded: &Guarded) -> Option<WorkloadRef> {
    guarded.0.as_ref().ok()?.spec.workload_ref.clone()
}

#[cfg(test)]
mod tests {
    use api::{CoturnCertificateSpec, WorkloadKind};
    use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
    use kube::{
        core::{DeserializeGuard, ObjectMeta, error_boundary::InvalidObject},
        runtime::reflector::store::Writer,
    };
    use serde_json::json;

    use super::*;

    fn certificate(name: &str, secret: &str) -> Guarded {
        let spec: CoturnCertificateSpec = serde_json::from_value(json!({
            "issuer": {"ca": {"secretName": "ca"}},
            "dnsNames": ["a.example.com"],
            "secretName": secret,
            "workloadRef": {"name": format!("{name}-pods")},
        }))
        .unwrap();
        DeserializeGuard(Ok(CoturnCertificate::new(name, spec)))
    }

    fn store(certificates: &[Guarded]) -> Store<Guarded> {
        let mut writer = Writer::<Guarded>::default();
        for certificate in certificates {
            writer.apply_watcher_event(&Event::Apply(certificate.clone()));
        }
        writer.as_reader()
    }

    fn heard(mut calls: Calls) -> (Vec<String>, Vec<String>) {
        let drain = |receiver: &mut UnboundedReceiver<String>| {
            let mut names: Vec<_> = std::iter::from_fn(|| receiver.try_recv().ok()).collect();
            names.sort();
            names
        };
        (
            drain(&mut calls.certificates),
            drain(&mut calls.workloads.stateful_sets),
        )
    }

    #[test]
    fn a_certificate_that_goes_wakes_its_workload_and_who_wants_the_same_secret() {
        let (gone, rival) = (certificate("a", "tls"), certificate("b", "tls"));
        let (bell, calls) = bell();
        bell.heed_certificate(
            &store(&[rival, certificate("c", "other")]),
            &Event::Delete(gone),
        );
        assert_eq!(
            heard(calls),
            (vec!["b".to_owned()], vec!["a-pods".to_owned()])
        );
    }

    #[test]
    fn one_that_cannot_be_read_wakes_whoever_it_may_have_kept_from_its_secret_when_it_goes() {
        let unreadable = DeserializeGuard(Err(InvalidObject {
            error: "unknown variant".to_owned(),
            metadata: ObjectMeta {
                name: Some("a".to_owned()),
                ..ObjectMeta::default()
            },
        }));
        let (bell, calls) = bell();
        let known = store(&[certificate("b", "tls"), certificate("c", "other")]);
        bell.heed_certificate(&known, &Event::Delete(unreadable));
        assert_eq!(heard(calls).0, ["b", "c"]);
    }

    #[test]
    fn a_complete_list_wakes_every_workload() {
        let (bell, calls) = bell();
        let known = store(&[certificate("a", "x"), certificate("b", "y")]);
        bell.heed_certificate(&known, &Event::InitDone);
        assert_eq!(heard(calls).1, ["a-pods", "b-pods"]);
    }

    #[test]
    fn a_secret_wakes_whoever_signs_from_it_stores_in_it_or_publishes_it() {
        let known = store(&[certificate("a", "x"), certificate("b", "y")]);
        for (secret, expected) in [
            ("ca", vec!["a", "b"]),
            ("a-coturn-cert-store", vec!["a"]),
            ("y", vec!["b"]),
            ("z", vec![]),
        ] {
            let (bell, calls) = bell();
            bell.heed_secret(&known, &Touched::Secret(secret.to_owned()));
            assert_eq!(heard(calls).0, expected, "{secret}");
        }
    }

    #[test]
    fn a_ca_secret_wakes_no_certificate_that_signs_itself() {
        let spec: CoturnCertificateSpec =
            serde_json::from_value(json!({"issuer": {"selfSigned": {}}})).unwrap();
        let itself = DeserializeGuard(Ok(CoturnCertificate::new("a", spec)));
        let (bell, calls) = bell();
        let known = store(&[itself, certificate("b", "y")]);
        bell.heed_secret(&known, &Touched::Secret("ca".to_owned()));
        assert_eq!(heard(calls).0, ["b"]);
    }

    #[test]
    fn a_list_of_all_secrets_wakes_all_certificates() {
        let known = store(&[certificate("a", "x"), certificate("b", "y")]);
        let (bell, calls) = bell();
        bell.heed_secret(&known, &Touched::Any);
        assert_eq!(heard(calls).0, ["a", "b"]);
    }

    #[test]
    fn workloads_of_one_name_and_different_kinds_wake_their_own_passes_and_certificates() {
        let mut of_a_deployment = certificate("a", "x");
        let readable = of_a_deployment.0.as_mut().unwrap();
        let named = readable.spec.workload_ref.as_mut().unwrap();
        (named.kind, named.name) = (WorkloadKind::Deployment, "b-pods".to_owned());
        let known = store(&[of_a_deployment, certificate("b", "y")]);
        let mut deployment = Deployment::default();
        deployment.metadata.name = Some("b-pods".to_owned());

        let (bell, calls) = bell();
        bell.heed_workload(&known, &Event::Apply(deployment));
        assert_eq!(heard(calls).0, ["a"]);

        let (bell, mut calls) = self::bell();
        bell.heed_certificate(&known, &Event::InitDone);
        let deployments = calls.workloads.deployments.try_recv();
        assert_eq!(deployments.ok().as_deref(), Some("b-pods"));
        assert_eq!(heard(calls).1, ["b-pods"]);
    }

    #[test]
    fn a_complete_list_of_workloads_wakes_the_certificates_of_their_kind() {
        let known = store(&[certificate("a", "x")]);
        let (bell, calls) = bell();
        bell.heed_workload::<Deployment>(&known, &Event::InitDone);
        assert!(heard(calls).0.is_empty());
        let (bell, calls) = self::bell();
        bell.heed_workload::<StatefulSet>(&known, &Event::InitDone);
        assert_eq!(heard(calls).0, ["a"]);
    }
}
