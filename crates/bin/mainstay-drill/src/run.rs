//! One run of a script: fixture in this process, mainstay as a child process.

use crate::child::Child;
use crate::killer::Killer;
use crate::notes::Notes;
use crate::power::Power;
use crate::stage::{Fixture, Stage};
use drill::{Act, Milestone, Observations, Score, Script, Step};
use jiff::Timestamp;
use mainstay::{Failure, table};
use std::collections::BTreeSet;
use std::time::Duration;
use testbed::surge::Part;
use tokio::time::Instant;
use types::{Event, EventKind};

/// Input of a run.
pub(crate) struct Run<'a> {
    pub script: &'a Script,
    /// The golden story.
    pub story: &'a str,
    /// How often mainstay is killed.
    pub kills: u32,
    /// Seed of the times of the kills.
    pub seed: u64,
    /// Prints nothing.
    pub quiet: bool,
}

/// Result of a run.
pub(crate) struct RunResult {
    pub score: Score,
    /// Limits that were missed; empty when all were met.
    pub missed: Vec<String>,
    pub timeline: Vec<String>,
    pub kills: u32,
}

/// Visits of each part of a run, and the observations of its fixture.
pub(crate) type Seen = (Vec<Part>, Observations);

/// The acts that were performed, with the time since the first; and the time of the end of the run.
pub(crate) struct Acts {
    pub done: Vec<(Duration, Act)>,
    pub end: Duration,
}

impl Run<'_> {
    /// Runs the script. Returns its result, and what clients saw until mainstay was stopped.
    pub(crate) async fn execute<S: Fixture>(
        &self,
        stage: Stage<S>,
    ) -> Result<(RunResult, Seen, Acts), Failure> {
        let child = Child::start(&stage).await?;
        let mut progress = Progress {
            killer: Killer::new(child, self.kills, self.seed),
            fault_at: None,
            began: None,
            acts: Acts { done: Vec::new(), end: Duration::ZERO },
            missed: Vec::new(),
            notes: Notes::default(),
            power: Power::default(),
        };
        for step in &self.script.steps {
            match step {
                Step::Act { at, act } => self.act(&stage, &mut progress, *at, act).await?,
                Step::Wait { until, within } => {
                    let waited = match until.is_of_fixture() {
                        true => wait_for_fixture(&stage, &mut progress.killer, *until, *within).await,
                        false => self.wait_for(&stage, &mut progress, *until, *within).await,
                    };
                    match waited {
                        // The end is missed; what came before it is scored.
                        Err(_) if is_end(*until) && progress.fault_at.is_some() => {
                            let within = types::time::spoken(*within);
                            progress.missed.push(format!("`{until}` was not reached within {within}"));
                        }
                        waited => waited?,
                    }
                }
            }
        }
        let Progress { killer, fault_at, began, mut acts, missed, notes, power } = progress;
        acts.end = began.map_or(Duration::ZERO, |began| began.elapsed());
        let kills = killer.kills;
        // Before the end of mainstay, with which all connections of clients end.
        let parts = stage.fixture.parts();
        let mut observations = stage.fixture.observations();
        observations.judged = notes.effects(&stage).await?;
        power.add_to(&mut observations);
        killer.stop().await?;
        let fault_at = fault_at.ok_or_else(|| Failure::wrong("the script has no fault"))?;
        let mut result = self.evaluate(&stage, fault_at, &observations, kills)?;
        result.missed.extend(missed);
        Ok((result, (parts, observations), acts))
    }

    async fn act<S: Fixture>(
        &self,
        stage: &Stage<S>,
        progress: &mut Progress,
        at: Option<Duration>,
        act: &Act,
    ) -> Result<(), Failure> {
        if let Some(at) = at {
            let began = *progress.began.get_or_insert_with(Instant::now);
            progress.killer.wait_until(stage, began + at).await?;
            progress.acts.done.push((began.elapsed(), act.clone()));
        }
        if act.is_fault() && !self.quiet {
            table::say(&format!("fault: {}", stage.fixture.fault()));
        }
        // People say what they do when they begin. Before the fault there is no incident to say it in.
        if progress.fault_at.is_some()
            && let Some(note) = act.note()
            && !progress.notes.add(stage, &note).await?
        {
            progress.missed.push(format!("no incident was open for the note \"{note}\""));
        }
        if !self.quiet
            && let Some(present) = stage.fixture.present()
        {
            table::say(&format!("{act}: before it {present}"));
        }
        let when = stage.fixture.act(act).await.map_err(Failure::no)?;
        progress.power.act(stage, &mut progress.killer, act).await?;
        if act.is_fault() {
            progress.fault_at = Some(when);
            progress.killer.begin();
        }
        if act.changes_config() {
            stage.write_config()?;
        }
        Ok(())
    }

    async fn wait_for<S: Fixture>(
        &self,
        stage: &Stage<S>,
        progress: &mut Progress,
        milestone: Milestone,
        within: Duration,
    ) -> Result<(), Failure> {
        // The outage continues while a killed process starts again, so the deadline is extended.
        let deadline = Instant::now() + within + Duration::from_secs(u64::from(self.kills) * 3);
        while drill::reached(self.script, milestone, progress.fault_at, &stage.events()?).is_none() {
            progress.killer.poll(stage).await?;
            tokio::time::sleep(Duration::from_millis(50)).await;
            if Instant::now() > deadline {
                return Err(late(stage, milestone, within));
            }
        }
        Ok(())
    }

    /// Scores a run that has ended.
    fn evaluate<S: Fixture>(
        &self,
        stage: &Stage<S>,
        fault_at: Timestamp,
        observations: &Observations,
        kills: u32,
    ) -> Result<RunResult, Failure> {
        let verified = journal::verify(stage.journal())
            .map_err(|why| Failure::no(format!("the journal is damaged after the drill: {why}")))?;
        let events = stage.events()?;
        let mut missed = Vec::new();
        if verified.events != events.len() as u64 {
            missed.push(format!(
                "the journal holds {} events, {} can be read",
                verified.events,
                events.len()
            ));
        }
        let score = drill::score(self.script, fault_at, &events, observations);
        if kills == 0 {
            missed.extend(drill::judge(&score, &self.script.limits));
            missed.extend(drill::differences(self.story, &drill::story(&events)));
        } else {
            missed.extend(lost(stage, &score, &events, kills));
        }
        let timeline = drill::timeline(self.script, fault_at, &events);
        Ok(RunResult { score, missed, timeline, kills })
    }
}

