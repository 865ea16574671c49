//! The phone channels of the configuration: their secrets, and whose numbers their contacts are.

use crate::rates::Rates;
use arc_swap::ArcSwap;
use secrecy::SecretString;
use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Replies of mainstay to one number in a burst, and in a second on average: an answering program at the other end must not
/// keep a conversation going.
const RATE: (f64, f64) = (4.0, 1.0 / 60.0);

/// Callbacks that are remembered, so that a repeated one has no second effect.
const SEEN_MAX: usize = 4_096;

/// A phone channel.
#[derive(Clone)]
pub struct PhoneChannel {
    /// Its name in the configuration.
    pub name: String,
    /// The token with which its provider signs.
    pub secret: SecretString,
    /// The contacts over it.
    pub contacts: Vec<PhoneContact>,
}

/// A contact over a phone channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoneContact {
    /// The person, or what stands for a fallback contact.
    pub person: String,
    /// The number, in the form of E.164.
    pub number: String,
}

impl fmt::Debug for PhoneChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, contacts, .. } = self;
        f.debug_struct("PhoneChannel").field("name", name).field("contacts", contacts).finish_non_exhaustive()
    }
}

impl PhoneChannel {
    /// A contact as notifications write it: `sms:+3725550100`.
    pub(crate) fn written(&self, contact: &PhoneContact) -> String {
        format!("{}:{}", self.name, contact.number)
    }
}

/// All phone channels, replaced as a whole when the configuration changes, and the callbacks that were handled.
#[derive(Debug)]
pub(crate) struct Phones {
    all: ArcSwap<Vec<PhoneChannel>>,
    rates: Rates,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    ids: BTreeSet<String>,
    order: VecDeque<String>,
}

impl Default for Phones {
    fn default() -> Self {
        Self { all: ArcSwap::default(), rates: Rates::new(RATE.0, RATE.1), seen: Mutex::default() }
    }
}

impl Phones {
    pub(crate) fn replace(&self, channels: Vec<PhoneChannel>) {
        let is_known = |number: &String| {
            channels.iter().flat_map(|channel| &channel.contacts).any(|contact| contact.number == *number)
        };
        self.rates.retain(is_known);
        self.all.store(Arc::new(channels));
    }

    pub(crate) fn all(&self) -> Arc<Vec<PhoneChannel>> {
        self.all.load_full()
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<PhoneChannel> {
        self.all.load().iter().find(|channel| channel.name == name).cloned()
    }

    /// Whether a number of a contact gets another reply now.
    pub(crate) fn admits(&self, number: &str) -> bool {
        self.rates.take(number)
    }

    /// Remembers a callback; `false` when it was there before.
    pub(crate) fn is_new(&self, id: &str) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if !seen.ids.insert(id.to_owned()) {
            return false;
        }
        seen.order.push_back(id.to_owned());
        if seen.order.len() > SEEN_MAX
            && let Some(oldest) = seen.order.pop_front()
        {
            seen.ids.remove(&oldest);
        }
        true
    }

    /// Forgets a callback that had no effect, so that a repeated one has.
    pub(crate) fn forget(&self, id: &str) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.ids.remove(id);
        seen.order.retain(|known| known != id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callback_is_new_once_and_few_are_remembered() {
        let phones = Phones::default();
        assert!(phones.is_new("CA1/1") && !phones.is_new("CA1/1") && phones.is_new("CA1/2"));
        phones.forget("CA1/1");
        assert!(phones.is_new("CA1/1"));
        for n in 0..SEEN_MAX {
            phones.is_new(&n.to_string());
        }
        assert!(phones.is_new("CA1/2"), "the oldest are forgotten");
        assert!(phones.seen.lock().unwrap().ids.len() <= SEEN_MAX);
    }

    #[test]
    fn secret_is_not_printed() {
        let channel = PhoneChannel { name: "call".to_owned(), secret: "s3cret".into(), contacts: Vec::new() };
        assert!(!format!("{channel:?}").contains("s3cret"));
    }
}
