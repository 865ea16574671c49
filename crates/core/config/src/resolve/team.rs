//! Resolves people, escalations and channels: every reference has a target.

use crate::diagnostics::{Diagnostics, Place};
use crate::kind::value::At;
use crate::parse::phone::is_number;
use crate::raw::channel::RawChannel;
use crate::raw::people::{ESCALATE_AFTER, REPEAT, RawContact, RawPerson};
use crate::raw::{RawConfig, title_of};
use crate::resolve::phone;
use crate::suggest::shown;
use std::collections::BTreeMap;
use types::config::{Channel, ChannelKind, Escalation, Notices, Person, Step};
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

/// Whether a channel is that of a phone: by its kind, or by its name, whatever provider it has.
fn is_phone(raw: &RawConfig, channel: &str) -> bool {
    let is_phone = |declared: &RawChannel| declared.kind(channel).is_some_and(|kind| kind.is_phone());
    matches!(channel, "call" | "voice" | "sms") || raw.channels.get(channel).is_some_and(is_phone)
}

/// Resolves the contacts of the team, which wake no one.
pub(crate) fn notices(raw: &RawConfig, diagnostics: &mut Diagnostics) -> Option<Notices> {
    let notices = raw.notices.as_ref()?;
    let (ringing, silent): (Vec<_>, Vec<_>) =
        notices.to.iter().cloned().partition(|at| is_phone(raw, &at.value.channel));
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

/// Returns the channels that are valid, and those of phones that are there without being declared.
pub(crate) fn channels(raw: &RawConfig) -> BTreeMap<ChannelId, Channel> {
    let made = |name: &str, kind: ChannelKind, channel: &RawChannel| {
        let id = ChannelId(name.to_owned());
        let (secret, accepted_when) = (channel.secret.clone(), channel.accepted_when.clone());
        (id.clone(), Channel { id, kind, secret, accepted_when })
    };
    let declared = raw.channels.iter();
    let declared =
        declared.filter_map(|(name, channel)| Some(made(name, phone::kind(raw, name, channel)?, channel)));
    let implied = ["call", "sms"].into_iter().filter_map(|name| {
        let kind = phone::implied(raw, name)?;
        let (_, channel) = phone::serving(raw, name)?;
        Some(made(name, kind, channel))
    });
    declared.chain(implied).collect()
}

pub(super) fn persons(raw: &RawConfig, names: &[At<String>], diagnostics: &mut Diagnostics) -> Vec<PersonId> {
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
    let kind = match (raw.channels.get(name), phone::serving(raw, name)) {
        (Some(channel), _) => channel.kind(name),
        (None, Some(_)) => phone::implied(raw, name),
        (None, None) if is_phone(raw, name) => {
            let message = format!("no channel calls phones or sends SMS for `{name}:`");
            let hint = format!(
                "declare it: [channel.{name}] twilio = \"https://api.twilio.com\", account = \"AC...\", secret = \"env:TWILIO_TOKEN\", from = \"+3725550000\""
            );
            return diagnostics.conflict(place.clone(), message, hint);
        }
        (None, None) => {
            let known = raw.channels.keys().map(String::as_str);
            return diagnostics.unknown(place.clone(), "channel", name, known);
        }
    };
    // A channel without a kind was reported already.
    let Some(kind) = kind else { return };
    if let Some((message, hint)) = address_problem(&kind, contact) {
        diagnostics.conflict(place.clone(), message, hint);
    }
}

/// What is wrong with the address of a contact, and what to write instead.
fn address_problem(kind: &ChannelKind, contact: &RawContact) -> Option<(String, String)> {
    let RawContact { channel: name, address } = contact;
    let is_topic = |text: &str| {
        (1..=64).contains(&text.len())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
    };
    // The number of a person, of a group, or the name of a public channel.
    let is_chat = |text: &str| text.strip_prefix('@').map_or_else(|| text.parse::<i64>().is_ok(), &is_topic);
    let (fits, what, hint) = match kind {
        ChannelKind::Mail { .. } => {
            (is_mail_address(address), "an e-mail address", format!("for example: \"{name}:ana@acme.net\""))
        }
        ChannelKind::Ntfy { .. } => (
            is_topic(address),
            "an ntfy topic",
            format!("letters, digits, - and _ after the colon: \"{name}:ana\""),
        ),
        ChannelKind::Twilio { .. } => (
            is_number(address),
            "a phone number",
            format!("with country code and without spaces: \"{name}:+3725550100\""),
        ),
        ChannelKind::Telegram { .. } => (
            is_chat(address),
            "a chat of Telegram",
            format!("its id, which the bot gets with the first message: \"{name}:123456789\""),
        ),
        ChannelKind::Chat { .. } => (
            address.is_empty(),
            "an address of this chat",
            format!("its webhook belongs to one room already: \"{name}\""),
        ),
        ChannelKind::Webhook { .. } => return None,
    };
    (!fits).then(|| (format!("`{}` is not {what}", shown(address)), hint))
}
