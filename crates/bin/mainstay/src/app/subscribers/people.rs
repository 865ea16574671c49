//! Requests of visitors and of the team.

use super::{Setting, Subscriptions};
use crate::app::clock;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::PoisonError;
use subscriber_store::{Added, StoreError};
use subscribers::limits::{COMPONENTS_MAX, PENDING_MAX, SUBSCRIBERS_MAX, may_ask_again};
use types::subscription::{SubscriberKind, SubscriberState, is_mail_address};
use types::{ServiceId, Subscriber, SubscriberId};
use web::SubscriptionsError;
use web::subscriptions::{AddedSubscriber, NewSubscriber, SubscriptionCounts};

fn unavailable(error: StoreError) -> SubscriptionsError {
    SubscriptionsError::Unavailable(error.to_string())
}

fn invalid(detail: impl Into<String>) -> SubscriptionsError {
    SubscriptionsError::Invalid(detail.into())
}

impl Subscriptions {
    fn has_room(&self, more: usize) -> Result<bool, SubscriptionsError> {
        let all: u64 = self.store.counts().map_err(unavailable)?.values().sum();
        Ok(all.saturating_add(u64::try_from(more).unwrap_or(u64::MAX)) <= SUBSCRIBERS_MAX)
    }

    /// Whether a visitor may ask for another subscription.
    fn has_room_for_a_request(&self) -> Result<bool, SubscriptionsError> {
        let counts = self.store.counts().map_err(unavailable)?;
        let pending = counts.get(&(SubscriberKind::Mail, SubscriberState::Pending)).copied().unwrap_or(0);
        Ok(pending < PENDING_MAX && counts.values().sum::<u64>() < SUBSCRIBERS_MAX)
    }

    fn check(&self, setting: &Setting, new: &NewSubscriber) -> Result<(), SubscriptionsError> {
        let NewSubscriber { kind, address, components } = new;
        if *kind == SubscriberKind::Mail {
            if !is_mail_address(address) {
                return Err(invalid(format!("`{address}` is not an e-mail address")));
            }
            if !setting.outlet.has_mail() {
                return Err(invalid("no channel of mails is configured: set `status_page.subscribers.mail`"));
            }
        } else {
            setting.outlet.check_url(address).map_err(|why| invalid(why.to_string()))?;
        }
        if components.len() > COMPONENTS_MAX {
            return Err(invalid(format!("a subscriber has at most {COMPONENTS_MAX} components")));
        }
        match components.iter().find(|id| !setting.page.services.contains_key(id)) {
            Some(unknown) => Err(invalid(format!("no public service has the name `{unknown}`"))),
            None => Ok(()),
        }
    }
}

impl web::Subscriptions for Subscriptions {
    fn request(
        &self,
        address: &str,
        components: &BTreeSet<ServiceId>,
        client: IpAddr,
    ) -> Result<(), SubscriptionsError> {
        let now = clock::now();
        let allowed = self.limits.lock().unwrap_or_else(PoisonError::into_inner).allow(client, now);
        if !allowed || !self.has_room_for_a_request()? {
            tracing::warn!("a request to subscribe was over a limit; no mail is sent");
            return Ok(());
        }
        let asked = self.store.request(address, components, now, |last| may_ask_again(last, now));
        if asked.map_err(unavailable)? {
            self.wake.send_replace(());
        }
        Ok(())
    }

    fn confirm(&self, id: SubscriberId) -> Result<Option<Subscriber>, SubscriptionsError> {
        self.store.confirm(id).map_err(unavailable)
    }

    fn subscriber(&self, id: SubscriberId) -> Result<Option<Subscriber>, SubscriptionsError> {
        self.store.subscriber(id).map_err(unavailable)
    }

    fn change(&self, id: SubscriberId, components: &BTreeSet<ServiceId>) -> Result<bool, SubscriptionsError> {
        self.store.change(id, components).map_err(unavailable)
    }

    fn remove(&self, id: SubscriberId) -> Result<bool, SubscriptionsError> {
        self.store.remove(id).map_err(unavailable)
    }

    fn add(&self, new: Vec<NewSubscriber>) -> Result<Vec<AddedSubscriber>, SubscriptionsError> {
        let setting = self.setting();
        new.iter().try_for_each(|new| self.check(&setting, new))?;
        if !self.has_room(new.len())? {
            return Err(invalid(format!("there are {SUBSCRIBERS_MAX} subscribers already")));
        }
        let kinds: Vec<SubscriberKind> = new.iter().map(|new| new.kind).collect();
        let rows: Vec<_> = new.into_iter().map(|new| (new.kind, new.address, new.components)).collect();
        let added = self.store.add(&rows, clock::now()).map_err(unavailable)?;
        let shown = |(added, kind): (Added, SubscriberKind)| {
            let (id, is_new) = match added {
                Added::New(id) => (id, true),
                Added::Known(id) => (id, false),
            };
            let secret = (kind == SubscriberKind::Webhook).then(|| self.secret(id));
            AddedSubscriber { id, is_new, secret }
        };
        Ok(added.into_iter().zip(kinds).map(shown).collect())
    }

    fn page(&self, after: SubscriberId, max: usize) -> Result<Vec<Subscriber>, SubscriptionsError> {
        self.store.page(after, max).map_err(unavailable)
    }

    fn counts(&self) -> SubscriptionCounts {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
