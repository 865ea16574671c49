//! Titles and bodies of notifications: the cause first, then the affected services, then what to do.

use crate::state::IncidentRecord;
use std::time::Duration;
use text::{list, truncate};
use types::config::Service;
use types::time::{between, clock, spoken};
use types::{Config, Context, Effect, Incident, IncidentId, ServiceId, Time};

/// Maximum length of a title in bytes.
pub(crate) const TITLE_MAX: usize = 120;

/// Maximum length of a body in bytes: with title and links it stays below the 4,096 bytes that push services carry.
const BODY_MAX: usize = 3_000;

/// A page says that earlier pages were not delivered when they failed for at least this long.
const UNDELIVERED_MIN: Duration = Duration::from_secs(120);

/// Maximum number of notes and changes in an hourly line.
const DONE_MAX: usize = 8;
/// Maximum length of each in bytes, without its effect.
const DONE_LENGTH: usize = 160;

/// Maximum length of the link of a runbook in bytes.
const RUNBOOK_LENGTH: usize = 400;

/// Maximum number of names in a list; the rest is counted.
const NAMES_MAX: usize = 8;

/// Title and body of a page.
///
/// `next_step` is when the escalation continues; `undelivered_since` is the begin of the run when no attempt of it was
/// delivered.
pub(crate) fn page(
    context: &Context<'_>,
    incident: &Incident,
    (next_step, undelivered_since): (Option<Time>, Option<Time>),
) -> (String, String) {
    let Context { config, now, .. } = *context;
    let timezone = &config.site.timezone;
    let mut lines = facts(config, incident, now);
    lines.extend(runbooks(config, incident));
    lines.extend(after_maintenance(context, incident));
    if let Some(since) = undelivered_since.filter(|since| between(*since, now) >= UNDELIVERED_MIN) {
        lines.push(format!("Earlier pages (since {}) were not delivered.", clock(since, timezone)));
    }
    lines.push(match next_step {
        Some(next) => format!(
            "Acknowledge to stop the pages. Otherwise this page escalates at {}.",
            clock(next, timezone)
        ),
        None => "Acknowledge to stop the pages.".to_owned(),
    });
    (first_clause(&incident.diagnosis.summary), body(&lines))
}

/// Says that a maintenance explained the failure, and that it is over.
fn after_maintenance(context: &Context<'_>, incident: &Incident) -> Option<String> {
    let Context { config, alerts, .. } = *context;
    let (one, _) = context.reasons().of_incident(incident, alerts)?;
    let title = truncate::bytes(&one.planned.title, DONE_LENGTH);
    let end = clock(one.end(), &config.site.timezone);
    Some(format!("It began during the maintenance `{title}`, which ended at {end}, and still fails."))
}

/// Title and body of the notice about an incident that pages no one.
pub(crate) fn opened(config: &Config, incident: &Incident, now: Time) -> (String, String) {
    let mut lines = facts(config, incident, now);
    lines.extend(runbooks(config, incident));
    lines.push("This is a notice. Nobody is paged for this incident.".to_owned());
    (first_clause(&incident.diagnosis.summary), body(&lines))
}

/// Title and body of the hourly line about an open incident: what was done about it, with the effects.
pub(crate) fn hourly(context: &Context<'_>, incident: &Incident) -> (String, String) {
    let Context { config, now, .. } = *context;
    let mut lines = facts(config, incident, now);
    let acknowledged = incident.acknowledged.as_ref().filter(|ack| now < ack.until);
    lines.push(match acknowledged {
        Some(ack) => format!("Acknowledged by {}.", ack.by),
        None => "Nobody has acknowledged it.".to_owned(),
    });
    lines.extend(what_was_done(context, incident));
    lines.push("This is a notice, once an hour while the incident is open. It pages nobody.".to_owned());
    let open = spoken(Duration::from_secs(between(incident.opened, now).as_secs() / 3_600 * 3_600));
    let title = format!("Open for {open}: {}", first_clause(&incident.diagnosis.summary));
    (truncate::bytes(&title, TITLE_MAX), body(&lines))
}

