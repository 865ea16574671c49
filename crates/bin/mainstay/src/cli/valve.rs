//! `mainstay valve`: how many clients of a service are let in.

use crate::cli::running::Running;
use crate::cli::{Common, Failure, actor, table};
use clap::Args;
use serde::Deserialize;
use serde_json::json;
use std::process::ExitCode;
use types::Time;

/// Sets or lists valves.
#[derive(Debug, Args)]
pub(crate) struct ValveCommand {
    /// The service; default: list the valves of all services.
    service: Option<String>,
    /// Share of clients that are let in: `20%`; 0% holds all out, 100% opens the valve. The same clients stay in when
    /// it opens further; recognized clients come first. Default: list the valve, or 100% with `--limited`.
    #[arg(value_parser = percent, requires = "service")]
    percent: Option<u8>,
    /// Open by itself, step by step, while the service is healthy; step back when it is not.
    #[arg(long, requires = "percent", conflicts_with = "limited")]
    ramp: bool,
    /// Limited mode: serve only the `priority_paths` of the service. It ends when the valve is opened.
    #[arg(long, requires = "service")]
    limited: bool,
    /// Your name; default: the login name.
    #[arg(long)]
    by: Option<String>,
}

/// The argument is no position of a valve.
#[derive(Debug, thiserror::Error)]
#[error("write the share of clients that are let in as 0% to 100%")]
struct NotAPercentage;

fn percent(text: &str) -> Result<u8, NotAPercentage> {
    let digits = text.strip_suffix('%').unwrap_or(text).trim_end();
    digits.parse().ok().filter(|percent| *percent <= 100).ok_or(NotAPercentage)
}

/// The part of a valve that is printed.
#[derive(Deserialize)]
struct Row {
    service: String,
    percent: u8,
    limited: bool,
    ramp: bool,
    since: Option<Time>,
    by: Option<String>,
    obstacle: Option<String>,
}

impl ValveCommand {
    pub(crate) fn run(&self, common: &Common) -> Result<ExitCode, Failure> {
        match (&self.service, self.percent.or(self.limited.then_some(100))) {
            (Some(service), Some(percent)) => self.set(common, service, percent),
            (service, _) => list(common, service.as_deref()),
        }
    }

    fn set(&self, common: &Common, service: &str, percent: u8) -> Result<ExitCode, Failure> {
        let body = json!({
            "by": actor(self.by.as_ref()),
            "service": service,
            "percent": percent,
            "limited": self.limited,
            "ramp": self.ramp,
        });
        let answer = Running::find(common)?.post("/api/v1/valve", &body)?;
        if common.json {
            table::json(&answer)?;
            return Ok(ExitCode::SUCCESS);
        }
        let (mode, further) = match (self.limited, self.ramp) {
            (true, _) => (", limited mode", true),
            (_, true) => (", and opens by itself while the service is healthy", false),
            _ => ("", true),
        };
        if percent == 100 && !self.limited {
            table::say(&format!("{service}: the valve is open"));
            return Ok(ExitCode::SUCCESS);
        }
        table::say(&table::wrapped(&format!("{service}: valve {percent} %{mode}"), "", 80));
        if further {
            table::say(&format!("open it with `mainstay valve {service} 100%`; `mainstay valve` shows all"));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn list(common: &Common, only: Option<&str>) -> Result<ExitCode, Failure> {
    let mut answer = Running::find(common)?.get("/api/v1/valves")?;
    if let (Some(only), Some(all)) = (only, answer["valves"].as_array_mut()) {
        all.retain(|row| row["service"] == only);
        if all.is_empty() {
            return Err(Failure::no(format!("{only} is not a service that the edge serves"))
                .hint("`mainstay valve` lists the services"));
        }
    }
    if common.json {
        table::json(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Row> = serde_json::from_value(answer["valves"].take()).map_err(Failure::no)?;
    if rows.is_empty() {
        table::say("the edge serves no service");
    }
    for row in rows {
        let name = table::cell(&row.service, 20);
        let (Some(since), Some(by)) = (row.since, row.by) else {
            table::say(&format!("{name} open"));
            continue;
        };
        let limited = if row.limited { ", limited mode" } else { "" };
        let ramp = if row.ramp { ", opens by itself" } else { "" };
        let since = since.strftime("%Y-%m-%d %H:%M:%S UTC");
        table::say(&format!("{name} {} %{limited}{ramp}, since {since}, by {by}", row.percent));
        if let Some(obstacle) = row.obstacle {
            let word = if row.ramp { "waits" } else { "not healthy" };
            table::say(&format!("{} {word}: {obstacle}", table::cell("", 20)));
        }
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn percentages_are_written_with_or_without_a_sign() {
        for (text, value) in [
            ("20%", Some(20)),
            ("20", Some(20)),
            ("0%", Some(0)),
            ("100 %", Some(100)),
            ("101%", None),
            ("-1", None),
            ("half", None),
        ] {
            assert_eq!(percent(text).ok(), value, "{text}");
        }
    }
}
