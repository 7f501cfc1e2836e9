//! A container beside coturn that is to have it load a changed certificate, and cannot see it.

use api::RolloutStrategy;

use super::{Live, Mounted};

/// What is known of such a container, by its name in the pod template.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reloader {
    /// None has a name that is known; one of another name may do it.
    #[default]
    NotKnown,
    /// It sees coturn's processes.
    Sees,
    /// It sees no process but its own: signals that it sends reach nobody.
    Blind {
        /// The container's name.
        container: String,
    },
}

impl Live {
    /// What keeps a certificate that is to be reloaded from being so, and what to do.
    #[must_use]
    pub fn blindness(&self, mounted: &Mounted) -> Option<String> {
        if mounted.strategy != RolloutStrategy::Reload || !self.mounts.contains(&mounted.secret) {
            return None;
        }
        match &self.reloader {
            Reloader::NotKnown | Reloader::Sees => None,
            Reloader::Blind { container } => Some(format!(
                "container {container} sees no process of coturn's, so that it has coturn reload nothing: set \
                 shareProcessNamespace: true in the pod template (Wire's chart does only with tls.enabled)"
            )),
        }
    }
}
