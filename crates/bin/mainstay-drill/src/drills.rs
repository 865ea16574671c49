//! The drills and their report.

use crate::comparison::{self, Outcome};
use crate::run::{Run, RunResult};
use crate::stage::{Fixture, Stage, runtime};
use crate::{pool_report, power_report};
use clap::Args;
use drill::Script;
use drill::score::{Score, Served};
use mainstay::{Failure, table};
use serde::Serialize;
use std::path::Path;
use std::process::ExitCode;
use testbed::expired_name::Settings;
use testbed::surge::Proxy;
use testbed::{ExpiredName, PowerCut, ShrinkingPool, Surge, TestbedError};

/// A drill: name, script and golden story.
struct Source {
    name: &'static str,
    script: &'static str,
    story: &'static str,
}

const EXPIRED_NAME: Source = Source {
    name: "expired-name",
    script: include_str!("../../../../drills/expired-name.drill"),
    story: include_str!("../../../../drills/expired-name.story"),
};

const SURGE: Source = Source {
    name: "surge",
    script: include_str!("../../../../drills/surge.drill"),
    story: include_str!("../../../../drills/surge.story"),
};

const SHRINKING_POOL: Source = Source {
    name: "shrinking-pool",
    script: include_str!("../../../../drills/shrinking-pool.drill"),
    story: include_str!("../../../../drills/shrinking-pool.story"),
};

const POWER_CUT: Source = Source {
    name: "power-cut",
    script: include_str!("../../../../drills/power-cut.drill"),
    story: include_str!("../../../../drills/power-cut.story"),
};

/// Options of every drill.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Number of runs; each must meet its limits.
    #[arg(long, default_value_t = 1, value_name = "N")]
    runs: u32,
    /// Kill mainstay N times at random times of each run and start it again. Then time limits do not apply; that
    /// nothing is lost does.
    #[arg(long, default_value_t = 0, value_name = "N")]
    kills: u32,
    /// Seed of the random times.
    #[arg(long, default_value_t = 1, value_name = "SEED")]
    seed: u64,
    /// Print the score without the timeline.
    #[arg(long)]
    brief: bool,
}

/// Runs the drill `expired-name`.
pub(crate) fn expired_name(options: &Options, json: bool) -> Result<ExitCode, Failure> {
    repeat(&EXPIRED_NAME, options, json, async |run| {
        let start = async |folder: &Path| ExpiredName::start(Settings::in_folder(folder)).await;
        let (result, ..) = run.execute(Stage::build(start).await?).await?;
        Ok((result, Vec::new()))
    })
}

/// Runs the drill `power-cut`.
pub(crate) fn power_cut(options: &Options, json: bool) -> Result<ExitCode, Failure> {
    repeat(&POWER_CUT, options, json, async |run| {
        let start = async |folder: &Path| PowerCut::start(folder).await;
        let (result, ..) = run.execute(Stage::build(start).await?).await?;
        Ok((result, Vec::new()))
    })
}

/// Runs the drill `surge`; unless `alone`, a second time behind a plain proxy.
pub(crate) fn surge(options: &Options, json: bool, alone: bool) -> Result<ExitCode, Failure> {
    repeat(&SURGE, options, json, async |run| compare(run, alone, Surge::start).await)
}

/// Runs the drill `shrinking-pool` with a number of WebSocket clients; unless `alone`, a second time behind a plain proxy.
pub(crate) fn shrinking_pool(
    options: &Options,
    json: bool,
    alone: bool,
    clients: usize,
) -> Result<ExitCode, Failure> {
    let start = async |folder: &Path, proxy| ShrinkingPool::start(folder, proxy, clients).await;
    repeat(&SHRINKING_POOL, options, json, async |run| compare(run, alone, start).await)
}

