//! Resolves people, schedules, escalations and channels: every reference has a target.

use crate::diagnostics::{Diagnostics, Place};
use crate::kind::value::At;
use crate::raw::people::{ESCALATE_AFTER, REPEAT, RawContact, RawPerson};
use crate::raw::{RawConfig, title_of};
use crate::suggest::shown;
use std::collections::BTreeMap;
use types::config::{Channel, ChannelKind, Escalation, Layer, Notices, Person, Schedule, Step};
use types::notification::Contact;
use types::subscription::is_mail_address;
use types::{ChannelId, EscalationId, PersonId, ScheduleId};

/// The name of the escalation that always exists.
pub(crate) const DEFAULT: &str = "default";

/// Resolves the contacts of all people.
pub(crate) fn people(raw: &RawConfig, diagnostics: &mut Diagnostics) -> BTreeMap<PersonId, Person> {
    let one = |(name, person): (&String, &RawPerson)| {
        let id = PersonId(name.clone());
        let made = Person {
            id: id.clone(),
            name: person.name.clone().unwrap_or_else(|| title_of(name)),
            timezone: person.timezone.clone().unwrap_or_else(|| raw.site.timezone.clone()),
            waking_hours: person.waking_hours,
            contacts: contacts(raw, &person.contacts, diagnostics),
        };
        (id, made)
    };
    raw.people.iter().map(one).collect()
}

/// Resolves the people of all schedules.
pub(crate) fn schedules(raw: &RawConfig, diagnostics: &mut Diagnostics) -> BTreeMap<ScheduleId, Schedule> {
    let mut out = BTreeMap::new();
    for (name, schedule) in &raw.schedules {
        let mut layers = Vec::new();
        for layer in &schedule.layer {
            let people = persons(raw, &layer.people, diagnostics);
            if let (Some(start), Some(rotation)) = (layer.start, layer.rotation) {
                let until = layer.until.as_ref().map(|at| at.value);
                layers.push(Layer { people, start, rotation, until });
            }
        }
        let id = ScheduleId(name.clone());
        let timezone = schedule.timezone.clone().unwrap_or_else(|| raw.site.timezone.clone());
        out.insert(id.clone(), Schedule { id, timezone, layers });
    }
    out
}

/// The declared escalations, and `default` when it is not declared.
pub(crate) fn escalations(
    raw: &RawConfig,
    diagnostics: &mut Diagnostics,
) -> BTreeMap<EscalationId, Escalation> {
    let mut out = BTreeMap::new();
    for (name, escalation) in &raw.escalations {
        let mut steps = Vec::new();
        for step in &escalation.steps {
            steps.push(Step {
                schedules: named(
                    &step.schedules,
                    "schedule",
                    |name| raw.schedules.contains_key(name),
                    raw.schedules.keys(),
                    diagnostics,
                )
                .map(ScheduleId)
                .collect(),
                people: persons(raw, &step.people, diagnostics),
                prefer_awake: step.prefer_awake,
                escalate_after: step.escalate_after,
            });
        }
        let fallback = contacts(raw, &escalation.fallback, diagnostics);
        let id = EscalationId(name.clone());
        out.insert(id.clone(), Escalation { id, steps, repeat: escalation.repeat, fallback });
    }
    out.entry(EscalationId::from(DEFAULT)).or_insert_with(|| default_escalation(raw));
    out
}

/// One step with all schedules; with all people when there is no schedule.
fn default_escalation(raw: &RawConfig) -> Escalation {
    let schedules: Vec<ScheduleId> = raw.schedules.keys().cloned().map(ScheduleId).collect();
    let people =
        if schedules.is_empty() { raw.people.keys().cloned().map(PersonId).collect() } else { Vec::new() };
    let step = Step { schedules, people, prefer_awake: false, escalate_after: ESCALATE_AFTER };
    Escalation { id: EscalationId::from(DEFAULT), steps: vec![step], repeat: REPEAT, fallback: Vec::new() }
}

/// Names of channels that ring a phone, by whatever provider.
const RINGING: [&str; 3] = ["call", "voice", "sms"];

