//! `mainstay maintenance`: schedule planned work, list it, extend it, end or cancel it.

use crate::cli::running::Running;
use crate::cli::time_argument::TimeArgument;
use crate::cli::timezone::{display_time, timezone_of};
use crate::cli::{Common, Failure, actor, table};
use clap::{Args, Subcommand};
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::process::ExitCode;
use std::time::Duration;
use types::{MaintenanceId, Time};

#[derive(Debug, Subcommand)]
pub(crate) enum MaintenanceCommand {
    /// Schedule one: `maintenance add "Database upgrade" --service api --from 22:00 --for 2h`. It starts and ends by
    /// itself.
    Add(Add),
    /// List them: those that go on, those that come, those that ended lately.
    List,
    /// Move the end of one: `maintenance extend 3 --for 30m`.
    Extend {
        #[command(flatten)]
        chosen: Chosen,
        /// How much longer it takes, from its planned end or from now, whichever is later.
        #[arg(long = "for", value_name = "D", value_parser = config::duration)]
        longer: Duration,
    },
    /// End one that goes on before its planned end.
    End(Chosen),
    /// Cancel one that has not started.
    Cancel(Chosen),
}

#[derive(Debug, Args)]
pub(crate) struct Add {
    /// What is done, in words for the public.
    title: String,
    /// A service that is worked on; may be repeated.
    #[arg(long = "service", value_name = "SERVICE", required_unless_present = "resources")]
    services: Vec<String>,
    /// Another resource that is worked on, such as database.main or pool.auth; may be repeated.
    #[arg(long = "resource", value_name = "RESOURCE")]
    resources: Vec<String>,
    /// When it starts; default: now.
    #[arg(long, value_name = "TIME")]
    from: Option<TimeArgument>,
    /// How long it takes: `30m`, `2h`, `1d`.
    #[arg(long = "for", value_name = "D", value_parser = config::duration)]
    lasting: Duration,
    /// More about it, in words for the public.
    #[arg(long)]
    text: Option<String>,
    /// Your name; default: the login name.
    #[arg(long)]
    by: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Chosen {
    /// The number of the maintenance.
    #[arg(value_parser = numbered)]
    id: MaintenanceId,
    /// Your name; default: the login name.
    #[arg(long)]
    by: Option<String>,
}

/// The argument is no number of a maintenance.
#[derive(Debug, thiserror::Error)]
#[error("write its number, such as 3 or maintenance-3; `mainstay maintenance list` shows them")]
struct NotAMaintenance;

/// Parses the number of a maintenance, `3` or `maintenance-3`.
fn numbered(text: &str) -> Result<MaintenanceId, NotAMaintenance> {
    text.parse().map_err(|_| NotAMaintenance)
}

impl MaintenanceCommand {
    pub(crate) fn run(&self, common: &Common) -> Result<ExitCode, Failure> {
        let running = Running::find(common)?;
        match self {
            Self::Add(add) => add.run(common, &running),
            Self::List => list(common, &running),
            Self::Extend { chosen, longer } => extend(common, &running, chosen, *longer),
            Self::End(chosen) => end(common, &running, chosen, "in_progress"),
            Self::Cancel(chosen) => end(common, &running, chosen, "scheduled"),
        }
    }
}

impl Add {
    fn run(&self, common: &Common, running: &Running) -> Result<ExitCode, Failure> {
        let timezone = timezone_of(&running.get("/api/v1/now")?);
        let body = json!({
            "by": actor(self.by.as_ref()),
            "title": self.title,
            "text": self.text,
            "services": self.services,
            "resources": self.resources,
            "from": self.from.as_ref().map(|from| from.start(&timezone, Time::now())),
            "for_seconds": self.lasting.as_secs(),
        });
        let answer = running.post("/api/v1/maintenances", &body)?;
        if common.json {
            table::json(&answer)?;
            return Ok(ExitCode::SUCCESS);
        }
        let id = &answer["maintenance"];
        let when = period(&answer, &timezone);
        table::say(&table::wrapped(&format!("maintenance-{id}: {} is scheduled {when}", self.title), "", 80));
        table::say(&format!("end or cancel it with `mainstay maintenance end {id}` or `cancel {id}`"));
        Ok(ExitCode::SUCCESS)
    }
}

/// `from 2026-12-05 22:00 to 2026-12-06 00:00`.
fn period(row: &Value, timezone: &TimeZone) -> String {
    let time = |name: &str| display_time(row[name].as_str().unwrap_or_default(), timezone);
    format!("from {} to {}", time("from"), time("to"))
}

fn list(common: &Common, running: &Running) -> Result<ExitCode, Failure> {
    let answer = running.get("/api/v1/maintenances")?;
    if common.json {
        table::json(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    let timezone = timezone_of(&answer);
    let mut rows: Vec<&Value> = answer["maintenances"].as_array().into_iter().flatten().collect();
    if rows.is_empty() {
        table::say(
            "no maintenance; schedule one with: mainstay maintenance add TITLE --service NAME --for 2h",
        );
    }
    rows.sort_by_key(|row| row["from"].as_str().unwrap_or_default());
    for row in rows {
        let text = |name: &str| row[name].as_str().unwrap_or_default();
        let names = ["services", "resources"].into_iter().filter_map(|key| row[key].as_array()).flatten();
        let names: Vec<&str> = names.filter_map(Value::as_str).collect();
        let state = text("state").replace('_', " ");
        table::say(&format!("maintenance-{} {state}, {}", row["id"], period(row, &timezone)));
        table::say(&table::wrapped(&format!("{} ({})", text("title"), names.join(", ")), "  ", 80));
    }
    Ok(ExitCode::SUCCESS)
}

fn extend(
    common: &Common,
    running: &Running,
    chosen: &Chosen,
    longer: Duration,
) -> Result<ExitCode, Failure> {
    let path = format!("/api/v1/maintenances/{}/extend", chosen.id.0);
    let body = json!({ "by": actor(chosen.by.as_ref()), "for_seconds": longer.as_secs() });
    let answer = running.post(&path, &body)?;
    if common.json {
        table::json(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    let timezone = timezone_of(&running.get("/api/v1/now")?);
    table::say(&format!("{}: {}", chosen.id, period(&answer, &timezone)));
    Ok(ExitCode::SUCCESS)
}

/// Ends a maintenance. Someone who cancels one does not expect to end work that goes on, and the other way round.
fn end(common: &Common, running: &Running, chosen: &Chosen, expected: &str) -> Result<ExitCode, Failure> {
    let listed = running.get("/api/v1/maintenances")?;
    let mut rows = listed["maintenances"].as_array().into_iter().flatten();
    let state = rows.find(|row| row["id"] == chosen.id.0).and_then(|row| row["state"].as_str());
    let is_scheduled = state == Some("scheduled");
    let is_open = is_scheduled || matches!(state, Some("in_progress" | "overrun"));
    if is_open && is_scheduled != (expected == "scheduled") {
        let (what, other) = match is_scheduled {
            true => ("has not started", "cancel"),
            false => ("has started", "end"),
        };
        return Err(Failure::no(format!("{} {what}", chosen.id))
            .hint(format!("`mainstay maintenance {other} {}`", chosen.id.0)));
    }
    let path = format!("/api/v1/maintenances/{}/end", chosen.id.0);
    let answer = running.post(&path, &json!({ "by": actor(chosen.by.as_ref()) }))?;
    if common.json {
        table::json(&answer)?;
    } else {
        table::say(&format!("{}: {}", chosen.id, if is_scheduled { "cancelled" } else { "ended" }));
    }
    Ok(ExitCode::SUCCESS)
}
