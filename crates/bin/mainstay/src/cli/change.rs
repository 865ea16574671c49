//! `mainstay change`: record a deploy or another change; list the last ones with their effects.

use crate::cli::running::Running;
use crate::cli::time_argument::TimeArgument;
use crate::cli::timezone::{display_time, timezone_of};
use crate::cli::{Common, Failure, actor, table};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use std::process::ExitCode;
use types::Time;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Change {
    #[command(subcommand)]
    action: Option<Action>,
    /// What was done: "deploy api 4f2c".
    #[arg(required = true)]
    title: Option<String>,
    /// A service that it concerns; may be repeated. Default: not known.
    #[arg(long = "service", value_name = "SERVICE")]
    services: Vec<String>,
    /// Its kind; default: by the first word of the title.
    #[arg(long, value_enum)]
    kind: Option<Kind>,
    /// When it was made; default: now.
    #[arg(long, value_name = "TIME")]
    at: Option<TimeArgument>,
    /// A page about it.
    #[arg(long, value_name = "URL")]
    link: Option<String>,
    /// Your name; default: the login name.
    #[arg(long)]
    by: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the last changes, newest first, with their effect on incidents.
    List,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// New code.
    Deploy,
    /// New configuration.
    Config,
    /// More or fewer servers.
    Scale,
    /// An earlier version again.
    Rollback,
    /// Anything else.
    Other,
}

impl Kind {
    /// Name in the API.
    fn as_str(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Config => "config",
            Self::Scale => "scale",
            Self::Rollback => "rollback",
            Self::Other => "other",
        }
    }
}

impl Change {
    pub(crate) fn run(&self, common: &Common) -> Result<ExitCode, Failure> {
        let running = Running::find(common)?;
        match (&self.action, &self.title) {
            (None, Some(title)) => self.record(common, &running, title),
            _ => list(common, &running),
        }
    }

    fn record(&self, common: &Common, running: &Running, title: &str) -> Result<ExitCode, Failure> {
        let at = match &self.at {
            Some(at) => Some(at.start(&timezone_of(&running.get("/api/v1/now")?), Time::now())),
            None => None,
        };
        let body = json!({
            "title": title,
            "services": self.services,
            "kind": self.kind.map(Kind::as_str),
            "at": at,
            "link": self.link,
            "by": actor(self.by.as_ref()),
        });
        let answer = running.post("/api/v1/changes", &body)?;
        if common.json {
            table::json(&answer)?;
        } else {
            table::say(&match answer["change"].as_u64() {
                Some(id) => format!("change-{id}: recorded"),
                None => "recorded already".to_owned(),
            });
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn list(common: &Common, running: &Running) -> Result<ExitCode, Failure> {
    let answer = running.get("/api/v1/changes")?;
    if common.json {
        table::json(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    let timezone = timezone_of(&answer);
    let changes: Vec<&Value> = answer["changes"].as_array().into_iter().flatten().collect();
    if changes.is_empty() {
        table::say("no changes; record one with: mainstay change \"deploy api 4f2c\"");
    }
    for change in changes {
        let text = |name: &str| change[name].as_str().unwrap_or_default();
        let at = if change["done"].is_null() { text("at") } else { text("done") };
        let services: Vec<&str> =
            change["services"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let about = if services.is_empty() { String::new() } else { format!(" ({})", services.join(", ")) };
        let by = change["by"]["id"].as_str().unwrap_or_default();
        table::say(&format!("change-{} {} by {by}", change["id"], display_time(at, &timezone)));
        table::say(&table::wrapped(&format!("{}{about}", text("title")), "  ", 80));
        for effect in change["effects"].as_array().into_iter().flatten() {
            let line =
                format!("incident-{}: {}", effect["incident"], effect["text"].as_str().unwrap_or_default());
            table::say(&table::wrapped(&line, "  ", 80));
        }
    }
    Ok(ExitCode::SUCCESS)
}
