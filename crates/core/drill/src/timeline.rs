//! The run for a person, beside the times of the outage in life.

use crate::script::Script;
use std::collections::BTreeMap;
use std::time::Duration;
use types::incident::Stage;
use types::{Event, EventKind, IncidentId, Resource, Time};

/// The table is never wider than a terminal of the old kind.
const WIDTH: usize = 80;
const RIGHT: usize = 25;
const LEFT: usize = WIDTH - RIGHT - 3;
/// Width of `+ 123.4 s  `, under which a long line goes on.
const INDENT: usize = 11;

/// The lines of a two-column table of 80 characters: what happened in this run, and what happened in life.
///
/// The columns share no scale: seconds on the left, hours and minutes on the right.
#[must_use]
pub fn timeline(script: &Script, fault_at: Time, events: &[Event]) -> Vec<String> {
    let left: Vec<String> =
        told(fault_at, events).iter().flat_map(|line| wrapped(line, LEFT, INDENT)).collect();
    let right: Vec<String> = script
        .life
        .iter()
        .flat_map(|life| wrapped(&format!("{:>6}  {}", clock(life.after), life.text), RIGHT, 8))
        .collect();
    if right.is_empty() {
        return left;
    }
    let in_life = script.in_life_title.as_deref().unwrap_or("in life");
    let row = |left: &str, right: &str| format!("{left:<LEFT$} | {right}").trim_end().to_owned();
    let mut lines = Vec::new();
    let heads = wrapped("this run", LEFT, 0).into_iter().zip(wrapped(in_life, RIGHT, 0));
    lines.extend(heads.map(|(ours, theirs)| row(&ours, &theirs)));
    lines.push(format!("{:-<LEFT$}-+-{:-<RIGHT$}", "", ""));
    for at in 0..left.len().max(right.len()) {
        let cell = |column: &[String]| column.get(at).cloned().unwrap_or_default();
        lines.push(row(&cell(&left), &cell(&right)));
    }
    lines
}

/// One line for each thing that a person would tell, unbroken: `+   3.1 s  alert: acme.app is delegated to …`.
#[must_use]
pub fn told(fault_at: Time, events: &[Event]) -> Vec<String> {
    let mut lines: Vec<(Time, Telling, usize)> = Vec::new();
    let mut memory = Memory::default();
    for event in events {
        let Some(telling) = memory.tell(&event.kind) else { continue };
        match lines.last_mut() {
            // Forty tenants that fail alike are one line with a count.
            Some((_, before, more)) if telling.group.is_some() && before.group == telling.group => *more += 1,
            _ => lines.push((event.at, telling, 0)),
        }
    }
    lines
        .into_iter()
        .map(|(at, telling, more)| {
            let more = if more == 0 { String::new() } else { format!(" (and {more} more)") };
            format!("{}  {}{more}", since(fault_at, at), telling.text)
        })
        .collect()
}

struct Telling {
    text: String,
    /// Neighbouring lines of one group are told once, with a count.
    group: Option<String>,
}

/// What was told of before, so that only news is told.
#[derive(Default)]
struct Memory {
    abouts: BTreeMap<u64, Resource>,
    diagnoses: BTreeMap<IncidentId, (Resource, Stage)>,
}

