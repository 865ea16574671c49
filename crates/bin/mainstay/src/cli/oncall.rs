//! `mainstay oncall`: people on call at an instant, or all shifts of a period.

use crate::app::clock;
use crate::cli::time_argument::TimeArgument;
use crate::cli::{Common, Failure, config, table};
use clap::Args;
use serde::Serialize;
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;
use types::config::Schedule;
use types::{ScheduleId, Time, time};

/// Longest period.
const PERIOD_MAX: Duration = Duration::from_secs(5 * 366 * 86_400);

#[derive(Debug, Args)]
pub(crate) struct Oncall {
    /// Instant; default: now. Without an offset it is in the schedule's timezone: `2026-11-22T09:00`, `18:00` (today),
    /// `2026-11-22` (every shift of that day).
    #[arg(long, value_name = "TIME")]
    at: Option<TimeArgument>,
    /// Show every shift up to this instant, or to the end of this day.
    #[arg(long, value_name = "TIME")]
    until: Option<TimeArgument>,
    /// Only this schedule.
    #[arg(long)]
    schedule: Option<String>,
}

#[derive(Serialize)]
struct Shift {
    from: Time,
    to: Time,
    /// Empty: no one is on duty.
    people: Vec<String>,
}

#[derive(Serialize)]
struct Answer {
    schedule: BTreeMap<String, Vec<Shift>>,
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
        let (mut rows, mut covered) = (Vec::new(), Covered::default());
        for schedule in config.schedules.values() {
            if self.schedule.as_ref().is_none_or(|name| *name == schedule.id.0) {
                let (from, to, is_period) = self.period(schedule, now)?;
                let shifts = shifts(schedule, from, to);
                covered.note(from, to, &shifts);
                rows.extend(shifts.iter().map(|shift| row(schedule, shift, is_period)));
                answer.schedule.insert(schedule.id.0.clone(), shifts);
            }
        }
        if common.json {
            table::json(&answer)?;
        } else if rows.is_empty() {
            table::say("the configuration has no schedule: every person in it is paged");
        }
        if !common.json {
            table::rows(&rows).iter().for_each(|row| table::say(row));
        }
        Ok(ExitCode::from(u8::from(!covered.holds_always())))
    }

    /// Start and end in the schedule's timezone, and whether they form a period rather than an instant.
    fn period(&self, schedule: &Schedule, now: Time) -> Result<(Time, Time, bool), Failure> {
        let from = self.at.as_ref().map_or(now, |at| at.start(&schedule.timezone, now));
        let day = self.at.as_ref().filter(|at| at.is_day());
        let Some(until) = self.until.as_ref().or(day) else {
            return Ok((from, time::later(from, Duration::from_secs(1)), false));
        };
        let to = until.end(&schedule.timezone, from);
        if to <= from {
            let shown = |at: Time| shown(schedule, at);
            let why = format!("the end, {}, is not after {}", shown(to), shown(from));
            return Err(Failure::wrong(why).hint("--at TIME sets the start"));
        }
        if time::between(from, to) > PERIOD_MAX {
            return Err(Failure::wrong("the period is longer than five years"));
        }
        Ok((from, to, true))
    }
}

/// When anybody is on call in any of several schedules.
#[derive(Default)]
struct Covered {
    /// What was asked about, which differs when local times of several timezones were.
    asked: Vec<(Time, Time)>,
    staffed: Vec<(Time, Time)>,
}

impl Covered {
    fn note(&mut self, from: Time, to: Time, shifts: &[Shift]) {
        self.asked.push((from, to));
        let staffed = shifts.iter().filter(|shift| !shift.people.is_empty());
        self.staffed.extend(staffed.map(|shift| (shift.from, shift.to)));
    }

    /// Whether there is no instant without anybody. It is so without schedules: every person is paged then.
    fn holds_always(mut self) -> bool {
        self.staffed.sort_unstable();
        self.asked.iter().all(|(from, to)| {
            let reached =
                self.staffed.iter().fold(*from, |at, (from, to)| if *from <= at { at.max(*to) } else { at });
            reached >= *to
        })
    }
}

