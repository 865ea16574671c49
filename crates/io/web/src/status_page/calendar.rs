//! The calendar of maintenances (RFC 5545), which calendar programs subscribe to.
//!
//! An event keeps its UID when its plan changes and gets a higher sequence number; a cancelled one stays for some days with
//! the status `CANCELLED`, so that calendars remove it. Times are in UTC, which needs no definition of timezones.

use engine::views::StatusPage;
use engine::views::status_page::StatusPageMaintenance;
use std::fmt::Write as _;
use std::time::Duration;
use types::Time;
use types::maintenance::MaintenanceState;
use types::time::later;

/// Maximum length of a line in octets, without its end (RFC 5545, section 3.1).
const LINE_MAX: usize = 75;

/// Renders the calendar.
#[must_use]
pub fn calendar(status_page: &StatusPage) -> String {
    let mut lines = Lines::default();
    lines.add("BEGIN", "VCALENDAR");
    lines.add("VERSION", "2.0");
    lines.add("PRODID", "-//mainstay//status page//EN");
    lines.add("METHOD", "PUBLISH");
    let name = escaped(&format!("{}: maintenance", status_page.title));
    // The second one is what most programs read; the first is that of RFC 7986.
    lines.add("NAME", &name);
    lines.add("X-WR-CALNAME", &name);
    lines.add("REFRESH-INTERVAL;VALUE=DURATION", "PT1H");
    for maintenance in &status_page.maintenances {
        event(&mut lines, status_page, maintenance);
    }
    lines.add("END", "VCALENDAR");
    lines.0
}

fn event(lines: &mut Lines, status_page: &StatusPage, maintenance: &StatusPageMaintenance) {
    let StatusPageMaintenance { id, title, from, to, state, .. } = maintenance;
    let is_cancelled = *state == MaintenanceState::Cancelled;
    let end = maintenance.ended.filter(|_| !is_cancelled).map_or(*to, |ended| ended.min(*to));
    // An event ends after its start (section 3.8.2.2).
    let end = end.max(later(*from, Duration::from_secs(1)));
    lines.add("BEGIN", "VEVENT");
    lines.add("UID", &escaped(&format!("{id}@{}", host(&status_page.url))));
    lines.add("DTSTAMP", &instant(maintenance.changed));
    lines.add("CREATED", &instant(maintenance.added));
    lines.add("LAST-MODIFIED", &instant(maintenance.changed));
    lines.add("SEQUENCE", &maintenance.revision.to_string());
    lines.add("DTSTART", &instant(*from));
    lines.add("DTEND", &instant(end));
    lines.add("STATUS", if is_cancelled { "CANCELLED" } else { "CONFIRMED" });
    lines.add("TRANSP", "TRANSPARENT");
    lines.add("SUMMARY", &escaped(title));
    let titles: Vec<&str> = maintenance.services.iter().map(|(_, title)| title.as_str()).collect();
    let services = format!("Affected: {}", titles.join(", "));
    let text = maintenance.text.iter().cloned().chain([services]).collect::<Vec<_>>().join("\n\n");
    lines.add("DESCRIPTION", &escaped(&text));
    lines.add("URL", &format!("{}/", status_page.url));
    lines.add("END", "VEVENT");
}

fn host(url: &str) -> &str {
    let rest = url.split("://").nth(1).unwrap_or(url);
    rest.split(['/', ':']).next().unwrap_or_default()
}

/// `20261205T200000Z`.
fn instant(at: Time) -> String {
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// Text with its special characters escaped (section 3.3.11); other control characters are left out.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' | ';' | ',' => escaped.extend(['\\', letter]),
            '\n' => escaped.push_str("\\n"),
            '\t' => escaped.push(' '),
            letter if letter.is_control() => {}
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// Content lines, folded after [`LINE_MAX`] octets and never within a character.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn add(&mut self, name: &str, value: &str) {
        let mut octets = 0;
        for letter in format!("{name}:{value}").chars() {
            if octets + letter.len_utf8() > LINE_MAX {
                let _ = write!(self.0, "\r\n ");
                octets = 1;
            }
            self.0.push(letter);
            octets += letter.len_utf8();
        }
        self.0.push_str("\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped() {
        for (text, expected) in [
            ("a, b; c\\d", "a\\, b\\; c\\\\d"),
            ("one\r\ntwo\tthree", "one\\ntwo three"),
            ("END:VEVENT\nBEGIN:VALARM", "END:VEVENT\\nBEGIN:VALARM"),
        ] {
            assert_eq!(escaped(text), expected);
        }
    }

    #[test]
    fn long_lines_are_folded_between_characters() {
        let mut lines = Lines::default();
        lines.add("SUMMARY", &"ä€".repeat(100));
        assert!(lines.0.ends_with("\r\n"));
        let folded: Vec<&str> = lines.0.trim_end().split("\r\n").collect();
        assert!(folded.len() > 5);
        assert!(folded.iter().all(|line| line.len() <= LINE_MAX), "{folded:?}");
        assert!(folded.iter().skip(1).all(|line| line.starts_with(' ')));
        assert_eq!(lines.0.replace("\r\n ", "").trim_end(), format!("SUMMARY:{}", "ä€".repeat(100)));
    }
}
