//! Atom (RFC 4287) and RSS 2.0: one entry an incident, updated with every post.

use crate::look::words::iso;
use askama::Template;
use engine::views::StatusPage;
use engine::views::status_page::StatusPageIncident;
use jiff::tz::TimeZone;
use text::escape;
use types::Time;
use types::time::formatted;

/// Most entries in a feed.
const ENTRIES_MAX: usize = 25;

#[derive(Template)]
#[template(path = "feed.atom.xml", escape = "html")]
struct Atom<'a> {
    status_page: &'a StatusPage,
    host: &'a str,
    updated: String,
    entries: Vec<Entry<'a>>,
}

#[derive(Template)]
#[template(path = "feed.rss.xml", escape = "html")]
struct Rss<'a> {
    status_page: &'a StatusPage,
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

/// The Atom feed.
///
/// # Errors
/// When a template fails, which is a fault of ours.
pub fn atom(status_page: &StatusPage) -> askama::Result<String> {
    let host = status_page
        .url
        .split("://")
        .nth(1)
        .unwrap_or(&status_page.url)
        .split(['/', ':'])
        .next()
        .unwrap_or_default();
    Atom { status_page, host, updated: iso(status_page.changed), entries: entries(status_page) }.render()
}

/// The RSS feed.
///
/// # Errors
/// When a template fails, which is a fault of ours.
pub fn rss(status_page: &StatusPage) -> askama::Result<String> {
    Rss { status_page, updated: rfc_2822(status_page.changed), entries: entries(status_page) }.render()
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
    let newest = incident.posts.first().map_or(incident.started, |post| post.at);
    let first = incident.posts.last().map_or(incident.started, |post| post.at);
    let content: Vec<String> = incident
        .posts
        .iter()
        .map(|post| {
            let at = formatted(post.at, &status_page.clock, "%-d %b %Y, %H:%M");
            format!("<p><strong>{}</strong> ({at}): {}</p>", post.status.title(), escape::html(&post.body))
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
    at.to_zoned(TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}
