//! Every private key that ever lay in a Secret of a namespace, and the search for them where they
//! must not be.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    runtime::watcher::{Config, Event},
};
use tokio::task::JoinHandle;

use crate::watch;

/// Shorter pieces may occur by chance.
const PIECE: usize = 48;
/// Numbers of a key that is printed as a list of bytes.
const NUMBERS: usize = 24;

/// The private keys of a namespace, collected by a watch until dropped.
pub(super) struct Keys {
    seen: Arc<Mutex<BTreeSet<Vec<u8>>>>,
    task: JoinHandle<()>,
}

impl Keys {
    /// Collects from this moment on.
    pub(super) fn of(secrets: Api<Secret>) -> Self {
        let seen = Arc::new(Mutex::new(BTreeSet::new()));
        let collected = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            let mut events = watch::events(secrets, Config::default());
            while let Some(event) = events.next().await {
                if let Event::Apply(secret) | Event::InitApply(secret) = event {
                    collected.lock().unwrap().extend(private(secret));
                }
            }
        });
        Self { seen, task }
    }

    /// Stops the test if a piece of a key stands in the text: as PEM, as in a Secret's JSON, or as
    /// a list of numbers.
    pub(super) fn assert_none_in(&self, text: &str) {
        let seen = self.seen.lock().unwrap();
        assert!(!seen.is_empty(), "no key was seen");
        for key in seen.iter() {
            for piece in pieces(key) {
                assert!(
                    !text.contains(&piece),
                    "a piece of a private key stands where it must not"
                );
            }
        }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// `tls.key` and the like, also `previous.key`.
fn private(secret: Secret) -> impl Iterator<Item = Vec<u8>> {
    let data = secret.data.unwrap_or_default().into_iter();
    data.filter(|(name, _)| name.ends_with("key"))
        .map(|(_, value)| value.0)
}

/// Without the last line and the first pieces: they are the same in every key of a kind, 36 bytes of
/// structure in one for P-256, and give nothing away.
fn pieces(pem: &[u8]) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(pem).into_owned();
    let lines = text
        .lines()
        .filter(|line| line.len() >= PIECE && !line.contains("-----"));
    let body = &pem[..text.find("-----END").unwrap_or(pem.len())];
    let encoded = STANDARD.encode(body);
    let in_json = encoded.as_bytes().chunks_exact(PIECE).skip(2);
    let numbers = body.chunks_exact(NUMBERS).skip(3).map(|bytes| {
        let list = format!("{bytes:?}");
        list.trim_matches(['[', ']']).to_owned()
    });
    lines
        .map(str::to_owned)
        .chain(in_json.map(|piece| String::from_utf8_lossy(piece).into_owned()))
        .chain(numbers)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_in_each_of_its_forms() {
        let pem = pki::testing::TestCa::example().key().into_bytes();
        let forms = [
            String::from_utf8(pem.clone()).unwrap(),
            STANDARD.encode(&pem),
            format!("{pem:?}"),
        ];
        for form in forms {
            assert!(pieces(&pem).iter().any(|piece| form.contains(piece)));
        }
    }

    #[test]
    fn another_key_is_not_taken_for_it() {
        let (one, another) = (
            pki::testing::TestCa::example().key(),
            pki::testing::CaBuilder::root("CN=x").build().key(),
        );
        assert_ne!(one, another);
        let text = format!("{one}{}{:?}", STANDARD.encode(&one), one.as_bytes());
        assert!(
            pieces(another.as_bytes())
                .iter()
                .all(|piece| !text.contains(piece))
        );
    }
}