/// The newest notes on an incident and changes during it that may concern it, each with its effect.
fn what_was_done(context: &Context<'_>, incident: &Incident) -> Vec<String> {
    let Context { config, changes, .. } = *context;
    let line = |at: Time, text: &str, effect: Option<&Effect>| {
        let text = truncate::bytes(&text.replace('\n', " "), DONE_LENGTH);
        let effect = effect.map_or_else(|| "not judged yet".to_owned(), ToString::to_string);
        (at, format!("{} {text} - {effect}", clock(at, &config.site.timezone)))
    };
    let notes = incident
        .notes
        .iter()
        .map(|note| line(note.at, &format!("{}: {}", note.by, note.text), note.effect.as_ref()));
    let changes = incident.changes(&config.graph, changes).into_iter().map(|recorded| {
        let effect = recorded.effects.get(&incident.id);
        line(recorded.change.in_effect(), &recorded.change.name(), effect)
    });
    let mut all: Vec<(Time, String)> = notes.chain(changes).collect();
    all.sort();
    let older = all.len().saturating_sub(DONE_MAX);
    all.into_iter().skip(older).map(|(_, line)| line).collect()
}

/// Title and body of the notice that a draft update waits for review.
pub(crate) fn drafted(incident: &Incident, (title, text): &(String, String)) -> (String, String) {
    let lines = [
        text.clone(),
        format!("This update is not public yet. Review and publish it in the console ({}).", incident.id),
        "This is a notice. Nobody is paged for the draft.".to_owned(),
    ];
    (truncate::bytes(&format!("Draft update to review: {title}"), TITLE_MAX), body(&lines))
}

/// Title and body of the notice that a promised update is due.
pub(crate) fn update_due(config: &Config, incident: &Incident, by: Time) -> (String, String) {
    let by = clock(by, &config.site.timezone);
    let lines = [
        incident.diagnosis.summary.clone(),
        format!("The status page promises the next update by {by}."),
        format!("Write it: mainstay incident update {} TEXT, or in the console.", incident.id.0),
        "Without one, mainstay publishes then that there is no news.".to_owned(),
        "This is a notice. It pages nobody.".to_owned(),
    ];
    (
        truncate::bytes(
            &format!("Update due by {by}: {}", first_clause(&incident.diagnosis.summary)),
            TITLE_MAX,
        ),
        body(&lines),
    )
}

/// Title and body of the notice that an incident was resolved. The incident itself may be forgotten by now.
pub(crate) fn resolved(
    id: IncidentId,
    incident: Option<&Incident>,
    record: Option<&IncidentRecord>,
) -> (String, String) {
    let name = incident.map_or_else(|| id.to_string(), |incident| first_clause(&incident.diagnosis.summary));
    let summary = record.and_then(|record| record.summary.clone());
    let mut lines = vec![
        summary.or_else(|| incident.map(|incident| incident.diagnosis.summary.clone())).unwrap_or_default(),
    ];
    if let Some((since, end)) = incident.and_then(|incident| Some((incident.since, incident.resolved?))) {
        lines.push(format!("Duration: {}.", spoken(between(since, end))));
    }
    (truncate::bytes(&format!("Resolved: {name}"), TITLE_MAX), body(&lines))
}

/// Title and body of the notice about an incident that ended before any page was delivered, and about others like it.
/// The first argument is the text of [`resolved`].
pub(crate) fn missed((title, text): &(String, String), others: &[String]) -> (String, String) {
    let mut lines = vec![text.clone(), "No page about this incident could be delivered.".to_owned()];
    if !others.is_empty() {
        lines.push(format!("Other resolved incidents without a delivered page ({}):", others.len()));
        lines.extend(others.iter().take(NAMES_MAX).map(|summary| format!("- {summary}")));
    }
    let name = title.strip_prefix("Resolved: ").unwrap_or(title);
    (truncate::bytes(&format!("Missed, already resolved: {name}"), TITLE_MAX), body(&lines))
}

/// The runbooks of an incident, a line each. A link that is cut leads nowhere, so one that is too long for a phone is left out.
fn runbooks(config: &Config, incident: &Incident) -> Vec<String> {
    let line = |service: &Service| {
        let url = service.runbook.as_ref().filter(|url| url.len() <= RUNBOOK_LENGTH)?;
        Some(format!("Runbook of {}: {url}", service.title))
    };
    incident.runbooks(&config.services).into_iter().filter_map(line).collect()
}

