//! What each metric is called, and what it tells.

use prometheus_client::registry::Registry;

use super::Metrics;

impl Metrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        self.register_times(registry);
        self.register_pods(registry);
        self.register_deeds(registry);
        self.register_handshakes(registry);
        self.register_passes(registry);
    }

    fn register_times(&self, registry: &mut Registry) {
        let times = [
            (
                "certificate_not_after_timestamp_seconds",
                "When the certificate in service expires",
                &self.expires,
            ),
            (
                "certificate_renewal_timestamp_seconds",
                "When the certificate in service is renewed",
                &self.renewal,
            ),
            (
                "certificate_proof_timestamp_seconds",
                "When that of the pods was seen to serve the certificate in service that was seen so longest ago; a pod \
                 that was never seen so is told of by coturncert_pods_unproven alone",
                &self.proven,
            ),
        ];
        for (name, help, family) in times {
            registry.register(name, help, family.clone());
        }
    }

    fn register_pods(&self, registry: &mut Registry) {
        let counts = [
            (
                "certificate_pods_current",
                "Pods that are on the certificate in service",
                &self.pods_current,
            ),
            (
                "certificate_pods_not_current",
                "Pods that are known not to be on the certificate in service",
                &self.pods_not_current,
            ),
            (
                "certificate_pods_unknown",
                "Pods of which it is not known what they serve",
                &self.pods_unknown,
            ),
            (
                "certificate_pods",
                "Pods that the workload shall have",
                &self.pods_total,
            ),
            (
                "pods_unproven",
                "Pods that the last handshake did not show to serve the certificate in service, as they could not be \
                 reached or serve something else; absent where no endpoint is verified",
                &self.pods_unproven,
            ),
            (
                "certificate_ready",
                "1 if Ready was True when the resource was looked at last",
                &self.ready,
            ),
        ];
        for (name, help, family) in counts {
            registry.register(name, help, family.clone());
        }
    }

    fn register_deeds(&self, registry: &mut Registry) {
        registry.register(
            "issued",
            "Certificates signed, by trigger",
            self.issued.clone(),
        );
        let counters = [
            ("rollouts", "Rollouts started", &self.rollouts),
            ("pod_restarts", "Pods restarted alone", &self.pod_restarts),
            (
                "pod_evictions",
                "Pods evicted in their turn",
                &self.pod_evictions,
            ),
            (
                "rollbacks",
                "Certificates put back into service in place of their successor",
                &self.rollbacks,
            ),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        registry.register(
            "rollout_duration_seconds",
            "From the publication of a certificate until every pod was on it; where endpoints are verified, only if all \
             were seen to serve it by then",
            self.completion.clone(),
        );
    }

    fn register_handshakes(&self, registry: &mut Registry) {
        registry.register(
            "probes",
            "Handshakes with pods, by what they showed: current, another, no_certificate, closed, silent, slow, no_route, \
             not_begun",
            self.probes.clone(),
        );
        registry.register(
            "partner_accepted",
            "1 if the partner accepted the certificate in service when it was asked last, 0 if it refused it, or coturn \
             would turn the partner away; absent where it could not be asked, or asked for no certificate",
            self.partners.clone(),
        );
        registry.register(
            "partner_result",
            "1 for the result of asking the partner about the certificate in service, as in status.partners: Accepted, \
             PartnerRefuses, PartnerNotTrusted, CertificateNotRequested, Unreachable",
            self.partner_results.clone(),
        );
        registry.register(
            "partner_handshakes",
            "Handshakes with partners, by what came of them: accepted, not_requested, refused, unanswered, broken, closed, \
             silent, slow, no_route, not_begun",
            self.partner_handshakes.clone(),
        );
    }

    fn register_passes(&self, registry: &mut Registry) {
        registry.register(
            "passes",
            "Passes over resources and workloads, by result",
            self.passes.clone(),
        );
        registry.register(
            "pass_duration_seconds",
            "How long passes took",
            self.duration.clone(),
        );
        registry.register("leader", "1 if this replica acts", self.leader.clone());
    }
}
