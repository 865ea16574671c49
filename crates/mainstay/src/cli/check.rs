//! `mainstay check`: is the plan sound, and does every finding reach a human at every hour of the next 12 months?

use crate::cli::{Common, Failure, plan, table};
use crate::clock;
use model::time;
use serde::Serialize;
use std::process::ExitCode;
use std::time::Duration;

/// Twelve months ahead.
const AHEAD: Duration = Duration::from_secs(365 * 86_400);

#[derive(Serialize)]
struct Answer {
    sound: bool,
    services: usize,
    probes: usize,
    warnings: Vec<String>,
    gaps: Vec<String>,
}

pub(crate) fn run(common: &Common) -> Result<ExitCode, Failure> {
    let config::Read { plan, warnings } = plan::read_with_warnings(&common.plan)?;
    let now = clock::now();
    let gaps: Vec<String> =
        wake::gaps(&plan, now, time::later(now, AHEAD)).iter().map(|gap| told(&plan, gap)).collect();
    let answer = Answer {
        sound: gaps.is_empty(),
        services: plan.services.len(),
        probes: plan.probes.len(),
        warnings: warnings.iter().map(ToString::to_string).collect(),
        gaps,
    };
    if common.json {
        table::json(&answer)?;
    } else {
        for warning in &answer.warnings {
            table::say(&format!("warning: {warning}"));
        }
        for gap in &answer.gaps {
            table::say(&format!("nobody to wake: {gap}"));
        }
        if answer.sound {
            table::say(&format!(
                "{} is sound: {} services, {} probes; somebody can be woken at every hour of the next 12 months",
                common.plan.display(),
                answer.services,
                answer.probes
            ));
        }
    }
    Ok(if answer.sound { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

/// A gap as a person reads it, in the zone of the site.
fn told(plan: &model::Plan, gap: &wake::Gap) -> String {
    let shown =
        |at: model::Time| at.to_zoned(plan.site.zone.clone()).strftime("%a %Y-%m-%d %H:%M").to_string();
    let whose = match &gap.service {
        Some(service) => format!("for service `{service}`"),
        None => format!("on ladder `{}`", gap.ladder),
    };
    format!("{whose} from {} to {}: {}", shown(gap.from), shown(gap.to), gap.why)
}