/// Summary, services and start of an incident, a line each.
fn facts(config: &Config, incident: &Incident, now: Time) -> Vec<String> {
    let diagnosis = &incident.diagnosis;
    let mut lines = vec![diagnosis.summary.clone()];
    for (label, services) in [("Affected", &diagnosis.affected), ("Not affected", &diagnosis.unaffected)] {
        if !services.is_empty() {
            lines.push(format!(
                "{label}: {}.",
                names(config, services.iter().map(|service| service.name.as_str()))
            ));
        }
    }
    let duration = between(incident.since, now);
    let duration = if duration.as_secs() < 60 { String::new() } else { format!(" ({})", spoken(duration)) };
    lines.push(format!("Since {}{duration}.", clock(incident.since, &config.site.timezone)));
    lines
}

/// The first clause of a summary: "acme.app expired at 15:28 UTC".
pub(crate) fn first_clause(summary: &str) -> String {
    let end = summary.find(';').into_iter().chain(summary.find(". ")).min().unwrap_or(summary.len());
    truncate::bytes(summary[..end].trim_end_matches('.'), TITLE_MAX)
}

/// Titles of services, separated by commas.
pub(crate) fn names<'a>(config: &Config, services: impl IntoIterator<Item = &'a str>) -> String {
    let name = |id: &'a str| {
        let service = config.services.get(&ServiceId::from(id));
        service.map_or_else(|| id.to_owned(), |service| service.title.clone())
    };
    let all: Vec<String> = services.into_iter().map(name).collect();
    list::commas_or_more(all, NAMES_MAX + 1)
}

pub(crate) fn body(lines: &[String]) -> String {
    truncate::bytes(&lines.join("\n"), BODY_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::Resource;

    #[test]
    fn title_is_first_clause_of_summary() {
        for (summary, title) in [
            (
                "acme.app expired at 15:28 UTC; its name servers are now the registrar's",
                "acme.app expired at 15:28 UTC",
            ),
            ("acme.app expired on 2026-11-22 at 15:28 UTC.", "acme.app expired on 2026-11-22 at 15:28 UTC"),
            ("auth.acme.com refuses connections. 2 services fail.", "auth.acme.com refuses connections"),
            ("api.acme.com answers at length", "api.acme.com answers at length"),
            ("", ""),
        ] {
            assert_eq!(first_clause(summary), title);
        }
        let long = first_clause(&"ä".repeat(500));
        assert!(long.len() <= TITLE_MAX && long.ends_with('…'));
    }

    #[test]
    fn page_has_the_runbook_of_the_cause_first() {
        let service = |id: &str, runbook: &str| Service {
            title: id.to_uppercase(),
            runbook: Some(runbook.to_owned()),
            ..testkit::config::service(id)
        };
        let mut config = testkit::config::empty();
        let long = format!("https://wiki.acme.net/{}", "x".repeat(RUNBOOK_LENGTH));
        for service in [
            service("api", "https://wiki.acme.net/api"),
            service("auth", "https://wiki.acme.net/auth"),
            service("web", &long),
        ] {
            config.services.insert(service.id.clone(), service);
        }
        let at = testkit::time::at("2026-12-01T12:00:00Z");
        let diagnosis = testkit::incident::diagnosis(Resource::service("auth"), &["api", "auth", "web"]);
        let incident = testkit::incident::incident(1, at, at, diagnosis);
        let context = Context::new(&config, incident.opened);
        let (_, body) = page(&context, &incident, (None, None));
        let lines: Vec<&str> = body.lines().filter(|line| line.starts_with("Runbook")).collect();
        assert_eq!(
            lines,
            ["Runbook of AUTH: https://wiki.acme.net/auth", "Runbook of API: https://wiki.acme.net/api"]
        );
    }

    #[test]
    fn longest_text_fits_push_message() {
        let long = body(&["€".repeat(4_000)]);
        assert!(long.len() <= BODY_MAX && TITLE_MAX + BODY_MAX < 4_096);
    }
}
