//! The delivery queue of one recipient: the next contact and the time of its attempt.
//!
//! A queue holds only the results of attempts that ended. The contacts are read from the configuration at every use, so
//! that a reloaded configuration takes effect immediately.

mod intervals;
pub mod key;

pub use intervals::{
    CALL_INTERVAL, FALLBACK_INTERVAL, REPEAT_INTERVAL, REPEAT_INTERVAL_MAX, RETRY_AFTER_MAX, RETRY_DELAYS,
    SECOND_CALL, SMS_INTERVAL, repeat_interval,
};
pub use key::Recipient;

pub(crate) use intervals::NOTICE_ATTEMPTS_MAX;
pub(crate) use key::QueueKey;

use intervals::NOTICE_DELAYS;
use std::collections::BTreeMap;
use std::time::Duration;
use types::Time;
use types::notification::{Delivered, Undelivered};
use types::time::later;

/// The order in which the contacts of a queue are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// One contact after the other, repeated until a human answers.
    Page,
    /// All contacts in parallel, repeated until a human answers.
    Fallback,
    /// One contact after the other until one is accepted.
    Notice,
    /// All contacts in parallel, each until it is accepted: a notice to the fallback contacts, or to those of the team.
    NoticeToAll,
}

impl Mode {
    /// Whether it wakes no one.
    pub(crate) fn is_notice(self) -> bool {
        matches!(self, Self::Notice | Self::NoticeToAll)
    }
}

/// Use of a contact, by the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Usable {
    /// Its channel is not configured.
    No,
    /// A message.
    Message,
    /// An SMS.
    Sms,
    /// A phone call: for pages only.
    Call,
}

impl Usable {
    /// Shortest time from an accepted attempt to the next one over the same contact, besides the interval of all.
    fn spacing(self, is_first_call: bool) -> Duration {
        match self {
            Self::No | Self::Message => Duration::ZERO,
            Self::Sms => SMS_INTERVAL,
            Self::Call if is_first_call => SECOND_CALL,
            Self::Call => CALL_INTERVAL,
        }
    }
}

/// An attempt over one contact that is due at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// Index of the contact.
    pub(crate) contact: usize,
    /// Number of the attempt over this contact; retries keep it.
    pub(crate) number: u32,
    pub(crate) at: Time,
}

/// Results of the attempts for one recipient, and the next contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryQueue {
    start: Time,
    /// The contact to try next; after the last one, the first one again.
    next_contact: usize,
    /// When the next contact is tried.
    next_at: Time,
    /// When the first contact is tried again.
    restart_at: Time,
    accepted: u32,
    contacts: BTreeMap<usize, ContactState>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct ContactState {
    /// Number of the current attempt. Its retries carry the same number, so that a provider that accepted the first try
    /// but answered too late does not deliver twice.
    attempt: u32,
    ended: u32,
    failed: u32,
    accepted: bool,
    /// When an attempt was last accepted.
    accepted_at: Option<Time>,
    /// Whether that was the first of two. They count for calls only.
    is_first: bool,
    /// No new attempt before this time.
    not_before: Option<Time>,
    retry_at: Option<Time>,
    abandoned: bool,
}

impl DeliveryQueue {
    pub(crate) fn new(start: Time) -> Self {
        Self {
            start,
            next_contact: 0,
            next_at: start,
            restart_at: start,
            accepted: 0,
            contacts: BTreeMap::new(),
        }
    }

    /// Number of attempts that a provider accepted. Acceptance is not an acknowledgement (P6).
    #[must_use]
    pub fn accepted(&self) -> u32 {
        self.accepted
    }

