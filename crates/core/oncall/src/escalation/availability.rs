//! Availability of people: usable contacts and waking hours.

use crate::queue::Usable;
use jiff::civil;
use types::config::{ChannelKind, Medium, Person};
use types::notification::Contact;
use types::{Config, Time};

/// For each contact, the use of its channel.
pub(crate) fn usable(config: &Config, contacts: &[Contact]) -> Vec<Usable> {
    let of = |contact: &Contact| match config.channels.get(&contact.channel).map(|channel| &channel.kind) {
        None => Usable::No,
        Some(ChannelKind::Twilio { medium: Medium::Call, .. }) => Usable::Call,
        Some(ChannelKind::Twilio { medium: Medium::Sms, .. }) => Usable::Sms,
        Some(_) => Usable::Message,
    };
    contacts.iter().map(of).collect()
}

/// Whether the channel of at least one contact of a person is configured.
pub(crate) fn has_usable_contact(config: &Config, person: &Person) -> bool {
    person.contacts.iter().any(|contact| config.channels.contains_key(&contact.channel))
}

/// Whether a person is awake in their own timezone. A person without waking hours counts as awake.
pub(super) fn is_awake(person: &Person, at: Time) -> bool {
    let Some((from, to)) = person.waking_hours else { return true };
    let clock: civil::Time = person.timezone.to_datetime(at).time();
    if from < to { from <= clock && clock < to } else { from <= clock || clock < to }
}

/// The first instant, not before `at`, at which a person is awake in their own timezone.
pub(crate) fn awake_from(person: &Person, at: Time) -> Time {
    let Some((from, _)) = person.waking_hours.filter(|_| !is_awake(person, at)) else { return at };
    let today = person.timezone.to_datetime(at).date();
    // A time that a change of the clock skips counts as the first instant after the change.
    let morning = |day: civil::Date| {
        Some(
            person.timezone.to_ambiguous_zoned_datetime(day.to_datetime(from)).compatible().ok()?.timestamp(),
        )
    };
    [Some(today), today.tomorrow().ok()]
        .into_iter()
        .flatten()
        .filter_map(morning)
        .find(|it| *it > at)
        .unwrap_or(at)
}
