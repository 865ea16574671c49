//! `mainstay drill NAME`: the world in this process, mainstay as a child of its own, the script between them.

use crate::cli::compare::{self, Course};
use crate::cli::world::{Child, Scene, Stage, runtime};
use crate::cli::{Common, Failure, table};
use clap::Args;
use drill::{Milestone, Score, Script, Step};
use jiff::Timestamp;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use testbed::surge::Behind;
use testbed::world::ExpiredName;
use testbed::{Surge, World};
use tokio::time::Instant;
use types::{Event, EventKind};

/// The drills that there are: name, script, story.
const DRILLS: [(&str, &str, &str); 2] = [
    (
        "expired-name",
        include_str!("../../../../../drills/expired-name.drill"),
        include_str!("../../../../../drills/expired-name.story"),
    ),
    (
        "surge",
        include_str!("../../../../../drills/surge.drill"),
        include_str!("../../../../../drills/surge.story"),
    ),
];

#[derive(Debug, Args)]
pub(crate) struct Drill {
    /// Which: `expired-name`, `surge`.
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
    /// Leave out the second part, in which the surge meets a plain round-robin proxy instead of mainstay.
    #[arg(long)]
    alone: bool,
}

/// What one run came to.
struct Ran {
    score: Score,
    missed: Vec<String>,
    story: Vec<String>,
    kills: u32,
    /// How it went for visitors, and how it went for them without mainstay, where that is compared.
    courses: Vec<Course>,
}

impl Drill {
    pub(crate) fn run(&self, common: &Common) -> Result<ExitCode, Failure> {
        let Some((name, script, story)) = DRILLS.into_iter().find(|(name, ..)| *name == self.name) else {
            let names = DRILLS.map(|(name, ..)| name).join(", ");
            return Err(Failure::wrong(format!("there is no drill `{}`", self.name))
                .hint(format!("there are: {names}")));
        };
        let script = Script::parse(script).map_err(|why| Failure::wrong(format!("drills/{name}: {why}")))?;
        let runtime = runtime()?;
        let mut well = true;
        for run in 1..=self.runs {
            if self.runs > 1 && !common.json {
                table::say(&format!("run {run} of {}", self.runs));
            }
            let run = Run { drill: self, script: &script, story, common, number: u64::from(run) };
            let ran = runtime.block_on(async {
                if name == "surge" { self.surge(&run).await } else { self.expired_name(&run).await }
            })?;
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
            "alert {}   cause {}   human asked {}   post {}   pages {}   false alerts {}",
            secs(score.alert_secs),
            secs(score.cause_secs),
            secs(score.human_secs),
            secs(score.post_secs),
            score.pages,
            score.false_alerts
        ));
        if let (Some(cause), Some(text)) = (&score.cause, &score.cause_text) {
            table::say(&table::wrapped(&format!("{cause}: {text}"), "  ", 80));
        }
        if score.surge_secs.is_some() {
            table::say(&format!(
                "surge named after {}; limits that fight named {} after its end",
                secs(score.surge_secs),
                secs(score.conflict_secs)
            ));
        }
        let caches = score.caches_secs.map(|after| format!("caches ran out after {after:.1} s, "));
        table::say(&format!(
            "{}all over after {}; in life it took {}",
            caches.unwrap_or_default(),
            secs(score.resolved_secs),
            score.reported_in_life.as_deref().unwrap_or("longer")
        ));
        compare::table(&ran.courses).iter().for_each(|line| table::say(line));
        if ran.kills > 0 {
            table::say(&format!("killed {} times and started again; the journal is whole", ran.kills));
        }
        ran.missed.iter().for_each(|missed| table::say(&format!("MISSED: {missed}")));
    }

    async fn expired_name(&self, run: &Run<'_>) -> Result<Ran, Failure> {
        let world = async |folder: &Path| World::expired_name(ExpiredName::in_folder(folder)).await;
        run.through(Stage::build(world).await?).await.map(|(ran, ..)| ran)
    }

    async fn surge(&self, run: &Run<'_>) -> Result<Ran, Failure> {
        let world = async |folder: &Path| Surge::start(folder, Behind::Mainstay).await;
        let (mut ran, stage, acts) = run.through(Stage::build(world).await?).await?;
        ran.courses.push(Course::of("mainstay", &stage.world));
        drop(stage);
        if !self.alone {
            if !run.common.json {
                table::say("once more, behind a plain proxy: the same visitors, the same flood");
            }
            let course = compare::without(&acts).await?;
            ran.score.without = Some(course.visitors);
            ran.courses.push(course);
        }
        Ok(ran)
    }
}

