//! `mainstay oncall`: who is on call at an instant, or over a span.

use crate::cli::{Common, Failure, instant, plan, table};
use crate::clock;
use clap::Args;
use model::{RotaId, Time, time};
use serde::Serialize;
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

#[derive(Debug, Args)]
pub(crate) struct Oncall {
    /// At this instant instead of now.
    #[arg(long, value_parser = instant)]
    at: Option<Time>,
    /// Up to this instant: every shift on the way.
    #[arg(long, value_parser = instant)]
    until: Option<Time>,
    /// This rota alone.
    #[arg(long)]
    rota: Option<String>,
}

#[derive(Serialize)]
struct Turn {
    from: Time,
    to: Time,
    people: Vec<String>,
}

#[derive(Serialize)]
struct Answer {
    rota: BTreeMap<String, Vec<Turn>>,
}

impl Oncall {
    pub(crate) fn run(&self, common: &Common) -> Result<ExitCode, Failure> {
        let plan = plan::read(&common.plan, common.json)?;
        let from = self.at.unwrap_or_else(clock::now);
        let until = self.until.unwrap_or_else(|| time::later(from, Duration::from_secs(1)));
        let mut answer = Answer { rota: BTreeMap::new() };
        if let Some(name) = &self.rota
            && !plan.rotas.contains_key(&RotaId(name.clone()))
        {
            let known = plan.rotas.keys().map(|id| id.0.as_str()).collect::<Vec<_>>().join(", ");
            return Err(
                Failure::wrong(format!("the plan has no rota `{name}`")).hint(format!("it has: {known}"))
            );
        }
        for rota in plan.rotas.values() {
            if self.rota.as_ref().is_none_or(|name| *name == rota.id.0) {
                let turns = wake::rota::shifts(rota, from, until).into_iter().map(|shift| Turn {
                    from: shift.from,
                    to: shift.to,
                    people: shift.people.into_iter().map(|id| id.0).collect(),
                });
                answer.rota.insert(rota.id.0.clone(), turns.collect());
            }
        }
        if common.json {
            table::json(&answer)?;
            return Ok(ExitCode::SUCCESS);
        }
        for (rota, turns) in &answer.rota {
            for turn in turns {
                let zone = &plan.site.zone;
                let shown = |at: Time| at.to_zoned(zone.clone()).strftime("%a %Y-%m-%d %H:%M %Z").to_string();
                let people =
                    if turn.people.is_empty() { "nobody".to_owned() } else { turn.people.join(", ") };
                let span = match self.until {
                    Some(_) => format!("{} - {}", shown(turn.from), shown(turn.to)),
                    None => shown(from),
                };
                table::say(&format!("{} {} {people}", table::cell(rota, 14), table::cell(&span, 50)));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