/// Runs a script with mainstay and, unless `alone`, its acts again behind a plain proxy.
async fn compare<S: Fixture>(
    run: &Run<'_>,
    alone: bool,
    start: impl AsyncFn(&Path, Proxy) -> Result<S, TestbedError>,
) -> Result<(RunResult, Vec<Outcome>), Failure> {
    let stage = Stage::build(async |folder: &Path| start(folder, Proxy::Mainstay).await).await?;
    let (mut result, seen, acts) = run.execute(stage).await?;
    let mut outcomes = vec![Outcome::new("mainstay", seen)];
    if !alone {
        if !run.quiet {
            table::say("the same clients and the same acts, behind a plain proxy");
        }
        let start = async |folder: &Path| start(folder, Proxy::Plain).await;
        let outcome = comparison::run_without(start, &acts, run.quiet).await?;
        result.score.without_mainstay = Some(outcome.clients);
        if let Some(pool) = &mut result.score.pool {
            pool.without_mainstay = outcome.pool();
        }
        outcomes.push(outcome);
    }
    Ok((result, outcomes))
}

fn repeat(
    source: &Source,
    options: &Options,
    json: bool,
    execute: impl AsyncFn(&Run<'_>) -> Result<(RunResult, Vec<Outcome>), Failure>,
) -> Result<ExitCode, Failure> {
    let script = Script::parse(source.script)
        .map_err(|why| Failure::wrong(format!("drills/{}: {why}", source.name)))?;
    let runtime = runtime()?;
    let mut all_met = true;
    for number in 1..=options.runs {
        if options.runs > 1 && !json {
            table::say(&format!("run {number} of {}", options.runs));
        }
        let run = Run {
            script: &script,
            story: source.story,
            kills: options.kills,
            seed: options.seed.wrapping_mul(1_000).wrapping_add(u64::from(number)),
            quiet: json,
        };
        let (result, outcomes) = runtime.block_on(execute(&run))?;
        all_met &= result.missed.is_empty();
        if json {
            table::json(&Printed { score: &result.score, missed: &result.missed })?;
        } else {
            report(&result, &outcomes, options.brief);
        }
    }
    Ok(if all_met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A run as `--json` prints it.
#[derive(Serialize)]
struct Printed<'a> {
    #[serde(flatten)]
    score: &'a Score,
    /// The limits that were missed; empty when all were met.
    missed: &'a [String],
}

fn report(result: &RunResult, outcomes: &[Outcome], brief: bool) {
    if !brief {
        result.timeline.iter().for_each(|line| table::say(line));
        table::say("");
    }
    let secs = |secs: Option<f64>| secs.map_or_else(|| "never".to_owned(), |secs| format!("{secs:.1} s"));
    let score = &result.score;
    table::say(&format!(
        "alert {}   cause {}   page {}   update {}   pages {}   false alerts {}",
        secs(score.alert_secs),
        secs(score.cause_secs),
        secs(score.human_secs),
        secs(score.update_secs),
        score.pages,
        score.false_alerts
    ));
    if let (Some(cause), Some(text)) = (&score.cause, &score.cause_text) {
        table::say(&table::wrapped(&format!("{cause}: {text}"), "  ", 80));
    }
    if score.surge_secs.is_some() && score.pool.is_none() {
        table::say(&format!(
            "surge named after {}; conflicting limits named {} after its end",
            secs(score.surge_secs),
            secs(score.conflict_secs)
        ));
    }
    if let Some(pool) = &score.pool {
        pool_report::lines(pool).iter().for_each(|line| table::say(line));
    }
    if let Some(power) = &score.power {
        power_report::lines(power).iter().for_each(|line| table::say(line));
    }
    if let Some(management) = &score.management {
        let Served { asked, served } = management.configuration;
        table::say(&format!(
            "crash loop of the {} management proxies named {} after the third restart of one ({} restarts in all)",
            management.proxies,
            secs(management.crash_loop_secs),
            management.restarts
        ));
        table::say(&format!(
            "sign-in configuration, while its source was down: {} of {} fetches answered with the right content",
            served.unwrap_or(0),
            asked.unwrap_or(0)
        ));
    }
    let caches = score.caches_secs.map(|after| format!("caches expired after {after:.1} s, "));
    table::say(&format!(
        "{}resolved after {}; the reported outage took {}",
        caches.unwrap_or_default(),
        secs(score.resolved_secs),
        score.reported_in_life.as_deref().unwrap_or("longer")
    ));
    comparison::table(outcomes).iter().for_each(|line| table::say(line));
    if result.kills > 0 {
        table::say(&format!("killed and restarted {} times; the journal is complete", result.kills));
    }
    result.missed.iter().for_each(|missed| table::say(&format!("MISSED: {missed}")));
}
