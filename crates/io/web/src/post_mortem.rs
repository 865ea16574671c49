//! The draft of a post-mortem as Markdown: what the journal knows, and headings for what only people know.

use crate::wording::{paging, timeline};
use engine::post_mortem::{Milestones, PostMortem};
use engine::views::PagingFact;
use jiff::tz::TimeZone;
use std::time::Duration;
use types::Time;
use types::effect::Verdict;
use types::time::{between, formatted, spoken};

/// The draft. Text from outside is escaped, so that it cannot change the document. Times are in `zone`.
#[must_use]
pub fn markdown(of: &PostMortem, zone: &TimeZone) -> String {
    let sections = [
        head(of, zone),
        impact(of, zone),
        speed(&of.milestones, of.until),
        fixes(of, zone),
        history(of, zone),
        questions(of),
    ];
    sections.map(|lines| lines.join("\n")).join("\n\n") + "\n"
}

fn head(of: &PostMortem, zone: &TimeZone) -> Vec<String> {
    let minute = |at: Time| formatted(at, zone, "%Y-%m-%d %H:%M:%S");
    let end = of.milestones.resolved.map_or_else(|| "still open".to_owned(), minute);
    let lasted = spoken(between(of.milestones.began, of.until));
    vec![
        format!("# {}: {}", of.incident.id, escaped(&title(of))),
        String::new(),
        "*Draft, from the journal of mainstay. Complete what is in italics, and remove this line.*"
            .to_owned(),
        String::new(),
        format!("{} to {end} ({lasted}).", minute(of.milestones.began)),
        String::new(),
        escaped(&of.incident.diagnosis.summary),
    ]
}

/// The services that users missed; without one the cause.
fn title(of: &PostMortem) -> String {
    let services: Vec<&str> = of.impact.iter().map(|impact| impact.title.as_str()).collect();
    if services.is_empty() { of.incident.diagnosis.cause.to_string() } else { text::list::and(services) }
}

fn impact(of: &PostMortem, zone: &TimeZone) -> Vec<String> {
    let mut lines = section("Impact");
    if of.impact.is_empty() {
        lines.push("No service was in another state than operational.".to_owned());
        return lines;
    }
    lines.extend(table(&["service", "state", "from", "to", "for"]));
    for impact in &of.impact {
        for span in &impact.spans {
            let second = |at: Time| formatted(at, zone, "%H:%M:%S");
            lines.push(format!(
                "| {} | {} | {} | {} | {} |",
                escaped(&impact.title),
                span.state.title().to_lowercase(),
                second(span.from),
                second(span.to),
                spoken(between(span.from, span.to))
            ));
        }
    }
    lines.push(String::new());
    lines.push("*How many users, orders, requests? What did it look like to them?*".to_owned());
    lines
}

fn speed(milestones: &Milestones, until: Time) -> Vec<String> {
    let mut lines = section("How quick we were");
    lines.extend(table(&["since the first failure", ""]));
    let began = milestones.began;
    let rows: [(&str, Option<Time>); 5] = [
        ("mainstay opened the incident", Some(milestones.opened)),
        ("a page was accepted by a provider", milestones.paged),
        ("a person acknowledged", milestones.acknowledged),
        ("the public was told", milestones.published),
        ("resolved", milestones.resolved),
    ];
    for (what, at) in rows {
        let never = || format!("not within {}", spoken(between(began, until)));
        lines.push(format!("| {what} | {} |", at.map_or_else(never, |at| after(between(began, at)))));
    }
    lines
}

fn after(span: Duration) -> String {
    if span.is_zero() { "at once".to_owned() } else { spoken(span) }
}

fn fixes(of: &PostMortem, zone: &TimeZone) -> Vec<String> {
    let mut lines = section("What was done, and whether it helped");
    if of.fixes.is_empty() {
        lines.push("No note and no change is recorded. *What was done?*".to_owned());
        return lines;
    }
    lines.extend(table(&["at", "what", "effect, as measured"]));
    for fix in &of.fixes {
        let effect = match &fix.effect {
            Some(effect) if effect.verdict != Verdict::TooEarly => effect.to_string(),
            _ => "not measured".to_owned(),
        };
        let at = formatted(fix.at, zone, "%H:%M:%S");
        lines.push(format!("| {at} | {} | {} |", escaped(&fix.what), escaped(&effect)));
    }
    lines
}

fn history(of: &PostMortem, zone: &TimeZone) -> Vec<String> {
    let mut lines = section("Timeline");
    let facts = of.timeline.iter().map(|entry| (entry.at, timeline::text(&entry.fact, zone)));
    // Acknowledgements are in both.
    let pages = of.paging.iter().filter(|entry| !matches!(entry.fact, PagingFact::Acknowledged { .. }));
    let pages = pages.map(|entry| (entry.at, paging::text(&entry.fact, zone)));
    let mut all: Vec<(Time, String)> = facts.chain(pages).collect();
    all.sort_by_key(|(at, _)| *at);
    let entry =
        |(at, text): &(Time, String)| format!("- {} {}", formatted(*at, zone, "%H:%M:%S"), escaped(text));
    lines.extend(all.iter().map(entry));
    lines
}

fn questions(of: &PostMortem) -> Vec<String> {
    let mut lines = section("Why it happened");
    lines.push(format!("mainstay found {} as the cause.", escaped(&of.incident.diagnosis.cause.to_string())));
    lines.push("*What made this possible? Why was it not noticed before?*".to_owned());
    lines.push(String::new());
    lines.extend(section("What went well, what went badly, where we were lucky"));
    lines.push("* *...*".to_owned());
    lines.push(String::new());
    lines.extend(section("What we will do"));
    lines.extend(table(&["what", "who", "until"]));
    lines.push("| *...* | *...* | *...* |".to_owned());
    lines
}

fn section(title: &str) -> Vec<String> {
    vec![format!("## {title}"), String::new()]
}

/// The head of a table.
fn table(columns: &[&str]) -> [String; 2] {
    [format!("| {} |", columns.join(" | ")), format!("|{}", "---|".repeat(columns.len()))]
}

/// One line of text, in which nothing is Markdown.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text::escape::replace_unsafe(text).chars() {
        match c {
            '\n' | '\r' => out.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '|' | '~' => {
                out.push('\\');
                out.push(c);
            }
            // An entity such as `&lt;`.
            '&' => out.push_str("&amp;"),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outside_text_cannot_change_the_document() {
        let cases = [
            ("502 from `api_1`", "502 from \\`api\\_1\\`"),
            ("a | b\n## c", "a \\| b ## c"),
            ("<img src=x> [here](http://evil)", "\\<img src=x> \\[here\\](http://evil)"),
            ("50 % & \u{1b}[31m", "50 % &amp; \u{fffd}\\[31m"),
        ];
        for (text, expected) in cases {
            assert_eq!(escaped(text), expected);
        }
    }
}
