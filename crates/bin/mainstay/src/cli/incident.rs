//! `mainstay incident`: incidents, and what people do about them.

use crate::cli::running::Running;
use crate::cli::timezone::{display_time, timezone_of};
use crate::cli::{Common, Failure, actor, config, table};
use clap::{Subcommand, ValueEnum};
use engine::Engine;
use engine::post_mortem::NoPostMortem;
use serde_json::{Value, json};
use std::process::ExitCode;
use std::sync::Arc;
use types::{Effect, Event, IncidentId, Time};

#[derive(Debug, Subcommand)]
pub(crate) enum Incident {
    /// List open incidents, then the latest resolved ones.
    List,
    /// Show one incident with its timeline.
    Show {
        /// The number of the incident.
        #[arg(value_parser = numbered)]
        id: IncidentId,
    },
    /// Acknowledge: no further person is paged for half an hour.
    Ack {
        /// The number of the incident.
        #[arg(value_parser = numbered)]
        id: IncidentId,
        /// Your name; default: the login name.
        #[arg(long)]
        by: Option<String>,
    },
    /// Add a note; prolongs an acknowledgement.
    Note {
        /// The number of the incident.
        #[arg(value_parser = numbered)]
        id: IncidentId,
        /// The text.
        text: String,
        /// Your name; default: the login name.
        #[arg(long)]
        by: Option<String>,
    },
    /// Publish an update on the status page.
    Update {
        /// The number of the incident.
        #[arg(value_parser = numbered)]
        id: IncidentId,
        /// The text.
        text: String,
        /// The status of the incident.
        #[arg(long, value_enum, default_value_t = Status::Identified)]
        status: Status,
        /// Your name; default: the login name.
        #[arg(long)]
        by: Option<String>,
    },
    /// Publish the update that awaits approval.
    Approve {
        /// The number of the incident.
        #[arg(value_parser = numbered)]
        id: IncidentId,
        /// Your name; default: the login name.
        #[arg(long)]
        by: Option<String>,
    },
    /// Print the draft of a post-mortem as Markdown, from the journal: impact, how quick the answer was, what was done and whether
    /// it helped, timeline. Works also when mainstay is not running.
    Postmortem {
        /// The number of the incident.
        #[arg(value_parser = numbered)]
        id: IncidentId,
    },
    /// Resolve. Refused while an alert of the incident still fires.
    Resolve {
        /// The number of the incident.
        #[arg(value_parser = numbered)]
        id: IncidentId,
        /// Your name; default: the login name.
        #[arg(long)]
        by: Option<String>,
        /// Resolve although an alert still fires. The next failed probe opens the incident again.
        #[arg(long)]
        force: bool,
    },
}

/// The argument is no number of an incident.
#[derive(Debug, thiserror::Error)]
#[error("write its number, such as 7 or incident-7; `mainstay incident list` shows them")]
struct NotAnIncident;

/// Parses the number of an incident, `7` or `incident-7`.
fn numbered(text: &str) -> Result<IncidentId, NotAnIncident> {
    text.parse().map_err(|_| NotAnIncident)
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Status {
    /// The cause is not known yet.
    Investigating,
    /// The cause is known.
    Identified,
    /// The cause is fixed, recovery is monitored.
    Monitoring,
    /// The incident has ended.
    Resolved,
}

impl Status {
    /// Name in the API.
    fn as_str(self) -> &'static str {
        match self {
            Self::Investigating => "investigating",
            Self::Identified => "identified",
            Self::Monitoring => "monitoring",
            Self::Resolved => "resolved",
        }
    }
}

impl Incident {
    pub(crate) fn run(&self, common: &Common) -> Result<ExitCode, Failure> {
        let running = || Running::find(common);
        match self {
            Self::Postmortem { id } => post_mortem(common, *id),
            Self::List => list(common, &running()?),
            Self::Show { id } => show(common, &running()?, *id),
            Self::Ack { id, by } => act(common, &running()?, *id, "ack", json!({ "by": actor(by.as_ref()) })),
            Self::Note { id, text, by } => {
                act(common, &running()?, *id, "note", json!({ "by": actor(by.as_ref()), "text": text }))
            }
            Self::Update { id, text, status, by } => {
                let body = json!({ "by": actor(by.as_ref()), "status": status.as_str(), "body": text });
                act(common, &running()?, *id, "update", body)
            }
            Self::Approve { id, by } => {
                act(common, &running()?, *id, "approve", json!({ "by": actor(by.as_ref()) }))
            }
            Self::Resolve { id, by, force } => {
                let body = json!({ "by": actor(by.as_ref()), "force": force });
                act(common, &running()?, *id, "resolve", body)
            }
        }
    }
}

