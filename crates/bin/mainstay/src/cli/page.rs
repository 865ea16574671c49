//! `mainstay page test PERSON`: one test message over every way that the plan names for a person.

use crate::cli::{Common, Failure, plan, table};
use crate::{clock, keys::Keys};
use clap::Subcommand;
use notify::Notifier;
use types::effect::{Effect, EffectKey, Urgency};
use types::{Outcome, PersonId};
use std::process::ExitCode;

#[derive(Debug, Subcommand)]
pub(crate) enum Page {
    /// Send a test message over every channel of a person and say what each provider answered.
    Test {
        /// The person, as the plan names them.
        person: String,
    },
}

impl Page {
    pub(crate) fn run(&self, common: &Common) -> Result<ExitCode, Failure> {
        let Self::Test { person } = self;
        let plan = plan::read(&common.plan, common.json)?;
        let id = PersonId(person.clone());
        let known = || plan.people.keys().map(|id| id.0.as_str()).collect::<Vec<_>>().join(", ");
        let person = plan.people.get(&id).ok_or_else(|| {
            Failure::wrong(format!("the plan has no person `{id}`")).hint(format!("it has: {}", known()))
        })?;
        let keys = Keys::open(&plan.site.data).map_err(Failure::no)?;
        let courier = Notifier::new(&plan, keys.key).map_err(Failure::no)?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::no)?;
        let stamp = clock::now();
        let effect = |(n, reach): (usize, &types::effect::Reach)| Effect {
            key: EffectKey(format!("test/{id}/{n}/{stamp}")),
            page: None,
            incident: None,
            person: Some(id.clone()),
            reach: reach.clone(),
            urgency: Urgency::Page,
            title: format!("{}: test page", plan.site.name),
            body: format!(
                "Hello {}. This is a test: nothing is wrong, nothing needs an answer.",
                person.name
            ),
        };
        let effects: Vec<Effect> = person.reach.iter().enumerate().map(effect).collect();
        let outcomes: Vec<Outcome> = runtime.block_on(async { each(&courier, &effects).await });
        let all_well = outcomes.iter().all(|outcome| outcome.result.is_ok());
        if common.json {
            let shown = |(effect, outcome): (&Effect, &Outcome)| {
                let why = outcome.result.as_ref().err().map(|failure| failure.why.as_str());
                serde_json::json!({ "reach": effect.reach.to_string(), "accepted": why.is_none(), "why": why })
            };
            table::json(&effects.iter().zip(&outcomes).map(shown).collect::<Vec<_>>())?;
        } else {
            for (effect, outcome) in effects.iter().zip(&outcomes) {
                let said = match &outcome.result {
                    Ok(_) => "accepted by the provider; look whether it arrived".to_owned(),
                    Err(failure) => format!("failed: {}", failure.why),
                };
                table::say(&table::beside(&effect.reach.to_string(), 30, &said));
            }
        }
        Ok(if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// One after the other: a person's phone rings once at a time.
async fn each(courier: &Notifier, effects: &[Effect]) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for effect in effects {
        outcomes.push(courier.carry(effect).await);
    }
    outcomes
}
