//! A request that waits before the API server has it.

use tokio::sync::watch;

/// A request that is to be held, or is; it goes on when this is released or dropped.
pub struct Hold {
    arrived: watch::Receiver<bool>,
    go: watch::Sender<bool>,
}

/// The proxy's end of a [`Hold`].
pub(super) struct Gate {
    method: &'static str,
    path: &'static str,
    arrived: watch::Sender<bool>,
    go: watch::Receiver<bool>,
}

/// A gate for the next request of this method whose path ends so.
pub(super) fn gate(method: &'static str, path: &'static str) -> (Hold, Gate) {
    let (arrived, has_arrived) = watch::channel(false);
    let (go, may_go) = watch::channel(false);
    let hold = Hold {
        arrived: has_arrived,
        go,
    };
    let gate = Gate {
        method,
        path,
        arrived,
        go: may_go,
    };
    (hold, gate)
}

impl Hold {
    /// Waits until the request is there.
    pub async fn until_held(&mut self) {
        let arrived = self.arrived.wait_for(|arrived| *arrived);
        tokio::time::timeout(crate::wait::DEADLINE, arrived)
            .await
            .expect("the request comes in time")
            .expect("the proxy runs");
    }

    /// Lets it go on.
    pub fn release(self) {
        // Nobody waits if it never came.
        let _ = self.go.send(true);
    }
}

impl Gate {
    pub(super) fn is_for(&self, method: &str, path: &str) -> bool {
        self.method == method && path.ends_with(self.path)
    }

    pub(super) async fn pass(mut self) {
        let _ = self.arrived.send(true);
        // An error means that the test has dropped its end.
        let _ = self.go.wait_for(|go| *go).await;
    }
}
