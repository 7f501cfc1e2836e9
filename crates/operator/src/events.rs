//! Events: what a person sees of the operator's work in `kubectl describe`.
//!
//! They are told one by one, each in a short time, after the work that they tell of: no write waits
//! for them. Events that say the same, to the word, are counted in one; kube's recorder would count
//! events of different words, and keep the words of the first.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use api::names;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::{
        core::v1::ObjectReference,
        events::v1::{Event, EventSeries},
    },
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
    runtime::events::EventType,
};
use serde_json::json;

use crate::redact::redact;

/// How long the API server may take for one.
const ANSWER: Duration = Duration::from_secs(3);

/// How long after its last repetition an Event is counted on, as in client-go.
const SERIES_ENDS: SignedDuration = SignedDuration::from_mins(6);

/// What a person is told.
#[derive(Clone, Debug)]
pub struct Notice {
    /// Whether somebody should look.
    pub kind: EventType,
    /// Why, in one word.
    pub reason: String,
    /// What was done, in one word.
    pub action: &'static str,
    /// What happened.
    pub note: String,
}

/// Writes Events.
pub struct Events {
    client: Client,
    identity: String,
    recent: Mutex<HashMap<Told, Series>>,
}

/// The same Event: of the same object, in the same words.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Told {
    uid: Option<String>,
    reason: String,
    note: String,
}

#[derive(Clone, Debug)]
struct Series {
    event: String,
    count: i32,
    last: Timestamp,
}

impl Events {
    /// Without any Event. `identity` names this replica.
    pub fn new(client: Client, identity: &str) -> Self {
        Self {
            client,
            identity: identity.to_owned(),
            recent: Mutex::default(),
        }
    }

    /// Tells of an object. What cannot be written in time is left out: the log has it.
    pub async fn publish(&self, notice: &Notice, regarding: &ObjectReference) {
        let written = tokio::time::timeout(ANSWER, self.write(notice, regarding)).await;
        let error = match written {
            Ok(Ok(())) => return,
            Ok(Err(error)) => redact(&error.to_string()),
            Err(_) => "no answer in time".to_owned(),
        };
        tracing::debug!(error, "an Event could not be written");
    }

    async fn write(&self, notice: &Notice, regarding: &ObjectReference) -> Result<(), kube::Error> {
        let namespace = regarding.namespace.as_deref().unwrap_or("default");
        let api: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        let now = Timestamp::now();
        let told = Told {
            uid: regarding.uid.clone(),
            reason: notice.reason.clone(),
            note: notice.note.clone(),
        };
        if let Some(series) = self.repeated(&told, now) {
            let patch = json!({"series": EventSeries {
                count: series.count,
                last_observed_time: MicroTime(now),
            }});
            return api
                .patch(&series.event, &PatchParams::default(), &Patch::Merge(patch))
                .await
                .map(drop)
                // It may have been deleted: the next one is written anew.
                .inspect_err(|_| self.forget(&told));
        }
        let event = self.event(notice, regarding, now);
        api.create(&PostParams::default(), &event).await?;
        self.remember(told, event.metadata.name.unwrap_or_default(), now);
        Ok(())
    }

    /// Counts one more of the Event that said the same a short while ago, if there was one.
    fn repeated(&self, told: &Told, now: Timestamp) -> Option<Series> {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.retain(|_, series| now < series.last + SERIES_ENDS);
        let series = recent.get_mut(told)?;
        series.count = series.count.saturating_add(1);
        series.last = now;
        Some(series.clone())
    }

    fn remember(&self, told: Told, event: String, now: Timestamp) {
        let series = Series {
            event,
            count: 1,
            last: now,
        };
        self.recent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(told, series);
    }

    fn forget(&self, told: &Told) {
        self.recent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(told);
    }

    fn event(&self, notice: &Notice, regarding: &ObjectReference, now: Timestamp) -> Event {
        let name = regarding.name.as_deref().unwrap_or(names::FIELD_MANAGER);
        let kind = match notice.kind {
            EventType::Normal => "Normal",
            EventType::Warning => "Warning",
        };
        Event {
            metadata: ObjectMeta {
                name: Some(format!("{name}.{:x}", now.as_nanosecond())),
                namespace: regarding.namespace.clone(),
                ..ObjectMeta::default()
            },
            action: Some(notice.action.to_owned()),
            event_time: Some(MicroTime(now)),
            note: Some(redact(&notice.note)),
            reason: Some(notice.reason.clone()),
            regarding: Some(regarding.clone()),
            reporting_controller: Some(names::FIELD_MANAGER.to_owned()),
            reporting_instance: Some(self.identity.clone()),
            type_: Some(kind.to_owned()),
            ..Event::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events() -> Events {
        // Nothing is asked of the server here.
        let config = kube::Config::new("http://127.0.0.1:1".parse().unwrap());
        Events::new(Client::try_from(config).unwrap(), "replica")
    }

    fn told(note: &str) -> Told {
        Told {
            uid: Some("uid".to_owned()),
            reason: "Issued".to_owned(),
            note: note.to_owned(),
        }
    }

    #[tokio::test]
    async fn only_events_of_the_same_words_are_counted_in_one() {
        let (events, now) = (events(), Timestamp::UNIX_EPOCH);
        events.remember(told("serial 1"), "coturn.1".to_owned(), now);
        assert!(events.repeated(&told("serial 2"), now).is_none());
        let again = events.repeated(&told("serial 1"), now).unwrap();
        assert_eq!((again.event.as_str(), again.count), ("coturn.1", 2));
    }

    #[tokio::test]
    async fn what_was_said_long_ago_is_said_anew() {
        let (events, now) = (events(), Timestamp::UNIX_EPOCH);
        events.remember(told("serial 1"), "coturn.1".to_owned(), now);
        let later = now + SERIES_ENDS;
        assert!(events.repeated(&told("serial 1"), later).is_none());
    }

    #[tokio::test]
    async fn an_endpoint_that_does_not_answer_costs_a_short_time() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", silent.local_addr().unwrap());
        let config = kube::Config::new(address.parse().unwrap());
        let events = Events::new(Client::try_from(config).unwrap(), "test");
        // From here on only the time limit ends a wait.
        tokio::time::pause();
        let started = tokio::time::Instant::now();
        let notice = Notice {
            kind: EventType::Normal,
            reason: "Issued".to_owned(),
            action: "Issue",
            note: "serial 1".to_owned(),
        };
        let regarding = ObjectReference::default();
        events.publish(&notice, &regarding).await;
        let elapsed = started.elapsed();
        assert!((ANSWER..2 * ANSWER).contains(&elapsed), "{elapsed:?}");
    }
}
