//! `mainstay oncall`: who is on call at an instant, or over a span.

use crate::cli::moment::Moment;
use crate::cli::{Common, Failure, config, table};
use crate::clock;
use clap::Args;
use serde::Serialize;
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;
use types::config::Schedule;
use types::{ScheduleId, Time, time};

/// The longest span that is shown at once.
const SPAN_MAX: Duration = Duration::from_secs(5 * 366 * 86_400);

#[derive(Debug, Args)]
pub(crate) struct Oncall {
    /// At this instant instead of now. Without an offset it is read by the schedule's own clock: `2026-11-22T09:00`, `18:00`
    /// (today), `2026-11-22` (every shift of that day).
    #[arg(long, value_name = "TIME")]
    at: Option<Moment>,
    /// Every shift up to this instant, or to the end of this day.
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
    /// This schedule alone.
    #[arg(long)]
    schedule: Option<String>,
}

#[derive(Serialize)]
struct Turn {
    from: Time,
    to: Time,
    /// Nobody is on duty when it is empty.
    people: Vec<String>,
}

#[derive(Serialize)]
struct Answer {
    schedule: BTreeMap<String, Vec<Turn>>,
}

impl Oncall {
    pub(crate) fn run(&self, common: &Common) -> Result<ExitCode, Failure> {
        let config = config::read(&common.config, common.json)?;
        let mut answer = Answer { schedule: BTreeMap::new() };
        if let Some(name) = &self.schedule
            && !config.schedules.contains_key(&ScheduleId(name.clone()))
        {
            let known = config.schedules.keys().map(|id| id.0.as_str()).collect::<Vec<_>>().join(", ");
            return Err(Failure::wrong(format!("the configuration has no schedule `{name}`"))
                .hint(format!("it has: {known}")));
        }
        let now = clock::now();
        let mut rows = Vec::new();
        for schedule in config.schedules.values() {
            if self.schedule.as_ref().is_none_or(|name| *name == schedule.id.0) {
                let (from, to, is_span) = self.span(schedule, now)?;
                let turns = turns(schedule, from, to);
                rows.extend(turns.iter().map(|turn| row(schedule, turn, is_span)));
                answer.schedule.insert(schedule.id.0.clone(), turns);
            }
        }
        if common.json {
            table::json(&answer)?;
        } else if rows.is_empty() {
            table::say("the configuration has no schedule: everybody in it is woken");
        }
        if !common.json {
            table::rows(&rows).iter().for_each(|row| table::say(row));
        }
        Ok(ExitCode::SUCCESS)
    }

    /// From when to when this schedule is asked, by its own clock, and whether that is more than an instant.
    fn span(&self, schedule: &Schedule, now: Time) -> Result<(Time, Time, bool), Failure> {
        let from = self.at.as_ref().map_or(now, |at| at.begins(&schedule.timezone, now));
        let day = self.at.as_ref().filter(|at| at.is_day());
        let Some(until) = self.until.as_ref().or(day) else {
            return Ok((from, time::later(from, Duration::from_secs(1)), false));
        };
        let to = until.ends(&schedule.timezone, from);
        if to <= from {
            let shown = |at: Time| shown(schedule, at);
            let why = format!("the end, {}, is not after {}", shown(to), shown(from));
            return Err(Failure::wrong(why).hint("--at TIME says from when"));
        }
        if time::between(from, to) > SPAN_MAX {
            return Err(Failure::wrong("more than five years cannot be shown at once"));
        }
        Ok((from, to, true))
    }
}

/// Every shift of a span, and the hours between them in which nobody is on duty.
fn turns(schedule: &Schedule, from: Time, to: Time) -> Vec<Turn> {
    let mut turns = Vec::new();
    let mut at = from;
    let nobody = |from, to| Turn { from, to, people: Vec::new() };
    for shift in oncall::schedule::shifts(schedule, from, to) {
        if shift.from > at {
            turns.push(nobody(at, shift.from));
        }
        at = shift.to;
        let people = shift.people.into_iter().map(|id| id.0).collect();
        turns.push(Turn { from: shift.from, to: shift.to, people });
    }
    if at < to {
        turns.push(nobody(at, to));
    }
    turns
}

fn row(schedule: &Schedule, turn: &Turn, is_span: bool) -> [String; 3] {
    let when = match is_span {
        true => format!("{} - {}", shown(schedule, turn.from), shown(schedule, turn.to)),
        false => shown(schedule, turn.from),
    };
    let people = if turn.people.is_empty() { "nobody".to_owned() } else { turn.people.join(", ") };
    [schedule.id.0.clone(), when, people]
}

/// An instant by the schedule's clock, with the name of its zone.
fn shown(schedule: &Schedule, at: Time) -> String {
    at.to_zoned(schedule.timezone.clone()).strftime("%a %Y-%m-%d %H:%M %Z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::config::{Layer, Turn as Every};

    #[test]
    fn hours_of_nobody_are_turns_too() {
        let layer = |people: &[&str], start: &str, until: &str| Layer {
            people: people.iter().map(|name| (*name).into()).collect(),
            start: start.parse().unwrap(),
            rotation: Every::Days(1),
            until: Some(until.parse().unwrap()),
        };
        let layers = vec![
            layer(&["ana"], "2026-12-01T09:00", "2026-12-02T09:00"),
            layer(&["bo"], "2026-12-03T09:00", "2026-12-04T09:00"),
        ];
        let schedule = Schedule { id: "r".into(), timezone: jiff::tz::TimeZone::UTC, layers };
        let at = |text: &str| text.parse::<Time>().unwrap();
        let told: Vec<String> = turns(&schedule, at("2026-12-01T00:00:00Z"), at("2026-12-05T00:00:00Z"))
            .iter()
            .map(|turn| row(&schedule, turn, true).join(" "))
            .collect();
        assert_eq!(
            told,
            [
                "r Tue 2026-12-01 00:00 UTC - Tue 2026-12-01 09:00 UTC nobody",
                "r Tue 2026-12-01 09:00 UTC - Wed 2026-12-02 09:00 UTC ana",
                "r Wed 2026-12-02 09:00 UTC - Thu 2026-12-03 09:00 UTC nobody",
                "r Thu 2026-12-03 09:00 UTC - Fri 2026-12-04 09:00 UTC bo",
                "r Fri 2026-12-04 09:00 UTC - Sat 2026-12-05 00:00 UTC nobody",
            ]
        );
        assert_eq!(
            turns(&schedule, at("2027-01-01T00:00:00Z"), at("2027-01-01T00:00:01Z"))[0].people.len(),
            0
        );
    }
}
