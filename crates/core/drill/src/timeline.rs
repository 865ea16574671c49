//! Timeline of a run, beside the timeline of the reported outage.

use crate::script::Script;
use std::collections::BTreeMap;
use std::time::Duration;
use text::wrap::{self, LongWord};
use types::incident::Stage;
use types::{Event, EventKind, IncidentId, Resource, Time};

/// Width of the table, which fits the narrowest supported terminal.
const WIDTH: usize = 80;
const RIGHT: usize = 25;
const LEFT: usize = WIDTH - RIGHT - 3;
/// Width of `+ 123.4 s  `, the indentation of wrapped lines.
const INDENT: usize = 11;

/// The lines of a two-column table of 80 characters: this run, and the reported outage.
///
/// The columns have different scales: seconds on the left, hours and minutes on the right.
#[must_use]
pub fn timeline(script: &Script, fault_at: Time, events: &[Event]) -> Vec<String> {
    let left: Vec<String> =
        self::lines(fault_at, events).iter().flat_map(|line| wrapped(line, LEFT, INDENT)).collect();
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

/// One line per event that matters to people, not wrapped: `+   3.1 s  alert: acme.app is delegated to …`.
#[must_use]
pub fn lines(fault_at: Time, events: &[Event]) -> Vec<String> {
    let mut lines: Vec<(Time, Line, usize)> = Vec::new();
    let mut transcript = Transcript::default();
    for event in events {
        let Some(line) = transcript.line(&event.kind) else { continue };
        match lines.last_mut() {
            // Many resources with the same fault are one line with a count.
            Some((_, before, more)) if line.group.is_some() && before.group == line.group => *more += 1,
            _ => lines.push((event.at, line, 0)),
        }
    }
    lines
        .into_iter()
        .map(|(at, line, more)| {
            let more = if more == 0 { String::new() } else { format!(" (and {more} more)") };
            format!("{}  {}{more}", since(fault_at, at), line.text)
        })
        .collect()
}

struct Line {
    text: String,
    /// Consecutive lines of one group are printed as one, with a count.
    group: Option<String>,
}

/// Earlier alerts and diagnoses, so that only changes are printed.
#[derive(Default)]
struct Transcript {
    abouts: BTreeMap<u64, Resource>,
    diagnoses: BTreeMap<IncidentId, (Resource, Stage)>,
}

impl Transcript {
    fn line(&mut self, kind: &EventKind) -> Option<Line> {
        let alone = |text: String| Some(Line { text, group: None });
        let grouped = |text: String, group: String| Some(Line { text, group: Some(group) });
        match kind {
            EventKind::Booted { unmonitored_since } => alone(match unmonitored_since {
                Some(_) => "mainstay restarts".to_owned(),
                None => "mainstay starts".to_owned(),
            }),
            EventKind::AlertOpened { alert } => {
                self.abouts.insert(alert.id.0, alert.about.clone());
                let text = format!("alert: {} {}", alert.about.name, alert.fault);
                grouped(text, format!("opened {:?} {}", alert.about.kind, alert.fault.as_str()))
            }
            EventKind::AlertClosed { alert } => {
                let about = self.abouts.get(&alert.0).map_or("something", |resource| resource.name.as_str());
                grouped(format!("{about} has recovered"), "closed".to_owned())
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
                    Stage::Recovering => format!("{incident}: the cause is fixed, its effects recover"),
                    Stage::Investigating | Stage::Failing => format!("{incident}: {}", diagnosis.summary),
                })
            }
            EventKind::IncidentMerged { incident, into } => {
                alone(format!("{incident} is merged into {into}"))
            }
            EventKind::IncidentResolved { incident, summary, .. } => {
                alone(format!("{incident} is resolved: {summary}"))
            }
            EventKind::IncidentAcknowledged { by, .. } => alone(format!("{by} acknowledges ({})", by.via)),
            other => stateless_line(other),
        }
    }
}

