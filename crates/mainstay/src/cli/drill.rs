//! `mainstay drill NAME`: the world in this process, mainstay as a child of its own, the script between them.

use crate::cli::world::{Child, Stage, runtime};
use crate::cli::{Common, Failure, table};
use clap::Args;
use drill::{Milestone, Score, Script, Step};
use jiff::Timestamp;
use lab::World;
use lab::world::ExpiredName;
use model::{Event, Happened};
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::Instant;

const EXPIRED_NAME: &str = include_str!("../../../../drills/expired-name.drill");
const EXPIRED_NAME_STORY: &str = include_str!("../../../../drills/expired-name.story");

#[derive(Debug, Args)]
pub(crate) struct Drill {
    /// Which: `expired-name`.
    name: String,
    /// How often; every run must reach its limits.
    #[arg(long, default_value_t = 1, value_name = "N")]
    runs: u32,
    /// Kill mainstay this often at random moments of each run, and start it again each time. The limits of time do not
    /// hold then; that nothing is lost does.
    #[arg(long, default_value_t = 0, value_name = "N")]
    kills: u32,
    /// Which random moments.
    #[arg(long, default_value_t = 1, value_name = "SEED")]
    seed: u64,
    /// The score without the story.
    #[arg(long)]
    brief: bool,
}

/// What one run came to.
struct Ran {
    score: Score,
    missed: Vec<String>,
    story: Vec<String>,
    kills: u32,
}