/// All shifts of a period, and the gaps between them as shifts without people.
fn shifts(schedule: &Schedule, from: Time, to: Time) -> Vec<Shift> {
    let mut shifts = Vec::new();
    let mut at = from;
    let gap = |from, to| Shift { from, to, people: Vec::new() };
    for shift in oncall::schedule::shifts(schedule, from, to) {
        if shift.from > at {
            shifts.push(gap(at, shift.from));
        }
        at = shift.to;
        let people = shift.people.into_iter().map(|id| id.0).collect();
        shifts.push(Shift { from: shift.from, to: shift.to, people });
    }
    if at < to {
        shifts.push(gap(at, to));
    }
    shifts
}

fn row(schedule: &Schedule, shift: &Shift, is_period: bool) -> [String; 3] {
    let when = match is_period {
        true => format!("{} - {}", shown(schedule, shift.from), shown(schedule, shift.to)),
        false => shown(schedule, shift.from),
    };
    let people = if shift.people.is_empty() { "nobody".to_owned() } else { shift.people.join(", ") };
    [schedule.id.0.clone(), when, people]
}

/// An instant in the schedule's timezone, with its abbreviation.
fn shown(schedule: &Schedule, at: Time) -> String {
    at.to_zoned_datetime(schedule.timezone.clone()).strftime("%a %Y-%m-%d %H:%M %Z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::config::{Layer, Rotation};

    #[test]
    fn gaps_are_shifts_without_people() {
        let layer = |people: &[&str], start: &str, until: &str| Layer {
            people: people.iter().map(|name| vec![(*name).into()]).collect(),
            start: start.parse().unwrap(),
            rotation: Rotation::Days(1),
            restrictions: Vec::new(),
            until: Some(until.parse().unwrap()),
        };
        let layers = vec![
            layer(&["ana"], "2026-12-01T09:00", "2026-12-02T09:00"),
            layer(&["bo"], "2026-12-03T09:00", "2026-12-04T09:00"),
        ];
        let schedule = Schedule {
            id: "r".into(),
            timezone: jiff::tz::TimeZone::UTC,
            layers,
            overrides: Vec::new(),
            away: Default::default(),
        };
        let at = |text: &str| text.parse::<Time>().unwrap();
        let lines: Vec<String> = shifts(&schedule, at("2026-12-01T00:00:00Z"), at("2026-12-05T00:00:00Z"))
            .iter()
            .map(|shift| row(&schedule, shift, true).join(" "))
            .collect();
        assert_eq!(
            lines,
            [
                "r Tue 2026-12-01 00:00 UTC - Tue 2026-12-01 09:00 UTC nobody",
                "r Tue 2026-12-01 09:00 UTC - Wed 2026-12-02 09:00 UTC ana",
                "r Wed 2026-12-02 09:00 UTC - Thu 2026-12-03 09:00 UTC nobody",
                "r Thu 2026-12-03 09:00 UTC - Fri 2026-12-04 09:00 UTC bo",
                "r Fri 2026-12-04 09:00 UTC - Sat 2026-12-05 00:00 UTC nobody",
            ]
        );
        assert_eq!(
            shifts(&schedule, at("2027-01-01T00:00:00Z"), at("2027-01-01T00:00:01Z"))[0].people.len(),
            0
        );
    }
    #[test]
    fn schedules_cover_a_period_together() {
        let at = |hour: i64| Time::from_second(hour * 3_600).unwrap();
        let shift = |from, to, people: &[&str]| Shift {
            from: at(from),
            to: at(to),
            people: people.iter().map(|name| (*name).to_owned()).collect(),
        };
        for (shifts, expected, why) in [
            (vec![shift(0, 24, &["ana"])], true, "one schedule"),
            (vec![shift(0, 9, &[]), shift(9, 24, &["ana"])], false, "a gap at the begin"),
            (vec![shift(0, 9, &["ana"]), shift(9, 24, &[])], false, "a gap at the end"),
            (vec![shift(0, 9, &[]), shift(9, 24, &["ana"]), shift(0, 10, &["bo"])], true, "another fills it"),
            (vec![shift(10, 24, &["ana"]), shift(0, 9, &["bo"])], false, "an hour between them"),
        ] {
            let mut covered = Covered::default();
            covered.note(at(0), at(24), &shifts);
            assert_eq!(covered.holds_always(), expected, "{why}");
        }
        assert!(Covered::default().holds_always(), "without schedules every person is paged");
    }
}
