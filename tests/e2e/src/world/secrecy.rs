//! Where a private key must not stand, in a namespace whose operator is a process of this machine.

use super::World;

/// Where the API server shows what is no Secret.
const LISTS: [&str; 8] = [
    "/api/v1/namespaces/{}/events",
    "/api/v1/namespaces/{}/pods",
    "/apis/apps/v1/namespaces/{}/statefulsets",
    "/apis/apps/v1/namespaces/{}/deployments",
    "/apis/apps/v1/namespaces/{}/daemonsets",
    "/apis/apps/v1/namespaces/{}/replicasets",
    "/apis/apps/v1/namespaces/{}/controllerrevisions",
    "/apis/coturncert.dev/v1alpha1/namespaces/{}/coturncertificates",
];

impl World {
    /// Stops the test if a private key that ever lay in a Secret of this namespace stands in the
    /// operator's log, in an Event or in a resource.
    pub async fn assert_no_key_in(&self, log: &str) {
        let mut text = log.to_owned();
        for list in LISTS {
            let path = list.replace("{}", &self.namespace);
            let request = hyper::Request::get(path).body(Vec::new());
            let request = request.expect("a request");
            let answer = self.client.request_text(request).await;
            text += &answer.expect("a list");
        }
        self.keys.assert_none_in(&text);
    }
}