/// State of a run.
struct Progress {
    killer: Killer,
    fault_at: Option<Timestamp>,
    /// Time of the first act with a time.
    began: Option<Instant>,
    acts: Acts,
    missed: Vec<String>,
    notes: Notes,
    power: Power,
}

async fn wait_for_fixture<S: Fixture>(
    stage: &Stage<S>,
    killer: &mut Killer,
    milestone: Milestone,
    within: Duration,
) -> Result<(), Failure> {
    let deadline = Instant::now() + within;
    while let Err(why) = stage.fixture.observed(milestone, Duration::from_millis(100)).await {
        killer.poll(stage).await?;
        if Instant::now() > deadline {
            return Err(late(stage, milestone, within).hint(why.to_string()));
        }
    }
    Ok(())
}

/// Whether a milestone is the end of an outage, which may be missed without making the run worthless.
fn is_end(milestone: Milestone) -> bool {
    matches!(milestone, Milestone::Resolved | Milestone::ClientsBack | Milestone::EffectsJudged)
}

/// Violations of what must hold with any number of kills: paged, acknowledged, at most one repeated notification per
/// kill.
fn lost<S: Fixture>(stage: &Stage<S>, score: &Score, events: &[Event], kills: u32) -> Vec<String> {
    let mut missed = Vec::new();
    let accepted = stage.fixture.phone().answers().iter().filter(|answer| answer.ok()).count();
    let written = events.iter().any(|event| matches!(event.kind, EventKind::IncidentAcknowledged { .. }));
    if accepted > 0 && !written {
        missed.push("an acknowledgement was accepted and is not in the journal".to_owned());
    }
    if events.iter().zip(1..).any(|(event, seq)| event.seq != seq) {
        missed.push("the journal has a gap".to_owned());
    }
    if score.human_secs.is_none() || score.answered_secs.is_none() {
        missed.push("the page was not delivered, or its acknowledgement was lost".to_owned());
    }
    let calls = stage.fixture.phone().calls();
    let keys: Vec<&str> = calls.iter().filter(|call| call.woke()).map(|call| call.key.as_str()).collect();
    let distinct: BTreeSet<&str> = keys.iter().copied().collect();
    let repeated = keys.len() - distinct.len();
    if repeated > kills as usize {
        missed.push(format!("{repeated} notifications were repeated after {kills} kills"));
    }
    if score.false_alerts > 0 {
        missed.push(format!("{} false alerts", score.false_alerts));
    }
    missed
}

fn late<S>(stage: &Stage<S>, milestone: Milestone, within: Duration) -> Failure {
    let name = milestone.as_str();
    Failure::no(format!("`{name}` was not reached within {}", types::time::spoken(within)))
        .hint(format!("log of mainstay:\n{}", stage.log_tail()))
}
