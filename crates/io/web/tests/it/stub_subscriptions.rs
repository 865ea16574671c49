//! Subscriptions in memory, with the requests of visitors.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Mutex;
use types::subscription::{SubscriberKind, SubscriberState};
use types::{ServiceId, Subscriber, SubscriberId, Time};
use web::SubscriptionsError;
use web::subscriptions::{AddedSubscriber, NewSubscriber, SubscriptionCounts, Subscriptions};

/// The subscriber who has not confirmed yet.
pub(crate) const PENDING: SubscriberId = SubscriberId(1);
/// The subscriber who gets updates of one component.
pub(crate) const CONFIRMED: SubscriberId = SubscriberId(2);

/// The stub.
#[derive(Debug)]
pub(crate) struct StubSubscriptions {
    subscribers: Mutex<BTreeMap<SubscriberId, Subscriber>>,
    requests: Mutex<Vec<String>>,
}

impl StubSubscriptions {
    /// One subscriber in each state.
    pub(crate) fn new() -> Self {
        let subscriber = |id: SubscriberId, state| Subscriber {
            id,
            kind: SubscriberKind::Mail,
            address: format!("s{id}@example.com"),
            components: ["auth".into()].into(),
            state,
            since: Time::UNIX_EPOCH,
            failures: 0,
        };
        let all = [(PENDING, SubscriberState::Pending), (CONFIRMED, SubscriberState::Confirmed)];
        let all = all.map(|(id, state)| (id, subscriber(id, state)));
        Self { subscribers: Mutex::new(all.into()), requests: Mutex::default() }
    }

    /// The state of a subscriber; `None` after its end.
    pub(crate) fn state(&self, id: SubscriberId) -> Option<SubscriberState> {
        self.subscribers.lock().unwrap().get(&id).map(|subscriber| subscriber.state)
    }

    /// Addresses and components of requests so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

impl Subscriptions for StubSubscriptions {
    fn request(
        &self,
        address: &str,
        components: &BTreeSet<ServiceId>,
        _client: IpAddr,
    ) -> Result<(), SubscriptionsError> {
        let components: Vec<&str> = components.iter().map(|id| id.0.as_str()).collect();
        self.requests.lock().unwrap().push(format!("{address} {}", components.join(",")));
        Ok(())
    }

    fn confirm(&self, id: SubscriberId) -> Result<Option<Subscriber>, SubscriptionsError> {
        let mut all = self.subscribers.lock().unwrap();
        let found = all.get_mut(&id);
        Ok(found.map(|subscriber| {
            subscriber.state = SubscriberState::Confirmed;
            subscriber.clone()
        }))
    }

    fn subscriber(&self, id: SubscriberId) -> Result<Option<Subscriber>, SubscriptionsError> {
        Ok(self.subscribers.lock().unwrap().get(&id).cloned())
    }

    fn change(&self, id: SubscriberId, components: &BTreeSet<ServiceId>) -> Result<bool, SubscriptionsError> {
        let mut all = self.subscribers.lock().unwrap();
        Ok(all.get_mut(&id).map(|found| found.components.clone_from(components)).is_some())
    }

    fn remove(&self, id: SubscriberId) -> Result<bool, SubscriptionsError> {
        Ok(self.subscribers.lock().unwrap().remove(&id).is_some())
    }

    fn add(&self, _new: Vec<NewSubscriber>) -> Result<Vec<AddedSubscriber>, SubscriptionsError> {
        Ok(Vec::new())
    }

    fn page(&self, after: SubscriberId, max: usize) -> Result<Vec<Subscriber>, SubscriptionsError> {
        let all = self.subscribers.lock().unwrap();
        Ok(all.values().filter(|subscriber| subscriber.id > after).take(max).cloned().collect())
    }

    fn counts(&self) -> SubscriptionCounts {
        SubscriptionCounts { subscribers: Vec::new(), messages: vec![("in_doubt", 3), ("sent", 597)] }
    }
}
