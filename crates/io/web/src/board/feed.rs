//! Atom (RFC 4287) and RSS 2.0: one entry an incident, updated with every post.

use crate::look::words::iso;
use askama::Template;
use engine::views::Board;
use engine::views::board::BoardIncident;
use jiff::tz::TimeZone;
use types::Time;
use types::time::formatted;

/// Most entries in a feed.
const ENTRIES_MAX: usize = 25;

#[derive(Template)]
#[template(path = "feed.atom.xml", escape = "html")]
struct Atom<'a> {
    board: &'a Board,
    host: &'a str,
    updated: String,
    entries: Vec<Entry<'a>>,
}

#[derive(Template)]
#[template(path = "feed.rss.xml", escape = "html")]
struct Rss<'a> {
    board: &'a Board,
    updated: String,
    entries: Vec<Entry<'a>>,
}

struct Entry<'a> {
    incident: &'a BoardIncident,
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
pub fn atom(board: &Board) -> askama::Result<String> {
    let host =
        board.url.split("://").nth(1).unwrap_or(&board.url).split(['/', ':']).next().unwrap_or_default();
    Atom { board, host, updated: iso(board.changed), entries: entries(board) }.render()
}

/// The RSS feed.
///
/// # Errors
/// When a template fails, which is a fault of ours.
pub fn rss(board: &Board) -> askama::Result<String> {
    Rss { board, updated: rfc_2822(board.changed), entries: entries(board) }.render()
}

fn entries(board: &Board) -> Vec<Entry<'_>> {
    let past = board.past.iter().flat_map(|day| &day.incidents);
    board.open.iter().chain(past).take(ENTRIES_MAX).map(|incident| entry(board, incident)).collect()
}

fn entry<'a>(board: &Board, incident: &'a BoardIncident) -> Entry<'a> {
    let newest = incident.posts.first().map_or(incident.started, |post| post.at);
    let first = incident.posts.last().map_or(incident.started, |post| post.at);
    let content: Vec<String> = incident
        .posts
        .iter()
        .map(|post| {
            let at = formatted(post.at, &board.clock, "%-d %b %Y, %H:%M");
            format!("<p><strong>{}</strong> ({at}): {}</p>", post.status.title(), escaped(&post.body))
        })
        .collect();
    Entry {
        incident,
        url: format!("{}/incidents/{}", board.url, incident.id),
        published: iso(first),
        updated: iso(newest),
        rfc_2822: rfc_2822(newest),
        content: content.join("\n"),
    }
}

fn rfc_2822(at: Time) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

/// The body is text; the entry's content is HTML, which the template escapes once more for XML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
