//! Titles and bodies of notices to the team: bounded lists, the newest facts.

use super::news::{News, Repeated};
use crate::schedule::shifts;
use crate::state::IncidentRecord;
use crate::text::{TITLE_MAX, body, first_clause};
use std::collections::BTreeSet;
use std::time::Duration;
use text::number::counted;
use text::{list, truncate};
use types::config::Schedule;
use types::time::{between, clock, formatted, later, spoken};
use types::{AlertId, Config, Context, Incident, PersonId, RecordedChange, Time};

/// Lines of each list of a digest.
const LINES_MAX: usize = 5;
/// Alerts that a notice about alerts lists.
const ALERTS_MAX: usize = 10;
/// Schedules of which a digest lists the people.
const SCHEDULES_MAX: usize = 4;
/// Maximum length of one text within a line, in bytes.
const PART_MAX: usize = 110;
/// A period for which a digest lists the people on call.
const DAY: Duration = Duration::from_secs(86_400);

/// Title and body of the notice about alerts that are part of no incident. Those that ended meanwhile are left out.
pub(super) fn alerts(context: &Context<'_>, ids: &BTreeSet<AlertId>) -> (String, String) {
    let timezone = &context.config.site.timezone;
    let open: Vec<(String, Time)> = ids
        .iter()
        .filter_map(|id| context.alerts.get(id))
        .map(|alert| (format!("{} {}", alert.about.name, alert.fault), alert.since))
        .collect();
    let first = open.first().map(|(text, _)| text.as_str()).unwrap_or_default();
    let title = match open.len() {
        0 | 1 => first.to_owned(),
        more => format!("{more} alerts: {first}"),
    };
    let mut lines: Vec<String> = open
        .iter()
        .map(|(text, since)| {
            format!("- {}, since {}", truncate::bytes(text, 2 * PART_MAX), clock(*since, timezone))
        })
        .collect();
    shorten(&mut lines, ALERTS_MAX);
    lines.push("This is a notice. Nobody is paged for it.".to_owned());
    (truncate::bytes(&title, TITLE_MAX), body(&lines))
}

/// Title and body of a digest.
pub(super) fn digest(context: &Context<'_>, news: &News<'_>) -> (String, String) {
    let config = context.config;
    let mut lines = vec![format!("From {} to {}.", when(config, news.since), when(config, news.until))];
    lines.extend(on_call(config, news.until));
    if news.is_empty() {
        lines.push("No news: no incident, no alert, no change.".to_owned());
    }
    let incidents = news.incidents.iter().map(|(one, record)| incident(context, one, *record));
    section(&mut lines, "Incidents", incidents.collect());
    let lost = news.lost.iter().map(|(criterion, resource, lost)| match &lost.evidence {
        Some(evidence) => format!("{criterion} of {resource}: {}", truncate::bytes(evidence, PART_MAX)),
        None => format!("{criterion} of {resource}"),
    });
    section(&mut lines, "Criteria of the audit that are lost", lost.collect());
    let gaps = news.gaps.iter().map(|(from, to)| {
        format!("{} to {} ({})", when(config, *from), when(config, *to), spoken(between(*from, *to)))
    });
    section(&mut lines, "Not monitored", gaps.collect());
    section(&mut lines, "Slow", news.slow.iter().map(|one| repeated(config, one)).collect());
    let alerts = news.alerts.iter().map(|one| repeated(config, one));
    section(&mut lines, "Alerts without an incident", alerts.collect());
    section(&mut lines, "Changes", news.changes.iter().map(|one| change(config, one)).collect());
    (title(config, news), body(&lines))
}

fn title(config: &Config, news: &News<'_>) -> String {
    let open = news.incidents.iter().filter(|(incident, _)| incident.is_open()).count();
    let alerts = news.slow.iter().chain(&news.alerts).map(|one| one.times).sum();
    let mut facts: Vec<String> = [
        counted(news.incidents.len(), "incident"),
        counted(news.lost.len(), "lost criterion").map(|lost| lost.replace("criterions", "criteria")),
        counted(alerts, "alert"),
        counted(news.changes.len(), "change"),
    ]
    .into_iter()
    .flatten()
    .collect();
    if open > 0
        && let Some(first) = facts.first_mut()
    {
        first.push_str(&format!(" ({open} open)"));
    }
    if facts.is_empty() {
        facts.push(if news.is_empty() { "no news" } else { "not monitored for a while" }.to_owned());
    }
    let date = news.until.to_zoned_datetime(config.site.timezone.clone()).strftime("%a %-d %b").to_string();
    let site = truncate::bytes(&config.site.name, TITLE_MAX / 3);
    truncate::bytes(&format!("{site} digest, {date}: {}", list::and(facts)), TITLE_MAX)
}

/// Adds a list with its heading and number, shortened; nothing when it is empty.
fn section(lines: &mut Vec<String>, heading: &str, mut entries: Vec<String>) {
    if entries.is_empty() {
        return;
    }
    lines.push(format!("{heading} ({}):", entries.len()));
    entries.iter_mut().for_each(|entry| entry.insert_str(0, "- "));
    shorten(&mut entries, LINES_MAX);
    lines.append(&mut entries);
}

