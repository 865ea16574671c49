//! What people read on their phones: the cause first, then what it hurts, then what to do.

use crate::known::About;
use text::{list, truncate};
use types::time::{between, clock, spoken};
use types::{Config, Incident, IncidentId, Resource, Time};

/// Room for a title, in bytes.
const TITLE_MAX: usize = 120;

/// Room for a body, in bytes: with title and links it stays below the 4,096 bytes that push services carry.
const BODY_MAX: usize = 3_000;

/// A page that reaches nobody for so long says so when it gets through.
const UNREACHED_WORTH_A_WORD: std::time::Duration = std::time::Duration::from_secs(120);

/// Services named before the rest is only counted.
const NAMES_MAX: usize = 8;

/// Title and body of a page.
///
/// `next` is when the next step is due; `unreached` since when nobody could be reached.
pub(crate) fn page(
    config: &Config,
    incident: &Incident,
    now: Time,
    (next, unreached): (Option<Time>, Option<Time>),
) -> (String, String) {
    let mut lines = about(config, incident, now);
    if let Some(since) = unreached.filter(|since| between(*since, now) >= UNREACHED_WORTH_A_WORD) {
        lines
            .push(format!("Nobody could be reached about it since {}.", clock(since, &config.site.timezone)));
    }
    lines.push(match next {
        Some(next) => format!(
            "Acknowledge to stop the calls; whoever is next is called at {}.",
            clock(next, &config.site.timezone)
        ),
        None => "Acknowledge to stop the calls.".to_owned(),
    });
    (short(&incident.diagnosis.summary), body(&lines))
}

/// Title and body of a notice for the team that something began and wakes nobody.
pub(crate) fn opened(config: &Config, incident: &Incident, now: Time) -> (String, String) {
    let mut lines = about(config, incident, now);
    lines.push("Nobody is woken for this.".to_owned());
    (short(&incident.diagnosis.summary), body(&lines))
}

/// Title and body of the word that an update for visitors waits until a person publishes it.
pub(crate) fn drafted(incident: &Incident, (title, text): &(String, String)) -> (String, String) {
    let lines = [
        text.clone(),
        format!("Visitors do not see it before somebody publishes it: on the console, at {}.", incident.id),
        "Nobody is woken for this.".to_owned(),
    ];
    (truncate::bytes(&format!("Waits to be published: {title}"), TITLE_MAX), body(&lines))
}

/// Title and body of the word to everybody who was woken that it is over. Speaks even of an incident that was forgotten.
pub(crate) fn resolved(
    id: IncidentId,
    incident: Option<&Incident>,
    about: Option<&About>,
) -> (String, String) {
    let name = incident.map_or_else(|| id.to_string(), |incident| short(&incident.diagnosis.summary));
    let story = about.and_then(|about| about.story.clone());
    let mut lines = vec![
        story.or_else(|| incident.map(|incident| incident.diagnosis.summary.clone())).unwrap_or_default(),
    ];
    if let Some((since, end)) = incident.and_then(|incident| Some((incident.since, incident.resolved?))) {
        lines.push(format!("It lasted {}.", spoken(between(since, end))));
    }
    (truncate::bytes(&format!("Resolved: {name}"), TITLE_MAX), body(&lines))
}

/// Title and body of the word about what nobody could be told while it lasted, and of what else ended like that meanwhile.
pub(crate) fn missed((title, text): &(String, String), others: &[String]) -> (String, String) {
    let mut lines = vec![text.clone(), "Nobody could be reached while it lasted.".to_owned()];
    if !others.is_empty() {
        lines.push(format!("And {} more:", others.len()));
        lines.extend(others.iter().take(NAMES_MAX).map(|story| format!("- {story}")));
    }
    let name = title.strip_prefix("Resolved: ").unwrap_or(title);
    (truncate::bytes(&format!("Missed, over now: {name}"), TITLE_MAX), body(&lines))
}

fn about(config: &Config, incident: &Incident, now: Time) -> Vec<String> {
    let diagnosis = &incident.diagnosis;
    let mut lines = vec![diagnosis.summary.clone()];
    for (word, services) in [("Affected", &diagnosis.affected), ("Not affected", &diagnosis.unaffected)] {
        if !services.is_empty() {
            lines.push(format!("{word}: {}.", names(config, services)));
        }
    }
    let lasting = between(incident.since, now);
    let lasting = if lasting.as_secs() < 60 { String::new() } else { format!(" ({})", spoken(lasting)) };
    lines.push(format!("Since {}{lasting}.", clock(incident.since, &config.site.timezone)));
    lines
}

/// The first clause of the sentence: "acme.app expired at 15:28 UTC".
fn short(summary: &str) -> String {
    let end = summary.find(';').into_iter().chain(summary.find(". ")).min().unwrap_or(summary.len());
    truncate::bytes(summary[..end].trim_end_matches('.'), TITLE_MAX)
}

fn names<'a>(config: &Config, services: impl IntoIterator<Item = &'a Resource>) -> String {
    let name = |resource: &Resource| {
        let service = config.services.get(&resource.name.as_str().into());
        service.map_or_else(|| resource.name.clone(), |service| service.title.clone())
    };
    let all: Vec<String> = services.into_iter().map(name).collect();
    list::commas_or_more(all, NAMES_MAX + 1)
}

fn body(lines: &[String]) -> String {
    truncate::bytes(&lines.join("\n"), BODY_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_the_first_clause() {
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
            assert_eq!(short(summary), title);
        }
        let long = short(&"ä".repeat(500));
        assert!(long.len() <= TITLE_MAX && long.ends_with('…'));
    }

    #[test]
    fn nothing_grows_beyond_what_a_push_service_carries() {
        let long = body(&["€".repeat(4_000)]);
        assert!(long.len() <= BODY_MAX && TITLE_MAX + BODY_MAX < 4_096);
    }
}