/// Resolves the contacts of the team, which wake no one.
pub(crate) fn notices(raw: &RawConfig, diagnostics: &mut Diagnostics) -> Option<Notices> {
    let notices = raw.notices.as_ref()?;
    let (ringing, silent): (Vec<_>, Vec<_>) =
        notices.to.iter().cloned().partition(|at| RINGING.contains(&at.value.channel.as_str()));
    for at in ringing {
        let message = format!("notices wake no one: `{}` rings a phone", shown(&at.value.channel));
        let hint = "a chat, an ntfy topic, a webhook or a mailing list: to = [\"chat:ops\"]";
        diagnostics.conflict(at.place, message, hint);
    }
    let to = contacts(raw, &silent, diagnostics);
    for (number, at) in silent.iter().enumerate() {
        if to[..number].contains(&to[number]) {
            let message = format!("`{}` is in `to` twice", shown(&to[number].to_string()));
            diagnostics.conflict(at.place.clone(), message, "remove one of them");
        }
    }
    Some(Notices {
        to,
        digest: notices.digest,
        digest_without_news: notices.digest_without_news,
        hourly: notices.hourly,
        quiet_hours: notices.quiet_hours,
    })
}

/// Returns the channels that are valid.
pub(crate) fn channels(raw: &RawConfig) -> BTreeMap<ChannelId, Channel> {
    let made = raw.channels.iter().filter_map(|(name, channel)| {
        let id = ChannelId(name.clone());
        let kind = channel.kind()?;
        Some((
            id.clone(),
            Channel {
                id,
                kind,
                secret: channel.secret.clone(),
                accepted_when: channel.accepted_when.clone(),
            },
        ))
    });
    made.collect()
}

fn persons(raw: &RawConfig, names: &[At<String>], diagnostics: &mut Diagnostics) -> Vec<PersonId> {
    named(names, "person", |name| raw.people.contains_key(name), raw.people.keys(), diagnostics)
        .map(PersonId)
        .collect()
}

fn named<'n>(
    names: &[At<String>],
    kind: &str,
    is_known: impl Fn(&str) -> bool,
    known: impl Iterator<Item = &'n String> + Clone,
    diagnostics: &mut Diagnostics,
) -> impl Iterator<Item = String> {
    for name in names.iter().filter(|name| !is_known(&name.value)) {
        diagnostics.unknown(name.place.clone(), kind, &name.value, known.clone().map(String::as_str));
    }
    names.iter().map(|at| at.value.clone()).collect::<Vec<_>>().into_iter()
}

fn contacts(raw: &RawConfig, contacts: &[At<RawContact>], diagnostics: &mut Diagnostics) -> Vec<Contact> {
    for at in contacts {
        check_contact(raw, &at.value, &at.place, diagnostics);
    }
    let made = |at: &At<RawContact>| Contact {
        channel: ChannelId(at.value.channel.clone()),
        address: at.value.address.clone(),
    };
    contacts.iter().map(made).collect()
}

fn check_contact(raw: &RawConfig, contact: &RawContact, place: &Place, diagnostics: &mut Diagnostics) {
    let name = contact.channel.as_str();
    let Some(channel) = raw.channels.get(name) else {
        if matches!(name, "sms" | "call") {
            let message =
                format!("unknown channel `{name}`: phone channels are not supported by this version");
            diagnostics.conflict(place.clone(), message, "use an ntfy or webhook channel for now");
        } else {
            diagnostics.unknown(place.clone(), "channel", name, raw.channels.keys().map(String::as_str));
        }
        return;
    };
    let is_topic = |text: &str| {
        (1..=64).contains(&text.len())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
    };
    if matches!(channel.kind(), Some(ChannelKind::Mail { .. })) && !is_mail_address(&contact.address) {
        let message = format!("`{}` is not an e-mail address", shown(&contact.address));
        diagnostics.conflict(place.clone(), message, format!("for example: \"{name}:ana@acme.net\""));
    }
    if matches!(channel.kind(), Some(ChannelKind::Ntfy { .. })) && !is_topic(&contact.address) {
        let message = format!("`{}` is not an ntfy topic", shown(&contact.address));
        diagnostics.conflict(
            place.clone(),
            message,
            format!("letters, digits, - and _ after the colon: \"{name}:ana\""),
        );
    }
}