fn act(
    common: &Common,
    running: &Running,
    id: IncidentId,
    verb: &str,
    body: Value,
) -> Result<ExitCode, Failure> {
    let answer = running.post(&format!("/api/v1/incidents/{}/{verb}", id.0), &body)?;
    if common.json {
        table::json(&answer)?;
    } else {
        table::say(&format!("{id}: recorded"));
    }
    Ok(ExitCode::SUCCESS)
}

fn post_mortem(common: &Common, id: IncidentId) -> Result<ExitCode, Failure> {
    let config = Arc::new(config::read(&common.config, common.json)?);
    let path = config.site.data.join("journal.db");
    let read = |after: u64, limit: usize| -> Result<Vec<Event>, Failure> {
        let events = journal::dump(&path, after).map_err(Failure::no)?;
        events.take(limit).collect::<Result<_, _>>().map_err(Failure::no)
    };
    let engine = Engine::fold(&config, read)?;
    let known = engine.post_mortem(id).map_err(|why| {
        let hint = match why {
            NoPostMortem::Merged(_, into) => format!("mainstay incident postmortem {}", into.0),
            _ => "`mainstay incident list` shows those that exist".to_owned(),
        };
        Failure::no(why).hint(hint)
    })?;
    if common.json {
        table::json(&known)?;
    } else {
        table::say(web::post_mortem::markdown(&known, &config.site.timezone).trim_end());
    }
    Ok(ExitCode::SUCCESS)
}

fn list(common: &Common, running: &Running) -> Result<ExitCode, Failure> {
    let now = running.get("/api/v1/now")?;
    let open = now["open"].as_array().into_iter().flatten().map(|open| &open["incident"]);
    let all: Vec<&Value> = open.chain(now["past"].as_array().into_iter().flatten()).collect();
    if common.json {
        table::json(&all)?;
        return Ok(ExitCode::SUCCESS);
    }
    if all.is_empty() {
        table::say("no incidents");
    }
    let timezone = timezone_of(&now);
    for incident in all {
        let state = if incident["resolved"].is_null() { "open" } else { "resolved" };
        let opened = display_time(incident["opened"].as_str().unwrap_or_default(), &timezone);
        table::say(&format!("incident-{} {state} since {opened}", incident["id"]));
        let summary = incident["diagnosis"]["summary"].as_str().unwrap_or_default();
        table::say(&table::wrapped(summary, "  ", 80));
    }
    Ok(ExitCode::SUCCESS)
}

/// The notes of an incident, each with its effect.
fn notes(incident: &Value) -> Value {
    let line = |note: &Value| {
        let effect: Option<Effect> = serde_json::from_value(note["effect"].clone()).unwrap_or_default();
        let effect = effect.map(|effect| format!(" [{effect}]")).unwrap_or_default();
        let text = |name: &str| note[name].as_str().unwrap_or_default();
        json!({ "at": note["at"], "text": format!("{}: {}{effect}", text("by"), text("text")) })
    };
    incident["notes"].as_array().into_iter().flatten().map(line).collect()
}

fn show(common: &Common, running: &Running, id: IncidentId) -> Result<ExitCode, Failure> {
    let now = running.get("/api/v1/now")?;
    let is = |incident: &Value| incident["id"].as_u64() == Some(id.0);
    let open = now["open"].as_array().into_iter().flatten().find(|open| is(&open["incident"]));
    let past = now["past"].as_array().into_iter().flatten().find(|incident| is(incident));
    let found = open.or(past).ok_or_else(|| {
        Failure::no(format!("there is no {id}")).hint("`mainstay incident list` shows those that exist")
    })?;
    if common.json {
        table::json(found)?;
        return Ok(ExitCode::SUCCESS);
    }
    let incident = if open.is_some() { &found["incident"] } else { found };
    table::say(&table::wrapped(incident["diagnosis"]["summary"].as_str().unwrap_or_default(), "", 80));
    let timezone = timezone_of(&now);
    // The timeline of an open incident has its notes.
    let notes = if open.is_some() { Value::Null } else { notes(incident) };
    for (heading, lines) in [("Timeline", &found["timeline"]), ("Pages", &found["paging"]), ("Notes", &notes)]
    {
        let lines: Vec<&Value> = lines.as_array().into_iter().flatten().collect();
        if !lines.is_empty() {
            table::say(&format!("\n{heading}"));
        }
        for line in lines {
            let at = line["at"].as_str().unwrap_or_default();
            let clock = at.parse::<Time>().map_or_else(
                |_| at.to_owned(),
                |at| at.to_zoned_datetime(timezone.clone()).strftime("%H:%M:%S").to_string(),
            );
            let text = table::wrapped(line["text"].as_str().unwrap_or_default(), "           ", 80);
            table::say(&format!("  {clock} {}", text.trim_start()));
        }
    }
    Ok(ExitCode::SUCCESS)
}