impl Drill {
    pub(crate) fn run(&self, common: &Common) -> Result<ExitCode, Failure> {
        if self.name != "expired-name" {
            return Err(
                Failure::wrong(format!("there is no drill `{}`", self.name)).hint("there is: expired-name")
            );
        }
        let script = Script::parse(EXPIRED_NAME)
            .map_err(|why| Failure::wrong(format!("drills/expired-name: {why}")))?;
        let runtime = runtime()?;
        let mut well = true;
        for run in 1..=self.runs {
            if self.runs > 1 && !common.json {
                table::say(&format!("run {run} of {}", self.runs));
            }
            let ran = runtime.block_on(self.once(&script, common, u64::from(run)))?;
            well &= ran.missed.is_empty();
            if common.json {
                table::json(&ran.score)?;
            } else {
                self.tell(&ran);
            }
        }
        Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn tell(&self, ran: &Ran) {
        if !self.brief {
            ran.story.iter().for_each(|line| table::say(line));
            table::say("");
        }
        let secs = |secs: Option<f64>| secs.map_or_else(|| "never".to_owned(), |secs| format!("{secs:.1} s"));
        let score = &ran.score;
        table::say(&format!(
            "finding {}   cause {}   human asked {}   post {}   pages {}   false findings {}",
            secs(score.finding_secs),
            secs(score.cause_secs),
            secs(score.human_secs),
            secs(score.post_secs),
            score.pages,
            score.false_findings
        ));
        if let (Some(cause), Some(text)) = (&score.cause, &score.cause_text) {
            table::say(&table::wrapped(&format!("{cause}: {text}"), "  ", 80));
        }
        table::say(&format!(
            "caches ran out after {}, all over after {}; in life it took {}",
            secs(score.caches_secs),
            secs(score.resolved_secs),
            score.reported_in_life.as_deref().unwrap_or("longer")
        ));
        if ran.kills > 0 {
            table::say(&format!("killed {} times and started again; the journal is whole", ran.kills));
        }
        ran.missed.iter().for_each(|missed| table::say(&format!("MISSED: {missed}")));
    }

    async fn once(&self, script: &Script, common: &Common, run: u64) -> Result<Ran, Failure> {
        let stage = Stage::build(|folder| ExpiredName::in_folder(folder)).await?;
        let child = Child::start(&stage).await?;
        let mut killer = Killer::new(child, self.kills, self.seed.wrapping_mul(1_000).wrapping_add(run));
        let mut fault_at: Option<Timestamp> = None;
        let began = Instant::now();
        for step in &script.steps {
            match step {
                Step::Act { at, act } => {
                    if let Some(at) = at {
                        killer.until(&stage, began + *at).await?;
                    }
                    if act.is_fault() && !common.json {
                        table::say(
                            "the fault: the registration lapses, the parent zone names the parking servers",
                        );
                    }
                    let when = stage.world.act(act).await.map_err(Failure::no)?;
                    if act.is_fault() {
                        fault_at = Some(when);
                        killer.begin();
                    }
                }
                Step::Wait { until: Milestone::CachesExpired, within } => {
                    let deadline = Instant::now() + *within;
                    loop {
                        let left = World::caches_expired(&stage.world, Duration::from_millis(100));
                        if left.await.is_ok() {
                            break;
                        }
                        killer.turn(&stage).await?;
                        if Instant::now() > deadline {
                            return Err(late(&stage, Milestone::CachesExpired, *within));
                        }
                    }
                }
                Step::Wait { until, within } => {
                    // Every start of a killed process takes its time: the outage waits for it, and so do we.
                    let deadline = Instant::now() + *within + Duration::from_secs(u64::from(self.kills) * 3);
                    while drill::reached(script, *until, fault_at, &stage.events()?).is_none() {
                        killer.turn(&stage).await?;
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        if Instant::now() > deadline {
                            return Err(late(&stage, *until, *within));
                        }
                    }
                }
            }
        }
        let kills = killer.kills;
        killer.child.stop().await?;
        let fault_at = fault_at.ok_or_else(|| Failure::wrong("the script has no fault"))?;
        let verified = journal::verify(stage.journal())
            .map_err(|why| Failure::no(format!("the journal is not whole after the drill: {why}")))?;
        let events = stage.events()?;
        let mut missed = Vec::new();
        if verified.events != events.len() as u64 {
            missed.push(format!(
                "the journal holds {} events, {} can be read",
                verified.events,
                events.len()
            ));
        }
        let witness = stage.world.witness();
        let score = drill::score(script, fault_at, &events, &witness);
        if kills == 0 {
            missed.extend(drill::judge(&score, &script.limits));
            missed.extend(drill::differences(EXPIRED_NAME_STORY, &drill::story(&events)));
        } else {
            missed.extend(lost(&stage, &score, &events, kills));
        }
        Ok(Ran { story: drill::timeline(script, fault_at, &events), score, missed, kills })
    }
}

/// What must hold however often the process was killed: asked, answered, and no message more than once per kill.
fn lost(stage: &Stage, score: &Score, events: &[Event], kills: u32) -> Vec<String> {
    let mut missed = Vec::new();
    let told_ok = stage.world.phone().answers().iter().filter(|answer| answer.ok()).count();
    let written = events.iter().any(|event| matches!(event.happened, Happened::IncidentAcknowledged { .. }));
    if told_ok > 0 && !written {
        missed.push("an acknowledgement was accepted and is not in the journal".to_owned());
    }
    if events.iter().zip(1..).any(|(event, seq)| event.seq != seq) {
        missed.push("the journal has a gap".to_owned());
    }
    if score.human_secs.is_none() || score.answered_secs.is_none() {
        missed.push("the page never arrived, or its answer was lost".to_owned());
    }
    let calls = stage.world.phone().calls();
    let woke: Vec<&str> = calls.iter().filter(|call| call.woke()).map(|call| call.key.as_str()).collect();
    let different: std::collections::BTreeSet<&str> = woke.iter().copied().collect();
    let twice = woke.len() - different.len();
    if twice > kills as usize {
        missed.push(format!("{twice} messages came twice after {kills} kills"));
    }
    if score.false_findings > 0 {
        missed.push(format!("{} findings were not true", score.false_findings));
    }
    missed
}

fn late(stage: &Stage, milestone: Milestone, within: Duration) -> Failure {
    let word = milestone.word();
    Failure::no(format!("`{word}` did not come within {}", model::time::spoken(within)))
        .hint(format!("what mainstay said:\n{}", stage.last_words()))
}

/// Ends the process at random moments and starts it again.
struct Killer {
    child: Child,
    left: u32,
    kills: u32,
    chance: fastrand::Rng,
    next: Option<Instant>,
}

impl Killer {
    fn new(child: Child, kills: u32, seed: u64) -> Self {
        Self { child, left: kills, kills: 0, chance: fastrand::Rng::with_seed(seed), next: None }
    }

    /// From the fault on.
    fn begin(&mut self) {
        self.next = (self.left > 0).then(|| self.soon());
    }

    fn soon(&mut self) -> Instant {
        Instant::now() + Duration::from_millis(self.chance.u64(100..6_000))
    }

    async fn turn(&mut self, stage: &Stage) -> Result<(), Failure> {
        if self.next.is_some_and(|at| at <= Instant::now()) {
            self.child.kill().await?;
            self.child = Child::start(stage).await?;
            self.kills += 1;
            self.left -= 1;
            self.next = (self.left > 0).then(|| self.soon());
        }
        Ok(())
    }

    async fn until(&mut self, stage: &Stage, at: Instant) -> Result<(), Failure> {
        while Instant::now() < at {
            self.turn(stage).await?;
            tokio::time::sleep_until((Instant::now() + Duration::from_millis(50)).min(at)).await;
        }
        Ok(())
    }
}
