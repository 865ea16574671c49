//! Whether a page reaches a person who answers.

use crate::Audited;
use crate::definition::Definition;
use crate::found::Found;
use std::collections::BTreeSet;
use std::time::Duration;
use types::audit::{Criterion, Level};
use types::config::{Escalation, Layer};
use types::time::{between, formatted, spoken};
use types::{ChannelId, Config, EscalationId, PersonId, Resource, ScheduleId};

/// Age at which an answer no longer proves that a contact reaches its person: phones and settings change.
const ANSWER_AGE_MAX: Duration = Duration::from_secs(30 * 86_400);

pub(crate) const CRITERIA: &[Definition] = &[
    Definition {
        criterion: Criterion::OnCallGap,
        level: Level::Must,
        title: "A person can be paged at every hour",
        why: "On 2024-01-11 the first users reported the outage at 15:42 UTC; phone calls failed to wake colleagues, and the cause was found \
              after nine hours.",
        how: "From the configuration: schedules and escalations of the next twelve months.",
        remedy: "`mainstay check` lists the hours. Fill them with another layer, or with `people` in a step of the escalation.",
        check: on_call_gap,
    },
    Definition {
        criterion: Criterion::OnePerson,
        level: Level::Should,
        title: "A page reaches a second person",
        why: "One person has no signal in a train, sleeps through a phone, or is ill.",
        how: "From the configuration: the people in all steps of an escalation that services use.",
        remedy: "A second step with another person.",
        check: one_person,
    },
    Definition {
        criterion: Criterion::Fallback,
        level: Level::Should,
        title: "A page that nobody answers goes on",
        why: "After the last step and its repeats an escalation without a fallback ends, while the outage does not.",
        how: "From the configuration: `fallback` of each escalation that services use.",
        remedy: "`fallback = [\"hook:everybody\"]`: a contact that is read by several people.",
        check: fallback,
    },
    Definition {
        criterion: Criterion::OneChannel,
        level: Level::Should,
        title: "A page does not depend on one channel",
        why: "Providers of messages have outages too, and app stores revoke push certificates.",
        how: "From the configuration: the channels of all contacts of an escalation, fallback included.",
        remedy: "A second channel, of another provider, for each person.",
        check: one_channel,
    },
    Definition {
        criterion: Criterion::ChannelProven,
        level: Level::Should,
        title: "Each contact of a person on call was answered in the last 30 days",
        why: "That a provider accepted a message says nothing about the phone. On 2024-01-11 calls went out and woke no one: settings, battery and \
              do-not-disturb had never been tried.",
        how: "From the journal: each contact of each person on an escalation that services use was answered less than 30 days ago, by the link of a \
              page or of a test page that was sent to this contact. Acknowledgements in the console and on the command line do not count: they \
              prove no channel. Contacts of `fallback` have no person who answers, and are left out.",
        remedy: "`mainstay page test PERSON` sends a test page over each contact, with a link to answer, and opens no incident.",
        check: channel_proven,
    },
];

fn on_call_gap(audited: &Audited<'_>, found: &mut Found) {
    let mut seen = BTreeSet::new();
    for gap in audited.gaps {
        if !seen.insert((&gap.service, &gap.escalation)) {
            continue;
        }
        let zone = &audited.config.site.timezone;
        let at = |time| formatted(time, zone, "%a %Y-%m-%d %H:%M");
        let all = audited
            .gaps
            .iter()
            .filter(|other| (&other.service, &other.escalation) == (&gap.service, &gap.escalation));
        let evidence = format!(
            "nobody is on call on escalation {} from {} to {}{}",
            gap.escalation,
            at(gap.from),
            at(gap.to),
            match all.count() {
                1 => String::new(),
                more => format!(", and in {} further periods of the next twelve months", more - 1),
            }
        );
        let resource =
            gap.service.as_ref().map_or_else(Resource::here, |service| Resource::service(&service.0));
        found.fail(
            resource,
            evidence,
            "another layer of the schedule, or people in a step of the escalation",
        );
    }
}

