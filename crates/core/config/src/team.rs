//! Makes the team of the configuration from its draft: every name that is used exists, every step names somebody.

use crate::draft::Draft;
use crate::form::At;
use crate::marks::{Marks, Place};
use crate::near::shown;
use crate::people::{ContactDraft, REPEAT, WAIT};
use std::collections::BTreeMap;
use types::config::{Channel, ChannelKind, Escalation, Layer, Person, Schedule, Step};
use types::notification::Contact;
use types::{ChannelId, EscalationId, PersonId, ScheduleId};

/// The name of the escalation that always exists.
pub(crate) const DEFAULT: &str = "default";

pub(crate) fn people(draft: &Draft, marks: &mut Marks) -> BTreeMap<PersonId, Person> {
    let one = |(name, person): (&String, &crate::people::PersonDraft)| {
        let id = PersonId(name.clone());
        let made = Person {
            id: id.clone(),
            name: person.name.clone(),
            timezone: person.zone.clone(),
            waking_hours: person.awake,
            contacts: reaches(draft, &person.reach, marks),
        };
        (id, made)
    };
    draft.people.iter().map(one).collect()
}

pub(crate) fn schedules(draft: &Draft, marks: &mut Marks) -> BTreeMap<ScheduleId, Schedule> {
    let mut out = BTreeMap::new();
    for (name, schedule) in &draft.schedules {
        let mut layers = Vec::new();
        for layer in &schedule.layers {
            let people = persons(draft, &layer.people, marks);
            if let (Some(start), Some(every)) = (layer.start, layer.every) {
                layers.push(Layer { people, start, rotation: every, until: layer.until });
            }
        }
        let id = ScheduleId(name.clone());
        out.insert(id.clone(), Schedule { id, timezone: schedule.zone.clone(), layers });
    }
    out
}

/// The escalations as written, and `default` when it was not.
pub(crate) fn escalations(draft: &Draft, marks: &mut Marks) -> BTreeMap<EscalationId, Escalation> {
    let mut out = BTreeMap::new();
    for (name, escalation) in &draft.escalations {
        let mut steps = Vec::new();
        for step in &escalation.steps {
            steps.push(Step {
                schedules: named(
                    &step.schedules,
                    "schedule",
                    |name| draft.schedules.contains_key(name),
                    draft.schedules.keys(),
                    marks,
                )
                .map(ScheduleId)
                .collect(),
                people: persons(draft, &step.people, marks),
                prefer_awake: step.prefer_awake,
                escalate_after: step.wait,
            });
        }
        let fallback = reaches(draft, &escalation.fallback, marks);
        let id = EscalationId(name.clone());
        out.insert(id.clone(), Escalation { id, steps, repeat: escalation.repeat, fallback });
    }
    out.entry(EscalationId::from(DEFAULT)).or_insert_with(|| default_escalation(draft));
    out
}

/// One step: every schedule; every person when there is no schedule.
fn default_escalation(draft: &Draft) -> Escalation {
    let schedules: Vec<ScheduleId> = draft.schedules.keys().cloned().map(ScheduleId).collect();
    let people =
        if schedules.is_empty() { draft.people.keys().cloned().map(PersonId).collect() } else { Vec::new() };
    let step = Step { schedules, people, prefer_awake: false, escalate_after: WAIT };
    Escalation { id: EscalationId::from(DEFAULT), steps: vec![step], repeat: REPEAT, fallback: Vec::new() }
}

pub(crate) fn channels(draft: &Draft) -> BTreeMap<ChannelId, Channel> {
    let made = draft.channels.iter().filter_map(|(name, channel)| {
        let id = ChannelId(name.clone());
        let kind = channel.kind.clone()?;
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

fn persons(draft: &Draft, names: &[At<String>], marks: &mut Marks) -> Vec<PersonId> {
    named(names, "person", |name| draft.people.contains_key(name), draft.people.keys(), marks)
        .map(PersonId)
        .collect()
}

fn named<'n>(
    names: &[At<String>],
    kind: &str,
    is_known: impl Fn(&str) -> bool,
    known: impl Iterator<Item = &'n String> + Clone,
    marks: &mut Marks,
) -> impl Iterator<Item = String> {
    for name in names.iter().filter(|name| !is_known(&name.value)) {
        marks.unknown(name.place.clone(), kind, &name.value, known.clone().map(String::as_str));
    }
    names.iter().map(|at| at.value.clone()).collect::<Vec<_>>().into_iter()
}

fn reaches(draft: &Draft, reaches: &[At<ContactDraft>], marks: &mut Marks) -> Vec<Contact> {
    for at in reaches {
        judge_reach(draft, &at.value, &at.place, marks);
    }
    let made = |at: &At<ContactDraft>| Contact {
        channel: ChannelId(at.value.channel.clone()),
        address: at.value.address.clone(),
    };
    reaches.iter().map(made).collect()
}

fn judge_reach(draft: &Draft, reach: &ContactDraft, place: &Place, marks: &mut Marks) {
    let name = reach.channel.as_str();
    let Some(channel) = draft.channels.get(name) else {
        if matches!(name, "sms" | "call") {
            let message = format!("unknown channel `{name}`: telephones are not served by this version");
            marks.between(place.clone(), message, "reach people over an ntfy or webhook channel for now");
        } else {
            marks.unknown(place.clone(), "channel", name, draft.channels.keys().map(String::as_str));
        }
        return;
    };
    let is_topic = |text: &str| {
        (1..=64).contains(&text.len())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
    };
    if matches!(channel.kind, Some(ChannelKind::Ntfy { .. })) && !is_topic(&reach.address) {
        let message = format!("`{}` is not a topic of ntfy", shown(&reach.address));
        marks.between(
            place.clone(),
            message,
            format!("letters, digits, - and _ after the colon: \"{name}:ana\""),
        );
    }
}