/// One run of a script.
struct Run<'a> {
    drill: &'a Drill,
    script: &'a Script,
    story: &'a str,
    common: &'a Common,
    number: u64,
}

/// What was done to the world, and how long after the fault; the end of the run last.
pub(crate) struct Acts {
    pub(crate) done: Vec<(Duration, drill::Act)>,
    pub(crate) end: Duration,
}

impl Run<'_> {
    /// Carries the script out. The world is handed back: it goes on until it is dropped.
    async fn through<S: Scene>(&self, stage: Stage<S>) -> Result<(Ran, Stage<S>, Acts), Failure> {
        let (script, common) = (self.script, self.common);
        let Drill { kills, seed, .. } = *self.drill;
        let child = Child::start(&stage).await?;
        let mut killer = Killer::new(child, kills, seed.wrapping_mul(1_000).wrapping_add(self.number));
        let mut fault_at: Option<Timestamp> = None;
        let mut began: Option<Instant> = None;
        let mut acts = Acts { done: Vec::new(), end: Duration::ZERO };
        for step in &script.steps {
            match step {
                Step::Act { at, act } => {
                    if let Some(at) = at {
                        let began = *began.get_or_insert_with(Instant::now);
                        killer.until(&stage, began + *at).await?;
                        acts.done.push((began.elapsed(), act.clone()));
                    }
                    if act.is_fault() && !common.json {
                        table::say(&format!("the fault: {}", stage.world.fault()));
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
                        let left = stage.world.caches_expired(Duration::from_millis(100));
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
                    let deadline = Instant::now() + *within + Duration::from_secs(u64::from(kills) * 3);
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
        acts.end = began.map_or(Duration::ZERO, |began| began.elapsed());
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
            missed.extend(drill::differences(self.story, &drill::story(&events)));
        } else {
            missed.extend(lost(&stage, &score, &events, kills));
        }
        let story = drill::timeline(script, fault_at, &events);
        Ok((Ran { story, score, missed, kills, courses: Vec::new() }, stage, acts))
    }
}

/// What must hold however often the process was killed: asked, answered, and no message more than once per kill.
fn lost<S: Scene>(stage: &Stage<S>, score: &Score, events: &[Event], kills: u32) -> Vec<String> {
    let mut missed = Vec::new();
    let told_ok = stage.world.phone().answers().iter().filter(|answer| answer.ok()).count();
    let written = events.iter().any(|event| matches!(event.kind, EventKind::IncidentAcknowledged { .. }));
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
    if score.false_alerts > 0 {
        missed.push(format!("{} alerts were not true", score.false_alerts));
    }
    missed
}

fn late<S>(stage: &Stage<S>, milestone: Milestone, within: Duration) -> Failure {
    let word = milestone.as_str();
    Failure::no(format!("`{word}` did not come within {}", types::time::spoken(within)))
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

    async fn turn<S>(&mut self, stage: &Stage<S>) -> Result<(), Failure> {
        if self.next.is_some_and(|at| at <= Instant::now()) {
            self.child.kill().await?;
            self.child = Child::start(stage).await?;
            self.kills += 1;
            self.left -= 1;
            self.next = (self.left > 0).then(|| self.soon());
        }
        Ok(())
    }

    async fn until<S>(&mut self, stage: &Stage<S>, at: Instant) -> Result<(), Failure> {
        while Instant::now() < at {
            self.turn(stage).await?;
            tokio::time::sleep_until((Instant::now() + Duration::from_millis(50)).min(at)).await;
        }
        Ok(())
    }
}
