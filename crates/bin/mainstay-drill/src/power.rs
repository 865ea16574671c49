//! What a drill does to mainstay itself, and asks of it, where its power is cut: kill and start, audit, subscribers,
//! maintenance.

use crate::child;
use crate::killer::Killer;
use crate::stage::{Fixture, Stage};
use drill::{Act, Observations};
use jiff::Timestamp;
use mainstay::Failure;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;

/// Longest wait for the criteria of an audit: probes have to see first what it needs.
const AUDIT: Duration = Duration::from_secs(30);
/// Pause between two audits.
const AGAIN: Duration = Duration::from_millis(500);

/// What was seen at that.
#[derive(Debug, Default)]
pub(crate) struct Power {
    audited: Vec<(String, bool)>,
    back_at: Option<Timestamp>,
}

impl Power {
    /// Performs the part of an act that concerns mainstay itself.
    ///
    /// # Errors
    /// When mainstay does not start, or refuses a command.
    pub(crate) async fn act<S: Fixture>(
        &mut self,
        stage: &Stage<S>,
        killer: &mut Killer,
        act: &Act,
    ) -> Result<(), Failure> {
        match act {
            Act::PowerCut => killer.take_down().await?,
            Act::PowerReturns => {
                killer.bring_up(stage).await?;
                self.back_at = Some(Timestamp::now());
            }
            Act::KillEdge => {
                killer.take_down().await?;
                killer.bring_up(stage).await?;
            }
            Act::Audit { criteria } => self.audited = audit(stage, criteria).await?,
            Act::Subscribe => subscribe(stage).await?,
            Act::AnnounceMaintenance { after, lasting } => announce(stage, *after, *lasting).await?,
            _ => {}
        }
        Ok(())
    }

    /// Adds it to the records of the fixture.
    pub(crate) fn add_to(self, observations: &mut Observations) {
        if let Some(power) = &mut observations.power {
            power.audited = self.audited;
            power.back_at = self.back_at;
        }
    }
}

/// The criteria, each with whether the audit names it.
async fn audit<S>(stage: &Stage<S>, criteria: &[String]) -> Result<Vec<(String, bool)>, Failure> {
    let deadline = Instant::now() + AUDIT;
    loop {
        let report = child::report(stage, &["audit", "--json"]).await?;
        let report: Value = serde_json::from_str(&report).unwrap_or_default();
        let named = report["findings"].as_array().into_iter().flatten();
        let named: BTreeSet<&str> = named.filter_map(|found| found["criterion"].as_str()).collect();
        let all = criteria.iter().map(|criterion| (criterion.clone(), named.contains(criterion.as_str())));
        let all: Vec<(String, bool)> = all.collect();
        if all.iter().all(|(_, named)| *named) || Instant::now() > deadline {
            return Ok(all);
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn subscribe<S: Fixture>(stage: &Stage<S>) -> Result<(), Failure> {
    for (url, component) in stage.fixture.subscriptions() {
        let add = ["subscriber", "add", "webhook", url.as_str(), "--by", "ana"];
        let component = component.map(|component| ["--component", component]);
        let args: Vec<&str> = add.into_iter().chain(component.into_iter().flatten()).collect();
        child::command(stage, &args).await?;
    }
    Ok(())
}

async fn announce<S>(stage: &Stage<S>, after: Duration, lasting: Duration) -> Result<(), Failure> {
    let from = types::time::later(Timestamp::now(), after).to_string();
    let lasting = format!("{}s", lasting.as_secs());
    let what = ["maintenance", "add", "The provider moves a network feed", "--service", "time"];
    let when = ["--from", from.as_str(), "--for", lasting.as_str()];
    let text = [
        "--text",
        "The time tracker cannot be reached for a while. Entries are kept in the browser.",
        "--by",
        "ana",
    ];
    let args: Vec<&str> = what.into_iter().chain(when).chain(text).collect();
    child::command(stage, &args).await.map(|_| ())
}