/// Lines of events that need no earlier ones: pages, updates, states, denials.
fn stateless_line(kind: &EventKind) -> Option<Line> {
    let alone = |text: String| Some(Line { text, group: None });
    match kind {
        EventKind::AcknowledgementExpired { incident } => {
            alone(format!("the acknowledgement of {incident} expires"))
        }
        EventKind::AcknowledgementWithdrawn { incident, .. } => {
            alone(format!("the last acknowledgement of {incident} could not be recorded"))
        }
        EventKind::PageEscalated { .. }
        | EventKind::PageHeld { .. }
        | EventKind::PageResumed { .. }
        | EventKind::SilenceSet { .. }
        | EventKind::SilenceExpired { .. }
        | EventKind::PhoneUnreached { .. } => alone(kind.to_string()),
        EventKind::IncidentNoted { by, text, .. } => alone(format!("{by}: {text}")),
        EventKind::PageStep { people, step, .. } => {
            let people: Vec<&str> = people.iter().map(|person| person.0.as_str()).collect();
            alone(format!("step {}: pages {}", step + 1, people.join(", ")))
        }
        EventKind::AttemptEnded { page: Some(_), person, contact, delivery } => {
            let whom = person.as_ref().map_or("the fallback", |person| person.0.as_str());
            alone(match &delivery.result {
                Ok(_) => format!("{whom} is paged over {}", contact.channel),
                Err(undelivered) => format!("{whom}: {} failed: {}", contact.channel, undelivered.why),
            })
        }
        EventKind::UpdateDrafted { status, title, body, .. } => {
            alone(format!("draft: {} - {title}: {body}", status.title()))
        }
        EventKind::UpdatePublished { status, title, body, .. } => {
            alone(format!("update: {} - {title}: {body}", status.title()))
        }
        EventKind::ServiceStateChanged { service, state } => {
            let text = format!("status page: {}: {}", service, state.title());
            Some(Line { text, group: Some(format!("state {}", state.title())) })
        }
        EventKind::TrafficDenied { .. }
        | EventKind::DenialLifted { .. }
        | EventKind::ChangeRecorded { .. }
        | EventKind::EffectJudged { .. }
        | EventKind::CausesRanked { .. }
        | EventKind::LoadTested { .. }
        | EventKind::BackupRestored { .. }
        | EventKind::HeartbeatPinged { .. }
        | EventKind::TestPageAnswered { .. }
        | EventKind::MaintenanceScheduled { .. }
        | EventKind::MaintenanceStarted { .. }
        | EventKind::MaintenanceOverran { .. }
        | EventKind::MaintenanceEnded { .. }
        | EventKind::ValveSet { .. }
        | EventKind::ValveMoved { .. } => line_of_change(kind),
        EventKind::Booted { .. }
        | EventKind::MaintenanceNoticeQueued { .. }
        | EventKind::CriterionChanged { .. }
        | EventKind::HeartbeatDeclared { .. }
        | EventKind::HeartbeatRemoved { .. }
        | EventKind::AlertOpened { .. }
        | EventKind::AlertClosed { .. }
        | EventKind::IncidentOpened { .. }
        | EventKind::IncidentDiagnosed { .. }
        | EventKind::IncidentMerged { .. }
        | EventKind::IncidentResolved { .. }
        | EventKind::IncidentAcknowledged { .. }
        | EventKind::ConfigAdopted { .. }
        | EventKind::TrafficLearned { .. }
        | EventKind::AlertChanged { .. }
        | EventKind::DelegationLearned { .. }
        | EventKind::BaselineLearned { .. }
        | EventKind::RegistrationLearned { .. }
        | EventKind::PageOpened { .. }
        | EventKind::PageClosed { .. }
        | EventKind::NoticeQueued { .. }
        | EventKind::TeamNoticeQueued { .. }
        | EventKind::AttemptEnded { page: None, .. }
        | EventKind::AttemptsAbandoned { .. }
        | EventKind::ClockAnchored { .. }
        | EventKind::ClockJumped { .. }
        | EventKind::ClockSet { .. }
        | EventKind::Unmonitored { .. }
        | EventKind::PrimaryLearned { .. }
        | EventKind::PoolPeakLearned { .. } => None,
    }
}

/// Lines of what people and mainstay did to the system; `None` for everything else.
fn line_of_change(kind: &EventKind) -> Option<Line> {
    let alone = |text: String| Some(Line { text, group: None });
    match kind {
        EventKind::TrafficDenied { denial, .. } => {
            alone(format!("{} denies {} until {}", denial.by, denial.what, denial.until))
        }
        EventKind::DenialLifted { denial, by } => alone(match by {
            Some(by) => format!("{by} lifts {denial}"),
            None => format!("{denial} expires"),
        }),
        EventKind::ChangeRecorded { change, by } => alone(format!("{by} reports: {}", change.name())),
        EventKind::EffectJudged { .. }
        | EventKind::CausesRanked { .. }
        | EventKind::LoadTested { .. }
        | EventKind::MaintenanceScheduled { .. }
        | EventKind::MaintenanceStarted { .. }
        | EventKind::MaintenanceOverran { .. }
        | EventKind::MaintenanceEnded { .. }
        | EventKind::BackupRestored { .. }
        | EventKind::HeartbeatPinged { .. } => alone(kind.to_string()),
        EventKind::ValveSet { valve, .. } => alone(format!("{} sets {} to {valve}", valve.by, valve.service)),
        EventKind::ValveMoved { service, percent, why } => {
            alone(format!("{service} moves to valve {percent} % ({why})"))
        }
        _ => None,
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

/// Wraps a line at spaces, with indentation. A word longer than the line is broken.
fn wrapped(line: &str, width: usize, indent: usize) -> Vec<String> {
    // The head of the line, its time, keeps its spaces.
    let at = line.char_indices().nth(indent).map_or(line.len(), |(at, _)| at);
    let (head, rest) = line.split_at(at);
    wrap::wrapped(rest, head, &" ".repeat(indent), width, LongWord::Cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapped_lines_are_indented_and_keep_every_word() {
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
    fn clock_shows_hours_and_minutes() {
        assert_eq!(clock(Duration::from_secs(9 * 3_600 + 17 * 60)), "+9:17");
    }
}