    /// Number of attempts that ended, accepted or not.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.contacts.values().map(|contact| contact.ended).sum()
    }

    /// Number of the next attempt over a contact; all smaller numbers have ended.
    pub(crate) fn next_attempt(&self, contact: usize) -> u32 {
        self.contacts.get(&contact).map_or(0, |contact| contact.attempt)
    }

    /// Number of attempts over a contact that ended, retries included.
    pub(crate) fn ended_attempts(&self, contact: usize) -> u32 {
        self.contacts.get(&contact).map_or(0, |contact| contact.ended)
    }

    /// The latest time before which an accepted contact is not used again.
    pub(crate) fn accepted_not_before(&self) -> Option<Time> {
        self.contacts
            .values()
            .filter(|contact| contact.accepted)
            .filter_map(|contact| contact.not_before)
            .max()
    }

    /// Ends all waits at `at`, because a provider accepts messages again.
    pub(crate) fn end_waits(&mut self, at: Time) {
        self.restart_at = self.restart_at.min(at);
        for contact in self.contacts.values_mut() {
            contact.not_before = contact.not_before.map(|until| until.min(at));
        }
    }

    /// An accepted attempt reached nobody, as its provider reports: what comes next does not wait. A report about an earlier
    /// attempt changes nothing.
    pub(crate) fn unreached(&mut self, (contact, number): (usize, u32), at: Time) {
        let is_last = self.contacts.get(&contact).is_some_and(|state| {
            state.accepted && state.attempt == number.saturating_add(1) && self.next_contact == contact + 1
        });
        if is_last {
            self.next_at = self.next_at.min(at);
            self.restart_at = self.restart_at.min(at);
        }
    }

    /// Whether no contact can be used any more. `usable` has one entry for each contact.
    pub(crate) fn is_exhausted(&self, usable: &[Usable]) -> bool {
        !(0..usable.len()).any(|contact| self.is_available(contact, usable))
    }

    pub(crate) fn abandon(&mut self, contact: usize) {
        let contact = self.contacts.entry(contact).or_default();
        contact.abandoned = true;
        contact.retry_at = None;
    }

    /// Records the result of an attempt. A result that was recorded before is ignored. `interval` is the wait after an
    /// accepted attempt.
    pub(crate) fn record(
        &mut self,
        (contact, number): (usize, u32),
        at: Time,
        result: &Result<Delivered, Undelivered>,
        (mode, interval): (Mode, Duration),
    ) {
        let state = self.contacts.entry(contact).or_default();
        if number < state.attempt {
            return;
        }
        // Journals of earlier versions gave each retry a number of its own.
        state.attempt = number;
        state.ended = state.ended.saturating_add(1);
        state.accepted = result.is_ok();
        let was_retry = state.retry_at.take().is_some();
        let mut is_last_try = true;
        match result {
            Ok(_) => {
                state.failed = 0;
                state.accepted_at = Some(at);
                state.is_first = !state.is_first;
                self.accepted = self.accepted.saturating_add(1);
            }
            // A notice keeps its key for all attempts over a contact.
            Err(_) if mode.is_notice() => is_last_try = false,
            Err(undelivered) if undelivered.retriable => {
                let delay = usize::try_from(state.failed).ok().and_then(|failed| RETRY_DELAYS.get(failed));
                is_last_try = delay.is_none();
                state.failed = if is_last_try { 0 } else { state.failed + 1 };
                state.retry_at = delay
                    .map(|delay| later(at, undelivered.retry_after.unwrap_or(*delay).min(RETRY_AFTER_MAX)));
            }
            Err(_) => {}
        }
        let interval = if result.is_ok() { interval } else { REPEAT_INTERVAL };
        let wait = match mode {
            Mode::Page => interval,
            Mode::Fallback => interval.max(FALLBACK_INTERVAL),
            Mode::Notice | Mode::NoticeToAll => {
                let pass = usize::try_from(state.ended).unwrap_or(usize::MAX).min(NOTICE_DELAYS.len());
                NOTICE_DELAYS[pass - 1]
            }
        };
        state.not_before = Some(later(at, wait));
        state.attempt = state.attempt.saturating_add(u32::from(is_last_try));
        if was_retry {
            return;
        }
        self.next_contact = contact + 1;
        self.next_at = if result.is_ok() { later(at, interval) } else { at };
        self.restart_at = later(at, wait);
    }

    /// All attempts that are due now or later, if no other result arrives.
    pub(crate) fn planned(&self, usable: &[Usable], mode: Mode) -> Vec<Attempt> {
        // A notice rings no phone.
        let rings = |contact: usize| usable.get(contact) == Some(&Usable::Call);
        let available =
            |contact: &usize| self.is_available(*contact, usable) && !(mode.is_notice() && rings(*contact));
        let state = |contact: usize| self.contacts.get(&contact);
        let retry_at = |contact: usize| state(contact).and_then(|state| state.retry_at);
        let not_before = |contact: usize| state(contact).and_then(|state| state.not_before);
        let accepted = |contact: &usize| state(*contact).is_some_and(|state| state.accepted);
        let attempt = |contact: usize, at: Time| Attempt { contact, number: self.next_attempt(contact), at };
        if matches!(mode, Mode::Fallback | Mode::NoticeToAll) {
            let second = |contact| self.second_call(contact, usable);
            let planned = |contact| second(contact).or_else(|| not_before(contact)).unwrap_or(self.start);
            let at = |contact| retry_at(contact).unwrap_or_else(|| planned(contact));
            let wanted =
                |contact: &usize| available(contact) && !(mode == Mode::NoticeToAll && accepted(contact));
            return (0..usable.len()).filter(wanted).map(|contact| attempt(contact, at(contact))).collect();
        }
        if mode == Mode::Notice && self.accepted > 0 {
            return Vec::new();
        }
        let mut planned: Vec<Attempt> = (0..usable.len())
            .filter(available)
            .filter_map(|contact| Some(attempt(contact, retry_at(contact)?)))
            .collect();
        let following = (self.next_contact..usable.len()).map(|contact| (contact, self.next_at));
        let first = (0..self.next_contact.min(usable.len())).map(|contact| (contact, self.restart_at));
        let candidates: Vec<(usize, Time)> =
            following.chain(first).filter(|(contact, _)| available(contact)).collect();
        let ready = |contact: usize, at: Time| at.max(self.spaced(contact, usable).unwrap_or(at));
        // A phone that was used a moment ago is passed over, and does not hold the others.
        let next = candidates
            .iter()
            .find(|(contact, at)| ready(*contact, *at) == *at)
            .or_else(|| candidates.iter().min_by_key(|(contact, at)| ready(*contact, *at)))
            .map(|(contact, at)| (*contact, ready(*contact, *at)));
        let second_calls = (0..usable.len()).filter(available).filter(|contact| retry_at(*contact).is_none());
        planned.extend(
            second_calls
                .filter(|contact| next.is_none_or(|(next, _)| next != *contact))
                .filter_map(|contact| Some(attempt(contact, self.second_call(contact, usable)?))),
        );
        if let Some((contact, at)) = next
            && retry_at(contact).is_none()
        {
            let not_before = not_before(contact).filter(|_| mode == Mode::Page);
            planned.push(attempt(contact, not_before.map_or(at, |not_before| not_before.max(at))));
        }
        planned
    }

    /// When a phone may be used again; `None` for other contacts, and before the first accepted attempt.
    fn spaced(&self, contact: usize, usable: &[Usable]) -> Option<Time> {
        let state = self.contacts.get(&contact)?;
        let spacing = usable.get(contact)?.spacing(state.is_first);
        state.accepted_at.filter(|_| !spacing.is_zero()).map(|at| later(at, spacing))
    }

    /// When the second call over a contact is due, if the first was accepted.
    fn second_call(&self, contact: usize, usable: &[Usable]) -> Option<Time> {
        let is_due = self.contacts.get(&contact)?.is_first && usable.get(contact) == Some(&Usable::Call);
        self.spaced(contact, usable).filter(|_| is_due)
    }

    fn is_available(&self, contact: usize, usable: &[Usable]) -> bool {
        let abandoned = self.contacts.get(&contact).is_some_and(|contact| contact.abandoned);
        usable.get(contact).is_some_and(|usable| *usable != Usable::No) && !abandoned
    }
}

#[cfg(test)]
mod tests;