/// An escalation as services use it: with the schedule of a service in the place of its first ones.
fn used(config: &Config) -> BTreeSet<(&EscalationId, Option<&ScheduleId>)> {
    config.services.values().map(|service| (&service.escalation, service.schedule.as_ref())).collect()
}

/// Everyone whom an escalation pages.
fn people<'a>(
    config: &'a Config,
    escalation: &'a Escalation,
    schedule: Option<&'a ScheduleId>,
) -> BTreeSet<&'a PersonId> {
    let mut people: BTreeSet<&PersonId> = escalation.steps.iter().flat_map(|step| &step.people).collect();
    let schedules = escalation.steps.iter().flat_map(|step| &step.schedules).chain(schedule);
    let layers = schedules.filter_map(|id| config.schedules.get(id)).flat_map(|schedule| &schedule.layers);
    people.extend(layers.flat_map(Layer::everybody));
    people
}

fn one_person(audited: &Audited<'_>, found: &mut Found) {
    let config = audited.config;
    for (id, schedule) in used(config) {
        let Some(escalation) = config.escalations.get(id) else { continue };
        let people = people(config, escalation, schedule);
        if let Some(only) = people.first().filter(|_| people.len() == 1) {
            let evidence = format!("escalation {id} pages {only} and nobody else");
            found.fail(
                Resource::here(),
                evidence,
                format!("a second step with another person in [escalation.{id}]"),
            );
        }
    }
}

fn fallback(audited: &Audited<'_>, found: &mut Found) {
    let config = audited.config;
    let ids: BTreeSet<&EscalationId> = used(config).into_iter().map(|(id, _)| id).collect();
    for id in ids {
        if config.escalations.get(id).is_some_and(|escalation| escalation.fallback.is_empty()) {
            let remedy = format!("[escalation.{id}] fallback = [\"CHANNEL:ADDRESS\"]");
            found.fail(Resource::here(), format!("escalation {id} ends when nobody answers"), remedy);
        }
    }
}

fn one_channel(audited: &Audited<'_>, found: &mut Found) {
    let config = audited.config;
    for (id, schedule) in used(config) {
        let Some(escalation) = config.escalations.get(id) else { continue };
        let contacts = people(config, escalation, schedule)
            .into_iter()
            .filter_map(|person| config.people.get(person))
            .flat_map(|person| &person.contacts);
        let channels: BTreeSet<&ChannelId> =
            contacts.chain(&escalation.fallback).map(|contact| &contact.channel).collect();
        if let Some(only) = channels.first().filter(|_| channels.len() == 1) {
            let evidence = format!("escalation {id} reaches people over the channel {only} only");
            found.fail(Resource::here(), evidence, "a second channel of another provider");
        }
    }
}

fn channel_proven(audited: &Audited<'_>, found: &mut Found) {
    let config = audited.config;
    let on_call: BTreeSet<&PersonId> = used(config)
        .into_iter()
        .filter_map(|(id, schedule)| Some(people(config, config.escalations.get(id)?, schedule)))
        .flatten()
        .collect();
    for person in on_call.into_iter().filter_map(|id| config.people.get(id)) {
        let id = &person.id;
        let answers = &audited.evidence.answers;
        let is_known = |contact: &String| answers.contains_key(&(id.clone(), contact.clone()));
        let contacts: Vec<String> = person.contacts.iter().map(ToString::to_string).collect();
        if !audited.evidence.has_journal && !contacts.iter().all(is_known) {
            let why = format!("answers of {id} are in the journal, which was not read");
            found.unknown(Resource::here(), why);
            continue;
        }
        for contact in contacts {
            let evidence = match answers.get(&(id.clone(), contact.clone())) {
                None => format!("{id} has never answered over {contact}"),
                Some(at) if between(*at, audited.now) >= ANSWER_AGE_MAX => {
                    let age = spoken(between(*at, audited.now));
                    format!("{id} last answered over {contact} {age} ago")
                }
                Some(_) => continue,
            };
            let subject = format!("{id} over {contact}");
            found.fail_about(Resource::here(), subject, evidence, format!("mainstay page test {id}"));
        }
    }
}
