//! Atom (RFC 4287) and RSS 2.0: one entry for each incident and each maintenance, changed by every update.

use crate::design::text::iso;
use crate::wording::headline::headline;
use askama::Template;
use engine::views::StatusPage;
use engine::views::status_page::{StatusPageIncident, StatusPageMaintenance};
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
    /// Unique on the page, and stable.
    id: String,
    title: &'a str,
    status: &'static str,
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

/// Incidents and maintenances, the newest change first.
fn entries(status_page: &StatusPage) -> Vec<Entry<'_>> {
    let past = status_page.past.iter().flat_map(|day| &day.incidents);
    let incidents = status_page.open.iter().chain(past).map(|incident| entry(status_page, incident));
    let maintenances = status_page.maintenances.iter().map(|one| maintenance_entry(status_page, one));
    let mut entries: Vec<Entry<'_>> = incidents.collect();
    if !status_page.maintenances.is_empty() {
        entries.extend(maintenances);
        entries.sort_by(|one, other| other.updated.cmp(&one.updated));
    }
    entries.truncate(ENTRIES_MAX);
    entries
}

fn maintenance_entry<'a>(status_page: &StatusPage, one: &'a StatusPageMaintenance) -> Entry<'a> {
    let updates = one.updates.iter().map(|update| (update.at, update.state.title(), update.body.as_str()));
    Entry {
        id: one.id.to_string(),
        title: &one.title,
        status: one.state.title(),
        url: format!("{}/#{}", status_page.url, one.id),
        published: iso(one.added),
        updated: iso(one.changed),
        rfc_2822: rfc_2822(one.changed),
        content: content(status_page, updates),
    }
}

/// Updates as HTML, which the template escapes again for XML.
fn content<'a>(
    status_page: &StatusPage,
    updates: impl Iterator<Item = (Time, &'static str, &'a str)>,
) -> String {
    let paragraph = |(at, status, body): (Time, &str, &str)| {
        let at = formatted(at, &status_page.timezone, "%-d %b %Y, %H:%M");
        format!("<p><strong>{status}</strong> ({at}): {}</p>", escape::html(body))
    };
    updates.map(paragraph).collect::<Vec<_>>().join("\n")
}

fn entry<'a>(status_page: &StatusPage, incident: &'a StatusPageIncident) -> Entry<'a> {
    let newest = incident.updates.first().map_or(incident.started, |update| update.at);
    let first = incident.updates.last().map_or(incident.started, |update| update.at);
    let updates =
        incident.updates.iter().map(|update| (update.at, update.status.title(), update.body.as_str()));
    Entry {
        id: incident.id.to_string(),
        title: &incident.title,
        status: incident.status.title(),
        url: format!("{}/incidents/{}", status_page.url, incident.id),
        published: iso(first),
        updated: iso(newest),
        rfc_2822: rfc_2822(newest),
        content: content(status_page, updates),
    }
}

fn rfc_2822(at: Time) -> String {
    at.to_zoned_datetime(TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}
