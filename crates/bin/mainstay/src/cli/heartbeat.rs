//! `mainstay heartbeat`: jobs that report, and what they said last.

use crate::cli::running::Running;
use crate::cli::timezone::{display_time, timezone_of};
use crate::cli::{Common, Failure, table};
use clap::Subcommand;
use jiff::tz::TimeZone;
use serde_json::Value;
use std::process::ExitCode;

#[derive(Debug, Subcommand)]
pub(crate) enum Heartbeat {
    /// List all jobs with their state. Exit code 1: one is late, has failed or takes too long.
    List,
}

impl Heartbeat {
    pub(crate) fn run(&self, common: &Common) -> Result<ExitCode, Failure> {
        let Self::List = self;
        let answer = Running::find(common)?.get("/api/v1/heartbeats")?;
        let jobs: Vec<&Value> = answer["heartbeats"].as_array().into_iter().flatten().collect();
        let is_well = jobs.iter().all(|job| job["trouble"].is_null());
        if common.json {
            table::json(&answer["heartbeats"])?;
        } else if jobs.is_empty() {
            table::say("no jobs; declare one: [heartbeat.NAME]");
        } else {
            let timezone = timezone_of(&answer);
            jobs.iter().for_each(|job| show(job, &timezone));
        }
        Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn show(job: &Value, timezone: &TimeZone) {
    let text = |key: &str| job[key].as_str().unwrap_or_default();
    let time =
        |key: &str| job[key].as_str().map_or_else(|| "never".to_owned(), |at| display_time(at, timezone));
    let state = match (job["trouble"]["text"].as_str(), job["running_since"].as_str()) {
        (Some(trouble), _) => trouble.to_owned(),
        (None, Some(since)) => format!("running since {}", display_time(since, timezone)),
        (None, None) if job["succeeded"].is_null() => "has not reported yet".to_owned(),
        (None, None) => "well".to_owned(),
    };
    table::say(&format!("{}: {state}", text("name")));
    table::say(&format!(
        "  due {}; next {}; last success {}",
        text("schedule"),
        time("due"),
        time("succeeded")
    ));
}
