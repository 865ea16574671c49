//! Atom (RFC 4287) and RSS 2.0: one entry per incident, changed by every update.

use crate::design::text::iso;
use crate::wording::headline::headline;
use askama::Template;
use engine::views::StatusPage;
use engine::views::status_page::StatusPageIncident;
use jiff::tz::TimeZone;
use text::escape;
use types::Time;
use types::time::formatted;

/// Maximum number of entries.
const ENTRIES_MAX: usize = 25;

#[derive(Template)]
#[template(path = "feed.atom.xml", escape = "html")]
struct Atom<'a> {
    status_page: &'a StatusPage,
    headline: String,
    host: &'a str,
    updated: String,
    entries: Vec<Entry<'a>>,
}

#[derive(Template)]
#[template(path = "feed.rss.xml", escape = "html")]
struct Rss<'a> {
    status_page: &'a StatusPage,
    headline: String,
    updated: String,
    entries: Vec<Entry<'a>>,
}

struct Entry<'a> {
    incident: &'a StatusPageIncident,
    url: String,
    published: String,
    updated: String,
    rfc_2822: String,
    content: String,
}

/// Renders the Atom feed.
///
/// # Errors
/// When a template fails, which would be a bug.
pub fn atom(status_page: &StatusPage) -> askama::Result<String> {
    let host = status_page
        .url
        .split("://")
        .nth(1)
        .unwrap_or(&status_page.url)
        .split(['/', ':'])
        .next()
        .unwrap_or_default();
    Atom {
        status_page,
        headline: headline(status_page),
        host,
        updated: iso(status_page.changed),
        entries: entries(status_page),
    }
    .render()
}

/// Renders the RSS feed.
///
/// # Errors
/// When a template fails, which would be a bug.
pub fn rss(status_page: &StatusPage) -> askama::Result<String> {
    Rss {
        status_page,
        headline: headline(status_page),
        updated: rfc_2822(status_page.changed),
        entries: entries(status_page),
    }
    .render()
}

fn entries(status_page: &StatusPage) -> Vec<Entry<'_>> {
    let past = status_page.past.iter().flat_map(|day| &day.incidents);
    status_page
        .open
        .iter()
        .chain(past)
        .take(ENTRIES_MAX)
        .map(|incident| entry(status_page, incident))
        .collect()
}

fn entry<'a>(status_page: &StatusPage, incident: &'a StatusPageIncident) -> Entry<'a> {
    let newest = incident.updates.first().map_or(incident.started, |update| update.at);
    let first = incident.updates.last().map_or(incident.started, |update| update.at);
    // The text becomes HTML here, which the template escapes again for XML.
    let content: Vec<String> = incident
        .updates
        .iter()
        .map(|update| {
            let at = formatted(update.at, &status_page.timezone, "%-d %b %Y, %H:%M");
            format!(
                "<p><strong>{}</strong> ({at}): {}</p>",
                update.status.title(),
                escape::html(&update.body)
            )
        })
        .collect();
    Entry {
        incident,
        url: format!("{}/incidents/{}", status_page.url, incident.id),
        published: iso(first),
        updated: iso(newest),
        rfc_2822: rfc_2822(newest),
        content: content.join("\n"),
    }
}

fn rfc_2822(at: Time) -> String {
    at.to_zoned_datetime(TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}