impl Memory {
    fn tell(&mut self, kind: &EventKind) -> Option<Telling> {
        let alone = |text: String| Some(Telling { text, group: None });
        let grouped = |text: String, group: String| Some(Telling { text, group: Some(group) });
        match kind {
            EventKind::Booted { blind_since } => alone(match blind_since {
                Some(_) => "mainstay starts again".to_owned(),
                None => "mainstay starts".to_owned(),
            }),
            EventKind::AlertOpened { alert } => {
                self.abouts.insert(alert.id.0, alert.about.clone());
                let text = format!("alert: {} {}", alert.about.name, alert.fault);
                grouped(text, format!("opened {:?} {}", alert.about.kind, alert.fault.word()))
            }
            EventKind::AlertClosed { alert } => {
                let about = self.abouts.get(&alert.0).map_or("something", |resource| resource.name.as_str());
                grouped(format!("{about} is well again"), "closed".to_owned())
            }
            EventKind::IncidentOpened { incident, diagnosis, .. } => {
                self.diagnoses.insert(*incident, (diagnosis.cause.clone(), diagnosis.stage));
                alone(format!("{incident}: {}", diagnosis.summary))
            }
            EventKind::IncidentDiagnosed { incident, diagnosis } => {
                let now = (diagnosis.cause.clone(), diagnosis.stage);
                let before = self.diagnoses.insert(*incident, now.clone());
                (before.as_ref() != Some(&now)).then_some(())?;
                alone(match diagnosis.stage {
                    Stage::Mending => format!("{incident}: the cause is gone, what it broke recovers"),
                    Stage::Looking | Stage::Failing => format!("{incident}: {}", diagnosis.summary),
                })
            }
            EventKind::IncidentMerged { incident, into } => alone(format!("{incident} is part of {into}")),
            EventKind::IncidentResolved { incident, summary } => {
                alone(format!("{incident} is over: {summary}"))
            }
            EventKind::IncidentAcknowledged { by, via, .. } => alone(format!("{by} answers ({via})")),
            EventKind::AcknowledgementExpired { incident } => {
                alone(format!("nobody has been heard of about {incident}"))
            }
            EventKind::AcknowledgementWithdrawn { incident, .. } => {
                alone(format!("the last answer about {incident} could not be written down"))
            }
            EventKind::IncidentNoted { by, text, .. } => alone(format!("{by}: {text}")),
            EventKind::PageStep { people, step, .. } => {
                let people: Vec<&str> = people.iter().map(|person| person.0.as_str()).collect();
                alone(format!("step {}: to be woken: {}", step + 1, people.join(", ")))
            }
            EventKind::AttemptEnded { page: Some(_), person, reach, outcome } => {
                let whom = person.as_ref().map_or("the last resort", |person| person.0.as_str());
                alone(match &outcome.result {
                    Ok(_) => format!("{whom} is asked over {}", reach.channel),
                    Err(undelivered) => format!("{whom}: {} failed: {}", reach.channel, undelivered.why),
                })
            }
            EventKind::UpdateDrafted { status, title, body, .. } => {
                alone(format!("draft: {} - {title}: {body}", status.title()))
            }
            EventKind::UpdatePublished { status, title, body, .. } => {
                alone(format!("post: {} - {title}: {body}", status.title()))
            }
            EventKind::ServiceStateChanged { service, state } => {
                let text = format!("status page: {} is now: {}", service, state.title());
                grouped(text, format!("state {}", state.title()))
            }
            EventKind::TrafficDenied { denial } => {
                alone(format!("{} denies {} until {}", denial.by, denial.what, denial.until))
            }
            EventKind::DenialLifted { denial, by } => alone(match by {
                Some(by) => format!("{by} lifts {denial}"),
                None => format!("{denial} lapses"),
            }),
            EventKind::ConfigAdopted { .. }
            | EventKind::TrafficLearned { .. }
            | EventKind::AlertChanged { .. }
            | EventKind::DelegationLearned { .. }
            | EventKind::BaselineLearned { .. }
            | EventKind::RegistrationLearned { .. }
            | EventKind::PageOpened { .. }
            | EventKind::PageClosed { .. }
            | EventKind::NoticeOwed { .. }
            | EventKind::AttemptEnded { page: None, .. }
            | EventKind::AttemptsAbandoned { .. }
            | EventKind::ClockAnchored { .. }
            | EventKind::ClockJumped { .. }
            | EventKind::ClockSet { .. }
            | EventKind::NotWatched { .. } => None,
        }
    }
}

/// `+   3.1 s`, `-  12.0 s`: nine characters up to a quarter of an hour.
fn since(fault_at: Time, at: Time) -> String {
    let secs = at.duration_since(fault_at).as_secs_f64();
    let sign = if secs < 0.0 { '-' } else { '+' };
    format!("{sign} {:>5.1} s", secs.abs())
}

/// `+9:17`.
fn clock(after: Duration) -> String {
    let minutes = after.as_secs() / 60;
    format!("+{}:{:02}", minutes / 60, minutes % 60)
}

/// Breaks a line at spaces; what follows the break is indented. A word longer than the line is cut.
fn wrapped(line: &str, width: usize, indent: usize) -> Vec<String> {
    let mut lines = Vec::new();
    // The head of the line, its time, keeps its spaces.
    let head: String = line.chars().take(indent).collect();
    let mut current = head;
    let mut fresh = true;
    let rest: String = line.chars().skip(indent).collect();
    for word in rest.split_whitespace() {
        let mut word: Vec<char> = word.chars().collect();
        loop {
            let gap = usize::from(!fresh);
            let used = current.chars().count();
            if used + gap + word.len() <= width {
                current.extend((!fresh).then_some(' '));
                current.extend(word.drain(..));
                fresh = false;
                break;
            }
            if fresh {
                // Not even a line of its own holds it.
                let room = width.saturating_sub(used).max(1).min(word.len());
                current.extend(word.drain(..room));
            }
            lines.push(std::mem::replace(&mut current, " ".repeat(indent)));
            fresh = true;
        }
    }
    lines.push(current);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_go_on_under_their_text_and_no_word_is_lost() {
        let lines = wrapped("+ 3.1 s  alert: acme.app is delegated to ns1.expired-parking.example", 30, 9);
        assert_eq!(
            lines,
            [
                "+ 3.1 s  alert: acme.app is",
                "         delegated to",
                "         ns1.expired-parking.e",
                "         xample"
            ]
        );
        assert!(wrapped("é".repeat(100).as_str(), 30, 5).iter().all(|line| line.chars().count() <= 30));
    }

    #[test]
    fn clocks_count_hours_and_minutes() {
        assert_eq!(clock(Duration::from_secs(9 * 3_600 + 17 * 60)), "+9:17");
    }
}