/// Leaves at most `max` lines, the last of which has the number of the others.
fn shorten(lines: &mut Vec<String>, max: usize) {
    if lines.len() > max {
        let others = lines.len() - (max - 1);
        lines.truncate(max - 1);
        lines.push(format!("- and {others} more"));
    }
}

/// `Mon 08:30 EET`; with the date when that is days ago.
fn when(config: &Config, at: Time) -> String {
    formatted(at, &config.site.timezone, "%a %H:%M")
}

fn incident(context: &Context<'_>, incident: &Incident, record: Option<&IncidentRecord>) -> String {
    let Context { config, now, .. } = *context;
    let since = if between(incident.since, now) < 6 * DAY {
        when(config, incident.since)
    } else {
        formatted(incident.since, &config.site.timezone, "%-d %b %H:%M")
    };
    let summary = record.and_then(|record| record.summary.as_ref()).unwrap_or(&incident.diagnosis.summary);
    let text = truncate::bytes(&first_clause(summary), PART_MAX);
    let duration = spoken(rounded(between(incident.since, incident.resolved.unwrap_or(now))));
    let state = if incident.is_open() { "open for " } else { "" };
    format!("{}, {since}, {state}{duration}: {text}. {}", incident.id, response(context, incident, record))
}

/// Who responded to an incident.
fn response(context: &Context<'_>, incident: &Incident, record: Option<&IncidentRecord>) -> String {
    let answered = record.map_or(&[][..], |record| &record.answered);
    let paged = record.is_some_and(|record| record.page.is_some());
    match answered {
        _ if incident.is_open() && incident.is_acknowledged(context.now) => {
            let by = incident.acknowledged.as_ref().map_or("", |ack| ack.by.as_str());
            format!("Acknowledged by {}.", truncate::bytes(by, PART_MAX / 2))
        }
        [] if !paged => "It paged nobody.".to_owned(),
        [] => "Nobody acknowledged it.".to_owned(),
        names => format!("Answered by {}.", truncate::bytes(&list::and_more(names, 3), PART_MAX / 2)),
    }
}

/// Whole minutes, from a minute on.
fn rounded(duration: Duration) -> Duration {
    let secs = duration.as_secs();
    Duration::from_secs(if secs < 60 { secs } else { secs / 60 * 60 })
}

fn repeated(config: &Config, one: &Repeated<'_>) -> String {
    let first = when(config, one.first);
    let duration = spoken(rounded(one.duration));
    let text = truncate::bytes(one.text, PART_MAX);
    let state = if one.open { ", open" } else { "" };
    match one.times {
        1 => format!("{text} ({first}, {duration}{state})"),
        times => format!("{text} ({times} times from {first}, {duration} in all{state})"),
    }
}

fn change(config: &Config, recorded: &RecordedChange) -> String {
    let name = truncate::bytes(&recorded.change.name().replace('\n', " "), PART_MAX);
    let mut line = format!("{} {name}", when(config, recorded.change.in_effect()));
    for (incident, effect) in recorded.effects.iter().take(2) {
        line.push_str(&format!(" - {incident}: {}", truncate::bytes(&effect.to_string(), PART_MAX)));
    }
    line
}

/// The people on call in each schedule from now on for a day; nothing without schedules.
fn on_call(config: &Config, from: Time) -> Option<String> {
    let schedules = config.schedules.values().take(SCHEDULES_MAX).map(|one| on_call_in(config, one, from));
    let mut all: Vec<String> = schedules.collect();
    let others = config.schedules.len().saturating_sub(SCHEDULES_MAX);
    if others > 0 {
        all.push(format!("and {others} more"));
    }
    (!all.is_empty()).then(|| format!("On call today: {}.", all.join("; ")))
}

/// `platform: Ana until 09:00 EET, then Bo`.
fn on_call_in(config: &Config, schedule: &Schedule, from: Time) -> String {
    let until = later(from, DAY);
    let name = |id: &PersonId| {
        config.people.get(id).map_or_else(|| "nobody".to_owned(), |person| person.name.clone())
    };
    let mut turns: Vec<(String, Time)> = Vec::new();
    let mut at = from;
    for shift in shifts(schedule, from, until) {
        if at < shift.from {
            turns.push(("nobody".to_owned(), shift.from));
        }
        turns.push((list::and(shift.people.iter().map(name)), shift.to));
        at = shift.to;
    }
    if at < until {
        turns.push(("nobody".to_owned(), until));
    }
    let more = turns.len() > 3;
    let turns: Vec<String> = turns
        .into_iter()
        .take(3)
        .map(|(people, end)| {
            let people = truncate::bytes(&people, PART_MAX / 2);
            if end < until { format!("{people} until {}", clock(end, &config.site.timezone)) } else { people }
        })
        .collect();
    let more = if more { ", and others" } else { "" };
    format!("{}: {}{more}", truncate::bytes(&schedule.id.0, PART_MAX / 2), turns.join(", then "))
}
